//! Colours and characters of the output, depending on the abilities of the terminal.

use annotate_snippets::renderer::{AnsiColor, Style};

const BAD: Style = AnsiColor::BrightRed.on_default().bold();
const DOUBTFUL: Style = AnsiColor::Yellow.on_default().bold();
const GOOD: Style = AnsiColor::Green.on_default().bold();
const HELPFUL: Style = AnsiColor::BrightCyan.on_default().bold();

/// The abilities of the reader of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Palette {
    /// Whether to use colours.
    pub colour: bool,
    /// Whether to use characters beyond ASCII.
    pub unicode: bool,
    /// Whether lines can be redrawn.
    pub live: bool,
}

impl Palette {
    /// Plain ASCII text without colours.
    pub const PLAIN: Self = Self { colour: false, unicode: false, live: false };

    /// Chooses the palette for a stream, by whether it is a terminal and by the usual environment variables.
    pub fn choose(terminal: bool, variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let able = terminal && set("TERM").is_some_and(|kind| kind != "dumb");
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set).unwrap_or_default().to_lowercase();
        Self {
            colour: able && set("NO_COLOR").is_none(),
            unicode: locale.contains("utf-8") || locale.contains("utf8"),
            live: able,
        }
    }

    /// The mark before a successful step.
    pub fn tick(&self) -> String {
        self.paint(GOOD, if self.unicode { "✓" } else { "ok" })
    }

    /// The mark before a failed step.
    pub fn cross(&self) -> String {
        self.paint(BAD, if self.unicode { "✗" } else { "failed" })
    }

    /// The mark before a skipped step, and between a step and its action.
    pub fn dash(&self) -> &'static str {
        if self.unicode { "—" } else { "-" }
    }

    /// Colours the first word of a line: `error:`, `warning:` or `hint:`. Without colours the text stays unchanged.
    pub fn highlight(&self, text: &str) -> String {
        let line = |line: &str| {
            let openings = [("error:", BAD), ("warning:", DOUBTFUL), ("hint:", HELPFUL)];
            match openings.iter().find(|(word, _)| line.starts_with(word)) {
                Some((word, style)) => format!("{}{}", self.paint(*style, word), &line[word.len()..]),
                None => line.to_owned(),
            }
        };
        if self.colour { text.split('\n').map(line).collect::<Vec<_>>().join("\n") } else { text.to_owned() }
    }

    fn paint(self, style: Style, text: &str) -> String {
        if self.colour { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(terminal: bool, variables: &[(&str, &str)]) -> Palette {
        Palette::choose(terminal, |name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn a_terminal_has_colour_unless_it_is_disabled() {
        assert!(chosen(true, &[("TERM", "xterm")]).colour);
        assert!(chosen(true, &[("TERM", "xterm"), ("NO_COLOR", "")]).colour, "an empty NO_COLOR refuses nothing");
        assert!(!chosen(true, &[("TERM", "xterm"), ("NO_COLOR", "1")]).colour);
        assert!(!chosen(true, &[("TERM", "dumb")]).colour);
        assert!(!chosen(false, &[("TERM", "xterm")]).colour);
    }

    #[test]
    fn lines_are_redrawn_only_on_a_terminal_that_can() {
        assert!(chosen(true, &[("TERM", "xterm"), ("NO_COLOR", "1")]).live);
        assert!(!chosen(true, &[("TERM", "dumb")]).live);
        assert!(!chosen(true, &[]).live, "a terminal of which nothing is known");
        assert!(!chosen(false, &[("TERM", "xterm")]).live);
    }

    #[test]
    fn the_first_locale_variable_that_is_set_counts() {
        assert!(chosen(false, &[("LC_ALL", ""), ("LANG", "de_DE.UTF-8")]).unicode);
        assert!(!chosen(false, &[("LC_ALL", "C"), ("LANG", "de_DE.UTF-8")]).unicode);
        assert!(!chosen(false, &[]).unicode);
    }

    #[test]
    fn only_the_first_word_of_a_line_is_coloured() {
        let palette = Palette { colour: true, unicode: true, live: true };
        assert_eq!(palette.highlight("error: an error: x\n  y"), "\u{1b}[1m\u{1b}[91merror:\u{1b}[0m an error: x\n  y");
        assert_eq!(Palette::PLAIN.highlight("error: x"), "error: x");
    }
}
