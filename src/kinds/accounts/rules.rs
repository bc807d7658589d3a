//! Rules of `[users]` and `[groups]`.

use super::{
    checked::{Accounts, GroupAccount, UserAccount},
    written,
};
use crate::{
    grammar::{document::Part, names},
    profile::{Cases, Content, Entry, Rules, place, shorthand::Shorthand, within, written::Asset},
};

/// The highest user or group id. The next one means "no id" in system calls.
const MAX_ID: u32 = u32::MAX - 1;

impl Rules<'_> {
    pub(super) fn accounts(&mut self, written: &written::Written) -> Accounts {
        let users = written.users.iter().filter_map(|(name, raw)| self.user_entry(name, raw)).collect();
        let groups = written.groups.iter().filter_map(|(name, raw)| self.group_entry(name, raw)).collect();
        Accounts { users, groups }
    }

    fn group_entry(&mut self, name: &str, cases: &Cases<written::Group>) -> Option<(String, Entry<GroupAccount>)> {
        let at = place!["groups", name];
        if !names::is_user(name) {
            let hint = "use lower-case letters, digits and `_.-`, and begin with a letter or `_`";
            self.mistake_in_key(&at, format!("`{name}` is not a group name"), hint);
        }
        let entry = self.cases(&at, cases, |rules, at, raw| {
            let before = rules.found.len();
            let gid = raw.gid.and_then(|gid| rules.account_id(&within(at, "gid"), gid));
            let value = GroupAccount { gid, system: raw.system };
            let timeout = rules.timeout(at, raw.timeout.as_deref());
            let names = rules.spellings([format!("groups.{name}")]);
            let order = rules.order(at, names, (&raw.after, &raw.before));
            let entry = Entry { value, origin: rules.origin(at), optional: raw.optional, timeout, order };
            (rules.found.len() == before).then_some(entry)
        })?;
        Some((name.to_owned(), entry))
    }

    fn user_entry(&mut self, name: &str, cases: &Cases<written::User>) -> Option<(String, Entry<UserAccount>)> {
        let at = place!["users", name];
        if !names::is_user(name) {
            let hint = "use lower-case letters, digits and `_.-`, and begin with a letter or `_`";
            self.mistake_in_key(&at, format!("`{name}` is not a user name"), hint);
        }
        let entry = self.cases(&at, cases, |rules, at, raw| {
            let before = rules.found.len();
            let value = rules.user_account(at, raw);
            let timeout = rules.timeout(at, raw.timeout.as_deref());
            let names = rules.spellings([format!("users.{name}")]);
            let order = rules.order(at, names, (&raw.after, &raw.before));
            let entry = Entry { value, origin: rules.origin(at), optional: raw.optional, timeout, order };
            (rules.found.len() == before).then_some(entry)
        })?;
        Some((name.to_owned(), entry))
    }

    fn user_account(&mut self, path: &[Part], raw: &written::User) -> UserAccount {
        let at = |key: &str| within(path, key);
        let groups = raw.groups.iter().enumerate();
        let groups = groups.filter_map(|(index, group)| {
            let at = within(&at("groups"), index);
            self.name_of_group(&at, group)
        });
        let groups = groups.collect();
        let keys = raw.authorized_keys.iter().enumerate();
        let keys = keys.filter_map(|(index, key)| {
            let at = within(&at("authorized-keys"), index);
            self.authorized_key(&at, key)
        });
        let authorized_keys = keys.collect();
        let path_of = |rules: &mut Self, key: &str, text: Option<&String>| {
            let text = rules.account_field(&at(key), text?)?;
            rules.absolute(&at(key), &text)
        };
        let home = path_of(self, "home", raw.home.as_ref());
        let shell = path_of(self, "shell", raw.shell.as_ref());
        UserAccount {
            groups,
            group: raw.group.as_ref().and_then(|group| self.name_of_group(&at("group"), group)),
            uid: raw.uid.and_then(|uid| self.account_id(&at("uid"), uid)),
            system: raw.system,
            home,
            shell: shell.map(|shell| shell.display().to_string()),
            comment: raw.comment.as_ref().and_then(|text| self.account_field(&at("comment"), text)),
            create_home: raw.create_home,
            authorized_keys,
            password: raw.password.as_ref().and_then(|secret| self.secret_ref(&at("password"), secret)),
        }
    }

    fn account_id(&mut self, at: &[Part], id: i64) -> Option<u32> {
        let found = u32::try_from(id).ok().filter(|id| *id <= MAX_ID);
        if found.is_none() {
            self.mistake(at, format!("`{id}` is not an id"), format!("a number from 0 to {MAX_ID}"));
        }
        found
    }

    fn name_of_group(&mut self, at: &[Part], text: &str) -> Option<String> {
        let group = self.expanded(at, text)?;
        if !names::is_user(&group) {
            self.mistake(at, format!("`{group}` is not a group name"), "name one group, such as `docker`");
            return None;
        }
        Some(group)
    }

    /// A field of `/etc/passwd`. A colon would end it.
    fn account_field(&mut self, at: &[Part], text: &str) -> Option<String> {
        let text = self.expanded(at, text)?;
        if text.contains(':') || text.chars().any(char::is_control) {
            let hint = "one line without `:` and control characters: `/etc/passwd` has one line for each user";
            self.mistake(at, format!("`{}` cannot be written to `/etc/passwd`", text.escape_debug()), hint);
            return None;
        }
        Some(text)
    }

    /// A key as text contains spaces. Otherwise the string is an asset.
    fn authorized_key(&mut self, at: &[Part], raw: &Shorthand<Asset>) -> Option<Content> {
        if let Shorthand::Short(text) = raw
            && text.trim().contains(' ')
        {
            let text = self.expanded(at, text)?;
            if text.trim().contains('\n') || text.contains("PRIVATE KEY") {
                let hint = "one line of a file such as `id_ed25519.pub`: `ssh-ed25519 AAAA… name`";
                self.mistake(at, "this is not a public key", hint);
                return None;
            }
            return Some(Content::Inline(text));
        }
        let file = self.asset_of(at, raw)?;
        if !file.urls.is_empty() {
            let hint = "put the file into the file store, or write the key itself";
            self.mistake(at, "public keys are not fetched from a server", hint);
            return None;
        }
        Some(Content::File(file))
    }
}
