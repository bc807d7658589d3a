//! Checks and unpacks archives. An archive is unpacked into a folder in the destination. Then its files are moved to
//! their places. The record has a list of them, so that files of an older archive are removed.

use std::{
    collections::BTreeMap,
    io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use super::{
    action::{Action, Unpack},
    archive::Selected,
};
use crate::{
    fs::{self, ArchiveKind, ArchiveName, Limits, OpenedArchive, Staging, UnpackedNames},
    inventory::below,
    problem::Problem,
    state::{Item, KeptFiles, ListedPath, Previous, Receipt, WHOLE},
    steps::{Context, kept_files, note_item, unpacked},
};

/// The mode of a folder that the archive does not contain itself.
const FOLDER_MODE: u32 = 0o755;

/// The label of the staging folder.
pub(super) const STAGING: &str = "unpack";

/// The permission bits of an archive that an entry gets only with `mode`.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Reads the whole archive and checks it, before anything is changed.
///
/// # Errors
/// If it is not an archive, is damaged or not allowed, or does not have the selected files.
pub(super) fn check(archive: &Unpack) -> Result<(), Problem> {
    let names = match open(archive)? {
        OpenedArchive::Archive(content) => fs::archive_names(content, Path::new(&archive.label)).map_err(Problem::from),
        OpenedArchive::File(content) => copy(archive, content, &mut io::sink())
            .map(|()| vec![ArchiveName { path: name_of_file(archive), kind: ArchiveKind::File }]),
    };
    let checked = names.and_then(|names| archive.selection.of(&names)).map_err(|problem| named(archive, problem));
    checked.map(drop).map_err(|problem| Problem { refused: true, ..problem })
}

/// Names the archive in a message that does not.
fn named(archive: &Unpack, problem: Problem) -> Problem {
    if problem.message.contains(&archive.label) {
        return problem;
    }
    Problem { message: format!("`{}` cannot be unpacked: {}", archive.label, problem.message), ..problem }
}

fn open(archive: &Unpack) -> Result<OpenedArchive, Problem> {
    fs::open_archive(&archive.from).map_err(|error| unreadable(archive, &error))
}

fn unreadable(archive: &Unpack, error: &io::Error) -> Problem {
    let message = format!("`{}` cannot be unpacked: {error}", archive.label);
    Problem { refused: true, ..Problem::new(message).hint("check that the file is complete".to_owned()) }
}

/// Copies the content of a single compressed file.
fn copy(archive: &Unpack, content: impl io::Read, to: &mut impl io::Write) -> Result<(), Problem> {
    let most = Limits::default().bytes;
    let copied = io::copy(&mut content.take(most + 1), to).map_err(|error| unreadable(archive, &error))?;
    if copied > most {
        return Err(Problem::refused(format!(
            "`{}` has more than {most} bytes when it is decompressed",
            archive.label
        )));
    }
    Ok(())
}

/// The name of a single compressed file without the ending of the compression.
fn name_of_file(archive: &Unpack) -> PathBuf {
    Path::new(&archive.name).file_stem().unwrap_or_default().into()
}

/// Unpacks an archive, and looks again.
pub(super) fn unpack(action: &Action, archive: &Unpack, ctx: &Context) -> Result<(), Problem> {
    let folder = action.folder_of_archive(archive);
    let is_new_folder = fs::look_at(folder)?.is_none();
    let staging = Staging::create_in(folder, STAGING)?;
    let names = fill(&staging, archive)?;
    // Many archives allow all users to write.
    let own = |current: u32| current & !WRITABLE_BY_OTHERS;
    let mode = |current, is_folder| action.mode.as_ref().map_or(own(current), |mode| mode.of(own(current), is_folder));
    let owner = action.owner(ctx)?;
    staging.change_attributes(&mode, owner)?;
    if is_new_folder && !archive.selection.is_file {
        fs::make_folder(folder, Some(mode(FOLDER_MODE, true)), owner)?;
    }
    let selected = archive.selection.of(&names).map_err(|problem| named(archive, problem))?;
    ctx.wait_for_disk(folder)?;

    let earlier = earlier_paths(ctx, action)?;
    let owner = owner.unwrap_or_else(fs::own_ids);
    let work = Move { action, archive, ctx, staging: &staging, owner, earlier };
    let mut listed =
        if is_new_folder && !archive.selection.is_file { vec![work.folder_itself(folder)?] } else { Vec::new() };
    let moves = work.moves(selected);
    for (to, from) in &moves {
        listed.extend(work.listed(to, from.as_deref())?);
    }
    let list = ListedPath::keep(&ctx.root, &listed)?;
    let replaced = kept_files::keep(ctx, moves.keys().filter(|place| !work.earlier.contains_key(*place)))?;
    let item = Item::Unpacked { archive: archive.identity.clone(), lists: vec![list.clone()], replaced };
    note_item(ctx, &action.planned(item), None)?;
    let (lists, mut restored) = recorded(ctx, action);
    let older: Vec<Previous> = lists.into_iter().filter(|older| *older != list).collect();
    remove_older(ctx, action, &older, &restored, &listed)?;
    restored.retain(|path, _| !moves.contains_key(path));
    kept_files::restore(ctx, &restored)?;
    for (to, from) in &moves {
        work.put(to, from.as_deref())?;
    }
    drop(staging);
    ctx.wait_for_disk(folder)?;
    Receipt::update(&ctx.root, |receipt| receipt.note_unpacked(&action.profile, &action.file, &list, &restored))?;
    older.iter().chain(restored.values()).try_for_each(|unused| Receipt::remove_unused_copy(&ctx.root, unused))?;
    let is_there = |listed: &ListedPath| {
        let has_mode_of_other = archive.attributes_of_others.contains(&listed.path);
        let found = below(&ctx.root, &listed.path).symlink_metadata();
        found.is_ok_and(|found| listed.is_same(&found) || has_mode_of_other && listed.has_same_content(&found))
    };
    action.verified(listed.iter().all(is_there))
}

/// Unpacks into the staging folder. Returns its paths, a folder before its content.
fn fill(staging: &Staging, archive: &Unpack) -> Result<Vec<ArchiveName>, Problem> {
    match open(archive)? {
        OpenedArchive::Archive(content) => {
            staging.unpack(content, Limits::default(), &UnpackedNames::default())?;
        }
        OpenedArchive::File(content) => copy(archive, content, &mut staging.create_file(&name_of_file(archive))?)?,
    }
    let top = staging.path().join(".");
    let failed = |error: &io::Error| Problem::new(format!("`{}` could not be unpacked: {error}", archive.label));
    let mut names = Vec::new();
    for entry in fs::walk(&top).skip(1) {
        let entry = entry.map_err(|error| failed(&error))?;
        let path = entry.path().strip_prefix(staging.path()).unwrap_or(entry.path());
        let kind = if entry.file_type().is_symlink() {
            ArchiveKind::Link(std::fs::read_link(entry.path()).map_err(|error| failed(&error))?)
        } else if entry.file_type().is_dir() {
            ArchiveKind::Folder
        } else {
            ArchiveKind::File
        };
        names.push(ArchiveName { path: path.components().collect(), kind });
    }
    Ok(names)
}

/// The paths that earlier archives of the entry made, and whether each is a folder.
fn earlier_paths(ctx: &Context, action: &Action) -> Result<BTreeMap<PathBuf, bool>, Problem> {
    let mut paths = BTreeMap::new();
    for list in recorded(ctx, action).0 {
        let listed = ListedPath::read(&ctx.root, &list)?.unwrap_or_default();
        paths.extend(listed.into_iter().map(|listed| (listed.path.clone(), listed.is_folder())));
    }
    Ok(paths)
}

/// The lists of the paths that the entry made, and the files that they replaced.
fn recorded(ctx: &Context, action: &Action) -> (Vec<Previous>, KeptFiles) {
    match Receipt::read(&ctx.root).item(&action.profile, &action.file, WHOLE) {
        Some(Item::Unpacked { lists, replaced, .. }) => (lists.clone(), replaced.clone()),
        _ => Default::default(),
    }
}

/// Removes the files of older archives that the new one does not have.
fn remove_older(
    ctx: &Context,
    action: &Action,
    older: &[Previous],
    replaced: &KeptFiles,
    listed: &[ListedPath],
) -> Result<(), Problem> {
    if !unpacked::remove(ctx, older, replaced, listed)? {
        let folder = action.file.display();
        ctx.progress.warn(format!("a file of an older archive in `{folder}` was changed since, so it stays"));
    }
    Ok(())
}

/// Moves unpacked files to their places.
struct Move<'a> {
    action: &'a Action,
    archive: &'a Unpack,
    ctx: &'a Context,
    staging: &'a Staging,
    /// The user and group ids of the folders.
    owner: (u32, u32),
    /// The paths that earlier archives of the entry made, and whether each is a folder.
    earlier: BTreeMap<PathBuf, bool>,
}

impl Move<'_> {
    /// The selected paths by their places, a folder before its content. `None` for a folder that is not selected
    /// itself.
    fn moves(&self, selected: Vec<Selected>) -> BTreeMap<PathBuf, Option<PathBuf>> {
        let mut moves = BTreeMap::new();
        for path in selected {
            let place = self.place(&path.to);
            for above in path.to.ancestors().skip(1).filter(|above| !above.as_os_str().is_empty()) {
                moves.entry(self.place(above)).or_insert(None);
            }
            let is_left = self.archive.left_to_others.contains(&place) && self.exists(&place);
            if !is_left {
                moves.insert(place, Some(path.from));
            }
        }
        moves
    }

    /// The absolute path on the node.
    fn place(&self, to: &Path) -> PathBuf {
        if to.as_os_str().is_empty() { self.action.file.clone() } else { self.action.file.join(to) }
    }

    fn exists(&self, place: &Path) -> bool {
        below(&self.ctx.root, place).symlink_metadata().is_ok()
    }

    /// Whether a folder is missing, or an earlier archive of the entry made it.
    fn makes_folder(&self, place: &Path) -> bool {
        let path = below(&self.ctx.root, place);
        // A link to a folder stays as it is.
        let is_link = path.is_symlink();
        !path.is_dir() || !is_link && self.earlier.get(place) == Some(&true)
    }

    fn metadata(&self, from: &Path) -> Result<std::fs::Metadata, Problem> {
        let path = self.staging.path().join(from);
        path.symlink_metadata().map_err(|error| unreadable(self.archive, &error))
    }

    /// The record of a path. `None` for a folder that was there before.
    fn listed(&self, place: &Path, from: Option<&Path>) -> Result<Option<ListedPath>, Problem> {
        let is_own = self.makes_folder(place);
        let Some(from) = from else {
            return Ok(is_own.then(|| ListedPath::folder(place.to_owned(), FOLDER_MODE, self.owner)));
        };
        let found = self.metadata(from)?;
        Ok((is_own || !found.is_dir()).then(|| ListedPath::new(place.to_owned(), &found)))
    }

    fn folder_itself(&self, folder: &Path) -> Result<ListedPath, Problem> {
        let found = folder.symlink_metadata().map_err(|error| unreadable(self.archive, &error))?;
        Ok(ListedPath::new(self.action.file.clone(), &found))
    }

    fn put(&self, place: &Path, from: Option<&Path>) -> Result<(), Problem> {
        let path = below(&self.ctx.root, place);
        let found = from.map(|from| self.metadata(from)).transpose()?;
        match (from, found) {
            (Some(from), Some(found)) if !found.is_dir() => self.put_file(place, &path, from),
            (_, found) if self.makes_folder(place) => {
                let mode = found.map_or(FOLDER_MODE, |found| found.permissions().mode() & 0o7777);
                Ok(fs::make_folder(&path, Some(mode), Some(self.owner))?)
            }
            _ => Ok(()),
        }
    }

    /// Moves a file or a link. If another entry sets only permissions and owner of the path, they stay.
    fn put_file(&self, place: &Path, path: &Path, from: &Path) -> Result<(), Problem> {
        let before =
            fs::look_at(path)?.filter(|_| self.archive.attributes_of_others.iter().any(|other| other == place));
        self.staging.move_to(from, path)?;
        if let Some(before) = before {
            fs::change_attributes(path, false, &|_, _| before.mode, Some(before.owner), true)?;
        }
        Ok(())
    }
}
