//! The text of the script.

use std::collections::BTreeMap;

use crate::{digest::Digest, kinds::Quote};

const TEMPLATE: &str = include_str!("template.sh");

/// The values of a script.
#[derive(Debug)]
pub(super) struct Script {
    /// The folder of the file store that has the binaries.
    pub(super) folder: String,
    /// The folder of the node that receives the binary.
    pub(super) destination: String,
    /// The digest of the binary for each processor.
    pub(super) digests: BTreeMap<&'static str, Digest>,
    /// The access mode of the cluster, for nodes that do not know it.
    pub(super) access_mode: Option<String>,
    /// The arguments of nodeagent.
    pub(super) arguments: Vec<String>,
}

impl Script {
    /// The script.
    ///
    /// # Errors
    /// The reason why bash cannot represent a value.
    pub(super) fn render(&self) -> Result<String, &'static str> {
        let arguments = self.arguments.iter().map(|argument| word(argument)).collect::<Result<Vec<_>, _>>()?;
        let access_mode = self.access_mode.as_deref().map(word).transpose()?;
        let values = [
            ("@FOLDER@", word(&self.folder)?),
            ("@DESTINATION@", word(&self.destination)?),
            ("@ACCESS_MODE@", access_mode.clone().unwrap_or_default()),
            ("@ARGUMENTS@", arguments.join(" ")),
        ];
        // The template has the lines for a script with an access mode.
        let is_wanted = |line: &&str| access_mode.is_some() || !line.contains("@ACCESS_MODE@");
        let mut script = String::with_capacity(2 * TEMPLATE.len());
        for line in TEMPLATE.split_inclusive('\n').filter(is_wanted) {
            if line.contains("@PROCESSOR@") {
                for (processor, sha256) in &self.digests {
                    script.push_str(&line.replace("@PROCESSOR@", processor).replace("@SHA256@", sha256.hex()));
                }
                continue;
            }
            // A line has at most one placeholder, so that no placeholder in a value is replaced.
            match values.iter().find(|(placeholder, _)| line.contains(placeholder)) {
                Some((placeholder, value)) => script.push_str(&line.replace(placeholder, value)),
                None => script.push_str(line),
            }
        }
        Ok(script)
    }
}

/// A text as a word of bash, in quotes if it needs them.
fn word(text: &str) -> Result<String, &'static str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./:,+@%=".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return Ok(text.to_owned());
    }
    if text.chars().any(char::is_control) {
        return Err("it contains a control character");
    }
    Quote::Shell.quoted(text).map(|quoted| (*quoted).clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(arguments: &[&str]) -> Script {
        Script {
            folder: "/Volumes/ops/clusters/nodeagent/Admin/init_scripts".to_owned(),
            destination: "/usr/local/sbin".to_owned(),
            digests: [("aarch64", Digest::sha256(b"a")), ("x86_64", Digest::sha256(b"x"))].into(),
            access_mode: None,
            arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
        }
    }

    #[test]
    fn a_script_has_every_value_and_no_placeholder() {
        let text = script(&["run", "--profile", "family"]).render().expect("plain values");
        insta::assert_snapshot!(text);
        assert!(!regex::Regex::new("@[A-Z]").expect("a fixed pattern").is_match(&text));
        assert!(text.len() < 8192, "{} bytes", text.len());
    }

    #[test]
    fn words_are_quoted_only_if_bash_would_change_them() {
        let words = [
            ("family", "family"),
            ("--set=cran=https://cran.r-project.org/", "--set=cran=https://cran.r-project.org/"),
            ("", "''"),
            ("two words", "'two words'"),
            ("it's", r"'it'\''s'"),
            ("$(id)`id`;\"\\", "'$(id)`id`;\"\\'"),
            ("~root", "'~root'"),
            ("Büro", "'Büro'"),
        ];
        for (text, expected) in words {
            assert_eq!(word(text).as_deref(), Ok(expected));
        }
        assert!(word("a\nb").is_err() && word("a\r").is_err());
    }

    #[test]
    fn a_placeholder_in_a_value_stays_as_it_is() {
        let text = script(&["run", "@SHA256@", "@FOLDER@"]).render().expect("plain values");
        assert!(text.ends_with("/nodeagent\" run @SHA256@ @FOLDER@\n}\nmain\n"), "{text}");
    }
}
