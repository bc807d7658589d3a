//! A marked block in a file that others also write to: the lines between the marks belong to nodeagent, all other lines
//! stay byte for byte.

/// A begin or end mark without its partner: the file was edited, and a guess could lose lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a marker of nodeagent has no partner, or occurs twice")]
pub struct UnpairedMarker;

/// A block, known by its marks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagedBlock {
    begin: String,
    end: String,
    at: Position,
}

/// The position of a new block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// Before all other lines: some readers take the first entry that matches.
    Start,
    /// After all other lines: a shell lets the last assignment win.
    End,
    /// At this byte, the start of a line or the end of the file.
    At(usize),
}

/// The text before the block and the text after it.
type Around<'a> = (&'a [u8], &'a [u8]);

impl ManagedBlock {
    /// The one block of nodeagent in a file whose comments begin with `sign`.
    pub fn only(sign: &str, at: Position) -> Self {
        Self { begin: format!("{sign} >>> nodeagent >>>"), end: format!("{sign} <<< nodeagent <<<"), at }
    }

    /// The block of a profile in a file where comments begin with `#`.
    pub fn of_profile(name: &str, at: Position) -> Self {
        Self { begin: format!("# >>> nodeagent {name} >>>"), end: format!("# <<< nodeagent {name} <<<"), at }
    }

    /// The block with these marks. A new one comes after all other lines.
    pub fn of_marks(begin: String, end: String) -> Self {
        Self { begin, end, at: Position::End }
    }

    /// The same block with another position if it is new.
    #[must_use]
    pub fn at(self, at: Position) -> Self {
        Self { at, ..self }
    }

    /// The marks, for messages.
    pub fn marks(&self) -> [&str; 2] {
        [&self.begin, &self.end]
    }

    /// Whether a text has the block, or a half of it.
    pub fn is_in(&self, text: &[u8]) -> bool {
        !matches!(self.around(text), Ok(None))
    }

    /// The text with these lines in the block, in place of those that are there. Each line ends with a line feed.
    ///
    /// # Errors
    /// When a mark stands alone.
    pub fn put(&self, text: &[u8], lines: &[u8]) -> Result<Vec<u8>, UnpairedMarker> {
        let (before, after) = match (self.around(text)?, self.at) {
            (Some(around), _) => around,
            (None, Position::Start) => (&[][..], text),
            (None, Position::End) => (text, &[][..]),
            (None, Position::At(at)) => text.split_at(at),
        };
        let line_feed: &[u8] = if before.is_empty() || before.ends_with(b"\n") { b"" } else { b"\n" };
        let (begin, end) = (self.begin.as_bytes(), self.end.as_bytes());
        Ok([before, line_feed, begin, b"\n", lines, end, b"\n", after].concat())
    }

    /// The text without the block.
    ///
    /// # Errors
    /// When a mark stands alone.
    pub fn take_out(&self, text: &[u8]) -> Result<Vec<u8>, UnpairedMarker> {
        let (before, after) = self.around(text)?.unwrap_or((&[], text));
        Ok([before, after].concat())
    }

    /// The lines between the marks. `None` when there is no block.
    ///
    /// # Errors
    /// When a mark stands alone.
    pub fn lines<'a>(&self, text: &'a [u8]) -> Result<Option<&'a [u8]>, UnpairedMarker> {
        let Some((before, after)) = self.around(text)? else { return Ok(None) };
        let block = &text[before.len()..text.len() - after.len()];
        let line_feed = |bytes: &[u8]| bytes.iter().position(|&byte| byte == b'\n').map_or(bytes.len(), |at| at + 1);
        let lines = &block[line_feed(block)..];
        let last = lines.strip_suffix(b"\n").unwrap_or(lines);
        let end = last.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        Ok(Some(&lines[..end]))
    }

    /// The text around the block; `None` when there is no block.
    fn around<'a>(&self, text: &'a [u8]) -> Result<Option<Around<'a>>, UnpairedMarker> {
        let (mut begins, mut ends, mut at) = (Vec::new(), Vec::new(), 0);
        for line in text.split_inclusive(|&byte| byte == b'\n') {
            if line.trim_ascii_end() == self.begin.as_bytes() {
                begins.push(at);
            }
            at += line.len();
            if line.trim_ascii_end() == self.end.as_bytes() {
                ends.push(at);
            }
        }
        match (begins.as_slice(), ends.as_slice()) {
            (&[first], &[last]) if first < last => Ok(Some((&text[..first], &text[last..]))),
            ([], []) => Ok(None),
            _ => Err(UnpairedMarker),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str) -> ManagedBlock {
        ManagedBlock::of_profile(name, Position::Start)
    }

    fn shell() -> ManagedBlock {
        ManagedBlock::only("#", Position::End)
    }

    #[test]
    fn a_block_at_the_start_is_replaced_in_place_and_removed_without_a_trace() {
        let others = b"db:5432:*:ann:caf\xe9\n";
        let once = of("family").put(others, b"one\n").expect("paired");
        assert!(once.starts_with(b"# >>> nodeagent family >>>\none\n# <<< nodeagent family <<<\ndb:"));
        assert_eq!(of("family").put(&once, b"one\n").expect("paired"), once);
        let moved = [&b"# mine\n"[..], &once].concat();
        let changed = of("family").put(&moved, b"two\n").expect("paired");
        assert!(changed.starts_with(b"# mine\n# >>> nodeagent family >>>\ntwo\n#"));
        assert_eq!(of("family").take_out(&once).expect("paired"), others);
    }

    #[test]
    fn a_block_at_the_end_is_added_once_and_replaced_in_place() {
        let once = shell().put(b"alias ll='ls -l'", b"PS1=x\n").expect("paired");
        assert_eq!(once, b"alias ll='ls -l'\n# >>> nodeagent >>>\nPS1=x\n# <<< nodeagent <<<\n");
        assert_eq!(shell().put(&once, b"PS1=x\n").expect("paired"), once);
        let edited = [&once[..], b"# mine\n"].concat();
        let expected = b"alias ll='ls -l'\n# >>> nodeagent >>>\nPS1=y\n# <<< nodeagent <<<\n# mine\n";
        assert_eq!(shell().put(&edited, b"PS1=y\n").expect("paired"), expected);
    }

    #[test]
    fn bytes_that_are_not_text_stay_as_they_are() {
        let vim = ManagedBlock::only("\"", Position::End);
        let after = vim.put(b"caf\xe9\n", b"x\n").expect("paired");
        assert!(after.starts_with(b"caf\xe9\n") && after.ends_with(b"\" <<< nodeagent <<<\n"));
    }

    #[test]
    fn the_lines_of_a_block_are_those_between_its_marks() {
        for lines in [&b""[..], b"one\n", b"one\ntwo\n"] {
            let text = shell().put(b"others\n", lines).expect("paired");
            assert_eq!(shell().lines(&[&text[..], b"more\n"].concat()), Ok(Some(lines)));
        }
        assert_eq!(shell().lines(b"others\n"), Ok(None));
    }

    #[test]
    fn each_profile_has_a_block_of_its_own() {
        let one = of("family").put(b"", b"one\n").expect("paired");
        let both = of("base").put(&one, b"two\n").expect("paired");
        assert!(of("family").is_in(&both) && of("base").is_in(&both) && !of("fam").is_in(&both));
        assert_eq!(of("base").take_out(&both).expect("paired"), one);
    }

    #[test]
    fn a_mark_without_its_partner_is_an_error() {
        for text in [&b"# >>> nodeagent x >>>\n"[..], b"# <<< nodeagent x <<<\n# >>> nodeagent x >>>\n"] {
            assert_eq!(of("x").put(text, b""), Err(UnpairedMarker));
            assert!(of("x").is_in(text));
        }
    }
}
