//! The address of a workspace, and the cloud that it belongs to.

use url::Url;

use super::settings::Settings;
use crate::cloud::{ClientEnvironment, CloudError, CloudErrorKind};

/// The resource id of Azure Databricks, for token requests. It is the same in every Azure cloud:
/// <https://learn.microsoft.com/en-us/azure/databricks/dev-tools/service-prin-aad-token>.
pub(super) const AZURE_DATABRICKS: &str = "2ff814a6-3304-4ab8-85cb-cd0e6f879c1d";

/// Normalizes an address as the official clients do: with a scheme, without a path and without the default port.
pub(super) fn normal(text: &str) -> Result<Url, CloudError> {
    let text = text.trim();
    let whole = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let invalid = || {
        CloudError::new(CloudErrorKind::Invalid, "`DATABRICKS_HOST` is not the address of a workspace")
            .hint("write an address such as https://dbc-a1b2345c-d6e7.cloud.databricks.com or https://adb-123.4.azuredatabricks.net")
    };
    let mut url = Url::parse(&whole).map_err(|_| invalid())?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(invalid());
    }
    // An address that was copied from a browser contains the path of a page, and may contain a user name.
    url.set_username("").and_then(|()| url.set_password(None)).map_err(|()| invalid())?;
    url.set_path("/");
    url.set_query(None);
    url.set_fragment(None);
    Ok(url)
}

/// The address for messages.
pub(super) fn shown(host: &Url) -> String {
    host.origin().ascii_serialization()
}

/// The endpoints of an Azure cloud.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AzureCloud {
    /// The sign-in server.
    pub(super) login: Url,
    /// Azure Resource Manager.
    pub(super) manager: Url,
    /// The resource of tokens for Azure Resource Manager.
    pub(super) management: &'static str,
}

impl AzureCloud {
    /// The cloud of a workspace. Without a workspace, the cloud that `ARM_ENVIRONMENT` names.
    pub(super) fn of(
        host: Option<&Url>,
        settings: &Settings,
        environment: &ClientEnvironment,
    ) -> Result<Self, CloudError> {
        let domain = host.and_then(Url::host_str).unwrap_or_default();
        let name = if host.is_none() { settings.text("azure_environment").unwrap_or_default() } else { "" };
        let name = name.to_ascii_uppercase();
        let name = name.strip_prefix("AZURE").unwrap_or(&name);
        let (login, manager, management) = if domain.ends_with(".databricks.azure.us") || name.starts_with("USGOV") {
            ("login.microsoftonline.us", "management.usgovcloudapi.net", "https://management.core.usgovcloudapi.net/")
        } else if domain.ends_with(".databricks.azure.cn") || name.starts_with("CHINA") {
            ("login.chinacloudapi.cn", "management.chinacloudapi.cn", "https://management.core.chinacloudapi.cn/")
        } else {
            ("login.microsoftonline.com", "management.azure.com", "https://management.core.windows.net/")
        };
        let fixed = |name: &str| Url::parse(&format!("https://{name}/")).expect("the address is fixed");
        let login = match environment.variable("AZURE_AUTHORITY_HOST") {
            Some(configured) => base_url("AZURE_AUTHORITY_HOST", configured)?,
            None => fixed(login),
        };
        Ok(Self { login, manager: fixed(manager), management })
    }
}

/// Whether the workspace belongs to Azure Databricks.
pub(super) fn is_azure(host: Option<&Url>, settings: &Settings) -> bool {
    let domain = host.and_then(Url::host_str).unwrap_or_default();
    let ends = [".azuredatabricks.net", ".databricks.azure.us", ".databricks.azure.cn"];
    settings.text("azure_workspace_resource_id").is_some()
        || settings
            .text("cloud")
            .map_or_else(|| ends.iter().any(|end| domain.ends_with(end)), |cloud| cloud.eq_ignore_ascii_case("azure"))
}

/// Parses the address in a variable, as a base URL with a slash at the end.
pub(super) fn base_url(variable: &str, text: &str) -> Result<Url, CloudError> {
    let whole = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let folder = format!("{}/", whole.trim_end_matches('/'));
    Url::parse(&folder)
        .ok()
        .filter(|url| url.has_host() && matches!(url.scheme(), "http" | "https"))
        .ok_or_else(|| CloudError::new(CloudErrorKind::Invalid, format!("`{variable}` is not an http address")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_normalized() {
        for (written, expected) in [
            ("adb-1.2.azuredatabricks.net", "https://adb-1.2.azuredatabricks.net"),
            ("https://x.cloud.databricks.com/", "https://x.cloud.databricks.com"),
            ("https://x.cloud.databricks.com:443/?o=12#job/1", "https://x.cloud.databricks.com"),
            ("http://127.0.0.1:5601/", "http://127.0.0.1:5601"),
            ("https://me:pass@x.example/login.html", "https://x.example"),
        ] {
            assert_eq!(shown(&normal(written).expect(written)), expected);
        }
    }

    #[test]
    fn an_invalid_address_is_refused_and_not_quoted() {
        for written in ["", "https://", "ftp://x.example", "https://a b"] {
            let error = normal(written).expect_err(written);
            assert_eq!(error.message, "`DATABRICKS_HOST` is not the address of a workspace");
        }
    }

    #[test]
    fn each_azure_cloud_has_its_own_endpoints() {
        let azure = |host: &str| {
            let host = normal(host).expect("an address");
            AzureCloud::of(Some(&host), &Settings::default(), &ClientEnvironment::default()).expect("endpoints")
        };
        assert_eq!(azure("adb-1.2.azuredatabricks.net").login.as_str(), "https://login.microsoftonline.com/");
        assert_eq!(azure("adb-1.2.databricks.azure.us").management, "https://management.core.usgovcloudapi.net/");
        assert_eq!(azure("adb-1.2.databricks.azure.cn").login.as_str(), "https://login.chinacloudapi.cn/");
    }

    #[test]
    fn the_sign_in_server_can_be_configured() {
        let variables = [("AZURE_AUTHORITY_HOST".to_owned(), "http://127.0.0.1:1".to_owned())].into();
        let environment = ClientEnvironment { variables, home: None };
        let azure = AzureCloud::of(None, &Settings::default(), &environment).expect("endpoints");
        assert_eq!(azure.login.as_str(), "http://127.0.0.1:1/");
    }
}
