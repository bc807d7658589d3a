//! Removes the lines of others that assign a variable.

use super::destinations::Destination;
use crate::managed_block::ManagedBlock;

/// An assignment that cannot be removed alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entangled {
    /// The number of its line, counted from 1.
    pub(super) line: usize,
}

/// The text without the lines outside `block` that assign one of the names. `None` if there are none.
///
/// # Errors
/// If a line does more than this one assignment.
pub(super) fn without(
    to: Destination,
    text: &[u8],
    block: &ManagedBlock,
    names: &[&str],
) -> Result<Option<Vec<u8>>, Entangled> {
    let [begin, end] = block.marks();
    let (mut kept, mut is_ours, mut removed) = (Vec::with_capacity(text.len()), false, false);
    for (index, line) in text.split_inclusive(|&byte| byte == b'\n').enumerate() {
        let trimmed = line.trim_ascii_end();
        is_ours |= trimmed == begin.as_bytes();
        match assigned(trimmed, names) {
            Some(value) if !is_ours => {
                let is_shell = matches!(to, Destination::Spark | Destination::Login);
                if is_shell && !is_one_word(value) {
                    return Err(Entangled { line: index + 1 });
                }
                removed = true;
            }
            _ => kept.extend_from_slice(line),
        }
        is_ours &= trimmed != end.as_bytes();
    }
    Ok(removed.then_some(kept))
}

/// The value that a line assigns to one of the names.
fn assigned<'a>(line: &'a [u8], names: &[&str]) -> Option<&'a [u8]> {
    let line = line.trim_ascii_start();
    let line = line.strip_prefix(b"export ").map_or(line, <[u8]>::trim_ascii_start);
    let (name, value) = line.split_at(line.iter().position(|&byte| byte == b'=')?);
    names.iter().any(|wanted| wanted.as_bytes() == name.trim_ascii()).then(|| &value[1..])
}

/// Whether a shell reads the text as one word, with a comment at most after it. Quotes that end in another line,
/// further words and commands are not one word.
fn is_one_word(text: &[u8]) -> bool {
    let (mut quote, mut at) = (None, 0);
    while let Some(&byte) = text.get(at) {
        match (quote, byte) {
            (_, b'\\') if quote != Some(b'\'') => at += 1,
            (Some(open), _) if byte == open => quote = None,
            (None, b'\'' | b'"' | b'`') => quote = Some(byte),
            (None, b' ' | b'\t' | b';') => {
                let rest = text[at + 1..].trim_ascii();
                return rest.is_empty() || rest.starts_with(b"#");
            }
            (None, b'(' | b')' | b'&' | b'|' | b'<' | b'>') => return false,
            _ => {}
        }
        at += 1;
    }
    // A backslash at the end continues the line.
    quote.is_none() && at == text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::managed_block::Position;

    fn remove(to: Destination, text: &str) -> Result<Option<String>, Entangled> {
        let block = ManagedBlock::of_profile("x", Position::End);
        let removed = without(to, text.as_bytes(), &block, &["OLD"])?;
        Ok(removed.map(|text| String::from_utf8(text).expect("text")))
    }

    #[test]
    fn lines_that_assign_the_name_go_and_all_others_stay() {
        let text = "# OLD=1\nOLD=1\n  export OLD='a b' # why\nOLDER=1\nNEW=$OLD\nOLD=\"x\"; \n";
        let expected = "# OLD=1\nOLDER=1\nNEW=$OLD\n";
        assert_eq!(remove(Destination::Spark, text), Ok(Some(expected.to_owned())));
        assert_eq!(remove(Destination::Spark, expected), Ok(None));
        assert_eq!(remove(Destination::R, "OLD = it's\nA=1"), Ok(Some("A=1".to_owned())));
        assert_eq!(remove(Destination::System, "export OLD=a b\n"), Ok(Some(String::new())));
    }

    #[test]
    fn the_block_of_the_profile_stays() {
        let text = "OLD=1\n# >>> nodeagent x >>>\nexport OLD='2'\n# <<< nodeagent x <<<\nOLD=3\n";
        let expected = "# >>> nodeagent x >>>\nexport OLD='2'\n# <<< nodeagent x <<<\n";
        assert_eq!(remove(Destination::Spark, text), Ok(Some(expected.to_owned())));
    }

    #[test]
    fn a_line_that_does_more_is_not_removed() {
        for line in
            ["OLD=1 program", "OLD=1; rm x", "export OLD=1 NEW=2", "OLD='two", "OLD=two\\", "OLD=1 && x", "OLD=$(id)"]
        {
            assert_eq!(remove(Destination::Spark, &format!("a\n{line}\n")), Err(Entangled { line: 2 }), "{line}");
        }
    }
}
