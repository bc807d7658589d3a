//! A text file that the profile writes, whole or as a managed block, and the step that writes it.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use super::{
    planner::{Common, Planner, StepOptions},
    write_file::{PlannedItem, WriteFile},
};
use crate::{
    diagnostic::Origin,
    fs::{Attributes, Snapshot},
    inventory::{Snapshots, below},
    managed_block::ManagedBlock,
    problem::Problem,
    profile::Content,
    report::event::Difference,
    state::{Item, WHOLE, part_of_block},
};

/// A text file that the profile writes.
#[derive(Debug)]
pub struct TextFile<'a> {
    /// The id of its step.
    pub id: String,
    /// Its absolute path on the node.
    pub path: PathBuf,
    /// Its text, or that of the block.
    pub text: &'a str,
    /// The block that contains the text. `None` if the text is the whole file.
    pub block: Option<ManagedBlock>,
    /// The text that the block is put into. `None` for the present text of the file.
    pub base: Option<Vec<u8>>,
    /// Permissions and owner of a new file.
    pub attributes: Attributes,
    /// Permissions that an existing file gets as well.
    pub mode: Option<u32>,
}

/// The desired state of a file and the current one.
struct Wanted<'l> {
    content: Vec<u8>,
    item: Item,
    attributes: Attributes,
    before: Option<&'l Snapshot>,
}

/// A message and a hint.
type Refusal = (String, Option<String>);

impl TextFile<'_> {
    /// Plans the step that writes the file if the file differs. `label` is the start of the report line of an unchanged
    /// file.
    pub fn plan<A: From<WriteFile>>(
        self,
        label: &str,
        look: &Snapshots,
        planner: &mut Planner<'_, A>,
        options: StepOptions,
    ) {
        let origin = options.origins[0].clone();
        planner.writes(&self.path, &origin);
        planner.makes(&self.path, self.part(), &options.entries);
        let Wanted { content, item, attributes, before } = match self.wanted(look) {
            Ok(wanted) => wanted,
            Err((message, hint)) => {
                let action = WriteFile::impossible(below(&planner.common.inventory.root, &self.path));
                let problem = Problem::new(message).hint(hint).asked_at(origin);
                return planner.impossible(self.id, A::from(action), options, problem);
            }
        };
        if before.is_some_and(|before| self.is_as_wanted(before, &content)) {
            return planner.ready(format!("{label}: {}", self.path.display()));
        }
        let Common { profile, inventory, .. } = planner.common;
        let difference = difference(inventory.receipt.item(profile, &self.path, &item.part()), before);
        let path = below(&inventory.root, &self.path);
        let before = before.and_then(|before| before.bytes.clone());
        let item = Some(PlannedItem { profile: (*profile).to_owned(), file: self.path, item });
        let action = WriteFile { path, bytes: content, before, attributes, item };
        planner.step(self.id, A::from(action), options);
        planner.differs(difference);
    }

    /// The part of the file that the entry makes.
    fn part(&self) -> String {
        self.block.as_ref().map_or_else(|| WHOLE.to_owned(), |block| part_of_block(block.marks()[0]))
    }

    fn is_as_wanted(&self, before: &Snapshot, content: &[u8]) -> bool {
        before.bytes.as_deref() == Some(content) && self.mode.is_none_or(|mode| mode == before.mode)
    }

    /// The desired state and the current one. The error is a message and a hint.
    fn wanted<'l>(&self, look: &'l Snapshots) -> Result<Wanted<'l>, Refusal> {
        let before = look.get(&self.path).map_err(|error| {
            let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
            (format!("{error}{}", cause.unwrap_or_default()), error.hint())
        })?;
        if before.is_some_and(|before| before.bytes.is_none()) {
            let message = format!("`{}` is not a file", self.path.display());
            return Err((message, Some("move it out of the way".to_owned())));
        }
        let present = before.and_then(|before| before.bytes.as_deref()).unwrap_or_default();
        let old = self.base.as_deref().unwrap_or(present);
        let text = with_last_line_feed(self.text);
        let item = Item::of_text(text.as_bytes(), self.block.as_ref().map(|block| (block, before.is_none())));
        let content = match &self.block {
            None => text.into_bytes(),
            Some(block) => block.put(old, text.as_bytes()).map_err(|_| {
                let [begin, end] = block.marks().map(|mark| mark.split_once(' ').map_or(mark, |(_, mark)| mark));
                let message = format!("`{}` has only one of the two marker lines of nodeagent", self.path.display());
                (message, Some(format!("keep both `{begin}` and `{end}`, or remove both")))
            })?,
        };
        // An existing file keeps its permissions and owner.
        let attributes = match before {
            Some(_) => Attributes { mode: self.mode, owner: None },
            None => self.attributes,
        };
        Ok(Wanted { content, item, attributes, before })
    }
}

/// How an item that is not as the profile wants it differs. `None` if the node has it as it was written, so the profile
/// changed.
pub fn difference(record: Option<&Item>, found: Option<&Snapshot>) -> Option<Difference> {
    match record {
        None => Some(Difference::Missing),
        Some(item) if item.is_as_written(found) => None,
        Some(_) => Some(Difference::Drifted),
    }
}

/// The text of an entry, from a file of the file store or from the profile. `None` if the file is missing or not text;
/// another check reports that.
pub fn text_of<A>(content: &Content, planner: &Planner<'_, A>) -> Option<String> {
    let file = match content {
        Content::Inline(text) => return Some(text.clone()),
        Content::File(file) => planner.common.inventory.asset(file)?,
    };
    let text = std::str::from_utf8(file.bytes.as_deref().unwrap_or_default()).ok()?;
    Some(text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n"))
}

fn with_last_line_feed(text: &str) -> String {
    if text.is_empty() || text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") }
}

/// The reasons to refuse a run in which two entries write the same file: each would replace the text of the other one.
pub fn written_twice(files: &[(PathBuf, Origin)]) -> Vec<Problem> {
    let mut firsts: HashMap<&Path, &Origin> = HashMap::new();
    let twice = files.iter().filter_map(|(path, origin)| {
        let Some(first) = firsts.get(path.as_path()) else {
            firsts.insert(path, origin);
            return None;
        };
        let first = first.with_column();
        let problem = Problem::new(format!("`{}` is written by two entries; the other is at {first}", path.display()));
        Some(problem.hint("remove one of the entries".to_owned()).asked_at(origin.clone()))
    });
    twice.collect()
}
