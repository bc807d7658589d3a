//! Passes logins to package tools in files that only root can read and that are removed at the end of the run. A
//! password is never in an argument, an environment variable or a URL.
//!
//! * pip and uv read a netrc file (`NETRC`), which has hosts but no paths.
//! * git calls a credential helper for each URL. The helper prints a file and stores nothing.
//! * apt reads its own kind of netrc file, which has URLs: `apt_auth.conf(5)`.
//! * The agent's own requests carry a header: [`http::BasicAuth`].

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
    plan,
    problem::Problem,
    redact::Secret,
};

/// The folder of these files, below the root of the node. `/run` is in memory.
const FOLDER: &str = "run/nodeagent/logins";
/// The mode of the parent folder: other users may traverse it, but not list it.
const PARENT_MODE: u32 = 0o711;
/// The node's own logins for apt.
pub(crate) const APT_AUTH: &str = "/etc/apt/auth.conf";

/// The logins of a run or of one step.
#[derive(Debug, Clone, Default)]
pub struct Logins {
    folder: Option<Arc<Folder>>,
    known: Vec<Known>,
}

#[derive(Debug, Clone)]
struct Known {
    login: plan::Login,
    password: Arc<Secret>,
    /// The number in the names of this login's files.
    number: usize,
}

/// The folder of the files. Removed when the last reference is dropped.
#[derive(Debug)]
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder that cannot be removed now is removed by the next run.
        let _ = fs::remove_tree(&self.0);
    }
}

/// The folder of login files on a node. It exists only during a run.
pub fn folder(root: &Path) -> PathBuf {
    root.join(FOLDER)
}

/// The password without the trailing line break that editors add to a file. The error completes the sentence "the
/// password …".
pub fn password(value: &Secret) -> Result<Secret, &'static str> {
    let bytes = value.without_line_end();
    match bytes {
        [] => Err("is empty"),
        _ if bytes.iter().any(u8::is_ascii_control) => Err("has more than one line, or control characters"),
        _ => Ok(Secret::new(bytes.to_vec())),
    }
}

/// Why a password cannot be written to a netrc file. The readers of that format disagree about quotes and escapes.
pub fn misfit(password: &Secret) -> Option<&'static str> {
    let bytes = password.reveal();
    let plain = bytes.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'\\');
    let begins = !bytes.starts_with(b"\"") && !bytes.starts_with(b"#");
    (!(plain && begins)).then_some(
        "cannot be written to a netrc file: it has a space, a backslash or a non-ASCII character, or starts with `\"` or `#`",
    )
}

impl Logins {
    /// The logins of all steps of a plan, with their passwords. Writes no files.
    pub fn of_steps<'a>(logins: impl Iterator<Item = &'a plan::Login>, vault: &Vault, root: &Path) -> Self {
        let mut known: Vec<Known> = Vec::new();
        for login in logins {
            let is_known = known.iter().any(|known| known.login.login == login.login);
            let found = vault.get(&login.login.from).and_then(Result::ok).and_then(|value| password(value).ok());
            // A missing password has already been reported, and its step has been refused or skipped.
            let Some(password) = found.filter(|_| !is_known) else { continue };
            known.push(Known { login: login.clone(), password: Arc::new(password), number: known.len() });
        }
        let folder = (!known.is_empty()).then(|| Arc::new(Folder(folder(root))));
        Self { folder, known }
    }

    /// The logins of one step.
    #[must_use]
    pub fn of_step(&self, wanted: &[plan::Login]) -> Self {
        let of_step = |known: &Known| {
            let login = wanted.iter().find(|wanted| wanted.login == known.login.login)?;
            Some(Known { login: login.clone(), ..known.clone() })
        };
        Self { folder: self.folder.clone(), known: self.known.iter().filter_map(of_step).collect() }
    }

    /// The same logins for the agent's own requests.
    pub fn for_http(&self) -> Vec<http::BasicAuth> {
        let login = |known: &Known| {
            let login = &known.login.login;
            let name = format!(
                "`{}` for `{}` (its password is the key `{}` of scope `{}`)",
                login.user, login.url_prefix, login.key, login.scope
            );
            http::BasicAuth::new(login.url_prefix.clone(), &login.user, &known.password, name)
        };
        self.known.iter().map(login).collect()
    }

    /// Adds the logins to a command of pip, uv or git, and to the git that it starts. `own` is the node's netrc file,
    /// which the new file replaces and includes. `configured` is the number of git settings that the environment
    /// already has.
    pub(crate) fn for_python_and_git(&self, cmd: Cmd, own: Option<&Path>, configured: usize) -> Result<Cmd, Problem> {
        // git must not prompt, because no user is present.
        let mut cmd = cmd.env("GIT_TERMINAL_PROMPT", "0");
        let Some(folder) = self.folder.as_ref().filter(|_| !self.known.is_empty()) else { return Ok(cmd) };
        let by_host: Vec<&Known> = self.known.iter().filter(|known| known.login.by_host).collect();
        if !by_host.is_empty() {
            let mut netrc = own.and_then(|own| std::fs::read(own).ok()).unwrap_or_default();
            // An empty line ends a macro. If a host has two entries, the last one wins.
            netrc.extend(b"\n\n");
            netrc.extend(by_host.iter().flat_map(|known| known.line(&known.login.login.url_prefix.host())));
            cmd = cmd.env("NETRC", folder.write("netrc", &netrc)?);
        }
        let mut count = configured;
        for known in &self.known {
            let login = &known.login.login;
            let user = format!("username={}\npassword=", login.user);
            let file = folder
                .write(&format!("git-{}", known.number), &[user.as_bytes(), known.password.reveal(), b"\n"].concat())?;
            // The node's own credential helpers are disabled for this URL, because they might store the password. The
            // `#` at the end comments out the arguments that git appends.
            let helper = format!("!cat '{}' #", file.replace('\'', r"'\''"));
            for (key, value) in [("helper", ""), ("helper", helper.as_str()), ("useHttpPath", "false")] {
                cmd = cmd
                    .env(format!("GIT_CONFIG_KEY_{count}"), format!("credential.{}.{key}", login.url_prefix))
                    .env(format!("GIT_CONFIG_VALUE_{count}"), value);
                count += 1;
            }
        }
        Ok(cmd.env("GIT_CONFIG_COUNT", count.to_string()))
    }

    /// Adds the logins to a command of apt. `own` is the node's own login file, which the new file replaces and
    /// includes.
    pub(crate) fn for_apt(&self, mut cmd: Cmd, own: &Path) -> Result<Cmd, Problem> {
        let Some(folder) = self.folder.as_ref().filter(|_| !self.known.is_empty()) else { return Ok(cmd) };
        let mut conf = Vec::new();
        for known in &self.known {
            let url_prefix = known.login.login.url_prefix.to_string();
            // An entry without a scheme is used for HTTPS only.
            conf.extend(known.line(url_prefix.strip_prefix("https://").unwrap_or(&url_prefix)));
        }
        // The first matching entry wins.
        conf.extend(std::fs::read(own).unwrap_or_default());
        let file = folder.write("apt.conf", &conf)?;
        cmd.args.splice(0..0, ["-o".to_owned(), format!("Dir::Etc::netrc={file}")]);
        Ok(cmd)
    }
}

impl Known {
    /// One line of a netrc file.
    fn line(&self, machine: &str) -> Vec<u8> {
        let mut text = String::new();
        let _ = write!(text, "machine {machine} login {} password ", self.login.login.user);
        [text.as_bytes(), self.password.reveal(), b"\n"].concat()
    }
}

impl Folder {
    /// Writes a file unless it already has this content. Returns its path.
    fn write(&self, name: &str, bytes: &[u8]) -> Result<String, Problem> {
        let path = self.0.join(name);
        let found = fs::read(&path)?;
        if found.is_none_or(|found| found.bytes.as_deref() != Some(bytes)) {
            if let Some(above) = self.0.parent() {
                fs::create_dirs(above, PARENT_MODE)?;
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

    fn known(number: usize, url_prefix: &str, by_host: bool) -> Known {
        let login = profile::Login {
            url_prefix: UrlPrefix::parse(url_prefix).expect("a URL prefix"),
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
    fn passwords_are_only_in_files_of_root_and_not_in_the_command() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let (logins, own) = (logins(temp.path()), temp.path().join("own"));
        fs::replace(&own, b"machine other.example login a password b", Attributes::default()).expect("written");
        let cmd = logins.for_python_and_git(Cmd::new("pip"), Some(&own), 2).expect("written");
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
        assert!(!folder.exists(), "the folder is removed with the last reference");
    }

    #[test]
    fn a_step_gets_only_its_own_logins() {
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
    fn a_password_is_one_line_without_its_line_break() {
        let of = |text: &str| password(&Secret::from(text.to_owned())).map(|found| found.reveal().to_vec());
        assert_eq!(of("hunter2\r\n"), Ok(b"hunter2".to_vec()));
        assert_eq!(of("\n"), Err("is empty"));
        assert!(of("a\nb").is_err() && of("a\0b").is_err());
    }

    #[test]
    fn passwords_that_are_ambiguous_in_netrc_are_refused() {
        let fits = |text: &str| misfit(&Secret::from(text.to_owned())).is_none();
        assert!(fits("a\"b#c'd%40:/@") && fits("ghp_0123456789"));
        for text in ["a b", "a\\b", "\"a", "#a", "caf\u{e9}"] {
            assert!(!fits(text), "{text}");
        }
    }
}
