//! A marked block in a file that others also write to. Text outside the marks is not changed. A new block is added at the
//! top, because readers of these files use the first matching entry.

/// A start mark or an end mark has no counterpart. The file was edited, and a guess could remove lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a mark of nodeagent has no counterpart")]
pub struct UnpairedMarker;

/// The marks of a block.
fn marks(name: &str) -> (String, String) {
    (format!("# >>> nodeagent {name} >>>"), format!("# <<< nodeagent {name} <<<"))
}

/// The text before and after a block.
type Surrounding<'a> = (&'a [u8], &'a [u8]);

/// The text before and after the block. `None` without a block.
fn surrounding<'a>(text: &'a [u8], name: &str) -> Result<Option<Surrounding<'a>>, UnpairedMarker> {
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

/// Whether the text has a block with the name, or one of its marks.
pub fn has_block(text: &[u8], name: &str) -> bool {
    !matches!(surrounding(text, name), Ok(None))
}

/// The text with the lines as the block with the name.
pub fn with_block(text: &[u8], name: &str, lines: &[u8]) -> Result<Vec<u8>, UnpairedMarker> {
    let (begin, end) = marks(name);
    let (before, after) = surrounding(text, name)?.unwrap_or((&[], text));
    Ok([before, begin.as_bytes(), b"\n", lines, end.as_bytes(), b"\n", after].concat())
}

/// The text without the block with the name.
pub fn without_block(text: &[u8], name: &str) -> Result<Vec<u8>, UnpairedMarker> {
    let (before, after) = surrounding(text, name)?.unwrap_or((&[], text));
    Ok([before, after].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_added_at_the_top_replaced_in_place_and_removed_completely() {
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
    fn each_profile_has_its_own_block() {
        let one = with_block(b"", "family", b"one\n").expect("paired");
        let both = with_block(&one, "base", b"two\n").expect("paired");
        assert!(has_block(&both, "family") && has_block(&both, "base") && !has_block(&both, "fam"));
        assert_eq!(without_block(&both, "base").expect("paired"), one);
    }

    #[test]
    fn a_mark_without_counterpart_is_an_error() {
        for text in [&b"# >>> nodeagent x >>>\n"[..], b"# <<< nodeagent x <<<\n# >>> nodeagent x >>>\n"] {
            assert_eq!(with_block(text, "x", b""), Err(UnpairedMarker));
            assert!(has_block(text, "x"));
        }
    }
}
