//! Braces in a path: `/opt/{a,b}/x` is two paths. A `${…}` stays as it is.

/// The paths that a key defines, in order. Groups may be nested. Braces without a comma are literal.
pub(super) fn expanded(text: &str) -> Vec<String> {
    let Some((start, end)) = first_group(text) else { return vec![text.to_owned()] };
    let (before, after) = (&text[..start], &text[end + 1..]);
    let choices = choices(&text[start + 1..end]);
    choices.iter().flat_map(|choice| expanded(&format!("{before}{choice}{after}"))).collect()
}

/// The positions of the braces of the first group with a comma.
fn first_group(text: &str) -> Option<(usize, usize)> {
    let bytes = text.as_bytes();
    let starts = bytes.iter().enumerate().filter(|(at, byte)| **byte == b'{' && (*at == 0 || bytes[at - 1] != b'$'));
    starts.map(|(at, _)| at).find_map(|start| {
        let end = closing(text, start)?;
        (choices(&text[start + 1..end]).len() > 1).then_some((start, end))
    })
}

/// The position of the brace that closes the one at `start`.
fn closing(text: &str, start: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, byte) in text.bytes().enumerate().skip(start) {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 1 => return Some(at),
            b'}' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// The texts between the commas of a group, without those of inner groups.
fn choices(inner: &str) -> Vec<&str> {
    let (mut depth, mut start, mut choices) = (0_usize, 0, Vec::new());
    for (at, byte) in inner.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                choices.push(&inner[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    choices.push(&inner[start..]);
    choices
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_choice_is_a_path() {
        assert_eq!(expanded("/opt/x"), ["/opt/x"]);
        assert_eq!(expanded("/opt/{a,b}/x"), ["/opt/a/x", "/opt/b/x"]);
        assert_eq!(expanded("/{a,b}{1,2}"), ["/a1", "/a2", "/b1", "/b2"]);
        assert_eq!(expanded("/{a,b{1,2}}"), ["/a", "/b1", "/b2"]);
        assert_eq!(expanded("/opt{,-next}/x"), ["/opt/x", "/opt-next/x"]);
    }

    #[test]
    fn other_braces_are_literal() {
        for text in ["/opt/{a}/x", "/opt/${vars.a}/x", "/opt/{a", "/opt/a}"] {
            assert_eq!(expanded(text), [text]);
        }
        assert_eq!(expanded("/${vars.a}/{b,c}"), ["/${vars.a}/b", "/${vars.a}/c"]);
    }
}
