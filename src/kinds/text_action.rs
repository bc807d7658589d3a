//! The action of kinds that write text files with and without secrets.

use std::path::{Path, PathBuf};

use secrecy::zeroize::Zeroizing;

use super::{quote::Quote, writes_files::WritesFile};
use crate::{
    fs::{self, Attributes, PartialFile, Snapshot},
    inventory::{Snapshots, Vault},
    managed_block::ManagedBlock,
    plan::{PlannedItem, Planner, StepOptions, WriteFile, difference, title::listed},
    problem::Problem,
    profile::SecretRef,
    secrets::file_formats::Rendered,
    state::{Item, WHOLE, part_of_block},
    steps::{Context, note_item, write_file},
};

/// The permissions of a file with secrets.
const SECRET_MODE: u32 = 0o600;

/// The action of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextAction {
    /// Write a file without secrets.
    Plain(WriteFile),
    /// Write a file with secrets.
    Secret(WriteSecretText),
}

/// A text with secrets that only root can read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteSecretText {
    /// The profile's name.
    pub profile: String,
    /// The path on the node.
    pub file: PathBuf,
    /// The path, below the root of the file system.
    pub path: PathBuf,
    /// The block that contains the text. `None` if the text is the whole file.
    pub block: Option<ManagedBlock>,
    /// The text.
    pub pieces: Vec<Piece>,
}

/// A part of a text with secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Literal text.
    Text(String),
    /// A secret in the form of the file's format.
    Secret {
        /// The secret.
        secret: SecretRef,
        /// How the format quotes the value.
        quote: Quote,
        /// The role of the secret in the file, for the plan: `the variable X`.
        becomes: String,
    },
}

impl From<WriteFile> for TextAction {
    fn from(file: WriteFile) -> Self {
        Self::Plain(file)
    }
}

impl WriteSecretText {
    /// The secrets in the text.
    fn secrets(&self) -> impl Iterator<Item = (&SecretRef, &str)> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Secret { secret, becomes, .. } => Some((secret, becomes.as_str())),
            Piece::Text(_) => None,
        })
    }

    /// The new content of the file. `found` is the present file.
    ///
    /// # Errors
    /// If a secret is not available or cannot be represented, or the block is damaged.
    fn content(&self, found: Option<&Snapshot>, vault: &Vault) -> Result<Rendered, Problem> {
        let mut text = Zeroizing::new(Vec::new());
        for piece in &self.pieces {
            match piece {
                Piece::Text(literal) => text.extend_from_slice(literal.as_bytes()),
                Piece::Secret { secret, quote, .. } => {
                    text.extend_from_slice(value(secret, *quote, vault)?.as_bytes());
                }
            }
        }
        let Some(block) = &self.block else { return Ok(Rendered::new(text.to_vec())) };
        let old = found.and_then(|found| found.bytes.as_deref()).unwrap_or_default();
        let content = block.put(old, &text).map_err(|unpaired| {
            Problem::new(format!("`{}`: {unpaired}", self.path.display()))
                .hint("remove the marker line that is left".to_owned())
        })?;
        Ok(Rendered::new(content))
    }

    /// Whether the present file has the content, and only its owner can read it.
    fn is_as_wanted(found: Option<&Snapshot>, content: &Rendered) -> bool {
        found.is_some_and(|found| found.bytes.as_deref() == Some(content.reveal()) && found.mode == SECRET_MODE)
    }

    /// Plans the step that writes the file if the file differs. `label` is the start of the report line of an unchanged
    /// file.
    pub fn plan(
        self,
        id: String,
        label: &str,
        look: &Snapshots,
        planner: &mut Planner<'_, TextAction>,
        options: StepOptions,
    ) {
        let origin = options.origins[0].clone();
        planner.writes(&self.file, &origin);
        planner.makes(&self.file, self.part(), &options.entries);
        let found = match look.get(&self.file) {
            Ok(found) => found,
            Err(error) => return planner.refuse(&origin, error.to_string(), error.hint()),
        };
        let inventory = planner.common.inventory;
        match self.content(found, &inventory.vault) {
            Err(problem) => planner.refuse_with(problem.asked_at(origin)),
            Ok(content) if Self::is_as_wanted(found, &content) => {
                planner.ready(format!("{label}: {}", self.file.display()));
            }
            Ok(_) => {
                let record = inventory.receipt.item(&self.profile, &self.file, &self.part());
                let difference = difference(record, found);
                planner.step(id, TextAction::Secret(self), options);
                planner.differs(difference);
            }
        }
    }

    /// The part of the file that the entry makes.
    fn part(&self) -> String {
        self.block.as_ref().map_or_else(|| WHOLE.to_owned(), |block| part_of_block(block.marks()[0]))
    }

    /// Records the file in the receipt, writes it and looks again.
    fn write(&self, ctx: &Context, vault: &Vault) -> Result<(), Problem> {
        let found = fs::read(&self.path)?;
        let content = self.content(found.as_ref(), vault)?;
        if let Some(folder) = self.path.parent() {
            // Users can pass through a new folder but not list it.
            fs::create_dirs(folder, 0o711)?;
        }
        let mut file = PartialFile::create(&self.path, Attributes::mode(SECRET_MODE))?;
        file.write(content.reveal())?;
        let item = match &self.block {
            None => Item::SecretFile { stamps: vec![file.stamp()?] },
            Some(block) => {
                let marks = block.marks().map(str::to_owned);
                Item::Block { marks, digests: Vec::new(), created: found.is_none() }
            }
        };
        let item = PlannedItem { profile: self.profile.clone(), file: self.file.clone(), item };
        note_item(ctx, &item, found.as_ref())?;
        file.commit()?;
        if Self::is_as_wanted(fs::read(&self.path)?.as_ref(), &content) {
            return Ok(());
        }
        Err(Problem::new(format!("`{}` does not have the written content", self.path.display())))
    }
}

/// A secret in the form of a file.
fn value(secret: &SecretRef, quote: Quote, vault: &Vault) -> Result<Zeroizing<String>, Problem> {
    let key = &secret.key;
    let found = secret.from.as_ref().and_then(|from| vault.get(from));
    let found = found.ok_or_else(|| Problem::new(format!("the secret `{key}` is not available")))?;
    let value = found
        .map_err(|error| Problem::new(format!("the secret `{key}` is not available: {error}")).hint(error.hint()))?;
    let unfit = |why: &str| {
        Problem::new(format!("the secret `{key}` does not fit into the file: {why}"))
            .hint("deliver it as a file with `[[secrets.items]]`".to_owned())
    };
    let text = std::str::from_utf8(value.reveal()).map_err(|_| unfit("it is not UTF-8 text"))?;
    quote.quoted(text).map_err(unfit)
}

impl WritesFile for TextAction {
    fn path(&self) -> &Path {
        match self {
            Self::Plain(file) => &file.path,
            Self::Secret(file) => &file.path,
        }
    }

    fn title(&self) -> String {
        match self {
            Self::Plain(file) => file.title(),
            Self::Secret(file) => {
                let keys = listed(file.secrets().map(|(secret, _)| secret.key.clone()));
                format!("write {} with the secrets {keys}", file.path.display())
            }
        }
    }

    fn describe(&self) -> Vec<String> {
        match self {
            Self::Plain(file) => file.describe(),
            // The present content and the new one have secrets, so there is no diff.
            Self::Secret(file) => {
                let lines =
                    file.secrets().map(|(secret, becomes)| format!("the secret `{}` becomes {becomes}", secret.key));
                lines.collect()
            }
        }
    }

    fn write(&self, ctx: &Context, vault: &Vault) -> Result<(), Problem> {
        match self {
            Self::Plain(file) => write_file(ctx, file),
            Self::Secret(file) => file.write(ctx, vault),
        }
    }
}
