//! What a denial says: who you are, what you asked for, why not, what you may use instead, and whom to ask for what.

use super::{Access, AccessRequest, Cloud, Exemption, Grant, Identity, Located, Principal, decide};
use crate::{cloud::CloudError, diagnostic::Diagnostic};

/// The most names or entries that a line lists.
const MOST_LISTED: usize = 8;

/// A request that was denied, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// What is not allowed.
    pub message: String,
    /// Principal asked, why not, and what they may use instead.
    pub causes: Vec<String>,
    /// Whom to ask, and for what.
    pub hint: String,
}

impl Denial {
    /// Why a request was denied to somebody. The clouds that the access file speaks of were asked before.
    pub fn new(access: &Access, identity: &Identity, request: &AccessRequest) -> Self {
        let (covering, entries): (Vec<&Grant>, Vec<Located<String>>) = access.covering(request).unzip();
        let mut causes = vec![format!("you are {}", listed(identity.names()))];
        causes.extend(groups(identity, &covering));
        let not_known = not_known(identity, &covering);
        causes.push(why(access, request, &covering, &entries, not_known.is_some()));
        causes.extend(not_known);
        causes.extend(instead(access, identity, request));
        Self { message: message(access, request), causes, hint: hint(access, identity, &covering) }
    }
}

impl From<Denial> for Diagnostic {
    fn from(Denial { message, causes, hint }: Denial) -> Self {
        Self::nowhere(message).causes(causes).hint(hint)
    }
}

/// What is wrong with a profile of another unit than the cluster's, and what helps where no grant does.
pub fn foreign_profile(profile: &str, unit: &str, clusters: &str) -> (String, String) {
    let message = format!("the profile `{profile}` belongs to the unit {unit}, this cluster to {clusters}");
    (message, format!("use a profile of {clusters}, or a cluster of {unit}"))
}

fn message(access: &Access, request: &AccessRequest) -> String {
    match request {
        AccessRequest::Read { scope, elsewhere: Some(place), .. } if scope.is_empty() => {
            format!("the secret `{place}` may not be read")
        }
        AccessRequest::Read { scope, key, elsewhere: Some(place) } => {
            let name = key.as_ref().map_or_else(|| scope.clone(), |key| format!("{scope}/{key}"));
            format!("the secret `{name}` is not where its name says, and `{place}` may not be read")
        }
        AccessRequest::Read { scope, key: Some(key), .. } => format!("the secret `{scope}/{key}` may not be read"),
        AccessRequest::Read { scope, key: None, .. } => format!("the scope `{scope}` may not be read as a whole"),
        AccessRequest::Connect { database, user } => access.unknown(database, user).map_or_else(
            || format!("the database `{database}` may not be connected to as `{user}`"),
            |unknown| unknown.message,
        ),
        AccessRequest::UseProfile { unit } => format!("profiles of the unit {unit} may not be used"),
    }
}

/// Groups are shown where a group would help.
fn groups(identity: &Identity, covering: &[&Grant]) -> Option<String> {
    let helps = covering.iter().flat_map(|grant| &grant.who).any(|who| matches!(who.value, Principal::Group(_)));
    (helps && identity.databricks.is_some()).then(|| match identity.groups() {
        [] => "you are in no group".to_owned(),
        groups => format!("you are in {}", listed(groups.iter().map(|group| format!("group:{group}")).collect())),
    })
}

fn why(
    access: &Access,
    request: &AccessRequest,
    covering: &[&Grant],
    entries: &[Located<String>],
    in_doubt: bool,
) -> String {
    let Some(file) = &access.file else {
        return match request {
            AccessRequest::Connect { .. } => "there is no access file, and it is what names databases".to_owned(),
            _ => "there is no access file, and only a grant of it opens what is another unit's".to_owned(),
        };
    };
    let (Some(grant), Some(entry)) = (covering.first(), entries.first()) else {
        return format!("no grant of `{file}` gives it to anybody");
    };
    let who = listed(grant.who.iter().map(|who| who.value.to_string()).collect());
    let more =
        if covering.len() > 1 { format!(", and to those of {} more", covering.len() - 1) } else { String::new() };
    let none = if in_doubt { "none of them is known to be you" } else { "none of them is you" };
    format!("{} gives `{}` to {who}{more}: {none}", entry.origin, entry.value)
}

/// Clouds that could have allowed it, and do not know who it is: nobody is configured there, or they could not be asked.
fn not_known(identity: &Identity, covering: &[&Grant]) -> Option<String> {
    let matters =
        |cloud: Cloud| covering.iter().flat_map(|grant| &grant.who).any(|who| who.value.cloud() == Some(cloud));
    let told = |(cloud, error): &(Cloud, CloudError)| {
        let said = error.said.as_ref().map(|said| format!(" ({said})")).unwrap_or_default();
        format!("{} could not be asked who you are: {error}{said}", cloud.as_str())
    };
    let nobody = Cloud::ALL.into_iter().filter(|cloud| matters(*cloud) && identity.is_nobody_in(*cloud));
    let nobody = nobody.map(|cloud| {
        let (account, what) = match cloud {
            Cloud::Databricks => ("Databricks workspace", "none is configured"),
            Cloud::Aws => ("AWS account", "there are no credentials"),
            Cloud::Azure => ("Azure tenant", "there is no identity"),
        };
        format!("you are not known in any {account}: {what}")
    });
    let unknown = identity.unknown.iter().filter(|(cloud, _)| matters(*cloud)).map(told);
    let all: Vec<String> = nobody.chain(unknown).collect();
    (!all.is_empty()).then(|| all.join("; "))
}

/// What the identity may use of the same kind.
fn instead(access: &Access, identity: &Identity, request: &AccessRequest) -> Option<String> {
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
        return access.file.as_ref().map(|_| format!("there is nothing that you may {verb}"));
    }
    Some(format!("you may {verb} {}", listed(entries)))
}

fn hint(access: &Access, identity: &Identity, covering: &[&Grant]) -> String {
    let Some(file) = &access.file else {
        return "ask whoever keeps the admin profiles to write an access file beside them".to_owned();
    };
    let contact = |grant: Option<&&Grant>| {
        let contact = grant.and_then(|grant| grant.contact.as_ref()).or(access.contact.as_ref());
        contact.cloned().unwrap_or_else(|| format!("whoever keeps `{file}`"))
    };
    let environment = identity.cluster_environment.as_deref();
    let group = covering.iter().find_map(|grant| {
        let group = grant.who.iter().find_map(|who| who.value.group_to_ask_for(environment))?;
        Some((grant, group))
    });
    match group {
        Some((grant, group)) => {
            let group = if group.contains('*') {
                format!("a group that matches `{group}`")
            } else {
                format!("the group `{group}`")
            };
            let counts = if identity.is_nobody_in(Cloud::Databricks) {
                "; it counts where the workspace knows the node"
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

/// Names in a line; what is too much is counted.
fn listed(names: Vec<String>) -> String {
    let more = names.len().saturating_sub(MOST_LISTED);
    let list = names.into_iter().take(MOST_LISTED).collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{list} and {more} more") } else { list }
}

/// What decided a request, for people: the rule that allows it, or the denial.
pub fn explain(access: &Access, identity: &Identity, request: &AccessRequest) -> Vec<String> {
    let decision = decide(access, identity, request);
    let word = if decision.allowed { "allowed" } else { "denied" };
    let mut lines = vec![format!("{request}: {word}")];
    match (&decision.rule, &decision.granted) {
        (Some(rule), Some(granted)) => {
            let (who, at) = (&granted.who.value, &granted.who.origin);
            lines.push(format!("rule: {rule} gives `{}` to {who} ({at})", granted.what));
            lines.push(format!("you are {}", listed(identity.names())));
            if let Principal::Group(_) = who {
                lines.extend(groups(identity, &access.covering(request).map(|(grant, _)| grant).collect::<Vec<_>>()));
            }
        }
        _ if decision.exemption == Some(Exemption::NoAccessFile) => {
            lines.push("rule: none, because there is no access file: the source's own access list decides".to_owned());
        }
        _ if decision.allowed => {
            lines.extend(decision.exemption.map(|exemption| format!("rule: none is needed: {exemption}")));
        }
        _ => {
            let denial = Denial::new(access, identity, request);
            lines.push(denial.message);
            lines.extend(denial.causes);
            lines.push(format!("hint: {}", denial.hint));
            // Every grant that would have allowed it, not only the first.
            for (grant, what) in access.covering(request).skip(1) {
                let who = listed(grant.who.iter().map(|who| who.value.to_string()).collect());
                lines.push(format!("also {} gives `{}` to {who}", what.origin, what.value));
            }
        }
    }
    if decision.allowed && matches!(request, AccessRequest::Read { .. }) && !access.is_off() {
        lines.push("the source's own access list is asked when the value is fetched".to_owned());
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
    fn another_units_secret_names_the_group_to_ask_for() {
        insta::assert_snapshot!(denial(&fixtures::full_identity(), &AccessRequest::read("criminal", "dna")), @"
        the secret `criminal/dna` may not be read
        you are user:ann@lawfirms.example, aws:123456789012:role/family-node, azure:5b1c8c5e-0000-4000-8000-000000000001, cluster:Family@Prod, local:root
        you are in group:users, group:LawFirms-Prod-Databricks-Family-Analyst
        access.toml:20 gives `criminal` to group:LawFirms-*-Databricks-Criminal-*, service-principal:8d6f3a52: none of them is you
        you may read family, shared/geo-*
        ask criminal-leads@lawfirms.example for a group that matches `LawFirms-Prod-Databricks-Criminal-*`
        ");
    }

    #[test]
    fn what_nobody_may_is_a_matter_for_the_contact() {
        insta::assert_snapshot!(denial(&fixtures::family_node(), &AccessRequest::read("finance", "x")), @"
        the secret `finance/x` may not be read
        you are cluster:Family@Prod, local:root
        no grant of `access.toml` gives it to anybody
        you may read family, shared/geo-*
        ask data-platform@lawfirms.example for a grant
        ");
    }

    #[test]
    fn another_user_of_a_database_is_named_with_the_one_that_may_be() {
        insta::assert_snapshot!(denial(&fixtures::family_node(), &AccessRequest::connect("analytics", "read_write")), @"
        the database `analytics` may not be connected to as `read_write`
        you are cluster:Family@Prod, local:root
        access.toml:25 gives `analytics:read_write` to local:postgres: none of them is you
        you may connect to analytics as read_only
        ask data-platform@lawfirms.example to be added at access.toml:23
        ");
    }

    #[test]
    fn another_units_profile_names_the_own() {
        insta::assert_snapshot!(denial(&fixtures::family_node(), &AccessRequest::UseProfile { unit: "Criminal".into() }), @"
        profiles of the unit Criminal may not be used
        you are cluster:Family@Prod, local:root
        no grant of `access.toml` gives it to anybody
        you may use profiles of Family
        ask data-platform@lawfirms.example for a grant
        ");
    }

    #[test]
    fn somebody_whom_a_cloud_could_not_name_is_told_so() {
        let mut identity = fixtures::family_node();
        let error = CloudError::new(CloudErrorKind::TokenRejected, "the workspace https://adb-1 rejected the token");
        identity.unknown.push((Cloud::Databricks, error.said("Invalid access token.")));
        identity.unknown.push((Cloud::Azure, CloudError::new(CloudErrorKind::Unreachable, "no answer")));
        insta::assert_snapshot!(denial(&identity, &AccessRequest::read("criminal", "dna")), @"
        the secret `criminal/dna` may not be read
        you are cluster:Family@Prod, local:root
        access.toml:20 gives `criminal` to group:LawFirms-*-Databricks-Criminal-*, service-principal:8d6f3a52: none of them is known to be you
        databricks could not be asked who you are: the workspace https://adb-1 rejected the token (Invalid access token.)
        you may read family, shared/geo-*
        ask criminal-leads@lawfirms.example for a group that matches `LawFirms-Prod-Databricks-Criminal-*`
        ");
    }

    #[test]
    fn somebody_whom_no_workspace_knows_is_told_so() {
        let mut identity = fixtures::family_node();
        identity.asked.insert(Cloud::Databricks);
        insta::assert_snapshot!(denial(&identity, &AccessRequest::read("criminal", "dna")), @"
        the secret `criminal/dna` may not be read
        you are cluster:Family@Prod, local:root
        access.toml:20 gives `criminal` to group:LawFirms-*-Databricks-Criminal-*, service-principal:8d6f3a52: none of them is known to be you
        you are not known in any Databricks workspace: none is configured
        you may read family, shared/geo-*
        ask criminal-leads@lawfirms.example for a group that matches `LawFirms-Prod-Databricks-Criminal-*`; it counts where the workspace knows the node
        ");
        let place = AccessRequest::place("env:CRIMINAL_DNA").expect("a place");
        assert!(denial(&identity, &place).starts_with("the secret `env:CRIMINAL_DNA` may not be read\n"));
        assert!(AccessRequest::place("vault:x").is_err() && AccessRequest::place("env:").is_err());
    }

    #[test]
    fn a_long_list_is_counted() {
        let names = (0..20).map(|number| number.to_string()).collect();
        assert_eq!(listed(names), "0, 1, 2, 3, 4, 5, 6, 7 and 12 more");
    }
}
