//! Parts of foreign texts, for messages. A value that is cut is not found any more, so the whole text is redacted
//! first.

use super::text::text as redacted;

/// The last lines that are not empty.
pub fn last_lines(text: &str, most: usize) -> Vec<String> {
    let text = redacted(text);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(most)..].iter().map(|line| (*line).to_owned()).collect()
}

/// The first characters of the first line.
pub fn first_line(text: &str, most: usize) -> String {
    redacted(text).lines().next().unwrap_or_default().trim().chars().take(most).collect()
}

/// The first characters of a text, in one line. A shortened text ends with `…`.
pub fn one_line(text: &str, most: usize) -> String {
    let line = redacted(text).split_whitespace().collect::<Vec<_>>().join(" ");
    let cut: String = line.chars().take(most).collect();
    if cut.len() < line.len() { format!("{cut}…") } else { cut }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::Secret;

    #[test]
    fn a_value_across_a_cut_is_redacted() {
        drop(Secret::from("hunter22-hunter33".to_owned()));
        let long = "the token hunter22-hunter33 is wrong";
        assert_eq!(one_line(long, 18), "the token [redacte…");
        assert_eq!(first_line(long, 18), "the token [redacte");
        assert_eq!(first_line("a hunter22-\nhunter33 b\nc", 40), "a [redacted] b");
        assert_eq!(last_lines("a\nhunter22-\nhunter33 b\n\nc\n", 2), ["[redacted] b", "c"]);
        assert_eq!(one_line("a\n  b", 3), "a b");
    }
}
