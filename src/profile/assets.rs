//! Finds the files that a profile names: next to the profile, in the unit's tree, in Admin's tree, or in the binary.

use std::{
    borrow::Cow,
    io,
    path::{Path, PathBuf},
};

use url::Url;

use super::{
    AssetRef, Content, Entry, FileStore, builtin,
    glob_pattern::is_glob,
    missing_asset::{Reason, Search},
};
use crate::{
    diagnostic::Origin,
    digest::Digest,
    filestore::FileStoreError,
    fs,
    lock::{BucketFolders, bare},
    openpgp::MAX_KEY_FILE_BYTES,
    trust::{Distrust, Hashes},
};

/// Why a file on a server has no content before its step.
const NOT_FETCHED: &str = "it is on a server and was not fetched";

/// A file that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asset {
    /// In the file store.
    File {
        /// The absolute path on the node. A file of a remote store is in the mirror.
        path: PathBuf,
        /// The path for messages. For a remote store it is the remote address.
        shown: String,
    },
    /// In the binary.
    BuiltIn {
        /// Its name.
        name: &'static str,
        /// Its content.
        bytes: &'static [u8],
    },
    /// On a server. It is fetched when a step that uses it is prepared.
    Address(Vec<Url>),
    /// On the node, by the path below its root. Another step creates it, so it may not exist before its step acts.
    Created(PathBuf),
}

impl Asset {
    /// Its content.
    pub fn bytes(&self) -> io::Result<Cow<'static, [u8]>> {
        match self {
            Self::File { path, .. } | Self::Created(path) => std::fs::read(path).map(Cow::Owned),
            Self::BuiltIn { bytes, .. } => Ok(Cow::Borrowed(bytes)),
            Self::Address(_) => Err(io::Error::other(NOT_FETCHED)),
        }
    }

    /// The folder of the file. Relative names in the file start there.
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Self::File { path, .. } => path.parent(),
            Self::BuiltIn { .. } | Self::Address(_) | Self::Created(_) => None,
        }
    }

    /// The name for messages.
    pub fn label(&self) -> String {
        match self {
            Self::File { shown, .. } => shown.clone(),
            Self::BuiltIn { name, .. } => format!("built-in:{name}"),
            Self::Address(urls) => urls.first().map(|url| bare(url).to_string()).unwrap_or_default(),
            Self::Created(path) => path.display().to_string(),
        }
    }
}

/// A file that was not found, is damaged, is not text or is not trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct MissingAsset {
    /// The failure in one line.
    pub message: String,
    /// A hint for the user.
    pub hint: String,
    /// The profile line that names it.
    pub origin: Origin,
    /// The path as the profile writes it.
    pub path: PathBuf,
    /// Whether the file exists but is not trusted. Such a file fails the run, even if the entry is optional.
    pub untrusted: bool,
}

impl MissingAsset {
    /// The error of a file with another digest than the profile says. It fails the run, even if the entry is optional.
    fn changed(wanted: &AssetRef, asset: &Asset, origin: &Origin, found: &Digest) -> Self {
        Self {
            message: format!("`{}` does not have the digest that the profile says: it has {found}", asset.label()),
            hint:
                "the file was changed or damaged; restore it, or put the new digest into the profile after checking it"
                    .into(),
            origin: origin.clone(),
            path: PathBuf::from(&wanted.path),
            untrusted: true,
        }
    }

    /// The same with a hint, if it is a file of the node that does not exist: whether the run may create it.
    #[must_use]
    pub fn with_creation_hint(self, named: &NamedAsset<'_>, root: &Path, has_trusted_keys: bool) -> Self {
        let path = Path::new(&named.file.path);
        let Ok(below) = path.strip_prefix("/") else { return self };
        if root.join(below).exists() {
            return self;
        }
        let creation = match named.created_by {
            CreatedBy::Nothing => "this file must exist before the run",
            _ if has_trusted_keys => "with trusted keys, this file must exist before the run",
            _ if named.file.sha256.is_some() => "a file that the run creates cannot have `sha256`",
            CreatedBy::OtherEntries | CreatedBy::AnyStep => {
                "if a package brings the file, add `after`, such as `after = [\"apt\"]`"
            }
        };
        let hint = if self.hint.is_empty() { creation.to_owned() } else { format!("{creation}; {}", self.hint) };
        Self { hint, ..self }
    }

    /// The error of a file that must be text.
    pub fn not_text(wanted: &AssetRef, asset: &Asset, origin: &Origin) -> Self {
        Self {
            message: format!("`{}` is not UTF-8 text", asset.label()),
            hint: "save the file as UTF-8".into(),
            origin: origin.clone(),
            path: PathBuf::from(&wanted.path),
            untrusted: false,
        }
    }
}

/// A file of the file store, as a profile names it.
#[derive(Debug, Clone, Copy)]
pub struct NamedAsset<'a> {
    /// The file.
    pub file: &'a AssetRef,
    /// The profile line.
    pub origin: &'a Origin,
    /// Whether the run goes on without it.
    pub optional: bool,
    /// Whether its content is read to plan.
    pub read_to_plan: bool,
    /// The content that it must have. Only content that is read to plan is checked.
    pub content: RequiredContent,
    /// How the step authenticates the content if there is no digest.
    pub proof: AssetProof,
    /// Whether another step may create the file, if its path is absolute.
    pub created_by: CreatedBy,
}

/// The content that a file must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequiredContent {
    /// Any bytes.
    Any,
    /// UTF-8 text.
    Text,
}

/// The steps that may create a file with an absolute path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreatedBy {
    /// No step: it must exist before the run.
    Nothing,
    /// A step that creates the path or a folder above it.
    OtherEntries,
    /// Any step, because the entry has `after`.
    AnyStep,
}

impl CreatedBy {
    /// The steps that may create a file that an entry uses when its step acts.
    pub fn steps_before<T>(entry: &Entry<T>) -> Self {
        if entry.order.after.is_empty() { Self::OtherEntries } else { Self::AnyStep }
    }
}

/// How the content of a file is authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssetProof {
    /// By a digest, or by a signature of a trusted key.
    Digest,
    /// By the fingerprints of OpenPGP keys in the profile.
    Fingerprints,
    /// By the checksum that a Maven repository publishes.
    RepositoryChecksum,
}

impl<'a> NamedAsset<'a> {
    /// The largest size in bytes of a file on a server. `None` for files that may be large.
    pub fn limit(&self) -> Option<u64> {
        match self.proof {
            AssetProof::Fingerprints => Some(MAX_KEY_FILE_BYTES),
            AssetProof::Digest | AssetProof::RepositoryChecksum => None,
        }
    }

    /// Whether it is on a server and the profile has no digest and no signature for it. `only_digests`: whether the
    /// checksum of a repository does not count.
    pub fn lacks_digest(&self, only_digests: bool) -> bool {
        let is_checked = match self.proof {
            AssetProof::Digest => false,
            AssetProof::Fingerprints => true,
            AssetProof::RepositoryChecksum => !only_digests,
        };
        let AssetRef { urls, sha256, signed_by, .. } = self.file;
        !urls.is_empty() && !is_checked && sha256.is_none() && signed_by.is_none()
    }

    /// A file of an entry, used as it is.
    pub fn of(entry: &'a Entry<AssetRef>) -> Self {
        let (file, origin, optional) = (&entry.value, &entry.origin, entry.optional);
        Self {
            file,
            origin,
            optional,
            read_to_plan: false,
            content: RequiredContent::Any,
            proof: AssetProof::Digest,
            created_by: CreatedBy::Nothing,
        }
    }

    /// The file of a text, if the profile does not contain the text itself.
    pub fn of_content<T>(content: &'a Content, entry: &'a Entry<T>) -> Option<Self> {
        match content {
            Content::File(file) => Some(Self::text(file, &entry.origin, entry.optional)),
            Content::Inline(_) => None,
        }
    }

    /// A file whose content is read to plan.
    pub fn read_to_plan(file: &'a AssetRef, origin: &'a Origin, optional: bool) -> Self {
        Self {
            file,
            origin,
            optional,
            read_to_plan: true,
            content: RequiredContent::Any,
            proof: AssetProof::Digest,
            created_by: CreatedBy::Nothing,
        }
    }

    /// A text that is read to plan.
    pub fn text(file: &'a AssetRef, origin: &'a Origin, optional: bool) -> Self {
        Self { content: RequiredContent::Text, ..Self::read_to_plan(file, origin, optional) }
    }
}

/// The locations of a profile's files.
#[derive(Debug, Clone)]
pub struct Assets<'a> {
    /// The file store.
    pub store: &'a FileStore,
    /// The profile's unit.
    pub unit: Option<&'a str>,
    /// The files of folders in buckets. `None` if they do not matter.
    pub folders: Option<&'a BucketFolders>,
}

impl Assets<'_> {
    /// Finds a file. Does not check its digest.
    pub fn find(&self, wanted: &AssetRef, origin: &Origin) -> Result<Asset, MissingAsset> {
        if !wanted.urls.is_empty() {
            return Ok(Asset::Address(wanted.urls.clone()));
        }
        let unread = |error: FileStoreError| MissingAsset {
            message: format!("the file `{}` could not be looked for: {error}", wanted.path),
            hint: error.hint().unwrap_or_default(),
            origin: origin.clone(),
            path: PathBuf::from(&wanted.path),
            untrusted: false,
        };
        let places = if Path::new(&wanted.path).is_absolute() {
            vec![PathBuf::from("/")]
        } else {
            self.store.asset_places(wanted.beside.as_deref(), self.unit).map_err(unread)?
        };
        let mut found = None;
        for place in &places {
            let path = place.join(&wanted.path);
            if wanted.is_folder() || wanted.is_glob() {
                self.list(wanted, place).map_err(unread)?;
            }
            // The path of a folder names no file.
            if !wanted.is_folder() && self.store.bring(&path).map_err(unread)? {
                self.store.fetch_included(&path).map_err(unread)?;
                found = Some(path);
                break;
            }
        }
        if let Some(path) = found {
            let path = if path.is_absolute() { path } else { std::path::absolute(&path).unwrap_or(path) };
            return Ok(Asset::File { shown: self.store.shown(&path), path });
        }
        if let Some(file) = builtin::file(&wanted.path) {
            return Ok(Asset::BuiltIn { name: file.name, bytes: file.text.as_bytes() });
        }
        let search = Search { store: self.store, unit: self.unit, folders: &places };
        let Reason { message, hint } = search.reason(wanted);
        Err(MissingAsset { message, hint, origin: origin.clone(), path: PathBuf::from(&wanted.path), untrusted: false })
    }

    /// The files that a glob in the path matches, in the first place that has any. None if an earlier place cannot be
    /// listed: its files take precedence.
    pub fn matches(&self, wanted: &AssetRef) -> Vec<AssetRef> {
        let in_place = |place: &PathBuf| {
            self.list(wanted, place).ok()?;
            let pattern = Path::new(&glob::Pattern::escape(&place.display().to_string())).join(&wanted.path);
            let found = glob::glob(&pattern.display().to_string()).into_iter().flatten();
            let files = found.filter_map(Result::ok).filter(|path| path.is_file() && !is_signature(path));
            let named = files.map(|path| {
                let below = path.strip_prefix(place).map_or(path.clone(), Path::to_path_buf);
                let path = if wanted.path.starts_with('/') { path } else { below };
                AssetRef { path: path.display().to_string(), ..wanted.clone() }
            });
            Some(named.collect())
        };
        self.first(wanted, in_place)
    }

    /// The files below a folder, by their paths in it, in the first place that has any. None if an earlier place cannot
    /// be listed. Those of a folder in a bucket are the listed ones.
    pub fn below(&self, wanted: &AssetRef) -> Vec<(PathBuf, AssetRef)> {
        if wanted.is_bucket_folder() {
            let listed = self.folders.and_then(|folders| folders.get(&wanted.path)).into_iter().flatten();
            return listed.filter_map(|name| Some((PathBuf::from(name), wanted.object(name)?))).collect();
        }
        let in_place = |place: &PathBuf| {
            let folder = place.join(&wanted.path);
            self.list(wanted, place).ok()?;
            let files = fs::walk(&folder).filter_map(Result::ok);
            let files = files.filter(|entry| entry.path().is_file() && !is_signature(entry.path()));
            let named = files.filter_map(|entry| {
                let name = entry.path().strip_prefix(&folder).ok()?.to_owned();
                let path = Path::new(&wanted.path).join(&name).display().to_string();
                Some((name, AssetRef { path, ..wanted.clone() }))
            });
            Some(named.collect())
        };
        self.first(wanted, in_place)
    }

    /// Copies the files that a glob may match, or those below a folder, from a remote store to the node.
    fn list(&self, wanted: &AssetRef, place: &Path) -> Result<(), FileStoreError> {
        if wanted.is_folder() {
            return self.store.bring_tree(&place.join(&wanted.path));
        }
        let parts = Path::new(&wanted.path).iter();
        let fixed: PathBuf = parts.clone().take_while(|part| !is_glob(&part.to_string_lossy())).collect();
        let folder = place.join(&fixed);
        let is_flat = parts.count() == fixed.iter().count() + 1;
        if is_flat { self.store.bring_folder(&folder) } else { self.store.bring_tree(&folder) }
    }

    /// The files in the first place that has any, up to a place that cannot be listed. A web server lists nothing: its
    /// copies on the node are not all its files.
    fn first<T>(&self, wanted: &AssetRef, in_place: impl FnMut(&PathBuf) -> Option<Vec<T>>) -> Vec<T> {
        if !self.store.lists() && !Path::new(&wanted.path).is_absolute() {
            return Vec::new();
        }
        let found = self.folders(wanted).iter().map_while(in_place).find(|files| !files.is_empty());
        found.unwrap_or_default()
    }

    /// The folders in which a file is searched.
    fn folders(&self, wanted: &AssetRef) -> Vec<PathBuf> {
        if Path::new(&wanted.path).is_absolute() {
            vec![PathBuf::from("/")]
        } else {
            self.store.asset_places(wanted.beside.as_deref(), self.unit).unwrap_or_default()
        }
    }

    /// The digest that a file must have when it is used. Without a digest in the profile, trusted keys require that the
    /// file is signed or that a signed text contains its digest. The result is then the current digest.
    pub fn digest(&self, wanted: &AssetRef, asset: &Asset, origin: &Origin) -> Result<Option<Digest>, MissingAsset> {
        let (Asset::File { path, .. }, None, true) = (asset, &wanted.sha256, self.store.trusted().is_on()) else {
            return Ok(wanted.sha256.clone());
        };
        let hashes = std::fs::File::open(path)
            .and_then(Hashes::of)
            .map_err(|error| untrusted_asset(wanted, asset, origin, &Distrust::UnreadFile(error.to_string())))?;
        match self.store.verify_hashes(path, &hashes) {
            Ok(()) => Ok(Some(hashes.sha256)),
            Err(why) => Err(untrusted_asset(wanted, asset, origin, &why)),
        }
    }

    /// Reads a file without checking that it is trusted. The caller checks the content.
    pub fn read_unchecked(
        &self,
        wanted: &AssetRef,
        asset: &Asset,
        origin: &Origin,
    ) -> Result<Cow<'static, [u8]>, MissingAsset> {
        let bytes = match asset {
            Asset::File { path, .. } => self.store.read_bytes(path).map(Cow::Owned),
            Asset::BuiltIn { bytes, .. } => Ok(Cow::Borrowed(*bytes)),
            Asset::Address(_) => Err(io::Error::other(NOT_FETCHED)),
            Asset::Created(path) => std::fs::read(path).map(Cow::Owned),
        };
        bytes.map_err(|error| MissingAsset {
            message: format!("`{}` could not be read: {error}", asset.label()),
            hint: "check the file's permissions".into(),
            origin: origin.clone(),
            path: PathBuf::from(&wanted.path),
            untrusted: false,
        })
    }

    /// Reads a file once. Exactly these bytes are compared with the digest in the profile, or verified if trusted keys
    /// are set.
    pub fn read(&self, wanted: &AssetRef, asset: &Asset, origin: &Origin) -> Result<Cow<'static, [u8]>, MissingAsset> {
        let bytes = self.read_unchecked(wanted, asset, origin)?;
        let has_keys = self.store.trusted().is_on();
        let verified = match (&wanted.sha256, asset) {
            (Some(named), _) => match Digest::sha256(&bytes) {
                found if found == *named => Ok(()),
                found if has_keys => Err(Distrust::WrongDigest { found, named: named.clone() }),
                found => return Err(MissingAsset::changed(wanted, asset, origin, &found)),
            },
            (None, Asset::File { path, .. }) if has_keys => {
                self.store.verify_hashes(path, &Hashes::of(&*bytes).expect("memory"))
            }
            (None, _) => Ok(()),
        };
        verified.map(|()| bytes).map_err(|why| untrusted_asset(wanted, asset, origin, &why))
    }

    /// Finds a file and checks its digest, if the profile has one.
    pub fn verified(&self, wanted: &AssetRef, origin: &Origin) -> Result<Asset, MissingAsset> {
        let asset = self.find(wanted, origin)?;
        let Some(expected) = &wanted.sha256 else { return Ok(asset) };
        let wrong = |message: String, hint: &str| MissingAsset {
            message,
            hint: hint.into(),
            origin: origin.clone(),
            path: PathBuf::from(&wanted.path),
            untrusted: false,
        };
        let found = match &asset {
            Asset::File { path, .. } => Digest::sha256_of_file(path),
            Asset::BuiltIn { bytes, .. } => Ok(Digest::sha256(bytes)),
            Asset::Address(_) | Asset::Created(_) => return Ok(asset),
        };
        match found {
            Ok(found) if found == *expected => Ok(asset),
            Ok(found) => Err(wrong(
                format!("`{}` has {found}, the profile has {expected}", asset.label()),
                "the file was changed or damaged; restore it, or put the new digest into the profile after checking it",
            )),
            Err(error) => {
                Err(wrong(format!("`{}` could not be read: {error}", asset.label()), "check the file's permissions"))
            }
        }
    }
}

/// Whether a file is the signature of the file beside it.
fn is_signature(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "minisig") && path.with_extension("").is_file()
}

/// The error of a file that is not trusted.
fn untrusted_asset(wanted: &AssetRef, asset: &Asset, origin: &Origin, why: &Distrust) -> MissingAsset {
    let label = asset.label();
    MissingAsset {
        message: format!("`{label}` is not trusted: {why}"),
        hint: why.hint(&label),
        origin: origin.clone(),
        path: PathBuf::from(&wanted.path),
        untrusted: true,
    }
}
