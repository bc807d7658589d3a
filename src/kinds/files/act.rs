//! Carries out the actions of `[files]`, and looks again. Each item is recorded before it is made.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::{
    action::{Action, Work},
    checked::Files,
    edit_file::EditFile,
    source::Source,
    unpack,
};
use crate::{
    digest::Digest,
    facts::users::Users,
    fs::{self, Attributes, FsError, PartialFile, PathType, Snapshot},
    inventory::{Vault, below},
    kinds::{
        contract::{Acting, Interruption, LeftBehind, LoginFile},
        no_packages::locks_no_packages,
    },
    plan::{PlannedItem, WriteFile},
    problem::Problem,
    profile::FileStore,
    state::Item,
    steps::{
        Context, blocking::run_blocking, forget_item, kept_files, note_edit, note_item, remove_partial_files,
        write_file, write_link,
    },
};

impl Acting for Files {
    type Prepared = ();

    fn word(_: &Action) -> &'static str {
        "files"
    }

    fn title(action: &Action) -> String {
        action.title()
    }

    fn describe(action: &Action, _: &FileStore) -> Vec<String> {
        action.describe()
    }

    fn can_refuse(action: &Action) -> bool {
        matches!(action.work, Work::Unpack(_))
    }

    locks_no_packages!();

    fn login_file(_: &Action) -> LoginFile {
        LoginFile::None
    }

    async fn prepare(_: &Context, action: &Action) -> Result<(), Problem> {
        match &action.work {
            Work::Unpack(archive) => {
                let archive = archive.clone();
                run_blocking(move || unpack::check(&archive)).await
            }
            Work::Write(_)
            | Work::WriteSecret(_)
            | Work::Copy { .. }
            | Work::Link(_)
            | Work::Folder { .. }
            | Work::Remove { .. }
            | Work::Edit(_)
            | Work::Attributes { .. }
            | Work::Impossible => Ok(()),
        }
    }

    async fn act(ctx: &Context, action: &Action, (): (), vault: &Vault) -> Result<(), Problem> {
        if let Work::Unpack(_) = action.work {
            // An archive has no secrets.
            let (action, ctx, vault) = (action.clone(), ctx.clone(), Vault::default());
            return run_blocking(move || action.write(&ctx, &vault)).await;
        }
        action.write(ctx, vault)
    }

    fn leaves_behind(action: &Action, (): &()) -> LeftBehind {
        let path = match &action.work {
            Work::Unpack(archive) => action.folder_of_archive(archive).join(unpack::STAGING),
            Work::Write(_)
            | Work::WriteSecret(_)
            | Work::Copy { .. }
            | Work::Link(_)
            | Work::Folder { .. }
            | Work::Remove { .. }
            | Work::Edit(_)
            | Work::Attributes { .. }
            | Work::Impossible => action.path.clone(),
        };
        LeftBehind::items(vec![path.display().to_string()])
    }

    fn clean_up(_: &Path, _: Interruption<'_>, items: &[String]) -> Result<Vec<String>, FsError> {
        // Paths are complete or absent, but a partial file or folder may be next to them.
        remove_partial_files(items)
    }
}

impl Action {
    fn write(&self, ctx: &Context, vault: &Vault) -> Result<(), Problem> {
        if let Some(warning) = self.warning() {
            ctx.progress.warn(warning);
        }
        match &self.work {
            Work::Write(write) => self.write_text(ctx, write),
            Work::WriteSecret(source) => self.write_secret(ctx, source, vault),
            Work::Copy { from, digest, .. } => self.copy(ctx, from, digest.as_ref()),
            Work::Unpack(archive) => unpack::unpack(self, archive, ctx),
            Work::Link(target) => write_link(ctx, &self.profile, &self.file, target, self.owner(ctx)?),
            Work::Folder { recursive } => self.folder(ctx, *recursive),
            Work::Remove { paths, recursive } => self.remove_all(ctx, paths, *recursive),
            Work::Edit(edit) => self.edit(ctx, edit, vault),
            Work::Attributes { recursive } => self.attributes(ctx, *recursive),
            Work::Impossible => Err(Problem::new(format!("`{}` cannot be written", self.file.display()))),
        }
    }

    pub(super) fn planned(&self, item: Item) -> PlannedItem {
        PlannedItem { profile: self.profile.clone(), file: self.file.clone(), item }
    }

    /// The ids of the owner. A step before this one may have created the user.
    pub(super) fn owner(&self, ctx: &Context) -> Result<Option<(u32, u32)>, Problem> {
        let Some(owner) = &self.owner else { return Ok(None) };
        let users = Users::read(&ctx.root);
        let Some(found) = users.owner(owner) else {
            let message = format!("there is no owner `{owner}` on this node");
            return Err(Problem::new(message).hint("name a user of the node, or `user:group`".to_owned()));
        };
        Ok(Some(found))
    }

    /// The attributes of a file to write. `mode` is the default of a new file.
    fn attributes_of(&self, ctx: &Context, found: Option<&Snapshot>, default: u32) -> Result<Attributes, Problem> {
        let mode = match (&self.mode, found) {
            (Some(mode), found) => Some(mode.of(found.map_or(default, |found| found.mode), false)),
            (None, None) => Some(default),
            (None, Some(_)) => None,
        };
        Ok(Attributes { mode, owner: self.owner(ctx)? })
    }

    fn write_text(&self, ctx: &Context, write: &WriteFile) -> Result<(), Problem> {
        let found = fs::read(&self.path)?;
        let attributes = self.attributes_of(ctx, found.as_ref(), 0o644)?;
        write_file(ctx, &WriteFile { attributes, ..write.clone() })
    }

    fn write_secret(&self, ctx: &Context, source: &Source, vault: &Vault) -> Result<(), Problem> {
        let bytes = source.content(vault)?;
        let mode = self.mode.as_ref().map_or(0o600, |mode| mode.of(0o600, false));
        let attributes = Attributes { mode: Some(mode), owner: self.owner(ctx)? };
        let mut file = PartialFile::create(&self.path, attributes)?;
        file.write(bytes.reveal())?;
        // If the process is killed after this, the next run still knows the file.
        note_item(ctx, &self.planned(Item::SecretFile { stamps: vec![file.stamp()?] }), None)?;
        file.commit()?;
        let is_written = |found: Snapshot| found.bytes.as_deref() == Some(bytes.reveal()) && found.mode == mode;
        self.verified(fs::read(&self.path)?.is_some_and(is_written))
    }

    /// Copies a file. Without a digest, another step has created the file, and users may be able to change its path.
    fn copy(&self, ctx: &Context, from: &Path, digest: Option<&Digest>) -> Result<(), Problem> {
        let unread = |error: io::Error| Problem::new(format!("`{}` could not be copied: {error}", from.display()));
        let source = match digest {
            Some(_) => std::fs::File::open(from).map_err(unread)?,
            None => fs::open_file(from).map_err(|error| {
                let hint = "check the entry that creates it, and name that entry in `after`".to_owned();
                Problem::new(format!("`{}` could not be copied", from.display())).because(&error).hint(hint)
            })?,
        };
        let found = fs::read_large(&self.path)?;
        let attributes = self.attributes_of(ctx, found.as_ref(), 0o644)?;
        let mut file = PartialFile::create(&self.path, attributes)?;
        let copied = copy_and_hash(source, &mut file).map_err(|error| {
            let is_full = error.kind() == io::ErrorKind::StorageFull;
            unread(error).hint(is_full.then(|| fs::DISK_FULL.to_owned()))
        })?;
        if digest.is_some_and(|digest| *digest != copied) {
            return Err(Problem::new(format!("`{}` changed while it was copied", from.display())));
        }
        let item = Item::File { digests: vec![copied.to_string()], before: None };
        note_item(ctx, &self.planned(item), found.as_ref())?;
        file.commit()?;
        self.verified(Digest::sha256_of_file(&self.path).is_ok_and(|found| found == copied))
    }

    fn folder(&self, ctx: &Context, recursive: bool) -> Result<(), Problem> {
        let owner = self.owner(ctx)?;
        if fs::look_at(&self.path)?.is_none() {
            note_item(ctx, &self.planned(Item::Folder), None)?;
            fs::make_folder(&self.path, Some(self.mode.as_ref().map_or(0o755, |mode| mode.of(0o755, true))), owner)?;
        }
        self.set_attributes(recursive, owner)
    }

    fn set_attributes(&self, recursive: bool, owner: Option<(u32, u32)>) -> Result<(), Problem> {
        let mode = |current, is_folder| self.mode.as_ref().map_or(current, |mode| mode.of(current, is_folder));
        fs::change_attributes(&self.path, recursive, &mode, owner, true)?;
        self.verified(fs::change_attributes(&self.path, recursive, &mode, owner, false)? == 0)
    }

    fn attributes(&self, ctx: &Context, recursive: bool) -> Result<(), Problem> {
        let owner = self.owner(ctx)?;
        let Some(found) = fs::look_at(&self.path)? else {
            let message = format!("`{}` does not exist, and this entry only sets its attributes", self.file.display());
            return Err(Problem::new(message).hint("give its content, or put the entry `after` its creator".to_owned()));
        };
        let mode = self.mode.as_ref().map_or(found.mode, |mode| mode.of(found.mode, found.kind == PathType::Folder));
        let item = Item::Attributes {
            mode,
            owner: owner.unwrap_or(found.owner),
            before_mode: found.mode,
            before_owner: found.owner,
        };
        note_item(ctx, &self.planned(item), None)?;
        self.set_attributes(recursive, owner)
    }

    fn remove_all(&self, ctx: &Context, paths: &[PathBuf], recursive: bool) -> Result<(), Problem> {
        let files = kept_files::keep(ctx, paths)?;
        note_item(ctx, &self.planned(Item::Removed { files }), None)?;
        paths.iter().try_for_each(|path| self.remove(ctx, path, recursive))
    }

    fn remove(&self, ctx: &Context, file: &Path, recursive: bool) -> Result<(), Problem> {
        let path = below(&ctx.root, file);
        let Some(entry) = fs::look_at(&path)? else { return Ok(()) };
        if path.starts_with(&ctx.filestore.root) || fs::is_mount_point(&path) {
            return Err(Problem::new(format!("`{}` is a mount point or in the file store", file.display())));
        }
        if let Err(error) = fs::remove_path(&path, recursive) {
            let hint = "a folder that is not empty needs `recursive = true`".to_owned();
            return Err(Problem::from(error).hint((entry.kind == PathType::Folder && !recursive).then_some(hint)));
        }
        self.verified(fs::look_at(&path)?.is_none())
    }

    fn edit(&self, ctx: &Context, edit: &EditFile, vault: &Vault) -> Result<(), Problem> {
        // Others may have written to the file since the plan was made: it is edited as it is now.
        let found = fs::read(&self.path)?;
        let edited = edit.edited(&ctx.root, &self.file, found.as_ref(), vault)?;
        edited.warnings.into_iter().for_each(|warning| ctx.progress.warn(warning));
        for made in edited.items {
            match made.item {
                item @ Item::Lines { .. } => note_edit(ctx, &self.planned(item), made.changes, &made.before)?,
                item => note_item(ctx, &self.planned(item), found.as_ref())?,
            }
        }
        let default = if edit.has_secrets() { 0o600 } else { 0o644 };
        let mut attributes = self.attributes_of(ctx, found.as_ref(), default)?;
        if edit.has_secrets() && self.mode.is_none() {
            attributes.mode = Some(default);
        }
        if let Some(found) = &found {
            self.note_attributes(ctx, attributes, found)?;
        }
        fs::replace(&self.path, &edited.text, attributes)?;
        edit.dropped.iter().try_for_each(|item| forget_item(ctx, &self.profile, &self.file, item))?;
        self.verified(fs::read(&self.path)?.and_then(|found| found.bytes).as_ref() == Some(&edited.text))
    }

    /// Records the permissions and the owner of an edited file, if they change.
    fn note_attributes(&self, ctx: &Context, wanted: Attributes, found: &Snapshot) -> Result<(), Problem> {
        let (mode, owner) = (wanted.mode.unwrap_or(found.mode), wanted.owner.unwrap_or(found.owner));
        if (mode, owner) == (found.mode, found.owner) {
            return Ok(());
        }
        let item = Item::Attributes { mode, owner, before_mode: found.mode, before_owner: found.owner };
        note_item(ctx, &self.planned(item), None)
    }

    pub(super) fn verified(&self, is_as_wanted: bool) -> Result<(), Problem> {
        if is_as_wanted {
            return Ok(());
        }
        Err(Problem::new(format!("`{}` is not as it was written", self.file.display())))
    }
}

/// Copies a file. Returns the digest of the copied bytes.
fn copy_and_hash(mut from: impl io::Read, to: &mut impl io::Write) -> io::Result<Digest> {
    let (mut hasher, mut buffer) = (Digest::sha256_hasher(), vec![0; 64 << 10]);
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(hasher.finish()),
            count => {
                hasher.update(&buffer[..count]);
                to.write_all(&buffer[..count])?;
            }
        }
    }
}
