//! The actions of `[users]` and `[groups]`.

use super::{
    changes::UserChanges,
    commands,
    desired::{DesiredGroup, DesiredUser, Membership},
};
use crate::plan::WriteFile;

/// The action of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Creates a group.
    Group(DesiredGroup),
    /// Creates or changes a user.
    User(Box<DesiredUser>, UserChanges),
    /// Adds a user to groups that a package creates.
    Join(Membership),
    /// Writes the authorized keys of a user.
    Keys(WriteFile),
}

impl From<WriteFile> for Action {
    fn from(file: WriteFile) -> Self {
        Self::Keys(file)
    }
}

impl Action {
    /// The section in the profile.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Group(_) => "groups",
            Self::User(..) | Self::Join(_) | Self::Keys(_) => "users",
        }
    }

    /// The work in one line.
    pub(super) fn title(&self) -> String {
        match self {
            Self::Group(group) => format!("{}: create", group.name),
            Self::User(user, changes) => format!("{}: {}", user.name, changes.in_words().join(", ")),
            Self::Join(member) => format!("{}: add to {}", member.user, member.groups.join(", ")),
            Self::Keys(file) => file.title(),
        }
    }

    /// The commands, or the difference to the present file.
    pub(super) fn describe(&self) -> Vec<String> {
        match self {
            Self::Group(group) => vec![commands::groupadd(&group.name, group.gid, group.system).to_string()],
            Self::User(user, changes) => {
                let mut lines: Vec<String> =
                    commands::of_user(user, changes, false).iter().map(ToString::to_string).collect();
                if let Some(secret) = user.account.password.as_ref().filter(|_| changes.password) {
                    lines.push(format!("chpasswd --encrypted with the secret {}", secret.key));
                }
                lines
            }
            Self::Join(member) => vec![commands::join(member).to_string()],
            Self::Keys(file) => file.describe(),
        }
    }
}
