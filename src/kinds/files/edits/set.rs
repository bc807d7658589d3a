//! The edit `set`: lines `KEY=VALUE`, also in sections of an INI file.

use super::line_list::LineList;

/// One assignment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Assignment<'a> {
    /// The section; `None` for the lines before the first section.
    pub(super) section: Option<&'a str>,
    pub(super) key: &'a str,
    pub(super) value: &'a [u8],
    /// The separator that the profile asks for.
    pub(super) separator: Option<&'a str>,
}

/// Adds the header of a section at the end of the file if there is none.
pub(super) fn with_section(text: &[u8], section: &str) -> Vec<u8> {
    let mut lines = LineList::of(text);
    if lines.iter().any(|line| header(line) == Some(section.as_bytes())) {
        return text.to_vec();
    }
    if lines.iter().next_back().is_some_and(|last| !last.trim_ascii().is_empty()) {
        lines.insert(lines.len(), b"");
    }
    lines.insert(lines.len(), format!("[{section}]").as_bytes());
    lines.into_text()
}

/// Changes the last line that assigns the key, or adds a line at the end of the section.
pub(super) fn apply(text: &[u8], wanted: &Assignment<'_>) -> Vec<u8> {
    let mut lines = LineList::of(text);
    let mut current: Option<Vec<u8>> = None;
    let (mut found, mut end) = (None, 0);
    for (index, line) in lines.iter().enumerate() {
        if let Some(name) = header(line) {
            current = Some(name.to_vec());
        }
        if current.as_deref() != wanted.section.map(str::as_bytes) {
            continue;
        }
        if !line.trim_ascii().is_empty() {
            end = index + 1;
        }
        if let Some(start) = value_start(line, wanted) {
            found = Some((index, start));
        }
    }
    if let Some((index, start)) = found {
        let line = lines.line(index);
        if line[start..].trim_ascii_end() != wanted.value {
            let line = [&line[..start], wanted.value].concat();
            lines.replace(index, &line);
        }
    } else {
        let separator = wanted.separator.unwrap_or("=");
        lines.insert(end, &[wanted.key.as_bytes(), separator.as_bytes(), wanted.value].concat());
    }
    lines.into_text()
}

/// The name of a section, if the line is its header.
fn header(line: &[u8]) -> Option<&[u8]> {
    let inner = line.trim_ascii().strip_prefix(b"[")?;
    let end = inner.iter().position(|&byte| byte == b']')?;
    let rest = inner[end + 1..].trim_ascii_start();
    (rest.is_empty() || rest.starts_with(b"#") || rest.starts_with(b";")).then(|| inner[..end].trim_ascii())
}

/// The position at which the value begins, if the line assigns the key.
fn value_start(line: &[u8], wanted: &Assignment<'_>) -> Option<usize> {
    let blanks = |from: usize| line[from..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let mut at = blanks(0);
    if let Some(rest) = line[at..].strip_prefix(b"export")
        && matches!(rest.first(), Some(b' ' | b'\t'))
    {
        at += b"export".len();
        at += blanks(at);
    }
    let after_key = at + wanted.key.len();
    if !line[at..].starts_with(wanted.key.as_bytes()) {
        return None;
    }
    let space = blanks(after_key);
    let sign = after_key + space;
    let after_sign = |length: usize| Some(sign + length + blanks(sign + length));
    match wanted.separator.map(str::trim) {
        Some("") => (space > 0).then_some(sign),
        Some(separator) => line[sign..].starts_with(separator.as_bytes()).then(|| after_sign(separator.len()))?,
        None if matches!(line.get(sign), Some(b'=' | b':')) => after_sign(1),
        // `KEY VALUE`, as in sshd_config. A bare key is no assignment.
        None => (space > 0 && sign < line.len()).then_some(sign),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(text: &str, section: Option<&str>, key: &str, value: &str, separator: Option<&str>) -> String {
        let wanted = Assignment { section, key, value: value.as_bytes(), separator };
        let prepared =
            section.map_or_else(|| text.as_bytes().to_vec(), |section| with_section(text.as_bytes(), section));
        let once = apply(&prepared, &wanted);
        assert_eq!(apply(&once, &wanted), once, "{text:?}: a second time changes nothing");
        String::from_utf8(once).expect("text")
    }

    #[test]
    fn the_last_assignment_is_changed_and_everything_else_stays() {
        assert_eq!(set("# A=0\nA=1\n  A = 2\r\nB=3", None, "A", "4", None), "# A=0\nA=1\n  A = 4\r\nB=3");
        assert_eq!(set("export A=1\n", None, "A", "2", None), "export A=2\n");
        assert_eq!(set("AB=1\n", None, "A", "2", None), "AB=1\nA=2\n");
        assert_eq!(set("A=1", None, "B", "2", None), "A=1\nB=2\n");
        assert_eq!(set("", None, "B", "2", None), "B=2\n");
        assert_eq!(set("A = 1 \n", None, "A", "1", None), "A = 1 \n", "an equal value is no change");
        assert_eq!(set("A=\n", None, "A", "x", None), "A=x\n");
    }

    #[test]
    fn the_separator_is_that_of_the_line_or_of_the_profile() {
        assert_eq!(set("Port 22\n#Port 1\n", None, "Port", "23", None), "Port 23\n#Port 1\n");
        assert_eq!(set("a:  1\n", None, "a", "2", None), "a:  2\n");
        assert_eq!(set("x y\n", None, "a", "2", Some(" ")), "x y\na 2\n");
        assert_eq!(set("a = 1\n", None, "a", "2", Some(": ")), "a = 1\na: 2\n");
        assert_eq!(set("a:1\n", None, "a", "2", Some(": ")), "a:2\n");
        assert_eq!(set("a 1\n", None, "a", "2", Some(" ")), "a 2\n");
    }

    #[test]
    fn keys_of_a_section_stay_in_it() {
        let text = "top=0\n\n[client]\nport=1\n\n[mysqld] # the server\nuser = mysql\n\n[z]\nport=9\n";
        assert_eq!(
            set(text, Some("mysqld"), "port", "2", None),
            "top=0\n\n[client]\nport=1\n\n[mysqld] # the server\nuser = mysql\nport=2\n\n[z]\nport=9\n"
        );
        assert_eq!(set(text, Some("client"), "port", "2", None), text.replace("port=1", "port=2"));
        assert_eq!(set(text, None, "top", "1", None), text.replace("top=0", "top=1"));
        assert_eq!(set(text, None, "new", "1", None), text.replace("top=0\n", "top=0\nnew=1\n"));
        assert_eq!(set(text, Some("new"), "a", "1", None), format!("{text}\n[new]\na=1\n"));
        assert_eq!(set("", Some("new"), "a", "1", None), "[new]\na=1\n");
        assert_eq!(set("[ -f x ] && y\nA=1\n", None, "A", "2", None), "[ -f x ] && y\nA=2\n", "no header");
    }
}
