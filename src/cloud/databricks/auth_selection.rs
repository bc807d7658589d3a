//! Selects the authentication method: the method that is named, else the first configured one in the order of the
//! official clients.
//!
//! Some official clients try the next method if one fails. nodeagent does not, because the next method could have
//! another identity.

use tokio::sync::OnceCell;
use url::Url;

use super::{
    auth_method::{AuthMethod, Authenticator, ServicePrincipal, basic},
    discovery::OidcDiscovery,
    entra::{EntraIdentity, EntraMethod},
    federation::{Federation, IdToken},
    host::{self, AzureCloud},
    profile,
    settings::{Settings, variable_of},
};
use crate::{
    cloud::{ClientEnvironment, CloudError, CloudErrorKind},
    redact::Secret,
};

/// The supported methods, in order of precedence.
const SUPPORTED: [&str; 9] = [
    "pat",
    "basic",
    "oauth-m2m",
    "metadata-service",
    "env-oidc",
    "file-oidc",
    "github-oidc",
    "azure-msi",
    "azure-client-secret",
];

/// The official clients' ways that need a person, another program, or another cloud: none of them is a node's.
const UNSUPPORTED: [&str; 10] = [
    "databricks-cli",
    "external-browser",
    "azure-cli",
    "azure-devops-oidc",
    "github-oidc-azure",
    "google-credentials",
    "google-id",
    "runtime",
    "runtime-oauth",
    "model-serving",
];

/// The variables of a GitHub Actions job that can request an OIDC token.
const GITHUB: [&str; 2] = ["ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"];

/// The metadata service of every virtual machine of Azure.
const METADATA: &str = "http://169.254.169.254";
/// A path segment of at least this length may be a secret.
const SECRET_SEGMENT: usize = 16;

/// The input of the selection.
pub(super) struct AuthSelection<'a> {
    pub(super) settings: &'a Settings,
    pub(super) environment: &'a ClientEnvironment,
    /// The configured workspace.
    pub(super) host: Option<&'a Url>,
}

impl AuthSelection<'_> {
    /// Selects a method. Sends no request.
    pub(super) fn select(&self) -> Result<Authenticator, CloudError> {
        match self.settings.text("auth_type") {
            Some(name) => self.named(name),
            None => match SUPPORTED.into_iter().find(|name| self.missing(name).is_empty()) {
                Some(name) => self.build(name),
                None => Err(self.not_configured()),
            },
        }
    }

    fn named(&self, wanted: &str) -> Result<Authenticator, CloudError> {
        let Some(name) = SUPPORTED.into_iter().find(|name| *name == wanted) else {
            let what =
                if UNSUPPORTED.contains(&wanted) { "a method that nodeagent does not support" } else { "unknown" };
            return Err(CloudError::new(
                CloudErrorKind::NotConfigured,
                format!("`DATABRICKS_AUTH_TYPE` is `{wanted}`: {what}"),
            )
            .hint(format!("choose one of {}", SUPPORTED.join(", "))));
        };
        let missing = self.missing(name);
        if missing.is_empty() {
            return self.build(name);
        }
        let missing: Vec<String> = missing.iter().map(|name| format!("`{name}`")).collect();
        let message = format!("`DATABRICKS_AUTH_TYPE` is `{name}`, which needs {}", missing.join(" and "));
        Err(CloudError::new(CloudErrorKind::NotConfigured, message).hint(format!("set {}", missing.join(" and "))))
    }

    /// The variables that a method needs and that are not set.
    fn missing(&self, name: &str) -> Vec<String> {
        let attributes: &[&str] = match name {
            "pat" => &["token"],
            "basic" => &["username", "password"],
            "oauth-m2m" => &["client_id", "client_secret"],
            "metadata-service" => &["metadata_service_url"],
            "file-oidc" => &["oidc_token_filepath"],
            "github-oidc" => &["client_id"],
            "azure-msi" => &["azure_use_msi"],
            "azure-client-secret" => &["azure_client_id", "azure_client_secret"],
            _ => &[],
        };
        let unset = attributes.iter().filter(|name| !self.settings.has(name));
        let mut missing: Vec<String> = unset.map(|name| variable_of(name).to_owned()).collect();
        let own: Vec<&str> = match name {
            "env-oidc" => vec![self.id_token_variable()],
            "github-oidc" => GITHUB.to_vec(),
            _ => Vec::new(),
        };
        let unset = own.into_iter().filter(|name| self.environment.variable(name).is_none());
        missing.extend(unset.map(str::to_owned));
        let is_of_azure = name.starts_with("azure-");
        if self.host.is_none() && !(is_of_azure && self.settings.text("azure_workspace_resource_id").is_some()) {
            missing.push("DATABRICKS_HOST".to_owned());
        } else if name == "azure-msi" && !host::is_azure(self.host, self.settings) {
            missing.push("DATABRICKS_AZURE_RESOURCE_ID".to_owned());
        }
        missing
    }

    fn id_token_variable(&self) -> &str {
        self.settings.text("oidc_token_env").unwrap_or("DATABRICKS_OIDC_TOKEN")
    }

    /// Creates a completely configured method.
    fn build(&self, name: &'static str) -> Result<Authenticator, CloudError> {
        let text = |name| self.settings.text(name).unwrap_or_default().to_owned();
        let secret = |name| self.settings.secret(name).cloned().unwrap_or_else(|| Secret::new(Vec::new()));
        let variable = |name| self.environment.variable(name).unwrap_or_default();
        let method = match name {
            "pat" => AuthMethod::Fixed(Secret::new([b"Bearer ", secret("token").reveal()].concat())),
            "basic" => AuthMethod::Fixed(basic(&text("username"), &secret("password"))),
            "oauth-m2m" => AuthMethod::Client(Box::new(ServicePrincipal {
                id: text("client_id"),
                secret: secret("client_secret"),
                scope: self.scope(),
                oidc: self.oidc()?,
            })),
            "metadata-service" => {
                let service = secret("metadata_service_url");
                let url = address("DATABRICKS_METADATA_SERVICE_URL", &String::from_utf8_lossy(service.reveal()))?;
                // Parts of the path may be secret, and may appear in output without the rest: redact each of them.
                let segments =
                    url.path_segments().into_iter().flatten().filter(|segment| segment.len() >= SECRET_SEGMENT);
                segments.for_each(|segment| drop(Secret::from(segment.to_owned())));
                AuthMethod::Metadata(url)
            }
            "env-oidc" => {
                self.federation(IdToken::Variable(Secret::from(variable(self.id_token_variable()).to_owned())))?
            }
            "file-oidc" => self.federation(IdToken::File(text("oidc_token_filepath").into()))?,
            "github-oidc" => self.federation(IdToken::GitHub {
                url: address(GITHUB[0], variable(GITHUB[0]))?,
                token: Secret::from(variable(GITHUB[1]).to_owned()),
            })?,
            "azure-msi" => {
                let variable = "AZURE_POD_IDENTITY_AUTHORITY_HOST";
                let metadata = host::base_url(variable, self.environment.variable(variable).unwrap_or(METADATA))?;
                self.entra(EntraIdentity::Managed {
                    id: self.settings.text("azure_client_id").map(str::to_owned),
                    metadata,
                })?
            }
            _ => self.entra(EntraIdentity::ClientSecret {
                id: text("azure_client_id"),
                secret: secret("azure_client_secret"),
                tenant: OnceCell::new_with(self.settings.text("azure_tenant_id").map(str::to_owned)),
            })?,
        };
        Ok(Authenticator { name, method })
    }

    fn federation(&self, source: IdToken) -> Result<AuthMethod, CloudError> {
        let client_id = self.settings.text("client_id").map(str::to_owned);
        Ok(AuthMethod::Federation(Box::new(Federation { source, client_id, scope: self.scope(), oidc: self.oidc()? })))
    }

    fn entra(&self, identity: EntraIdentity) -> Result<AuthMethod, CloudError> {
        let azure = AzureCloud::of(self.host, self.settings, self.environment)?;
        Ok(AuthMethod::Entra(Box::new(EntraMethod { identity, azure })))
    }

    fn oidc(&self) -> Result<OidcDiscovery, CloudError> {
        let host = self.host.ok_or_else(|| self.not_configured())?;
        OidcDiscovery::new(host.clone(), self.settings)
    }

    /// The OAuth scopes. The default is all permissions of the principal.
    fn scope(&self) -> String {
        let scopes = self.settings.text("scopes").unwrap_or_default();
        let scopes: Vec<&str> = scopes.split([',', ' ']).filter(|scope| !scope.is_empty()).collect();
        if scopes.is_empty() { "all-apis".to_owned() } else { scopes.join(" ") }
    }

    /// No workspace or no authentication method is configured.
    fn not_configured(&self) -> CloudError {
        let message = match self.host {
            Some(host) => format!("no authentication is configured for `{}`", host::shown(host)),
            None => "no Databricks workspace is configured".to_owned(),
        };
        let error = CloudError::new(CloudErrorKind::NotConfigured, message);
        if let Some(wanted) = self.settings.text("profile").filter(|_| self.host.is_none()) {
            let file = profile::path(self.settings.text("config_file"), self.environment);
            let file = file.map_or_else(|| "~/.databrickscfg".to_owned(), |path| path.display().to_string());
            return error.hint(format!(
                "`DATABRICKS_CONFIG_PROFILE` selects the profile `{wanted}`; check that `{file}` exists and contains a host"
            ));
        }
        let host = if self.host.is_some() { "" } else { "`DATABRICKS_HOST` and " };
        error.hint(format!(
            "set {host}`DATABRICKS_TOKEN`, or `DATABRICKS_CLIENT_ID` and `DATABRICKS_CLIENT_SECRET`, or write a profile \
             in `~/.databrickscfg`"
        ))
    }
}

fn address(variable: &str, text: &str) -> Result<Url, CloudError> {
    // The check adds a slash at the end; the address itself is used as it is written.
    host::base_url(variable, text)?;
    let whole = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    Url::parse(&whole)
        .map_err(|_| CloudError::new(CloudErrorKind::Invalid, format!("`{variable}` is not an http address")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: (&str, &str) = ("DATABRICKS_HOST", "https://adb-1.2.azuredatabricks.net");

    fn select(variables: &[(&str, &str)]) -> Result<&'static str, CloudError> {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let environment = ClientEnvironment { variables, home: None };
        let settings = Settings::read(&environment)?;
        let host = settings.text("host").map(host::normal).transpose()?;
        let choice = AuthSelection { settings: &settings, environment: &environment, host: host.as_ref() };
        choice.select().map(|authenticator| authenticator.name)
    }

    fn with(variables: &[(&str, &str)]) -> Result<&'static str, CloudError> {
        select(&[&[HOST], variables].concat())
    }

    #[test]
    fn the_configured_method_is_selected() {
        for (name, variables) in [
            ("pat", &[("DATABRICKS_TOKEN", "t")][..]),
            ("basic", &[("DATABRICKS_USERNAME", "u"), ("DATABRICKS_PASSWORD", "p")]),
            ("oauth-m2m", &[("DATABRICKS_CLIENT_ID", "i"), ("DATABRICKS_CLIENT_SECRET", "s")]),
            ("metadata-service", &[("DATABRICKS_METADATA_SERVICE_URL", "http://127.0.0.1:1/x")]),
            ("env-oidc", &[("DATABRICKS_OIDC_TOKEN", "j"), ("DATABRICKS_CLIENT_ID", "i")]),
            ("env-oidc", &[("DATABRICKS_OIDC_TOKEN_ENV", "MINE"), ("MINE", "j")]),
            ("file-oidc", &[("DATABRICKS_OIDC_TOKEN_FILEPATH", "/t")]),
            ("file-oidc", &[("DATABRICKS_OIDC_TOKEN_FILE", "/t")]),
            ("github-oidc", &[("DATABRICKS_CLIENT_ID", "i"), (GITHUB[0], "https://x.example/?a=1"), (GITHUB[1], "t")]),
            ("azure-msi", &[("ARM_USE_MSI", "true")]),
            ("azure-client-secret", &[("ARM_CLIENT_ID", "i"), ("ARM_CLIENT_SECRET", "s")]),
        ] {
            assert_eq!(with(variables), Ok(name));
        }
    }

    #[test]
    fn azure_methods_need_the_resource_id_or_an_azure_address() {
        let resource = ("DATABRICKS_AZURE_RESOURCE_ID", "/subscriptions/1");
        assert_eq!(select(&[resource, ("ARM_USE_MSI", "true")]), Ok("azure-msi"));
        assert_eq!(select(&[resource, ("ARM_CLIENT_ID", "i"), ("ARM_CLIENT_SECRET", "s")]), Ok("azure-client-secret"));
        let elsewhere = ("DATABRICKS_HOST", "https://x.cloud.databricks.com");
        assert_eq!(
            select(&[elsewhere, ("ARM_USE_MSI", "true")]).expect_err("not of Azure").kind,
            CloudErrorKind::NotConfigured
        );
        assert_eq!(select(&[elsewhere, ("ARM_USE_MSI", "true"), ("DATABRICKS_CLOUD", "azure")]), Ok("azure-msi"));
    }

    #[test]
    fn only_the_named_method_is_tried_and_the_error_names_the_missing_settings() {
        let both = [("DATABRICKS_TOKEN", "t"), ("DATABRICKS_CLIENT_ID", "i"), ("DATABRICKS_CLIENT_SECRET", "s")];
        let named = |name| with(&[&both[..], &[("DATABRICKS_AUTH_TYPE", name)]].concat());
        assert_eq!(named("oauth-m2m"), Ok("oauth-m2m"));
        assert_eq!(named("pat"), Ok("pat"));
        let error = named("azure-client-secret").expect_err("not configured");
        assert_eq!(
            error.message,
            "`DATABRICKS_AUTH_TYPE` is `azure-client-secret`, which needs `ARM_CLIENT_ID` and `ARM_CLIENT_SECRET`"
        );
        let error = named("databricks-cli").expect_err("unsupported");
        assert_eq!(error.kind, CloudErrorKind::NotConfigured);
        assert!(error.hint.expect("a hint").starts_with("choose one of pat, basic, oauth-m2m"));
        assert!(named("nonsense").expect_err("unknown").message.ends_with("is `nonsense`: unknown"));
    }

    #[test]
    fn without_configuration_the_hint_names_the_variables_to_set() {
        let error = select(&[]).expect_err("not configured");
        assert_eq!(
            (error.kind, &*error.message),
            (CloudErrorKind::NotConfigured, "no Databricks workspace is configured")
        );
        let error = with(&[]).expect_err("not configured");
        assert_eq!(error.message, "no authentication is configured for `https://adb-1.2.azuredatabricks.net`");
        let error = select(&[("DATABRICKS_CONFIG_PROFILE", "unit"), ("DATABRICKS_CONFIG_FILE", "/none/cfg")]);
        let hint = error.expect_err("no file").hint.expect("a hint");
        assert!(hint.contains("the profile `unit`") && hint.contains("`/none/cfg`"), "{hint}");
    }
}
