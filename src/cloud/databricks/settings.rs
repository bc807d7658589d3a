//! What says who the node is in Databricks: variables of the environment first, a profile of the file where they are
//! silent. The names, the order and the rules are those of the official clients' unified authentication:
//! <https://docs.databricks.com/aws/en/dev-tools/auth/unified-auth>.

use std::collections::{BTreeMap, BTreeSet};

use super::profile;
use crate::{
    cloud::{ClientEnvironment, CloudError, CloudErrorKind},
    redact::Secret,
};

/// Something that can be set.
struct Attribute {
    /// Its key in a profile.
    name: &'static str,
    /// Its variables, the first that is set counts.
    variables: &'static [&'static str],
    /// The method it belongs to: two of them at once are ambiguous.
    method: Option<&'static str>,
    /// Whether nobody may see its value.
    hidden: bool,
}

const fn general(name: &'static str, variables: &'static [&'static str]) -> Attribute {
    Attribute { name, variables, method: None, hidden: false }
}

const fn proof(method: &'static str, name: &'static str, variables: &'static [&'static str]) -> Attribute {
    Attribute { name, variables, method: Some(method), hidden: false }
}

const fn hidden(method: &'static str, name: &'static str, variables: &'static [&'static str]) -> Attribute {
    Attribute { name, variables, method: Some(method), hidden: true }
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
    hidden("pat", "token", &["DATABRICKS_TOKEN"]),
    proof("basic", "username", &["DATABRICKS_USERNAME"]),
    hidden("basic", "password", &["DATABRICKS_PASSWORD"]),
    proof("oauth", "client_id", &["DATABRICKS_CLIENT_ID"]),
    hidden("oauth", "client_secret", &["DATABRICKS_CLIENT_SECRET"]),
    hidden("metadata-service", "metadata_service_url", &["DATABRICKS_METADATA_SERVICE_URL"]),
    proof("env-oidc", "oidc_token_env", &["DATABRICKS_OIDC_TOKEN_ENV"]),
    proof("file-oidc", "oidc_token_filepath", &["DATABRICKS_OIDC_TOKEN_FILEPATH", "DATABRICKS_OIDC_TOKEN_FILE"]),
    proof("google", "google_service_account", &["DATABRICKS_GOOGLE_SERVICE_ACCOUNT"]),
    hidden("google", "google_credentials", &["GOOGLE_CREDENTIALS"]),
    proof("azure", "azure_workspace_resource_id", &["DATABRICKS_AZURE_RESOURCE_ID"]),
    proof("azure", "azure_use_msi", &["ARM_USE_MSI"]),
    proof("azure", "azure_client_id", &["ARM_CLIENT_ID"]),
    hidden("azure", "azure_client_secret", &["ARM_CLIENT_SECRET"]),
    proof("azure", "azure_tenant_id", &["ARM_TENANT_ID"]),
    // Read nowhere below, but their being set decides whether the file is read.
    general("profile", &["DATABRICKS_CONFIG_PROFILE"]),
    general("config_file", &["DATABRICKS_CONFIG_FILE"]),
];

/// What is set, and by what.
#[derive(Default)]
pub(super) struct Settings {
    values: BTreeMap<&'static str, Setting>,
}

struct Setting {
    value: SettingValue,
    /// What set it, as people are context: `DATABRICKS_TOKEN`, or `token` of a profile.
    by: String,
}

/// Everything that is a secret is searched for in all output: what is none must not be held as one.
enum SettingValue {
    Open(String),
    Hidden(Secret),
}

impl Settings {
    /// Reads the variables and, as the official clients do, the file: when a profile is asked for, or when the
    /// variables name neither a workspace nor a method to prove who the node is.
    pub(super) fn gather(environment: &ClientEnvironment) -> Result<Self, CloudError> {
        let mut settings = Self::default();
        for attribute in &ATTRIBUTES {
            let set = attribute.variables.iter().find_map(|name| Some((*name, environment.variable(name)?)));
            if let Some((name, value)) = set {
                settings.set(attribute, value, format!("`{name}`"));
            }
        }
        if settings.text("profile").is_some() || !settings.is_about_somebody() {
            let wanted = settings.text("profile").map(str::to_owned);
            let file = settings.text("config_file").map(str::to_owned);
            if let Some(profile) = profile::read(file.as_deref(), wanted.as_deref(), environment)? {
                settings.add(&profile);
            }
        }
        settings.check_one_method()?;
        Ok(settings)
    }

    fn is_about_somebody(&self) -> bool {
        self.values.contains_key("host") || self.methods().next().is_some()
    }

    fn add(&mut self, profile: &profile::Profile) {
        for (key, value) in &profile.values {
            let known = ATTRIBUTES.iter().find(|attribute| attribute.name == key);
            // A variable counts for more than the file; what the file names for other programs is passed over.
            let known = known.filter(|attribute| !self.values.contains_key(attribute.name) && !value.is_empty());
            if let Some(attribute) = known {
                self.set(attribute, value, format!("`{key}` of the profile `{}`", profile.name));
            }
        }
    }

    fn set(&mut self, attribute: &Attribute, value: &str, by: String) {
        // The clients take a switch that is off for one that is not set.
        if attribute.name == "azure_use_msi" && !matches!(value, "1" | "t" | "T" | "true" | "True" | "TRUE") {
            return;
        }
        // What surrounds a token in a file or a variable is no part of it.
        let value = value.trim().to_owned();
        let value = if attribute.hidden { SettingValue::Hidden(value.into()) } else { SettingValue::Open(value) };
        self.values.insert(attribute.name, Setting { value, by });
    }

    /// The methods that something is set for, each with what set it.
    fn methods(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let set = |attribute: &Attribute| Some((attribute.method?, self.values.get(attribute.name)?.by.as_str()));
        ATTRIBUTES.iter().filter_map(set)
    }

    fn check_one_method(&self) -> Result<(), CloudError> {
        let methods: BTreeSet<&str> = self.methods().map(|(method, _)| method).collect();
        if methods.len() < 2 || self.values.contains_key("auth_type") {
            return Ok(());
        }
        let names = methods.iter().copied().collect::<Vec<_>>().join(" and ");
        let by: Vec<&str> = self.methods().map(|(_, by)| by).collect();
        let message = format!("more than one authorization method configured: {names}");
        Err(CloudError::new(CloudErrorKind::Ambiguous, message).hint(format!(
            "{} are set; unset those of all but one, or choose with `DATABRICKS_AUTH_TYPE`, such as \
             `DATABRICKS_AUTH_TYPE=oauth-m2m`",
            by.join(", ")
        )))
    }

    /// Whether it is set.
    pub(super) fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// A value that need not be hidden.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        match &self.values.get(name)?.value {
            SettingValue::Open(text) => Some(text),
            SettingValue::Hidden(_) => None,
        }
    }

    /// A value that nobody may see.
    pub(super) fn secret(&self, name: &str) -> Option<&Secret> {
        match &self.values.get(name)?.value {
            SettingValue::Open(_) => None,
            SettingValue::Hidden(secret) => Some(secret),
        }
    }
}

/// The variable that sets a value, as people are context.
pub(super) fn variable_of(name: &str) -> &str {
    let attribute = ATTRIBUTES.iter().find(|attribute| attribute.name == name);
    attribute.and_then(|attribute| attribute.variables.first()).copied().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::Attributes;

    fn gather(variables: &[(&str, &str)], file: &str) -> Result<Settings, CloudError> {
        let home = tempfile::tempdir().expect("a temporary folder");
        if !file.is_empty() {
            crate::fs::replace(&home.path().join(".databrickscfg"), file.as_bytes(), Attributes::default())
                .expect("written");
        }
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Settings::gather(&ClientEnvironment { variables, home: Some(home.path().to_owned()) })
    }

    const FILE: &str = "[DEFAULT]\nhost = default.example\ntoken = of-default\n[unit]\nhost = unit.example\n";

    #[test]
    fn the_file_is_read_when_the_variables_are_silent() {
        let settings = gather(&[], FILE).expect("gathered");
        assert_eq!(settings.text("host"), Some("default.example"));
        assert_eq!(settings.secret("token").expect("it is there").reveal(), b"of-default");
    }

    #[test]
    fn the_file_is_not_read_when_the_variables_name_a_workspace_or_a_proof() {
        for variable in ["DATABRICKS_HOST", "DATABRICKS_TOKEN", "DATABRICKS_AZURE_RESOURCE_ID"] {
            let settings = gather(&[(variable, "x")], FILE).expect("gathered");
            assert_eq!(settings.values.len(), 1, "{variable}");
        }
    }

    #[test]
    fn a_variable_counts_for_more_than_the_profile_that_is_asked_for_which_inherits_nothing() {
        let variables = [("DATABRICKS_CONFIG_PROFILE", "unit"), ("DATABRICKS_HOST", "mine.example")];
        let settings = gather(&variables, FILE).expect("gathered");
        assert_eq!((settings.text("host"), settings.has("token")), (Some("mine.example"), false));
    }

    #[test]
    fn two_methods_are_ambiguous_and_the_error_names_what_set_them_but_no_value() {
        let variables = [("DATABRICKS_HOST", "h"), ("DATABRICKS_TOKEN", "dapi1"), ("DATABRICKS_CLIENT_ID", "app")];
        let error = gather(&variables, "").err().expect("ambiguous");
        assert_eq!(error.kind, CloudErrorKind::Ambiguous);
        assert_eq!(error.message, "more than one authorization method configured: oauth and pat");
        let hint = error.hint.expect("a hint");
        assert!(hint.starts_with("`DATABRICKS_TOKEN`, `DATABRICKS_CLIENT_ID` are set"), "{hint}");
        assert!(!hint.contains("dapi1"), "{hint}");
    }

    #[test]
    fn a_profile_and_a_variable_may_be_ambiguous_together() {
        let variables = [("DATABRICKS_CONFIG_PROFILE", "DEFAULT"), ("DATABRICKS_CLIENT_ID", "app")];
        let hint = gather(&variables, FILE).err().and_then(|error| error.hint).expect("ambiguous");
        assert!(hint.contains("`token` of the profile `DEFAULT`"), "{hint}");
    }

    #[test]
    fn a_chosen_method_ends_the_ambiguity() {
        let variables = [("DATABRICKS_TOKEN", "x"), ("DATABRICKS_CLIENT_ID", "y"), ("DATABRICKS_AUTH_TYPE", "pat")];
        assert!(gather(&variables, "").is_ok());
    }

    #[test]
    fn a_switch_that_is_off_is_not_set() {
        assert!(gather(&[("ARM_USE_MSI", "false"), ("DATABRICKS_TOKEN", "x")], "").is_ok());
        assert!(gather(&[("ARM_USE_MSI", "true"), ("DATABRICKS_TOKEN", "x")], "").is_err());
    }
}
