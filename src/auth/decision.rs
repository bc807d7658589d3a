//! What an identity may use: decided by the grants alone, and denied where no grant allows it.

use std::{collections::BTreeSet, fmt};

use super::{Access, Cloud, Grant, Identity, Located, Principal, SecretPattern};
use crate::{
    diagnostic::{Diagnostic, Origin},
    grammar::secret_source::nonstandard_address,
    secrets::{Address, SecretScope},
};

/// Something that somebody wants to use.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum AccessRequest {
    /// The value of a secret.
    Read {
        /// Its scope.
        scope: String,
        /// Its key; `None` for every key of the scope.
        key: Option<String>,
        /// Where it is, as an [`Address`] is written, when that is not where scope and key say.
        elsewhere: Option<String>,
    },
    /// A connection to a database.
    Connect {
        /// The database, by its name in the access file.
        database: String,
        /// Principal to be there.
        user: String,
    },
    /// The profiles of a unit, on a cluster of another.
    UseProfile {
        /// The unit they belong to.
        unit: String,
    },
}

impl AccessRequest {
    /// A secret by scope and key, where these say it is.
    pub fn read(scope: impl Into<String>, key: impl Into<String>) -> Self {
        Self::Read { scope: scope.into(), key: Some(key.into()), elsewhere: None }
    }

    /// A secret by scope and key, at an address. What counts is the address: a profile may not give a secret of others
    /// a name of its own.
    pub fn read_at(scope: &str, key: &str, address: &Address) -> Self {
        Self::Read {
            scope: scope.to_owned(),
            key: Some(key.to_owned()),
            elsewhere: nonstandard_address(scope, key, address),
        }
    }

    /// The names of all secrets of a scope. Where the scope is not where its name says, a grant for all that is there
    /// is asked for.
    pub fn list(place: &SecretScope) -> Self {
        const ALL: &str = "*";
        let elsewhere = nonstandard_address(&place.scope, ALL, &place.address(ALL, None, None));
        Self::Read { scope: place.scope.clone(), key: None, elsewhere }
    }

    /// A secret by its place at a source, as `SOURCE:PLACE`.
    ///
    /// # Errors
    /// When that names no place of a source.
    pub fn place(text: &str) -> Result<Self, Diagnostic> {
        match SecretPattern::parse(text) {
            Ok(_) => Ok(Self::Read { scope: String::new(), key: None, elsewhere: Some(text.to_owned()) }),
            Err((message, hint)) => Err(Diagnostic::nowhere(message).hint(hint)),
        }
    }

    /// A connection.
    pub fn connect(database: impl Into<String>, user: impl Into<String>) -> Self {
        Self::Connect { database: database.into(), user: user.into() }
    }
}

impl fmt::Display for AccessRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { elsewhere: Some(place), .. } => write!(f, "read {place}"),
            Self::Read { scope, key: Some(key), .. } => write!(f, "read {scope}/{key}"),
            Self::Read { scope, key: None, .. } => write!(f, "read {scope}"),
            Self::Connect { database, user } => write!(f, "connect {database} as {user}"),
            Self::UseProfile { unit } => write!(f, "use profiles of {unit}"),
        }
    }
}

/// Whether something may be used, and what decided it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Whether it may.
    pub allowed: bool,
    /// The line of the access file that allows it. `None`: nothing does, or it takes no grant.
    pub rule: Option<Origin>,
    /// What that line says: who gets what.
    pub granted: Option<MatchedGrant>,
    /// Why it takes no grant.
    pub exemption: Option<Exemption>,
}

/// Why something may be used without a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exemption {
    /// There is no access file.
    NoAccessFile,
    /// The unit is the cluster's own.
    OwnUnit,
    /// The cluster's name tells no unit: what may be read there is decided secret by secret.
    NoUnit,
}

impl fmt::Display for Exemption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoAccessFile => "no access file: the sources' own access lists alone decide",
            Self::OwnUnit => "it is this cluster's own unit",
            Self::NoUnit => "this node is no unit's, and may use the profiles of any; each secret is decided by itself",
        })
    }
}

impl Exemption {
    /// Whether something takes no grant here.
    fn of(access: &Access, identity: &Identity, request: &AccessRequest) -> Option<Self> {
        match (request, &identity.cluster_unit) {
            (AccessRequest::Read { .. }, _) => access.is_off().then_some(Self::NoAccessFile),
            (AccessRequest::UseProfile { .. }, None) => Some(Self::NoUnit),
            (AccessRequest::UseProfile { unit }, Some(own)) => unit.eq_ignore_ascii_case(own).then_some(Self::OwnUnit),
            (AccessRequest::Connect { .. }, _) => None,
        }
    }
}

/// The part of a grant that allows something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatchedGrant {
    /// Principal, as it is written.
    pub who: Located<Principal>,
    /// What, as it is written.
    pub what: String,
}

/// Decides. Without an access file secrets are left to their sources; the databases and the profiles of others stay
/// closed. The profiles of the cluster's own unit are open, and all of them where a cluster is no unit's.
pub fn decide(access: &Access, identity: &Identity, request: &AccessRequest) -> Decision {
    if let Some(exemption) = Exemption::of(access, identity, request) {
        return Decision { allowed: true, rule: None, granted: None, exemption: Some(exemption) };
    }
    for (grant, what) in access.covering(request) {
        if let Some(who) = grant.who.iter().find(|who| who.value.matches(identity)) {
            let granted = MatchedGrant { who: who.clone(), what: what.value };
            return Decision { allowed: true, rule: Some(what.origin), granted: Some(granted), exemption: None };
        }
    }
    Decision { allowed: false, rule: None, granted: None, exemption: None }
}

impl Access {
    /// The grants for an identity.
    pub fn grants_of(&self, identity: &Identity) -> impl Iterator<Item = &Grant> + Clone {
        self.grants.iter().filter(move |grant| grant.who.iter().any(|who| who.value.matches(identity)))
    }

    /// The grants that give something, each with the entry that does, whoever they are for.
    pub(super) fn covering(&self, request: &AccessRequest) -> impl Iterator<Item = (&Grant, Located<String>)> {
        self.grants.iter().filter_map(move |grant| Some((grant, grant.covers(request)?)))
    }

    /// Whether somebody may.
    pub fn is_granted_to_any(&self, request: &AccessRequest) -> bool {
        self.covering(request).next().is_some() || (self.is_off() && matches!(request, AccessRequest::Read { .. }))
    }

    /// The clouds that know whether somebody is meant by the grants that give any of these.
    pub fn clouds_for<'w>(&self, requests: impl IntoIterator<Item = &'w AccessRequest>) -> BTreeSet<Cloud> {
        let grants = requests.into_iter().flat_map(|request| self.covering(request).map(|(grant, _)| grant));
        grants.flat_map(|grant| &grant.who).filter_map(|who| who.value.cloud()).collect()
    }

    /// The clouds that know whether somebody is meant by any grant.
    pub fn clouds(&self) -> BTreeSet<Cloud> {
        self.grants.iter().flat_map(|grant| &grant.who).filter_map(|who| who.value.cloud()).collect()
    }
}

impl Grant {
    /// The entry that gives it.
    fn covers(&self, request: &AccessRequest) -> Option<Located<String>> {
        match request {
            AccessRequest::Read { elsewhere: Some(place), .. } => {
                of(self.read.iter().find(|entry| entry.value.matches_address(place)))
            }
            AccessRequest::Read { scope, key, elsewhere: None } => {
                of(self.read.iter().find(|entry| entry.value.matches(scope, key.as_deref())))
            }
            AccessRequest::Connect { database, user } => {
                let entry = self.connect.iter().find(|entry| entry.value.0 == *database && entry.value.1 == *user)?;
                Some(Located { value: format!("{database}:{user}"), origin: entry.origin.clone() })
            }
            AccessRequest::UseProfile { unit } => {
                of(self.profiles.iter().find(|entry| entry.value.eq_ignore_ascii_case(unit)))
            }
        }
    }
}

fn of<T: fmt::Display>(entry: Option<&Located<T>>) -> Option<Located<String>> {
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
    fn what_no_grant_gives_is_denied() {
        for request in [
            AccessRequest::read("finance", "x"),
            AccessRequest::read("criminal", "other-key"),
            AccessRequest::Read { scope: "criminal".into(), key: None, elsewhere: None },
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
    fn the_rule_is_the_line_that_gives_it() {
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
    fn a_secret_of_others_is_denied_under_a_name_of_ones_own() {
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
    fn without_an_access_file_the_sources_decide() {
        let off = Access::default();
        assert!(decide(&off, &fixtures::local_user(), &AccessRequest::read("family", "x")).allowed);
        assert!(!decide(&off, &fixtures::local_user(), &AccessRequest::connect("analytics", "read_only")).allowed);
        assert!(
            !decide(&off, &fixtures::family_node(), &AccessRequest::UseProfile { unit: "Criminal".into() }).allowed
        );
    }

    #[test]
    fn a_clusters_own_unit_takes_no_grant_and_a_cluster_of_none_may_use_any() {
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
    fn only_the_clouds_that_matter_are_asked() {
        assert!(access().clouds_for(&[AccessRequest::read("family", "x")]).is_empty());
        let both = BTreeSet::from([Cloud::Databricks, Cloud::Aws]);
        assert_eq!(access().clouds_for(&[AccessRequest::read("criminal", "x")]), both);
        assert_eq!(access().clouds(), both);
    }
}
