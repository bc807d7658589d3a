//! Users and groups, from `/etc/passwd` and `/etc/group`. A static binary cannot use name service modules.

use std::path::{Path, PathBuf};

/// A user of the node: a line of `/etc/passwd`, passwd(5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Login name.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// Id of the primary group.
    pub gid: u32,
    /// The comment, usually the full name.
    pub comment: String,
    /// Home folder.
    pub home: PathBuf,
    /// Login shell.
    pub shell: String,
}

/// A group of the node: a line of `/etc/group`, group(5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Its id.
    pub gid: u32,
    /// The users that have it as an additional group.
    pub members: Vec<String>,
}

/// The users and groups of a node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Users {
    accounts: Vec<User>,
    groups: Vec<Group>,
    /// The homes that a step of the plan will create if they do not exist.
    new_homes: Vec<PathBuf>,
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
                comment: (*fields.get(4)?).to_owned(),
                home: fields.get(5)?.into(),
                shell: fields.get(6).map(|shell| (*shell).to_owned()).unwrap_or_default(),
            })
        };
        let group_of = |line: &str| {
            let fields: Vec<&str> = line.split(':').collect();
            let members = fields.get(3).into_iter().flat_map(|members| members.split(','));
            Some(Group {
                name: (*fields.first()?).to_owned(),
                gid: fields.get(2)?.parse().ok()?,
                members: members.filter(|member| !member.is_empty()).map(str::to_owned).collect(),
            })
        };
        let (users, groups) = (passwd.lines().filter_map(user), group.lines().filter_map(group_of));
        Self { accounts: users.collect(), groups: groups.collect(), new_homes: Vec::new() }
    }

    /// Adds a user that a step of the plan will create.
    pub fn add_user(&mut self, user: User) {
        self.accounts.push(user);
    }

    /// Adds a home that a step of the plan will create if it does not exist.
    pub fn add_new_home(&mut self, home: PathBuf) {
        self.new_homes.push(home);
    }

    /// Whether a step of the plan will create this home if it does not exist.
    pub fn is_new_home(&self, home: &Path) -> bool {
        self.new_homes.iter().any(|new| new == home)
    }

    /// Adds a group that a step of the plan will create.
    pub fn add_group(&mut self, group: Group) {
        self.groups.push(group);
    }

    /// The user with a name.
    pub fn user(&self, name: &str) -> Option<&User> {
        self.accounts.iter().find(|user| user.name == name)
    }

    /// The group with a name.
    pub fn group(&self, name: &str) -> Option<&Group> {
        self.groups.iter().find(|group| group.name == name)
    }

    /// The name of the user with an id.
    pub fn name_of(&self, uid: u32) -> Option<&str> {
        self.accounts.iter().find(|user| user.uid == uid).map(|user| user.name.as_str())
    }

    /// The name of the group with an id.
    pub fn name_of_group(&self, gid: u32) -> Option<&str> {
        self.groups.iter().find(|group| group.gid == gid).map(|group| group.name.as_str())
    }

    /// The ids of `user` or `user:group`.
    pub fn owner(&self, text: &str) -> Option<(u32, u32)> {
        let (user, group) = text.split_once(':').map_or((text, None), |(user, group)| (user, Some(group)));
        let user = self.user(user)?;
        match group {
            None => Some((user.uid, user.gid)),
            Some(name) => self.group(name).map(|group| (user.uid, group.gid)),
        }
    }

    /// The names of all users.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.accounts.iter().map(|user| user.name.as_str())
    }

    /// The ids of all users.
    pub fn uids(&self) -> impl Iterator<Item = u32> {
        self.accounts.iter().map(|user| user.uid)
    }

    /// The ids of all users and groups.
    pub fn ids(&self) -> impl Iterator<Item = u32> {
        self.uids().chain(self.groups.iter().map(|group| group.gid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_found_by_user_and_group() {
        let users = Users::parse(
            "root:x:0:0::/root:/bin/bash\nbroken\nann:x:1000:1001:Ann,,:/home/ann:/bin/sh\n",
            "adm:x:4:ann,eve\nempty:x:5:\n",
        );
        assert_eq!(users.owner("ann"), Some((1000, 1001)));
        assert_eq!(users.owner("ann:adm"), Some((1000, 4)));
        assert_eq!(users.owner("ann:nobody"), None);
        assert_eq!(users.user("root").map(|user| user.home.as_path()), Some(Path::new("/root")));
        let ann = users.user("ann").expect("there");
        assert_eq!((ann.comment.as_str(), ann.shell.as_str()), ("Ann,,", "/bin/sh"));
        let members = |name: &str| users.group(name).expect("there").members.clone();
        assert_eq!((members("adm"), members("empty")), (vec!["ann".to_owned(), "eve".to_owned()], vec![]));
    }
}
