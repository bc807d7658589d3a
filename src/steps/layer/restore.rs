//! Restores a layer. It is downloaded and checked while the step prepares, unpacked on the same file system, and
//! renamed into place when the step acts. Any problem is a warning, and the packages are then installed without the
//! layer.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::Timestamp;

use super::{
    LayerError, key,
    manifest::Manifest,
    unpack::{StagingFolder, Unpacking},
};
use crate::{
    diagnostic::in_words,
    fs::{self, FsError, Staging},
    plan::{Environment, Layer},
    report::text::counted,
    steps::{
        Context,
        blocking::run_blocking,
        system_libraries::{LinkedLibraries, SystemLibraries},
    },
    store::{Kind, Visibility},
};

/// A complete layer that is being unpacked and is not in place yet. Its files are removed when it is dropped.
#[derive(Debug)]
pub struct Staged {
    layer: Box<Layer>,
    folder: Arc<StagingFolder>,
    links: LinkedLibraries,
    unpacking: Unpacking,
}

/// Downloads the layer of a step and starts to unpack it in a staging folder. `None` if no usable layer exists. All
/// parts are complete and match their digests when this returns. Unpacking continues while other steps act.
pub(crate) async fn stage(ctx: &Context, layer: &Layer) -> Option<Staged> {
    let (area, of, root) = (staging_area(ctx, layer)?, layer.clone(), ctx.root.clone());
    // A killed run may have left a staging folder.
    area.sweep().ok()?;
    if !ctx.store.keeps() {
        return None;
    }
    let key = match run_blocking(move || key::of(&of, &root)).await {
        Ok(key) => key,
        Err(error) => {
            warn_not_staged(ctx, layer, &error);
            return None;
        }
    };
    for &which in Visibility::of(layer.private).tiers() {
        let Some(entry) = ctx.store.entry_in(which, Kind::Layer, &key).await else { continue };
        let started = Timestamp::now();
        let staged = match Manifest::of(&entry, &key, ctx.filestore.trusted()) {
            Ok(manifest) => fetched(ctx, layer, manifest, area.clone()).await,
            Err(error) => Err(error),
        };
        ctx.progress.task_finished("fetch a layer", started, staged.is_ok());
        match staged {
            Ok(staged) => return Some(staged),
            Err(error) => warn_not_staged(ctx, layer, &error),
        }
    }
    None
}

/// Warns that the layer in the store is not used.
fn warn_not_staged(ctx: &Context, layer: &Layer, error: &LayerError) {
    ctx.progress.warn(format!("the {} layer in the store is not used: {}", layer.of.name(), in_words(error)));
}

async fn fetched(ctx: &Context, layer: &Layer, manifest: Manifest, area: StagingArea) -> Result<Staged, LayerError> {
    ctx.progress.now(format!("fetching a layer of {}", counted(manifest.packages.len(), "package")), None);
    let folder = Arc::new(area.folder()?);
    let unpacking = Unpacking::fetch(ctx, &folder, manifest.parts).await?;
    Ok(Staged { layer: Box::new(layer.clone()), folder, links: manifest.links, unpacking })
}

impl Staged {
    /// Moves the layer into place. The libraries that it links to must be present, and existing files must not
    /// change. On an error the packages must be installed instead.
    pub(crate) async fn put(self, ctx: &Context) -> Result<(), LayerError> {
        let Self { layer, folder, links, unpacking } = self;
        ctx.progress.now("unpacking a layer", None);
        unpacking.ended().await?;
        let started = Timestamp::now();
        let (root, packages) = (ctx.root.clone(), counted(layer.packages.len(), "package"));
        collides(&folder, &layer).await?;
        let r_home = layer.r_home().map(Path::to_owned);
        let fits =
            run_blocking(move || Ok::<_, LayerError>(SystemLibraries::read(&root, r_home.as_deref()).fits(&links)))
                .await?;
        if !fits {
            return Err(LayerError::OtherLibraries);
        }
        // Runs on this thread, because a blocking thread would continue after the step is cancelled. The work is only
        // renames. The names are on the disk before the journal ends the step.
        let put = folder.unpacked.merge_into(&layer.base, rank).and_then(|()| ctx.wait_for_disk(&layer.base));
        ctx.progress.task_finished(format!("restore {packages} from a layer"), started, put.is_ok());
        Ok(put?)
    }

    /// The folder of the unpacked files.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.unpacked.place()
    }

    /// The packages in the layer.
    pub(crate) fn package_names(&self) -> Vec<String> {
        self.layer.packages.keys().cloned().collect()
    }

    /// Warns that the layer is not used.
    pub(crate) fn warn_not_put(ctx: &Context, of: Environment, error: &LayerError) {
        let why = in_words(error);
        ctx.progress.warn(format!("the {} layer is not used, its packages are installed: {why}", of.name()));
    }
}

/// A layer must not change existing files.
async fn collides(folder: &Arc<StagingFolder>, layer: &Layer) -> Result<(), LayerError> {
    let (from, to) = (Arc::clone(folder), layer.base.clone());
    let looked = run_blocking(move || Ok::<_, LayerError>(from.unpacked.first_conflict(&to)?)).await?;
    match looked {
        Some(path) => Err(LayerError::Collision(path)),
        None => Ok(()),
    }
}

/// The order in which entries are renamed. Metadata that marks a package as installed comes last: the `dist-info`
/// folder, after `bin` and `share`, or DESCRIPTION.
fn rank(name: &Path) -> u8 {
    let is_metadata = name.extension().is_some_and(|ending| ending == "dist-info") || name == Path::new("DESCRIPTION");
    if is_metadata { 2 } else { u8::from(name == Path::new("lib")) }
}

/// Staging folders on the same mount as the layer's base, so that renames work: in the agent's cache if possible,
/// otherwise beside the base.
#[derive(Clone)]
struct StagingArea {
    above: PathBuf,
    /// The label of the staging folders.
    label: String,
    /// The folder of downloaded parts, which only this process uses.
    archives: PathBuf,
}

fn staging_area(ctx: &Context, layer: &Layer) -> Option<StagingArea> {
    let (label, cache) = (format!("{}-layer", layer.of.name().to_lowercase()), ctx.cache.join("layers"));
    let archives = cache.join(format!("{label}-{}-parts", std::process::id()));
    let above = if fs::on_same_mount(&ctx.cache, &layer.base) {
        cache
    } else {
        layer.base.ancestors().find(|above| above.exists())?.to_owned()
    };
    Some(StagingArea { above, label, archives })
}

impl StagingArea {
    /// A folder for this process only: threads of an earlier run may still use theirs.
    fn folder(self) -> Result<StagingFolder, FsError> {
        Ok(StagingFolder { unpacked: Staging::create_in(&self.above, &self.label)?, archives: self.archives })
    }

    /// Removes the staging folders of earlier runs.
    fn sweep(&self) -> Result<(), FsError> {
        fs::remove_partial_files_of(&self.above.join(&self.label))
    }
}

#[cfg(test)]
mod tests;
