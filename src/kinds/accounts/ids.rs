//! The ids of new users and groups. The plan chooses them, so that files of new users have their owners already in the
//! plan, and equal nodes get equal ids.

use std::{collections::BTreeSet, path::PathBuf};

use super::checked::Accounts;
use crate::facts::users::{Group, User, Users};

/// The ids of users and groups: the defaults of Debian's `/etc/login.defs`.
const ORDINARY: std::ops::RangeInclusive<u32> = 1000..=59_999;
/// The ids of system users and groups.
const SYSTEM: std::ops::RangeInclusive<u32> = 100..=999;

/// The users and groups of a node, together with those that the profile creates. A user whose group is not known is
/// left out: planning refuses it.
/// `is_ours` tells whether nodeagent created a user: it then creates the home again.
pub fn with_planned(accounts: &Accounts, users: Users, is_ours: impl Fn(&str) -> bool) -> Users {
    let explicit_users = accounts.users.values().filter_map(|entry| entry.value.uid);
    let explicit_groups = accounts.groups.values().filter_map(|entry| entry.value.gid);
    let taken = users.ids().chain(explicit_users).chain(explicit_groups).collect();
    let highest = users.uids().filter(|uid| ORDINARY.contains(uid)).max();
    let mut ids = Ids { taken, next: highest.map_or(*ORDINARY.start(), |highest| highest + 1) };
    let mut users = users;
    for (name, entry) in &accounts.groups {
        if users.group(name).is_none() {
            let gid = entry.value.gid.unwrap_or_else(|| ids.next(entry.value.system));
            users.add_group(Group { name: name.clone(), gid, members: Vec::new() });
        }
    }
    for (name, entry) in &accounts.users {
        let account = &entry.value;
        if let Some(found) = users.user(name) {
            if account.create_home.unwrap_or(is_ours(name) && !account.system) {
                let home = account.home.clone().unwrap_or_else(|| found.home.clone());
                users.add_new_home(home);
            }
            continue;
        }
        let primary = users.group(account.group.as_ref().unwrap_or(name)).map(|group| group.gid);
        if primary.is_none() && account.group.is_some() {
            continue;
        }
        let uid = account.uid.unwrap_or_else(|| ids.next(account.system));
        let gid = primary.unwrap_or_else(|| {
            let is_free = users.name_of_group(uid).is_none();
            let gid = if is_free { uid } else { ids.next(account.system) };
            users.add_group(Group { name: name.clone(), gid, members: Vec::new() });
            gid
        });
        let user = User {
            name: name.clone(),
            uid,
            gid,
            comment: account.comment.clone().unwrap_or_default(),
            home: account.home.clone().unwrap_or_else(|| PathBuf::from(format!("/home/{name}"))),
            shell: account.shell.clone().unwrap_or_default(),
        };
        if account.creates_home() {
            users.add_new_home(user.home.clone());
        }
        users.add_user(user);
    }
    users
}

/// The ids that users, groups and entries have.
struct Ids {
    taken: BTreeSet<u32>,
    /// The id after the highest ordinary user id.
    next: u32,
}

impl Ids {
    /// The next id, as useradd chooses it: after the highest ordinary user id, or the highest free one of the system.
    /// No user and no group has it.
    fn next(&mut self, is_system: bool) -> u32 {
        let free = |id: &u32| !self.taken.contains(id);
        let id = if is_system { SYSTEM.rev().find(free) } else { (self.next..=*ORDINARY.end()).find(free) };
        // The ranges have thousands of ids. Without a free one, useradd reports the failure.
        let id = id.or_else(|| ORDINARY.rev().find(free)).unwrap_or(*ORDINARY.end());
        self.taken.insert(id);
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        diagnostic::Origin,
        kinds::accounts::{GroupAccount, UserAccount},
        profile::Entry,
    };

    #[test]
    fn new_accounts_have_ids_that_no_other_account_has() {
        let origin = Origin { file: "x.toml".into(), line: 1, column: 1 };
        let user = |account: UserAccount| Entry::plain(account, origin.clone());
        let system = UserAccount { system: true, ..UserAccount::default() };
        let fixed = UserAccount { uid: Some(1002), group: Some("models".into()), ..UserAccount::default() };
        let lost = UserAccount { group: Some("nowhere".into()), ..UserAccount::default() };
        let accounts = Accounts {
            users: [("daemon", system), ("eve", UserAccount::default()), ("fixed", fixed), ("lost", lost)]
                .map(|(name, account)| (name.to_owned(), user(account)))
                .into(),
            groups: [("models".to_owned(), Entry::plain(GroupAccount::default(), origin.clone()))].into(),
        };
        let found = Users::parse("root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n", "x:x:999:\n");
        let users = with_planned(&accounts, found, |_| false);
        let ids = |name: &str| users.owner(name);
        assert_eq!(users.group("models").map(|group| group.gid), Some(1001));
        assert_eq!((ids("daemon"), ids("eve")), (Some((998, 998)), Some((1003, 1003))));
        assert_eq!((ids("fixed"), ids("lost")), (Some((1002, 1001)), None));
        assert_eq!(users.user("eve").map(|user| user.home.clone()), Some("/home/eve".into()));
    }
}
