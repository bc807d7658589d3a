//! The variables of this process that programs get.
//!
//! A variable can change the effect of a program: `PIP_FIND_LINKS` adds packages, `LD_PRELOAD` and `BASH_ENV` run code.
//! Therefore programs get only the variables that are named here. Root can name more in `/etc/nodeagent.toml`.

use std::{
    collections::BTreeSet,
    ffi::{OsStr, OsString},
    sync::OnceLock,
};

use nix::unistd::Uid;

use crate::redact::holds_credential;

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

#[cfg(test)]
mod tests {
    use super::*;

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
