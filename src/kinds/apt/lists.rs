//! The package lists that apt commands use: the node's, or separate ones in the agent's cache.
//!
//! A step prepares with separate lists if the node's lists cannot resolve its request. So a request that no source can
//! satisfy refuses the run, and the node's lists are unchanged.

use std::{
    ffi::OsString,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use super::{dpkg_locks, source_files::key_file, source_keys};
use crate::{
    exec::Cmd,
    fs::{self, Attributes, FsError},
    kinds::apt::AptSources,
    problem::Problem,
    steps::Context,
};

/// The lists of the node.
const ON_NODE: &str = "/var/lib/apt/lists";

/// Package lists, with the options that make apt use them.
#[derive(Debug, Clone)]
pub(super) struct PackageLists {
    /// apt's cache folder for these lists.
    pub(super) folder: PathBuf,
    /// Options of apt: `Dir::State::lists=…`.
    options: Vec<String>,
}

impl PackageLists {
    /// The node's lists.
    pub(super) fn of_node(ctx: &Context) -> Self {
        Self { folder: ctx.cache.join("apt"), options: Vec::new() }
    }

    /// Separate lists in `folder`, for the node's sources and the added ones. [`Self::set_up`] prepares the folder.
    pub(super) fn separate(folder: PathBuf, added: Option<&AptSources>) -> Self {
        let mut lists = Self { folder, options: Vec::new() };
        lists.set("Dir::State::lists", &format!("{}/", lists.lists().display()));
        if added.is_some() {
            lists.set("Dir::Etc::sourceparts", &format!("{}/", lists.sources().display()));
        }
        lists
    }

    /// Prepares the folder of separate lists, for the node's sources and the added ones. Nothing is fetched yet.
    pub(super) fn set_up(&self, ctx: &Context, added: Option<&AptSources>) -> Result<(), Problem> {
        fs::create_dirs(&self.lists().join("partial"), 0o755)?;
        // apt's configuration may name another folder of sources. Without added sources, apt reads it itself.
        let Some(added) = added else { return Ok(()) };
        copy_files(&ctx.on_node("/etc/apt/sources.list.d"), &self.sources())?;
        let keys = source_keys::read(added)?;
        for (source, key) in added.sources.iter().zip(&keys) {
            // The key is not on the node yet, and nothing may be changed there.
            let own = self.folder.join("keys").join(key_file(&source.name).file_name().unwrap_or_default());
            fs::replace(&own, key.packets(), Attributes::mode(0o644))?;
            let stanza = source.stanza_with(&own);
            let path = self.sources().join(format!("{}.sources", source.name));
            fs::replace(&path, stanza.as_bytes(), Attributes::mode(0o644))?;
        }
        Ok(())
    }

    /// Adds an option.
    pub(super) fn set(&mut self, option: &str, value: &str) {
        self.options.push(format!("{option}={value}"));
    }

    /// The command, changed to use these lists.
    pub(super) fn isolated(&self, mut cmd: Cmd) -> Cmd {
        let options = self.options.iter().flat_map(|option| ["-o".to_owned(), option.clone()]);
        cmd.args.splice(0..0, options);
        cmd
    }

    /// The folder of the lists.
    pub(super) fn path(&self, ctx: &Context) -> PathBuf {
        if self.is_of_node() { ctx.on_node(ON_NODE) } else { self.lists() }
    }

    /// Whether these are the node's lists.
    pub(super) fn is_of_node(&self) -> bool {
        self.options.is_empty()
    }

    fn lists(&self) -> PathBuf {
        self.folder.join("lists")
    }

    fn sources(&self) -> PathBuf {
        self.folder.join("sources")
    }

    /// Starts from copies of the node's lists, so that an update fetches only what has changed since.
    pub(super) fn seed(&self, ctx: &Context) -> Result<(), Problem> {
        for (name, from) in files_in(&ctx.on_node(ON_NODE)) {
            link_or_copy(&from, &self.lists().join(name))?;
        }
        Ok(())
    }

    /// Makes these lists the node's lists, as `apt-get update` would. Lists of other sources stay.
    pub(super) async fn publish(&self, ctx: &Context) -> Result<(), Problem> {
        if self.is_of_node() {
            return Ok(());
        }
        let on_node = ctx.on_node(ON_NODE);
        fs::create_dirs(&on_node, 0o755)?;
        let _lock = dpkg_locks::hold(ctx, dpkg_locks::LISTS[0]).await?;
        for (name, from) in files_in(&self.lists()) {
            // The user `_apt` may write in `partial`, so the new file is in root's folder.
            let new = on_node.join(format!(".{}.nodeagent", name.to_string_lossy()));
            link_or_copy(&from, &new)?;
            fs::rename(&new, &on_node.join(&name))?;
            // Renaming one link of a file to another does nothing.
            fs::remove(&new)?;
        }
        Ok(())
    }
}

/// The regular files of a folder, except its lock.
fn files_in(folder: &Path) -> impl Iterator<Item = (OsString, PathBuf)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let files =
        entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()) && entry.file_name() != "lock");
    files.map(|entry| (entry.file_name(), entry.path()))
}

/// Links a file, or copies it to another file system. The time stays, because apt asks servers for newer lists only.
fn link_or_copy(from: &Path, to: &Path) -> Result<(), FsError> {
    fs::hard_link(from, to).or_else(|_| fs::copy_with_time(from, to, Attributes::mode(0o644)))
}

/// Makes `to` a copy of the files in `from`, with their permissions.
pub(super) fn copy_files(from: &Path, to: &Path) -> Result<(), Problem> {
    fs::remove_tree(to)?;
    fs::create_dirs(to, 0o755)?;
    for entry in std::fs::read_dir(from).into_iter().flatten().filter_map(Result::ok) {
        // apt follows links, too. A file with a login is readable by root only, and so is its copy.
        let Ok(found) = std::fs::metadata(entry.path()) else { continue };
        if let (true, Ok(bytes)) = (found.is_file(), std::fs::read(entry.path())) {
            fs::replace(&to.join(entry.file_name()), &bytes, Attributes::mode(found.mode() & 0o777))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn linked_and_copied_lists_keep_their_time() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let (from, to) = (temp.path().join("from"), temp.path().join("to"));
        fs::replace(&from, b"Package: jq", Attributes::mode(0o644)).expect("written");
        let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let set =
            std::fs::File::open(&from).and_then(|file| file.set_times(std::fs::FileTimes::new().set_modified(old)));
        set.expect("its time is set");
        let modified = || std::fs::metadata(&to).and_then(|found| found.modified()).expect("it is there");
        link_or_copy(&from, &to).expect("linked");
        assert_eq!(modified(), old);
        fs::remove(&to).expect("removed");
        fs::copy_with_time(&from, &to, Attributes::mode(0o644)).expect("copied");
        assert_eq!(modified(), old);
    }
}
