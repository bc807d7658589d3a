//! Changes of lines in a file, so that an edit can be taken back while the other lines of the file may change. Pure.

use serde::{Deserialize, Serialize};
use similar::{Algorithm, DiffOp, capture_diff_slices};

/// The changes that one edit made, from the start of the file to its end.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Changes(Vec<Change>);

/// One change: lines that took the place of others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Change {
    /// The line above.
    above: Option<String>,
    /// The lines before the edit. Each has its line end.
    before: Vec<String>,
    /// The lines of the edit.
    after: Vec<String>,
    /// Whether the lines of the edit are cut off before a secret.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_cut: bool,
}

impl Changes {
    /// The changes from one text to another. `None` if a changed line is not UTF-8.
    pub fn between(old: &[u8], new: &[u8]) -> Option<Self> {
        let (old, new) = (lines(old), lines(new));
        let text = |lines: &[&[u8]]| -> Option<Vec<String>> {
            lines.iter().map(|line| std::str::from_utf8(line).ok().map(str::to_owned)).collect()
        };
        let mut changes = Vec::new();
        for op in capture_diff_slices(Algorithm::Myers, &old, &new) {
            if matches!(op, DiffOp::Equal { .. }) {
                continue;
            }
            let above = match op.new_range().start.checked_sub(1) {
                Some(above) => Some(text(&new[above..=above])?.concat()),
                None => None,
            };
            changes.push(Change {
                above,
                before: text(&old[op.old_range()])?,
                after: text(&new[op.new_range()])?,
                is_cut: false,
            });
        }
        Some(Self(changes))
    }

    /// The changes without a secret: lines are cut off before the value, and nothing of the lines before is kept,
    /// because they may contain an older value.
    #[must_use]
    pub fn without_secret(mut self, value: &[u8]) -> Self {
        for change in &mut self.0 {
            change.before.clear();
            change.is_cut = true;
            for line in &mut change.after {
                if let Some(at) = memchr::memmem::find(line.as_bytes(), value).filter(|at| line.is_char_boundary(*at)) {
                    line.truncate(at);
                }
            }
        }
        self
    }

    /// The changes without the lines above them that have a secret. Such a place is found without its line above.
    #[must_use]
    pub fn without_lines_above(mut self, has_secret: impl Fn(&str) -> bool) -> Self {
        for change in &mut self.0 {
            change.above.take_if(|above| has_secret(above));
        }
        self
    }

    /// The changes that have no line with a secret, for an edit that also changed lines of another edit.
    #[must_use]
    pub fn without_lines(mut self, has_secret: impl Fn(&str) -> bool) -> Self {
        self.0.retain(|change| !change.before.iter().chain(&change.after).any(|line| has_secret(line)));
        self
    }

    /// Whether nothing was changed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// These changes and later ones of the same edit, which were made to `text`. Lines that the later ones replaced are
    /// as before the first ones, also if something else changed them meanwhile.
    #[must_use]
    pub fn then(mut self, later: Self, text: &[u8]) -> Self {
        let text: Vec<Vec<u8>> = lines(text).into_iter().map(<[u8]>::to_vec).collect();
        for change in later.0 {
            let is_replaced = |first: &Change| !first.after.is_empty() && first.after == change.before;
            let is_lost = |first: &Change| first.position(&text).is_none();
            let index = self.0.iter().position(is_replaced).or_else(|| self.0.iter().position(is_lost));
            match index {
                Some(index) => self.0[index] = Change { before: std::mem::take(&mut self.0[index].before), ..change },
                None => self.0.push(change),
            }
        }
        self
    }

    /// Whether the text has the lines before the changes instead of those of the edit: it was not made, or undone.
    pub fn is_undone(&self, text: &[u8]) -> bool {
        let lines = lines(text);
        self.0.iter().all(|change| {
            let has = |wanted: &str| lines.contains(&wanted.as_bytes());
            !change.is_cut && change.before.iter().all(|line| has(line)) && !change.after.iter().any(|line| has(line))
        })
    }

    /// The text without the changes. `None` if lines of the edit were changed or removed.
    pub fn undo(&self, text: &[u8]) -> Option<Vec<u8>> {
        let mut lines: Vec<Vec<u8>> = lines(text).into_iter().map(<[u8]>::to_vec).collect();
        for change in self.0.iter().rev() {
            let at = change.position(&lines)?;
            let end = at + change.after.len();
            let mut before: Vec<Vec<u8>> = change.before.iter().map(|line| line.clone().into_bytes()).collect();
            if let Some(last) = before.last_mut().filter(|last| end < lines.len() && !last.ends_with(b"\n")) {
                last.push(b'\n');
            }
            lines.splice(at..end, before);
        }
        Some(lines.concat())
    }
}

impl Change {
    /// The position of its lines. Lines below the same line as before are preferred, then the last ones.
    fn position(&self, lines: &[Vec<u8>]) -> Option<usize> {
        let is_below = |at: usize| match (&self.above, at.checked_sub(1)) {
            (Some(above), Some(before)) => lines[before] == above.as_bytes(),
            (above, before) => above.is_none() && before.is_none(),
        };
        let count = self.after.len();
        let starts = (0..=lines.len().checked_sub(count)?).rev();
        let is_same = |one: &[u8], other: &[u8]| if self.is_cut { one.starts_with(other) } else { one == other };
        let is_here = |at: &usize| {
            let mut pairs = lines[*at..*at + count].iter().zip(&self.after);
            pairs.all(|(one, other)| is_same(one, other.as_bytes()))
        };
        let mut places = starts.filter(is_here);
        if count == 0 {
            // Removed lines leave no trace but the line above.
            return places.find(|at| is_below(*at));
        }
        let all: Vec<usize> = places.collect();
        all.iter().copied().find(|at| is_below(*at)).or_else(|| all.first().copied())
    }
}

fn lines(text: &[u8]) -> Vec<&[u8]> {
    text.split_inclusive(|&byte| byte == b'\n').collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn undone(old: &str, new: &str, now: &str) -> Option<String> {
        let changes = Changes::between(old.as_bytes(), new.as_bytes()).expect("text");
        changes.undo(now.as_bytes()).map(|text| String::from_utf8(text).expect("text"))
    }

    #[test]
    fn a_change_is_undone_exactly() {
        for (old, new) in [
            ("", "a\n"),
            ("a", "a\nb\n"),
            ("a=1\nb=2\n", "a=9\nb=2\n"),
            ("a\nb\nc\n", "a\nc\n"),
            ("a\nb\n", "b\n"),
            ("x\ny\nx\n", "z\ny\nz\n"),
            ("a\r\nb", "a\r\nb\r\nc\r\n"),
        ] {
            assert_eq!(undone(old, new, new).as_deref(), Some(old), "{old:?} {new:?}");
        }
    }

    #[test]
    fn other_lines_may_change_meanwhile() {
        assert_eq!(undone("a=1\nb=2\n", "a=9\nb=2\n", "# new\na=9\nb=3\n").as_deref(), Some("# new\na=1\nb=3\n"));
        assert_eq!(undone("a", "a\nb\n", "a\nb\nc\n").as_deref(), Some("a\nc\n"));
        assert_eq!(undone("a=1\n", "a=9\n", "a=8\n"), None, "the line was changed");
        assert_eq!(undone("a\nb\n", "a\n", "x\n"), None, "the place is not known");
    }

    #[test]
    fn a_second_writing_keeps_the_lines_before_the_first() {
        let between = |old: &str, new: &str| Changes::between(old.as_bytes(), new.as_bytes()).expect("text");
        let both = between("a=1\n", "a=2\n").then(between("a=2\n", "a=3\n"), b"a=2\n");
        assert_eq!(both, between("a=1\n", "a=3\n"));
        let repaired = between("a=1\n", "a=2\n").then(between("a=9\n", "a=2\n"), b"a=9\n");
        assert_eq!(repaired, between("a=1\n", "a=2\n"));
        let more = between("a\nx\n", "b\nx\n").then(between("b\nx\na\n", "b\nx\nb\n"), b"b\nx\na\n");
        assert_eq!(more.undo(b"b\nx\nb\n").as_deref(), Some(&b"a\nx\na\n"[..]));
    }

    #[test]
    fn the_secret_of_another_edit_is_not_kept() {
        let between = |old: &str, new: &str| Changes::between(old.as_bytes(), new.as_bytes()).expect("text");
        let has_secret = |line: &str| line.contains("hidden");
        let added = between("key=hidden\n", "key=hidden\nport=1\n").without_lines_above(has_secret);
        assert!(!serde_json::to_string(&added).expect("it can be written").contains("hidden"));
        assert_eq!(added.undo(b"key=hidden\nport=1\n").as_deref(), Some(&b"key=hidden\n"[..]));
        assert!(between("key=hidden\n", "key=hidden2\n").without_lines(has_secret).is_empty());
    }

    #[test]
    fn a_secret_is_not_kept() {
        let changes = Changes::between(b"a=1\nkey=old\n", b"a=1\nkey=new\n").expect("text").without_secret(b"new");
        let kept = serde_json::to_string(&changes).expect("it can be written");
        assert!(!kept.contains("new") && !kept.contains("old"), "{kept}");
        assert_eq!(changes.undo(b"a=1\nkey=newer\nb\n").as_deref(), Some(&b"a=1\nb\n"[..]));
    }

    #[test]
    fn lines_that_are_not_text_are_not_recorded() {
        assert_eq!(Changes::between(b"\xe9\n", b"a\n"), None);
        assert!(Changes::between(b"\xe9\n", b"\xe9\na\n").is_none(), "the line above is not text");
    }
}
