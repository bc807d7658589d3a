//! The configuration of the Databricks clients: environment variables, then a profile of the configuration file. Names,
//! precedence and rules are those of unified authentication:
//! <https://docs.databricks.com/aws/en/dev-tools/auth/unified-auth>.

use std::collections::{BTreeMap, BTreeSet};

use super::profile;
use crate::{
    cloud::{ClientEnvironment, CloudError, CloudErrorKind},
    redact::Secret,
};

/// A configuration attribute.
struct Attribute {
    /// The key in a profile.
    name: &'static str,
    /// The environment variables. The first one that is set is used.
    variables: &'static [&'static str],
    /// The authentication method that the attribute belongs to. Attributes of two methods are ambiguous.
    method: Option<&'static str>,
    /// Whether the value is secret.
    is_secret: bool,
}

const fn general(name: &'static str, variables: &'static [&'static str]) -> Attribute {
    Attribute { name, variables, method: None, is_secret: false }
}

const fn of_method(method: &'static str, name: &'static str, variables: &'static [&'static str]) -> Attribute {
    Attribute { name, variables, method: Some(method), is_secret: false }
}

const fn secret(method: &'static str, name: &'static str, variables: &'static [&'static str]) -> Attribute {
    Attribute { name, variables, method: Some(method), is_secret: true }
}

const ATTRIBUTES: [Attribute; 26] = [
    general("host", &["DATABRICKS_HOST"]),
    general("account_id", &["DATABRICKS_ACCOUNT_ID"]),
    general("workspace_id", &["DATABRICKS_WORKSPACE_ID"]),
    general("cloud", &["DATABRICKS_CLOUD"]),
    general("discovery_url", &["DATABRICKS_DISCOVERY_URL"]),
    general("token_audience", &["DATABRICKS_TOKEN_AUDIENCE"]),
    general("auth_type", &["DATABRICKS_AUTH_TYPE"]),
    general("azure_environment", &["ARM_ENVIRONMENT"]),
    general("scopes", &[]),
    secret("pat", "token", &["DATABRICKS_TOKEN"]),
    of_method("basic", "username", &["DATABRICKS_USERNAME"]),
    secret("basic", "password", &["DATABRICKS_PASSWORD"]),
    of_method("oauth", "client_id", &["DATABRICKS_CLIENT_ID"]),
    secret("oauth", "client_secret", &["DATABRICKS_CLIENT_SECRET"]),
    secret("metadata-service", "metadata_service_url", &["DATABRICKS_METADATA_SERVICE_URL"]),
    of_method("env-oidc", "oidc_token_env", &["DATABRICKS_OIDC_TOKEN_ENV"]),
    of_method("file-oidc", "oidc_token_filepath", &["DATABRICKS_OIDC_TOKEN_FILEPATH", "DATABRICKS_OIDC_TOKEN_FILE"]),
    of_method("google", "google_service_account", &["DATABRICKS_GOOGLE_SERVICE_ACCOUNT"]),
    secret("google", "google_credentials", &["GOOGLE_CREDENTIALS"]),
    of_method("azure", "azure_workspace_resource_id", &["DATABRICKS_AZURE_RESOURCE_ID"]),
    of_method("azure", "azure_use_msi", &["ARM_USE_MSI"]),
    of_method("azure", "azure_client_id", &["ARM_CLIENT_ID"]),
    secret("azure", "azure_client_secret", &["ARM_CLIENT_SECRET"]),
    of_method("azure", "azure_tenant_id", &["ARM_TENANT_ID"]),
    // These select the profile and the file.
    general("profile", &["DATABRICKS_CONFIG_PROFILE"]),
    general("config_file", &["DATABRICKS_CONFIG_FILE"]),
];

/// The values that are set.
#[derive(Default)]
pub(super) struct Settings {
    values: BTreeMap<&'static str, Setting>,
}

struct Setting {
    value: SettingValue,
    /// The origin for messages: `DATABRICKS_TOKEN`, or `token` of a profile.
    origin: String,
}

/// The redaction searches all output for secrets, so only secret values are stored as `Secret`.
enum SettingValue {
    Text(String),
    Secret(Secret),
}

impl Settings {
    /// Reads the variables. Like the official clients, also reads the file if a profile is requested, or if the
    /// variables configure neither a workspace nor an authentication method.
    pub(super) fn read(environment: &ClientEnvironment) -> Result<Self, CloudError> {
        let mut settings = Self::default();
        for attribute in &ATTRIBUTES {
            let set = attribute.variables.iter().find_map(|name| Some((*name, environment.variable(name)?)));
            if let Some((name, value)) = set {
                settings.set(attribute, value, format!("`{name}`"));
            }
        }
        if settings.text("profile").is_some() || !settings.has_host_or_method() {
            let wanted = settings.text("profile").map(str::to_owned);
            let file = settings.text("config_file").map(str::to_owned);
            if let Some(profile) = profile::read(file.as_deref(), wanted.as_deref(), environment)? {
                settings.add(&profile);
            }
        }
        settings.check_one_method()?;
        Ok(settings)
    }

    fn has_host_or_method(&self) -> bool {
        self.values.contains_key("host") || self.methods().next().is_some()
    }

    fn add(&mut self, profile: &profile::Profile) {
        for (key, value) in &profile.values {
            let known = ATTRIBUTES.iter().find(|attribute| attribute.name == key);
            // A variable has precedence over the file. Keys of other programs are ignored.
            let known = known.filter(|attribute| !self.values.contains_key(attribute.name) && !value.is_empty());
            if let Some(attribute) = known {
                self.set(attribute, value, format!("`{key}` of the profile `{}`", profile.name));
            }
        }
    }

    fn set(&mut self, attribute: &Attribute, value: &str, origin: String) {
        // The official clients treat a switch that is off as not set.
        if attribute.name == "azure_use_msi" && !matches!(value, "1" | "t" | "T" | "true" | "True" | "TRUE") {
            return;
        }
        // White space around a value does not belong to it.
        let value = value.trim().to_owned();
        let value = if attribute.is_secret { SettingValue::Secret(value.into()) } else { SettingValue::Text(value) };
        self.values.insert(attribute.name, Setting { value, origin });
    }

    /// The methods with at least one value, each with the origin of the value.
    fn methods(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let set = |attribute: &Attribute| Some((attribute.method?, self.values.get(attribute.name)?.origin.as_str()));
        ATTRIBUTES.iter().filter_map(set)
    }

    fn check_one_method(&self) -> Result<(), CloudError> {
        let methods: BTreeSet<&str> = self.methods().map(|(method, _)| method).collect();
        if methods.len() < 2 || self.values.contains_key("auth_type") {
            return Ok(());
        }
        let names = methods.iter().copied().collect::<Vec<_>>().join(" and ");
        let origins: Vec<&str> = self.methods().map(|(_, origin)| origin).collect();
        let message = format!("more than one authorization method configured: {names}");
        Err(CloudError::new(CloudErrorKind::Ambiguous, message).hint(format!(
            "{} are set; unset the variables of all methods but one, or select a method with `DATABRICKS_AUTH_TYPE`, such as \
             `DATABRICKS_AUTH_TYPE=oauth-m2m`",
            origins.join(", ")
        )))
    }

    /// Whether a value is set.
    pub(super) fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// A value that is not secret.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        match &self.values.get(name)?.value {
            SettingValue::Text(text) => Some(text),
            SettingValue::Secret(_) => None,
        }
    }

    /// A secret value.
    pub(super) fn secret(&self, name: &str) -> Option<&Secret> {
        match &self.values.get(name)?.value {
            SettingValue::Text(_) => None,
            SettingValue::Secret(secret) => Some(secret),
        }
    }
}

/// The variable that sets a value, for messages.
pub(super) fn variable_of(name: &str) -> &str {
    let attribute = ATTRIBUTES.iter().find(|attribute| attribute.name == name);
    attribute.and_then(|attribute| attribute.variables.first()).copied().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::Attributes;

    fn read(variables: &[(&str, &str)], file: &str) -> Result<Settings, CloudError> {
        let home = tempfile::tempdir().expect("a temporary folder");
        if !file.is_empty() {
            crate::fs::replace(&home.path().join(".databrickscfg"), file.as_bytes(), Attributes::default())
                .expect("written");
        }
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Settings::read(&ClientEnvironment { variables, home: Some(home.path().to_owned()) })
    }

    const FILE: &str = "[DEFAULT]\nhost = default.example\ntoken = of-default\n[unit]\nhost = unit.example\n";

    #[test]
    fn the_file_is_read_if_the_variables_configure_nothing() {
        let settings = read(&[], FILE).expect("read");
        assert_eq!(settings.text("host"), Some("default.example"));
        assert_eq!(settings.secret("token").expect("it is there").reveal(), b"of-default");
    }

    #[test]
    fn the_file_is_not_read_if_the_variables_configure_a_workspace_or_a_method() {
        for variable in ["DATABRICKS_HOST", "DATABRICKS_TOKEN", "DATABRICKS_AZURE_RESOURCE_ID"] {
            let settings = read(&[(variable, "x")], FILE).expect("read");
            assert_eq!(settings.values.len(), 1, "{variable}");
        }
    }

    #[test]
    fn a_variable_has_precedence_over_the_profile_and_a_profile_inherits_nothing() {
        let variables = [("DATABRICKS_CONFIG_PROFILE", "unit"), ("DATABRICKS_HOST", "mine.example")];
        let settings = read(&variables, FILE).expect("read");
        assert_eq!((settings.text("host"), settings.has("token")), (Some("mine.example"), false));
    }

    #[test]
    fn two_methods_are_ambiguous_and_the_error_names_the_variables_but_no_value() {
        let variables = [("DATABRICKS_HOST", "h"), ("DATABRICKS_TOKEN", "dapi1"), ("DATABRICKS_CLIENT_ID", "app")];
        let error = read(&variables, "").err().expect("ambiguous");
        assert_eq!(error.kind, CloudErrorKind::Ambiguous);
        assert_eq!(error.message, "more than one authorization method configured: oauth and pat");
        let hint = error.hint.expect("a hint");
        assert!(hint.starts_with("`DATABRICKS_TOKEN`, `DATABRICKS_CLIENT_ID` are set"), "{hint}");
        assert!(!hint.contains("dapi1"), "{hint}");
    }

    #[test]
    fn a_profile_and_a_variable_can_be_ambiguous() {
        let variables = [("DATABRICKS_CONFIG_PROFILE", "DEFAULT"), ("DATABRICKS_CLIENT_ID", "app")];
        let hint = read(&variables, FILE).err().and_then(|error| error.hint).expect("ambiguous");
        assert!(hint.contains("`token` of the profile `DEFAULT`"), "{hint}");
    }

    #[test]
    fn a_selected_method_is_not_ambiguous() {
        let variables = [("DATABRICKS_TOKEN", "x"), ("DATABRICKS_CLIENT_ID", "y"), ("DATABRICKS_AUTH_TYPE", "pat")];
        assert!(read(&variables, "").is_ok());
    }

    #[test]
    fn a_switch_that_is_off_counts_as_not_set() {
        assert!(read(&[("ARM_USE_MSI", "false"), ("DATABRICKS_TOKEN", "x")], "").is_ok());
        assert!(read(&[("ARM_USE_MSI", "true"), ("DATABRICKS_TOKEN", "x")], "").is_err());
    }
}
