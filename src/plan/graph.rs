//! The order of steps as a graph: Mermaid for Markdown pages, DOT for Graphviz.

use std::fmt::Write as _;

use super::step::{Describe, Plan, Step};

/// A language for graphs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GraphFormat {
    /// <https://mermaid.js.org>.
    Mermaid,
    /// The language of Graphviz: <https://graphviz.org/doc/info/lang.html>.
    Dot,
}

/// The steps of a plan as nodes. Each edge leads from a step to a step that waits for it, and states the reason.
pub fn graph<A: Describe>(plan: &Plan<A>, format: GraphFormat) -> String {
    let mut text = match format {
        GraphFormat::Mermaid => "graph LR\n".to_owned(),
        GraphFormat::Dot => "digraph plan {\n    rankdir=LR;\n    node [shape=box];\n".to_owned(),
    };
    for (index, step) in plan.steps.iter().enumerate() {
        let label = label(step);
        let _ = match format {
            GraphFormat::Mermaid => writeln!(text, "    s{index}[\"{}\"]", mermaid(&label)),
            GraphFormat::Dot => writeln!(text, "    s{index} [label=\"{}\"];", dot(&label)),
        };
    }
    for (index, step) in plan.steps.iter().enumerate() {
        for need in &step.needs {
            let Some(first) = plan.steps.iter().position(|step| step.id == need.step) else { continue };
            let reason = need.reason.to_string();
            let _ = match format {
                GraphFormat::Mermaid => writeln!(text, "    s{first} -->|\"{}\"| s{index}", mermaid(&reason)),
                GraphFormat::Dot => writeln!(text, "    s{first} -> s{index} [label=\"{}\"];", dot(&reason)),
            };
        }
    }
    if format == GraphFormat::Dot {
        text.push_str("}\n");
    }
    text
}

fn label<A: Describe>(step: &Step<A>) -> String {
    let optional = if step.optional { " (optional)" } else { "" };
    format!("{}: {}{optional}", step.id, step.title())
}

/// Escapes a text for a Mermaid label.
fn mermaid(text: &str) -> String {
    text.replace('#', "#35;").replace('"', "#quot;").replace('`', "'")
}

/// Escapes a text for a DOT label.
fn dot(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_signs_of_the_language_are_escaped() {
        assert_eq!(mermaid(r#"write "a#b" `c`"#), "write #quot;a#35;b#quot; 'c'");
        assert_eq!(dot(r#"a\b "c""#), r#"a\\b \"c\""#);
    }
}
