//! The lines, read by bash and by the rules of PAM and R.

use super::*;
use crate::exec::{Cmd, Runner as _, SystemRunner};

/// Values with everything that a reader could interpret.
const VALUES: [&str; 12] = [
    "",
    "plain/path:1.5",
    " a b ",
    "a\"b'c",
    "$HOME ${HOME} `id` $(id)",
    "back\\slash \\n \\\"",
    "end\\",
    "two\\\\",
    "'single'",
    "\"double\"",
    "é ; & | < > * ? [x] {y} ~ !",
    "a=b=c",
];

fn set(to: Destination, value: &str) -> Result<String, Unfit> {
    line(to, "NAME", &Change::Set(value.to_owned())).map(|line| line.expect("a line"))
}

async fn in_bash(script: &str) -> String {
    let cmd = Cmd::new("bash").args(["--noprofile", "--norc", "-c", script]);
    SystemRunner::new(None, []).run(&cmd).await.expect("bash runs").stdout
}

#[tokio::test]
async fn bash_reads_the_same_values() {
    for value in VALUES.iter().chain(&["two\nlines\n#x", "\t\r"]) {
        let line = set(Destination::Spark, value).expect("it fits");
        assert_eq!(in_bash(&format!("{line}printf %s. \"$NAME\"")).await, format!("{value}."), "{line}");
    }
}

#[tokio::test]
async fn bash_joins_paths_once_and_without_empty_elements() {
    let path = "/opt/a b'c$HOME/bin";
    let read = async |change: Change, before: &str| {
        let line = line(Destination::Login, "NAME", &change).expect("it fits").expect("a line");
        in_bash(&format!("{before}\n{line}{line}printf %s \"$NAME\"")).await
    };
    let [prepend, append] = [Change::Prepend(path.into()), Change::Append(path.into())];
    assert_eq!(read(prepend.clone(), "NAME=/bin").await, format!("{path}:/bin"));
    assert_eq!(read(append.clone(), "NAME=/bin").await, format!("/bin:{path}"));
    assert_eq!(read(prepend, "unset NAME").await, path);
    assert_eq!(read(append, "NAME=").await, path);
}

/// The rules of `_parse_env_file` of Linux-PAM.
fn pam_reads(line: &str) -> Option<String> {
    let line = line.trim_start_matches([' ', '\n', '\t']);
    let line = line.strip_prefix("export ").unwrap_or(line);
    let line = line.split(['\n', '#']).next().unwrap_or_default();
    let (_, value) = line.split_once('=')?;
    if !value.starts_with(['"', '\'']) {
        return Some(value.to_owned());
    }
    let value = &value[1..];
    Some(value.strip_suffix(['"', '\'']).unwrap_or(value).to_owned())
}

#[test]
fn pam_reads_the_same_values() {
    for value in VALUES {
        let line = set(Destination::System, value).expect("it fits");
        assert_eq!(pam_reads(&line).as_deref(), Some(value), "{line}");
    }
    assert_eq!(
        set(Destination::System, "a#b").map_err(|unfit| unfit.why),
        Err("it contains `#`, which begins a comment there")
    );
    assert_eq!(set(Destination::System, "a\nb"), Err(LINE_BREAK));
    assert!(set(Destination::System, &"x".repeat(1000)).is_err());
    assert!(line(Destination::System, "PATH", &Change::Prepend("/opt".into())).is_err());
}

/// The rules of `findterm` and `Putenv` of R. `lookup` has the value of each variable.
fn r_reads(line: &str, lookup: &dyn Fn(&str) -> Option<&'static str>) -> String {
    let value = line.split_once('=').expect("an assignment").1.trim();
    let (mut rest, mut expanded) = (value, String::new());
    while let Some(start) = rest.find('$').filter(|start| rest[start + 1..].starts_with('{')) {
        let end = start + rest[start..].find('}').expect("these tests nest nothing");
        let term = &rest[start + 2..end];
        let (name, default) = term.split_once(":-").unwrap_or((term, ""));
        expanded += &rest[..start];
        expanded += lookup(name).filter(|found| !found.is_empty()).unwrap_or(default);
        rest = &rest[end + 1..];
    }
    expanded += rest;
    let (bytes, mut read, mut quote) = (expanded.as_bytes(), Vec::new(), None);
    let mut at = 0;
    while at < bytes.len() {
        let (byte, next) = (bytes[at], bytes.get(at + 1));
        match quote {
            None if matches!(byte, b'"' | b'\'') => quote = Some(byte),
            None if byte == b'\\' => read.extend(next.filter(|next| **next == b'\\')),
            Some(open) if byte == open && bytes[at - 1] != b'\\' => quote = None,
            Some(open) if byte == b'\\' && next == Some(&open) => {}
            _ => read.push(byte),
        }
        at += 1;
    }
    String::from_utf8(read).expect("text")
}

#[test]
fn r_reads_the_same_values() {
    for value in VALUES {
        let line = set(Destination::R, value).expect("it fits");
        assert_eq!(r_reads(&line, &|_| Some("replaced")), value, "{line}");
    }
    assert_eq!(set(Destination::R, "a\nb"), Err(LINE_BREAK));
    assert!(set(Destination::R, &"x".repeat(9000)).is_err());
}

#[test]
fn r_joins_paths_without_empty_elements() {
    let read = |change: &Change, before| {
        r_reads(&line(Destination::R, "PATH", change).expect("it fits").expect("a line"), &|_| before)
    };
    let [prepend, append] = [Change::Prepend("/opt/x".into()), Change::Append("/opt/x".into())];
    assert_eq!(read(&prepend, Some("/bin")), "/opt/x:/bin");
    assert_eq!(read(&append, Some("/bin")), "/bin:/opt/x");
    assert_eq!(read(&prepend, None), "/opt/x:/opt/x");
    assert!(line(Destination::R, "PATH", &Change::Prepend("/opt/$x".into())).is_err());
}

#[test]
fn no_value_contains_a_zero_byte() {
    for to in Destination::FILES {
        assert_eq!(set(to, "a\0b"), Err(NUL), "{to:?}");
    }
}
