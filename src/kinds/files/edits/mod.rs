//! Edits of a file that others write, too. Pure: each gets the bytes of the file and returns the new bytes. An edit
//! changes no other byte of the file.
//!
//! Crates for INI files (`rust-ini`, `configparser`) parse a file and print it again. That changes spaces, comments,
//! the order of keys or repeated keys, so `set` works on lines.

mod block;
mod line;
mod line_list;
mod replace;
mod set;

use block::BlockError;
pub(super) use block::{Place, SIGNS, named, sign_of};
use regex::bytes::Regex;
use replace::ReplaceError;
pub(super) use replace::{Pattern, line_regex};

use super::source::{Source, rendered};
use crate::{
    diagnostic::Origin, inventory::Vault, managed_block::ManagedBlock, problem::Problem, profile::SecretText,
    state::part_of_block,
};

/// An edit.
#[derive(Debug, Clone)]
pub enum Edit {
    /// Lines between two marker lines.
    Block {
        /// The block.
        block: ManagedBlock,
        /// The place of a new block.
        place: Place,
        /// The lines.
        source: Source,
    },
    /// The header of a section of an INI file.
    Section(String),
    /// A line `KEY=VALUE`.
    Set {
        /// The section of an INI file.
        section: Option<String>,
        /// The key.
        key: String,
        /// The value.
        value: SecretText,
        /// The separator.
        separator: Option<String>,
    },
    /// A line of the file.
    Line {
        /// The line.
        line: String,
        /// The lines that it replaces.
        pattern: Option<Regex>,
    },
    /// Text that is replaced everywhere.
    Replace {
        /// The text to replace.
        pattern: Pattern,
        /// The text in its place.
        with: String,
        /// The profile line.
        origin: Origin,
    },
}

impl Edit {
    /// The part of the file that the edit makes, such as a key or a block. Of two edits with the same part, one
    /// replaces the other.
    pub fn part(&self) -> String {
        match self {
            Self::Block { block, .. } => part_of_block(block.marks()[0]),
            Self::Section(section) => format!("section [{section}]"),
            Self::Set { section: Some(section), key, .. } => format!("set [{section}] {key}"),
            Self::Set { section: None, key, .. } => format!("set {key}"),
            Self::Line { line, pattern: None } => format!("line {line}"),
            Self::Line { pattern: Some(pattern), .. } => format!("line match {pattern}"),
            Self::Replace { pattern: Pattern::Literal(find), with, .. } => format!("replace {find} with {with}"),
            Self::Replace { pattern: Pattern::Regex(regex), with, .. } => format!("replace regex {regex} with {with}"),
        }
    }

    /// Its rank among the edits of an entry: edits of a smaller rank come first.
    pub(super) fn rank(&self) -> u8 {
        match self {
            Self::Block { .. } => 0,
            Self::Section(_) | Self::Set { .. } => 1,
            Self::Line { .. } => 2,
            Self::Replace { .. } => 3,
        }
    }

    /// The edited text.
    ///
    /// # Errors
    /// If the edit cannot be made, or a secret is missing.
    pub fn apply(&self, text: &[u8], vault: &Vault) -> Result<Vec<u8>, Problem> {
        match self {
            Self::Block { block, place, source } => {
                let mut lines = rendered(&source.text, vault)?.reveal().to_vec();
                if !lines.is_empty() && !lines.ends_with(b"\n") {
                    lines.push(b'\n');
                }
                block::apply(text, block, place, &lines).map_err(|error| block_problem(&error, block))
            }
            Self::Section(section) => Ok(set::with_section(text, section)),
            Self::Set { section, key, value, separator } => {
                let value = rendered(value, vault)?;
                if value.reveal().contains(&b'\n') {
                    return Err(Problem::new(format!("the value of `{key}` has a line break")));
                }
                let (section, separator) = (section.as_deref(), separator.as_deref());
                Ok(set::apply(text, &set::Assignment { section, key, value: value.reveal(), separator }))
            }
            Self::Line { line, pattern } => Ok(line::apply(text, line.as_bytes(), pattern.as_ref())),
            Self::Replace { pattern, with, origin } => replace::apply(text, pattern, with)
                .map_err(|error| replace_problem(error, pattern).asked_at(origin.clone())),
        }
    }

    /// The source of its text.
    pub(super) fn source(&self) -> Option<&Source> {
        match self {
            Self::Block { source, .. } => Some(source),
            Self::Section(_) | Self::Set { .. } | Self::Line { .. } | Self::Replace { .. } => None,
        }
    }

    /// The same, to fill it in.
    pub(super) fn source_mut(&mut self) -> Option<&mut Source> {
        match self {
            Self::Block { source, .. } => Some(source),
            Self::Section(_) | Self::Set { .. } | Self::Line { .. } | Self::Replace { .. } => None,
        }
    }

    /// The text that may contain secrets.
    pub(super) fn text_mut(&mut self) -> Option<&mut SecretText> {
        match self {
            Self::Block { source, .. } => Some(&mut source.text),
            Self::Set { value, .. } => Some(value),
            Self::Section(_) | Self::Line { .. } | Self::Replace { .. } => None,
        }
    }

    /// Whether its text contains a secret.
    pub(super) fn has_secrets(&self) -> bool {
        match self {
            Self::Block { source, .. } => source.text.has_secrets(),
            Self::Set { value, .. } => value.has_secrets(),
            Self::Section(_) | Self::Line { .. } | Self::Replace { .. } => false,
        }
    }

    /// The edit in one line, without secrets.
    pub fn shown(&self) -> String {
        match self {
            Self::Set { section: Some(section), key, value, .. } => {
                format!("set [{section}] {key} = {}", value.shown())
            }
            Self::Set { section: None, key, value, .. } => format!("set {key} = {}", value.shown()),
            other => other.part(),
        }
    }
}

impl PartialEq for Edit {
    fn eq(&self, other: &Self) -> bool {
        // The part has the pattern. The other fields of equal parts differ only in these.
        self.part() == other.part()
            && match (self, other) {
                (Self::Block { place, source, .. }, Self::Block { place: place2, source: source2, .. }) => {
                    (place, source) == (place2, source2)
                }
                (Self::Set { value, separator, .. }, Self::Set { value: value2, separator: separator2, .. }) => {
                    (value, separator) == (value2, separator2)
                }
                (Self::Line { line, .. }, Self::Line { line: line2, .. }) => line == line2,
                _ => true,
            }
    }
}

impl Eq for Edit {}

fn block_problem(error: &BlockError, block: &ManagedBlock) -> Problem {
    let hint = match error {
        BlockError::Unpaired(_) => {
            let [begin, end] = block.marks();
            format!("keep both `{begin}` and `{end}`, or remove both")
        }
        BlockError::NoPlace(_) => "correct `above` or `below`, or use `at`".to_owned(),
    };
    Problem::new(error.to_string()).hint(hint)
}

fn replace_problem(error: ReplaceError, pattern: &Pattern) -> Problem {
    let what = match pattern {
        Pattern::Literal(find) => format!("`{}`", find.trim_end()),
        Pattern::Regex(regex) => format!("`{regex}`"),
    };
    let hint = match error {
        ReplaceError::NoMatch => "correct the text: the file may have another form on this runtime",
        ReplaceError::NotRecognised => {
            "make each character that the replacement removes optional, as in `^#?(LOGS=)`, so that the next run \
             recognises the line"
        }
        ReplaceError::Unstable => "change `regex` or `with` so that the replaced text is not replaced again",
    };
    Problem::new(format!("{what} was not replaced: {error}")).hint(hint.to_owned())
}
