//! The commands that change users and groups, from Debian's package `passwd`.

use super::{
    changes::UserChanges,
    desired::{DesiredUser, Membership},
};
use crate::{exec::Cmd, redact::Secret};

/// Creates a group.
pub(super) fn groupadd(name: &str, gid: u32, is_system: bool) -> Cmd {
    let system = is_system.then_some("--system");
    Cmd::new("groupadd").args(system).args(["--gid", &gid.to_string(), name])
}

/// The commands for the changes of a user, except its password. `has_group` tells whether its primary group exists.
pub(super) fn of_user(user: &DesiredUser, changes: &UserChanges, has_group: bool) -> Vec<Cmd> {
    let mut commands = Vec::new();
    if changes.create {
        // A primary group with another name is an entry or a group of the node.
        if user.primary == user.name && !has_group {
            commands.push(groupadd(&user.primary, user.gid, user.account.system));
        }
        commands.push(useradd(user, &changes.join));
    } else if !(changes.set.is_empty() && changes.join.is_empty()) {
        let set = changes.set.iter().flat_map(|(option, value)| [(*option).to_owned(), value.clone()]);
        let mut cmd = Cmd::new("usermod").args(set);
        if !changes.join.is_empty() {
            cmd = cmd.args(["--append", "--groups", &changes.join.join(",")]);
        }
        commands.push(cmd.arg(&user.name));
    }
    if changes.make_home {
        commands.push(Cmd::new("mkhomedir_helper").arg(&user.name));
    }
    commands
}

fn useradd(user: &DesiredUser, groups: &[String]) -> Cmd {
    let account = &user.account;
    let mut cmd = Cmd::new("useradd").args(["--uid", &user.uid.to_string(), "--gid", &user.gid.to_string()]);
    if account.system {
        cmd = cmd.arg("--system");
    }
    cmd = cmd.args(["--home-dir", &user.home.display().to_string()]);
    cmd = cmd.arg(if account.creates_home() { "--create-home" } else { "--no-create-home" });
    for (option, value) in [("--shell", &account.shell), ("--comment", &account.comment)] {
        cmd = cmd.args(value.iter().flat_map(|value| [option, value.as_str()]));
    }
    if !groups.is_empty() {
        cmd = cmd.args(["--groups", &groups.join(",")]);
    }
    cmd.arg(&user.name)
}

/// Adds a user to groups.
pub(super) fn join(member: &Membership) -> Cmd {
    Cmd::new("usermod").args(["--append", "--groups", &member.groups.join(","), &member.user])
}

/// Sets the hash of a password. It is passed on standard input.
pub(super) fn chpasswd(user: &str, hash: &Secret) -> Cmd {
    let line = [user.as_bytes(), b":", hash.without_line_end(), b"\n"].concat();
    Cmd::new("chpasswd").arg("--encrypted").stdin(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::accounts::UserAccount;

    fn user(account: UserAccount) -> DesiredUser {
        DesiredUser {
            profile: "ring".into(),
            name: "eve".into(),
            uid: 1001,
            gid: 1001,
            primary: "eve".into(),
            home: "/home/eve".into(),
            groups_now: Vec::new(),
            account,
        }
    }

    fn lines(user: &DesiredUser, changes: &UserChanges) -> Vec<String> {
        of_user(user, changes, false).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_new_user_gets_its_group_first() {
        let changes = UserChanges { create: true, join: vec!["docker".into(), "adm".into()], ..UserChanges::default() };
        assert_eq!(
            lines(&user(UserAccount { comment: Some("Eve E".into()), ..UserAccount::default() }), &changes),
            [
                "groupadd --gid 1001 eve",
                "useradd --uid 1001 --gid 1001 --home-dir /home/eve --create-home --comment 'Eve E' --groups \
                 docker,adm eve",
            ]
        );
        let system = user(UserAccount { system: true, ..UserAccount::default() });
        let expected = "useradd --uid 1001 --gid 1001 --system --home-dir /home/eve --no-create-home eve";
        assert_eq!(lines(&system, &UserChanges { create: true, ..UserChanges::default() })[1], expected);
    }

    #[test]
    fn all_attributes_are_changed_by_one_command() {
        let changes = UserChanges {
            set: vec![("--shell", "/bin/bash".into()), ("--comment", "a b".into())],
            join: vec!["docker".into()],
            make_home: true,
            ..UserChanges::default()
        };
        assert_eq!(
            lines(&user(UserAccount::default()), &changes),
            ["usermod --shell /bin/bash --comment 'a b' --append --groups docker eve", "mkhomedir_helper eve"]
        );
    }

    #[test]
    fn a_hash_is_not_an_argument() {
        let cmd = chpasswd("eve", &Secret::from("$6$salt$hash-of-eve\n".to_owned()));
        assert_eq!(cmd.to_string(), "chpasswd --encrypted");
        assert_eq!(cmd.stdin.expect("given").bytes(), b"eve:$6$salt$hash-of-eve\n");
    }
}
