//! The text of a denial: your identity, the request, the reason, alternatives and the contact.

use super::{
    access::{Access, Grant, Located},
    decision::{AccessRequest, Exemption, decide},
    identity::Identity,
    identity_provider::IdentityProvider,
    principal::Principal,
};
use crate::{cloud::CloudError, diagnostic::Diagnostic};

/// The maximum number of names or entries in a line.
const MAX_LISTED: usize = 8;

/// The text of a denied request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// The request that is not allowed.
    pub message: String,
    /// Your identity, the reason, and the alternatives.
    pub causes: Vec<String>,
    /// The contact, and the access to request.
    pub hint: String,
}

impl Denial {
    /// Explains the denial of a request. The identity providers of all grants must have been asked before.
    pub fn new(access: &Access, identity: &Identity, request: &AccessRequest) -> Self {
        let (covering, entries): (Vec<&Grant>, Vec<Located<String>>) = access.covering(request).unzip();
        let mut causes = vec![format!("you are {}", listed(identity.names()))];
        causes.extend(groups(identity, &covering));
        let unknown = unknown_identity(identity, &covering);
        causes.push(reason(access, request, &covering, &entries, unknown.is_some()));
        causes.extend(unknown);
        causes.extend(alternatives(access, identity, request));
        Self { message: message(access, request), causes, hint: hint(access, identity, &covering) }
    }
}

impl From<Denial> for Diagnostic {
    fn from(Denial { message, causes, hint }: Denial) -> Self {
        Self::nowhere(message).causes(causes).hint(hint)
    }
}

/// The message and the hint for a profile of another unit, without a grant.
pub fn foreign_profile(profile: &str, unit: &str, cluster_unit: &str) -> (String, String) {
    let message = format!("the profile `{profile}` belongs to the unit {unit}, this cluster to {cluster_unit}");
    (message, format!("use a profile of {cluster_unit}, or a cluster of {unit}"))
}

fn message(access: &Access, request: &AccessRequest) -> String {
    match request {
        AccessRequest::Read { scope, nonstandard_address: Some(address), .. } if scope.is_empty() => {
            format!("the secret `{address}` may not be read")
        }
        AccessRequest::Read { scope, key, nonstandard_address: Some(address) } => {
            let name = key.as_ref().map_or_else(|| scope.clone(), |key| format!("{scope}/{key}"));
            format!("the secret `{name}` is not at its default address, and `{address}` may not be read")
        }
        AccessRequest::Read { scope, key: Some(key), .. } => format!("the secret `{scope}/{key}` may not be read"),
        AccessRequest::Read { scope, key: None, .. } => format!("the scope `{scope}` may not be read as a whole"),
        AccessRequest::Connect { database, user } => access.unknown_database(database, user).map_or_else(
            || format!("the database `{database}` may not be connected to as `{user}`"),
            |unknown| unknown.message,
        ),
        AccessRequest::UseProfile { unit } => format!("profiles of the unit {unit} may not be used"),
    }
}

/// The groups of the identity, if a grant for a group covers the request.
fn groups(identity: &Identity, covering: &[&Grant]) -> Option<String> {
    let names_group = covering.iter().flat_map(|grant| &grant.who).any(|who| matches!(who.value, Principal::Group(_)));
    (names_group && identity.databricks.is_some()).then(|| match identity.groups() {
        [] => "you are in no group".to_owned(),
        groups => format!("you are in {}", listed(groups.iter().map(|group| format!("group:{group}")).collect())),
    })
}

fn reason(
    access: &Access,
    request: &AccessRequest,
    covering: &[&Grant],
    entries: &[Located<String>],
    in_doubt: bool,
) -> String {
    let Some(file) = &access.file else {
        return match request {
            AccessRequest::Connect { .. } => {
                "there is no access file, and only an access file defines databases".to_owned()
            }
            _ => "there is no access file, and what belongs to another unit requires a grant".to_owned(),
        };
    };
    let (Some(grant), Some(entry)) = (covering.first(), entries.first()) else {
        return format!("no grant in `{file}` permits it");
    };
    let who = listed(grant.who.iter().map(|who| who.value.to_string()).collect());
    let more = if covering.len() > 1 { format!(", and {} more grants do", covering.len() - 1) } else { String::new() };
    let none = if in_doubt { "none of them is known to match you" } else { "none of them matches you" };
    format!("{} grants `{}` to {who}{more}: {none}", entry.origin, entry.value)
}

/// The identity providers whose grants cover the request and that did not authenticate the node: not configured, or
/// failed.
fn unknown_identity(identity: &Identity, covering: &[&Grant]) -> Option<String> {
    let matters = |cloud: IdentityProvider| {
        covering.iter().flat_map(|grant| &grant.who).any(|who| who.value.provider() == Some(cloud))
    };
    let failed = |(cloud, error): &(IdentityProvider, CloudError)| {
        let detail = error.detail.as_ref().map(|detail| format!(" ({detail})")).unwrap_or_default();
        format!("{} could not identify you: {error}{detail}", cloud.as_str())
    };
    let not_configured =
        IdentityProvider::ALL.into_iter().filter(|cloud| matters(*cloud) && identity.is_not_configured(*cloud));
    let not_configured = not_configured.map(|cloud| {
        let (account, what) = match cloud {
            IdentityProvider::Databricks => ("Databricks workspace", "none is configured"),
            IdentityProvider::Aws => ("AWS account", "there are no credentials"),
            IdentityProvider::Azure => ("Azure tenant", "there is no identity"),
        };
        format!("you are not authenticated in any {account}: {what}")
    });
    let unknown = identity.unknown.iter().filter(|(cloud, _)| matters(*cloud)).map(failed);
    let all: Vec<String> = not_configured.chain(unknown).collect();
    (!all.is_empty()).then(|| all.join("; "))
}

/// The resources of the same kind that the identity may use instead.
fn alternatives(access: &Access, identity: &Identity, request: &AccessRequest) -> Option<String> {
    let mine = access.grants_of(identity);
    let mut entries: Vec<String> = match request {
        AccessRequest::Read { .. } => mine.flat_map(|grant| &grant.read).map(|entry| entry.value.to_string()).collect(),
        AccessRequest::Connect { database, .. } => {
            let all = mine.flat_map(|grant| &grant.connect).map(|entry| &entry.value);
            let here = all.clone().filter(|(name, _)| name == database).count();
            let name = |(database, user): &(String, String)| format!("{database} as {user}");
            all.filter(|(name, _)| here == 0 || name == database).map(name).collect()
        }
        AccessRequest::UseProfile { .. } => {
            let units = identity.cluster_unit.iter().cloned();
            units.chain(mine.flat_map(|grant| &grant.profiles).map(|entry| entry.value.clone())).collect()
        }
    };
    let mut seen = std::collections::BTreeSet::new();
    entries.retain(|entry| seen.insert(entry.clone()));
    let verb = match request {
        AccessRequest::Read { .. } => "read",
        AccessRequest::Connect { .. } => "connect to",
        AccessRequest::UseProfile { .. } => "use profiles of",
    };
    if entries.is_empty() {
        return access.file.as_ref().map(|_| format!("you may {verb} nothing"));
    }
    Some(format!("you may {verb} {}", listed(entries)))
}

fn hint(access: &Access, identity: &Identity, covering: &[&Grant]) -> String {
    let Some(file) = &access.file else {
        return "ask the platform administrators to add an access file beside the admin profiles".to_owned();
    };
    let contact = |grant: Option<&&Grant>| {
        let contact = grant.and_then(|grant| grant.contact.as_ref()).or(access.contact.as_ref());
        contact.cloned().unwrap_or_else(|| format!("the owner of `{file}`"))
    };
    let environment = identity.cluster_environment.as_deref();
    let group = covering.iter().find_map(|grant| {
        let group = grant.who.iter().find_map(|who| who.value.requestable_group(environment))?;
        Some((grant, group))
    });
    match group {
        Some((grant, group)) => {
            let group = if group.contains('*') {
                format!("a group that matches `{group}`")
            } else {
                format!("the group `{group}`")
            };
            let counts = if identity.is_not_configured(IdentityProvider::Databricks) {
                "; it applies only if the node is authenticated in the workspace"
            } else {
                ""
            };
            format!("ask {} for {group}{counts}", contact(Some(grant)))
        }
        None => match covering.first() {
            Some(grant) => format!("ask {} to be added at {}", contact(Some(grant)), grant.origin),
            None => format!("ask {} for a grant", contact(None)),
        },
    }
}

/// Names in one line. Names beyond the maximum are counted.
fn listed(names: Vec<String>) -> String {
    let more = names.len().saturating_sub(MAX_LISTED);
    let list = names.into_iter().take(MAX_LISTED).collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{list} and {more} more") } else { list }
}

/// Explains the decision about a request: the rule that allows it, or the denial.
pub fn explain(access: &Access, identity: &Identity, request: &AccessRequest) -> Vec<String> {
    let decision = decide(access, identity, request);
    let word = if decision.allowed { "allowed" } else { "denied" };
    let mut lines = vec![format!("{request}: {word}")];
    match (&decision.rule, &decision.granted) {
        (Some(rule), Some(granted)) => {
            let (who, at) = (&granted.who.value, &granted.who.origin);
            lines.push(format!("rule: {rule} grants `{}` to {who} ({at})", granted.what));
            lines.push(format!("you are {}", listed(identity.names())));
            if let Principal::Group(_) = who {
                lines.extend(groups(identity, &access.covering(request).map(|(grant, _)| grant).collect::<Vec<_>>()));
            }
        }
        _ if decision.exemption == Some(Exemption::NoAccessFile) => {
            lines.push(
                "rule: none, because there is no access file: the access control of the source decides".to_owned(),
            );
        }
        _ if decision.allowed => {
            lines.extend(decision.exemption.map(|exemption| format!("rule: none is required: {exemption}")));
        }
        _ => {
            let denial = Denial::new(access, identity, request);
            lines.push(denial.message);
            lines.extend(denial.causes);
            lines.push(format!("hint: {}", denial.hint));
            // The denial names the first covering grant only.
            for (grant, what) in access.covering(request).skip(1) {
                let who = listed(grant.who.iter().map(|who| who.value.to_string()).collect());
                lines.push(format!("also {} grants `{}` to {who}", what.origin, what.value));
            }
        }
    }
    if decision.allowed && matches!(request, AccessRequest::Read { .. }) && !access.is_off() {
        lines.push("the access control of the source is checked when the value is fetched".to_owned());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{auth::fixtures, cloud::CloudErrorKind};

    const GRANTS: &str = r#"[[grants]]
who = ["cluster:Family", "group:LawFirms-*-Databricks-Family-*"]
read = ["family", "shared/geo-*"]
connect = ["analytics:read_only"]

[[grants]]
who = ["group:LawFirms-*-Databricks-Criminal-*", "service-principal:8d6f3a52"]
read = ["criminal"]
contact = "criminal-leads@lawfirms.example"

[[grants]]
who = ["local:postgres"]
connect = ["analytics:read_write"]
"#;

    fn denial(identity: &Identity, request: &AccessRequest) -> String {
        let access = fixtures::access(GRANTS);
        assert!(!decide(&access, identity, request).allowed);
        let Denial { message, causes, hint } = Denial::new(&access, identity, request);
        [vec![message], causes, vec![hint]].concat().join("\n")
    }

    #[test]
    fn the_denial_of_another_units_secret_names_the_group_to_request() {
        insta::assert_snapshot!(denial(&fixtures::full_identity(), &AccessRequest::read("criminal", "dna")), @"
        the secret `criminal/dna` may not be read
        you are user:ann@lawfirms.example, aws:123456789012:role/family-node, azure:5b1c8c5e-0000-4000-8000-000000000001, cluster:Family@Prod, local:root
        you are in group:users, group:LawFirms-Prod-Databricks-Family-Analyst
        access.toml:20 grants `criminal` to group:LawFirms-*-Databricks-Criminal-*, service-principal:8d6f3a52: none of them matches you
        you may read family, shared/geo-*
        ask criminal-leads@lawfirms.example for a group that matches `LawFirms-Prod-Databricks-Criminal-*`
        ");
    }

    #[test]
    fn without_a_covering_grant_the_denial_names_the_contact() {
        insta::assert_snapshot!(denial(&fixtures::family_node(), &AccessRequest::read("finance", "x")), @"
        the secret `finance/x` may not be read
        you are cluster:Family@Prod, local:root
        no grant in `access.toml` permits it
        you may read family, shared/geo-*
        ask data-platform@lawfirms.example for a grant
        ");
    }

    #[test]
    fn the_denial_of_a_database_user_lists_the_allowed_user() {
        insta::assert_snapshot!(denial(&fixtures::family_node(), &AccessRequest::connect("analytics", "read_write")), @"
        the database `analytics` may not be connected to as `read_write`
        you are cluster:Family@Prod, local:root
        access.toml:25 grants `analytics:read_write` to local:postgres: none of them matches you
        you may connect to analytics as read_only
        ask data-platform@lawfirms.example to be added at access.toml:23
        ");
    }

    #[test]
    fn the_denial_of_another_units_profile_lists_the_own_unit() {
        insta::assert_snapshot!(denial(&fixtures::family_node(), &AccessRequest::UseProfile { unit: "Criminal".into() }), @"
        profiles of the unit Criminal may not be used
        you are cluster:Family@Prod, local:root
        no grant in `access.toml` permits it
        you may use profiles of Family
        ask data-platform@lawfirms.example for a grant
        ");
    }

    #[test]
    fn the_denial_names_a_provider_that_failed() {
        let mut identity = fixtures::family_node();
        let error = CloudError::new(CloudErrorKind::TokenRejected, "the workspace https://adb-1 rejected the token");
        identity.unknown.push((IdentityProvider::Databricks, error.detail("Invalid access token.")));
        identity.unknown.push((IdentityProvider::Azure, CloudError::new(CloudErrorKind::Unreachable, "no answer")));
        insta::assert_snapshot!(denial(&identity, &AccessRequest::read("criminal", "dna")), @"
        the secret `criminal/dna` may not be read
        you are cluster:Family@Prod, local:root
        access.toml:20 grants `criminal` to group:LawFirms-*-Databricks-Criminal-*, service-principal:8d6f3a52: none of them is known to match you
        databricks could not identify you: the workspace https://adb-1 rejected the token (Invalid access token.)
        you may read family, shared/geo-*
        ask criminal-leads@lawfirms.example for a group that matches `LawFirms-Prod-Databricks-Criminal-*`
        ");
    }

    #[test]
    fn the_denial_names_a_provider_that_is_not_configured() {
        let mut identity = fixtures::family_node();
        identity.queried.insert(IdentityProvider::Databricks);
        insta::assert_snapshot!(denial(&identity, &AccessRequest::read("criminal", "dna")), @"
        the secret `criminal/dna` may not be read
        you are cluster:Family@Prod, local:root
        access.toml:20 grants `criminal` to group:LawFirms-*-Databricks-Criminal-*, service-principal:8d6f3a52: none of them is known to match you
        you are not authenticated in any Databricks workspace: none is configured
        you may read family, shared/geo-*
        ask criminal-leads@lawfirms.example for a group that matches `LawFirms-Prod-Databricks-Criminal-*`; it applies only if the node is authenticated in the workspace
        ");
        let address = AccessRequest::at_address("env:CRIMINAL_DNA").expect("an address");
        assert!(denial(&identity, &address).starts_with("the secret `env:CRIMINAL_DNA` may not be read\n"));
        assert!(AccessRequest::at_address("vault:x").is_err() && AccessRequest::at_address("env:").is_err());
    }

    #[test]
    fn a_long_list_is_shortened() {
        let names = (0..20).map(|number| number.to_string()).collect();
        assert_eq!(listed(names), "0, 1, 2, 3, 4, 5, 6, 7 and 12 more");
    }
}
