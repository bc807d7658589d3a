//! Implements the contract of kinds for `[jar]`: fetching, copying, removing, and looking again.

use std::{io::Read as _, path::Path};

use super::{
    action::{JarInstall, JarSource, Place, PlannedJar, PreparedJar},
    checked::Jar,
    fetch::from_maven,
    look::stamp,
};
use crate::{
    digest::Digest,
    fs::{self, Attributes, FsError, PartialFile},
    inventory::Vault,
    kinds::{
        contract::{Acting, Interruption, LeftBehind, LoginFile},
        no_packages::locks_no_packages,
    },
    plan::PlannedItem,
    problem::Problem,
    profile::FileStore,
    state::{Item, JarRecord, Receipt},
    steps::{Context, kept_files, note_item, remove_partial_files},
};

impl Acting for Jar {
    type Prepared = Vec<PreparedJar>;

    fn word(_: &JarInstall) -> &'static str {
        "jar"
    }

    fn title(action: &JarInstall) -> String {
        action.title()
    }

    fn describe(action: &JarInstall, _: &FileStore) -> Vec<String> {
        action.describe()
    }

    fn can_refuse(_: &JarInstall) -> bool {
        true
    }

    locks_no_packages!();

    fn login_file(_: &JarInstall) -> LoginFile {
        LoginFile::None
    }

    async fn prepare(ctx: &Context, action: &JarInstall) -> Result<Vec<PreparedJar>, Problem> {
        let mut prepared = Vec::new();
        for jar in &action.jars {
            let from = match &jar.source {
                JarSource::File(path) => path.clone(),
                JarSource::Maven { urls, to } => {
                    from_maven(ctx, &jar.label, urls, to).await?;
                    to.clone()
                }
            };
            let sha256 = Digest::sha256_of_file(&from)
                .map_err(|error| Problem::refused(format!("`{}` could not be read: {error}", from.display())))?;
            prepared.push(PreparedJar { from, sha256 });
        }
        Ok(prepared)
    }

    async fn act(ctx: &Context, action: &JarInstall, prepared: Vec<PreparedJar>, _: &Vault) -> Result<(), Problem> {
        for (jar, prepared) in action.jars.iter().zip(&prepared) {
            for place in &jar.places {
                put(ctx, action, jar, place, prepared)?;
                remove_replaced(ctx, action, place)?;
            }
        }
        Ok(())
    }

    fn leaves_behind(action: &JarInstall, _: &Vec<PreparedJar>) -> LeftBehind {
        let paths = action.places().map(|place| action.below(&place.file).display().to_string());
        LeftBehind::items(paths.collect())
    }

    fn clean_up(_: &Path, _: Interruption<'_>, items: &[String]) -> Result<Vec<String>, FsError> {
        // Jars are complete or absent, but a partial file may be next to them.
        remove_partial_files(items)
    }
}

/// Copies a jar to its place, and looks again.
fn put(
    ctx: &Context,
    action: &JarInstall,
    jar: &PlannedJar,
    place: &Place,
    prepared: &PreparedJar,
) -> Result<(), Problem> {
    let path = action.below(&place.file);
    let now = Digest::sha256_of_file(&path).ok();
    if now.as_ref() != Some(&prepared.sha256) {
        let item = Item::File { digests: vec![prepared.sha256.to_string()], before: None };
        note(ctx, action, &place.file, item)?;
        copy(&prepared.from, &path)?;
        let now = Digest::sha256_of_file(&path).ok();
        if now.as_ref() != Some(&prepared.sha256) {
            return Err(Problem::new(format!("`{}` does not have the content of the jar", place.file.display())));
        }
    }
    let Some(stamp) = stamp(&path) else { return Ok(()) };
    let record = JarRecord { sha256: prepared.sha256.hex().to_owned(), stamp, from: jar.label.clone() };
    Ok(Receipt::update(&ctx.root, |receipt| drop(receipt.jars.insert(place.file.clone(), record)))?)
}

/// Removes the jars that a jar replaces, after a copy of each was kept.
fn remove_replaced(ctx: &Context, action: &JarInstall, place: &Place) -> Result<(), Problem> {
    for old in &place.replaces {
        note(ctx, action, old, Item::Removed { files: kept_files::keep(ctx, [old])? })?;
        fs::remove(&action.below(old))?;
    }
    Ok(())
}

/// Records an item before it is changed.
fn note(ctx: &Context, action: &JarInstall, file: &Path, item: Item) -> Result<(), Problem> {
    let found = fs::read(&action.below(file))?;
    let planned = PlannedItem { profile: action.profile.clone(), file: file.to_owned(), item };
    note_item(ctx, &planned, found.as_ref())
}

/// Copies a file in pieces: jars can be larger than the memory that nodeagent may use.
fn copy(from: &Path, to: &Path) -> Result<(), Problem> {
    let unread = |error: std::io::Error| Problem::new(format!("`{}` could not be read: {error}", from.display()));
    let mut source = std::fs::File::open(from).map_err(unread)?;
    let mut partial = PartialFile::create(to, Attributes::default())?;
    let mut buffer = vec![0; 1 << 20];
    loop {
        match source.read(&mut buffer).map_err(unread)? {
            0 => return Ok(partial.commit()?),
            count => partial.write(&buffer[..count])?,
        }
    }
}
