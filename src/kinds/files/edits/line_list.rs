//! The lines of a file, each with its line end.

/// A file as lines. A change of one line leaves all other bytes as they are.
#[derive(Debug, Clone)]
pub(super) struct LineList(Vec<Vec<u8>>);

impl LineList {
    pub(super) fn of(text: &[u8]) -> Self {
        Self(text.split_inclusive(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect())
    }

    pub(super) fn into_text(self) -> Vec<u8> {
        self.0.concat()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// A line without its line end.
    pub(super) fn line(&self, index: usize) -> &[u8] {
        without_end(&self.0[index])
    }

    /// All lines without their line ends.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &[u8]> + ExactSizeIterator {
        self.0.iter().map(|line| without_end(line))
    }

    /// Replaces a line. It keeps its line end. An empty line gets one: without it, the file would not have the line.
    pub(super) fn replace(&mut self, index: usize, line: &[u8]) {
        let end = match &self.0[index][without_end(&self.0[index]).len()..] {
            b"" if line.is_empty() => self.line_end(),
            end => end,
        };
        self.0[index] = [line, end].concat();
    }

    /// Inserts a line before the line with this index. It has the line end of the file.
    pub(super) fn insert(&mut self, index: usize, line: &[u8]) {
        let end = self.line_end();
        if let Some(last) = index.checked_sub(1).and_then(|last| self.0.get_mut(last))
            && !last.ends_with(b"\n")
        {
            last.extend_from_slice(end);
        }
        self.0.insert(index, [line, end].concat());
    }

    /// The line end of the file.
    fn line_end(&self) -> &'static [u8] {
        if self.0.first().is_some_and(|first| first.ends_with(b"\r\n")) { b"\r\n" } else { b"\n" }
    }
}

fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}
