//! The principals in grants, and their text form in an access file.

use std::fmt;

use super::{identity_provider::IdentityProvider, wildcard::matches};
use crate::{cloud::aws::CallerIdentity, diagnostic::nearest, facts::ENVIRONMENTS, grammar::names};

/// The partitions of AWS, as in ARNs.
const PARTITIONS: [&str; 3] = ["aws", "aws-cn", "aws-us-gov"];
/// The number of parts of a group name. The convention is `LawFirms-<Environment>-Databricks-<BusinessUnit>-<Role>`.
const GROUP_PARTS: usize = 5;

/// A principal: one identity, or all members of a group or a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// The members of a group in the Databricks workspace. A `*` matches within one part of the name.
    Group(String),
    /// A service principal of the workspace, by application id.
    ServicePrincipal(String),
    /// A user of the workspace, by user name.
    User(String),
    /// A role or a user of an AWS account.
    Aws {
        /// `aws`, `aws-cn` or `aws-us-gov`.
        partition: String,
        /// The account's number.
        account: String,
        /// `role/NAME`, or `user/PATH/NAME`.
        principal: String,
    },
    /// A service principal or a managed identity of Azure, by object id.
    Azure(String),
    /// The nodes of a unit's clusters, in all environments or in one.
    Cluster {
        /// The business unit.
        unit: String,
        /// The environment.
        environment: Option<String>,
    },
    /// A local user of the node.
    Local(String),
}

/// A text is not a valid [`Principal`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct InvalidPrincipal {
    pub(super) message: String,
    pub(super) hint: String,
}

const FORMATS: &str = "write `group:NAME`, `service-principal:APPLICATION-ID`, `user:NAME`, `aws:ACCOUNT:role/NAME`, \
    `azure:OBJECT-ID`, `cluster:UNIT`, `cluster:UNIT@ENVIRONMENT` or `local:NAME`";

impl Principal {
    pub(super) fn parse(text: &str) -> Result<Self, InvalidPrincipal> {
        let invalid = |message: String, hint: &str| InvalidPrincipal { message, hint: hint.to_owned() };
        let Some((kind, name)) = text.split_once(':') else {
            return Err(invalid(format!("`{text}` has no prefix such as `group:`"), FORMATS));
        };
        if name.is_empty() || name.trim() != name {
            return Err(invalid(format!("`{text}` names no principal"), FORMATS));
        }
        if name.contains('*') && kind != "group" {
            let hint = "`*` is allowed only in groups; list each principal, or use a group";
            return Err(invalid(format!("`{text}` contains a `*`"), hint));
        }
        match kind {
            "group" => group(name),
            "service-principal" => Ok(Self::ServicePrincipal(name.to_owned())),
            "user" => Ok(Self::User(name.to_owned())),
            "azure" => Ok(Self::Azure(name.to_owned())),
            "local" => Ok(Self::Local(name.to_owned())),
            "cluster" => cluster(name),
            partition if PARTITIONS.contains(&partition) => aws(partition, name),
            other => {
                let known = ["group", "service-principal", "user", "azure", "local", "cluster", "aws"];
                let message = format!("`{other}:` is not a kind of principal");
                match nearest(other, known) {
                    Some(near) => Err(InvalidPrincipal { message, hint: format!("did you mean `{near}:`? {FORMATS}") }),
                    None => Err(invalid(message, FORMATS)),
                }
            }
        }
    }

    /// The identity provider that decides whether an identity matches. `None` if the node decides itself.
    pub fn provider(&self) -> Option<IdentityProvider> {
        match self {
            Self::Group(_) | Self::ServicePrincipal(_) | Self::User(_) => Some(IdentityProvider::Databricks),
            Self::Aws { .. } => Some(IdentityProvider::Aws),
            Self::Azure(_) => Some(IdentityProvider::Azure),
            Self::Cluster { .. } | Self::Local(_) => None,
        }
    }

    /// The group that a user can request membership of. The environment of the node replaces a matching pattern.
    pub(super) fn requestable_group(&self, environment: Option<&str>) -> Option<String> {
        let Self::Group(pattern) = self else { return None };
        let mut parts: Vec<&str> = pattern.split('-').collect();
        if let (Some(environment), true) = (environment, parts.len() == GROUP_PARTS)
            && matches(parts[1], environment)
        {
            parts[1] = environment;
        }
        Some(parts.join("-"))
    }
}

/// The name of a caller in an access file, without partition and account.
pub(super) fn caller_principal(caller: &CallerIdentity) -> String {
    match (&caller.role, &caller.user) {
        (Some(role), _) => format!("role/{role}"),
        (None, Some(user)) => format!("user/{}", user.trim_start_matches('/')),
        (None, None) => "root".to_owned(),
    }
}

fn group(name: &str) -> Result<Principal, InvalidPrincipal> {
    let parts: Vec<&str> = name.split('-').collect();
    if name.contains('*') && (parts.len() != GROUP_PARTS || parts[0].contains('*') || parts[2].contains('*')) {
        return Err(InvalidPrincipal {
            message: format!("the `*` in `{name}` matches more than groups of units"),
            hint:
                "a `*` matches within one part of `LawFirms-<Environment>-Databricks-<BusinessUnit>-<Role>`; write the \
                   first and the third part without `*`"
                    .to_owned(),
        });
    }
    Ok(Principal::Group(name.to_owned()))
}

fn cluster(name: &str) -> Result<Principal, InvalidPrincipal> {
    let (unit, environment) =
        name.split_once('@').map_or((name, None), |(unit, environment)| (unit, Some(environment)));
    if let Some(environment) = environment
        && !ENVIRONMENTS.contains(&environment)
    {
        let message = format!("`{environment}` is not an environment");
        return Err(InvalidPrincipal { message, hint: format!("known environments: {}", ENVIRONMENTS.join(", ")) });
    }
    if !names::is_unit(unit) {
        let hint = "write the unit as in cluster names, such as `cluster:Family` or `cluster:Family@Prod`";
        return Err(InvalidPrincipal { message: format!("`{unit}` is not a business unit"), hint: hint.to_owned() });
    }
    Ok(Principal::Cluster { unit: unit.to_owned(), environment: environment.map(str::to_owned) })
}

fn aws(partition: &str, name: &str) -> Result<Principal, InvalidPrincipal> {
    let (account, principal) = name.split_once(':').unwrap_or((name, ""));
    if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
        let hint = format!("write `{partition}:ACCOUNT:role/NAME`; an account number has twelve digits");
        return Err(InvalidPrincipal { message: format!("`{account}` is not an AWS account number"), hint });
    }
    let (kind, principal_name) = principal.split_once('/').unwrap_or((principal, ""));
    let is_sound = matches!(kind, "role" | "user") && !principal_name.split('/').any(str::is_empty);
    if !is_sound {
        let hint = format!("write `{partition}:{account}:role/NAME` or `{partition}:{account}:user/PATH/NAME`");
        return Err(InvalidPrincipal { message: format!("`{principal}` is neither a role nor a user"), hint });
    }
    if kind == "role" && principal_name.contains('/') {
        // STS returns the name of an assumed role without its path.
        let last = principal_name.rsplit('/').next().unwrap_or_default();
        let hint = format!("AWS does not return the path of an assumed role: write `role/{last}`");
        return Err(InvalidPrincipal { message: format!("`{principal}` has a path"), hint });
    }
    Ok(Principal::Aws { partition: partition.to_owned(), account: account.to_owned(), principal: principal.to_owned() })
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Group(name) => write!(f, "group:{name}"),
            Self::ServicePrincipal(id) => write!(f, "service-principal:{id}"),
            Self::User(name) => write!(f, "user:{name}"),
            Self::Aws { partition, account, principal } => write!(f, "{partition}:{account}:{principal}"),
            Self::Azure(id) => write!(f, "azure:{id}"),
            Self::Cluster { unit, environment: None } => write!(f, "cluster:{unit}"),
            Self::Cluster { unit, environment: Some(environment) } => write!(f, "cluster:{unit}@{environment}"),
            Self::Local(name) => write!(f, "local:{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_principal_is_refused() {
        for text in [
            "Family",
            "group:",
            "groups:x",
            "group:*",
            "group:LawFirms-*",
            "group:*-Prod-Databricks-Family-*",
            "group:LawFirms-Prod-*-Family-*",
            "user:*",
            "cluster:*",
            "cluster:Family@prod",
            "cluster:@Prod",
            "aws:1:role/x",
            "aws:123456789012",
            "aws:123456789012:group/x",
            "aws:123456789012:role/",
            "aws:123456789012:role/path/name",
            "local: root",
        ] {
            assert!(Principal::parse(text).is_err(), "{text}");
        }
        assert!(Principal::parse("grup:x").expect_err("a typing error").hint.contains("did you mean `group:`"));
    }

    #[test]
    fn the_requestable_group_belongs_to_the_environment_of_the_cluster() {
        let who = Principal::parse("group:LawFirms-*-Databricks-Criminal-*").expect("a group");
        assert_eq!(who.requestable_group(Some("Prod")).as_deref(), Some("LawFirms-Prod-Databricks-Criminal-*"));
        assert_eq!(who.requestable_group(None).as_deref(), Some("LawFirms-*-Databricks-Criminal-*"));
        let who = Principal::parse("group:LawFirms-Dev-Databricks-Criminal-*").expect("a group");
        assert_eq!(who.requestable_group(Some("Prod")).as_deref(), Some("LawFirms-Dev-Databricks-Criminal-*"));
    }
}
