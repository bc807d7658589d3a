//! Decides about the requests of an identity. A request that no grant permits is denied.

use std::{collections::BTreeSet, fmt};

use super::{
    access::{Access, Grant, Located},
    identity::Identity,
    identity_provider::IdentityProvider,
    principal::Principal,
    secret_pattern::SecretPattern,
};
use crate::{
    diagnostic::{Diagnostic, Origin},
    grammar::secret_source::nonstandard_address,
    secrets::{Address, SecretScope},
};

/// A request to use a secret, a database or a profile.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum AccessRequest {
    /// Reads the value of a secret.
    Read {
        /// The scope.
        scope: String,
        /// The key. `None` stands for all keys of the scope.
        key: Option<String>,
        /// The text form of the [`Address`], if it is not the default address of scope and key.
        nonstandard_address: Option<String>,
    },
    /// Connects to a database.
    Connect {
        /// The name of the database in the access file.
        database: String,
        /// The database user.
        user: String,
    },
    /// Uses the profiles of a unit on a cluster of another unit.
    UseProfile {
        /// The unit of the profiles.
        unit: String,
    },
}

impl AccessRequest {
    /// A request for a secret at the default address of scope and key.
    pub fn read(scope: impl Into<String>, key: impl Into<String>) -> Self {
        Self::Read { scope: scope.into(), key: Some(key.into()), nonstandard_address: None }
    }

    /// A request for a secret at an address. The address decides: a profile cannot get the secret of another unit under
    /// a name of its own.
    pub fn read_at(scope: &str, key: &str, address: &Address) -> Self {
        Self::Read {
            scope: scope.to_owned(),
            key: Some(key.to_owned()),
            nonstandard_address: nonstandard_address(scope, key, address),
        }
    }

    /// A request for the names of all secrets of a scope. If the scope is not at its default address, the request
    /// requires a grant for all secrets there.
    pub fn list(scope: &SecretScope) -> Self {
        const ALL: &str = "*";
        let nonstandard_address = nonstandard_address(&scope.scope, ALL, &scope.address(ALL, None, None));
        Self::Read { scope: scope.scope.clone(), key: None, nonstandard_address }
    }

    /// A request for a secret by its address, `SOURCE:PLACE`.
    ///
    /// # Errors
    /// If the text is not a valid address.
    pub fn at_address(text: &str) -> Result<Self, Diagnostic> {
        match SecretPattern::parse(text) {
            Ok(_) => Ok(Self::Read { scope: String::new(), key: None, nonstandard_address: Some(text.to_owned()) }),
            Err((message, hint)) => Err(Diagnostic::nowhere(message).hint(hint)),
        }
    }

    /// A request for a connection.
    pub fn connect(database: impl Into<String>, user: impl Into<String>) -> Self {
        Self::Connect { database: database.into(), user: user.into() }
    }
}

impl fmt::Display for AccessRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { nonstandard_address: Some(address), .. } => write!(f, "read {address}"),
            Self::Read { scope, key: Some(key), .. } => write!(f, "read {scope}/{key}"),
            Self::Read { scope, key: None, .. } => write!(f, "read {scope}"),
            Self::Connect { database, user } => write!(f, "connect {database} as {user}"),
            Self::UseProfile { unit } => write!(f, "use profiles of {unit}"),
        }
    }
}

/// The decision about a request, with its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Whether the request is allowed.
    pub allowed: bool,
    /// The position of the entry that allows the request. `None` if the request is denied or requires no grant.
    pub rule: Option<Origin>,
    /// The principal and the entry that allow the request.
    pub granted: Option<MatchedGrant>,
    /// The reason why the request requires no grant.
    pub exemption: Option<Exemption>,
}

/// A reason why a request requires no grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exemption {
    /// There is no access file.
    NoAccessFile,
    /// The profile belongs to the unit of the cluster.
    OwnUnit,
    /// The node has no unit. Each secret of the profile is still decided by itself.
    NoUnit,
}

impl fmt::Display for Exemption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoAccessFile => "no access file: only the access control of the sources applies",
            Self::OwnUnit => "the unit is the unit of this cluster",
            Self::NoUnit => {
                "this node has no unit and may use the profiles of all units; each secret is decided separately"
            }
        })
    }
}

impl Exemption {
    /// The exemption that applies to a request.
    fn of(access: &Access, identity: &Identity, request: &AccessRequest) -> Option<Self> {
        match (request, &identity.cluster_unit) {
            (AccessRequest::Read { .. }, _) => access.is_off().then_some(Self::NoAccessFile),
            (AccessRequest::UseProfile { .. }, None) => Some(Self::NoUnit),
            (AccessRequest::UseProfile { unit }, Some(own)) => unit.eq_ignore_ascii_case(own).then_some(Self::OwnUnit),
            (AccessRequest::Connect { .. }, _) => None,
        }
    }
}

/// The part of a grant that allows a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatchedGrant {
    /// The principal, as written in the file.
    pub who: Located<Principal>,
    /// The entry, as written in the file.
    pub what: String,
}

/// Decides about a request. Without an access file, all secrets are allowed, and databases and the profiles of other
/// units are denied. Profiles of the cluster's unit are always allowed. On a node without a unit, all profiles are.
pub fn decide(access: &Access, identity: &Identity, request: &AccessRequest) -> Decision {
    if let Some(exemption) = Exemption::of(access, identity, request) {
        return Decision { allowed: true, rule: None, granted: None, exemption: Some(exemption) };
    }
    for (grant, what) in access.covering(request) {
        if let Some(who) = grant.who.iter().find(|who| identity.matches(&who.value)) {
            let granted = MatchedGrant { who: who.clone(), what: what.value };
            return Decision { allowed: true, rule: Some(what.origin), granted: Some(granted), exemption: None };
        }
    }
    Decision { allowed: false, rule: None, granted: None, exemption: None }
}

impl Access {
    /// The grants that match an identity.
    pub fn grants_of(&self, identity: &Identity) -> impl Iterator<Item = &Grant> + Clone {
        self.grants.iter().filter(move |grant| grant.who.iter().any(|who| identity.matches(&who.value)))
    }

    /// The grants that cover a request, for any principal. Each comes with the covering entry.
    pub(super) fn covering(&self, request: &AccessRequest) -> impl Iterator<Item = (&Grant, Located<String>)> {
        self.grants.iter().filter_map(move |grant| Some((grant, grant.covers(request)?)))
    }

    /// Whether any principal is granted a request.
    pub fn is_granted_to_any(&self, request: &AccessRequest) -> bool {
        self.covering(request).next().is_some() || (self.is_off() && matches!(request, AccessRequest::Read { .. }))
    }

    /// The identity providers that decide whether an identity matches the grants for these requests.
    pub fn providers_for<'w>(
        &self,
        requests: impl IntoIterator<Item = &'w AccessRequest>,
    ) -> BTreeSet<IdentityProvider> {
        let grants = requests.into_iter().flat_map(|request| self.covering(request).map(|(grant, _)| grant));
        grants.flat_map(|grant| &grant.who).filter_map(|who| who.value.provider()).collect()
    }

    /// The identity providers of all grants.
    pub fn providers(&self) -> BTreeSet<IdentityProvider> {
        self.grants.iter().flat_map(|grant| &grant.who).filter_map(|who| who.value.provider()).collect()
    }
}

impl Grant {
    /// The entry that covers a request.
    fn covers(&self, request: &AccessRequest) -> Option<Located<String>> {
        match request {
            AccessRequest::Read { nonstandard_address: Some(address), .. } => {
                text_of(self.read.iter().find(|entry| entry.value.matches_address(address)))
            }
            AccessRequest::Read { scope, key, nonstandard_address: None } => {
                text_of(self.read.iter().find(|entry| entry.value.matches(scope, key.as_deref())))
            }
            AccessRequest::Connect { database, user } => {
                let entry = self.connect.iter().find(|entry| entry.value.0 == *database && entry.value.1 == *user)?;
                Some(Located { value: format!("{database}:{user}"), origin: entry.origin.clone() })
            }
            AccessRequest::UseProfile { unit } => {
                text_of(self.profiles.iter().find(|entry| entry.value.eq_ignore_ascii_case(unit)))
            }
        }
    }
}

fn text_of<T: fmt::Display>(entry: Option<&Located<T>>) -> Option<Located<String>> {
    entry.map(|entry| Located { value: entry.value.to_string(), origin: entry.origin.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::fixtures;

    const GRANTS: &str = r#"[[grants]]
who = ["cluster:Family"]
read = ["family", "criminal/one-key"]
connect = ["analytics:read_only"]

[[grants]]
who = ["group:LawFirms-*-Databricks-Criminal-*", "aws:123456789012:role/criminal"]
read = ["criminal", "credstash:credential-store/criminal.*"]
connect = ["analytics:read_write"]
profiles = ["Family"]
"#;

    fn access() -> Access {
        fixtures::access(GRANTS)
    }

    fn line(identity: &Identity, request: &AccessRequest) -> Option<usize> {
        let decision = decide(&access(), identity, request);
        assert_eq!(decision.allowed, decision.rule.is_some());
        decision.rule.map(|rule| rule.line)
    }

    #[test]
    fn a_request_without_a_grant_is_denied() {
        for request in [
            AccessRequest::read("finance", "x"),
            AccessRequest::read("criminal", "other-key"),
            AccessRequest::Read { scope: "criminal".into(), key: None, nonstandard_address: None },
            AccessRequest::connect("analytics", "read_write"),
            AccessRequest::connect("payroll", "read_only"),
            AccessRequest::UseProfile { unit: "Criminal".into() },
        ] {
            assert_eq!(line(&fixtures::family_node(), &request), None, "{request}");
        }
        let empty = Access::parse("access.toml", b"schema = 1\n").expect("it is sound");
        assert!(!decide(&empty, &fixtures::full_identity(), &AccessRequest::read("family", "x")).allowed);
    }

    #[test]
    fn the_rule_is_the_line_of_the_covering_entry() {
        let node = fixtures::family_node();
        assert_eq!(line(&node, &AccessRequest::read("family", "x")), Some(15));
        assert_eq!(line(&node, &AccessRequest::connect("analytics", "read_only")), Some(16));
        assert_eq!(line(&fixtures::local_user(), &AccessRequest::read("family", "x")), None);
        let decision = decide(&access(), &node, &AccessRequest::read("criminal", "one-key"));
        let granted = decision.granted.expect("it is allowed");
        assert_eq!(
            (granted.what.as_str(), granted.who.value.to_string().as_str()),
            ("criminal/one-key", "cluster:Family")
        );
    }

    #[test]
    fn a_secret_of_another_unit_is_denied_under_any_name() {
        let renamed = Address::Credstash {
            table: "credential-store".into(),
            region: None,
            name: "criminal.dna".into(),
            version: None,
            context: std::collections::BTreeMap::new(),
        };
        let request = AccessRequest::read_at("family", "mine", &renamed);
        assert_eq!(request.to_string(), "read credstash:credential-store/criminal.dna");
        assert_eq!(line(&fixtures::family_node(), &request), None);
        let mut criminal = fixtures::full_identity();
        criminal.aws.as_mut().expect("known").role = Some("criminal".into());
        assert_eq!(line(&criminal, &request), Some(20));
    }

    #[test]
    fn without_an_access_file_secrets_are_allowed_and_the_rest_is_denied() {
        let off = Access::default();
        assert!(decide(&off, &fixtures::local_user(), &AccessRequest::read("family", "x")).allowed);
        assert!(!decide(&off, &fixtures::local_user(), &AccessRequest::connect("analytics", "read_only")).allowed);
        assert!(
            !decide(&off, &fixtures::family_node(), &AccessRequest::UseProfile { unit: "Criminal".into() }).allowed
        );
    }

    #[test]
    fn profiles_of_the_own_unit_require_no_grant_and_a_node_without_a_unit_may_use_all() {
        for access in [access(), Access::default()] {
            let exemption = |identity: &Identity, unit: &str| {
                let decision = decide(&access, identity, &AccessRequest::UseProfile { unit: unit.into() });
                assert_eq!(decision.allowed, decision.exemption.is_some());
                decision.exemption
            };
            assert_eq!(exemption(&fixtures::family_node(), "FAMILY"), Some(Exemption::OwnUnit));
            assert_eq!(exemption(&fixtures::family_node(), "Criminal"), None);
            assert_eq!(exemption(&fixtures::local_user(), "Criminal"), Some(Exemption::NoUnit));
        }
    }

    #[test]
    fn a_request_is_granted_to_any_principal_by_a_grant_or_without_an_access_file() {
        let unit = AccessRequest::UseProfile { unit: "Family".into() };
        for (request, with_file, without_file) in [
            (AccessRequest::read("criminal", "x"), true, true),
            (AccessRequest::read("finance", "x"), false, true),
            (AccessRequest::connect("analytics", "read_write"), true, false),
            (AccessRequest::connect("payroll", "read_only"), false, false),
            (unit, true, false),
        ] {
            assert_eq!(access().is_granted_to_any(&request), with_file, "{request}");
            assert_eq!(Access::default().is_granted_to_any(&request), without_file, "{request}");
        }
    }

    #[test]
    fn an_exemption_says_why_no_grant_is_required() {
        let texts = [Exemption::NoAccessFile, Exemption::OwnUnit, Exemption::NoUnit].map(|why| why.to_string());
        for (text, part) in texts.iter().zip(["no access file", "the unit of this cluster", "this node has no unit"]) {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn only_providers_of_covering_grants_are_queried() {
        assert!(access().providers_for(&[AccessRequest::read("family", "x")]).is_empty());
        let both = BTreeSet::from([IdentityProvider::Databricks, IdentityProvider::Aws]);
        assert_eq!(access().providers_for(&[AccessRequest::read("criminal", "x")]), both);
        assert_eq!(access().providers(), both);
    }
}
