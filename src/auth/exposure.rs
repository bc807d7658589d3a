//! Tests which scopes of the workspace and which trees of the file store the node can read, and compares the result
//! with the grants.

use std::path::{Path, PathBuf};

use futures::{StreamExt as _, stream};
use serde::Serialize;

use super::{
    access::Access,
    decision::{AccessRequest, decide},
    identity::Identity,
    secret_pattern::SecretPattern,
};
use crate::{
    cloud::{CloudError, CloudErrorKind},
    diagnostic::Origin,
};

/// The number of concurrent tests.
const CONCURRENCY: usize = 16;
/// The tree of the platform administrators. All units may read it.
const ADMIN: &str = "Admin";

/// The test of one scope or tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Exposure {
    /// `scope` or `tree`.
    pub kind: &'static str,
    /// The name of the scope or of the tree.
    pub name: String,
    /// Whether this identity should be able to read it.
    pub own: bool,
    /// The position of the grant.
    pub rule: Option<Origin>,
    /// The result of the test.
    pub found: ProbeOutcome,
    /// The reason for an unknown result, or a remark about the grant.
    pub note: Option<String>,
}

/// The result of a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProbeOutcome {
    /// The node can read it.
    Open,
    /// Access was denied.
    Closed,
    /// The test failed.
    Unknown,
}

/// How the node can read a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TreeAccess {
    /// The tree can be listed.
    Listed,
    /// The tree cannot be listed, but this file of it can be read.
    File(String),
    /// The tree cannot be listed, and no file that was tried can be read.
    Closed,
}

impl Exposure {
    /// Whether the node can read it and should not.
    pub fn is_breach(&self) -> bool {
        self.found == ProbeOutcome::Open && !self.own
    }

    /// The verdict for output.
    pub fn verdict(&self) -> &'static str {
        match (self.own, self.found) {
            (true, ProbeOutcome::Open) => "own, open",
            (true, ProbeOutcome::Closed) => "own, but closed",
            (false, ProbeOutcome::Open) => "OPEN",
            (false, ProbeOutcome::Closed) => "closed",
            (_, ProbeOutcome::Unknown) => "not known",
        }
    }
}

/// Tests each scope with `list`, which lists the names of the keys and fetches no values.
pub async fn scopes(
    access: &Access,
    identity: &Identity,
    names: Vec<String>,
    list: impl AsyncFn(&str) -> Result<(), CloudError>,
) -> Vec<Exposure> {
    let list = &list;
    let each = |name: String| async move {
        let (found, note) = match list(&name).await {
            Ok(()) => (ProbeOutcome::Open, None),
            Err(error) if matches!(error.kind, CloudErrorKind::Denied | CloudErrorKind::Absent) => {
                (ProbeOutcome::Closed, None)
            }
            // The vault behind the scope refused the workspace. Whether the scope denies access is not known.
            Err(error) => (ProbeOutcome::Unknown, Some(error.to_string())),
        };
        (name, found, note)
    };
    let probed: Vec<_> = stream::iter(names).map(each).buffered(CONCURRENCY).collect().await;
    let exposure = |(name, found, note): (String, ProbeOutcome, Option<String>)| {
        let (own, rule, part) = own_scope(access, identity, &name);
        Exposure { kind: "scope", name, own, rule, found, note: note.or(part) }
    };
    probed.into_iter().map(exposure).collect()
}

/// Whether an identity is granted a scope or a part of it, with the rule and a remark about the part.
fn own_scope(access: &Access, identity: &Identity, name: &str) -> (bool, Option<Origin>, Option<String>) {
    if access.is_off() {
        let own = identity.cluster_unit.as_deref().is_some_and(|unit| unit.eq_ignore_ascii_case(name));
        return (own, None, None);
    }
    let mut part = None;
    for entry in access.grants_of(identity).flat_map(|grant| &grant.read) {
        let SecretPattern::Keys { scope, keys } = &entry.value else { continue };
        match keys {
            _ if scope != name => {}
            None => return (true, Some(entry.origin.clone()), None),
            // The workspace has permissions for scopes only: reading one key requires access to the whole scope.
            Some(_) => part = part.or(Some(entry)),
        }
    }
    part.map_or((false, None, None), |entry| {
        (true, Some(entry.origin.clone()), Some(format!("granted: `{}` only", entry.value)))
    })
}

/// Tests the tree of each unit with `probe`, which returns how the tree can be read, or the reason why that is not
/// known.
pub fn trees(
    access: &Access,
    identity: &Identity,
    trees: Vec<(String, PathBuf)>,
    probe: impl Fn(&Path) -> Result<TreeAccess, String>,
) -> Vec<Exposure> {
    let exposure = |(name, path): (String, PathBuf)| {
        let unit = identity.cluster_unit.as_deref();
        let decision = decide(access, identity, &AccessRequest::UseProfile { unit: name.clone() });
        let own = [unit, Some(ADMIN)].into_iter().flatten().any(|own| own.eq_ignore_ascii_case(&name));
        let (found, note) = match probe(&path) {
            Ok(TreeAccess::Listed) => (ProbeOutcome::Open, None),
            Ok(TreeAccess::File(file)) => (ProbeOutcome::Open, Some(format!("no listing, but `{file}` can be read"))),
            Ok(TreeAccess::Closed) => (ProbeOutcome::Closed, None),
            Err(reason) => (ProbeOutcome::Unknown, Some(reason)),
        };
        Exposure { kind: "tree", name, own: own || decision.rule.is_some(), rule: decision.rule, found, note }
    };
    trees.into_iter().map(exposure).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::fixtures;

    fn access() -> Access {
        let text = "schema = 1\n[[grants]]\nwho = ['cluster:Family']\nread = ['shared/geo-*', 'family', 'criminal/one']\n\
             profiles = ['Consumer']\n";
        Access::parse("access.toml", text.as_bytes()).expect("a valid file")
    }

    async fn breaches(access: &Access) -> Vec<String> {
        let names = ["family", "criminal", "finance", "people", "vault"].map(str::to_owned).to_vec();
        let list = async |name: &str| match name {
            "people" => Err(CloudError::new(CloudErrorKind::Denied, "no READ")),
            "vault" => Err(CloudError::new(CloudErrorKind::BackendRefuses, "the vault refuses the workspace")),
            _ => Ok(()),
        };
        let exposures = scopes(access, &fixtures::family_node(), names, list).await;
        exposures.iter().map(|exposure| format!("{} {}", exposure.name, exposure.verdict())).collect()
    }

    #[tokio::test]
    async fn a_readable_scope_without_a_grant_is_reported_as_open() {
        assert_eq!(
            breaches(&access()).await,
            ["family own, open", "criminal own, open", "finance OPEN", "people closed", "vault not known"]
        );
        assert_eq!(breaches(&Access::default()).await[..2], ["family own, open", "criminal OPEN"]);
    }

    #[test]
    fn a_tree_of_another_unit_that_can_be_listed_is_reported_as_open() {
        let names = ["Admin", "Consumer", "Criminal", "FAMILY", "Finance", "People"];
        let paths = names.map(|name| (name.to_owned(), PathBuf::from(name))).to_vec();
        let probe = |path: &Path| match path.to_str() {
            Some("Finance") => Ok(TreeAccess::Closed),
            Some("Criminal") => Ok(TreeAccess::File("init_scripts/criminal.toml".to_owned())),
            Some("People") => Err("no answer".to_owned()),
            _ => Ok(TreeAccess::Listed),
        };
        let found = trees(&access(), &fixtures::family_node(), paths, probe);
        let found: Vec<String> =
            found.iter().map(|exposure| format!("{} {}", exposure.name, exposure.verdict())).collect();
        let expected = ["Admin own, open", "Consumer own, open", "Criminal OPEN", "FAMILY own, open"];
        assert_eq!(found[..4], expected);
        assert_eq!(found[4..], ["Finance closed", "People not known"]);
    }
}
