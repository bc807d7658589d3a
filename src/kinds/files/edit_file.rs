//! The edits of one file. First, edits of earlier runs that the profile no longer contains are taken back. Then the
//! edits of the profile are made. Planning and acting do this in the same way.

use std::path::Path;

use super::{edits::Edit, source::rendered};
use crate::{
    digest::Digest,
    fs::Snapshot,
    inventory::Vault,
    plan::WriteFile,
    problem::Problem,
    state::{Changes, Item},
    steps::{changed_message, without_item},
};

/// The edits of a file, and the items that are taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EditFile {
    /// The edits, in order.
    pub edits: Vec<Edit>,
    /// Items of earlier runs that the profile no longer names.
    pub dropped: Vec<Item>,
    /// The present text, for the diff.
    pub before: Option<Vec<u8>>,
    /// The edited text, for the diff. `None` if it has secrets or is not known yet.
    pub after: Option<Vec<u8>>,
}

/// An edited text.
pub(super) struct Edited {
    pub(super) text: Vec<u8>,
    /// The items to record.
    pub(super) items: Vec<MadeEdit>,
    /// Warnings about items that could not be taken back.
    pub(super) warnings: Vec<String>,
}

/// An edit that changed the text.
pub(super) struct MadeEdit {
    pub(super) item: Item,
    /// The changed lines. `None` for a block, which is known by its marks, and for lines that are not text.
    pub(super) changes: Option<Changes>,
    /// The text before the edit.
    pub(super) before: Vec<u8>,
}

impl EditFile {
    /// Edits a file. `found` is the present one.
    pub(super) fn edited(
        &self,
        root: &Path,
        file: &Path,
        found: Option<&Snapshot>,
        vault: &Vault,
    ) -> Result<Edited, Problem> {
        let created = found.is_none();
        let mut now = found.cloned().unwrap_or(Snapshot { bytes: Some(Vec::new()), ..Snapshot::default() });
        let mut warnings = Vec::new();
        let mut dropped: Vec<&Item> = self.dropped.iter().collect();
        dropped.sort_by_key(|item| std::cmp::Reverse(item.order()));
        for item in dropped {
            match without_item(root, item, &now)? {
                Some(text) => now.bytes = Some(text),
                None => warnings.push(changed_message(file, item)),
            }
        }
        let mut text = now.bytes.unwrap_or_default();
        let mut items = Vec::new();
        for (order, edit) in self.edits.iter().enumerate() {
            let edited = edit.apply(&text, vault)?;
            if edited != text {
                let mut made = made(edit, order, (&text, &edited), created, vault)?;
                made.changes = made.changes.map(|changes| self.without_secrets(edit, changes, vault)).transpose()?;
                items.push(made);
            }
            text = edited;
        }
        Ok(Edited { text, items, warnings })
    }

    /// The difference between the texts, or the edits if a text has secrets.
    pub(super) fn describe(&self, path: &Path) -> Vec<String> {
        let taken = self.dropped.iter().map(|item| format!("take back `{}`", item.part()));
        let edits: Vec<String> = match &self.after {
            Some(after) => {
                let write = WriteFile {
                    bytes: after.clone(),
                    before: self.before.clone(),
                    ..WriteFile::impossible(path.to_owned())
                };
                write.describe()
            }
            None => self.edits.iter().map(Edit::shown).collect(),
        };
        taken.chain(edits).collect()
    }

    /// The changes of an edit without the secrets of the other edits: these may have written the lines above.
    fn without_secrets(&self, edit: &Edit, changes: Changes, vault: &Vault) -> Result<Changes, Problem> {
        let (mut keys, mut values) = (Vec::new(), Vec::new());
        for edit in self.edits.iter().filter(|edit| edit.has_secrets()) {
            match edit {
                // The line may have an older value.
                Edit::Set { key, .. } => keys.push(key.as_str()),
                Edit::Block { source, .. } => values.push(rendered(&source.text, vault)?),
                Edit::Section(_) | Edit::Line { .. } | Edit::Replace { .. } => {}
            }
        }
        let has_secret = |line: &str| {
            let line = line.trim();
            let is_in = |text: &[u8]| !line.is_empty() && memchr::memmem::find(text, line.as_bytes()).is_some();
            keys.iter().any(|key| line.starts_with(key)) || values.iter().any(|value| is_in(value.reveal()))
        };
        let changes = changes.without_lines_above(has_secret);
        Ok(if edit.has_secrets() { changes } else { changes.without_lines(has_secret) })
    }

    /// Whether an edit has a secret.
    pub(super) fn has_secrets(&self) -> bool {
        self.edits.iter().any(Edit::has_secrets)
    }
}

/// The digest of an edit as the profile writes it.
pub(super) fn wanted(edit: &Edit) -> String {
    Digest::sha256(edit.shown().as_bytes()).to_string()
}

fn made(
    edit: &Edit,
    order: usize,
    (before, after): (&[u8], &[u8]),
    created: bool,
    vault: &Vault,
) -> Result<MadeEdit, Problem> {
    let text = before.to_vec();
    if let Edit::Block { block, source, .. } = edit {
        let lines = block.lines(after).ok().flatten().unwrap_or_default();
        let item = match Item::of_text(lines, Some((block, created))) {
            Item::Block { marks, created, .. } if source.text.has_secrets() => {
                Item::Block { marks, digests: Vec::new(), created }
            }
            item => item,
        };
        return Ok(MadeEdit { item, changes: None, before: text });
    }
    let mut changes = Changes::between(before, after);
    if let Edit::Set { value, .. } = edit
        && value.has_secrets()
    {
        let value = rendered(value, vault)?;
        changes = changes.map(|changes| changes.without_secret(value.reveal()));
    }
    let (edit, wanted) = (edit.part(), wanted(edit));
    let item = Item::Lines { edit, wanted, changes: None, created, order };
    Ok(MadeEdit { item, changes, before: text })
}
