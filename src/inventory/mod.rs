//! What a profile speaks of, as the node has it now: the look before the plan. Reads; never changes, never starts a
//! program, never asks the network.

mod secrets;

use std::{
    borrow::Cow,
    collections::BTreeMap,
    io,
    panic::resume_unwind,
    path::{Path, PathBuf},
    thread::{self, ScopedJoinHandle},
};

pub use self::secrets::Vault;
use crate::{
    digest::Digest,
    facts::{Dpkg, PythonEnv, RFacts, python::PythonError, users::Users},
    fs::{self, FsError, Snapshot},
    profile::{
        Asset, AssetRef, Assets, DEFAULT_PYTHON, DEFAULT_R_LIBRARY, FileStore, MissingAsset, NamedAsset, Profile,
    },
    state::{Receipt, shipped_dpkg},
};

/// The node, as far as a profile speaks of it.
#[derive(Debug)]
pub struct Inventory {
    /// The root of the node's file system.
    pub root: PathBuf,
    /// Debian packages.
    pub dpkg: Dpkg,
    /// Users and groups.
    pub users: Users,
    /// The Python environment, when the profile asks for anything in it.
    pub python: Option<Result<PythonEnv, PythonError>>,
    /// The minor version of glibc 2, when a wheel's fit may depend on it.
    pub glibc: Option<u32>,
    /// R, when the profile asks for R packages and there is one.
    pub r: Option<RFacts>,
    /// Files that the profile writes.
    files: BTreeMap<PathBuf, Result<Option<Snapshot>, FsError>>,
    /// Files of the file store that the profile names.
    assets: BTreeMap<AssetRef, FoundAsset>,
    /// Files of the file store that are not there.
    pub missing: Vec<(MissingAsset, bool)>,
    /// What earlier runs left.
    pub receipt: Receipt,
    /// The secrets, fetched.
    pub vault: Vault,
}

/// A file of the file store.
#[derive(Debug)]
pub struct FoundAsset {
    /// Where it is.
    pub asset: Asset,
    /// Its content, for the kinds that are read to plan.
    pub bytes: Option<Cow<'static, [u8]>>,
    /// The digest it must have where it is used.
    pub digest: Option<Digest>,
}

impl Inventory {
    /// Looks at the node below a root. The secrets were fetched before.
    pub fn take(profile: &Profile, store: &FileStore, root: &Path, vault: Vault) -> io::Result<Self> {
        let wants_python =
            !(profile.pip.packages.is_empty() && profile.pip.requirements.is_empty() && profile.wheels.is_empty());
        let wants_r = !(profile.r.packages.is_empty() && profile.r.sources.is_empty());
        let interpreter = profile.pip.python.as_ref().map_or(Path::new(DEFAULT_PYTHON), |python| &python.value);
        let library = profile.r.library.as_ref().map_or(Path::new(DEFAULT_R_LIBRARY), |library| &library.value);
        // Hundreds of small files: each part of the look has a thread of its own.
        let (dpkg, python, r) = thread::scope(|scope| {
            let python = scope.spawn(|| wants_python.then(|| PythonEnv::read(&below(root, interpreter))));
            let r = scope.spawn(|| if wants_r { RFacts::read(root, &below(root, library)) } else { None });
            (Dpkg::read(root), joined(python), joined(r))
        });
        let dpkg = dpkg?;
        let glibc = if profile.wheels.is_empty() { None } else { glibc_of(&dpkg).or_else(|| glibc(root)) };
        let mut inventory = Self {
            root: root.to_owned(),
            dpkg,
            users: Users::read(root),
            python,
            glibc,
            r,
            files: BTreeMap::new(),
            assets: BTreeMap::new(),
            missing: Vec::new(),
            receipt: Receipt::read(root),
            vault,
        };
        inventory.find_assets(profile, store);
        inventory.read_files(profile);
        Ok(inventory)
    }

    /// Forgets what runs and people added to packages, as far as it is known what the runtime shipped: a lock is made for
    /// a node that is fresh.
    pub fn as_shipped(&mut self) {
        if let Ok(bytes) = std::fs::read(shipped_dpkg(&self.root)) {
            self.dpkg = Dpkg::parse(&bytes);
        }
        if let Some(Ok(env)) = &mut self.python {
            let known = self.receipt.python.get(&env.site_packages.display().to_string());
            if let Some(known) = known.filter(|known| !known.shipped.is_empty()) {
                env.distributions.retain(|name, found| known.shipped.get(name) == Some(&found.version));
            }
        }
        if let Some(r) = &mut self.r {
            for (library, shipped) in &self.receipt.r {
                r.packages.retain(|name, found| {
                    found.library != Path::new(library) || shipped.get(name) == Some(&found.version)
                });
            }
        }
    }

    /// A file of the file store; `None` when it is among the missing.
    pub fn asset(&self, wanted: &AssetRef) -> Option<&FoundAsset> {
        self.assets.get(wanted)
    }

    /// A file the profile writes, as it is now.
    pub fn file(&self, path: &Path) -> Result<Option<&Snapshot>, &FsError> {
        match self.files.get(path) {
            Some(Ok(found)) => Ok(found.as_ref()),
            Some(Err(error)) => Err(error),
            None => Ok(None),
        }
    }

    fn find_assets(&mut self, profile: &Profile, store: &FileStore) {
        let assets = Assets { store, unit: profile.business_unit.as_deref() };
        for NamedAsset { file, origin, optional, read_to_plan, has_fingerprint } in profile.assets() {
            let found = assets.find(file, origin).and_then(|asset| {
                if !read_to_plan {
                    let digest = assets.digest(file, &asset, origin)?;
                    return Ok(FoundAsset { asset, bytes: None, digest });
                }
                let bytes = if has_fingerprint {
                    assets.read_unchecked(file, &asset, origin)?
                } else {
                    assets.read(file, &asset, origin)?
                };
                // What was judged here is what may be used later, also where it is read again from its copy.
                let digest = file.sha256.clone().or_else(|| store.trusted().is_on().then(|| Digest::sha256(&bytes)));
                Ok(FoundAsset { asset, bytes: Some(bytes), digest })
            });
            match found {
                Ok(found) => drop(self.assets.insert(file.clone(), found)),
                Err(missing) => {
                    let may_be_missing = optional && !missing.untrusted;
                    self.missing.push((missing, may_be_missing));
                }
            }
        }
    }

    fn read_files(&mut self, profile: &Profile) {
        let shell = &profile.shell;
        let mut paths: Vec<PathBuf> = Vec::new();
        for user in shell_users(profile) {
            if let Some(user) = self.users.user(user) {
                paths.extend([".bashrc", ".vimrc"].map(|name| user.home.join(name)));
            }
        }
        paths.extend(shell.profile_d.keys().map(|name| profile_d(name)));
        paths.push(variables_file());
        for source in &profile.apt.sources {
            paths.extend([
                apt_source_file(&source.value.name),
                apt_key_file(&source.value.name, "asc"),
                apt_key_file(&source.value.name, "gpg"),
            ]);
        }
        for path in paths {
            let found = fs::read(&below(&self.root, &path));
            self.files.insert(path, found);
        }
    }
}

/// The users who get shell configuration.
pub fn shell_users(profile: &Profile) -> Vec<&str> {
    match &profile.shell.users {
        Some(users) => users.value.iter().map(String::as_str).collect(),
        None => vec!["root"],
    }
}

/// The file of `/etc/profile.d` for a name.
pub fn profile_d(name: &str) -> PathBuf {
    Path::new("/etc/profile.d").join(format!("{name}.sh"))
}

/// The file that exports a profile's variables.
pub fn variables_file() -> PathBuf {
    profile_d("nodeagent-variables")
}

/// The file of an apt source.
pub fn apt_source_file(name: &str) -> PathBuf {
    Path::new("/etc/apt/sources.list.d").join(format!("{name}.sources"))
}

/// The key file of an apt source; armoured keys end in `asc`, others in `gpg`.
pub fn apt_key_file(name: &str, ending: &str) -> PathBuf {
    Path::new("/etc/apt/keyrings").join(format!("{name}.{ending}"))
}

/// An absolute path of the node, below a root.
pub fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// What a thread found; its panic is ours.
fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}

/// The minor version of glibc 2, by the version of Debian's package, such as `2.36-9+deb12u10`.
fn glibc_of(dpkg: &Dpkg) -> Option<u32> {
    let version = dpkg.installed_version("libc6")?;
    let minor = version.strip_prefix("2.")?;
    minor[..minor.find(|c: char| !c.is_ascii_digit()).unwrap_or(minor.len())].parse().ok()
}

/// The minor version of glibc 2, read from the library's own banner.
fn glibc(root: &Path) -> Option<u32> {
    let places = [
        "lib/x86_64-linux-gnu",
        "lib/aarch64-linux-gnu",
        "usr/lib/x86_64-linux-gnu",
        "usr/lib/aarch64-linux-gnu",
        "lib64",
    ];
    let bytes = places.iter().find_map(|place| std::fs::read(root.join(place).join("libc.so.6")).ok())?;
    let banner = b"release version 2.";
    let start = memchr::memmem::find(&bytes, banner)? + banner.len();
    let digits: String =
        bytes[start..].iter().take_while(|byte| byte.is_ascii_digit()).map(|&byte| char::from(byte)).collect();
    digits.parse().ok()
}
