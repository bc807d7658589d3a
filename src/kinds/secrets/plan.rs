//! Plans secrets: one step for each file that differs, and one for each file that is no longer requested.

use std::path::{Path, PathBuf};

use super::{
    checked::{SecretFile, SecretItem, Secrets},
    secret_file::{Action, DeliverSecrets, RemoveSecrets, SecretPart, at_home},
};
use crate::{
    facts::users::Users,
    inventory::{Inventory, Snapshots, below},
    kinds::{
        contract::{LookAt, Planning},
        no_packages::plans_no_packages,
    },
    plan::{Address, Phase, Planner, Resource, StepOptions},
    problem::Problem,
    profile::{Entry, Order, RunStage},
    secrets::file_formats::FileFormat,
};

/// The secrets of one file.
struct Group<'a> {
    file: PathBuf,
    owner: (u32, u32),
    entries: Vec<&'a Entry<SecretItem>>,
}

impl Planning for Secrets {
    type Look = Snapshots;
    type Action = Action;

    fn look(&self, at: &LookAt<'_>) -> Snapshots {
        let named = self.items.iter().filter_map(|entry| file_of(at.users, &entry.value)).map(|(file, _)| file);
        let delivered = at.receipt.delivered.get(at.profile).into_iter().flatten().map(|(file, _)| file.clone());
        Snapshots::read(at.root, named.chain(delivered))
    }

    plans_no_packages!();

    fn addresses(&self, _: &Inventory) -> Vec<Address> {
        Vec::new()
    }

    fn outline(&self) -> Vec<StepOptions> {
        let mut files: Vec<(&SecretFile, Vec<&Entry<SecretItem>>)> = Vec::new();
        for entry in &self.items {
            let to = &entry.value.to;
            // Files in the homes of two owners are two files.
            let is_same = |file: &SecretFile| file.path == to.path && (to.path.is_absolute() || file.owner == to.owner);
            match files.iter_mut().find(|(file, _)| is_same(file)) {
                Some((_, entries)) => entries.push(entry),
                None => files.push((to, vec![entry])),
            }
        }
        files.iter().map(|(file, entries)| options(entries, &file.path)).collect()
    }

    fn plan(&self, look: &Snapshots, planner: &mut Planner<'_, Action>) {
        let mut groups: Vec<Group<'_>> = Vec::new();
        let mut without_owner = Vec::new();
        for entry in &self.items {
            let item = &entry.value;
            let Some((file, owner)) = file_of(&planner.common.inventory.users, item) else {
                without_owner.push(entry);
                continue;
            };
            match groups.iter_mut().find(|group| group.file == file) {
                Some(group) => group.entries.push(entry),
                None => groups.push(Group { file, owner, entries: vec![entry] }),
            }
        }
        let mut files = Files { secrets: self, look, planner };
        for group in &groups {
            files.secret_file(group);
        }
        for entry in &without_owner {
            files.secret_without_owner(entry);
        }
        // The file of a secret without an owner may be in a home that is not known.
        if without_owner.is_empty() {
            files.no_longer_named(&groups);
        }
    }
}

/// The destination file of a secret, and the ids of its owner. `None` if the owner does not exist on the node.
fn file_of(users: &Users, item: &SecretItem) -> Option<(PathBuf, (u32, u32))> {
    let user = item.to.owner.split(':').next().unwrap_or_default();
    let home = users.user(user).map(|user| user.home.as_path());
    at_home(&item.to.path, home).zip(users.owner(&item.to.owner))
}

/// Plans the files one after another.
struct Files<'p, 'a> {
    secrets: &'p Secrets,
    look: &'p Snapshots,
    planner: &'p mut Planner<'a, Action>,
}

impl Files<'_, '_> {
    fn secret_file(&mut self, group: &Group<'_>) {
        let first = group.entries[0];
        let kind = first.value.form.kind();
        self.planner.writes(&group.file, &first.origin);
        if let Some(other) = group.entries.iter().find(|entry| !go_together(first, entry)) {
            // Two spellings of one path, which only the node's users and homes reveal.
            let (file, line) = (group.file.display(), &first.origin);
            let message = format!("`{file}` is requested with other settings at {line}");
            return self.planner.refuse(&other.origin, message, "give it another path".to_owned());
        }
        let mut there = Vec::new();
        for entry in &group.entries {
            match self.planner.common.inventory.vault.get(&entry.value.from) {
                Some(Ok(_)) => there.push(*entry),
                Some(Err(_)) | None => self.secret_that_is_missing(group, entry),
            }
        }
        // An incomplete template is not written. For files with entries, the available entries are delivered.
        if there.is_empty() || kind == FileFormat::Template && there.len() < group.entries.len() {
            return;
        }
        self.secrets_at_hand(group, &there);
    }

    fn secrets_at_hand(&mut self, group: &Group<'_>, there: &[&Entry<SecretItem>]) {
        let action = self.action(group, there);
        let (origin, optional) = (&there[0].origin, there.iter().all(|entry| entry.optional));
        let found = self.look.get(&action.file).ok().flatten();
        let mut failure = None;
        if let Some(found) = found.filter(|found| action.kind.is_shared() && found.owner.0 != group.owner.0) {
            let (file, uid) = (action.file.display(), found.owner.0);
            let message = format!("`{file}` belongs to the user id {uid}, not to `{}`", there[0].value.to.owner);
            failure = Some(
                Problem::new(message)
                    .asked_at(origin.clone())
                    .hint("name its owner with `owner`, or give the file to them".to_owned()),
            );
        }
        let value = |from: &_| self.planner.common.inventory.vault.get(from).and_then(Result::ok);
        match action.content(found, value) {
            Ok(content) if failure.is_none() && action.is_as_delivered(found, &content) => {
                let file = if action.kind == FileFormat::Whole {
                    String::new()
                } else {
                    format!(" in {}", action.file.display())
                };
                return self.planner.ready(format!("secret: {}{file}", action.names()));
            }
            Ok(_) => {}
            Err(error) => failure = Some(Problem::new(error.to_string()).hint(error.hint()).asked_at(origin.clone())),
        }
        match failure {
            Some(failure) if !optional => self.planner.refuse_with(failure),
            failure => {
                let options = options(there, &action.file);
                let id = self.id_of(&action);
                self.planner.step(id, Action::Deliver(action), options);
                if let Some(failure) = failure {
                    self.planner.known_failure(failure);
                }
            }
        }
    }

    /// Refuses the run because the owner of a secret does not exist. If the entry is optional, its step fails alone.
    fn secret_without_owner(&mut self, entry: &Entry<SecretItem>) {
        let SecretItem { key, to, .. } = &entry.value;
        let problem = Problem::new(format!("there is no owner `{}` on this node for the secret `{key}`", to.owner))
            .hint("name a user of the node, or `user:group`".to_owned())
            .asked_at(entry.origin.clone());
        let group = Group { file: to.path.clone(), owner: (0, 0), entries: vec![entry] };
        let action = self.action(&group, &group.entries);
        let (id, options) = (self.id_of(&action), options(&group.entries, &group.file));
        self.planner.impossible(id, Action::Deliver(action), options, problem);
    }

    fn secret_that_is_missing(&mut self, group: &Group<'_>, entry: &Entry<SecretItem>) {
        let item = &entry.value;
        let Some(Err(error)) = self.planner.common.inventory.vault.get(&item.from) else { return };
        let message = format!("the secret `{}` of scope `{}` is not available: {error}", item.key, item.scope);
        let failure = Problem::new(message).hint(error.hint()).asked_at(entry.origin.clone());
        let action = self.action(group, &[entry]);
        let (id, options) = (self.id_of(&action), options(&[entry], &action.file));
        self.planner.impossible(id, Action::Deliver(action), options, failure);
    }

    fn action(&self, group: &Group<'_>, entries: &[&Entry<SecretItem>]) -> DeliverSecrets {
        let first = &entries[0].value;
        let part = |entry: &&Entry<SecretItem>| {
            let SecretItem { scope, key, from, form, .. } = entry.value.clone();
            SecretPart { scope, key, from, form }
        };
        let mut templates = self.secrets.templates.iter();
        let template =
            templates.find(|template| first.form.kind() == FileFormat::Template && template.value.to == first.to);
        DeliverSecrets {
            profile: self.planner.common.profile.to_owned(),
            file: group.file.clone(),
            path: below(&self.planner.common.inventory.root, &group.file),
            mode: first.to.mode,
            owner: group.owner,
            kind: first.form.kind(),
            parts: entries.iter().map(part).collect(),
            template: template.map(|template| template.value.pieces.clone()).unwrap_or_default(),
            known: self.planner.common.inventory.receipt.delivered(self.planner.common.profile, &group.file).cloned(),
            elsewhere: self
                .planner
                .common
                .inventory
                .receipt
                .known_elsewhere(self.planner.common.profile, &group.file)
                .unwrap_or_default(),
        }
    }

    /// A step is named by its secret if the secret has a separate file, else by the file.
    fn id_of(&self, action: &DeliverSecrets) -> String {
        let short = format!("secret:{}", action.names());
        let is_free = |id: &str| self.planner.is_free(id);
        let whole = format!("secret:{}", action.file.display());
        match action.parts.len() {
            1 if action.kind == FileFormat::Whole && is_free(&short) => short,
            _ => whole,
        }
    }

    /// Files to which an earlier run of this profile delivered secrets, and that the profile does not contain any more.
    fn no_longer_named(&mut self, groups: &[Group<'_>]) {
        let (name, receipt) = (self.planner.common.profile, &self.planner.common.inventory.receipt);
        let Some(files) = receipt.delivered.get(name) else { return };
        for (file, known) in files {
            if groups.iter().any(|group| group.file == *file) || receipt.known_elsewhere(name, file).is_some() {
                continue;
            }
            let path = below(&self.planner.common.inventory.root, file);
            let action = RemoveSecrets { profile: name.to_owned(), file: file.clone(), path, known: known.clone() };
            if is_left(self.look, &action) {
                let id = format!("secret:{}", file.display());
                let options =
                    StepOptions::for_origins(Vec::new(), format!("secrets.{}", file.display()), Phase::Settings);
                self.planner.step(id, Action::Remove(action), options);
            }
        }
    }
}

/// The options of the step that writes the secrets of one file.
fn options(entries: &[&Entry<SecretItem>], file: &Path) -> StepOptions {
    let names = entries.iter().flat_map(|entry| entry.order.names.clone());
    let keys = entries.iter().map(|entry| format!("secrets.{}", entry.value.key));
    let path = format!("secrets.{}", file.display());
    let order = Order {
        stage: RunStage::Launch,
        names: Vec::new(),
        after: entries.iter().flat_map(|entry| entry.order.after.clone()).collect(),
        before: entries.iter().flat_map(|entry| entry.order.before.clone()).collect(),
    };
    let user = entries[0].value.to.owner.split(':').next().unwrap_or_default();
    // The path of a home is known only on the node.
    let paths = |path: &Path| path.is_absolute().then(|| Resource::Path(path.to_owned()));
    StepOptions {
        entries: names.chain(keys).chain([path.clone()]).collect(),
        order,
        creates: paths(file).into_iter().collect(),
        uses: file.parent().and_then(paths).into_iter().chain([Resource::User(user.to_owned())]).collect(),
        optional: entries.iter().all(|entry| entry.optional),
        ..StepOptions::for_origins(entries.iter().map(|entry| entry.origin.clone()).collect(), path, Phase::Settings)
    }
}

fn go_together(one: &Entry<SecretItem>, other: &Entry<SecretItem>) -> bool {
    let (one, other) = (&one.value, &other.value);
    one.form.kind() == other.form.kind()
        && (one.to.mode, &one.to.owner) == (other.to.mode, &other.to.owner)
        && (std::ptr::eq(one, other) || one.form != other.form || one.form.kind() == FileFormat::Template)
}

/// Whether a part of a delivery may still exist. The step reports a file that cannot be read.
fn is_left(look: &Snapshots, action: &RemoveSecrets) -> bool {
    look.get(&action.file).map_or(true, |found| found.is_some_and(|found| action.concerns(found)))
}
