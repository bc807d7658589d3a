//! The profiles of `~/.databrickscfg`, read as the official clients read them.

use std::{collections::BTreeMap, io, path::PathBuf};

use configparser::ini::{Ini, IniDefault};

use crate::cloud::{ClientEnvironment, CloudError, CloudErrorKind};

/// The section that names the profile to take; it is none itself.
const RESERVED: &str = "__settings__";

/// A profile of the file.
pub(super) struct Profile {
    /// Its name.
    pub(super) name: String,
    /// What it sets. It may hold secrets: not to be shown.
    pub(super) values: BTreeMap<String, String>,
}

/// Reads the profile that is asked for, else the one that the file itself names, else `DEFAULT`.
///
/// Without a file there is none, as for the official clients: the variables may say enough.
pub(super) fn read(
    file: Option<&str>,
    wanted: Option<&str>,
    environment: &ClientEnvironment,
) -> Result<Option<Profile>, CloudError> {
    let Some(path) = path(file, environment) else { return Ok(None) };
    let invalid = |what: String| CloudError::new(CloudErrorKind::Invalid, format!("`{}` {what}", path.display()));
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(invalid("could not be read".to_owned())
                .said(&error.to_string())
                .hint("check its permissions, or name another file with `DATABRICKS_CONFIG_FILE`"));
        }
    };
    // The parser's words name a line and never quote it.
    let mut profiles = parse(&text).map_err(|why| invalid("is not written as profiles are".to_owned()).said(&why))?;
    let settings = profiles.remove(RESERVED).unwrap_or_default();
    let named = wanted.or_else(|| settings.get("default_profile").map(String::as_str).filter(|name| !name.is_empty()));
    if named == Some(RESERVED) {
        return Err(invalid(format!("has no profile `{RESERVED}`")).hint("this name is reserved; name a profile"));
    }
    let name = named.unwrap_or("DEFAULT");
    match profiles.remove(name) {
        Some(values) => Ok(Some(Profile { name: name.to_owned(), values })),
        None if named.is_none() => Ok(None),
        None => Err(invalid(format!("has no profile `{name}`")).hint(offer(&profiles))),
    }
}

fn offer(profiles: &BTreeMap<String, BTreeMap<String, String>>) -> String {
    let names: Vec<String> = profiles.keys().map(|name| format!("`{name}`")).collect();
    if names.is_empty() { "it has none".to_owned() } else { format!("its profiles are {}", names.join(", ")) }
}

/// Where the file is; nowhere when it should be in the home of somebody who has none.
pub(super) fn path(file: Option<&str>, environment: &ClientEnvironment) -> Option<PathBuf> {
    environment.path(file.unwrap_or("~/.databrickscfg"))
}

/// Sections to keys to values. A profile without any key is none; a token may hold `#`, so that no comment begins
/// within a line.
fn parse(text: &str) -> Result<BTreeMap<String, BTreeMap<String, String>>, String> {
    let mut grammar = IniDefault::default();
    "DEFAULT".clone_into(&mut grammar.default_section);
    grammar.case_sensitive = true;
    grammar.enable_inline_comments = false;
    let sections = Ini::new_from_defaults(grammar).read(text.to_owned())?;
    let values = |section: std::collections::HashMap<String, Option<String>>| {
        let pairs = section.into_iter().filter_map(|(key, value)| Some((key.to_ascii_lowercase(), value?)));
        pairs.collect::<BTreeMap<_, _>>()
    };
    let sections = sections.into_iter().map(|(name, section)| (name, values(section)));
    Ok(sections.filter(|(_, values)| !values.is_empty()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::Attributes;

    fn profile(text: &str, wanted: Option<&str>) -> Result<Option<Profile>, CloudError> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        crate::fs::replace(&folder.path().join("cfg"), text.as_bytes(), Attributes::default()).expect("written");
        let environment = ClientEnvironment { home: Some(folder.path().to_owned()), ..ClientEnvironment::default() };
        read(Some("~/cfg"), wanted, &environment)
    }

    fn host(text: &str, wanted: Option<&str>) -> Option<String> {
        profile(text, wanted).expect("read").and_then(|profile| profile.values.get("host").cloned())
    }

    #[test]
    fn the_profile_is_the_one_asked_for_then_the_one_the_file_names_then_default() {
        let text = "[DEFAULT]\nhost = d\n[a]\nhost=a\n[B]\nHost : b\n";
        assert_eq!(host(text, None).as_deref(), Some("d"));
        assert_eq!(host(text, Some("B")).as_deref(), Some("b"));
        let text = format!("{text}[__settings__]\ndefault_profile = a\n");
        assert_eq!(host(&text, None).as_deref(), Some("a"));
        assert_eq!(host(&text, Some("B")).as_deref(), Some("b"));
    }

    #[test]
    fn a_profile_that_is_not_there_is_an_error_that_names_those_that_are() {
        let error = profile("[b]\nhost=b\n[a]\ntoken=t\n[empty]\n", Some("c")).err().expect("an error");
        assert_eq!(error.kind, CloudErrorKind::Invalid);
        assert!(error.message.ends_with("has no profile `c`"), "{}", error.message);
        assert_eq!(error.hint.as_deref(), Some("its profiles are `a`, `b`"));
        assert!(profile("[a]\nhost=a\n", None).expect("read").is_none());
    }

    #[test]
    fn the_reserved_name_is_no_profile() {
        let text = "[__settings__]\nhost=a\ndefault_profile = __settings__\n";
        assert!(profile(text, None).is_err());
        assert!(profile(text, Some("__settings__")).is_err());
    }

    #[test]
    fn without_a_file_there_is_no_profile_and_one_that_cannot_be_read_is_an_error() {
        let environment = ClientEnvironment::default();
        assert!(read(Some("/nonexistent/cfg"), Some("unit"), &environment).expect("no file").is_none());
        let error = read(Some("/"), None, &environment).err().expect("a folder");
        assert_eq!(error.message, "`/` could not be read");
    }

    #[test]
    fn a_value_may_hold_what_begins_a_comment_elsewhere_and_a_broken_line_is_never_quoted() {
        let found = profile("[DEFAULT]\ntoken = a#b;c=d\n; comment\n", None).expect("read").expect("a profile");
        assert_eq!(found.values.get("token").map(String::as_str), Some("a#b;c=d"));
        let error = profile("[DEFAULT]\n= dapi123\n", None).err().expect("broken");
        assert!(!format!("{error:?}").contains("dapi123"), "{error:?}");
    }
}
