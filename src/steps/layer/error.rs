//! The errors of making and restoring layers. While a step runs they are warnings, because the packages can be
//! installed without the layer.

use std::{io, path::PathBuf};

use crate::{
    facts::python::PythonError,
    fs::{FsError, Limits},
    steps::system_libraries::LibraryError,
    store::StoreError,
    task::TaskError,
    trust::{BadSecretKey, Distrust},
};

/// Why a layer could not be made or restored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LayerError {
    /// A file could not be read.
    #[error("`{}` could not be read", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The Python environment could not be read.
    #[error(transparent)]
    Environment(#[from] PythonError),
    /// The packages are not in a folder below the layer's base.
    #[error("`{}` is not below `{}`", folder.display(), base.display())]
    OutsideBase { folder: PathBuf, base: PathBuf },
    /// A package of the lock is not installed.
    #[error("`{name}` {version} is not installed")]
    NotInstalled { name: String, version: String },
    /// A package is installed in another folder.
    #[error("`{name}` is in `{}`, not in `{}`", found.display(), expected.display())]
    OtherFolder { name: String, found: PathBuf, expected: PathBuf },
    /// A package records a file outside the layer's base.
    #[error("`{name}` records the file `{file}`, which is not in `{}`", base.display())]
    FileOutsideBase { name: String, file: String, base: PathBuf },
    /// A recorded file is missing.
    #[error("`{}` of `{name}` is missing", file.display())]
    MissingFile { name: String, file: PathBuf },
    /// A recorded file has another digest.
    #[error("`{}` of `{name}` was changed after the installation", file.display())]
    ChangedFile { name: String, file: PathBuf },
    /// The libraries that the files link to could not be determined.
    #[error(transparent)]
    Libraries(#[from] LibraryError),
    /// The manifest could not be signed.
    #[error("the manifest could not be signed")]
    Unsigned(#[from] BadSecretKey),
    /// The store entry has no manifest.
    #[error("it has no manifest")]
    NoManifest,
    /// The signature of the manifest is missing or not trusted.
    #[error(transparent)]
    Untrusted(#[from] Distrust),
    /// The manifest is malformed.
    #[error("its manifest is invalid")]
    InvalidManifest(#[from] serde_json::Error),
    /// The manifest has the format of another release.
    #[error("its manifest has format {found}, but this release supports format {supported} only")]
    UnknownFormat { found: u32, supported: u32 },
    /// The manifest belongs to another key.
    #[error("its manifest belongs to another layer")]
    OtherLayer,
    /// The objects of the entry are not the parts of the manifest.
    #[error("its parts differ from those in its manifest")]
    OtherParts,
    /// The manifest has no parts, or too many.
    #[error("it has {0} parts")]
    PartCount(usize),
    /// Its files exceed the limits for archives.
    #[error("it has {entries} files and {bytes} bytes; the limits are {} files and {} bytes", .limits.entries, .limits.bytes)]
    TooLarge { entries: u64, bytes: u64, limits: Limits },
    /// A part could not be downloaded.
    #[error("its part {0} is missing")]
    MissingPart(String),
    /// Unpacking was cancelled.
    #[error("unpacking was cancelled")]
    Cancelled,
    /// The node has other versions of libraries that the files link to.
    #[error("it links to libraries that this node does not have in the same versions")]
    OtherLibraries,
    /// A file of the layer exists with other content.
    #[error("`{}` exists and differs", .0.display())]
    Collision(PathBuf),
    /// The restored packages are incomplete: the differences found by the verification.
    #[error("{}", .0.join("; "))]
    Incomplete(Vec<String>),
    /// The file system refused.
    #[error(transparent)]
    Files(#[from] FsError),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A thread failed.
    #[error("a worker thread failed")]
    Thread(#[from] TaskError),
}

impl LayerError {
    /// Makes the error of an unreadable file.
    pub(super) fn unreadable(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Unreadable { path, source }
    }
}
