//! The state of a service on the node, read from files. No program is started.

use std::{
    collections::BTreeMap,
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::{
    checked::{Service, Watched},
    files, init_script_look,
    state::{Definition, InitSystem, changed},
    systemd_look,
};
use crate::{
    digest::Digest,
    fs::{self, FsError, Snapshot},
    inventory::below,
    state::ServiceReceipt,
};

/// The beginning of a file's name among the triggers of a restart.
pub(super) const FILE_TRIGGER: &str = "file ";
/// Larger files are compared by their inode and times instead of their content.
const LARGEST_DIGESTED: u64 = 16 << 20;

/// The state of a file that may cause a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileState {
    /// The digest of the content, or the stamp of a large file.
    pub fingerprint: String,
    /// Changes with every change of the file.
    pub stamp: String,
    /// The time of the last change.
    pub changed: SystemTime,
}

/// The state of a service.
#[derive(Debug, Default)]
pub(super) struct ServiceLook {
    /// Its unit or script.
    pub definition: Definition,
    /// The file with its definition that nodeagent writes.
    pub written: Option<Snapshot>,
    /// The file with its secrets.
    pub secrets: Option<Snapshot>,
    /// Files that nodeagent wrote for it earlier, and that its entry no longer needs.
    pub stale: Vec<PathBuf>,
    /// The files that may cause a restart: the program, and files that arguments or `restart-on` name.
    pub files: BTreeMap<PathBuf, FileState>,
    /// The files that match each element of `restart-on`.
    pub matches: BTreeMap<String, Vec<PathBuf>>,
    /// The package of a unit that nodeagent did not write, and the time of its last change.
    pub package: Option<(String, SystemTime)>,
}

impl ServiceLook {
    /// Reads the state of a service.
    ///
    /// # Errors
    /// If a file that nodeagent writes cannot be read.
    pub(super) fn read(
        root: &Path,
        init: InitSystem,
        name: &str,
        service: &Service,
        record: Option<&ServiceReceipt>,
    ) -> Result<Self, FsError> {
        let definition = match init {
            InitSystem::Systemd => systemd_look::read(root, name),
            InitSystem::Scripts => init_script_look::read(root, name),
        };
        let on_node = |path: &Path| fs::read(&below(root, path));
        let definition_file = files::definition(init, name, service).map(|file| file.path);
        let secret_file = files::secret_file(name, service);
        let written = definition_file.as_deref().map(on_node).transpose()?.flatten();
        let secrets = secret_file.as_deref().map(on_node).transpose()?.flatten();
        let recorded = record.into_iter().flat_map(|record| record.files.keys());
        let stale = recorded.filter(|path| {
            ![&definition_file, &secret_file].contains(&&Some((*path).clone()))
                && below(root, path).symlink_metadata().is_ok()
        });
        let stale = stale.cloned().collect();
        let mut look = Self { definition, written, secrets, stale, ..Self::default() };
        let known = |path: &Path| Some((record?.stamps.get(path)?, record?.triggers.get(&file_trigger(path))?));
        let mut add = |path: PathBuf| {
            if let Some(state) = file_state(&below(root, &path), known(&path)) {
                look.files.insert(path, state);
            }
        };
        service.program().map(PathBuf::from).into_iter().chain(service.named_paths()).for_each(&mut add);
        let mut matches = BTreeMap::new();
        for watched in &service.restart_on {
            let Watched::Files(pattern) = watched else { continue };
            let paths = matching(root, pattern);
            paths.iter().cloned().for_each(&mut add);
            matches.insert(pattern.clone(), paths);
        }
        look.matches = matches;
        if let (None, Some(unit)) = (&service.command, &look.definition.foreign) {
            look.package = package_of(root, name, unit, record.and_then(|record| record.package.as_deref()));
        }
        Ok(look)
    }
}

/// The name of a file among the triggers of a restart.
pub(super) fn file_trigger(path: &Path) -> String {
    format!("{FILE_TRIGGER}{}", path.display())
}

/// The state of a regular file. `known` is an earlier stamp with its fingerprint.
fn file_state(path: &Path, known: Option<(&String, &String)>) -> Option<FileState> {
    let found = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
    // Everyone can read the receipt. Another file may contain a secret, so neither its digest nor its size is kept.
    let is_public = found.mode() & 0o004 != 0;
    let size = if is_public { found.size() } else { 0 };
    let stamp = format!("{}:{size}:{}.{:09}", found.ino(), found.ctime(), found.ctime_nsec());
    let fingerprint = match known {
        _ if !is_public || found.size() > LARGEST_DIGESTED => format!("stamp:{stamp}"),
        Some((earlier, fingerprint)) if *earlier == stamp => fingerprint.clone(),
        _ => Digest::sha256_of_file(path).ok()?.to_string(),
    };
    Some(FileState { fingerprint, changed: changed(&found), stamp })
}

/// The files of the node that match a glob, in order, as paths of the node.
fn matching(root: &Path, pattern: &str) -> Vec<PathBuf> {
    let root = root.display().to_string();
    let root = root.trim_end_matches('/');
    let Ok(found) = glob::glob(&format!("{}{pattern}", glob::Pattern::escape(root))) else { return Vec::new() };
    let on_node = |path: PathBuf| path.strip_prefix(root).map_or(path.clone(), |below| Path::new("/").join(below));
    found.filter_map(Result::ok).filter(|path| path.is_file()).map(on_node).collect()
}

/// The package that contains a file, by dpkg's lists. `known` is the package of an earlier run. The package of the
/// same name is tried before all others, because a node has hundreds of lists.
fn package_of(root: &Path, service: &str, file: &Path, known: Option<&str>) -> Option<(String, SystemTime)> {
    let lists = root.join("var/lib/dpkg/info");
    // On merged systems, a package may have the file at the old path.
    let paths = [file.display().to_string(), file.display().to_string().replacen("/usr/lib/", "/lib/", 1)];
    let owns = |list: &Path| -> io::Result<Option<(String, SystemTime)>> {
        let text = std::fs::read(list)?;
        let is_there = paths.iter().any(|path| {
            let line = format!("\n{path}\n");
            memchr::memmem::find(&text, line.as_bytes()).is_some()
        });
        let name = list.file_stem().unwrap_or_default().to_string_lossy();
        let name = name.split(':').next().unwrap_or_default().to_owned();
        Ok(is_there.then_some((name, changed(&std::fs::metadata(list)?))))
    };
    let near = known.into_iter().chain([service]).map(|name| lists.join(format!("{name}.list")));
    let entries = || std::fs::read_dir(&lists).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let all = std::iter::once_with(entries).flatten().filter(|path| path.extension().is_some_and(|end| end == "list"));
    near.chain(all).find_map(|list| owns(&list).ok().flatten())
}
