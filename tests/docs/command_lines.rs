//! Finds the command lines of `nodeagent` in the documents.

use regex::Regex;

use crate::pages::{page, pages};

/// The context of a command line in a document. It decides how the line is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Context {
    /// A line of its own, in a fenced or an indented block: always a complete command.
    Block,
    /// Code within a sentence. It may name a command without all its arguments.
    Sentence,
}

/// A command line in a document.
#[derive(Debug, Clone)]
pub(crate) struct CommandLine {
    /// File and line, such as `README.md:12`.
    pub(crate) origin: String,
    pub(crate) context: Context,
    /// The arguments of `nodeagent`, without comments, pipes and redirections.
    pub(crate) words: Vec<String>,
    /// Whether it shows a form and not a command: it has placeholders, brackets or an ellipsis.
    pub(crate) is_form: bool,
}

impl CommandLine {
    /// The arguments as one text.
    pub(crate) fn text(&self) -> String {
        self.words.join(" ")
    }

    fn new(origin: String, context: Context, text: &str) -> Self {
        let is_placeholder = |word: &String| word.len() > 2 && word.bytes().all(|byte| byte.is_ascii_uppercase());
        let words = words(text);
        let is_form = text.contains(['…', '[']) || words.iter().any(is_placeholder);
        // An ellipsis alone stands for further arguments.
        let word = |word: &String| match word.trim_matches(['[', ']', '…']) {
            "SIZE" => "5 GiB".to_owned(),
            word => word.to_owned(),
        };
        let words = words.iter().map(word).filter(|word| !is_form || !word.is_empty()).collect();
        Self { origin, context, words, is_form }
    }
}

/// Every command line of `nodeagent` in all documents.
pub(crate) fn command_lines() -> Vec<CommandLine> {
    pages().iter().flat_map(|name| in_page(name, &page(name))).collect()
}

/// The command lines of one page.
fn in_page(name: &str, text: &str) -> Vec<CommandLine> {
    let mut found = Vec::new();
    let (mut sentences, mut is_fenced) = (String::new(), false);
    for (number, line) in (1..).zip(text.lines()) {
        let is_fence = line.trim_start().starts_with("```");
        is_fenced ^= is_fence;
        if is_fenced || line.starts_with("    ") {
            let line = line.trim_start().trim_start_matches("$ ");
            if let Some(rest) = line.strip_prefix("nodeagent ") {
                found.push(CommandLine::new(format!("{name}:{number}"), Context::Block, rest));
            }
        } else if !is_fence {
            sentences.push_str(line);
        }
        // The lines are counted below.
        sentences.push('\n');
    }
    let code = Regex::new(r"`nodeagent\s([^`]+)`").expect("a fixed pattern");
    // The messages of a command begin with its name and a colon.
    let is_message = |text: &str| text.split_whitespace().next().is_some_and(|word| word.ends_with(':'));
    for code in code.captures_iter(&sentences).filter(|code| !is_message(&code[1])) {
        let line = sentences[..code.get(1).expect("it was matched").start()].matches('\n').count() + 1;
        found.push(CommandLine::new(format!("{name}:{line}"), Context::Sentence, &code[1]));
    }
    found
}

/// Splits a text like a shell, up to a comment, a pipe or a redirection.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in text.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (None, '#' | '|' | '>') if word.is_none() => break,
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[test]
fn a_command_ends_at_a_comment_a_pipe_or_a_redirection() {
    assert_eq!(words("man | man -l -"), ["man"]);
    assert_eq!(words("schema access > file"), ["schema", "access"]);
    assert_eq!(words("run family  # a comment"), ["run", "family"]);
    assert_eq!(words("db query -c 'select 1' --as \"a b\""), ["db", "query", "-c", "select 1", "--as", "a b"]);
}

#[test]
fn command_lines_are_found_in_blocks_and_sentences_with_their_lines() {
    let page = "one\n\n    nodeagent plan x\n\n```text\n$ nodeagent run x\n1 nodeagent y\n```\nsee `nodeagent\nreport show` or \
                `nodeagent store gc [--limit SIZE]`\nnodeagent is a program\n`nodeagent shim: a message`\n";
    let found: Vec<_> =
        in_page("p.md", page).into_iter().map(|line| (line.origin.clone(), line.text(), line.is_form)).collect();
    let expected = [
        ("p.md:3", "plan x", false),
        ("p.md:6", "run x", false),
        ("p.md:10", "report show", false),
        ("p.md:10", "store gc --limit 5 GiB", true),
    ];
    assert_eq!(found, expected.map(|(origin, text, is_form)| (origin.to_owned(), text.to_owned(), is_form)));
}
