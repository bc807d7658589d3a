//! The AWS services that nodeagent calls: their names, addresses and protocols.

use url::Url;

use super::settings::Settings;
use crate::cloud::{CloudError, CloudErrorKind};

/// A service of AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// The Security Token Service: the identity of the caller, and roles.
    Sts,
    /// Tables, such as that of credstash.
    DynamoDb,
    /// Encryption keys.
    Kms,
    /// Secrets.
    SecretsManager,
    /// Parameters of Systems Manager.
    Ssm,
}

impl Service {
    /// The name for messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sts => "STS",
            Self::DynamoDb => "DynamoDB",
            Self::Kms => "KMS",
            Self::SecretsManager => "Secrets Manager",
            Self::Ssm => "Systems Manager",
        }
    }

    /// The id in addresses, signatures and policies.
    pub(super) fn id(self) -> &'static str {
        match self {
            Self::Sts => "sts",
            Self::DynamoDb => "dynamodb",
            Self::Kms => "kms",
            Self::SecretsManager => "secretsmanager",
            Self::Ssm => "ssm",
        }
    }

    /// The name in environment variables.
    fn variable(self) -> &'static str {
        match self {
            Self::SecretsManager => "SECRETS_MANAGER",
            Self::Sts => "STS",
            Self::DynamoDb => "DYNAMODB",
            Self::Kms => "KMS",
            Self::Ssm => "SSM",
        }
    }

    /// The first part of `X-Amz-Target`, and the content type of the protocol.
    pub(super) fn protocol(self) -> (&'static str, &'static str) {
        const JSON_1_0: &str = "application/x-amz-json-1.0";
        const JSON_1_1: &str = "application/x-amz-json-1.1";
        match self {
            Self::Sts => ("", "application/x-www-form-urlencoded; charset=utf-8"),
            Self::DynamoDb => ("DynamoDB_20120810", JSON_1_0),
            Self::Kms => ("TrentService", JSON_1_1),
            Self::SecretsManager => ("secretsmanager", JSON_1_1),
            Self::Ssm => ("AmazonSSM", JSON_1_1),
        }
    }

    /// The address in a region, or the configured address.
    pub(super) fn endpoint(self, settings: &Settings, region: &str) -> Result<Url, CloudError> {
        if let Some(address) = settings.endpoint(self.variable()) {
            let url = Url::parse(address).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
            return url.ok_or_else(|| {
                CloudError::new(
                    CloudErrorKind::Invalid,
                    format!("the endpoint `{address}` of {} is not a valid URL", self.name()),
                )
                .hint(format!("correct AWS_ENDPOINT_URL_{} or AWS_ENDPOINT_URL", self.variable()))
            });
        }
        // The names of FIPS endpoints follow no common rule, and the setting must not be ignored.
        if settings.wants_fips() {
            let failed = format!("AWS_USE_FIPS_ENDPOINT is set, and no endpoint of {} is configured", self.name());
            return Err(CloudError::new(CloudErrorKind::Invalid, failed)
                .hint(format!("set AWS_ENDPOINT_URL_{}: nodeagent does not guess FIPS endpoints", self.variable())));
        }
        let address = format!("https://{}.{region}.{}/", self.id(), suffix(region));
        Url::parse(&address).map_err(|_| not_a_region(region))
    }
}

/// Whether a text is a valid region name. It becomes part of a host name, so no other characters are allowed.
pub fn is_region(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.bytes().all(is_plain)
}

pub(super) fn checked(region: &str) -> Result<String, CloudError> {
    if is_region(region) { Ok(region.to_owned()) } else { Err(not_a_region(region)) }
}

fn not_a_region(region: &str) -> CloudError {
    CloudError::new(CloudErrorKind::Invalid, format!("`{region}` is not an AWS region"))
        .hint("write a region such as `ap-southeast-2`")
}

/// The domain of a partition
/// (<https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html>).
fn suffix(region: &str) -> &'static str {
    match region.split('-').next().unwrap_or_default() {
        "cn" => "amazonaws.com.cn",
        _ if region.starts_with("us-iso-") => "c2s.ic.gov",
        _ if region.starts_with("us-isob-") => "sc2s.sgov.gov",
        "eusc" => "amazonaws.eu",
        _ => "amazonaws.com",
    }
}

#[cfg(test)]
mod tests {
    use super::{super::settings::tests::settings, *};

    #[test]
    fn the_address_of_a_service_contains_its_region() {
        let none = settings(&[], "", "");
        let at = |service: Service, region: &str| service.endpoint(&none, region).expect("an address").to_string();
        assert_eq!(
            at(Service::SecretsManager, "ap-southeast-2"),
            "https://secretsmanager.ap-southeast-2.amazonaws.com/"
        );
        assert_eq!(at(Service::DynamoDb, "cn-north-1"), "https://dynamodb.cn-north-1.amazonaws.com.cn/");
        assert_eq!(at(Service::Sts, "us-gov-west-1"), "https://sts.us-gov-west-1.amazonaws.com/");
    }

    #[test]
    fn a_configured_endpoint_must_be_an_http_address() {
        let endpoint = |address| Service::Kms.endpoint(&settings(&[("AWS_ENDPOINT_URL_KMS", address)], "", ""), "x-1");
        assert_eq!(endpoint("http://127.0.0.1:5555").expect("an address").as_str(), "http://127.0.0.1:5555/");
        assert_eq!(endpoint("localhost").expect_err("none").kind, CloudErrorKind::Invalid);
        assert_eq!(endpoint("file:///x").expect_err("none").kind, CloudErrorKind::Invalid);
    }

    #[test]
    fn a_fips_endpoint_must_be_configured() {
        let fips = ("AWS_USE_FIPS_ENDPOINT", "true");
        let error = Service::Kms.endpoint(&settings(&[fips], "", ""), "us-east-1").expect_err("not guessed");
        assert_eq!(error.message, "AWS_USE_FIPS_ENDPOINT is set, and no endpoint of KMS is configured");
        let named = settings(&[fips, ("AWS_ENDPOINT_URL_KMS", "https://kms-fips.us-east-1.amazonaws.com")], "", "");
        assert!(Service::Kms.endpoint(&named, "us-east-1").is_ok());
    }

    #[test]
    fn a_region_cannot_change_the_host() {
        assert!(checked("eu-west-1").is_ok());
        for region in ["", "x.example.org/", "EU-West-1", "a@b"] {
            assert!(checked(region).is_err(), "{region}");
        }
    }
}
