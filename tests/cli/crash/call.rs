//! System calls as strace prints them.

use std::{collections::BTreeMap, ffi::OsString, os::unix::ffi::OsStringExt as _, path::PathBuf};

/// The options of strace: all processes, paths of descriptors, strings in hexadecimal digits and never cut off, only
/// calls that change files or descriptors. `?` is for calls that a processor or a version of strace does not have.
pub(super) const OPTIONS: [&str; 9] = [
    "--follow-forks",
    "--decode-fds=path",
    "--strings-in-hex=all",
    "--string-limit=100000000",
    "--signal=none",
    "--quiet=all",
    "--seccomp-bpf",
    "--trace=?execve,?open,?creat,?openat,?openat2,?close,?dup,?dup2,?dup3,?fcntl,?lseek,?read,?mkdir,?mkdirat,\
     ?rename,?renameat,?renameat2,?link,?linkat,?symlink,?symlinkat,?unlink,?unlinkat,?rmdir,?write,\
     ?pwrite64,?writev,?pwritev,?pwritev2,?truncate,?ftruncate,?fallocate,?copy_file_range,?sendfile,\
     ?splice,?chmod,?fchmod,?fchmodat,?fchmodat2,?utimensat,?fsync,?fdatasync,?sync,?syncfs,\
     ?io_uring_setup",
    "--no-abbrev",
];

/// A call that ended.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) name: String,
    pub(super) arguments: Vec<String>,
    /// The result. Calls that failed are left out.
    pub(super) result: String,
    /// The number of calls that had ended when it began.
    pub(super) began_after: usize,
}

/// Reads the calls that succeeded, in the order in which they ended.
pub(super) fn calls(trace: &str) -> Vec<Call> {
    let (mut calls, mut unfinished) = (Vec::new(), BTreeMap::new());
    for line in trace.lines() {
        let (process, rest) = line.split_once(' ').unwrap_or_else(|| panic!("no process id: {line}"));
        let rest = rest.trim_start();
        let (text, began_after) = if let Some(begin) = rest.strip_suffix(" <unfinished ...>") {
            if begin.starts_with("close(") {
                // Another thread may get the same descriptor before strace sees the end of the call.
                calls.push(call(&format!("{begin})"), "0", calls.len()));
            }
            unfinished.insert(process, (begin, calls.len()));
            continue;
        } else if let Some(resumed) = rest.strip_prefix("<... ") {
            let (begin, began_after) = unfinished.remove(process).expect("it began");
            let end = resumed.split_once(" resumed>").expect("it is resumed").1;
            (format!("{begin}{end}"), began_after)
        } else {
            (rest.to_owned(), calls.len())
        };
        let is_known = rest.starts_with("<... close");
        let Some((text, result)) = text.rsplit_once(" = ").filter(|_| !is_known) else { continue };
        // Errors, and results that strace does not know because the process ended.
        if result.starts_with('-') || result.starts_with('?') {
            continue;
        }
        calls.push(call(text, result, began_after));
    }
    calls
}

fn call(text: &str, result: &str, began_after: usize) -> Call {
    let (name, arguments) = text.trim_end().split_once('(').unwrap_or_else(|| panic!("no call: {text}"));
    let arguments = split(arguments.strip_suffix(')').unwrap_or_else(|| panic!("no end: {text}")));
    Call { name: name.to_owned(), arguments, result: result.to_owned(), began_after }
}

/// Splits at the commas outside of brackets. Strings contain hexadecimal digits only.
fn split(arguments: &str) -> Vec<String> {
    let (mut parts, mut depth) = (vec![String::new()], 0_usize);
    for character in arguments.chars() {
        match character {
            '[' | '{' | '(' => depth += 1,
            ']' | '}' | ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        parts.last_mut().expect("there is one").push(character);
    }
    parts.into_iter().map(|part| part.trim().to_owned()).collect()
}

/// The bytes of a string in quotes.
pub(super) fn bytes(argument: &str) -> Vec<u8> {
    assert!(!argument.ends_with("..."), "the string is cut off: {argument}");
    let digits = argument.trim_matches('"').replace("\\x", "");
    hex::decode(&digits).unwrap_or_else(|error| panic!("{error}: {argument}"))
}

/// A path in quotes.
pub(super) fn path(argument: &str) -> PathBuf {
    PathBuf::from(OsString::from_vec(bytes(argument)))
}

/// A descriptor such as `3</etc/x>`, and its path.
pub(super) fn descriptor(argument: &str) -> (i64, Option<PathBuf>) {
    let (number, path) = argument.split_once('<').map_or((argument, None), |(number, path)| (number, Some(path)));
    let number = if number == "AT_FDCWD" { -100 } else { self::number(number) };
    let path = path.map(|path| {
        let path = path.split('>').next().expect("a part").trim_end_matches("(deleted)");
        self::path(path)
    });
    (number, path)
}

/// A decimal, octal or hexadecimal number. A comment or a name behind it is ignored.
pub(super) fn number(argument: &str) -> i64 {
    let word = argument.split([' ', '<']).next().expect("a part");
    let parsed = match word.strip_prefix("0x") {
        Some(digits) => i64::from_str_radix(digits, 16),
        None if word.len() > 1 && word.starts_with('0') => i64::from_str_radix(word, 8),
        None => word.parse(),
    };
    parsed.unwrap_or_else(|error| panic!("{error}: {argument}"))
}

#[test]
fn a_call_that_another_one_interrupts_counts_when_it_ends() {
    let trace = "7 fsync(3</x> <unfinished ...>\n8 mkdirat(AT_FDCWD</>, \"\\x61\", 0755) = 0\n7 <... fsync resumed>) = 0\n\
                 8 write(4<\\x2f\\x62>, \"\\x61\\x2c\", 2) = 2\n8 unlink(\"\\x61\") = -1 ENOENT (No such file)\n";
    let calls = calls(trace);
    let seen: Vec<_> = calls.iter().map(|call| (call.name.as_str(), call.began_after)).collect();
    assert_eq!(seen, [("mkdirat", 0), ("fsync", 0), ("write", 2)]);
    assert_eq!(bytes(&calls[2].arguments[1]), b"a,");
    assert_eq!(descriptor(&calls[2].arguments[0]), (4, Some(PathBuf::from("/b"))));
    assert_eq!(number(&calls[0].arguments[2]), 0o755);
}
