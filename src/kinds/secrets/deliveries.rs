//! Rules about destinations of secrets: the keys of each kind of destination, and conflicts between destinations.

use std::{
    collections::BTreeMap,
    path::{Component, Path, PathBuf},
};

use url::Url;

use super::{
    checked::{SecretFile, SecretItem},
    written::Delivery,
};
use crate::{
    diagnostic::{Diagnostic, Origin},
    grammar::{document::Part, names},
    profile::{Entry, Rules},
    redact::is_loopback,
    secrets::file_formats::{FileFormat, SecretFormat},
};

const DEFAULT_MODE: &str = "0400";
const DEFAULT_OWNER: &str = "root";
/// The mode of shared files, which their readers require.
const SHARED_MODE: u32 = 0o600;
/// The folder of files with bare names. Each scope has a subfolder. `/run` is in memory.
const FOLDER: &str = "/run/nodeagent/secrets";
const DEFAULT_NETRC: &str = "~/.netrc";

/// A kind of destination: the key that names it, its required keys and its optional keys.
struct Destination {
    key: &'static str,
    needs: &'static [&'static str],
    takes: &'static [&'static str],
}

const DESTINATIONS: [Destination; 6] = [
    Destination { key: "file", needs: &[], takes: &["mode", "owner"] },
    Destination { key: "env-file", needs: &["variable"], takes: &["mode", "owner"] },
    Destination { key: "pgpass", needs: &["host", "user"], takes: &["port", "database", "owner"] },
    Destination { key: "netrc", needs: &["machine", "login"], takes: &["owner"] },
    Destination { key: "git-credentials", needs: &["url", "user"], takes: &["owner"] },
    Destination { key: "index", needs: &["user"], takes: &["netrc", "owner"] },
];

impl Rules<'_> {
    /// The destination of one secret, and its form there. `at` is the position of `to`.
    pub(super) fn delivery(&mut self, at: &[Part], raw: &Delivery, scope: &str) -> Option<(SecretFormat, SecretFile)> {
        let place = self.destination(at)?;
        let before = self.found.len();
        self.only_its_own_keys(at, place);
        let (form, file) = self.secret_format(at, raw, place)?;
        let takes_mode = matches!(place.key, "file" | "env-file");
        let mode = raw.mode.as_deref().filter(|_| takes_mode);
        let key = if place.key == "index" { "netrc" } else { place.key };
        let mut to = self.secret_file(&position(at, key), &file?, scope, (mode, raw.owner.as_deref()))?;
        if form.kind().is_shared() {
            to.mode = SHARED_MODE;
        }
        (self.found.len() == before).then_some((form, to))
    }

    /// The kind of destination that the keys of `to` name.
    fn destination(&mut self, at: &[Part]) -> Option<&'static Destination> {
        let has = |rules: &Self, key: &str| rules.document.has(&position(at, key));
        let mut named: Vec<&'static Destination> = DESTINATIONS.iter().filter(|place| has(self, place.key)).collect();
        if has(self, "index") {
            named.retain(|place| place.key != "netrc");
        }
        match named[..] {
            [place] => Some(place),
            [] => {
                if self.document.has(at) {
                    let known: Vec<String> = DESTINATIONS.iter().map(|place| format!("`{}`", place.key)).collect();
                    self.mistake(at, "`to` names no place", format!("name one of {}", known.join(", ")));
                }
                None
            }
            [first, second, ..] => {
                let hint = "a secret goes to one place; add an entry with the same `key` for another";
                let message = format!("both `{}` and `{}` are given", first.key, second.key);
                self.mistake(&position(at, second.key), message, hint);
                None
            }
        }
    }

    /// The form of a secret at a kind of destination, and the path of the file as written.
    fn secret_format(
        &mut self,
        at: &[Part],
        raw: &Delivery,
        place: &Destination,
    ) -> Option<(SecretFormat, Option<String>)> {
        let below = |key: &str| position(at, key);
        let has = |rules: &Self, key: &str| rules.document.has(&below(key));
        let needed = |text: &Option<String>| text.clone().unwrap_or_default();
        let field = |rules: &mut Self, key: &str, text: &str, check: fn(&str) -> bool, hint: &str| {
            let text = rules.expanded(&below(key), text)?;
            if !check(&text) && has(rules, key) {
                rules.mistake(&below(key), format!("`{text}` is not a `{key}` of `{}`", place.key), hint);
            }
            Some(text)
        };
        let one_line = "one line, without control characters";
        match place.key {
            "file" => Some((SecretFormat::Whole, raw.file.clone())),
            "env-file" => {
                let hint = "use letters, digits and `_`, and begin with a letter or `_`";
                let variable = field(self, "variable", &needed(&raw.variable), names::is_variable, hint)?;
                Some((SecretFormat::Variable(variable), raw.env_file.clone()))
            }
            "pgpass" => {
                let any = || "*".to_owned();
                let port = raw.port.as_ref().map_or_else(any, ToString::to_string);
                let is_port = |text: &str| text == "*" || text.parse::<u16>().is_ok_and(|port| port > 0);
                let form = SecretFormat::Pgpass {
                    host: field(self, "host", &needed(&raw.host), names::is_field, one_line)?,
                    port: field(self, "port", &port, is_port, "a number, or `*` for any")?,
                    database: field(
                        self,
                        "database",
                        &raw.database.clone().unwrap_or_else(any),
                        names::is_field,
                        one_line,
                    )?,
                    user: field(self, "user", &needed(&raw.user), names::is_field, one_line)?,
                };
                Some((form, raw.pgpass.clone()))
            }
            "netrc" => {
                let hint = "the name of a server, without scheme, port and path";
                let machine = field(self, "machine", &needed(&raw.machine), names::is_host, hint)?;
                let login =
                    field(self, "login", &needed(&raw.login), names::is_login, "one word, without backslashes")?;
                Some((SecretFormat::Netrc { machine, login }, raw.netrc.clone()))
            }
            "git-credentials" => {
                let user = field(self, "user", &needed(&raw.user), names::is_field, one_line)?;
                let url = self.login_page(&below("url"), raw.url.as_deref().unwrap_or_default())?;
                if url.path() != "/" {
                    // git stores the login again without the path, on a separate line.
                    let hint = "name the server alone: git looks for a login by its server";
                    self.mistake(&below("url"), format!("`{url}` has a path"), hint);
                }
                Some((SecretFormat::GitCredentials { url, user }, raw.git_credentials.clone()))
            }
            _ => {
                let login = field(self, "user", &needed(&raw.user), names::is_login, "one word, without backslashes")?;
                let url = self.login_page(&below("index"), raw.index.as_deref().unwrap_or_default())?;
                let machine = url.host_str().unwrap_or_default().to_owned();
                let file = raw.netrc.clone().unwrap_or_else(|| DEFAULT_NETRC.to_owned());
                Some((SecretFormat::Netrc { machine, login }, Some(file)))
            }
        }
    }

    fn only_its_own_keys(&mut self, at: &[Part], place: &Destination) {
        let below = |key: &str| at.iter().cloned().chain([key.into()]).collect::<Vec<Part>>();
        let mut others: Vec<&str> =
            DESTINATIONS.iter().flat_map(|place| place.needs.iter().chain(place.takes)).copied().collect();
        others.sort_unstable();
        others.dedup();
        for key in others.into_iter().filter(|key| *key != place.key) {
            if place.needs.contains(&key) || place.takes.contains(&key) || !self.document.has(&below(key)) {
                continue;
            }
            let own: Vec<String> = place.needs.iter().chain(place.takes).map(|key| format!("`{key}`")).collect();
            let hint = match key {
                "mode" => format!("leave it out: the mode is {SHARED_MODE:04o}, as the readers of such a file ask for"),
                _ => format!("the keys of `{}` are {}", place.key, own.join(", ")),
            };
            self.mistake(&below(key), format!("`{key}` does not belong to `{}`", place.key), hint);
        }
        for key in place.needs.iter().filter(|key| !self.document.has(&below(key))) {
            self.mistake(at, format!("`{key}` is missing beside `{}`", place.key), format!("add {}", meaning(key)));
        }
    }

    /// A file for secrets. `at` is the position of its path.
    pub(super) fn secret_file(
        &mut self,
        at: &[Part],
        path: &str,
        scope: &str,
        (mode, owner): (Option<&str>, Option<&str>),
    ) -> Option<SecretFile> {
        let beside = |key: &str| at[..at.len() - 1].iter().cloned().chain([key.into()]).collect::<Vec<Part>>();
        let mode = mode.unwrap_or(DEFAULT_MODE);
        if !names::is_mode(mode) {
            self.mistake(
                &beside("mode"),
                format!("`{mode}` is not a mode"),
                "permission bits in octal, such as `0400`",
            );
        } else if mode.ends_with(['4', '5', '6', '7', '2', '3']) {
            let message = format!("mode `{mode}` opens the secret to every user");
            self.mistake(&beside("mode"), message, "the last digit must be 0 or 1");
        }
        let owner = owner.unwrap_or(DEFAULT_OWNER);
        if !owner.split(':').all(names::is_user) || owner.matches(':').count() > 1 {
            self.mistake(&beside("owner"), format!("`{owner}` is not an owner"), "write `user` or `user:group`");
        }
        let path = self.expanded(at, path)?;
        let path = if names::is_file_name(&path) {
            file_of_scope(scope, &path)
        } else if let Some(below) = path.strip_prefix("~/") {
            if below.is_empty() || Path::new(below).components().any(|part| part == Component::ParentDir) {
                self.mistake(at, format!("`{path}` is not a file in a home"), "name one below `~/`, without `..`");
                return None;
            }
            PathBuf::from(path)
        } else {
            self.absolute(at, &path)?
        };
        Some(SecretFile { path, mode: u32::from_str_radix(mode, 8).ok()?, owner: owner.to_owned() })
    }

    /// An address for a login. It must be encrypted, unless it is this node.
    fn login_page(&mut self, at: &[Part], text: &str) -> Option<Url> {
        if text.is_empty() && !self.document.has(at) {
            return None;
        }
        let text = self.expanded(at, text)?;
        let url = self.url(at, &text)?;
        if url.scheme() == "http" && !is_loopback(&url) {
            let hint = "begin it with `https://`: everyone on the way can read what goes by http";
            self.mistake(at, format!("a password would go to `{text}` in the clear"), hint);
        } else if !matches!(url.scheme(), "http" | "https") || url.query().is_some() || url.fragment().is_some() {
            let hint = "begin it with `https://`, and leave out all from `?` or `#` on";
            self.mistake(at, format!("`{text}` is not the address of a server"), hint);
        }
        Some(url)
    }
}

/// The file with a bare name.
pub(super) fn file_of_scope(scope: &str, name: &str) -> PathBuf {
    Path::new(FOLDER).join(scope).join(name)
}

/// The position of a key in the table at `at`.
fn position(at: &[Part], key: &str) -> Vec<Part> {
    at.iter().cloned().chain([key.into()]).collect()
}

/// The description of a missing key.
fn meaning(key: &str) -> &'static str {
    match key {
        "variable" => "`variable = \"NAME\"`: the variable that holds the value",
        "host" => "`host`: the server's name, as clients write it",
        "machine" => "`machine`: the server's name, without scheme and port",
        "login" => "`login`: the user name",
        "url" => "`url`: the server's address, such as `https://git.firm.example`",
        _ => "`user`: the user name",
    }
}

/// Two secrets may share a file only as entries of one kind with different names.
pub(super) fn check_deliveries(items: &[Entry<SecretItem>], found: &mut Vec<Diagnostic>) {
    let mut files: BTreeMap<&Path, (&SecretFile, FileFormat, &Origin)> = BTreeMap::new();
    let mut entries: BTreeMap<(&Path, String), &Origin> = BTreeMap::new();
    for item in items {
        let (to, kind, origin) = (&item.value.to, item.value.form.kind(), &item.origin);
        let path = to.path.as_path();
        let shown = path.display();
        let Some((first, first_kind, first_origin)) = files.get(path).copied() else {
            files.insert(path, (to, kind, origin));
            entries.insert((path, entry_name(&item.value.form)), origin);
            continue;
        };
        if kind == FileFormat::Template && first_kind == kind && first_origin == origin {
            continue; // two secrets of one template
        }
        let mut mistake = |message: String, hint: &str| found.push(Diagnostic::nowhere(message).hint(hint));
        let places = format!("at {first_origin} and at {origin}");
        if kind != first_kind {
            let message = format!("`{shown}` is to be of two kinds, `{first_kind}` and `{kind}`: {places}");
            mistake(message, "give each kind a file of its own");
        } else if matches!(kind, FileFormat::Whole | FileFormat::Template) {
            mistake(format!("two secrets go to `{shown}`: {places}"), "give each secret a file of its own");
        } else if (first.mode, &first.owner) != (to.mode, &to.owner) {
            let message = format!("`{shown}` is to have two modes or owners: {places}");
            mistake(message, "secrets that share a file share its `mode` and `owner`");
        } else {
            let name = entry_name(&item.value.form);
            if let Some(first) = entries.insert((path, name.clone()), origin) {
                let message = format!("two secrets are to be {name} of `{shown}`: at {first} and at {origin}");
                mistake(message, "keep one of the two");
            }
        }
    }
}

/// The identity of an entry in its file.
fn entry_name(form: &SecretFormat) -> String {
    match form {
        SecretFormat::Whole => "the content".to_owned(),
        SecretFormat::Template => "a part".to_owned(),
        SecretFormat::Variable(name) => format!("the variable `{name}`"),
        SecretFormat::Pgpass { host, port, database, user } => {
            format!("the password of `{host}:{port}:{database}:{user}`")
        }
        // Some readers use the first entry of a machine, others the last.
        SecretFormat::Netrc { machine, .. } => format!("the entry for `{machine}`"),
        SecretFormat::GitCredentials { url, user } => {
            format!("the password of `{}`", crate::secrets::file_formats::identity(url, user))
        }
    }
}
