//! Tries every exposure that can be seen: scopes of the workspace and trees of the file store. What should be open and what
//! is, side by side.

use std::path::{Path, PathBuf};

use futures::{StreamExt as _, stream};
use serde::Serialize;

use super::{Access, AccessRequest, Identity, SecretPattern, decide};
use crate::{
    cloud::{CloudError, CloudErrorKind},
    diagnostic::Origin,
};

/// Doors that are tried at once.
const AT_ONCE: usize = 16;
/// The tree of the platform's administrators: what they keep there is for all.
const ADMIN: &str = "Admin";

/// Something that may be open or closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Exposure {
    /// `scope` or `tree`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Whether it should be open to this identity.
    pub own: bool,
    /// The line of the access file that says so.
    pub rule: Option<Origin>,
    /// How it was found.
    pub found: ProbeOutcome,
    /// Why it is not known how it is, or what is so about it.
    pub note: Option<String>,
}

/// How a exposure was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProbeOutcome {
    /// It can be read.
    Open,
    /// Reading was refused.
    Closed,
    /// It could not be tried.
    Unknown,
}

impl Exposure {
    /// Whether it is open and should be closed.
    pub fn is_breach(&self) -> bool {
        self.found == ProbeOutcome::Open && !self.own
    }

    /// What is to be said of it, in a word or two.
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

/// Tries the READ probe `list` on each scope. It asks for names of keys, never for a value.
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
            // The vault behind it said no, and not to us: what the scope itself would say is not known.
            Err(error) => (ProbeOutcome::Unknown, Some(error.to_string())),
        };
        (name, found, note)
    };
    let tried: Vec<_> = stream::iter(names).map(each).buffered(AT_ONCE).collect().await;
    let exposure = |(name, found, note): (String, ProbeOutcome, Option<String>)| {
        let (own, rule, part) = own_scope(access, identity, &name);
        Exposure { kind: "scope", name, own, rule, found, note: note.or(part) }
    };
    tried.into_iter().map(exposure).collect()
}

/// Whether a scope, or a part of it, is for an identity; the rule; and which part.
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
            // The wall knows scopes only: to read one key, the whole scope has to be open.
            Some(_) => part = part.or(Some(entry)),
        }
    }
    part.map_or((false, None, None), |entry| {
        (true, Some(entry.origin.clone()), Some(format!("granted: `{}` only", entry.value)))
    })
}

/// Tries to read each unit's tree of the file store; `probe` says whether one can be listed, or why that is not known.
pub fn trees(
    access: &Access,
    identity: &Identity,
    trees: Vec<(String, PathBuf)>,
    probe: impl Fn(&Path) -> Result<bool, String>,
) -> Vec<Exposure> {
    let exposure = |(name, path): (String, PathBuf)| {
        let unit = identity.cluster_unit.as_deref();
        let decision = decide(access, identity, &AccessRequest::UseProfile { unit: name.clone() });
        let own = [unit, Some(ADMIN)].into_iter().flatten().any(|own| own.eq_ignore_ascii_case(&name));
        let (found, note) = match probe(&path) {
            Ok(true) => (ProbeOutcome::Open, None),
            Ok(false) => (ProbeOutcome::Closed, None),
            Err(why) => (ProbeOutcome::Unknown, Some(why)),
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
        Access::parse("access.toml", text.as_bytes()).expect("it is sound")
    }

    async fn tried(access: &Access) -> Vec<String> {
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
    async fn a_scope_that_no_grant_gives_and_that_can_be_read_is_open() {
        assert_eq!(
            tried(&access()).await,
            ["family own, open", "criminal own, open", "finance OPEN", "people closed", "vault not known"]
        );
        assert_eq!(tried(&Access::default()).await[..2], ["family own, open", "criminal OPEN"]);
    }

    #[test]
    fn trees_of_others_are_open_when_they_can_be_listed() {
        let names = ["Admin", "Consumer", "Criminal", "FAMILY", "Finance", "People"];
        let paths = names.map(|name| (name.to_owned(), PathBuf::from(name))).to_vec();
        let probe = |path: &Path| match path.to_str() {
            Some("Finance") => Ok(false),
            Some("People") => Err("no answer".to_owned()),
            _ => Ok(true),
        };
        let found = trees(&access(), &fixtures::family_node(), paths, probe);
        let found: Vec<String> =
            found.iter().map(|exposure| format!("{} {}", exposure.name, exposure.verdict())).collect();
        let expected = ["Admin own, open", "Consumer own, open", "Criminal OPEN", "FAMILY own, open"];
        assert_eq!(found[..4], expected);
        assert_eq!(found[4..], ["Finance closed", "People not known"]);
    }
}
