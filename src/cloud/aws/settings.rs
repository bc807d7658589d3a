//! The configuration of the official clients: environment variables, and the shared files `~/.aws/config` and
//! `~/.aws/credentials` (<https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html>).

use std::{
    collections::{BTreeMap, btree_map::Entry},
    io,
    path::{Path, PathBuf},
};

use configparser::ini::Ini;

use crate::{
    cloud::{ClientEnvironment, CloudError, CloudErrorKind},
    redact::Secret,
};

/// The keys of a section with secret values. All other values may appear in messages.
const SECRET_KEYS: [&str; 2] = ["aws_secret_access_key", "aws_session_token"];

/// One section of a shared file.
#[derive(Default)]
pub(super) struct Section {
    texts: BTreeMap<String, String>,
    secrets: BTreeMap<String, Secret>,
}

impl Section {
    /// A secret value, if it is set and not empty.
    pub(super) fn secret(&self, key: &str) -> Option<&Secret> {
        self.secrets.get(key).filter(|value| !value.reveal().is_empty())
    }

    /// A value that is not a secret, if it is set and not empty.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.texts.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A value in the indented list below a key, as in `services` sections.
    pub(super) fn nested(&self, key: &str, inner: &str) -> Option<&str> {
        let pairs = self.text(key)?.lines().filter_map(|line| line.split_once('='));
        pairs.map(|(key, value)| (key.trim(), value.trim())).find(|(key, _)| *key == inner).map(|(_, value)| value)
    }
}

/// The configuration of this process's AWS clients.
pub(super) struct Settings {
    environment: ClientEnvironment,
    profiles: BTreeMap<String, Section>,
    services: BTreeMap<String, Section>,
}

impl Settings {
    /// Reads the shared files. A missing file is not an error.
    pub(super) fn read(environment: &ClientEnvironment) -> Result<Self, CloudError> {
        let mut settings =
            Self { environment: environment.clone(), profiles: BTreeMap::new(), services: BTreeMap::new() };
        // If both files have a key, the second file has precedence.
        for (variable, name, prefixed) in
            [("AWS_CONFIG_FILE", "config", true), ("AWS_SHARED_CREDENTIALS_FILE", "credentials", false)]
        {
            let Some(path) = settings.file(variable, name) else { continue };
            for (section, values) in sections(&path)? {
                settings.add(&section, values, prefixed);
            }
        }
        Ok(settings)
    }

    /// A variable that is set and not empty.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.environment.variable(name)
    }

    /// Whether a variable is `true`.
    pub(super) fn is_true(&self, name: &str) -> bool {
        self.variable(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// The profile that a variable names.
    pub(super) fn requested_profile(&self) -> Option<&str> {
        self.variable("AWS_PROFILE").or_else(|| self.variable("AWS_DEFAULT_PROFILE"))
    }

    /// The name of the selected profile.
    pub(super) fn profile_name(&self) -> &str {
        self.requested_profile().unwrap_or("default")
    }

    /// A profile by its name.
    pub(super) fn profile(&self, name: &str) -> Option<&Section> {
        self.profiles.get(name)
    }

    /// The names of all profiles.
    pub(super) fn profile_names(&self) -> impl Iterator<Item = &str> {
        self.profiles.keys().map(String::as_str)
    }

    /// A value of the selected profile.
    pub(super) fn profile_value(&self, key: &str) -> Option<&str> {
        self.profile(self.profile_name())?.text(key)
    }

    /// The configured region: of the variables, else of the profile.
    pub(super) fn region(&self) -> Option<&str> {
        let variables = || self.variable("AWS_REGION").or_else(|| self.variable("AWS_DEFAULT_REGION"));
        variables().or_else(|| self.profile_value("region"))
    }

    /// Whether only endpoints with FIPS 140 cryptography are allowed.
    pub(super) fn wants_fips(&self) -> bool {
        let in_profile = || self.profile_value("use_fips_endpoint");
        self.variable("AWS_USE_FIPS_ENDPOINT")
            .or_else(in_profile)
            .is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// The configured endpoint of a service, by its name in variables, such as `SECRETS_MANAGER`.
    pub(super) fn endpoint(&self, service: &str) -> Option<&str> {
        if self.is_true("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") {
            return None;
        }
        let of_service = || {
            let services = self.services.get(self.profile_value("services")?)?;
            services.nested(&service.to_ascii_lowercase(), "endpoint_url")
        };
        self.variable(&format!("AWS_ENDPOINT_URL_{service}"))
            .or_else(|| self.variable("AWS_ENDPOINT_URL"))
            .or_else(of_service)
            .or_else(|| self.profile_value("endpoint_url"))
    }

    fn file(&self, variable: &str, name: &str) -> Option<PathBuf> {
        match self.variable(variable) {
            Some(path) => self.environment.path(path),
            None => Some(self.environment.home.as_ref()?.join(".aws").join(name)),
        }
    }

    /// Adds a section. In `config`, all profiles but the default one have the prefix `profile`, and there are other
    /// kinds of sections.
    fn add(&mut self, section: &str, values: Section, prefixed: bool) {
        let (kind, name) = match section.split_once(char::is_whitespace) {
            Some((kind, name)) if prefixed => (kind, name.trim().trim_matches('"')),
            _ if prefixed && section != "default" => return,
            _ => ("profile", section),
        };
        let sections = match kind {
            "profile" => &mut self.profiles,
            "services" => &mut self.services,
            _ => return,
        };
        match sections.entry(name.to_owned()) {
            Entry::Vacant(entry) => {
                entry.insert(values);
            }
            Entry::Occupied(mut entry) => {
                entry.get_mut().texts.extend(values.texts);
                entry.get_mut().secrets.extend(values.secrets);
            }
        }
    }
}

fn sections(path: &Path) -> Result<Vec<(String, Section)>, CloudError> {
    let text = match std::fs::read(path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(error) => {
            let failed = CloudError::new(CloudErrorKind::Invalid, format!("`{}` could not be read", path.display()));
            return Err(failed.detail(&error.to_string()).hint("check the file's permissions"));
        }
    };
    let mut ini = Ini::new_cs();
    let mut defaults = ini.defaults();
    // Values may contain colons, and `default` is an ordinary profile.
    defaults.delimiters = vec!['='];
    defaults.default_section = String::new();
    defaults.multiline = true;
    defaults.enable_inline_comments = false;
    ini.load_defaults(defaults);
    let read = ini.read(text).map_err(|why| {
        let failed = CloudError::new(
            CloudErrorKind::Invalid,
            format!("`{}` is not a valid AWS configuration file", path.display()),
        );
        failed
            .detail(&why)
            .hint("correct the file, or select another file with AWS_CONFIG_FILE or AWS_SHARED_CREDENTIALS_FILE")
    })?;
    Ok(read.into_iter().map(|(name, values)| (name, section(values))).collect())
}

fn section(values: impl IntoIterator<Item = (String, Option<String>)>) -> Section {
    let mut section = Section::default();
    for (key, value) in values {
        let key = key.to_ascii_lowercase();
        let value = without_comment(value.as_deref().unwrap_or_default()).to_owned();
        if SECRET_KEYS.contains(&key.as_str()) {
            section.secrets.insert(key, Secret::from(value));
        } else {
            section.texts.insert(key, value);
        }
    }
    section
}

/// Removes a comment after a value. A comment starts with white space and `#` or `;`: within a word, these characters
/// belong to the value.
fn without_comment(value: &str) -> &str {
    let end = [" #", " ;", "\t#", "\t;"].iter().filter_map(|mark| value.find(mark)).min();
    value[..end.unwrap_or(value.len())].trim_end()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Settings from variables and files.
    pub(in crate::cloud::aws) fn settings(variables: &[(&str, &str)], config: &str, credentials: &str) -> Settings {
        let home = tempfile::tempdir().expect("a temporary folder");
        let folder = home.path().join(".aws");
        std::fs::create_dir(&folder).expect("created");
        #[expect(clippy::disallowed_methods, reason = "a test prepares its files")]
        {
            std::fs::write(folder.join("config"), config).expect("written");
            std::fs::write(folder.join("credentials"), credentials).expect("written");
        }
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Settings::read(&ClientEnvironment { variables, home: Some(home.path().to_owned()) }).expect("well-formed")
    }

    const CONFIG: &str = "\
[default]
region = eu-west-1   # Ireland
services = local
[profile family]
region=ap-southeast-2
aws_access_key_id = FROM-CONFIG
s3 =
    max_concurrent_requests = 20
[services local]
dynamodb =
    endpoint_url = http://127.0.0.1:8000
    other = x
secrets_manager =
    endpoint_url = http://127.0.0.1:8001
[sso-session people]
sso_region = us-east-1
[family]
region = not-a-profile-without-its-prefix
";

    #[test]
    fn both_files_define_a_profile_and_the_credentials_file_has_precedence() {
        let read = settings(&[("AWS_PROFILE", "family")], CONFIG, "[family]\naws_access_key_id = AKID\n");
        assert_eq!(read.region(), Some("ap-southeast-2"));
        assert_eq!(read.profile_value("aws_access_key_id"), Some("AKID"));
        assert_eq!(read.profile_names().collect::<Vec<_>>(), ["default", "family"]);
    }

    #[test]
    fn a_comment_does_not_belong_to_the_value() {
        assert_eq!(settings(&[], CONFIG, "").region(), Some("eu-west-1"));
        assert_eq!(without_comment("pass#word"), "pass#word");
    }

    #[test]
    fn variables_have_precedence_over_the_region_of_the_profile() {
        let both = [("AWS_DEFAULT_REGION", "us-east-1"), ("AWS_REGION", "us-west-2")];
        assert_eq!(settings(&both, CONFIG, "").region(), Some("us-west-2"));
        assert_eq!(settings(&both[..1], CONFIG, "").region(), Some("us-east-1"));
        assert_eq!(settings(&[], "", "").region(), None);
    }

    #[test]
    fn an_endpoint_is_configured_for_the_service_for_all_or_in_the_profile() {
        let none = settings(&[], CONFIG, "");
        assert_eq!(none.endpoint("DYNAMODB"), Some("http://127.0.0.1:8000"));
        assert_eq!(none.endpoint("SECRETS_MANAGER"), Some("http://127.0.0.1:8001"));
        assert_eq!(none.endpoint("KMS"), None);
        let one = [("AWS_ENDPOINT_URL", "http://all"), ("AWS_ENDPOINT_URL_KMS", "http://kms")];
        assert_eq!(settings(&one, CONFIG, "").endpoint("KMS"), Some("http://kms"));
        assert_eq!(settings(&one, CONFIG, "").endpoint("DYNAMODB"), Some("http://all"));
        let ignored = [("AWS_ENDPOINT_URL", "http://all"), ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")];
        assert_eq!(settings(&ignored, CONFIG, "").endpoint("DYNAMODB"), None);
    }

    #[test]
    fn only_secret_values_are_stored_as_secrets() {
        let keys = "[default]\naws_access_key_id = AKID\naws_secret_access_key = hunter2\n";
        let read = settings(&[], "", keys);
        let section = read.profile("default").expect("it is there");
        assert_eq!((section.text("aws_access_key_id"), section.text("aws_secret_access_key")), (Some("AKID"), None));
        assert_eq!(section.secret("aws_secret_access_key").map(Secret::reveal), Some(&b"hunter2"[..]));
    }
}
