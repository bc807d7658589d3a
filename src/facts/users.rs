//! Users and groups, from `/etc/passwd` and `/etc/group`. A static binary cannot use name service modules.

use std::path::{Path, PathBuf};

/// A user of the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Login name.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// Id of the primary group.
    pub gid: u32,
    /// Home folder.
    pub home: PathBuf,
}

/// The users and groups of a node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Users {
    users: Vec<User>,
    groups: Vec<(String, u32)>,
}

impl Users {
    /// Reads both files below a root. A missing file has no entries.
    pub fn read(root: &Path) -> Self {
        let text = |name: &str| std::fs::read_to_string(root.join(name)).unwrap_or_default();
        Self::parse(&text("etc/passwd"), &text("etc/group"))
    }

    /// Parses the texts of both files.
    pub fn parse(passwd: &str, group: &str) -> Self {
        let user = |line: &str| {
            let fields: Vec<&str> = line.split(':').collect();
            Some(User {
                name: (*fields.first()?).to_owned(),
                uid: fields.get(2)?.parse().ok()?,
                gid: fields.get(3)?.parse().ok()?,
                home: fields.get(5)?.into(),
            })
        };
        let group_of = |line: &str| {
            let fields: Vec<&str> = line.split(':').collect();
            Some(((*fields.first()?).to_owned(), fields.get(2)?.parse().ok()?))
        };
        Self { users: passwd.lines().filter_map(user).collect(), groups: group.lines().filter_map(group_of).collect() }
    }

    /// The user with a name.
    pub fn user(&self, name: &str) -> Option<&User> {
        self.users.iter().find(|user| user.name == name)
    }

    /// The name of the user with an id.
    pub fn name_of(&self, uid: u32) -> Option<&str> {
        self.users.iter().find(|user| user.uid == uid).map(|user| user.name.as_str())
    }

    /// The ids of `user` or `user:group`.
    pub fn owner(&self, text: &str) -> Option<(u32, u32)> {
        let (user, group) = text.split_once(':').map_or((text, None), |(user, group)| (user, Some(group)));
        let user = self.user(user)?;
        match group {
            None => Some((user.uid, user.gid)),
            Some(name) => self.groups.iter().find(|(group, _)| group == name).map(|(_, gid)| (user.uid, *gid)),
        }
    }

    /// The names of all users.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.users.iter().map(|user| user.name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_found_by_user_and_group() {
        let users =
            Users::parse("root:x:0:0::/root:/bin/bash\nbroken\nann:x:1000:1001::/home/ann:/bin/sh\n", "adm:x:4:\n");
        assert_eq!(users.owner("ann"), Some((1000, 1001)));
        assert_eq!(users.owner("ann:adm"), Some((1000, 4)));
        assert_eq!(users.owner("ann:nobody"), None);
        assert_eq!(users.user("root").map(|user| user.home.as_path()), Some(Path::new("/root")));
    }
}
