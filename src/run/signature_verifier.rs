//! The key of a signed file on a server, ready to verify signatures.

use std::path::Path;

use super::not_received::NotReceived;
use crate::{
    digest::Digest,
    openpgp::MAX_KEY_FILE_BYTES,
    plan::cached_asset,
    problem::Problem,
    profile::{AssetRef, Assets, NamedAsset, SignedBy, SigningKey, openpgp_identity},
    steps::{Context, OpenPgpKeys, fetch_address},
    trust::{BadKey, MOST_KEY, MOST_SIGNATURE, Prehash, PublicKey, TrustedKeys},
};

/// The most bytes of an OpenPGP signature: those of several signers, with armour.
const MOST_OPENPGP_SIGNATURE: u64 = 64 << 10;

/// A key that verifies the signatures of files.
pub(super) enum SignatureVerifier {
    /// A minisign key.
    Minisign {
        /// The key.
        key: PublicKey,
        /// The key as trusted keys.
        trusted: TrustedKeys,
    },
    /// OpenPGP keys.
    OpenPgp(OpenPgpKeys),
}

impl SignatureVerifier {
    /// Reads the key from the profile or the file store, or fetches it from a server.
    pub(super) async fn of(
        ctx: &Context,
        assets: &Assets<'_>,
        named: &NamedAsset<'_>,
        signed: &SignedBy,
    ) -> Result<Self, NotReceived> {
        if let SigningKey::OpenPgp { file, fingerprints } = &signed.key {
            let bytes = openpgp_key_file(ctx, assets, named, file).await?;
            return OpenPgpKeys::new(&bytes, fingerprints).map(Self::OpenPgp).map_err(|problem| {
                let message = format!("the key `{}` cannot be used: {}", file.path, problem.message);
                NotReceived::Signature(Problem { message, ..problem })
            });
        }
        let key = match signed.key.minisign(assets, named.origin)? {
            Some(key) => key,
            None => minisign_key_on_server(ctx, signed).await.map_err(NotReceived::Fetch)?,
        };
        Ok(Self::Minisign { trusted: TrustedKeys::new(vec![key.clone()]), key })
    }

    /// The identity of the key, for the records of verified files.
    pub(super) fn identity(&self) -> String {
        match self {
            Self::Minisign { key, .. } => key.to_string(),
            Self::OpenPgp(keys) => openpgp_identity(keys.fingerprints()),
        }
    }

    /// The most bytes of a signature.
    pub(super) fn most_signature(&self) -> u64 {
        match self {
            Self::Minisign { .. } => MOST_SIGNATURE,
            Self::OpenPgp(_) => MOST_OPENPGP_SIGNATURE,
        }
    }

    /// Verifies the signature of a received file. `name` is the name that the signature may be for.
    pub(super) async fn verify(
        &self,
        ctx: &Context,
        name: &Path,
        (received, hash): (&Path, &Prehash),
        signature: &[u8],
    ) -> Result<(), Problem> {
        match self {
            Self::Minisign { trusted, .. } => {
                trusted.check_hashed(name, hash, Some(signature)).map(drop).map_err(|why| Problem::from_error(&why))
            }
            Self::OpenPgp(keys) => keys.verify(ctx, received, signature).await,
        }
    }
}

/// The bytes of a file of OpenPGP keys. The fingerprints authenticate them.
async fn openpgp_key_file(
    ctx: &Context,
    assets: &Assets<'_>,
    named: &NamedAsset<'_>,
    file: &AssetRef,
) -> Result<Vec<u8>, NotReceived> {
    if file.urls.is_empty() {
        let found = assets.verified(file, named.origin)?;
        return Ok(assets.read_unchecked(file, &found, named.origin)?.into_owned());
    }
    let digest = file.sha256.clone().unwrap_or_else(|| Digest::sha256(file.path.as_bytes()));
    let to = cached_asset(&ctx.cache, &digest, file);
    fetch_address(ctx, &file.urls, &to, Some(MAX_KEY_FILE_BYTES), file.sha256.as_ref())
        .await
        .map_err(NotReceived::Fetch)?;
    std::fs::read(&to).map_err(|error| NotReceived::Fetch(unread(&to, &error)))
}

async fn minisign_key_on_server(ctx: &Context, signed: &SignedBy) -> Result<PublicKey, Problem> {
    // The rules ensure that only a file on a server is left, and that it has a digest.
    let on_server = match &signed.key {
        SigningKey::File(file) => file.sha256.as_ref().map(|digest| (file, digest)),
        SigningKey::Text(_) | SigningKey::OpenPgp { .. } => None,
    };
    let (file, digest) = on_server.ok_or_else(|| Problem::new("the key has no digest"))?;
    let to = cached_asset(&ctx.cache, digest, file);
    fetch_address(ctx, &file.urls, &to, Some(MOST_KEY), Some(digest)).await?;
    let text = std::fs::read_to_string(&to).map_err(|error| unread(&to, &error))?;
    PublicKey::parse(&text).map_err(|error: BadKey| {
        Problem::new(format!("the key `{}` cannot be used: {error}", file.path)).hint(error.hint())
    })
}

pub(super) fn unread(path: &Path, error: &std::io::Error) -> Problem {
    Problem::new(format!("`{}` could not be read: {error}", path.display()))
}
