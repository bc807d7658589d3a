//! The edit `block`: lines between two marker lines.

use std::path::Path;

use regex::bytes::Regex;

use crate::managed_block::{ManagedBlock, Position, UnpairedMarker};

/// The position of a new block.
#[derive(Debug, Clone)]
pub enum Place {
    /// Before all lines.
    Start,
    /// After all lines.
    End,
    /// Above the first line that matches.
    Above(Regex),
    /// Below the first line that matches.
    Below(Regex),
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Start, Self::Start) | (Self::End, Self::End) => true,
            (Self::Above(one), Self::Above(other)) | (Self::Below(one), Self::Below(other)) => {
                one.as_str() == other.as_str()
            }
            (Self::Start | Self::End | Self::Above(_) | Self::Below(_), _) => false,
        }
    }
}

impl Eq for Place {}

/// Why a block was not written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum BlockError {
    /// See [`UnpairedMarker`].
    #[error(transparent)]
    Unpaired(#[from] UnpairedMarker),
    /// No line matches.
    #[error("no line matches `{0}`, so the place of the block is not known")]
    NoPlace(String),
}

/// Puts the lines into the block. A block that is there already stays where it is.
pub(super) fn apply(text: &[u8], block: &ManagedBlock, place: &Place, lines: &[u8]) -> Result<Vec<u8>, BlockError> {
    let position = match place {
        _ if block.lines(text)?.is_some() => Position::End,
        Place::Start => Position::Start,
        Place::End => Position::End,
        Place::Above(regex) => Position::At(line_of(text, regex).ok_or_else(|| no_place(regex))?.0),
        Place::Below(regex) => Position::At(line_of(text, regex).ok_or_else(|| no_place(regex))?.1),
    };
    Ok(block.clone().at(position).put(text, lines)?)
}

fn no_place(regex: &Regex) -> BlockError {
    BlockError::NoPlace(regex.as_str().to_owned())
}

/// The start and the end of the first line that matches.
fn line_of(text: &[u8], regex: &Regex) -> Option<(usize, usize)> {
    let found = regex.find(text)?;
    let start = text[..found.start()].iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    let last = found.end().max(start);
    let end = text[last..].iter().position(|&byte| byte == b'\n').map_or(text.len(), |at| last + at + 1);
    Some((start, end))
}

/// The signs of comments that marker lines may have.
pub(in crate::kinds::files) const SIGNS: [&str; 4] = ["#", "//", ";", "<!--"];

/// The sign of comments in a file, by its name. `None` if its format has no comments.
pub(in crate::kinds::files) fn sign_of(path: &Path) -> Option<&'static str> {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    match extension {
        "json" | "csv" | "tsv" => None,
        "xml" | "html" | "htm" | "md" => Some("<!--"),
        "ini" => Some(";"),
        "js" | "ts" | "java" | "scala" | "c" | "h" | "cc" | "cpp" | "go" | "rs" | "groovy" | "kt" => Some("//"),
        _ => Some("#"),
    }
}

/// The block with this name in a file whose comments begin with `sign`.
pub(in crate::kinds::files) fn named(sign: &str, name: &str) -> ManagedBlock {
    let end = if sign == "<!--" { " -->" } else { "" };
    ManagedBlock::of_marks(
        format!("{sign} >>> nodeagent {name} >>>{end}"),
        format!("{sign} <<< nodeagent {name} <<<{end}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::files::edits::replace::line_regex;

    fn put(text: &str, place: &Place) -> Result<String, BlockError> {
        let block = named("#", "x");
        let once = apply(text.as_bytes(), &block, place, b"new\n")?;
        assert_eq!(apply(&once, &block, place, b"new\n").as_ref(), Ok(&once), "a second time changes nothing");
        assert_eq!(block.take_out(&once).expect("paired"), text.as_bytes(), "it can be taken out");
        Ok(String::from_utf8(once).expect("text"))
    }

    #[test]
    fn a_new_block_has_its_place() {
        let text = "one\ntwo\nthree\n";
        let block = "# >>> nodeagent x >>>\nnew\n# <<< nodeagent x <<<\n";
        let regex = |pattern: &str| line_regex(pattern).expect("a pattern");
        for (place, expected) in [
            (Place::Start, format!("{block}{text}")),
            (Place::End, format!("{text}{block}")),
            (Place::Above(regex("^tw")), format!("one\n{block}two\nthree\n")),
            (Place::Below(regex("w")), format!("one\ntwo\n{block}three\n")),
            (Place::Below(regex("^three$")), format!("{text}{block}")),
        ] {
            assert_eq!(put(text, &place), Ok(expected));
        }
        assert_eq!(put(text, &Place::Above(regex("four"))), Err(BlockError::NoPlace("four".to_owned())));
    }

    #[test]
    fn the_name_of_a_file_tells_the_sign_of_its_comments() {
        let signs = ["x.xml", "a.conf", "bashrc", "b.ini", "x.scala", "x.json"].map(|name| sign_of(Path::new(name)));
        assert_eq!(signs, [Some("<!--"), Some("#"), Some("#"), Some(";"), Some("//"), None]);
        assert_eq!(named("<!--", "a").marks(), ["<!-- >>> nodeagent a >>> -->", "<!-- <<< nodeagent a <<< -->"]);
    }
}
