//! Values of the metadata service of a cloud's virtual machine. Nothing here is a credential: the rules of profiles
//! refuse keys of credentials.

use std::time::Duration;

use url::Url;

use super::{CloudError, CloudErrorKind, Clouds, aws};
use crate::http::{HttpError, Request};

const ADDRESS: &str = "http://169.254.169.254/";
/// The version of Azure's metadata
/// (<https://learn.microsoft.com/azure/virtual-machines/instance-metadata-service>).
const AZURE_VERSION: &str = "2021-02-01";
/// A link-local service answers at once, or does not exist.
const TIMEOUT: Duration = Duration::from_secs(2);
const ATTEMPTS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(300);
/// The largest value, in bytes.
const LIMIT: usize = 1 << 20;

/// The metadata service of a cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetadataService {
    /// That of EC2, version 2. A key is a path below `latest/meta-data`, such as `instance-id`.
    Aws,
    /// That of Azure. A key is a path below `metadata/instance`, or below its `compute`, such as `vmId`.
    Azure,
    /// That of Google Cloud. A key is a path below `computeMetadata/v1`, or below its `instance`, such as `id`
    /// (<https://cloud.google.com/compute/docs/metadata/predefined-metadata-keys>).
    Gcp,
}

impl Clouds {
    /// The value of a key. `None` if the service has no such key.
    ///
    /// # Errors
    /// If the service cannot be reached, or its answer is not a text.
    pub async fn metadata(&self, service: MetadataService, key: &str) -> Result<Option<String>, CloudError> {
        let text = match service {
            MetadataService::Aws => return aws::metadata(&self.http, &self.environment, key).await,
            MetadataService::Azure => {
                let base = self.endpoint("AZURE_POD_IDENTITY_AUTHORITY_HOST")?;
                let folder = if key.starts_with("network/") { "" } else { "compute/" };
                let mut url = below(&base, &format!("metadata/instance/{folder}{key}"));
                url.query_pairs_mut().append_pair("api-version", AZURE_VERSION).append_pair("format", "text");
                self.text(Request::get(url).header("metadata", "true")).await?
            }
            MetadataService::Gcp => {
                let base = self.endpoint("GCE_METADATA_HOST")?;
                let is_complete = ["instance/", "project/"].iter().any(|folder| key.starts_with(folder));
                let folder = if is_complete { "" } else { "instance/" };
                let url = below(&base, &format!("computeMetadata/v1/{folder}{key}"));
                self.text(Request::get(url).header("metadata-flavor", "Google")).await?
            }
        };
        Ok(text)
    }

    /// The address of the service. A variable of the official clients may name another host.
    fn endpoint(&self, variable: &str) -> Result<Url, CloudError> {
        let Some(named) = self.environment.variable(variable) else {
            return Ok(Url::parse(ADDRESS).expect("the constant is a valid URL"));
        };
        let address = if named.contains("://") { named.to_owned() } else { format!("http://{named}") };
        Url::parse(&format!("{}/", address.trim_end_matches('/'))).map_err(|_| {
            let message = format!("`{named}` is not a valid address of a metadata service");
            CloudError::new(CloudErrorKind::Invalid, message).hint(format!("correct {variable}"))
        })
    }

    async fn text(&self, request: Request) -> Result<Option<String>, CloudError> {
        let request = request.timeout(TIMEOUT).limit(LIMIT);
        let mut attempt = 1;
        loop {
            match self.http.call(&request).await {
                Ok(answer) if answer.status == 200 => return text(&answer.body).map(Some),
                Ok(answer) if answer.status == 404 => return Ok(None),
                Ok(answer) if attempt == ATTEMPTS || !is_overloaded(answer.status) => {
                    return Err(unexpected(&format!("answered with status {}", answer.status)));
                }
                Err(error) if attempt == ATTEMPTS || !error.is_transient() => return Err(unreachable(&error)),
                Ok(_) | Err(_) => {}
            }
            attempt += 1;
            tokio::time::sleep(PAUSE).await;
        }
    }
}

fn is_overloaded(status: u16) -> bool {
    status >= 500 || status == 429
}

/// A value of the metadata as text.
pub(super) fn text(body: &[u8]) -> Result<String, CloudError> {
    let text = std::str::from_utf8(body).map_err(|_| unexpected("returned a value that is not text"))?;
    Ok(text.trim().to_owned())
}

fn below(base: &Url, path: &str) -> Url {
    // The rules of profiles restrict keys to characters of paths.
    base.join(path).unwrap_or_else(|_| base.clone())
}

/// The error of an unusual answer.
pub(super) fn unexpected(what: &str) -> CloudError {
    CloudError::new(CloudErrorKind::Malformed, format!("the instance's metadata service {what}"))
}

fn unreachable(error: &HttpError) -> CloudError {
    CloudError::unanswered("the instance's metadata service", error)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        cloud::ClientEnvironment,
        http::Client,
        test_server::{TestServer, reply},
    };

    async fn asked(service: MetadataService, key: &str) -> Result<Option<String>, String> {
        let server = TestServer::start(|request, _| {
            let is_value = match request.path() {
                "/latest/api/token" => return reply("200 OK", "the-token"),
                "/latest/meta-data/instance-id" => request.header("x-aws-ec2-metadata-token") == "the-token",
                "/metadata/instance/compute/vmId" => {
                    request.header("metadata") == "true" && request.query()["format"] == "text"
                }
                "/computeMetadata/v1/instance/id" | "/computeMetadata/v1/project/project-id" => {
                    request.header("metadata-flavor") == "Google"
                }
                _ => false,
            };
            if is_value { reply("200 OK", "i-1\n") } else { reply("404 Not Found", "") }
        });
        let host = server.url.as_str().trim_end_matches('/').to_owned();
        let variables = ["AWS_EC2_METADATA_SERVICE_ENDPOINT", "AZURE_POD_IDENTITY_AUTHORITY_HOST"]
            .map(|name| (name.to_owned(), host.clone()));
        let google = ("GCE_METADATA_HOST".to_owned(), host.trim_start_matches("http://").to_owned());
        let variables = variables.into_iter().chain([google]).collect();
        let clouds = Clouds::new(Arc::new(Client::default()), ClientEnvironment { variables, home: None });
        clouds.metadata(service, key).await.map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn each_service_is_asked_as_its_cloud_requires() {
        let value = Ok(Some("i-1".to_owned()));
        assert_eq!(asked(MetadataService::Aws, "instance-id").await, value);
        assert_eq!(asked(MetadataService::Azure, "vmId").await, value);
        assert_eq!(asked(MetadataService::Gcp, "id").await, value);
        assert_eq!(asked(MetadataService::Gcp, "project/project-id").await, value);
        for service in [MetadataService::Aws, MetadataService::Azure, MetadataService::Gcp] {
            assert_eq!(asked(service, "nothing").await, Ok(None));
        }
    }
}
