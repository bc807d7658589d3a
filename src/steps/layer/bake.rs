//! Makes a layer from the installed files of a node and publishes it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use futures::{StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;

use super::{
    LayerError, contents, key,
    manifest::{Manifest, Part, check_size},
};
use crate::{
    diagnostic::in_words,
    fs,
    plan::{Environment, Layer},
    problem::Problem,
    steps::{
        Context,
        blocking::run_blocking,
        system_libraries::{SystemLibraries, UnknownLibraries},
    },
    store::{Key, Kind, Tier},
    trust::{Prehash, SecretKey, trusted_comment},
};

/// The zstd level. A layer is packed once and unpacked by every node.
const LEVEL: i32 = 9;
/// The minimum size of a part, in bytes of files.
const MIN_PART_BYTES: u64 = 4 << 20;
/// The maximum number of parts. More parts than cores that one disk can keep busy have no use.
const MAX_PARTS: u64 = 48;
/// The cost of creating a file, expressed in bytes written.
const FILE: u64 = 8 << 10;

/// A published layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Baked {
    /// The environment that the layer is for.
    pub of: Environment,
    /// The hexadecimal key.
    pub key: String,
    /// The number of packages.
    pub packages: usize,
    /// The number of files, folders and links.
    pub files: u64,
    /// The total size of its files in bytes.
    pub bytes: u64,
    /// The total size of its parts in bytes.
    pub packed: u64,
    /// The number of parts.
    pub parts: usize,
    /// Whether it was stored on this node only.
    pub private: bool,
}

/// Makes a layer from this node and publishes it, signed if a key is given. The node must be in the state that a
/// locked run installs: each file with a recorded digest is compared with that digest.
pub async fn bake(ctx: &Context, layer: &Layer, signer: Option<&SecretKey>) -> Result<Baked, Problem> {
    let failed = |error: LayerError| {
        Problem::new(format!("the {} layer cannot be made", layer.of.name())).cause(in_words(&error))
    };
    let (of, root) = (layer.clone(), ctx.root.clone());
    ctx.progress.now("checking every file", None);
    let looking = move || -> Result<_, LayerError> {
        let files = contents::files(&of)?;
        let paths: Vec<PathBuf> = files.iter().map(|file| of.base.join(file)).filter(|path| path.is_file()).collect();
        // Wheels contain libraries of their own, in folders that the loader does not search.
        let unknown = match of.of {
            Environment::Python => UnknownLibraries::Ignore,
            Environment::R => UnknownLibraries::Refuse,
        };
        let links = SystemLibraries::read(&root, of.r_home()).links_of(&paths, unknown)?;
        let (count, pieces) = (files.len() as u64, divide(&of.base, files)?);
        check_size(count, pieces.iter().map(|piece| piece.bytes).sum())?;
        Ok((key::of(&of, &root)?, pieces, links))
    };
    let (key, pieces, links) = run_blocking(looking).await.map_err(failed)?;
    let parts = pack(ctx, layer, &key, pieces).await.map_err(failed)?;
    let versions = layer.packages.iter().map(|(name, package)| (name.clone(), package.version.clone()));
    let manifest = Manifest::new(&key, versions.collect::<BTreeMap<_, _>>(), links, parts);
    // The parts have folders, too.
    manifest.check_size().map_err(failed)?;
    let signature = signer.map(|signer| sign(signer, &manifest, &key)).transpose().map_err(failed)?;
    let entry = manifest.entry(signature);
    let published = if layer.private {
        ctx.store.put_entry(Kind::Layer, &key, &entry).await
    } else {
        ctx.store.republish(Kind::Layer, &key, &entry).await
    };
    published.map_err(|error| failed(error.into()))?;
    // Other nodes can only use a layer that is in the shared store.
    if !layer.private && ctx.store.has_shared() {
        let seen = ctx.store.entry_in(Tier::Shared, Kind::Layer, &key).await;
        if seen.is_none_or(|seen| seen.facts != entry.facts) {
            let hint = "see the warnings above; run `store bake` again when the shared store is writable".to_owned();
            return Err(Problem::new("the layer was made but could not be published").hint(hint));
        }
    }
    let sum = |of: fn(&Part) -> u64| manifest.parts.iter().map(of).sum();
    Ok(Baked {
        of: layer.of,
        key: key.hex().to_owned(),
        packages: manifest.packages.len(),
        files: sum(|part| part.entries),
        bytes: sum(|part| part.bytes),
        packed: sum(|part| part.size),
        parts: manifest.parts.len(),
        private: layer.private,
    })
}

fn sign(signer: &SecretKey, manifest: &Manifest, key: &Key) -> Result<String, LayerError> {
    let comment = trusted_comment(Timestamp::now().as_second(), &Manifest::signed_name(key), None);
    let signature = signer.sign(&Prehash::of(manifest.to_text().as_bytes()), &comment);
    Ok(signature?.to_file())
}

/// The files of one part.
struct Piece {
    names: Vec<PathBuf>,
    bytes: u64,
}

/// Divides files, sorted by name, into parts of about the same cost. Similar files stay together.
fn divide(base: &Path, files: Vec<PathBuf>) -> Result<Vec<Piece>, LayerError> {
    let sized = files.into_iter().map(|name| {
        let path = base.join(&name);
        let found = path.symlink_metadata().map_err(LayerError::unreadable(path))?;
        Ok((name, if found.is_file() { found.len() } else { 0 }))
    });
    let sized: Vec<(PathBuf, u64)> = sized.collect::<Result<_, LayerError>>()?;
    let whole: u64 = sized.iter().map(|(_, bytes)| bytes + FILE).sum();
    let most = (whole / MAX_PARTS).max(MIN_PART_BYTES);
    let (mut pieces, mut weight) = (vec![Piece { names: Vec::new(), bytes: 0 }], 0);
    for (name, bytes) in sized {
        if weight > 0 && weight + bytes > most {
            pieces.push(Piece { names: Vec::new(), bytes: 0 });
            weight = 0;
        }
        weight += bytes + FILE;
        if let Some(piece) = pieces.last_mut() {
            piece.names.push(name);
            piece.bytes += bytes;
        }
    }
    Ok(pieces)
}

/// Packs all parts, one per core at a time, and adds them to the store.
async fn pack(ctx: &Context, layer: &Layer, key: &Key, pieces: Vec<Piece>) -> Result<Vec<Part>, LayerError> {
    ctx.progress.now(format!("packing {} parts", pieces.len()), None);
    let folder = ctx.cache.join("layers");
    let packing = pieces.into_iter().enumerate().map(|(index, piece)| {
        let to = folder.join(format!("{}-{index}.tar.zst", key.hex()));
        async move {
            let (base, also) = (layer.base.clone(), to.clone());
            let packing = move || {
                let packed = fs::compress_files(&base, &piece.names, LEVEL, &also);
                Ok::<_, LayerError>((piece.bytes, packed?))
            };
            let (bytes, entries) = run_blocking(packing).await?;
            let added = if layer.private { ctx.store.add_local(&to).await } else { ctx.store.add(&to).await };
            // The store now has its own copy.
            let _ = fs::remove(&to);
            let object = added?;
            Ok(Part { sha256: object.digest.hex().to_owned(), size: object.size, bytes, entries })
        }
    });
    futures::stream::iter(packing).buffered(ctx.cores).try_collect().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::Attributes;

    #[test]
    fn files_are_divided_into_parts_of_similar_cost_without_loss() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let mut names = Vec::new();
        for index in 0..40 {
            let name = PathBuf::from(format!("a/{index:02}"));
            let bytes = vec![b'x'; if index == 7 { 9 << 20 } else { 300 << 10 }];
            fs::replace(&temp.path().join(&name), &bytes, Attributes::mode(0o644)).expect("written");
            names.push(name);
        }
        let pieces = divide(temp.path(), names.clone()).expect("readable");
        let all: Vec<PathBuf> = pieces.iter().flat_map(|piece| piece.names.clone()).collect();
        assert_eq!(all, names, "in order, each once");
        assert!(
            pieces.iter().filter(|piece| piece.bytes > MIN_PART_BYTES + (300 << 10)).count() == 1,
            "except the large one"
        );
        assert!((4..=6).contains(&pieces.len()), "{}", pieces.len());
        assert_eq!(divide(temp.path(), Vec::new()).expect("nothing").len(), 1);
    }
}
