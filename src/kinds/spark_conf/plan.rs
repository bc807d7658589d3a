//! Plans settings of Spark: one step for each file that differs.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{
    checked::{Setting, SparkConf, Value},
    destination::{Destination, Files},
    format, winner,
};
use crate::{
    fs::Attributes,
    inventory::{Inventory, Snapshots, below},
    kinds::{
        contract::{LookAt, Planning},
        no_packages::plans_no_packages,
        text_action::{Piece, TextAction, WriteSecretText},
    },
    managed_block::{ManagedBlock, Position},
    plan::{Address, Phase, Planner, Resource, StepOptions, TextFile},
    profile::Entry,
};

/// The files of settings.
#[derive(Debug)]
pub struct Look {
    files: Files,
    snapshots: Snapshots,
    /// Files of others that win over the driver's file.
    earlier: BTreeMap<PathBuf, String>,
}

impl Planning for SparkConf {
    type Look = Look;
    type Action = TextAction;

    fn look(&self, at: &LookAt<'_>) -> Look {
        let files = Files::find(at.root, &at.facts.env);
        let usual = files.usual();
        let used = Destination::ALL.into_iter().filter(|to| self.of(*to, usual).next().is_some());
        let paths: Vec<PathBuf> = used.filter_map(|to| files.of(to).map(Path::to_owned)).collect();
        let is_needed = self.of(Destination::Driver, usual).next().is_some();
        let earlier = if is_needed { winner::earlier_files(at.root) } else { BTreeMap::new() };
        Look { snapshots: Snapshots::read(at.root, paths), files, earlier }
    }

    plans_no_packages!();

    fn addresses(&self, _: &Inventory) -> Vec<Address> {
        Vec::new()
    }

    fn outline(&self) -> Vec<StepOptions> {
        let settings: Vec<&Entry<Setting>> = self.settings.values().collect();
        if settings.is_empty() { Vec::new() } else { vec![options(&settings, None)] }
    }

    fn plan(&self, look: &Look, planner: &mut Planner<'_, TextAction>) {
        let usual = look.files.usual();
        for to in Destination::ALL {
            let settings: Vec<(&str, &Entry<Setting>)> = self.of(to, usual).collect();
            let Some((_, first)) = settings.first() else { continue };
            let Some(path) = look.files.of(to) else {
                let (message, hint) = match to {
                    Destination::Driver => ("this node has no driver of the Databricks runtime", "use `defaults`"),
                    Destination::Defaults => ("this node has no Spark", "add a `when`, or set `SPARK_HOME`"),
                };
                planner.refuse(&first.origin, message, hint.to_owned());
                continue;
            };
            let is_refused = (to == Destination::Driver && refuse_winners(look, &settings, planner))
                | refuse_unfit(to, &settings, planner);
            if is_refused {
                continue;
            }
            plan_file(to, path, &settings, look, planner);
        }
    }
}

/// Refuses the run for settings that another file would set to another value.
fn refuse_winners(look: &Look, settings: &[(&str, &Entry<Setting>)], planner: &mut Planner<'_, TextAction>) -> bool {
    let mut refused = false;
    for (key, entry) in settings {
        if let Some(file) = winner::setting_file(&look.earlier, key) {
            let message = format!("`{}` sets `{key}`, too, and wins: the first file by name wins", file.display());
            planner.refuse(&entry.origin, message, "remove the setting there or here".to_owned());
            refused = true;
        }
    }
    refused
}

/// Refuses the run for values that a file cannot represent.
fn refuse_unfit(to: Destination, settings: &[(&str, &Entry<Setting>)], planner: &mut Planner<'_, TextAction>) -> bool {
    let mut refused = false;
    for (key, entry) in settings {
        let Value::Text(text) = &entry.value.value else { continue };
        if let Err(why) = format::quote(to).quoted(text) {
            let message = format!("the value of `{key}` is not possible for `{}`: {why}", to.word());
            planner.refuse(&entry.origin, message, "change the value".to_owned());
            refused = true;
        }
    }
    refused
}

fn plan_file(
    to: Destination,
    path: &Path,
    settings: &[(&str, &Entry<Setting>)],
    look: &Look,
    planner: &mut Planner<'_, TextAction>,
) {
    let entries: Vec<&Entry<Setting>> = settings.iter().map(|(_, entry)| *entry).collect();
    let options = options(&entries, Some(path));
    let id = format!("spark-conf:{}", to.word());
    // Spark uses the last line of a key.
    let block = (to == Destination::Defaults).then(|| ManagedBlock::of_profile(planner.common.profile, Position::End));
    let pieces = pieces(to, settings);
    if let Some(text) = text_alone(&pieces) {
        let attributes = Attributes::mode(0o644);
        let file = TextFile { id, path: path.to_owned(), text: &text, block, base: None, attributes, mode: None };
        return file.plan("spark-conf", &look.snapshots, planner, options);
    }
    let profile = planner.common.profile.to_owned();
    let below = below(&planner.common.inventory.root, path);
    let text = WriteSecretText { profile, file: path.to_owned(), path: below, block, pieces };
    text.plan(id, "spark-conf", &look.snapshots, planner, options);
}

/// The text of a file. All its values fit.
fn pieces(to: Destination, settings: &[(&str, &Entry<Setting>)]) -> Vec<Piece> {
    let quote = format::quote(to);
    let mut pieces = vec![Piece::Text(format::begin(to).to_owned())];
    for (key, entry) in settings {
        pieces.push(Piece::Text(format::key(to, key)));
        pieces.push(match &entry.value.value {
            Value::Text(text) => Piece::Text(quote.quoted(text).map(|text| text.to_string()).unwrap_or_default()),
            Value::Secret(secret) => {
                Piece::Secret { secret: secret.clone(), quote, becomes: format!("the setting {key}") }
            }
        });
        pieces.push(Piece::Text("\n".to_owned()));
    }
    pieces.push(Piece::Text(format::end(to).to_owned()));
    pieces
}

/// The text, if it has no secret.
fn text_alone(pieces: &[Piece]) -> Option<String> {
    let texts = pieces.iter().map(|piece| match piece {
        Piece::Text(text) => Some(text.as_str()),
        Piece::Secret { .. } => None,
    });
    texts.collect()
}

fn options(settings: &[&Entry<Setting>], path: Option<&Path>) -> StepOptions {
    let origins = settings.iter().map(|entry| entry.origin.clone()).collect();
    StepOptions {
        entries: settings.iter().flat_map(|entry| entry.order.names.clone()).collect(),
        uses: path.map(Resource::folder_of).into_iter().collect(),
        creates: path.map(|path| Resource::Path(path.to_owned())).into_iter().collect(),
        ..StepOptions::for_origins(origins, "spark-conf".to_owned(), Phase::Files)
    }
}
