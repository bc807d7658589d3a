//! The variables of this process that programs get, and the folders in which they are looked up.
//!
//! A variable can change the effect of a program: `PIP_FIND_LINKS` adds packages, `LD_PRELOAD` and `BASH_ENV` run code.
//! Therefore programs get only the variables that are named here. Root can name more in `/etc/nodeagent.toml`.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    sync::OnceLock,
};

use nix::unistd::Uid;

use crate::{fs::is_writable_only_by_root, redact::holds_credential};

/// The search path of programs, as a Debian login of root has it.
const SEARCH_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The language, proxies, certificates, and the node as Databricks describes it.
const NAMES: [&str; 32] = [
    "LANG",
    "LANGUAGE",
    "LC_CTYPE",
    "LC_MESSAGES",
    "TZ",
    "ALL_PROXY",
    "FTP_PROXY",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "all_proxy",
    "ftp_proxy",
    "https_proxy",
    "http_proxy",
    "no_proxy",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "NODE_EXTRA_CA_CERTS",
    "PIP_CERT",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "DATABRICKS_RUNTIME_VERSION",
    "DB_CLUSTER_ID",
    "DB_CLUSTER_NAME",
    "DB_CONTAINER_IP",
    "DB_DRIVER_IP",
    "DB_INSTANCE_TYPE",
    "DB_IS_DRIVER",
    "DB_IS_JOB_CLUSTER",
    "DB_PYTHON_VERSION",
    "SPARK_HOME",
];

static PASSED: OnceLock<BTreeSet<String>> = OnceLock::new();

/// Passes further variables of this process to programs. Only the first call has an effect.
pub fn pass_environment(names: &BTreeSet<String>) {
    let _ = PASSED.set(names.clone());
}

/// A variable that programs get.
pub fn inherited(name: &str) -> Option<OsString> {
    if is_inherited(name) {
        return std::env::var_os(name);
    }
    account().iter().find(|(known, _)| *known == name).map(|(_, value)| value.into())
}

/// The variables of the user of this process, from `/etc/passwd`. Those of the environment could name a home with
/// configuration files that run code.
fn account() -> &'static [(&'static str, String)] {
    static ACCOUNT: OnceLock<Vec<(&'static str, String)>> = OnceLock::new();
    ACCOUNT.get_or_init(|| {
        let uid = Uid::effective().to_string();
        let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let fields = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
        let own = fields.into_iter().find(|fields| fields.len() == 7 && fields[2] == uid);
        own.map_or_else(Vec::new, |fields| {
            let of = |name, field: usize| (name, fields[field].to_owned());
            vec![of("HOME", 5), of("LOGNAME", 0), of("SHELL", 6), of("USER", 0)]
        })
    })
}

/// Settings of pip and uv that are often set for all programs of a node.
const SETTINGS: [&str; 8] = [
    "PIP_CONFIG_FILE",
    "PIP_EXTRA_INDEX_URL",
    "PIP_FIND_LINKS",
    "PIP_INDEX_URL",
    "UV_DEFAULT_INDEX",
    "UV_EXTRA_INDEX_URL",
    "UV_INDEX",
    "UV_INDEX_URL",
];

/// The settings of pip and uv in the environment of this process that programs do not get.
pub fn settings_not_inherited() -> Vec<&'static str> {
    SETTINGS.into_iter().filter(|name| !is_inherited(name) && std::env::var_os(name).is_some()).collect()
}

/// The variables that programs get, with the search path in `PATH`. Those that are not UTF-8 are left out.
pub fn environment() -> BTreeMap<String, String> {
    let text = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
    all_inherited().chain([("PATH".into(), search_path().to_owned())]).filter_map(text).collect()
}

/// All variables that programs get, except `PATH`.
pub(super) fn all_inherited() -> impl Iterator<Item = (OsString, OsString)> {
    let is_wanted = |name: &OsStr| name.to_str().is_some_and(|name| name != "PATH" && is_inherited(name));
    let own = account().iter().map(|(name, value)| (name.into(), value.into()));
    own.chain(std::env::vars_os().filter(move |(name, _)| is_wanted(name)))
}

fn is_inherited(name: &str) -> bool {
    let is_named = NAMES.contains(&name) || PASSED.get().is_some_and(|passed| passed.contains(name));
    is_named && !holds_credential(name)
}

/// The folders in which programs are looked up: those in which only root and the user of this process can write.
pub(super) fn search_path() -> &'static OsStr {
    /// Never the empty path: to programs, it means the working directory.
    const NOWHERE: &str = "/nonexistent";
    static PATH: OnceLock<OsString> = OnceLock::new();
    PATH.get_or_init(|| {
        let path = inherited("PATH").unwrap_or_else(|| SEARCH_PATH.into());
        let mut folders: Vec<PathBuf> = Vec::new();
        for folder in std::env::split_paths(&path).filter(|folder| folder.is_absolute()) {
            // The folder of a link, because its owner could exchange the link.
            if let Ok(folder) = folder.canonicalize()
                && is_protected(&folder)
                && !folders.contains(&folder)
            {
                folders.push(folder);
            }
        }
        let joined = std::env::join_paths(folders).ok().filter(|joined| !joined.is_empty());
        joined.unwrap_or_else(|| NOWHERE.into())
    })
}

/// Whether only root and the user of this process can change a program or a folder of programs.
pub(super) fn is_protected(path: &Path) -> bool {
    is_writable_only_by_root(Path::new("/"), path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_folders_of_programs_are_searched() {
        let found: Vec<_> = std::env::split_paths(search_path()).collect();
        assert!(found.contains(&"/usr/bin".into()), "{found:?}");
    }

    #[test]
    fn variables_that_change_programs_are_not_passed() {
        for name in ["LD_PRELOAD", "BASH_ENV", "PIP_FIND_LINKS", "APT_CONFIG", "PYTHONPATH", "R_PROFILE", "PATH"] {
            assert!(!is_inherited(name), "{name}");
        }
        for name in ["HOME", "TMPDIR"] {
            assert!(!is_inherited(name), "{name}");
        }
        for name in ["https_proxy", "SSL_CERT_FILE", "DB_IS_DRIVER"] {
            assert!(is_inherited(name), "{name}");
        }
    }
}
