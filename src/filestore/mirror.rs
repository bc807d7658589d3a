//! The mirror: a local folder with copies of the requested files of a remote file store.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Component, Path, PathBuf},
    sync::{Arc, Mutex},
};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use tokio::runtime::Handle;

use super::{
    FileStoreAddress, FileStoreError, index::Index, remote_client::RemoteClient, remote_entry::RemoteEntry, transfer,
};
use crate::{cloud::Clouds, digest::Digest, fs};

/// Files that are fetched at the same time.
const CONCURRENCY: usize = 8;

/// A remote file store as a local folder.
pub struct Mirror {
    client: RemoteClient,
    folder: PathBuf,
    index: Mutex<Index>,
    /// Folders that were listed. Each folder is listed once a process.
    listed: Mutex<BTreeMap<String, Arc<Vec<RemoteEntry>>>>,
    /// Files that were fetched or do not exist. A process uses one version of each file.
    brought: Mutex<BTreeMap<String, bool>>,
    runtime: Handle,
    /// The temporary folder of the mirror, if the cache cannot be written.
    temporary: Option<tempfile::TempDir>,
}

impl fmt::Debug for Mirror {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mirror({})", self.client.address)
    }
}

impl Mirror {
    /// Opens the mirror of a file store below the agent's cache and lists its top folders. If the cache cannot be
    /// written, as on a laptop, the mirror is in a temporary folder.
    ///
    /// The methods block on the network. Call them in a blocking thread, not in a task of the async runtime.
    ///
    /// # Errors
    /// When the file store cannot be listed, or the mirror cannot be written.
    pub fn open(
        address: FileStoreAddress,
        clouds: Arc<Clouds>,
        runtime: Handle,
        cache: &Path,
    ) -> Result<Self, FileStoreError> {
        let host = clouds.environment.variable("DATABRICKS_HOST").unwrap_or_default();
        let name = Digest::sha256(format!("{address}\n{host}").as_bytes()).hex()[..16].to_owned();
        let wanted = cache.join("filestore").join(name);
        // Private, because other users of the node may not have access to the file store.
        let (folder, temporary) =
            match fs::create_dirs(&cache.join("filestore"), 0o700).and_then(|()| fs::create_dirs(&wanted, 0o755)) {
                Ok(()) if fs::is_writable(&wanted) => (wanted, None),
                _ => {
                    let made = tempfile::Builder::new().prefix("nodeagent-").tempdir();
                    let made = made.map_err(|source| fs::FsError::Io { path: wanted, verb: "created", source })?;
                    (made.path().join("filestore"), Some(made))
                }
            };
        let index = Index::read(&folder.with_extension("json"));
        let mirror = Self {
            client: RemoteClient { address, clouds },
            folder,
            index: Mutex::new(index),
            listed: Mutex::default(),
            brought: Mutex::default(),
            runtime,
            temporary,
        };
        mirror.create_trees()?;
        Ok(mirror)
    }

    /// The local folder of the mirror.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether the mirror is removed at the end of the process.
    pub fn is_temporary(&self) -> bool {
        self.temporary.is_some()
    }

    /// The address in the file store of a path in the mirror, or `None` for a path outside.
    pub fn shown(&self, path: &Path) -> Option<String> {
        let file = path.strip_prefix(&self.folder).ok()?.to_str()?;
        Some(if file.is_empty() { self.client.address.to_string() } else { self.client.address.shown(file) })
    }

    /// Whether the file store can list its folders. A web server cannot.
    pub fn lists(&self) -> bool {
        !matches!(self.client.address, FileStoreAddress::Web(_))
    }

    /// Fetches a file into the mirror, unless it is there with the same version. Returns whether the file exists. A
    /// path outside the mirror is checked on the node.
    ///
    /// # Errors
    /// When the file store does not answer or refuses the file. An older copy in the mirror is not used then.
    pub fn bring(&self, path: &Path) -> Result<bool, FileStoreError> {
        let Ok(file) = path.strip_prefix(&self.folder) else { return Ok(path.is_file()) };
        let file = self.name(file)?;
        self.runtime.block_on(self.bring_now(&file))
    }

    /// Fetches all files of a folder with this ending, and removes copies of files that no longer exist.
    ///
    /// # Errors
    /// As for [`Mirror::bring`].
    pub fn bring_all(&self, folder: &Path, ending: &str) -> Result<(), FileStoreError> {
        self.bring_files(folder, ending).map(drop)
    }

    /// Fetches all files below a folder, and removes copies of files and folders that no longer exist.
    ///
    /// # Errors
    /// As for [`Mirror::bring`].
    pub fn bring_tree(&self, folder: &Path) -> Result<(), FileStoreError> {
        let mut open = vec![folder.to_owned()];
        while let Some(folder) = open.pop() {
            let folders = self.bring_files(&folder, "")?;
            for copy in folders_of(&folder).into_iter().filter(|copy| !folders.contains(copy)) {
                fs::remove_tree(&copy)?;
            }
            open.extend(folders);
        }
        Ok(())
    }

    /// Fetches all files of a folder with this ending. Returns the folders in it.
    fn bring_files(&self, folder: &Path, ending: &str) -> Result<Vec<PathBuf>, FileStoreError> {
        let Ok(inner) = folder.strip_prefix(&self.folder) else { return Ok(Vec::new()) };
        if !self.lists() {
            // Nothing is known about the files of the folder, so copies stay.
            return Ok(Vec::new());
        }
        let inner = self.name(inner)?;
        self.runtime.block_on(async {
            let entries = self.list(&inner).await?.unwrap_or_default();
            let wanted = entries.iter().filter(|entry| !entry.is_folder && entry.name.ends_with(ending));
            let files: Vec<String> = wanted.map(|entry| format!("{inner}/{}", entry.name)).collect();
            for copy in files_of(folder, ending) {
                if !files.iter().any(|file| self.folder.join(file) == copy) {
                    fs::remove(&copy)?;
                }
            }
            stream::iter(&files)
                .map(|file| async { self.bring_now(file).await.map(drop) })
                .buffer_unordered(CONCURRENCY)
                .try_collect::<()>()
                .await?;
            Ok(entries.iter().filter(|entry| entry.is_folder).map(|entry| folder.join(&entry.name)).collect())
        })
    }

    /// Lists a folder to check the access to it. Some file stores report a folder as missing if the identity may not
    /// see it.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub fn probe(&self, folder: &Path) -> Result<(), FileStoreError> {
        let Ok(inner) = folder.strip_prefix(&self.folder) else { return Ok(()) };
        let inner = self.name(inner)?;
        self.runtime.block_on(self.client.list_shown(&inner)).map(drop)
    }

    /// Reads the first byte of a file to check the access to it. Does not list its folder, because that may be refused
    /// although the file can be read.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn probe_file(&self, file: &Path) -> Result<(), FileStoreError> {
        let Ok(inner) = file.strip_prefix(&self.folder) else { return Ok(()) };
        let name = self.name(inner)?;
        // The size is not known. Any other one makes this the request for a part.
        let entry = RemoteEntry { name: name.clone(), is_folder: false, size: Some(u64::MAX), version: None };
        match self.runtime.block_on(self.client.read(&name, &entry, 0, 1)) {
            // An empty file, or the whole file from an API without parts.
            Ok(_) | Err(FileStoreError::WrongSize { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Creates the top folders of the file store in the mirror, and removes those that no longer exist.
    fn create_trees(&self) -> Result<(), FileStoreError> {
        fs::create_dirs(&self.folder, 0o755)?;
        let Some(entries) = self.runtime.block_on(self.list(""))? else { return Ok(()) };
        let is_tree = |name: &str| entries.iter().any(|entry| entry.is_folder && entry.name == name);
        for found in std::fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let name = found.file_name();
            if name.to_str().is_none_or(|name| !is_tree(name) && name != PIECES) {
                fs::remove_tree(&found.path())?;
            }
        }
        for entry in entries.iter().filter(|entry| entry.is_folder && is_plain(&entry.name)) {
            fs::create_dirs(&self.folder.join(&entry.name), 0o755)?;
        }
        Ok(())
    }

    async fn bring_now(&self, file: &str) -> Result<bool, FileStoreError> {
        if let Some(&known) = self.brought.lock().expect("no thread panics while it holds the lock").get(file) {
            return Ok(known);
        }
        let is_there = self.refresh(file).await?;
        self.brought.lock().expect("no thread panics while it holds the lock").insert(file.to_owned(), is_there);
        Ok(is_there)
    }

    async fn refresh(&self, file: &str) -> Result<bool, FileStoreError> {
        let copy = self.folder.join(file);
        // A file that changed while it was read is read once more.
        for last in [false, true] {
            let Some(entry) = self.entry(file).await? else {
                self.index.lock().expect("no thread panics while it holds the lock").remove(file);
                if copy.is_file() {
                    fs::remove(&copy)?;
                }
                return Ok(false);
            };
            if self.index.lock().expect("no thread panics while it holds the lock").is_fresh(file, &entry, &copy) {
                return Ok(true);
            }
            match transfer::fetch(&self.client, file, &entry, &copy, &self.folder.join(PIECES)).await {
                Ok(digest) => {
                    let mut index = self.index.lock().expect("no thread panics while it holds the lock");
                    index.insert(file, &entry, &copy, &digest);
                    index.write(&self.folder.with_extension("json"))?;
                    return Ok(true);
                }
                Err(FileStoreError::Changed(_)) if !last => {
                    self.listed.lock().expect("no thread panics while it holds the lock").clear();
                }
                // The listing was older than the removal of the file.
                Err(error) if error.is_absent() && !last => {
                    self.listed.lock().expect("no thread panics while it holds the lock").clear();
                }
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    /// The present state of a file in the file store.
    async fn entry(&self, file: &str) -> Result<Option<RemoteEntry>, FileStoreError> {
        let (folder, name) = file.rsplit_once('/').unwrap_or(("", file));
        match self.list(folder).await? {
            Some(entries) => Ok(entries.iter().find(|entry| !entry.is_folder && entry.name == name).cloned()),
            None => self.client.look(file).await,
        }
    }

    async fn list(&self, folder: &str) -> Result<Option<Arc<Vec<RemoteEntry>>>, FileStoreError> {
        if let Some(known) = self.listed.lock().expect("no thread panics while it holds the lock").get(folder) {
            return Ok(Some(Arc::clone(known)));
        }
        let Some(entries) = self.client.list(folder).await?.map(Arc::new) else { return Ok(None) };
        self.listed
            .lock()
            .expect("no thread panics while it holds the lock")
            .insert(folder.to_owned(), Arc::clone(&entries));
        Ok(Some(entries))
    }

    /// The path in the file store. A path that leaves it is refused.
    fn name(&self, inner: &Path) -> Result<String, FileStoreError> {
        let outside = || FileStoreError::Outside(self.client.address.shown(&inner.to_string_lossy()));
        let mut parts = Vec::new();
        for part in inner.components() {
            match part {
                Component::CurDir => {}
                Component::ParentDir => drop(parts.pop().ok_or_else(outside)?),
                Component::Normal(name) => {
                    parts.push(name.to_str().filter(|name| is_plain(name)).ok_or_else(outside)?);
                }
                Component::RootDir | Component::Prefix(_) => return Err(outside()),
            }
        }
        Ok(parts.join("/"))
    }
}

/// The folder for pieces of incomplete files.
const PIECES: &str = ".pieces";

/// Whether a name in the file store is allowed as a file name in the mirror.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && name != "." && name != ".." && name != PIECES && !name.contains(['/', '\0'])
}

fn folders_of(folder: &Path) -> Vec<PathBuf> {
    let found = std::fs::read_dir(folder).into_iter().flatten().flatten();
    found.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path()).collect()
}

fn files_of(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let found = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    found.filter(|path| path.is_file() && path.to_str().is_some_and(|path| path.ends_with(ending))).collect()
}
