//! The resources that every command can use: console, node file, stores, clouds. Each is opened at its first use.

use std::{
    cell::OnceCell,
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use nix::unistd::Uid;
use tokio::runtime::Runtime;

use super::{
    activity::Activity,
    error::{CommandError, failed},
    node_file::{self, AccessFile, NodeFile},
    trust,
};
use crate::{
    auth::{Access, AuditLog},
    cloud::{ClientEnvironment, Clouds},
    diagnostic::Diagnostic,
    filestore::{FileStoreAddress, Mirror},
    fs::FsError,
    profile::FileStore,
    report::{Console, RunFolder, RunFolders},
    run::{self, RemoteFolder},
    store::{StoreLocations, StoreUrl},
    trust::{PublicKey, Trusted},
};

/// The file store when nothing names another.
const DEFAULT_FILESTORE: &str = "/dbfs/FileStore";
/// The time in which a mounted file store must answer.
const FILE_STORE_TIMEOUT: Duration = Duration::from_secs(30);

/// The resources of a command.
pub(super) struct Env {
    pub(super) console: Console,
    /// The root of the node's file system.
    pub(super) root: PathBuf,
    filestore: Option<PathBuf>,
    trusted_keys: Vec<PublicKey>,
    node_file: OnceCell<NodeFile>,
    trusted: OnceCell<Arc<Trusted>>,
    shared_store: Option<String>,
    runtime: OnceCell<Runtime>,
    clouds: OnceCell<Arc<Clouds>>,
    opened_filestore: OnceCell<FileStore>,
    pub(super) activity: Activity,
}

/// The options of all commands that name a resource.
pub(super) struct EnvOptions {
    pub(super) root: PathBuf,
    pub(super) filestore: Option<PathBuf>,
    pub(super) trusted_keys: Vec<PublicKey>,
    pub(super) shared_store: Option<String>,
    pub(super) activity: Activity,
}

impl Env {
    pub(super) fn new(console: Console, options: EnvOptions) -> Self {
        let EnvOptions { root, filestore, trusted_keys, shared_store, activity } = options;
        Self {
            console,
            root,
            filestore,
            trusted_keys,
            node_file: OnceCell::new(),
            trusted: OnceCell::new(),
            shared_store,
            runtime: OnceCell::new(),
            clouds: OnceCell::new(),
            opened_filestore: OnceCell::new(),
            activity,
        }
    }

    /// Runs a future to its end in this thread. The first call starts the tokio runtime.
    pub(super) fn block_on<T>(&self, work: impl Future<Output = T>) -> Result<T, CommandError> {
        if self.runtime.get().is_none() {
            let built = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
            let built = built.map_err(|error| failed(format!("the tokio runtime could not be started: {error}")))?;
            let _ = self.runtime.set(built);
        }
        Ok(self.runtime.get().expect("it was set").block_on(work))
    }

    /// The clients of the clouds, configured by the environment of the process. This sends no request.
    pub(super) fn clouds(&self) -> &Arc<Clouds> {
        self.clouds.get_or_init(|| {
            let environment = ClientEnvironment { variables: variables(), home: std::env::home_dir() };
            Arc::new(Clouds::new(Arc::default(), environment))
        })
    }

    /// The settings of `/etc/nodeagent.toml`, read once.
    pub(super) fn node_file(&self) -> Result<&NodeFile, CommandError> {
        if self.node_file.get().is_none() {
            let node_file = node_file::read(&self.root)?;
            run::pass_environment(&node_file.pass_environment);
            let _ = self.node_file.set(node_file);
        }
        Ok(self.node_file.get().expect("it was set"))
    }

    /// The trusted keys of the options and of the node file.
    pub(super) fn trusted(&self) -> Result<&Arc<Trusted>, CommandError> {
        if self.trusted.get().is_none() {
            let trusted = trust::trusted(&self.trusted_keys, self.node_file()?, &self.root)?;
            let _ = self.trusted.set(Arc::new(trusted));
        }
        Ok(self.trusted.get().expect("it was set"))
    }

    /// The file store: from the option, else the node file, else `NODEAGENT_FILESTORE`, else [`DEFAULT_FILESTORE`]. The
    /// node file goes before the variable: root writes the file, but every user who configures a cluster can set
    /// variables.
    pub(super) fn filestore(&self) -> Result<FileStore, CommandError> {
        if let Some(store) = self.opened_filestore.get() {
            return Ok(store.clone());
        }
        let named = match &self.filestore {
            Some(root) => Some(root.clone()),
            None => self.node_file()?.filestore.clone().or_else(filestore_variable),
        };
        let store = self.open_filestore(named.as_deref())?.trusting(Arc::clone(self.trusted()?));
        Ok(self.opened_filestore.get_or_init(|| store).clone())
    }

    /// The file store that the options name, which may not exist on this machine.
    pub(super) fn named_filestore(&self) -> Option<&Path> {
        self.filestore.as_deref()
    }

    /// The trusted keys that the options name.
    pub(super) fn named_keys(&self) -> &[PublicKey] {
        &self.trusted_keys
    }

    /// Uses this file store instead. It must not be open yet.
    pub(super) fn use_filestore(&self, store: FileStore) {
        let _ = self.opened_filestore.set(store);
    }

    /// The store that the options name for downloads and builds.
    pub(super) fn shared_store(&self) -> Option<&str> {
        self.shared_store.as_deref()
    }

    fn open_filestore(&self, named: Option<&Path>) -> Result<FileStore, CommandError> {
        let root = named.unwrap_or(Path::new(DEFAULT_FILESTORE));
        self.activity.reads(root);
        let address = FileStoreAddress::parse(&root.to_string_lossy())
            .map_err(|error| Diagnostic::nowhere(error.to_string()).hint(error.hint))?;
        let Some(address) = address else {
            self.check_responsive(root)?;
            // A missing file store must not disable access control: its access file would be missing, too.
            if named.is_some() && !root.is_dir() {
                let missing = Diagnostic::nowhere(format!("the file store `{}` is missing", root.display()));
                return Err(missing.hint("check the path, and that it is mounted on this node").into());
            }
            return Ok(FileStore::local(root));
        };
        if let Some(folder) = address.mounted() {
            self.check_responsive(&folder)?;
            if folder.is_dir() {
                return Ok(FileStore::local(folder));
            }
        }
        self.remote_filestore(address)
    }

    /// Checks that a folder of the node answers, before this process touches it.
    fn check_responsive(&self, folder: &Path) -> Result<(), CommandError> {
        let Some(remote) = RemoteFolder::of(&self.root, folder) else { return Ok(()) };
        remote
            .check(FILE_STORE_TIMEOUT)
            .map_err(|error| Diagnostic::nowhere(format!("the file store {error}")).hint(error.hint()).into())
    }

    /// A file store that is reached over the network. An error of the connection is returned before any look-up.
    fn remote_filestore(&self, address: FileStoreAddress) -> Result<FileStore, CommandError> {
        let runtime = self.block_on(async { tokio::runtime::Handle::current() })?;
        let opened = Mirror::open(address, Arc::clone(self.clouds()), runtime, &crate::run::cache(&self.root));
        opened
            .and_then(FileStore::remote)
            .map_err(|error| Diagnostic::nowhere(error.to_string()).maybe_hint(error.hint()).into())
    }

    /// The artefact stores: the local one, and the shared one of the option, else of the node file, else of
    /// `NODEAGENT_STORE`.
    pub(super) fn store_locations(&self) -> Result<StoreLocations, CommandError> {
        let node = self.node_file()?;
        let usual = StoreLocations::below(&crate::run::cache(&self.root));
        let variable = || std::env::var("NODEAGENT_STORE").ok();
        let shared = self.shared_store.clone().or_else(|| node.store.clone()).or_else(variable);
        let shared = shared.filter(|text| !text.is_empty()).map(|text| text.parse::<StoreUrl>()).transpose();
        let shared = shared.map_err(|error| Diagnostic::nowhere(error.to_string()).hint(error.hint()))?;
        Ok(StoreLocations { shared, limit: node.store_limit.as_ref().map_or(usual.limit, |limit| limit.0), ..usual })
    }

    /// Prints the warnings of the clouds and stops the tokio runtime. It does not wait for threads of the runtime,
    /// which may still resolve a name or download a file.
    pub(super) fn close(self) {
        for warning in self.clouds.get().map(|clouds| clouds.take_warnings()).unwrap_or_default() {
            self.console.stderr.print(&format!("warning: {warning}\n"));
        }
        if let Some(runtime) = self.runtime.into_inner() {
            runtime.shutdown_background();
        }
    }
}

/// Access control.
impl Env {
    /// The grants of the file store's access file. Without an access file everything is allowed, unless the node file
    /// requires one.
    pub(super) fn access(&self) -> Result<Access, CommandError> {
        match self.filestore()?.access()? {
            Some((label, bytes)) => self.parse_access(&label, &bytes),
            None => self.no_access_file(),
        }
    }

    /// Parses an access file and rejects one that is older than the latest that this node has used.
    pub(super) fn parse_access(&self, label: &str, bytes: &[u8]) -> Result<Access, CommandError> {
        let access = Access::parse(label, bytes).map_err(CommandError::Mistakes)?;
        self.trusted()?
            .check_serial("access", access.serial)
            .map_err(|why| Diagnostic::nowhere(format!("`{label}` is not trusted: {why}")).hint(why.hint(label)))?;
        Ok(access)
    }

    fn no_access_file(&self) -> Result<Access, CommandError> {
        let store = self.filestore()?;
        let label = store.access_label();
        if let Err(why) = self.trusted()?.check_absence("access") {
            return Err(Diagnostic::nowhere(format!("`{label}` is not trusted: {why}")).hint(why.hint(&label)).into());
        }
        if self.node_file()?.access == AccessFile::Required {
            let missing =
                Diagnostic::nowhere(format!("the access file `{label}` is missing, and this node requires one"));
            let hint = "restore the file, or check that `filestore` names the right file store and that it is readable; \
                        `access = \"required\"` in `/etc/nodeagent.toml` requires it";
            return Err(missing.hint(hint).into());
        }
        Ok(Access::default())
    }

    /// The audit log of a command outside a run. `None` if the user may not write it; root gets a warning.
    pub(super) fn audit(&self, command: &'static str) -> Option<AuditLog> {
        let opened = AuditLog::open(&RunFolders::of_node(&self.root).audit(), None, command);
        if let Err(error) = &opened
            && Uid::effective().is_root()
        {
            self.console.stderr.print(&format!("warning: the audit log could not be opened: {error}\n"));
        }
        opened.ok()
    }

    /// The audit log of a run, or the error of a log that cannot be opened. `no_folder` is the error of a folder that
    /// could not be created.
    ///
    /// # Errors
    /// If the node requires an access file and there is no log.
    pub(super) fn audit_of_run(
        &self,
        folder: Option<&RunFolder>,
        run: &str,
        no_folder: Option<&str>,
    ) -> Result<(Option<Mutex<AuditLog>>, Option<FsError>), CommandError> {
        let opened = folder.map(|folder| AuditLog::open(&folder.audit(), Some(run.to_owned()), "run")).transpose();
        let why = opened.as_ref().err().map(ToString::to_string).or_else(|| no_folder.map(str::to_owned));
        if let Some(why) = why
            && self.node_file()?.access == AccessFile::Required
        {
            let refusal = Diagnostic::nowhere(format!("the audit log cannot be written: {why}"));
            let hint = "make `/var/log/nodeagent` writable; `access = \"required\"` in `/etc/nodeagent.toml` requires the \
                        log";
            return Err(refusal.hint(hint).into());
        }
        Ok(match opened {
            Ok(log) => (log.map(Mutex::new), None),
            Err(error) => (None, Some(error)),
        })
    }

    /// The audit log, if its folder exists. For a command that changes nothing, not even by creating the folder.
    pub(super) fn audit_if_kept(&self, command: &'static str) -> Option<AuditLog> {
        RunFolders::of_node(&self.root).exist().then(|| self.audit(command))?
    }
}

/// The variables of the process. Variables that are not UTF-8 are left out: a profile cannot name them.
pub(super) fn variables() -> BTreeMap<String, String> {
    let text = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
    std::env::vars_os().filter_map(text).collect()
}

fn filestore_variable() -> Option<PathBuf> {
    std::env::var_os("NODEAGENT_FILESTORE").filter(|root| !root.is_empty()).map(PathBuf::from)
}
