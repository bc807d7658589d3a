//! Matching with `*`.

/// Whether a text matches a pattern. Each `*` matches any number of characters.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut left) = text.strip_prefix(first) else { return false };
    let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    for part in middle.split('*').filter(|part| !part.is_empty()) {
        // The first occurrence is sufficient: it leaves the longest rest.
        let Some(at) = left.find(part) else { return false };
        left = &left[at + part.len()..];
    }
    left.ends_with(last)
}

/// Whether a group name matches a pattern in each part between dashes. A `*` does not match a dash.
pub(super) fn matches_by_part(pattern: &str, name: &str) -> bool {
    let (mut patterns, mut parts) = (pattern.split('-'), name.split('-'));
    loop {
        match (patterns.next(), parts.next()) {
            (Some(pattern), Some(part)) if matches(pattern, part) => {}
            (None, None) => return true,
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_matches_any_characters() {
        for (pattern, text) in
            [("a*", "a"), ("a*", "a-b"), ("*", ""), ("*b*", "abc"), ("a*c*e", "abcde"), ("a*a", "aa"), ("x", "x")]
        {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("a*", "ba"), ("a*a", "a"), ("a*b*c", "acb"), ("x", "xx"), ("", "x"), ("ab*ba", "aba")]
        {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn a_star_in_a_group_does_not_match_a_dash() {
        let pattern = "LawFirms-*-Databricks-Family-*";
        assert!(matches_by_part(pattern, "LawFirms-Prod-Databricks-Family-Analyst"));
        for name in [
            "LawFirms-Prod-Databricks-Criminal-Analyst",
            "LawFirms-Prod-Databricks-Family-Analyst-Admin",
            "LawFirms-Prod-X-Databricks-Family-Analyst",
            "LawFirms-Databricks-Family-Analyst",
            "LawFirms-Prod-Databricks-Family",
            "lawfirms-Prod-Databricks-Family-Analyst",
        ] {
            assert!(!matches_by_part(pattern, name), "{name}");
        }
        assert!(matches_by_part("LawFirms-P*-Databricks-Family-*", "LawFirms-PreProd-Databricks-Family-Lead"));
    }
}
