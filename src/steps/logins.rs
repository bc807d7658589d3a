//! Hands logins to package tools, each in the way the tool knows: by files that only root can read and that live as
//! long as the run. No password is ever in an argument, a variable or an address.
//!
//! * pip and uv read a netrc file (`NETRC`), which knows hosts, no paths.
//! * git asks a helper for the login of an address; the helper shows a file and keeps nothing.
//! * apt reads its own kind of netrc file, which knows addresses: `apt_auth.conf(5)`.
//! * What the agent fetches itself carries a header: [`http::BasicAuth`].

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    exec::Cmd,
    fs::{self, Attributes},
    http,
    inventory::Vault,
    plan::{self, Plan},
    problem::Problem,
    redact::Secret,
};

/// Where the files are, below the root: `/run` is in memory.
const FOLDER: &str = "run/nodeagent/logins";
/// Others may pass through the folder above, not look into it.
const ABOVE: u32 = 0o711;
/// Where apt has the node's own logins.
pub(crate) const APT_AUTH: &str = "/etc/apt/auth.conf";

/// The logins of a run, or of one of its steps.
#[derive(Debug, Clone, Default)]
pub struct Logins {
    folder: Option<Arc<Folder>>,
    known: Vec<Known>,
}

#[derive(Debug, Clone)]
struct Known {
    login: plan::Login,
    password: Arc<Secret>,
    /// Sets its files apart from those of others.
    number: usize,
}

/// The folder of the files: gone with the last who uses it.
#[derive(Debug)]
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next run.
        let _ = fs::remove_tree(&self.0);
    }
}

/// The folder of these files on a node. Outside a run it is not there.
pub fn folder(root: &Path) -> PathBuf {
    root.join(FOLDER)
}

/// A password as its source has it, without the line end that editors put at the end of a file. The error says what is
/// wrong with it, as in "the password …".
pub fn password(value: &Secret) -> Result<Secret, &'static str> {
    let bytes = value.without_line_end();
    match bytes {
        [] => Err("is empty"),
        _ if bytes.iter().any(u8::is_ascii_control) => Err("has more than one line, or control characters"),
        _ => Ok(Secret::new(bytes.to_vec())),
    }
}

/// What keeps a password out of a netrc file, whose readers disagree about quotes and escapes.
pub fn misfit(password: &Secret) -> Option<&'static str> {
    let bytes = password.reveal();
    let plain = bytes.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'\\');
    let begins = !bytes.starts_with(b"\"") && !bytes.starts_with(b"#");
    (!(plain && begins)).then_some(
        "cannot stand in a netrc file: it has a space, a backslash, a letter beyond ASCII, or begins with `\"` or `#`",
    )
}

impl Logins {
    /// The logins of all steps of a plan, with their passwords. Nothing is written yet.
    pub fn of_plan(plan: &Plan, vault: &Vault, root: &Path) -> Self {
        let mut known: Vec<Known> = Vec::new();
        for login in plan.steps.iter().flat_map(|step| &step.logins) {
            let is_known = known.iter().any(|known| known.login.login == login.login);
            let found = vault.get(&login.login.from).and_then(Result::ok).and_then(|value| password(value).ok());
            // Without a password the step is refused or given up: that was said already.
            let Some(password) = found.filter(|_| !is_known) else { continue };
            known.push(Known { login: login.clone(), password: Arc::new(password), number: known.len() });
        }
        let folder = (!known.is_empty()).then(|| Arc::new(Folder(folder(root))));
        Self { folder, known }
    }

    /// Those of one step.
    #[must_use]
    pub fn of_step(&self, wanted: &[plan::Login]) -> Self {
        let of_step = |known: &Known| {
            let login = wanted.iter().find(|wanted| wanted.login == known.login.login)?;
            Some(Known { login: login.clone(), ..known.clone() })
        };
        Self { folder: self.folder.clone(), known: self.known.iter().filter_map(of_step).collect() }
    }

    /// The same for what the agent fetches itself.
    pub fn for_http(&self) -> Vec<http::BasicAuth> {
        let login = |known: &Known| {
            let login = &known.login.login;
            let name = format!(
                "`{}` for `{}` (its password is the key `{}` of scope `{}`)",
                login.user, login.site, login.key, login.scope
            );
            http::BasicAuth::new(login.site.clone(), &login.user, &known.password, name)
        };
        self.known.iter().map(login).collect()
    }

    /// A command of pip or uv that finds the logins, for itself and for the git it starts. `own` is the node's own
    /// netrc file, for which ours stands in; `configured` is how many settings of git the environment has already.
    pub(crate) fn for_python(&self, cmd: Cmd, own: Option<&Path>, configured: usize) -> Result<Cmd, Problem> {
        // Nobody is there to answer.
        let mut cmd = cmd.env("GIT_TERMINAL_PROMPT", "0");
        let Some(folder) = self.folder.as_ref().filter(|_| !self.known.is_empty()) else { return Ok(cmd) };
        let by_host: Vec<&Known> = self.known.iter().filter(|known| known.login.by_host).collect();
        if !by_host.is_empty() {
            let mut netrc = own.and_then(|own| std::fs::read(own).ok()).unwrap_or_default();
            // A macro ends with an empty line. Of two entries for a host the last one counts.
            netrc.extend(b"\n\n");
            netrc.extend(by_host.iter().flat_map(|known| known.line(&known.login.login.site.host())));
            cmd = cmd.env("NETRC", folder.hold("netrc", &netrc)?);
        }
        let mut count = configured;
        for known in &self.known {
            let login = &known.login.login;
            let user = format!("username={}\npassword=", login.user);
            let file = folder
                .hold(&format!("git-{}", known.number), &[user.as_bytes(), known.password.reveal(), b"\n"].concat())?;
            // Only for this address the node's own helpers are not asked: they might keep what they hear. The sign at
            // the end hides what git adds to a helper's words.
            let helper = format!("!cat '{}' #", file.replace('\'', r"'\''"));
            for (key, value) in [("helper", ""), ("helper", helper.as_str()), ("useHttpPath", "false")] {
                cmd = cmd
                    .env(format!("GIT_CONFIG_KEY_{count}"), format!("credential.{}.{key}", login.site))
                    .env(format!("GIT_CONFIG_VALUE_{count}"), value);
                count += 1;
            }
        }
        Ok(cmd.env("GIT_CONFIG_COUNT", count.to_string()))
    }

    /// A command of apt that finds the logins. `own` is the node's own file of them, for which ours stands in.
    pub(crate) fn for_apt(&self, mut cmd: Cmd, own: &Path) -> Result<Cmd, Problem> {
        let Some(folder) = self.folder.as_ref().filter(|_| !self.known.is_empty()) else { return Ok(cmd) };
        let mut conf = Vec::new();
        for known in &self.known {
            let site = known.login.login.site.to_string();
            // With no scheme before it a name is one of TLS.
            conf.extend(known.line(site.strip_prefix("https://").unwrap_or(&site)));
        }
        // The first entry that fits counts.
        conf.extend(std::fs::read(own).unwrap_or_default());
        let file = folder.hold("apt.conf", &conf)?;
        cmd.args.splice(0..0, ["-o".to_owned(), format!("Dir::Etc::netrc={file}")]);
        Ok(cmd)
    }
}

impl Known {
    /// A line of a netrc file.
    fn line(&self, machine: &str) -> Vec<u8> {
        let mut text = String::new();
        let _ = write!(text, "machine {machine} login {} password ", self.login.login.user);
        [text.as_bytes(), self.password.reveal(), b"\n"].concat()
    }
}

impl Folder {
    /// A file in it, written when it is not there yet. Returns its path.
    fn hold(&self, name: &str, bytes: &[u8]) -> Result<String, Problem> {
        let path = self.0.join(name);
        let found = fs::read(&path)?;
        if found.is_none_or(|found| found.bytes.as_deref() != Some(bytes)) {
            if let Some(above) = self.0.parent() {
                fs::create_dirs(above, ABOVE)?;
            }
            fs::create_dirs(&self.0, 0o700)?;
            fs::replace(&path, bytes, Attributes::mode(0o600))?;
        }
        Ok(path.to_string_lossy().into_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::{diagnostic::Origin, profile, redact::UrlPrefix, secrets::Address};

    fn known(number: usize, site: &str, by_host: bool) -> Known {
        let login = profile::Login {
            site: UrlPrefix::parse(site).expect("a site"),
            user: "reader".into(),
            scope: "family".into(),
            key: "pypi".into(),
            from: Address::Variable(format!("PASSWORD_{number}")),
        };
        let origin = Origin { file: "x.toml".into(), line: 1, column: 1 };
        let password = Arc::new(Secret::from(format!("hunter{number}")));
        Known { login: plan::Login { login, by_host, origin }, password, number }
    }

    fn logins(temp: &Path) -> Logins {
        let known = vec![
            known(1, "https://pypi.example/", true),
            known(2, "https://git.example/team/", false),
            known(3, "http://127.0.0.1:8080/debian/", true),
        ];
        Logins { folder: Some(Arc::new(Folder(folder(temp)))), known }
    }

    fn read(path: &Path) -> String {
        std::fs::read_to_string(path).expect("written")
    }

    #[test]
    fn passwords_are_in_files_of_root_alone_and_nowhere_in_the_command() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let (logins, own) = (logins(temp.path()), temp.path().join("own"));
        fs::replace(&own, b"machine other.example login a password b", Attributes::default()).expect("written");
        let cmd = logins.for_python(Cmd::new("pip"), Some(&own), 2).expect("written");
        let cmd = logins.for_apt(cmd, &own).expect("written");
        assert!(!format!("{cmd:?}").contains("hunter"), "{cmd:?}");
        let folder = folder(temp.path());
        for (path, mode) in [("", 0o700), ("netrc", 0o600), ("git-2", 0o600), ("apt.conf", 0o600)] {
            let found = std::fs::metadata(folder.join(path)).expect("there").permissions().mode();
            assert_eq!(found & 0o777, mode, "{path}");
        }
        assert_eq!(
            read(&folder.join("netrc")),
            "machine other.example login a password b\n\nmachine pypi.example login reader password hunter1\n\
             machine 127.0.0.1 login reader password hunter3\n"
        );
        assert_eq!(
            read(&folder.join("apt.conf")),
            "machine pypi.example/ login reader password hunter1\n\
             machine git.example/team/ login reader password hunter2\n\
             machine http://127.0.0.1:8080/debian/ login reader password hunter3\n\
             machine other.example login a password b"
        );
        assert_eq!(read(&folder.join("git-2")), "username=reader\npassword=hunter2\n");
        assert_eq!(
            (cmd.env["GIT_CONFIG_COUNT"].as_str(), cmd.env["GIT_CONFIG_KEY_2"].as_str()),
            ("11", "credential.https://pypi.example/.helper")
        );
        drop(logins);
        assert!(!folder.exists(), "they live as long as the run");
    }

    #[test]
    fn a_step_has_its_own_logins_only_and_none_is_nothing() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let all = logins(temp.path());
        let one = all.of_step(&[all.known[1].login.clone()]);
        assert_eq!(one.known.len(), 1);
        let cmd = Logins::default().for_apt(Cmd::new("apt-get").arg("update"), temp.path()).expect("nothing to do");
        assert_eq!(cmd.args, ["update"]);
        let cmd = all.of_step(&[]).for_apt(Cmd::new("apt-get").arg("update"), temp.path()).expect("nothing to do");
        assert_eq!(cmd.args, ["update"]);
    }

    #[test]
    fn a_password_is_one_line_without_its_end() {
        let of = |text: &str| password(&Secret::from(text.to_owned())).map(|found| found.reveal().to_vec());
        assert_eq!(of("hunter2\r\n"), Ok(b"hunter2".to_vec()));
        assert_eq!(of("\n"), Err("is empty"));
        assert!(of("a\nb").is_err() && of("a\0b").is_err());
    }

    #[test]
    fn what_readers_of_netrc_disagree_about_is_refused() {
        let fits = |text: &str| misfit(&Secret::from(text.to_owned())).is_none();
        assert!(fits("a\"b#c'd%40:/@") && fits("ghp_0123456789"));
        for text in ["a b", "a\\b", "\"a", "#a", "caf\u{e9}"] {
            assert!(!fits(text), "{text}");
        }
    }
}
