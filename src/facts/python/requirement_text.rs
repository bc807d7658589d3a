//! Requirements (PEP 508) that the parser of the crate `pep508_rs` cannot be given.

/// The most opening parentheses of a requirement. Published ones have fewer than ten.
const MOST_NESTED: usize = 64;

/// Whether a requirement may be parsed. The parser panics at a name that ends with `.`, `-` or `_` before other text.
/// It also calls itself for each parenthesis, so that some ten thousand of them would exhaust the stack.
pub fn is_parsable(requirement: &str) -> bool {
    let is_in_name = |c: char| c.is_ascii_alphanumeric() || is_separator(c);
    let text = requirement.trim_start();
    let (name, rest) = text.split_at(text.find(|c| !is_in_name(c)).unwrap_or(text.len()));
    let extras = rest.trim_start().strip_prefix('[').and_then(|rest| rest.split(']').next()).unwrap_or_default();
    let mut names = extras.split(|c: char| c == ',' || c.is_whitespace()).chain([name]);
    !names.any(|name| name.ends_with(is_separator))
        && requirement.bytes().filter(|&byte| byte == b'(').count() <= MOST_NESTED
}

fn is_separator(c: char) -> bool {
    matches!(c, '.' | '-' | '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_parentheses_has_a_limit() {
        let nested = |depth: usize| format!("x; {}os_name == 'a'{}", "(".repeat(depth), ")".repeat(depth));
        assert!(is_parsable(&nested(64)) && !is_parsable(&nested(65)));
    }

    #[test]
    fn names_do_not_end_with_a_separator() {
        for text in ["x.==1", " x-", "x_ ; os_name == 'a'", "x[a.]", "x [a, b-]>1", "x.[a]", "x[a. b]", "x[a. "] {
            assert!(!is_parsable(text), "{text}");
        }
        for text in ["x==1.", "x.y-z[a-b,c_d] >= 1", "x @ https://h/[a.]", "", "[a"] {
            assert!(is_parsable(text), "{text}");
        }
    }
}
