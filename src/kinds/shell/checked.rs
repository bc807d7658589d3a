//! `[shell]` as checked: shell configuration of users and of all login shells.

use std::collections::BTreeMap;

use crate::profile::{Content, Entry, Setting};

/// Shell configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shell {
    /// Users who receive it.
    pub users: Option<Setting<Vec<String>>>,
    /// For `~/.bashrc`.
    pub bashrc: Option<Entry<Text>>,
    /// For `~/.vimrc`.
    pub vimrc: Option<Entry<Text>>,
    /// For `/etc/profile.d`, by name.
    pub profile_d: BTreeMap<String, Entry<Text>>,
}

/// A text and the mode of writing it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// The source of the text.
    pub content: Content,
    /// Whether it replaces the file, or is a marked block in it.
    pub whole: Option<bool>,
}

impl Shell {
    /// Every text that the section names.
    pub(super) fn texts(&self) -> impl Iterator<Item = &Entry<Text>> {
        self.bashrc.iter().chain(&self.vimrc).chain(self.profile_d.values())
    }
}
