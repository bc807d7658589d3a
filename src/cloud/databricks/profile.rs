//! The profiles in `~/.databrickscfg`, with the rules of the official clients.

use std::{collections::BTreeMap, io, path::PathBuf};

use configparser::ini::{Ini, IniDefault};

use crate::cloud::{ClientEnvironment, CloudError, CloudErrorKind};

/// The section that names the default profile. It is not a profile itself.
const RESERVED: &str = "__settings__";

/// A profile in the file.
pub(super) struct Profile {
    /// Its name.
    pub(super) name: String,
    /// Its values. They may contain secrets and must not be printed.
    pub(super) values: BTreeMap<String, String>,
}

/// Reads the requested profile, else the default profile that the file names, else `DEFAULT`.
///
/// Returns `None` if there is no file, as the official clients do: the variables may be sufficient.
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
                .detail(&error.to_string())
                .hint("check its permissions, or name another file with `DATABRICKS_CONFIG_FILE`"));
        }
    };
    // The parser's message names a line and does not quote it.
    let mut profiles =
        parse(&text).map_err(|why| invalid("is not a valid configuration file".to_owned()).detail(&why))?;
    let settings = profiles.remove(RESERVED).unwrap_or_default();
    let named = wanted.or_else(|| settings.get("default_profile").map(String::as_str).filter(|name| !name.is_empty()));
    if named == Some(RESERVED) {
        return Err(
            invalid(format!("has no profile `{RESERVED}`")).hint("this name is reserved; select another profile")
        );
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
    if names.is_empty() {
        "the file has no profiles".to_owned()
    } else {
        format!("its profiles are {}", names.join(", "))
    }
}

/// The path of the file. `None` if it is in the home folder and the user has none.
pub(super) fn path(file: Option<&str>, environment: &ClientEnvironment) -> Option<PathBuf> {
    environment.path(file.unwrap_or("~/.databrickscfg"))
}

/// The values by section and key. A section without keys is ignored. A comment cannot start within a line, because a
/// token may contain `#`.
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
    fn the_requested_profile_has_precedence_over_the_default_of_the_file() {
        let text = "[DEFAULT]\nhost = d\n[a]\nhost=a\n[B]\nHost : b\n";
        assert_eq!(host(text, None).as_deref(), Some("d"));
        assert_eq!(host(text, Some("B")).as_deref(), Some("b"));
        let text = format!("{text}[__settings__]\ndefault_profile = a\n");
        assert_eq!(host(&text, None).as_deref(), Some("a"));
        assert_eq!(host(&text, Some("B")).as_deref(), Some("b"));
    }

    #[test]
    fn an_unknown_profile_is_an_error_that_lists_the_profiles() {
        let error = profile("[b]\nhost=b\n[a]\ntoken=t\n[empty]\n", Some("c")).err().expect("an error");
        assert_eq!(error.kind, CloudErrorKind::Invalid);
        assert!(error.message.ends_with("has no profile `c`"), "{}", error.message);
        assert_eq!(error.hint.as_deref(), Some("its profiles are `a`, `b`"));
        assert!(profile("[a]\nhost=a\n", None).expect("read").is_none());
    }

    #[test]
    fn the_reserved_section_is_not_a_profile() {
        let text = "[__settings__]\nhost=a\ndefault_profile = __settings__\n";
        assert!(profile(text, None).is_err());
        assert!(profile(text, Some("__settings__")).is_err());
    }

    #[test]
    fn a_missing_file_is_allowed_and_an_unreadable_one_is_an_error() {
        let environment = ClientEnvironment::default();
        assert!(read(Some("/nonexistent/cfg"), Some("unit"), &environment).expect("no file").is_none());
        let error = read(Some("/"), None, &environment).err().expect("a folder");
        assert_eq!(error.message, "`/` could not be read");
    }

    #[test]
    fn a_value_may_contain_comment_characters_and_an_invalid_line_is_not_quoted() {
        let found = profile("[DEFAULT]\ntoken = a#b;c=d\n; comment\n", None).expect("read").expect("a profile");
        assert_eq!(found.values.get("token").map(String::as_str), Some("a#b;c=d"));
        let error = profile("[DEFAULT]\n= dapi123\n", None).err().expect("broken");
        assert!(!format!("{error:?}").contains("dapi123"), "{error:?}");
    }
}
