//! Replaces each entry for the files of a folder by entries for its files.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use super::{
    checked::{File, Form},
    contents::Contents,
    source::Source,
};
use crate::{
    diagnostic::Diagnostic,
    profile::{AssetRef, Assets, Entry, SecretText},
};

/// Adds an entry for each file. An entry that the profile has for the path of a file has priority.
pub(super) fn expand(files: &mut BTreeMap<PathBuf, Entry<File>>, assets: &Assets<'_>, found: &mut Vec<Diagnostic>) {
    let is_folder = |entry: &Entry<File>| matches!(entry.value.form, Form::Contents(_));
    let entries = files.iter().filter(|(_, entry)| is_folder(entry));
    let folders: Vec<PathBuf> = entries.map(|(path, _)| path.clone()).collect();
    for folder in folders {
        let Some(entry) = files.remove(&folder) else { continue };
        let Form::Contents(contents) = &entry.value.form else { continue };
        let mut names = BTreeSet::new();
        for (name, file) in contents.files(assets) {
            if !names.insert(name.clone()) {
                let (name, origin) = (name.display(), &entry.origin);
                let message = format!("two files of `from` have the name `{name}` (asked for at {origin})");
                found.push(Diagnostic::nowhere(message).hint("name the files in entries of their own"));
                continue;
            }
            let value = File { form: form(contents, file), ..entry.value.clone() };
            files.entry(folder.join(name)).or_insert_with(|| entry.with(value));
        }
    }
}

fn form(contents: &Contents, file: AssetRef) -> Form {
    match &contents.values {
        None => Form::Copy(file),
        Some(values) => {
            Form::Text(Source { file: Some(file), values: Some(values.clone()), text: SecretText::default() })
        }
    }
}
