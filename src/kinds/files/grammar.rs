//! Implements the contract of kinds for `[files]`: merging, printing, files and secrets.

use super::{
    braces,
    checked::{File, Files, Form},
    edits::Edit,
    expand::expand,
    rules::names,
    written::Written,
};
use crate::{
    diagnostic::Diagnostic,
    kinds::no_packages::names_no_packages,
    problem::Problem,
    profile::{
        self, AssetProof, Assets, CreatedBy, Entry, NamedAsset, Page, RequiredContent, Rules, RunStage, SecretUse,
        Section, Whole, key, quoted,
    },
};

impl Section for Files {
    type Written = Written;
    const KEYS: &'static [&'static str] = &["files"];
    const LOCKED: bool = false;
    const STAGED: bool = true;

    fn retain_stage(&mut self, stage: RunStage) {
        self.0.retain(|_, entry| entry.order.stage == stage);
    }

    fn inherit(_: &mut Written, _: &Written) {}

    fn entry_names(written: &Written) -> Vec<String> {
        let paths = written.files.keys().flat_map(|path| std::iter::once(path.clone()).chain(braces::expanded(path)));
        paths.flat_map(|path| names(&path)).collect()
    }

    fn check(written: &Written, rules: &mut Rules<'_>) -> Self {
        rules.files_of_section(written)
    }

    fn merge(parent: Self, child: Self) -> Self {
        let mut files = parent.0;
        for (path, entry) in child.0 {
            let merged = match files.remove(&path) {
                Some(replaced) => merged(replaced, entry),
                None => entry,
            };
            files.insert(path, merged);
        }
        Self(files)
    }

    fn complete(&mut self, assets: &Assets<'_>, found: &mut Vec<Diagnostic>) {
        expand(&mut self.0, assets, found);
        for (path, entry) in &mut self.0 {
            let origin = entry.origin.clone();
            let optional = entry.optional;
            for source in entry.value.sources_mut() {
                source.fill(&origin, optional, assets, found);
            }
            let is_store = path.starts_with(&assets.store.root) || assets.store.root.starts_with(path);
            if entry.value.recursive && entry.value.form == Form::Absent && is_store {
                let message =
                    format!("`{}` is in the file store, or contains it (asked for at {origin})", path.display());
                found.push(Diagnostic::nowhere(message).hint("a run does not change the file store"));
            }
        }
    }

    fn check_whole(&self, whole: &Whole<'_>, found: &mut Vec<Diagnostic>) {
        for (path, entry) in &self.0 {
            let Some(other) = &entry.value.replaces_whole else { continue };
            let message = format!("`{}` is edited here and written as a whole at {other}", path.display());
            let hint = "keep one of them, or give the whole text here".to_owned();
            found.push(whole.mistake(Problem::new(message).hint(hint).asked_at(entry.origin.clone())));
        }
    }

    fn show(&self, page: &mut Page) {
        page.section("files");
        for (path, entry) in &self.0 {
            page.value(&key(&path.display().to_string()), &format!("{{ {} }}", shown(&entry.value)), &entry.origin);
        }
    }

    fn assets(&self) -> Vec<NamedAsset<'_>> {
        self.0.values().flat_map(assets_of).collect()
    }

    names_no_packages!();

    fn secret_uses<'a>(&'a mut self) -> Vec<SecretUse<'a>> {
        let of_entry = |entry: &'a mut Entry<File>| {
            let (origin, optional) = (&entry.origin, entry.optional);
            entry.value.secrets_mut().into_iter().map(move |secret| SecretUse { secret, origin, optional })
        };
        self.0.values_mut().flat_map(of_entry).collect()
    }
}

fn assets_of(entry: &Entry<File>) -> Vec<NamedAsset<'_>> {
    let copied = entry.value.copied().map(|file| NamedAsset {
        file,
        origin: &entry.origin,
        optional: entry.optional,
        read_to_plan: false,
        content: RequiredContent::Any,
        proof: AssetProof::Digest,
        created_by: match entry.value.form {
            Form::Copy(_) => CreatedBy::steps_before(entry),
            _ => CreatedBy::Nothing,
        },
    });
    let texts = entry.value.sources().into_iter().filter_map(|source| source.file.as_ref());
    copied.into_iter().chain(texts.map(|file| NamedAsset::text(file, &entry.origin, entry.optional))).collect()
}

/// The entry of a profile and that of the profile that it extends.
fn merged(parent: Entry<File>, mut child: Entry<File>) -> Entry<File> {
    child.order.inherit_names(&parent.order);
    let whole = parent.value.is_whole();
    match (parent.value.form, &mut child.value.form) {
        (Form::Edits(parents), Form::Edits(children)) => {
            let kept = parents.into_iter().filter(|edit| children.iter().all(|child| child.part() != edit.part()));
            let mut edits: Vec<Edit> = kept.collect();
            edits.append(children);
            edits.sort_by_key(Edit::rank);
            *children = edits;
            child.value.mode = child.value.mode.take().or(parent.value.mode);
            child.value.owner = child.value.owner.take().or(parent.value.owner);
        }
        (_, Form::Edits(_)) if whole => child.value.replaces_whole = Some(parent.origin),
        _ => {}
    }
    child
}

fn shown(file: &File) -> String {
    let mut parts = match &file.form {
        Form::Text(source) => match &source.file {
            Some(file) => vec![format!("from = {}, template = true", profile::asset(file))],
            None => vec![format!("text = {}", quoted(&source.text.shown()))],
        },
        Form::Copy(file) => vec![format!("from = {}", profile::asset(file))],
        Form::Contents(contents) => vec![contents.shown()],
        Form::Unpack(archive) => {
            vec![format!("from = {}", profile::asset(&archive.from)), format!("unpack = {}", archive.selection.shown())]
        }
        Form::Link(target) => vec![format!("link = {}", quoted(&target.display().to_string()))],
        Form::Folder => vec!["dir = true".to_owned()],
        Form::Absent => vec!["absent = true".to_owned()],
        Form::Edits(edits) => {
            let edits: Vec<String> = edits.iter().map(|edit| quoted(&edit.shown())).collect();
            vec![format!("edits = [{}]", edits.join(", "))]
        }
        Form::Attributes => Vec::new(),
    };
    parts.extend(file.mode.as_ref().map(|mode| format!("mode = {}", quoted(&mode.to_string()))));
    parts.extend(file.owner.as_ref().map(|owner| format!("owner = {}", quoted(owner))));
    parts.extend(file.recursive.then(|| "recursive = true".to_owned()));
    parts.extend(file.keep.then(|| "keep = true".to_owned()));
    parts.join(", ")
}
