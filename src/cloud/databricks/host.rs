//! A workspace's address, and which cloud it is of.

use url::Url;

use super::settings::Settings;
use crate::cloud::{ClientEnvironment, CloudError, CloudErrorKind};

/// Azure Databricks itself, as a resource that tokens are for. The same in every Azure cloud:
/// <https://learn.microsoft.com/en-us/azure/databricks/dev-tools/service-prin-aad-token>.
pub(super) const AZURE_DATABRICKS: &str = "2ff814a6-3304-4ab8-85cb-cd0e6f879c1d";

/// The address as the official clients make it of what people write: with a scheme, without path and usual port.
pub(super) fn normal(text: &str) -> Result<Url, CloudError> {
    let text = text.trim();
    let whole = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let invalid = || {
        CloudError::new(CloudErrorKind::Invalid, "`DATABRICKS_HOST` is not the address of a workspace")
            .hint("write it as https://dbc-a1b2345c-d6e7.cloud.databricks.com or https://adb-123.4.azuredatabricks.net")
    };
    let mut url = Url::parse(&whole).map_err(|_| invalid())?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(invalid());
    }
    // What a person copied from the browser names a page; a user name there would be sent to nobody.
    url.set_username("").and_then(|()| url.set_password(None)).map_err(|()| invalid())?;
    url.set_path("/");
    url.set_query(None);
    url.set_fragment(None);
    Ok(url)
}

/// The address as people are context it.
pub(super) fn shown(host: &Url) -> String {
    host.origin().ascii_serialization()
}

/// The places of one of the Azure clouds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Azure {
    /// Where tokens are given.
    pub(super) login: Url,
    /// Where resources are managed.
    pub(super) manager: Url,
    /// What tokens for managing are for.
    pub(super) management: &'static str,
}

impl Azure {
    /// The cloud of a workspace; without one the cloud that `ARM_ENVIRONMENT` names.
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
            Some(given) => place("AZURE_AUTHORITY_HOST", given)?,
            None => fixed(login),
        };
        Ok(Self { login, manager: fixed(manager), management })
    }
}

/// Whether the workspace is one of Azure Databricks.
pub(super) fn is_azure(host: Option<&Url>, settings: &Settings) -> bool {
    let domain = host.and_then(Url::host_str).unwrap_or_default();
    let ends = [".azuredatabricks.net", ".databricks.azure.us", ".databricks.azure.cn"];
    settings.text("azure_workspace_resource_id").is_some()
        || settings
            .text("cloud")
            .map_or_else(|| ends.iter().any(|end| domain.ends_with(end)), |cloud| cloud.eq_ignore_ascii_case("azure"))
}

/// An address that a variable names, as a folder that paths can be joined to.
pub(super) fn place(variable: &str, text: &str) -> Result<Url, CloudError> {
    let whole = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let folder = format!("{}/", whole.trim_end_matches('/'));
    Url::parse(&folder)
        .ok()
        .filter(|url| url.has_host() && matches!(url.scheme(), "http" | "https"))
        .ok_or_else(|| CloudError::new(CloudErrorKind::Invalid, format!("`{variable}` is not an address of the web")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_becomes_one_address() {
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
    fn what_is_no_address_is_refused_without_being_quoted() {
        for written in ["", "https://", "ftp://x.example", "https://a b"] {
            let error = normal(written).expect_err(written);
            assert_eq!(error.message, "`DATABRICKS_HOST` is not the address of a workspace");
        }
    }

    #[test]
    fn each_azure_cloud_has_its_own_places() {
        let azure = |host: &str| {
            let host = normal(host).expect("an address");
            Azure::of(Some(&host), &Settings::default(), &ClientEnvironment::default()).expect("places")
        };
        assert_eq!(azure("adb-1.2.azuredatabricks.net").login.as_str(), "https://login.microsoftonline.com/");
        assert_eq!(azure("adb-1.2.databricks.azure.us").management, "https://management.core.usgovcloudapi.net/");
        assert_eq!(azure("adb-1.2.databricks.azure.cn").login.as_str(), "https://login.chinacloudapi.cn/");
    }

    #[test]
    fn the_place_of_logins_can_be_named() {
        let variables = [("AZURE_AUTHORITY_HOST".to_owned(), "http://127.0.0.1:1".to_owned())].into();
        let environment = ClientEnvironment { variables, home: None };
        let azure = Azure::of(None, &Settings::default(), &environment).expect("places");
        assert_eq!(azure.login.as_str(), "http://127.0.0.1:1/");
    }
}
