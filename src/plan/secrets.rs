//! Plans secrets: a step for each file that is not as it shall be, and one for each that is no longer asked for.

use std::path::{Path, PathBuf};

use super::{
    Action, PlaceSecrets, RemoveSecrets, SecretPart,
    build::{Builder, Terms, refusal},
    place::at_home,
};
use crate::{
    inventory::below,
    profile::{Entry, SecretItem},
    secrets::file_formats::FileFormat,
};

/// The secrets of one file.
struct Group<'a> {
    file: PathBuf,
    owner: (u32, u32),
    entries: Vec<&'a Entry<SecretItem>>,
}

impl Builder<'_> {
    pub(super) fn secrets(&mut self) {
        let profile = self.profile;
        let mut groups: Vec<Group<'_>> = Vec::new();
        let mut is_whole = true;
        for entry in &profile.secrets.items {
            let Some((file, owner)) = self.file_of(entry) else {
                is_whole = false;
                continue;
            };
            match groups.iter_mut().find(|group| group.file == file) {
                Some(group) => group.entries.push(entry),
                None => groups.push(Group { file, owner, entries: vec![entry] }),
            }
        }
        for group in &groups {
            self.secret_file(group);
        }
        if is_whole {
            self.secrets_no_longer_named(&groups);
        }
    }

    /// The file a secret goes to, and the ids of its owner; `None` when that was refused.
    fn file_of(&mut self, entry: &Entry<SecretItem>) -> Option<(PathBuf, (u32, u32))> {
        let (users, item) = (&self.inventory.users, &entry.value);
        let user = item.to.owner.split(':').next().unwrap_or_default();
        let home = users.user(user).map(|user| user.home.as_path());
        let found = at_home(&item.to.path, home).zip(users.owner(&item.to.owner));
        if found.is_none() {
            let message = format!("there is no owner `{}` on this node for the secret `{}`", item.to.owner, item.key);
            self.refuse(&entry.origin, message, "name a user of the node, or `user:group`".to_owned());
        }
        found
    }

    fn secret_file(&mut self, group: &Group<'_>) {
        let first = group.entries[0];
        let kind = first.value.form.kind();
        if let Some(other) = group.entries.iter().find(|entry| !go_together(first, entry)) {
            // Two ways to write one path, which only the node's users could tell.
            let (file, line) = (group.file.display(), &first.origin);
            let message = format!("`{file}` is asked for in another way at {line}");
            return self.refuse(&other.origin, message, "give it another path".to_owned());
        }
        let mut there = Vec::new();
        for entry in &group.entries {
            match self.inventory.vault.get(&entry.value.from) {
                Some(Ok(_)) => there.push(*entry),
                Some(Err(_)) | None => self.secret_that_is_missing(group, entry),
            }
        }
        // A template with a hole in it is no file; of entries, those that are there are delivered.
        if there.is_empty() || kind == FileFormat::Template && there.len() < group.entries.len() {
            return;
        }
        self.secrets_at_hand(group, &there);
    }

    fn secrets_at_hand(&mut self, group: &Group<'_>, there: &[&Entry<SecretItem>]) {
        let action = self.action(group, there);
        let (origin, optional) = (&there[0].origin, there.iter().all(|entry| entry.optional));
        let found = crate::fs::read(&action.path).ok().flatten();
        let mut failure = None;
        if let Some(found) = found.as_ref().filter(|found| action.kind.is_shared() && found.owner.0 != group.owner.0) {
            let (file, uid) = (action.file.display(), found.owner.0);
            let message = format!("`{file}` belongs to the user id {uid}, not to `{}`", there[0].value.to.owner);
            failure =
                Some(refusal(origin, message, "name its owner with `owner`, or give the file to them".to_owned()));
        }
        let value = |from: &_| self.inventory.vault.get(from).and_then(Result::ok);
        match action.content(found.as_ref(), value) {
            Ok(content) if failure.is_none() && action.is_there(found.as_ref(), &content) => {
                let file = if action.kind == FileFormat::Whole {
                    String::new()
                } else {
                    format!(" in {}", action.file.display())
                };
                return self.ready(format!("secret: {}{file}", action.names()));
            }
            Ok(_) => {}
            Err(error) => failure = Some(refusal(origin, error.to_string(), error.hint())),
        }
        match failure {
            Some(failure) if !optional => self.plan.refusals.push(failure),
            failure => {
                let origins = there.iter().map(|entry| entry.origin.clone()).collect();
                let terms = Terms { origins, optional, ..Terms::default() };
                let id = self.id_of(&action);
                self.step(id, Action::PlaceSecrets(action), terms);
                if let Some(failure) = failure {
                    self.doom(failure);
                }
            }
        }
    }

    fn secret_that_is_missing(&mut self, group: &Group<'_>, entry: &Entry<SecretItem>) {
        let item = &entry.value;
        let Some(Err(error)) = self.inventory.vault.get(&item.from) else { return };
        let message = format!("the secret `{}` of scope `{}` cannot be had: {error}", item.key, item.scope);
        let failure = refusal(&entry.origin, message, error.hint());
        if entry.optional {
            let action = self.action(group, &[entry]);
            let terms = Terms { origins: vec![entry.origin.clone()], optional: true, ..Terms::default() };
            let id = self.id_of(&action);
            self.step(id, Action::PlaceSecrets(action), terms);
            self.doom(failure);
        } else {
            self.plan.refusals.push(failure);
        }
    }

    fn action(&self, group: &Group<'_>, entries: &[&Entry<SecretItem>]) -> PlaceSecrets {
        let first = &entries[0].value;
        let part = |entry: &&Entry<SecretItem>| {
            let SecretItem { scope, key, from, form, .. } = entry.value.clone();
            SecretPart { scope, key, from, form }
        };
        let mut templates = self.profile.secrets.templates.iter();
        let template =
            templates.find(|template| first.form.kind() == FileFormat::Template && template.value.to == first.to);
        PlaceSecrets {
            profile: self.profile.name.clone(),
            file: group.file.clone(),
            path: below(&self.inventory.root, &group.file),
            mode: first.to.mode,
            owner: group.owner,
            kind: first.form.kind(),
            parts: entries.iter().map(part).collect(),
            template: template.map(|template| template.value.pieces.clone()).unwrap_or_default(),
            known: self.inventory.receipt.delivered(&self.profile.name, &group.file).cloned(),
            elsewhere: self.inventory.receipt.known_elsewhere(&self.profile.name, &group.file).unwrap_or_default(),
        }
    }

    /// A secret with a file of its own gives the step its name; what shares one is named by the file.
    fn id_of(&self, action: &PlaceSecrets) -> String {
        let short = format!("secret:{}", action.names());
        let is_free = |id: &str| self.plan.steps.iter().all(|step| step.id.0 != id);
        let whole = format!("secret:{}", action.file.display());
        match action.parts.len() {
            1 if action.kind == FileFormat::Whole && is_free(&short) => short,
            _ if is_free(&whole) => whole,
            _ => format!("{whole}:{}", action.names()),
        }
    }

    /// Files that an earlier run of this profile delivered secrets to, and that it does not name any more.
    fn secrets_no_longer_named(&mut self, groups: &[Group<'_>]) {
        let (name, receipt) = (&self.profile.name, &self.inventory.receipt);
        let Some(files) = receipt.delivered.get(name) else { return };
        for (file, known) in files {
            if groups.iter().any(|group| group.file == *file) || receipt.known_elsewhere(name, file).is_some() {
                continue;
            }
            let path = below(&self.inventory.root, file);
            let action = RemoveSecrets { profile: name.clone(), file: file.clone(), path, known: known.clone() };
            if is_left(&action) {
                let id = format!("secret:{}", file.display());
                self.step(id, Action::RemoveSecrets(action), Terms::default());
            }
        }
    }
}

fn go_together(one: &Entry<SecretItem>, other: &Entry<SecretItem>) -> bool {
    let (one, other) = (&one.value, &other.value);
    one.form.kind() == other.form.kind()
        && (one.to.mode, &one.to.owner) == (other.to.mode, &other.to.owner)
        && (std::ptr::eq(one, other) || one.form != other.form || one.form.kind() == FileFormat::Template)
}

/// Whether anything of a delivery may still be there. What may not be looked at is left to the step.
fn is_left(action: &RemoveSecrets) -> bool {
    match crate::fs::read(Path::new(&action.path)) {
        Ok(found) => found.is_some_and(|found| action.concerns(&found)),
        Err(_) => true,
    }
}
