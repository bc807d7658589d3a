//! Principal a grant is for: the forms that an access file knows, and whom each matches.

use std::fmt;

use super::{
    identity::{Cloud, Identity},
    wildcard::{matches, matches_by_part},
};
use crate::{cloud::aws::CallerIdentity, diagnostic::nearest, facts::ENVIRONMENTS, grammar::names};

/// Partitions of AWS, as ARNs name them.
const PARTITIONS: [&str; 3] = ["aws", "aws-cn", "aws-us-gov"];
/// Parts of a group's name by the convention `LawFirms-<Environment>-Databricks-<BusinessUnit>-<Role>`.
const GROUP_PARTS: usize = 5;

/// Somebody, or all of a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// Members of a group of the Databricks workspace; a `*` stays within a part of its name.
    Group(String),
    /// A service principal of the workspace, by its application's id.
    ServicePrincipal(String),
    /// A user of the workspace, by name.
    User(String),
    /// A role or user of an AWS account.
    Aws {
        /// `aws`, `aws-cn` or `aws-us-gov`.
        partition: String,
        /// The account's number.
        account: String,
        /// `role/NAME`, or `user/PATH/NAME`.
        principal: String,
    },
    /// A service principal or managed identity of Azure, by its object's id.
    Azure(String),
    /// Every node of a unit's clusters, perhaps of one environment only.
    Cluster {
        /// The business unit.
        unit: String,
        /// The environment.
        environment: Option<String>,
    },
    /// A user of the node.
    Local(String),
}

/// Why a text is no form of [`Principal`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct InvalidPrincipal {
    pub(super) message: String,
    pub(super) hint: String,
}

const FORMS: &str = "write `group:NAME`, `service-principal:APPLICATION-ID`, `user:NAME`, `aws:ACCOUNT:role/NAME`, \
    `azure:OBJECT-ID`, `cluster:UNIT`, `cluster:UNIT@ENVIRONMENT` or `local:NAME`";

impl Principal {
    pub(super) fn parse(text: &str) -> Result<Self, InvalidPrincipal> {
        let nobody = |message: String, hint: &str| InvalidPrincipal { message, hint: hint.to_owned() };
        let Some((kind, name)) = text.split_once(':') else {
            return Err(nobody(format!("`{text}` does not say what it is"), FORMS));
        };
        if name.is_empty() || name.trim() != name {
            return Err(nobody(format!("`{text}` names nobody"), FORMS));
        }
        if name.contains('*') && kind != "group" {
            let hint = "`*` is allowed only in groups; name each one, or let a group stand for them";
            return Err(nobody(format!("`{text}` has a `*`"), hint));
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
                let message = format!("`{other}:` is no kind of identity");
                match nearest(other, known) {
                    Some(near) => Err(InvalidPrincipal { message, hint: format!("did you mean `{near}:`? {FORMS}") }),
                    None => Err(nobody(message, FORMS)),
                }
            }
        }
    }

    /// Whether somebody is meant.
    pub fn matches(&self, identity: &Identity) -> bool {
        let me = identity.databricks.as_ref();
        match self {
            Self::Group(pattern) => me.is_some_and(|me| me.groups.iter().any(|group| matches_by_part(pattern, group))),
            Self::ServicePrincipal(id) => {
                me.is_some_and(|me| me.service_principal && me.user_name.eq_ignore_ascii_case(id))
            }
            Self::User(name) => me.is_some_and(|me| !me.service_principal && me.user_name.eq_ignore_ascii_case(name)),
            Self::Aws { partition, account, principal } => identity.aws.as_ref().is_some_and(|caller| {
                caller.partition == *partition && caller.account == *account && principal_of(caller) == *principal
            }),
            Self::Azure(id) => {
                identity.azure.as_ref().is_some_and(|principal| principal.object_id.eq_ignore_ascii_case(id))
            }
            Self::Cluster { unit, environment } => {
                let is = |known: &Option<String>, wanted: &str| {
                    known.as_deref().is_some_and(|known| known.eq_ignore_ascii_case(wanted))
                };
                is(&identity.cluster_unit, unit)
                    && environment.as_ref().is_none_or(|environment| is(&identity.cluster_environment, environment))
            }
            Self::Local(name) => identity.local.name == *name,
        }
    }

    /// The cloud that has to be asked before it can be said whether somebody is meant.
    pub fn cloud(&self) -> Option<Cloud> {
        match self {
            Self::Group(_) | Self::ServicePrincipal(_) | Self::User(_) => Some(Cloud::Databricks),
            Self::Aws { .. } => Some(Cloud::Aws),
            Self::Azure(_) => Some(Cloud::Azure),
            Self::Cluster { .. } | Self::Local(_) => None,
        }
    }

    /// The group to be asked for, with the environment where it is known and the pattern leaves it open.
    pub(super) fn group_to_ask_for(&self, environment: Option<&str>) -> Option<String> {
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

/// A caller without partition and account, as access files name one.
pub(super) fn principal_of(caller: &CallerIdentity) -> String {
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
            message: format!("the `*` of `{name}` would reach beyond the groups of the units"),
            hint: "a `*` stays within one part of `LawFirms-<Environment>-Databricks-<BusinessUnit>-<Role>`, and the \
                   first and third part are written out"
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
        let hint = "use the unit's name as in cluster names, such as `cluster:Family` or `cluster:Family@Prod`";
        return Err(InvalidPrincipal { message: format!("`{unit}` is not a business unit"), hint: hint.to_owned() });
    }
    Ok(Principal::Cluster { unit: unit.to_owned(), environment: environment.map(str::to_owned) })
}

fn aws(partition: &str, name: &str) -> Result<Principal, InvalidPrincipal> {
    let (account, principal) = name.split_once(':').unwrap_or((name, ""));
    if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
        let hint = format!("write `{partition}:ACCOUNT:role/NAME`; an account has twelve digits");
        return Err(InvalidPrincipal { message: format!("`{account}` is not an account of AWS"), hint });
    }
    let (kind, principal_name) = principal.split_once('/').unwrap_or((principal, ""));
    let is_sound = matches!(kind, "role" | "user") && !principal_name.split('/').any(str::is_empty);
    if !is_sound {
        let hint = format!("write `{partition}:{account}:role/NAME` or `{partition}:{account}:user/PATH/NAME`");
        return Err(InvalidPrincipal { message: format!("`{principal}` is neither a role nor a user"), hint });
    }
    if kind == "role" && principal_name.contains('/') {
        // STS names who assumed a role without the role's path.
        let last = principal_name.rsplit('/').next().unwrap_or_default();
        let hint = format!("AWS does not tell a role's path to who assumed it: write `role/{last}`");
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
    use crate::auth::fixtures;

    fn matches(text: &str, identity: &Identity) -> bool {
        let who = Principal::parse(text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
        assert_eq!(who.to_string(), text, "it is shown as it is written");
        who.matches(identity)
    }

    #[test]
    fn every_form_fits_its_own_and_nobody_else() {
        let somebody = fixtures::full_identity();
        for (own, other) in [
            ("group:LawFirms-Prod-Databricks-Family-Analyst", "group:LawFirms-Dev-Databricks-Family-Analyst"),
            ("group:LawFirms-*-Databricks-Family-*", "group:LawFirms-*-Databricks-Criminal-*"),
            ("group:users", "group:admins"),
            ("user:ann@lawfirms.example", "user:bob@lawfirms.example"),
            ("aws:123456789012:role/family-node", "aws:123456789012:role/criminal-node"),
            ("aws:123456789012:role/family-node", "aws-cn:123456789012:role/family-node"),
            ("aws:123456789012:role/family-node", "aws:210987654321:role/family-node"),
            ("aws:123456789012:role/family-node", "aws:123456789012:user/family-node"),
            ("azure:5b1c8c5e-0000-4000-8000-000000000001", "azure:5b1c8c5e-0000-4000-8000-000000000002"),
            ("cluster:Family", "cluster:Criminal"),
            ("cluster:family", "cluster:Fam"),
            ("cluster:Family@Prod", "cluster:Family@Dev"),
            ("local:root", "local:analyst"),
        ] {
            assert!(matches(own, &somebody), "{own}");
            assert!(!matches(other, &somebody), "{other}");
            assert!(
                !matches(other, &fixtures::local_user())
                    && (own == "local:root" || !matches(own, &fixtures::local_user())),
                "{own}"
            );
        }
    }

    #[test]
    fn a_user_is_no_service_principal_and_the_other_way_round() {
        let mut somebody = fixtures::full_identity();
        assert!(!matches("service-principal:ann@lawfirms.example", &somebody));
        let me = somebody.databricks.as_mut().expect("known");
        (me.user_name, me.service_principal) = ("8d6f3a52-0000-4000-8000-000000000001".into(), true);
        assert!(matches("service-principal:8D6F3A52-0000-4000-8000-000000000001", &somebody), "an id has no case");
        assert!(!matches("user:8d6f3a52-0000-4000-8000-000000000001", &somebody));
    }

    #[test]
    fn a_user_of_aws_is_named_with_its_path() {
        let mut somebody = fixtures::full_identity();
        let caller = somebody.aws.as_mut().expect("known");
        (caller.role, caller.user) = (None, Some("people/ann".into()));
        assert!(matches("aws:123456789012:user/people/ann", &somebody));
        assert!(!matches("aws:123456789012:user/ann", &somebody));
    }

    #[test]
    fn a_cluster_without_a_unit_is_no_units() {
        assert!(!matches("cluster:Family", &fixtures::local_user()));
    }

    #[test]
    fn what_names_nobody_is_refused() {
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
        assert!(Principal::parse("grup:x").expect_err("a slip").hint.contains("did you mean `group:`"));
    }

    #[test]
    fn the_group_to_ask_for_is_of_the_clusters_environment() {
        let who = Principal::parse("group:LawFirms-*-Databricks-Criminal-*").expect("a group");
        assert_eq!(who.group_to_ask_for(Some("Prod")).as_deref(), Some("LawFirms-Prod-Databricks-Criminal-*"));
        assert_eq!(who.group_to_ask_for(None).as_deref(), Some("LawFirms-*-Databricks-Criminal-*"));
        let who = Principal::parse("group:LawFirms-Dev-Databricks-Criminal-*").expect("a group");
        assert_eq!(who.group_to_ask_for(Some("Prod")).as_deref(), Some("LawFirms-Dev-Databricks-Criminal-*"));
    }
}
