//! Patterns of names. A name that matches cannot be mistaken for an option, a path or another argument.

use std::sync::LazyLock;

use regex_lite::Regex;

macro_rules! pattern {
    ($(#[$doc:meta])* $name:ident, $pattern:literal) => {
        $(#[$doc])*
        pub(crate) fn $name(text: &str) -> bool {
            static PATTERN: LazyLock<Regex> = LazyLock::new(|| Regex::new($pattern).expect("the pattern is fixed"));
            PATTERN.is_match(text)
        }
    };
}

pattern!(/// The name of a profile.
    is_profile, r"^[a-z0-9][a-z0-9-]{0,62}$");
pattern!(/// A Debian package name with an optional architecture: Debian policy 5.6.1.
    is_apt, r"^[a-z0-9][a-z0-9+.-]+(:[a-z0-9-]+)?$");
pattern!(/// A Debian version: Debian policy 5.6.12.
    is_apt_version, r"^([0-9]+:)?[0-9A-Za-z][0-9A-Za-z.+~-]*$");
pattern!(/// An R package name: Writing R Extensions 1.1.1.
    is_r, r"^[A-Za-z][A-Za-z0-9.]*[A-Za-z0-9]$");
pattern!(/// An R package version.
    is_r_version, r"^[0-9]+([.-][0-9]+)+$");
pattern!(/// The name of a Python distribution, normalised by PEP 503.
    is_distribution, r"^[a-z0-9]+(-[a-z0-9]+)*$");
pattern!(/// The version of a Python distribution: like PEP 440, but also accepts versions of the operating system's packages.
    is_python_version, r"^[0-9A-Za-z][0-9A-Za-z.+!_-]*$");
pattern!(/// The name of a Python module.
    is_module, r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$");
pattern!(/// A Linux user name: useradd(8).
    is_user, r"^[a-z_][a-z0-9_.-]{0,31}\$?$");
pattern!(/// A file name without a path, for sources, keys and profile.d.
    is_file_name, r"^[A-Za-z0-9][A-Za-z0-9_.-]*$");
pattern!(/// The name of a service of systemd without `.service`: systemd.unit(5), without a leading dash and a backslash.
    is_service, r"^[A-Za-z0-9_][A-Za-z0-9_.:@-]{0,200}$");
pattern!(/// A commit of git: all digits of its SHA-1.
    is_commit, r"^[0-9a-f]{40}$");
pattern!(/// The name of a tag or a branch of git: git-check-ref-format(1), without `..`, which callers check.
    is_git_reference, r"^[A-Za-z0-9_][A-Za-z0-9_./+-]{0,200}$");
pattern!(/// The name of a file in `/etc/cron.d`: run-parts(8).
    is_cron_file, r"^[A-Za-z0-9_][A-Za-z0-9_-]{0,100}$");
pattern!(/// The name of a group of update-alternatives.
    is_alternative, r"^[A-Za-z0-9][A-Za-z0-9_.+-]{0,100}$");
pattern!(/// The name of a machine, with or without its domain: hostname(7).
    is_machine, r"^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$");
pattern!(/// A name in `/etc/hosts`, which may also have an underscore.
    is_host_alias, r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$");
pattern!(/// A time zone of the IANA database.
    is_time_zone, r"^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$");
pattern!(/// A kernel parameter as in sysctl(8).
    is_sysctl, r"^[A-Za-z0-9_][A-Za-z0-9_-]*([./][A-Za-z0-9_:@-]+)+$");
pattern!(/// The type of a file system.
    is_file_system, r"^[A-Za-z0-9][A-Za-z0-9_.-]*$");
pattern!(/// A business unit, as in cluster names.
    is_unit, r"^[A-Za-z][A-Za-z0-9_]*$");
pattern!(/// The name of an environment variable.
    is_variable, r"^[A-Za-z_][A-Za-z0-9_]*$");
pattern!(/// A scope or key of secrets: as in Databricks, but without a leading dot or dash.
    is_secret, r"^[A-Za-z0-9_@][A-Za-z0-9_.@-]{0,127}$");
pattern!(/// A server name in a netrc file.
    is_host, r"^[A-Za-z0-9][A-Za-z0-9.-]*$");
pattern!(/// A user name that every netrc parser reads as one word.
    is_login, r"^[!$-\[\]-~][!-\[\]-~]*$");
pattern!(/// A field of a line: no control characters, which could end the line, and no `#` at the beginning.
    is_field, r"^[^#\x00-\x1f\x7f][^\x00-\x1f\x7f]*$");
pattern!(/// Permission bits in octal.
    is_mode, r"^0?[0-7]{3}$");
pattern!(/// An OpenPGP fingerprint without spaces.
    is_fingerprint, r"^([0-9A-F]{40}|[0-9A-F]{64})$");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_not_valid_names() {
        for name in ["--force-yes", "-y", "", "a b", "../x", "x;y"] {
            assert!(!is_apt(name) && !is_r(name) && !is_user(name) && !is_file_name(name), "{name}");
            assert!(!is_module(name) && !is_variable(name) && !is_secret(name), "{name}");
        }
    }

    #[test]
    fn real_names_are_accepted() {
        assert!(is_apt("libstdc++6") && is_apt("libc6:amd64") && is_apt_version("1:2.3.4-1~bpo12+1"));
        assert!(is_r("data.table") && is_r_version("1.2-1") && is_module("spacy.lang.en"));
        assert!(is_host("pypi.firm.example") && !is_host("https://x") && !is_host("a b") && !is_host("a:1"));
        assert!(
            is_login("__token__") && is_login("a@b.c#d") && !is_login("#a") && !is_login("a\\b") && !is_login("a b")
        );
        assert!(is_field("read only") && is_field("::1") && !is_field("a\nb") && !is_field("#a") && !is_field(""));
        assert!(is_user("analyst") && is_mode("0400") && is_mode("640") && !is_mode("0999") && !is_mode("4755"));
    }
}
