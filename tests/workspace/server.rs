//! The current state: the state of the workspace, the issued tokens, the pending faults and the request log.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard},
    time::{SystemTime, UNIX_EPOCH},
};

use crate::{
    answer::Refusal,
    faults::Fault,
    log::Seen,
    workspace_state::{Permission, Principal, Scope, WorkspaceState},
};

/// An issued token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Issued {
    /// The owner.
    pub(crate) principal: String,
    /// The audience: the workspace, or an Azure resource.
    pub(crate) resource: String,
    /// Seconds since 1970.
    pub(crate) expires: i64,
}

/// The complete state.
pub(crate) struct Server {
    state: Mutex<WorkspaceState>,
    issued: Mutex<BTreeMap<String, Issued>>,
    faults: Mutex<Vec<Fault>>,
    seen: Mutex<Vec<Seen>>,
}

/// The audience of a token of the workspace itself.
pub(crate) const WORKSPACE: &str = "workspace";
/// The Azure resource of the workspace.
pub(crate) const AZURE_DATABRICKS: &str = "2ff814a6-3304-4ab8-85cb-cd0e6f879c1d";

impl Server {
    pub(crate) fn new(state: WorkspaceState) -> Self {
        Self { state: Mutex::new(state), issued: Mutex::default(), faults: Mutex::default(), seen: Mutex::default() }
    }

    /// The state of the workspace. Keep the lock only while reading.
    pub(crate) fn state(&self) -> MutexGuard<'_, WorkspaceState> {
        self.state.lock().expect("no panic while locked")
    }

    /// The issued tokens.
    pub(crate) fn issued(&self) -> MutexGuard<'_, BTreeMap<String, Issued>> {
        self.issued.lock().expect("no panic while locked")
    }

    /// The pending faults.
    pub(crate) fn faults(&self) -> MutexGuard<'_, Vec<Fault>> {
        self.faults.lock().expect("no panic while locked")
    }

    /// The logged requests.
    pub(crate) fn seen(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.seen.lock().expect("no panic while locked")
    }

    /// Issues a token.
    pub(crate) fn issue(&self, token: String, principal: &str, resource: &str, expires: i64) {
        let issued = Issued { principal: principal.to_owned(), resource: resource.to_owned(), expires };
        self.issued().insert(token, issued);
    }
}

impl WorkspaceState {
    /// A principal by name.
    pub(crate) fn principal(&self, name: &str) -> Option<&Principal> {
        self.principals.iter().find(|principal| principal.name == name)
    }

    /// All groups of a principal, direct groups first.
    pub(crate) fn groups_of(&self, principal: &Principal) -> Vec<(String, bool)> {
        let mut all: Vec<(String, bool)> = principal.groups.iter().map(|group| (group.clone(), true)).collect();
        let mut next = 0;
        while let Some((group, _)) = all.get(next).cloned() {
            for above in self.groups.get(&group).into_iter().flatten() {
                if !all.iter().any(|(known, _)| known == above) {
                    all.push((above.clone(), false));
                }
            }
            next += 1;
        }
        all
    }

    /// The names of a principal in an ACL.
    pub(crate) fn names_of(&self, principal: &Principal) -> BTreeSet<String> {
        let groups = self.groups_of(principal).into_iter().map(|(group, _)| group);
        groups.chain([principal.name.clone(), "users".to_owned()]).collect()
    }

    /// Whether a principal is an administrator of the workspace, with all permissions.
    pub(crate) fn is_admin(&self, principal: &Principal) -> bool {
        self.names_of(principal).contains("admins")
    }

    /// The permission of a principal for a scope.
    fn permission(&self, principal: &Principal, scope: &Scope) -> Option<Permission> {
        if self.is_admin(principal) {
            return Some(Permission::Manage);
        }
        let names = self.names_of(principal);
        scope.acls.iter().filter(|(name, _)| names.contains(*name)).map(|(_, &permission)| permission).max()
    }

    /// A scope for which a principal has a permission. Whether a scope exists is not secret.
    pub(crate) fn scope(&self, principal: &Principal, name: &str, needed: Permission) -> Result<&Scope, Refusal> {
        let scope = self.scopes.get(name).ok_or_else(|| Refusal::absent(format!("Scope {name} does not exist!")))?;
        if self.permission(principal, scope) >= Some(needed) {
            return Ok(scope);
        }
        let needed = serde_json::to_value(needed).unwrap_or_default();
        Err(Refusal::denied(format!(
            "{} does not have {} permission on scope {name} to perform this action.",
            principal.name,
            needed.as_str().unwrap_or_default()
        )))
    }

    /// Whether a principal can read a path in a Volume or in the workspace.
    pub(crate) fn may_read(&self, principal: &Principal, path: &str) -> bool {
        let names = self.names_of(principal);
        let is_below =
            |folder: &str| path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let mut closed = self.closed.iter().filter(|(folder, _)| is_below(folder));
        self.is_admin(principal) || closed.all(|(_, readers)| readers.iter().any(|reader| names.contains(reader)))
    }
}

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// Random words, for tokens.
pub(crate) fn random() -> String {
    std::iter::repeat_with(fastrand::alphanumeric).take(36).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace_state::load;

    #[test]
    fn a_unit_reads_its_own_scope_and_no_other() {
        let state = load(None).expect("it is sound");
        let family = state.principal("11111111-0000-4000-8000-00000000fa01").expect("it is there");
        assert!(state.scope(family, "family", Permission::Read).is_ok());
        let refused = state.scope(family, "criminal", Permission::Read).err();
        let text = "11111111-0000-4000-8000-00000000fa01 does not have READ permission on scope criminal to perform this action.";
        assert_eq!(refused, Some(Refusal::denied(text)));
        assert_eq!(
            state.scope(family, "nowhere", Permission::Read).err(),
            Some(Refusal::absent("Scope nowhere does not exist!"))
        );
    }

    #[test]
    fn a_group_in_a_group_counts_as_indirect() {
        let mut state = load(None).expect("it is sound");
        state.groups.insert("a".into(), vec!["b".into()]);
        state.groups.insert("b".into(), vec!["a".into()]);
        let one = Principal { name: "x".into(), groups: vec!["a".into()], ..Principal::default() };
        assert_eq!(state.groups_of(&one), [("a".to_owned(), true), ("b".to_owned(), false)]);
    }

    #[test]
    fn a_closed_folder_does_not_close_its_namesakes() {
        let mut state = load(None).expect("it is sound");
        state.closed.insert("/Volumes/x".into(), vec!["y".into()]);
        let one = Principal { name: "z".into(), ..Principal::default() };
        assert!(!state.may_read(&one, "/Volumes/x/file") && state.may_read(&one, "/Volumes/xy/file"));
    }
}
