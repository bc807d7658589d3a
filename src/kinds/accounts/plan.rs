//! Plans groups and users: one step for each that is missing or differs, and one for each file with authorized keys.

use std::{collections::BTreeMap, path::Path, path::PathBuf};

use super::{
    action::Action,
    changes::{UserState, changes, missing_groups},
    checked::{Accounts, GroupAccount, UserAccount},
    desired::{DesiredGroup, DesiredUser, Membership},
};
use crate::{
    facts::users::Users,
    fs::Attributes,
    inventory::{Inventory, Snapshots, below},
    kinds::{
        contract::{LookAt, Planning},
        no_packages::plans_no_packages,
    },
    managed_block::{ManagedBlock, Position},
    plan::{Address, Lane, Phase, Planner, Resource, StepOptions, TextFile, text_of},
    problem::Problem,
    profile::Entry,
    redact::Secret,
};

/// The state of the node that users and groups need.
#[derive(Debug)]
pub struct Look {
    /// The users and groups of the node, without those of the plan.
    users: Users,
    /// The hashes of the passwords that the profile sets.
    passwords: BTreeMap<String, Secret>,
    /// The homes that exist.
    homes: Vec<PathBuf>,
    /// The files with authorized keys.
    keys: Snapshots,
}

impl Planning for Accounts {
    type Look = Look;
    type Action = Action;

    fn look(&self, at: &LookAt<'_>) -> Look {
        let users = Users::read(at.root);
        let with_password = self.users.iter().filter(|(_, entry)| entry.value.password.is_some());
        let passwords = with_password.filter_map(|(name, _)| Some((name.clone(), password_of(at.root, name)?)));
        let home = |name: &String| at.users.user(name).map(|user| user.home.clone());
        let homes = self.users.keys().filter_map(home).filter(|home| below(at.root, home).is_dir()).collect();
        let with_keys = self.users.iter().filter(|(_, entry)| !entry.value.authorized_keys.is_empty());
        let keys = with_keys.filter_map(|(name, _)| home(name)).map(|home| authorized_keys(&home));
        Look { passwords: passwords.collect(), homes, keys: Snapshots::read(at.root, keys), users }
    }

    plans_no_packages!();

    fn addresses(&self, _: &Inventory) -> Vec<Address> {
        Vec::new()
    }

    fn outline(&self) -> Vec<StepOptions> {
        let groups = self.groups.iter().map(|(name, entry)| options_of_group(name, entry));
        groups.chain(self.users.iter().map(|(name, entry)| options_of_user(name, entry))).collect()
    }

    fn plan(&self, look: &Look, planner: &mut Planner<'_, Action>) {
        for (name, entry) in &self.groups {
            group(name, entry, look, planner);
        }
        for (name, entry) in &self.users {
            user(name, entry, look, planner);
            keys(name, entry, look, planner);
        }
    }
}

/// The file with the authorized keys of a user: sshd(8).
fn authorized_keys(home: &Path) -> PathBuf {
    home.join(".ssh/authorized_keys")
}

/// The hash of a user's password: shadow(5). `None` if only root may read it, and this process is not root.
pub(super) fn password_of(root: &Path, user: &str) -> Option<Secret> {
    let text = std::fs::read_to_string(root.join("etc/shadow")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(user)?.strip_prefix(':'))?;
    Some(Secret::from(line.split(':').next().unwrap_or_default().to_owned()))
}

fn group(name: &str, entry: &Entry<GroupAccount>, look: &Look, planner: &mut Planner<'_, Action>) {
    let inventory = planner.common.inventory;
    let id = format!("groups:{name}");
    let gid = inventory.users.group(name).map_or(0, |group| group.gid);
    let action = DesiredGroup {
        profile: planner.common.profile.to_owned(),
        name: name.to_owned(),
        gid,
        system: entry.value.system,
    };
    let mut refuse = |message: String, hint: &str| {
        let problem = Problem::new(message).hint(hint.to_owned()).asked_at(entry.origin.clone());
        planner.impossible(id.clone(), Action::Group(action.clone()), options_of_group(name, entry), problem);
    };
    match (look.users.group(name), entry.value.gid) {
        (Some(found), Some(gid)) if found.gid != gid => {
            let message = format!("the group `{name}` exists with the id {}, not {gid}", found.gid);
            refuse(message, "remove `gid`: nodeagent does not change the id of a group, because files have it");
        }
        (Some(_), _) => planner.ready(format!("groups: {name}")),
        (None, Some(gid)) if look.users.name_of_group(gid).is_some() => {
            let other = look.users.name_of_group(gid).unwrap_or_default();
            refuse(format!("the group `{other}` has the id {gid} already"), "choose another `gid`, or remove it");
        }
        (None, _) => planner.step(id, Action::Group(action), options_of_group(name, entry)),
    }
}

fn user(name: &str, entry: &Entry<UserAccount>, look: &Look, planner: &mut Planner<'_, Action>) {
    let id = format!("users:{name}");
    let options = options_of_user(name, entry);
    let (wanted, later) = desired(name, entry, look, planner);
    let problem = impossible(name, entry, look, planner);
    let hash = match hash_of(entry, planner.common.inventory) {
        Ok(hash) => hash,
        Err(problem) => {
            let action = Action::User(Box::new(wanted), super::changes::UserChanges::default());
            return planner.impossible(id, action, options, problem.asked_at(entry.origin.clone()));
        }
    };
    let receipt = &planner.common.inventory.receipt;
    let state = UserState {
        users: look.users.clone(),
        has_home: look.homes.contains(&wanted.home),
        is_ours: receipt.created_account(&wanted.profile, &format!("users.{name}")),
        password: look.passwords.get(name).cloned(),
    };
    let changes = changes(&wanted, &state, hash.as_ref());
    if let Some(problem) = problem {
        return planner.impossible(id, Action::User(Box::new(wanted), changes), options, problem);
    }
    let missing = missing_groups(name, &later, &look.users);
    if changes.is_empty() && missing.is_empty() {
        return planner.ready(format!("users: {name}"));
    }
    if !changes.is_empty() {
        planner.step(id.clone(), Action::User(Box::new(wanted), changes), options);
    }
    if !missing.is_empty() {
        let options = StepOptions {
            phase: Phase::Files,
            creates: Vec::new(),
            uses: vec![Resource::User(name.to_owned())],
            ..options_of_user(name, entry)
        };
        planner.step(
            format!("{id}:groups"),
            Action::Join(Membership { user: name.to_owned(), groups: missing }),
            options,
        );
    }
}

/// The wanted state of a user, and the groups that only an earlier step of the run can create.
fn desired(
    name: &str,
    entry: &Entry<UserAccount>,
    look: &Look,
    planner: &Planner<'_, Action>,
) -> (DesiredUser, Vec<String>) {
    let users = &planner.common.inventory.users;
    let account = &entry.value;
    let found = users.user(name);
    let (uid, gid) = found.map_or((0, 0), |user| (user.uid, user.gid));
    let primary = account.group.clone().unwrap_or_else(|| name.to_owned());
    let gid = account.group.as_ref().and_then(|group| users.group(group)).map_or(gid, |group| group.gid);
    let is_known = |group: &String| users.group(group).is_some() || look.users.group(group).is_some();
    let (groups_now, later) = account.groups.iter().cloned().partition(is_known);
    let home = account.home.clone().or_else(|| found.map(|user| user.home.clone()));
    let wanted = DesiredUser {
        profile: planner.common.profile.to_owned(),
        name: name.to_owned(),
        account: account.clone(),
        uid,
        gid,
        primary,
        home: home.unwrap_or_default(),
        groups_now,
    };
    (wanted, later)
}

/// The reason why the user cannot be brought to its state on this node.
fn impossible(name: &str, entry: &Entry<UserAccount>, look: &Look, planner: &Planner<'_, Action>) -> Option<Problem> {
    let account = &entry.value;
    let problem =
        |message: String, hint: &str| Some(Problem::new(message).hint(hint.to_owned()).asked_at(entry.origin.clone()));
    let found = look.users.user(name);
    if let Some(uid) = account.uid {
        if let Some(found) = found.filter(|user| user.uid != uid) {
            let message = format!("the user `{name}` exists with the id {}, not {uid}", found.uid);
            return problem(message, "remove `uid`: nodeagent does not change the id of a user, because files have it");
        }
        if let Some(other) = look.users.name_of(uid).filter(|_| found.is_none()) {
            let message = format!("the user `{other}` has the id {uid} already");
            return problem(message, "choose another `uid`, or remove it");
        }
    }
    let users = &planner.common.inventory.users;
    if let Some(group) = account.group.as_ref().filter(|group| users.group(group).is_none()) {
        let message = format!("there is no group `{group}` on this node, and none in `[groups]`");
        return problem(
            message,
            "add it to `[groups]`: the primary group of a user exists before packages are installed",
        );
    }
    // A package may create the group, or an entry that comes first.
    if planner.earlier.step_of("apt").is_some() || !entry.order.after.is_empty() {
        return None;
    }
    let missing = account.groups.iter().find(|group| users.group(group).is_none());
    missing.and_then(|group| {
        let message = format!("there is no group `{group}` on this node, and nothing in the profile creates it");
        problem(message, "add it to `[groups]`, or add the package that creates it to `[apt]`")
    })
}

/// The wanted hash of the password.
fn hash_of(entry: &Entry<UserAccount>, inventory: &Inventory) -> Result<Option<Secret>, Problem> {
    let Some(secret) = &entry.value.password else { return Ok(None) };
    let hash = match secret.from.as_ref().and_then(|from| inventory.vault.get(from)) {
        Some(Ok(hash)) => hash.clone(),
        Some(Err(error)) => {
            let message = format!("the secret `{}` is not available: {error}", secret.key);
            return Err(Problem::new(message).hint(error.hint()));
        }
        None => return Ok(None),
    };
    if !is_hash(hash.without_line_end()) {
        let message = format!("the secret `{}` is not a hash of crypt(5)", secret.key);
        return Err(Problem::new(message).hint(
            "store the output of `mkpasswd` or `openssl passwd -6`: the password itself is not accepted".to_owned(),
        ));
    }
    Ok(Some(hash))
}

/// Whether a text is a hash of crypt(5) with the name of its method, such as `$6$SALT$HASH`.
fn is_hash(text: &[u8]) -> bool {
    let parts: Vec<&[u8]> = text.split(|&byte| byte == b'$').collect();
    let is_plain = text.iter().all(|&byte| byte.is_ascii_graphic() && !b":!*\\;".contains(&byte));
    is_plain && parts.len() >= 4 && parts[0].is_empty() && parts[1..].iter().all(|part| !part.is_empty())
}

/// Plans the file with the authorized keys of a user.
fn keys(name: &str, entry: &Entry<UserAccount>, look: &Look, planner: &mut Planner<'_, Action>) {
    let account = &entry.value;
    let Some(user) = planner.common.inventory.users.user(name).filter(|_| !account.authorized_keys.is_empty()) else {
        return;
    };
    let home = account.home.clone().unwrap_or_else(|| user.home.clone());
    let owner = Some((user.uid, user.gid));
    let mut text = String::new();
    for content in &account.authorized_keys {
        let Some(keys) = text_of(content, planner) else { return };
        if keys.contains("PRIVATE KEY") {
            let hint = "name the file that ends in `.pub`".to_owned();
            return planner.refuse(
                &entry.origin,
                format!("a file of `authorized-keys` of `{name}` has a private key"),
                hint,
            );
        }
        text.extend(keys.lines().map(str::trim).filter(|line| !line.is_empty()).map(|line| format!("{line}\n")));
    }
    let path = authorized_keys(&home);
    let options = StepOptions {
        creates: vec![Resource::Path(path.clone())],
        uses: vec![Resource::User(name.to_owned()), Resource::folder_of(&path)],
        ..StepOptions::new(entry, Phase::Accounts)
    };
    let block = ManagedBlock::of_profile(planner.common.profile, Position::End);
    let attributes = Attributes { mode: Some(0o600), owner };
    let file = TextFile {
        id: format!("users:{name}:keys"),
        path,
        text: &text,
        block: Some(block),
        base: None,
        attributes,
        mode: None,
    };
    file.plan("users", &look.keys, planner, options);
}

fn options_of_group(name: &str, entry: &Entry<GroupAccount>) -> StepOptions {
    StepOptions {
        creates: vec![Resource::Group(name.to_owned())],
        lane: Some(Lane::Accounts),
        ..StepOptions::new(entry, Phase::Accounts)
    }
}

fn options_of_user(name: &str, entry: &Entry<UserAccount>) -> StepOptions {
    let account = &entry.value;
    let mut options = StepOptions::new(entry, Phase::Accounts);
    options.creates.push(Resource::User(name.to_owned()));
    options.uses.extend(account.groups.iter().chain(&account.group).cloned().map(Resource::Group));
    if account.group.is_none() {
        // A new user gets a group of the same name, unless it is an entry of its own.
        options.uses.push(Resource::Group(name.to_owned()));
    }
    options.uses.extend(account.shell.as_ref().map(|shell| Resource::Path(shell.into())));
    options.uses.extend(account.home.as_ref().map(|home| Resource::folder_of(home)));
    options.lane = Some(Lane::Accounts);
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hashes_with_a_method_are_accepted() {
        for hash in ["$6$salt$abc./DEF", "$y$j9T$salt$hash", "$2b$12$abcdefghijkl", "$6$rounds=5000$salt$hash"] {
            assert!(is_hash(hash.as_bytes()), "{hash}");
        }
        for text in ["hunter2", "", "!", "*", "$6$salt", "$6$$x", "abcdefghijklm", "$6$a$b:0", "$6$a$b\n"] {
            assert!(!is_hash(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn the_hash_of_a_user_is_found_by_its_whole_name() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        crate::fs::put(&temp.path().join("etc/shadow"), "anna:$6$a$b:1::::::\nann:$6$c$d-of-ann:1::::::\n");
        let hash = |user: &str| password_of(temp.path(), user).map(|hash| hash.reveal().to_vec());
        assert_eq!((hash("ann"), hash("eve")), (Some(b"$6$c$d-of-ann".to_vec()), None));
    }
}
