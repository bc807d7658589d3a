//! Decides which changes a user needs. Pure: planning and acting decide in the same way.

use super::desired::DesiredUser;
use crate::{facts::users::Users, redact::Secret};

/// The state of a user on the node.
#[derive(Debug, Default)]
pub(super) struct UserState {
    /// The users and groups of the node.
    pub users: Users,
    /// Whether the home folder exists.
    pub has_home: bool,
    /// Whether nodeagent created the user.
    pub is_ours: bool,
    /// The hash of the password, if the profile sets one.
    pub password: Option<Secret>,
}

/// The changes that a user needs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UserChanges {
    /// Whether the user does not exist.
    pub create: bool,
    /// Options of usermod with their values.
    pub set: Vec<(&'static str, String)>,
    /// Groups to join.
    pub join: Vec<String>,
    /// Whether the home of an existing user is missing.
    pub make_home: bool,
    /// Whether the password differs.
    pub password: bool,
}

impl UserChanges {
    /// Whether nothing is to do.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The changes in words.
    pub(super) fn in_words(&self) -> Vec<String> {
        let set = self.set.iter().map(|(option, _)| option.trim_start_matches("--"));
        let set = set.map(|option| if option == "gid" { "group" } else { option }).collect::<Vec<_>>().join(", ");
        [
            self.create.then(|| "create".to_owned()),
            (!set.is_empty()).then(|| format!("change its {set}")),
            (!self.join.is_empty()).then(|| format!("add to {}", self.join.join(", "))),
            self.make_home.then(|| "create its home".to_owned()),
            self.password.then(|| "set its password".to_owned()),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// The changes that a user needs. `hash` is the wanted hash of its password.
pub(super) fn changes(wanted: &DesiredUser, state: &UserState, hash: Option<&Secret>) -> UserChanges {
    let account = &wanted.account;
    let password = hash.is_some_and(|hash| {
        let found = state.password.as_ref();
        found.is_none_or(|found| found.reveal() != hash.without_line_end())
    });
    let Some(user) = state.users.user(&wanted.name) else {
        let join = wanted.groups_now.clone();
        return UserChanges { create: true, join, password, ..UserChanges::default() };
    };
    let primary = account.group.as_ref().filter(|_| user.gid != wanted.gid);
    let home = account.home.as_ref().filter(|home| **home != user.home);
    let shell = account.shell.as_ref().filter(|shell| **shell != user.shell);
    let comment = account.comment.as_ref().filter(|comment| **comment != user.comment);
    let set = [
        ("--gid", primary.cloned()),
        ("--home", home.map(|home| home.display().to_string())),
        ("--shell", shell.cloned()),
        ("--comment", comment.cloned()),
    ];
    let creates_home = account.create_home.unwrap_or(state.is_ours && !account.system);
    UserChanges {
        create: false,
        set: set.into_iter().filter_map(|(option, value)| Some((option, value?))).collect(),
        join: missing_groups(&wanted.name, &wanted.groups_now, &state.users),
        make_home: creates_home && !state.has_home,
        password,
    }
}

/// The groups of a list that a user is not a member of.
pub(super) fn missing_groups(user: &str, groups: &[String], users: &Users) -> Vec<String> {
    let primary = users.user(user).map(|user| user.gid);
    let is_member = |name: &String| {
        let group = users.group(name);
        group.is_some_and(|group| Some(group.gid) == primary || group.members.iter().any(|member| member == user))
    };
    groups.iter().filter(|name| !is_member(name)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::accounts::UserAccount;

    fn wanted(account: UserAccount) -> DesiredUser {
        DesiredUser {
            profile: "ring".into(),
            name: "ann".into(),
            uid: 1000,
            gid: 1000,
            primary: "ann".into(),
            home: "/home/ann".into(),
            groups_now: account.groups.clone(),
            account,
        }
    }

    fn state() -> UserState {
        let users = Users::parse(
            "ann:x:1000:1000:Ann:/home/ann:/bin/sh\n",
            "ann:x:1000:\nmodels:x:1001:ann\ndocker:x:1002:eve\n",
        );
        UserState { users, has_home: true, ..UserState::default() }
    }

    #[test]
    fn an_existing_user_keeps_what_the_profile_does_not_set() {
        assert!(changes(&wanted(UserAccount::default()), &state(), None).is_empty());
        let same = UserAccount {
            groups: vec!["models".into(), "ann".into()],
            shell: Some("/bin/sh".into()),
            comment: Some("Ann".into()),
            home: Some("/home/ann".into()),
            ..UserAccount::default()
        };
        assert!(changes(&wanted(same), &state(), None).is_empty());
        let other =
            UserAccount { groups: vec!["docker".into()], shell: Some("/bin/bash".into()), ..UserAccount::default() };
        let found = changes(&wanted(other), &state(), None);
        assert_eq!(found.in_words(), ["change its shell", "add to docker"]);
    }

    #[test]
    fn a_home_is_created_for_users_of_nodeagent_and_on_request() {
        let homeless = |is_ours| UserState { has_home: false, is_ours, ..state() };
        let plain = wanted(UserAccount::default());
        assert!(!changes(&plain, &homeless(false), None).make_home);
        assert!(changes(&plain, &homeless(true), None).make_home);
        let explicit = wanted(UserAccount { create_home: Some(true), ..UserAccount::default() });
        assert!(changes(&explicit, &homeless(false), None).make_home);
    }

    #[test]
    fn a_password_is_set_if_its_hash_differs() {
        let (hash, other) =
            (Secret::from("$6$a$hash-of-one\n".to_owned()), Secret::from("$6$a$hash-of-two".to_owned()));
        let with = |found: Option<&str>| UserState { password: found.map(|t| Secret::from(t.to_owned())), ..state() };
        let user = wanted(UserAccount::default());
        assert!(changes(&user, &with(Some("$6$a$hash-of-one")), Some(&hash)).is_empty());
        assert!(changes(&user, &with(Some("$6$a$hash-of-one")), Some(&other)).password);
        assert!(changes(&user, &with(None), Some(&hash)).password);
    }
}
