//! Reads requirements files in pip's format, to check whether the node satisfies them.
//!
//! The installer gets the unchanged files. This module only decides whether there is work to do. Lines that it does not
//! understand are opaque: the installer decides about them.
//! <https://pip.pypa.io/en/stable/reference/requirements-file-format/>

use std::{
    io,
    path::{Path, PathBuf},
};

use pep508_rs::{Requirement, VerbatimUrl};

use crate::{diagnostic::Origin, facts::python::is_parsable, fs::read_bounded};

/// The largest file that a requirements file includes, in bytes.
const MOST_INCLUDED: u64 = 8 << 20;

/// The content of a requirements file and of the files that it includes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Requirements {
    /// Named requirements.
    pub named: Vec<Named>,
    /// Constraints from `-c` files.
    pub constraints: Vec<Named>,
    /// Lines whose package name only the installer can find: paths, addresses, editable projects.
    pub opaque: Vec<Opaque>,
    /// Every line as written, including options.
    pub lines: Vec<Opaque>,
}

/// A requirement with a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The requirement.
    pub requirement: Requirement<VerbatimUrl>,
    /// Its line.
    pub origin: Origin,
}

/// A line that is not understood, or a requirement without a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opaque {
    /// The line.
    pub text: String,
    /// Its position.
    pub origin: Origin,
}

/// A file that a requirements file refers to and that could not be read.
#[derive(Debug, thiserror::Error)]
#[error("`{path}` could not be read: {reason}")]
pub struct Unreadable {
    /// The file, for messages.
    pub path: String,
    /// The line that refers to it.
    pub origin: Origin,
    /// The operating system's error.
    pub reason: String,
}

impl Requirements {
    /// Reads the text of a file and all files that it refers to. `folder` is the base of relative names. Messages show
    /// those files relative to `label`.
    pub fn read(label: &str, text: &str, folder: Option<&Path>) -> Result<Self, Unreadable> {
        let mut all = Self::default();
        all.add(label, text, folder, false, &mut Vec::new())?;
        Ok(all)
    }

    fn add(
        &mut self,
        label: &str,
        text: &str,
        folder: Option<&Path>,
        constraint: bool,
        open: &mut Vec<PathBuf>,
    ) -> Result<(), Unreadable> {
        for (line, text) in logical_lines(text) {
            let origin = Origin { file: label.to_owned(), line, column: 1 };
            self.lines.push(Opaque { text: text.clone(), origin: origin.clone() });
            let includes = includes(&text);
            if !includes.is_empty() {
                for (name, is_constraint) in includes {
                    self.include(name, (label, folder), constraint || is_constraint, origin.clone(), open)?;
                }
            } else if let Some(project) = option(&text, "-e", "--editable") {
                self.opaque.push(Opaque { text: project.to_owned(), origin });
            } else if !text.starts_with('-') {
                let parsed = Some(without_options(&text)).filter(|text| is_parsable(text));
                match parsed.map(str::parse::<Requirement<VerbatimUrl>>) {
                    Some(Ok(requirement)) if constraint => self.constraints.push(Named { requirement, origin }),
                    Some(Ok(requirement)) => self.named.push(Named { requirement, origin }),
                    Some(Err(_)) | None => self.opaque.push(Opaque { text, origin }),
                }
            }
        }
        Ok(())
    }

    fn include(
        &mut self,
        name: &str,
        (beside, folder): (&str, Option<&Path>),
        constraint: bool,
        origin: Origin,
        open: &mut Vec<PathBuf>,
    ) -> Result<(), Unreadable> {
        if name.contains("://") {
            self.opaque.push(Opaque { text: name.to_owned(), origin });
            return Ok(());
        }
        let path = folder.map_or_else(|| PathBuf::from(name), |folder| folder.join(name));
        let label = match beside.rsplit_once('/').filter(|_| folder.is_some() && Path::new(name).is_relative()) {
            Some((beside, _)) => format!("{beside}/{name}"),
            None => path.display().to_string(),
        };
        // A file has several names, such as `./a.txt` and `../lists/a.txt`.
        let mut read = || -> io::Result<Option<String>> {
            let identity = path.canonicalize()?;
            if open.contains(&identity) {
                return Ok(None);
            }
            open.push(identity);
            let bytes = read_bounded(&path, MOST_INCLUDED)?;
            String::from_utf8(bytes).map(Some).map_err(|_| io::Error::other("it is not UTF-8 text"))
        };
        match read() {
            Ok(Some(text)) => self.add(&label, &text, path.parent(), constraint, open),
            Ok(None) => Ok(()),
            Err(error) => Err(Unreadable { path: label, origin, reason: error.to_string() }),
        }
    }
}

/// The files that a requirements file refers to, as written.
pub fn named_files(text: &str) -> Vec<String> {
    let lines = logical_lines(text);
    let included = lines.iter().filter_map(|(_, line)| included(line));
    included.filter(|name| !name.contains("://")).map(str::to_owned).collect()
}

/// The first line that includes a requirements file, by a path or an address, or that names a path.
pub fn first_other_file(label: &str, text: &str) -> Option<Origin> {
    let (line, _) = logical_lines(text).into_iter().find(|(_, line)| names_file(line))?;
    Some(Origin { file: label.to_owned(), line, column: 1 })
}

/// Whether a line needs a file beside the requirements file. pip accepts several options on one line, and the beginning
/// of a long option for the whole.
fn names_file(line: &str) -> bool {
    let includes = |word: &str| {
        let begins = |short: &str, long: &str| word.starts_with(short) || word.starts_with(long);
        begins("-r", "--r") && !word.starts_with("--require-") || begins("-c", "--c")
    };
    if line.starts_with('-') && line.split_ascii_whitespace().any(includes) {
        return true;
    }
    let project = option(line, "-e", "--editable").unwrap_or(line);
    let ends_name = |c: char| c.is_whitespace() || "[;=<>~!@,(".contains(c);
    let name = project.split(ends_name).next().unwrap_or_default();
    let is_path = name.starts_with('.') || name.contains('/') || is_archive(name);
    !project.starts_with('-') && (is_path && !name.contains("://") || project.contains("file:"))
}

/// Whether a name is that of a wheel or of a source archive.
fn is_archive(name: &str) -> bool {
    [".whl", ".zip", ".tar.gz", ".tar.bz2", ".tar.xz", ".tgz"].iter().any(|ending| name.ends_with(ending))
}

/// The requirements file that a line includes.
fn included(line: &str) -> Option<&str> {
    option(line, "-r", "--requirement").or_else(|| option(line, "-c", "--constraint"))
}

/// Lines with continuations joined and comments removed, each with the number of its first line.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut joined: Option<(usize, String)> = None;
    for (index, line) in text.lines().enumerate() {
        let (number, mut logical) = joined.take().unwrap_or((index + 1, String::new()));
        // As in pip, a comment is not continued, and ends a continued line.
        let is_comment = line.trim_start().starts_with('#');
        if let Some(continued) = line.strip_suffix('\\').filter(|_| !is_comment) {
            logical.push_str(continued);
            joined = Some((number, logical));
        } else {
            logical.push_str(if is_comment && !logical.is_empty() { " " } else { "" });
            logical.push_str(line);
            lines.push((number, logical));
        }
    }
    lines.extend(joined);
    for (_, line) in &mut lines {
        let end = if line.starts_with('#') { Some(0) } else { line.find(" #").or_else(|| line.find("\t#")) };
        line.truncate(end.unwrap_or(line.len()));
        *line = line.trim().to_owned();
    }
    lines.retain(|(_, line)| !line.is_empty());
    lines
}

fn option<'t>(text: &'t str, short: &str, long: &str) -> Option<&'t str> {
    let value = text.strip_prefix(long).or_else(|| text.strip_prefix(short))?;
    Some(value.trim_start_matches([' ', '=', '\t'])).filter(|value| !value.is_empty())
}

/// The files that an option line includes, and whether each is a file of constraints. Options may be shortened, as in
/// `--req b.txt`, and follow others, as in `--pre -r b.txt`.
fn includes(line: &str) -> Vec<(&str, bool)> {
    if !line.starts_with('-') {
        return Vec::new();
    }
    let mut words = line.split_ascii_whitespace();
    let mut found = Vec::new();
    while let Some(word) = words.next() {
        let (name, value) = word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
        let is_long = |long: &str| name.len() > 3 && long.starts_with(name);
        let kind = match name {
            _ if is_long("--requirement") => Some((false, value)),
            _ if is_long("--constraint") => Some((true, value)),
            _ if word.starts_with("-r") => Some((false, Some(&word[2..]))),
            _ if word.starts_with("-c") => Some((true, Some(&word[2..]))),
            _ => None,
        };
        let Some((is_constraint, value)) = kind else { continue };
        let value = value.map(|value| value.trim_start_matches('=')).filter(|value| !value.is_empty());
        found.extend(value.or_else(|| words.next()).map(|name| (name, is_constraint)));
    }
    found
}

/// A requirement without its `--hash=…` and other options.
fn without_options(text: &str) -> &str {
    text.find(" --").map_or(text, |end| &text[..end]).trim()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::put;

    fn names(list: &[Named]) -> Vec<String> {
        list.iter().map(|named| named.requirement.name.to_string()).collect()
    }

    #[test]
    fn comments_continuations_options_and_line_ends_are_understood() {
        let text = "\u{feff}# a comment\r\nnltk\r\nspacy >= 3.7, \\\r\n    < 4  # two lines\r\n--index-url https://example.org/simple\r\nsix==1.16.0 \\\r\n  --hash=sha256:abc\r\nx ; python_version < '3'";
        let read = Requirements::read("r.txt", text, None).expect("nothing else to read");
        assert_eq!(names(&read.named), ["nltk", "spacy", "six", "x"]);
        assert_eq!(read.named[1].origin.line, 3);
        assert_eq!(read.opaque, []);
    }

    #[test]
    fn included_files_are_read_in_each_spelling_of_pip() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        put(&temp.path().join("b.txt"), "nltk\n");
        for line in
            ["-r b.txt", "-rb.txt", "--req b.txt", "--requirement=b.txt", "--pre -r b.txt", "--pre --requir=b.txt"]
        {
            let read = Requirements::read("a.txt", line, Some(temp.path())).expect("readable");
            assert_eq!(names(&read.named), ["nltk"], "{line}");
        }
        for line in ["-c b.txt", "--pre --con b.txt"] {
            let read = Requirements::read("a.txt", line, Some(temp.path())).expect("readable");
            assert_eq!(names(&read.constraints), ["nltk"], "{line}");
        }
        assert_eq!(includes("--require-hashes"), []);
        assert_eq!(includes("--pre --no-cache-dir"), []);
    }

    #[test]
    fn lines_that_need_other_files_are_found_as_pip_reads_them() {
        for line in [
            "-r more.txt",
            "-rmore.txt",
            "--requirement=more.txt",
            "--requir more.txt",
            "--pre -r more.txt",
            "--pre --con limits.txt",
            "# note \\\n-r more.txt",
            "six \\\n# note \\\n-c limits.txt",
            "./x",
            "-e ./x",
            "wheels/x-1.0-py3-none-any.whl",
            "x-1.0.tar.gz",
            "x @ file:///srv/x.whl",
            "/srv/x",
        ] {
            assert!(first_other_file("r.txt", line).is_some(), "{line}");
        }
        for line in [
            "--require-hashes",
            "--pre",
            "--index-url https://example.org/simple",
            "six[extra]>=1.0; python_version < '3'",
            "x @ https://example.org/x.whl",
            "https://example.org/x.whl",
            "# -r more.txt",
        ] {
            assert_eq!(first_other_file("r.txt", line), None, "{line}");
        }
    }

    #[test]
    fn other_files_are_read_once_and_constraints_stay_apart() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let write = |name: &str, text: &str| put(&temp.path().join(name), text);
        write("more.txt", "-r more.txt\nnumpy\n");
        write("limits.txt", "numpy<3\n");
        let read = Requirements::read("r.txt", "-r more.txt\n-c limits.txt\n", Some(temp.path())).expect("readable");
        assert_eq!(
            (names(&read.named), names(&read.constraints)),
            (vec!["numpy".to_owned()], vec!["numpy".to_owned()])
        );
        let error = Requirements::read("r.txt", "\n-r none.txt\n", Some(temp.path())).expect_err("not there");
        assert_eq!(error.origin.line, 2);
    }

    #[test]
    fn a_file_that_includes_itself_by_another_name_is_read_once() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        std::fs::create_dir(temp.path().join("lists")).expect("created");
        let text = "-r ./r.txt\n-r lists/../r.txt\n-c lists/limits.txt\nnumpy\n";
        put(&temp.path().join("r.txt"), text);
        put(&temp.path().join("lists/limits.txt"), "-c ../lists/./limits.txt\nnumpy<3\n");
        let read = Requirements::read("store/r.txt", text, Some(temp.path())).expect("readable");
        assert_eq!((read.named.len(), read.constraints.len()), (2, 1), "the text itself, and the file once");
    }

    #[test]
    fn included_files_are_regular_files_with_a_limit() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let large = std::fs::File::create(temp.path().join("large.txt")).expect("created");
        large.set_len(MOST_INCLUDED + 1).expect("a sparse file");
        for (name, reason) in [("/dev/zero", "it is not a regular file"), ("large.txt", "it has more than")] {
            let error = Requirements::read("r.txt", &format!("-r {name}"), Some(temp.path())).expect_err("refused");
            assert!(error.reason.contains(reason), "{error}");
        }
    }

    #[test]
    fn lines_that_the_parser_cannot_be_given_are_opaque() {
        let nested = format!("x; {}os_name == 'a'{}", "(".repeat(100_000), ")".repeat(100_000));
        for line in [&nested, "x.==1.0", "x[a-]"] {
            assert_eq!(Requirements::read("r.txt", line, None).expect("fine").opaque.len(), 1);
        }
    }

    #[test]
    fn what_has_no_name_is_opaque() {
        let read = Requirements::read("r.txt", "./lib/x.whl\n-e ./project\nhttps://example.org/y.tar.gz\n", None)
            .expect("fine");
        assert_eq!(read.opaque.len(), 3);
    }
}
