//! A marked block in a file that others also write to: what is between the marks is ours, all else stays byte for
//! byte. A new block goes to the top: readers of these files take the first entry that matches.

/// A begin or end mark stands alone: somebody edited the file, and guessing could lose lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a mark of nodeagent stands without its partner")]
pub struct UnpairedMarker;

/// The marks of a name's block.
fn marks(name: &str) -> (String, String) {
    (format!("# >>> nodeagent {name} >>>"), format!("# <<< nodeagent {name} <<<"))
}

/// What is before a block and what is after it.
type Around<'a> = (&'a [u8], &'a [u8]);

/// What is around the block; `None` when there is none.
fn around<'a>(text: &'a [u8], name: &str) -> Result<Option<Around<'a>>, UnpairedMarker> {
    let (begin, end) = marks(name);
    let (mut first, mut last, mut at) = (None, None, 0);
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        if line.trim_ascii_end() == begin.as_bytes() {
            first.get_or_insert(at);
        }
        at += line.len();
        if line.trim_ascii_end() == end.as_bytes() {
            last.get_or_insert(at);
        }
    }
    match (first, last) {
        (Some(first), Some(last)) if first < last => Ok(Some((&text[..first], &text[last..]))),
        (None, None) => Ok(None),
        _ => Err(UnpairedMarker),
    }
}

/// Whether the text has a block of that name, or a half of one.
pub fn has_block(text: &[u8], name: &str) -> bool {
    !matches!(around(text, name), Ok(None))
}

/// The text with these lines as the block of that name.
pub fn with_block(text: &[u8], name: &str, lines: &[u8]) -> Result<Vec<u8>, UnpairedMarker> {
    let (begin, end) = marks(name);
    let (before, after) = around(text, name)?.unwrap_or((&[], text));
    Ok([before, begin.as_bytes(), b"\n", lines, end.as_bytes(), b"\n", after].concat())
}

/// The text without the block of that name.
pub fn without_block(text: &[u8], name: &str) -> Result<Vec<u8>, UnpairedMarker> {
    let (before, after) = around(text, name)?.unwrap_or((&[], text));
    Ok([before, after].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_comes_first_is_replaced_in_place_and_goes_without_a_trace() {
        let others = b"db:5432:*:ann:caf\xe9\n";
        let once = with_block(others, "family", b"one\n").expect("paired");
        assert!(once.starts_with(b"# >>> nodeagent family >>>\none\n# <<< nodeagent family <<<\ndb:"));
        assert_eq!(with_block(&once, "family", b"one\n").expect("paired"), once);
        let moved = [&b"# mine\n"[..], &once].concat();
        let changed = with_block(&moved, "family", b"two\n").expect("paired");
        assert!(changed.starts_with(b"# mine\n# >>> nodeagent family >>>\ntwo\n#"));
        assert_eq!(without_block(&once, "family").expect("paired"), others);
    }

    #[test]
    fn each_profile_has_a_block_of_its_own() {
        let one = with_block(b"", "family", b"one\n").expect("paired");
        let both = with_block(&one, "base", b"two\n").expect("paired");
        assert!(has_block(&both, "family") && has_block(&both, "base") && !has_block(&both, "fam"));
        assert_eq!(without_block(&both, "base").expect("paired"), one);
    }

    #[test]
    fn a_lone_mark_is_not_guessed_at() {
        for text in [&b"# >>> nodeagent x >>>\n"[..], b"# <<< nodeagent x <<<\n# >>> nodeagent x >>>\n"] {
            assert_eq!(with_block(text, "x", b""), Err(UnpairedMarker));
            assert!(has_block(text, "x"));
        }
    }
}
