//! The certificates of the profile's files: their content as far as it is known before the run.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use crate::{
    certificate::{Certificate, CertificateError, Fingerprint},
    digest::Digest,
    inventory::Inventory,
    plan::{BY_LOCK, BY_PROFILE, Common, Stage, cached_asset},
    problem::Problem,
    profile::{Asset, AssetRef, Entry},
};

/// A file of the profile.
#[derive(Debug)]
pub(super) struct Source<'a> {
    pub(super) entry: &'a Entry<AssetRef>,
    pub(super) content: Content,
}

/// The content of a file.
#[derive(Debug)]
pub(super) enum Content {
    /// It is known.
    Known(Vec<Certificate>),
    /// An earlier run fetched it from a server.
    Fetched(BTreeSet<Fingerprint>),
    /// It is on a server and was not fetched yet.
    Unknown,
    /// It cannot be used.
    Refused(Problem),
}

/// Certificates that a step puts into a store.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Certificates {
    /// Certificates that are known.
    known: Vec<Certificate>,
    /// Files that are fetched before the first change.
    fetched: Vec<FetchedFile>,
}

/// A file that is fetched before the first change.
#[derive(Debug, Clone, PartialEq, Eq)]
struct FetchedFile {
    /// Its place in the cache.
    path: PathBuf,
    /// The address.
    label: String,
    /// Its digest.
    digest: Option<Digest>,
    /// Whether it may be missing.
    optional: bool,
}

impl Content {
    /// The fingerprints of its certificates, if they are known.
    pub(super) fn fingerprints(&self) -> Option<BTreeSet<Fingerprint>> {
        match self {
            Self::Known(certificates) => Some(certificates.iter().map(Certificate::fingerprint).collect()),
            Self::Fetched(fingerprints) => Some(fingerprints.clone()),
            Self::Unknown | Self::Refused(_) => None,
        }
    }
}

impl<'a> Source<'a> {
    /// The content of each file that was found.
    pub(super) fn all(files: &'a [Entry<AssetRef>], common: &Common<'_>) -> Vec<Self> {
        let found = files.iter().filter_map(|entry| {
            let digest = common.locked_asset(&entry.value);
            let content = content(entry, digest, common.inventory, common.cache)?;
            Some(Self { entry, content })
        });
        found.collect()
    }

    /// The name of the file in messages.
    pub(super) fn label(&self) -> String {
        self.entry.value.path.clone()
    }
}

/// The certificates of the profile whose content is on this node. Files that cannot be used are left out.
pub(super) fn present(files: &[Entry<AssetRef>], inventory: &Inventory, cache: &Path) -> Vec<Certificate> {
    let known = files.iter().filter_map(|entry| match content(entry, None, inventory, cache)? {
        Content::Known(certificates) => Some(certificates),
        Content::Fetched(_) | Content::Unknown | Content::Refused(_) => None,
    });
    known.flatten().collect()
}

/// The content of a file. `None` if the file is missing, which another check reports.
fn content(entry: &Entry<AssetRef>, locked: Option<&Digest>, inventory: &Inventory, cache: &Path) -> Option<Content> {
    let found = inventory.asset(&entry.value)?;
    let digest = locked.or(found.digest.as_ref());
    if let (Asset::Address(_), digest) = (&found.asset, digest) {
        // Another check refuses an address without a digest.
        let Some(digest) = digest else { return Some(Content::Unknown) };
        let cached = std::fs::read(cached_asset(cache, digest, &entry.value)).ok();
        let cached = cached.filter(|bytes| Digest::sha256(bytes) == *digest);
        let fetched = || match inventory.receipt.fetched_certificates.get(digest.hex()) {
            Some(fingerprints) => Content::Fetched(fingerprints.clone()),
            None => Content::Unknown,
        };
        return Some(cached.map_or_else(fetched, |bytes| read(&bytes, &entry.value.path, entry)));
    }
    let bytes = found.bytes.as_deref().unwrap_or_default();
    let label = found.asset.label();
    if digest.is_some_and(|expected| Digest::sha256(bytes) != *expected) {
        let says = if locked.is_some() { BY_LOCK } else { BY_PROFILE };
        let problem = Problem::new(format!("`{label}` does not have the digest that {says} says"));
        let hint = "the file was changed or damaged; restore it, or put the new digest there after checking it";
        return Some(Content::Refused(problem.hint(hint.to_owned()).asked_at(entry.origin.clone())));
    }
    Some(read(bytes, &label, entry))
}

fn read(bytes: &[u8], label: &str, entry: &Entry<AssetRef>) -> Content {
    match Certificate::read(bytes) {
        Ok(certificates) => Content::Known(certificates),
        Err(error) => Content::Refused(unusable(label, &error).asked_at(entry.origin.clone())),
    }
}

fn unusable(label: &str, error: &CertificateError) -> Problem {
    Problem::new(format!("`{label}` cannot be trusted: {error}")).hint(error.hint().to_owned())
}

impl Certificates {
    /// The certificates of files. Files that are not on the node yet are staged.
    pub(super) fn of<'s, 'a: 's>(
        sources: impl Iterator<Item = &'s Source<'a>>,
        common: &Common<'_>,
        stage: &mut Vec<Stage>,
    ) -> Self {
        let mut all = Self::default();
        for source in sources {
            let Entry { value, origin, optional, .. } = source.entry;
            match &source.content {
                Content::Known(certificates) => all.known.extend(certificates.iter().cloned()),
                Content::Refused(_) => {}
                Content::Fetched(_) | Content::Unknown => {
                    let Some(path) = common.usable(value, origin, stage) else { continue };
                    let digest = stage.last().and_then(|stage| stage.digest().cloned());
                    all.fetched.push(FetchedFile { path, label: source.label(), digest, optional: *optional });
                }
            }
        }
        all
    }

    /// The certificates, each once. The files were fetched.
    ///
    /// # Errors
    /// If a file cannot be used.
    pub(super) fn read(&self) -> Result<Vec<Certificate>, Problem> {
        let mut all = self.known.clone();
        for FetchedFile { path, label, optional, .. } in &self.fetched {
            let bytes = match std::fs::read(path) {
                Ok(bytes) => bytes,
                Err(_) if *optional => continue,
                Err(error) => return Err(Problem::new(format!("`{label}` could not be read: {error}"))),
            };
            match Certificate::read(&bytes) {
                Ok(certificates) => all.extend(certificates),
                // The step of its own entry reports it.
                Err(_) if *optional => {}
                Err(error) => return Err(unusable(label, &error)),
            }
        }
        let mut seen = BTreeSet::new();
        all.retain(|certificate| seen.insert(certificate.fingerprint()));
        Ok(all)
    }

    /// The fingerprints in each file that was fetched, by the digest of the file.
    pub(super) fn fetched(&self) -> Vec<(String, BTreeSet<Fingerprint>)> {
        let read = |file: &FetchedFile| {
            let certificates = Certificate::read(&std::fs::read(&file.path).ok()?).ok()?;
            let fingerprints = certificates.iter().map(Certificate::fingerprint).collect();
            Some((file.digest.as_ref()?.hex().to_owned(), fingerprints))
        };
        self.fetched.iter().filter_map(read).collect()
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty() && self.fetched.is_empty()
    }

    /// One line for each certificate, or for each file that is not fetched yet.
    pub(super) fn describe(&self) -> impl Iterator<Item = String> {
        let known = self.known.iter().map(|found| format!("{}, SHA-256 {}", found.subject(), found.fingerprint()));
        known.chain(self.fetched.iter().map(|file| format!("the certificates of {}", file.label)))
    }
}
