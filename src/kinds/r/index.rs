//! The index of a repository in compact form. The index of CRAN has 22,000 stanzas and 15 MB of text, but a
//! resolution uses about a hundred of them. Stanzas are parsed on demand.

use std::io::{self, BufRead};

use super::{
    description::{Description, StanzaError, compact},
    version::{is_name, version},
};
use crate::redact;

/// The maximum size of an uncompressed index in bytes.
const MOST_BYTES: u64 = 256 << 20;
/// The maximum size of a stanza in bytes.
const LONGEST_STANZA: usize = 1 << 20;

/// The stanzas of one repository, sorted by name.
#[derive(Debug, Default)]
pub(super) struct Index {
    text: String,
    entries: Vec<Entry>,
    /// The first lines of invalid stanzas, which are skipped.
    pub(super) skipped: Vec<String>,
}

#[derive(Debug)]
struct Entry {
    name: (u32, u32),
    stanza: (u32, u32),
}

impl Index {
    /// Reads an index stanza by stanza. Invalid stanzas are skipped.
    pub(super) fn read(reader: impl BufRead) -> io::Result<Self> {
        let mut reader = reader.take(MOST_BYTES);
        let (mut index, mut stanza, mut line) = (Self::default(), String::new(), Vec::new());
        loop {
            line.clear();
            let ended = reader.read_until(b'\n', &mut line)? == 0;
            if ended && reader.limit() == 0 {
                return Err(io::Error::other(format!("the index is larger than {} MiB", MOST_BYTES >> 20)));
            }
            let blank = line.iter().all(u8::is_ascii_whitespace);
            if !blank && stanza.len() < LONGEST_STANZA {
                stanza.push_str(&String::from_utf8_lossy(&line));
            } else if !stanza.is_empty() {
                index.add(&stanza);
                stanza.clear();
            }
            if ended {
                break;
            }
        }
        index.text.shrink_to_fit();
        index.entries.shrink_to_fit();
        let Self { text, entries, .. } = &mut index;
        entries.sort_by(|a, b| slice(text, a.name).cmp(slice(text, b.name)));
        Ok(index)
    }

    fn add(&mut self, stanza: &str) {
        let kept = compact(stanza);
        let value = |field: &str| {
            let line = kept.lines().find(|line| line.starts_with(field))?;
            Some(line[field.len()..].trim())
        };
        let name = value("Package:").filter(|name| is_name(name));
        let (Some(name), Some(_)) = (name, value("Version:").and_then(version)) else {
            self.skipped.push(redact::first_line(stanza, 80));
            return;
        };
        // `name` is a slice of `kept`, so its position in the whole text follows from its position there.
        let name_at = name.as_ptr() as usize - kept.as_ptr() as usize;
        let place = |at: usize, length: usize| {
            Some((u32::try_from(self.text.len() + at).ok()?, u32::try_from(self.text.len() + at + length).ok()?))
        };
        if let (Some(name), Some(stanza)) = (place(name_at, name.len()), place(0, kept.len())) {
            self.entries.push(Entry { name, stanza });
            self.text.push_str(&kept);
        }
    }

    /// Every version of a package. An invalid stanza is an error item.
    pub(super) fn versions(&self, name: &str) -> impl Iterator<Item = Result<Description, StanzaError>> {
        let start = self.entries.partition_point(|entry| slice(&self.text, entry.name) < name);
        let of_this_name = move |entry: &&Entry| slice(&self.text, entry.name) == name;
        let found = self.entries[start..].iter().take_while(of_this_name);
        found.map(|entry| Description::parse(slice(&self.text, entry.stanza)))
    }

    /// The names of all packages.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| slice(&self.text, entry.name))
    }
}

fn slice(text: &str, (from, to): (u32, u32)) -> &str {
    &text[from as usize..to as usize]
}

#[cfg(test)]
impl Index {
    pub(super) fn of(text: &str) -> Self {
        Self::read(text.as_bytes()).expect("memory can be read")
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    #[test]
    fn all_versions_of_a_package_are_found() {
        let index = Index::of("Package: b\nVersion: 1.0\n\nPackage: a\nVersion: 1.0\n\nPackage: b\nVersion: 2.0\n");
        let versions: Vec<_> = index.versions("b").map(|read| read.expect("good").version_text).collect();
        assert_eq!(versions, ["1.0", "2.0"]);
        assert_eq!(index.versions("c").count(), 0);
        assert_eq!(index.names().collect::<Vec<_>>(), ["a", "b", "b"]);
    }

    #[test]
    fn an_invalid_stanza_is_skipped() {
        let index = Index::of(
            "Package: a\nVersion: 1.0\n\n\n<html>busy</html>\n\nPackage: b\nVersion: x\n\nPackage: c\nVersion: 3.0",
        );
        assert_eq!(index.names().collect::<Vec<_>>(), ["a", "c"]);
        assert_eq!(index.skipped, ["<html>busy</html>", "Package: b"]);
    }

    #[test]
    fn invalid_utf_8_is_accepted() {
        let index = Index::read(&b"Package: a\nVersion: 1.0\nLicense: \xff\xfe\n"[..]).expect("read");
        assert_eq!(index.names().collect::<Vec<_>>(), ["a"]);
    }

    #[test]
    fn an_index_of_the_size_of_cran_takes_little_memory() {
        let mut text = String::new();
        for number in 0..22_000 {
            let _ = write!(
                text,
                "Package: package{number}\nVersion: 1.{number}.0\nDepends: R (>= 3.5.0), methods\n\
                 Imports: dplyr (>= 1.0.0), ggplot2, rlang (>= 0.4.10), stats, utils, magrittr,\n        purrr, tidyr\n\
                 Suggests: {}\nLinkingTo: Rcpp\nLicense: GPL (>= 3) | file LICENSE\nMD5sum: {number:032x}\n\
                 NeedsCompilation: yes\n\n",
                "knitr, rmarkdown, testthat (>= 3.0.0), covr, ".repeat(8),
            );
        }
        assert!(text.len() > 14_000_000, "{} bytes are not the size of CRAN", text.len());
        let index = Index::of(&text);
        let kept = index.text.capacity() + index.entries.capacity() * size_of::<Entry>();
        assert_eq!(index.names().count(), 22_000);
        assert!(kept < 7 << 20, "{kept} bytes are kept");
        let found = index.versions("package21999").next().expect("there").expect("good");
        assert_eq!(found.version_text, "1.21999.0");
    }
}
