//! The credential of the node, selected as the official `DefaultAzureCredential` does: a client secret, workload
//! identity or a managed identity. The first configured credential is used. If it fails, no other one is tried, because
//! the node would then act with another identity.

use std::path::PathBuf;

use url::Url;

use crate::{
    cloud::{
        CloudError, CloudErrorKind,
        client_environment::ClientEnvironment,
        entra::{Application, METADATA_PATH},
    },
    http::is_loopback,
    redact::Secret,
};

/// The sign-in server, unless `AZURE_AUTHORITY_HOST` names another one.
const AUTHORITY: &str = "https://login.microsoftonline.com";
/// The metadata service of every virtual machine of Azure.
const METADATA: &str = "http://169.254.169.254";

/// A credential of the node.
#[derive(Debug)]
pub(super) enum Credential {
    /// A client secret of an application.
    ClientSecret { application: Application, secret: Secret },
    /// A token of the cluster's issuer, in a file that the platform renews.
    WorkloadIdentity { application: Application, file: PathBuf },
    /// The managed identity of App Service, Functions or Container Apps.
    AppService { endpoint: Url, header: Secret, client: Option<String> },
    /// The managed identity of the machine. `is_default`: the address of the metadata service is not configured.
    Metadata { endpoint: Url, client: Option<String>, is_default: bool },
}

impl Credential {
    /// The name of the method in output.
    pub(super) fn auth_type(&self) -> &'static str {
        match self {
            Self::ClientSecret { .. } => "client-secret",
            Self::WorkloadIdentity { .. } => "workload-identity",
            Self::AppService { .. } | Self::Metadata { .. } => "managed-identity",
        }
    }
}

/// Selects the credential that the environment variables configure.
pub(super) fn choose(environment: &ClientEnvironment) -> Result<Credential, CloudError> {
    let variable = |name: &str| environment.variable(name);
    let client = variable("AZURE_CLIENT_ID").map(str::to_owned);
    if let (Some(tenant), Some(client)) = (variable("AZURE_TENANT_ID"), &client) {
        let application = Application { tenant: checked_tenant(tenant)?, client: client.clone() };
        if let Some(secret) = variable("AZURE_CLIENT_SECRET") {
            return Ok(Credential::ClientSecret { application, secret: secret.to_owned().into() });
        }
        if variable("AZURE_CLIENT_CERTIFICATE_PATH").is_some() {
            return Err(unsupported("a client certificate (`AZURE_CLIENT_CERTIFICATE_PATH`)"));
        }
        if let Some(file) = variable("AZURE_FEDERATED_TOKEN_FILE") {
            return Ok(Credential::WorkloadIdentity { application, file: file.into() });
        }
    }
    if let Some(endpoint) = variable("IDENTITY_ENDPOINT") {
        let Some(header) = variable("IDENTITY_HEADER") else {
            return Err(unsupported("the identity of Azure Arc (`IDENTITY_ENDPOINT` without `IDENTITY_HEADER`)"));
        };
        if variable("IDENTITY_SERVER_THUMBPRINT").is_some() {
            return Err(unsupported("the identity of Service Fabric (`IDENTITY_SERVER_THUMBPRINT`)"));
        }
        let endpoint = address("IDENTITY_ENDPOINT", endpoint)?;
        return Ok(Credential::AppService { endpoint, header: header.to_owned().into(), client });
    }
    let named = variable("AZURE_POD_IDENTITY_AUTHORITY_HOST");
    let mut endpoint = address("AZURE_POD_IDENTITY_AUTHORITY_HOST", named.unwrap_or(METADATA))?;
    endpoint.set_path(METADATA_PATH);
    Ok(Credential::Metadata { endpoint, client, is_default: named.is_none() })
}

/// The sign-in server: `AZURE_AUTHORITY_HOST`, with or without `https://`.
pub(super) fn authority(environment: &ClientEnvironment) -> Result<Url, CloudError> {
    const NAME: &str = "AZURE_AUTHORITY_HOST";
    let Some(named) = environment.variable(NAME) else {
        return Ok(Url::parse(AUTHORITY).expect("the constant is a valid URL"));
    };
    let whole = if named.contains("://") { named.to_owned() } else { format!("https://{named}") };
    let found = address(NAME, &whole)?;
    if found.scheme() == "https" || is_loopback(&found) {
        return Ok(found);
    }
    Err(CloudError::new(CloudErrorKind::Invalid, format!("`{NAME}` is not an https address")).hint("use https"))
}

/// The missing variable of a partly configured application. The other variables of the application have no effect.
pub(super) fn incomplete(environment: &ClientEnvironment) -> Option<String> {
    let is_set = |name: &&str| environment.variable(name).is_some();
    let proof = ["AZURE_CLIENT_SECRET", "AZURE_FEDERATED_TOKEN_FILE"].into_iter().find(|name| is_set(name))?;
    let missing = ["AZURE_TENANT_ID", "AZURE_CLIENT_ID"].into_iter().find(|name| !is_set(name))?;
    Some(format!("`{proof}` is set, but `{missing}` is not"))
}

/// Checks a tenant. It becomes part of a URL, so it must be an id or a domain.
fn checked_tenant(tenant: &str) -> Result<String, CloudError> {
    if tenant.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte)) && !tenant.contains("..") {
        return Ok(tenant.to_owned());
    }
    let hint = "write an id such as `00000000-0000-0000-0000-000000000000`, or a domain";
    Err(CloudError::new(CloudErrorKind::Invalid, "`AZURE_TENANT_ID` is not a valid tenant").hint(hint))
}

fn address(name: &str, value: &str) -> Result<Url, CloudError> {
    let found = Url::parse(value).ok().filter(|url| ["http", "https"].contains(&url.scheme()) && url.has_host());
    found.ok_or_else(|| {
        CloudError::new(CloudErrorKind::Invalid, format!("`{name}` is not a URL")).hint("write the complete URL")
    })
}

fn unsupported(what: &str) -> CloudError {
    // With the next credential, the node would have another identity than with the official clients.
    CloudError::new(CloudErrorKind::Invalid, format!("{what} is configured, and nodeagent does not support it"))
        .hint("use a client secret, workload identity or a managed identity")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> ClientEnvironment {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        ClientEnvironment { variables, home: None }
    }

    fn auth_type(variables: &[(&str, &str)]) -> &'static str {
        choose(&of(variables)).expect("a credential").auth_type()
    }

    const APPLICATION: [(&str, &str); 2] = [("AZURE_TENANT_ID", "tenant"), ("AZURE_CLIENT_ID", "client")];

    #[test]
    fn a_secret_is_preferred_to_a_token_file_and_that_to_the_machine() {
        let secret = ("AZURE_CLIENT_SECRET", "s");
        let file = ("AZURE_FEDERATED_TOKEN_FILE", "/token");
        assert_eq!(auth_type(&[APPLICATION[0], APPLICATION[1], secret, file]), "client-secret");
        assert_eq!(auth_type(&[APPLICATION[0], APPLICATION[1], file]), "workload-identity");
        assert_eq!(auth_type(&[APPLICATION[1], secret, file]), "managed-identity");
        assert_eq!(auth_type(&[]), "managed-identity");
        assert_eq!(auth_type(&[("AZURE_CLIENT_SECRET", "")]), "managed-identity");
    }

    #[test]
    fn the_platform_configures_the_address_of_its_identity_endpoint() {
        let app_service = [("IDENTITY_ENDPOINT", "http://localhost:42/msi/token/"), ("IDENTITY_HEADER", "h")];
        let found = choose(&of(&app_service)).expect("a credential");
        assert!(matches!(found, Credential::AppService { ref endpoint, .. } if endpoint.path() == "/msi/token/"));
        let found = choose(&of(&[("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:5/")])).expect("a credential");
        let Credential::Metadata { endpoint, is_default, .. } = found else { panic!("{found:?}") };
        assert_eq!((endpoint.as_str(), is_default), ("http://127.0.0.1:5/metadata/identity/oauth2/token", false));
    }

    #[test]
    fn an_unsupported_credential_of_the_official_clients_is_an_error() {
        let certificate = [APPLICATION[0], APPLICATION[1], ("AZURE_CLIENT_CERTIFICATE_PATH", "/x.pem")];
        let arc = [("IDENTITY_ENDPOINT", "http://localhost:40342/"), ("IMDS_ENDPOINT", "http://localhost:40342/")];
        for variables in [&certificate[..], &arc] {
            assert_eq!(choose(&of(variables)).expect_err("not ours").kind, CloudErrorKind::Invalid);
        }
    }

    #[test]
    fn a_tenant_cannot_change_the_path_of_the_address() {
        for tenant in ["../other", "a/b", "a?b", "a#b", "..", "a%2fb"] {
            let variables = [("AZURE_TENANT_ID", tenant), APPLICATION[1], ("AZURE_CLIENT_SECRET", "s")];
            assert_eq!(choose(&of(&variables)).expect_err(tenant).kind, CloudErrorKind::Invalid);
        }
    }

    #[test]
    fn sign_in_requires_https_except_on_loopback() {
        let host = |value| authority(&of(&[("AZURE_AUTHORITY_HOST", value)])).map(|url| url.to_string());
        assert_eq!(host("login.microsoftonline.us").expect("a host"), "https://login.microsoftonline.us/");
        assert_eq!(host("https://login.chinacloudapi.cn/").expect("a host"), "https://login.chinacloudapi.cn/");
        assert_eq!(host("http://127.0.0.1:9").expect("loopback"), "http://127.0.0.1:9/");
        assert!(host("http://login.example.org").is_err());
    }

    #[test]
    fn an_incomplete_configuration_names_the_missing_variable() {
        let found = incomplete(&of(&[("AZURE_CLIENT_SECRET", "s"), APPLICATION[1]]));
        assert_eq!(found.as_deref(), Some("`AZURE_CLIENT_SECRET` is set, but `AZURE_TENANT_ID` is not"));
        assert_eq!(incomplete(&of(&APPLICATION)), None);
    }
}
