//! Renders diagnostics: the message, the line with carets under the error, the causes and the hint.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use super::{
    palette::Palette,
    text::{clean, counted, harmless},
};
use crate::{
    diagnostic::{Diagnostic, Source},
    redact::{self, without_ranges},
};

/// The most diagnostics that are rendered. Each one quotes its line.
const MOST: usize = 100;

/// Renders mistakes, ordered by file (in order of first appearance) and position. Several mistakes end with a count.
pub fn render(diagnostics: &[Diagnostic], colour: bool) -> String {
    render_counted(diagnostics, "error", colour)
}

/// Renders the reasons of a refusal. They do not count as mistakes in a file.
pub fn render_reasons(reasons: &[Diagnostic], colour: bool) -> String {
    render_counted(reasons, "reason", colour)
}

fn render_counted(diagnostics: &[Diagnostic], what: &str, colour: bool) -> String {
    let mut files: Vec<&str> = Vec::new();
    for (source, _) in diagnostics.iter().filter_map(|diagnostic| diagnostic.place.as_ref()) {
        if !files.contains(&source.label.as_str()) {
            files.push(&source.label);
        }
    }
    let mut sorted: Vec<&Diagnostic> = diagnostics.iter().collect();
    // Diagnostics without a position come last.
    sorted.sort_by_key(|diagnostic| {
        diagnostic.place.as_ref().map_or((files.len(), 0), |(source, span)| {
            (files.iter().position(|file| *file == source.label).unwrap_or(files.len()), span.start)
        })
    });
    let count = sorted.len();
    let mut blocks: Vec<String> = sorted.into_iter().take(MOST).map(|diagnostic| block(diagnostic, colour)).collect();
    if count > 1 {
        let mistakes = counted(count, what);
        let names = files.iter().map(|file| clean(file)).collect::<Vec<_>>().join(", ");
        let place = if names.is_empty() { String::new() } else { format!(" in {names}") };
        let shown = if count > MOST { format!("; the first {MOST} are shown") } else { String::new() };
        blocks.push(format!("{mistakes}{place}{shown}"));
    }
    blocks.iter().map(|block| format!("{block}\n")).collect::<Vec<_>>().join("\n")
}

/// Renders one diagnostic, without a final line end.
fn block(diagnostic: &Diagnostic, colour: bool) -> String {
    let palette = Palette { colour, ..Palette::PLAIN };
    let diagnostic = &diagnostic.without_hidden_values();
    let message = clean(&diagnostic.message);
    let mut text = match &diagnostic.place {
        None => palette.highlight(&format!("error: {message}")),
        Some((source, span)) => {
            let start = boundary(&source.text, span.start);
            let (number, line, span) = line_and_span(source, span);
            let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
            let annotation = AnnotationKind::Primary.span(span).label(diagnostic.label.as_deref().map(clean));
            let snippet = Snippet::source(line).line_start(number).path(clean(&source.label)).annotation(annotation);
            let text = renderer.render(&[Level::ERROR.primary_title(message).element(snippet)]);
            with_column(text, &format!("{}:{number}:", clean(&source.label)), source.origin(&(start..start)).column)
        }
    };
    for (index, cause) in diagnostic.causes.iter().enumerate() {
        text.push_str(if index == 0 { "\n  caused by: " } else { "\n    " });
        text.push_str(&clean(cause));
    }
    if let Some(hint) = &diagnostic.hint {
        text.push_str("\n\n");
        text.push_str(&palette.highlight(&format!("hint: {}", clean(hint))));
    }
    text
}

/// The line in which a span starts: its number, its sanitized text, and the part of the span inside it.
fn line_and_span(source: &Source, span: &Range<usize>) -> (usize, String, Range<usize>) {
    let text = source.text.as_str();
    let start = boundary(text, span.start);
    let number = source.origin(&(start..start)).line;
    let (from, to) = (source.line_start(start), source.line_end(start));
    let line = text[from..to].trim_end_matches('\r');
    let start = (start - from).min(line.len());
    let end = boundary(text, span.end).saturating_sub(from).clamp(start, line.len());
    let hidden = source.hidden();
    // An end of the span inside of a hidden value moves to the end of the value.
    let inside = |at: usize| hidden.iter().find(|range| range.start < from + at && from + at < range.end);
    let start = inside(start).map_or(start, |range| range.start.saturating_sub(from));
    let end = inside(end).map_or(end, |range| range.end.saturating_sub(from).min(line.len()));
    let shown = |part: Range<usize>| {
        let part = without_ranges(text, from + part.start..from + part.end, hidden);
        let part = without_credentials(&part);
        redact::text(&part).chars().map(|c| if c == '\t' { c } else { harmless(c) }).collect::<String>()
    };
    let (before, inside) = (shown(0..start).len(), shown(start..end).len());
    let whole = shown(0..line.len());
    // A redaction that crosses an end of the span has moved that end.
    let is_valid = whole.is_char_boundary(before) && whole.is_char_boundary(before + inside);
    let span = if is_valid { before..before + inside } else { 0..whole.len() };
    (number, whole, span)
}

/// Replaces the column after the name and the line of the text: the shown line may be shorter than the line itself.
fn with_column(text: String, place: &str, column: usize) -> String {
    // The first line is the message, which may name the same place.
    let rest = text.find('\n').unwrap_or(0);
    let Some(at) = text[rest..].find(place).map(|at| rest + at + place.len()) else { return text };
    let digits = text[at..].find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len() - at);
    format!("{}{column}{}", &text[..at], &text[at + digits..])
}

/// Replaces the user name and password of each URL by `***`, because many people read logs.
fn without_credentials(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("://").map(|at| at + 3) {
        let (before, address) = rest.split_at(start);
        shown.push_str(before);
        let end = address.find(['/', '"', '\'', ' ', '?', '#']).unwrap_or(address.len());
        let host = address[..end].rfind('@').filter(|_| !before.is_empty());
        if host.is_some() {
            shown.push_str("***");
        }
        rest = &address[host.unwrap_or(0)..];
    }
    shown + rest
}

/// The nearest character boundary at or before a byte offset.
fn boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, needle: &str) -> Range<usize> {
        let start = text.find(needle).expect("the text has it");
        start..start + needle.len()
    }

    #[test]
    fn a_mistake_is_shown_with_its_line_carets_and_hint() {
        let text = format!("{}packages = [\"git\", \"--force-yes\"]\n", "\n".repeat(13));
        let source = Source::new("profiles/ml.toml", text.clone());
        let mistake = Diagnostic::at(&source, at(&text, "\"--force-yes\""), "`--force-yes` is not an apt package name")
            .hint("apt options are not allowed here; list package names only");
        insta::assert_snapshot!(render(&[mistake], false), @r#"
        error: `--force-yes` is not an apt package name
          --> profiles/ml.toml:14:20
           |
        14 | packages = ["git", "--force-yes"]
           |                    ^^^^^^^^^^^^^

        hint: apt options are not allowed here; list package names only
        "#);
    }

    #[test]
    fn at_most_a_hundred_mistakes_are_shown() {
        let text = render(&vec![Diagnostic::nowhere("no"); 102], false);
        assert_eq!(text.matches("error: no\n").count(), 100);
        assert!(text.ends_with("\n102 errors; the first 100 are shown\n"), "{text}");
    }

    #[test]
    fn several_mistakes_are_sorted_and_counted() {
        let text = "a = 1\nb = 2\n";
        let source = Source::new("family.toml", text);
        let mistakes = [
            Diagnostic::nowhere("no secret source is named"),
            Diagnostic::at(&source, at(text, "b"), "unknown key `b`").label("did you mean `a`?"),
            Diagnostic::at(&source, at(text, "1"), "not a text"),
        ];
        insta::assert_snapshot!(render(&mistakes, false), @r#"
        error: not a text
         --> family.toml:1:5
          |
        1 | a = 1
          |     ^

        error: unknown key `b`
         --> family.toml:2:1
          |
        2 | b = 2
          | ^ did you mean `a`?

        error: no secret source is named

        3 errors in family.toml
        "#);
    }

    #[test]
    fn passwords_in_urls_are_not_shown() {
        let text = "repos = [\"https://ann:hunter2@example.org/x\", \"https://example.org/?a@b\", 'ftp://t0ken@h']\n";
        let shown = render(&[Diagnostic::at(&Source::new("x.toml", text), at(text, "'ftp://t0ken@h'"), "no")], false);
        insta::assert_snapshot!(shown, @r#"
        error: no
         --> x.toml:1:75
          |
        1 | repos = ["https://***@example.org/x", "https://example.org/?a@b", 'ftp://***@h']
          |                                                                   ^^^^^^^^^^^^^
        "#);
    }

    #[test]
    fn values_for_secrets_are_hidden_in_the_line_and_in_the_message() {
        let text = "[secrets]\ndb = { value = \"hunter2\", mod = '4' }\n";
        let source = Source::new("x.toml", text);
        let mistakes = [
            Diagnostic::at(&source, at(text, "mod"), "unknown key `mod`"),
            Diagnostic::at(&source, at(text, "\"hunter2\""), "`hunter2` is invalid")
                .label("hunter2")
                .hint("not hunter2"),
        ];
        insta::assert_snapshot!(render(&mistakes, false), @r#"
        error: `…` is invalid
         --> x.toml:2:16
          |
        2 | db = { value = "…", mod = '…' }
          |                ^^^ …

        hint: not …

        error: unknown key `mod`
         --> x.toml:2:27
          |
        2 | db = { value = "…", mod = '…' }
          |                     ^^^

        2 errors in x.toml
        "#);
        for start in at(text, "db").start..text.len() {
            for end in start..text.len() {
                let shown = render(&[Diagnostic::at(&source, start..end, "no `hunter2`")], false);
                assert!(!shown.contains("unter") && shown.contains("…"), "{shown}");
            }
        }
    }

    #[test]
    fn secrets_in_a_profile_are_not_shown_wherever_the_mistake_is() {
        let text = "NAME = \"hunter22hunter22\" # é\n";
        drop(redact::Secret::from("hunter22hunter22".to_owned()));
        for start in 0..text.len() {
            for end in start..text.len() {
                let shown =
                    render(&[Diagnostic::at(&Source::new("x.toml", text), start..end, "no hunter22hunter22")], false);
                assert!(shown.contains("error: no [redacted]") && !shown.contains("hunter22hunter22"), "{shown}");
            }
        }
    }

    #[test]
    fn a_position_outside_the_text_is_accepted() {
        let source = Source::new("x.toml", "é = 1");
        let reversed = Range { start: 5, end: 2 };
        for span in [0..1, 1..99, 99..100, reversed, 6..6] {
            assert!(render(&[Diagnostic::at(&source, span, "x")], false).contains("--> x.toml:1:"));
        }
        assert!(render(&[Diagnostic::at(&Source::new("x.toml", ""), 0..0, "x")], false).contains("error: x"));
    }

    #[test]
    fn a_span_over_several_lines_shows_its_first() {
        let text = "x = [\r\n  1,\r\n]\r\n";
        let shown = render(&[Diagnostic::at(&Source::new("x.toml", text), 4..13, "not a text")], false);
        insta::assert_snapshot!(shown, @r#"
        error: not a text
         --> x.toml:1:5
          |
        1 | x = [
          |     ^
        "#);
    }

    #[test]
    fn control_characters_never_reach_the_terminal() {
        let text = "a = \"\u{1b}[2J\u{9b}\" # é\n";
        let source = Source::new("\u{1b}]0;x\u{7}.toml", text);
        let mistake = Diagnostic::at(&source, at(text, "é"), "bad \u{1b}[31m\nvalue").label("\u{7}").hint("\u{1b}c");
        let shown = render(&[mistake], false);
        assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown:?}");
    }

    #[test]
    fn causes_are_between_the_message_and_the_hint() {
        let mistake = Diagnostic::nowhere("no").causes(vec!["first".into(), "then\nmore".into()]).hint("ask");
        insta::assert_snapshot!(render(&[mistake], false), @r"
        error: no
          caused by: first
            then more

        hint: ask
        ");
    }

    #[test]
    fn colour_does_not_change_the_text() {
        let source = Source::new("x.toml", "a = 1\n");
        let mistakes = [Diagnostic::at(&source, 0..1, "unknown key `a`").hint("remove it"), Diagnostic::nowhere("x")];
        let coloured = render(&mistakes, true);
        assert!(coloured.contains('\u{1b}'));
        assert_eq!(coloured.split('\n').map(clean).collect::<Vec<_>>().join("\n"), render(&mistakes, false));
    }
}
