//! The operating system, from `/etc/os-release` (os-release(5)).

use serde::Serialize;

use crate::diagnostic::nearest;

/// The content of `/etc/os-release`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Os {
    /// `ID`, such as `ubuntu`.
    pub id: String,
    /// `VERSION_ID`, such as `22.04`.
    pub version: String,
    /// `VERSION_CODENAME`, such as `jammy`.
    pub codename: String,
}

/// The releases whose code names profiles can use.
const RELEASES: [(&str, &str, &str); 7] = [
    ("debian", "11", "bullseye"),
    ("debian", "12", "bookworm"),
    ("debian", "13", "trixie"),
    ("ubuntu", "20.04", "focal"),
    ("ubuntu", "22.04", "jammy"),
    ("ubuntu", "24.04", "noble"),
    ("ubuntu", "26.04", "resolute"),
];

impl Os {
    /// Parses an os-release file.
    pub fn parse(text: &str) -> Self {
        let value = |key: &str| {
            text.lines()
                .filter_map(|line| line.trim().split_once('='))
                .find(|(name, _)| *name == key)
                .map(|(_, value)| value.trim_matches(['"', '\'']).to_owned())
                .unwrap_or_default()
        };
        Self { id: value("ID"), version: value("VERSION_ID"), codename: value("VERSION_CODENAME") }
    }

    /// The system with a name such as `ubuntu-22.04`, to check a profile for another node.
    pub fn from_name(word: &str) -> Self {
        let (id, version) = word.split_once('-').unwrap_or((word, ""));
        let (id, version) = (id.to_lowercase(), version.to_owned());
        let release = RELEASES.iter().find(|(known, number, _)| *known == id && *number == version);
        let codename = release.map(|(_, _, codename)| (*codename).to_owned()).unwrap_or_default();
        Self { id, version, codename }
    }

    /// A hint for a name that matches no system, such as `ubuntu22.04` or `windows`; `None` for a valid name.
    pub fn spelling_hint(word: &str) -> Option<String> {
        let lower = word.to_lowercase();
        let is_version = |text: &str| !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit() || c == b'.');
        let is_known = RELEASES.iter().any(|(id, _, codename)| {
            let version = lower.strip_prefix(id).and_then(|rest| rest.strip_prefix('-'));
            lower == *id || lower == *codename || version.is_some_and(is_version)
        });
        if is_known {
            return None;
        }
        let all: Vec<String> = RELEASES
            .iter()
            .flat_map(|(id, number, codename)| [(*id).to_owned(), format!("{id}-{number}"), (*codename).to_owned()])
            .collect();
        Some(match nearest(&lower, all.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "write it as `ubuntu`, `ubuntu-22.04` or `jammy`; Debian and Ubuntu are known".to_owned(),
        })
    }

    /// Whether a name in a profile refers to this system: `ubuntu`, `ubuntu-22.04`, `jammy`.
    pub fn has_name(&self, word: &str) -> bool {
        let word = word.to_lowercase();
        word == self.id || word == self.codename || word == format!("{}-{}", self.id, self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_system_gets_a_hint_with_the_nearest_name() {
        for word in ["ubuntu", "Ubuntu-22.04", "jammy", "debian-14", "ubuntu-25.10"] {
            assert_eq!(Os::spelling_hint(word), None, "{word}");
        }
        assert_eq!(Os::spelling_hint("ubuntu22.04").as_deref(), Some("did you mean `ubuntu-22.04`?"));
        for word in ["windows", "", "ubuntu-", "ubuntu-jammy"] {
            assert!(Os::spelling_hint(word).is_some(), "{word}");
        }
    }

    #[test]
    fn quoted_and_plain_values_are_read() {
        let os =
            Os::parse("PRETTY_NAME=\"Ubuntu 22.04.4 LTS\"\nVERSION_ID=\"22.04\"\nID=ubuntu\nVERSION_CODENAME=jammy\n");
        assert_eq!(os, Os { id: "ubuntu".into(), version: "22.04".into(), codename: "jammy".into() });
        assert!(os.has_name("Ubuntu") && os.has_name("jammy") && os.has_name("ubuntu-22.04"));
        assert!(!os.has_name("debian"));
    }
}
