//! The edit `lines`: a line that the file must contain.

use regex::bytes::Regex;

use super::line_list::LineList;

/// Adds a line, or replaces the last line that matches. If the line replaced that one before, nothing changes.
pub(super) fn apply(text: &[u8], line: &[u8], pattern: Option<&Regex>) -> Vec<u8> {
    let mut lines = LineList::of(text);
    let last_match = pattern.and_then(|pattern| lines.iter().rposition(|found| pattern.is_match(found)));
    let is_there = lines.iter().any(|found| found == line);
    match last_match {
        Some(index) if lines.line(index) == line => {}
        // The line does not match, so an earlier run put it in the place of the one that did.
        Some(_) if is_there && pattern.is_some_and(|pattern| !pattern.is_match(line)) => {}
        Some(index) => lines.replace(index, line),
        None if is_there => {}
        None => lines.insert(lines.len(), line),
    }
    lines.into_text()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(text: &str, line: &str, pattern: Option<&str>) -> String {
        let pattern = pattern.map(|pattern| Regex::new(pattern).expect("a pattern"));
        let once = apply(text.as_bytes(), line.as_bytes(), pattern.as_ref());
        assert_eq!(apply(&once, line.as_bytes(), pattern.as_ref()), once, "{text:?}: a second time changes nothing");
        String::from_utf8(once).expect("text")
    }

    #[test]
    fn a_line_is_added_once_at_the_end() {
        assert_eq!(applied("a\n", "b", None), "a\nb\n");
        assert_eq!(applied("a", "b", None), "a\nb\n");
        assert_eq!(applied("", "b", None), "b\n");
        assert_eq!(applied("b\na\n", "b", None), "b\na\n");
        assert_eq!(applied("bb\n", "b", None), "bb\nb\n", "whole lines are compared");
        assert_eq!(applied("a\r\n", "b", None), "a\r\nb\r\n", "it has the line end of the file");
    }

    #[test]
    fn the_last_line_that_matches_is_replaced() {
        assert_eq!(applied("x 1\ny\nx 2\nz\n", "x 3", Some("^x ")), "x 1\ny\nx 3\nz\n");
        assert_eq!(applied("#x 1\r\ny\n", "x 3", Some("^#?x ")), "x 3\r\ny\n");
        assert_eq!(applied("y\n", "x 3", Some("^x ")), "y\nx 3\n");
        assert_eq!(applied("y\nx 1", "", Some("^x ")), "y\n\n", "an empty line at the end");
        assert_eq!(applied("x 1\nx 2\n", "q", Some("^x ")), "x 1\nq\n", "the new line does not match");
    }
}
