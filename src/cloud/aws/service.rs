//! The services that are spoken to: names, addresses, dialects.

use url::Url;

use super::settings::Settings;
use crate::cloud::{CloudError, CloudErrorKind};

/// A service of AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Who one is.
    Sts,
    /// Tables; credstash's is one.
    DynamoDb,
    /// Keys that nobody sees.
    Kms,
    /// Secrets with versions.
    SecretsManager,
    /// Parameters of Systems Manager.
    Ssm,
}

impl Service {
    /// As people write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sts => "STS",
            Self::DynamoDb => "DynamoDB",
            Self::Kms => "KMS",
            Self::SecretsManager => "Secrets Manager",
            Self::Ssm => "Systems Manager",
        }
    }

    /// As addresses, signatures and policies have it.
    pub(super) fn id(self) -> &'static str {
        match self {
            Self::Sts => "sts",
            Self::DynamoDb => "dynamodb",
            Self::Kms => "kms",
            Self::SecretsManager => "secretsmanager",
            Self::Ssm => "ssm",
        }
    }

    /// As variables have it.
    fn variable(self) -> &'static str {
        match self {
            Self::SecretsManager => "SECRETS_MANAGER",
            Self::Sts => "STS",
            Self::DynamoDb => "DYNAMODB",
            Self::Kms => "KMS",
            Self::Ssm => "SSM",
        }
    }

    /// The first part of `X-Amz-Target`, and the content type that goes with it.
    pub(super) fn dialect(self) -> (&'static str, &'static str) {
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

    /// Where it is in a region, or where the configuration says.
    pub(super) fn endpoint(self, settings: &Settings, region: &str) -> Result<Url, CloudError> {
        if let Some(address) = settings.endpoint(self.variable()) {
            let url = Url::parse(address).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
            return url.ok_or_else(|| {
                CloudError::new(
                    CloudErrorKind::Invalid,
                    format!("the endpoint `{address}` of {} is not a valid address", self.name()),
                )
                .hint(format!("correct AWS_ENDPOINT_URL_{} or AWS_ENDPOINT_URL", self.variable()))
            });
        }
        // Their names follow no one rule, and passing over the wish in silence would break a promise of somebody's.
        if settings.wants_fips() {
            let failed = format!("AWS_USE_FIPS_ENDPOINT is set, and no endpoint of {} is named", self.name());
            return Err(CloudError::new(CloudErrorKind::Invalid, failed)
                .hint(format!("name it with AWS_ENDPOINT_URL_{}: nodeagent does not guess it", self.variable())));
        }
        let address = format!("https://{}.{region}.{}/", self.id(), suffix(region));
        Url::parse(&address).map_err(|_| not_a_region(region))
    }
}

/// Whether a text may be a region: its name becomes part of a host's name, so it may have nothing else in it.
pub fn is_region(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.bytes().all(is_plain)
}

pub(super) fn checked(region: &str) -> Result<String, CloudError> {
    if is_region(region) { Ok(region.to_owned()) } else { Err(not_a_region(region)) }
}

fn not_a_region(region: &str) -> CloudError {
    CloudError::new(CloudErrorKind::Invalid, format!("`{region}` is not a region of AWS"))
        .hint("write it as `ap-southeast-2`")
}

/// What all names of a partition end in
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
    fn a_service_is_where_its_region_is() {
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
    fn an_endpoint_of_the_configuration_is_taken_when_it_is_one() {
        let endpoint = |address| Service::Kms.endpoint(&settings(&[("AWS_ENDPOINT_URL_KMS", address)], "", ""), "x-1");
        assert_eq!(endpoint("http://127.0.0.1:5555").expect("an address").as_str(), "http://127.0.0.1:5555/");
        assert_eq!(endpoint("localhost").expect_err("none").kind, CloudErrorKind::Invalid);
        assert_eq!(endpoint("file:///x").expect_err("none").kind, CloudErrorKind::Invalid);
    }

    #[test]
    fn a_wish_for_fips_is_not_passed_over() {
        let fips = ("AWS_USE_FIPS_ENDPOINT", "true");
        let error = Service::Kms.endpoint(&settings(&[fips], "", ""), "us-east-1").expect_err("not guessed");
        assert_eq!(error.message, "AWS_USE_FIPS_ENDPOINT is set, and no endpoint of KMS is named");
        let named = settings(&[fips, ("AWS_ENDPOINT_URL_KMS", "https://kms-fips.us-east-1.amazonaws.com")], "", "");
        assert!(Service::Kms.endpoint(&named, "us-east-1").is_ok());
    }

    #[test]
    fn a_region_names_no_host() {
        assert!(checked("eu-west-1").is_ok());
        for region in ["", "x.example.org/", "EU-West-1", "a@b"] {
            assert!(checked(region).is_err(), "{region}");
        }
    }
}
