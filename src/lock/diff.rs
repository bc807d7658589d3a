//! The difference between two locks, for reviews.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{ArchiveSource, Lock, Section};

/// The difference between two locks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The old and the new serial. The old one is 0 if there was no lock.
    pub serial: (u64, u64),
    /// Changed files of the profile.
    pub files: Vec<Change>,
    /// Changed sections.
    pub sections: Vec<SectionDifference>,
}

/// The changes in a section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SectionDifference {
    /// The runtime, with the conditions of the section.
    pub runtime: String,
    /// Changed packages and files.
    pub changes: Vec<Change>,
}

/// A change.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Change {
    /// The kind: `apt`, `python`, `r`, `git`, `asset`, `file` or `asks`.
    pub kind: &'static str,
    /// The name.
    pub name: String,
    /// The old version or the first digits of the old digest; `None` for an addition.
    pub old: Option<String>,
    /// The new version or the first digits of the new digest; `None` for a removal.
    pub new: Option<String>,
    /// Whether only the bytes changed, under the same version.
    pub other_bytes: bool,
}

type Known = BTreeMap<(&'static str, String), (String, String)>;

/// The difference from `old` to `new`.
pub fn difference(old: Option<&Lock>, new: &Lock) -> Difference {
    let files = |lock: &Lock| -> Known {
        lock.files.iter().map(|file| (("file", file.path.clone()), short(file.sha256.hex()))).collect()
    };
    let titles = |lock: &Lock| -> BTreeSet<String> { lock.sections.iter().map(title).collect() };
    let mut all = titles(new);
    all.extend(old.iter().flat_map(|old| titles(old)));
    let sections = all.into_iter().filter_map(|runtime| {
        let of =
            |lock: &Lock| lock.sections.iter().filter(|section| title(section) == runtime).flat_map(known).collect();
        let changes = changes(&old.map(of).unwrap_or_default(), &of(new));
        (!changes.is_empty()).then_some(SectionDifference { runtime, changes })
    });
    Difference {
        serial: (old.map_or(0, |old| old.serial), new.serial),
        files: changes(&old.map(files).unwrap_or_default(), &files(new)),
        sections: sections.collect(),
    }
}

impl Difference {
    /// Whether the locks are equal.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.sections.is_empty()
    }

    /// The difference as text.
    pub fn render(&self) -> String {
        if self.is_empty() {
            return "nothing changed\n".to_owned();
        }
        let mut lines = vec![match self.serial {
            (0, new) => format!("serial {new}, the first"),
            (old, new) => format!("serial {old} -> {new}"),
        }];
        lines.extend(rows(&self.files));
        for section in &self.sections {
            lines.push(String::new());
            lines.push(section.runtime.clone());
            lines.extend(rows(&section.changes));
        }
        lines.join("\n") + "\n"
    }
}

fn rows(changes: &[Change]) -> Vec<String> {
    let width = changes.iter().map(|change| change.name.chars().count()).max().unwrap_or_default();
    let row = |change: &Change| {
        let (sign, what) = match (&change.old, &change.new) {
            (Some(old), Some(_)) if change.other_bytes => ("~", format!("{old}, different bytes")),
            (Some(old), Some(new)) => ("~", format!("{old} -> {new}")),
            (None, Some(new)) => ("+", new.clone()),
            (Some(old), None) => ("-", old.clone()),
            (None, None) => (" ", String::new()),
        };
        format!("{sign} {:<6} {:<width$}  {what}", change.kind, change.name).trim_end().to_owned()
    };
    changes.iter().map(row).collect()
}

fn title(section: &Section) -> String {
    let conditions: Vec<String> = section.conditions.iter().map(|(key, value)| format!("{key} {value}")).collect();
    if conditions.is_empty() {
        section.runtime.to_string()
    } else {
        format!("{} ({})", section.runtime, conditions.join(", "))
    }
}

fn short(hex: &str) -> (String, String) {
    (hex.chars().take(12).collect(), hex.to_owned())
}

/// Everything in a section: kind and name, each with the text to show and the text to compare.
fn known(section: &Section) -> Known {
    let mut known = Known::new();
    for ask in &section.asks {
        known.insert(("asks", ask.clone()), (String::new(), String::new()));
    }
    for deb in &section.apt {
        known.insert(("apt", deb.name.clone()), (deb.version.clone(), deb.sha256.hex().to_owned()));
    }
    for distribution in &section.python {
        let bytes = distribution.sha256.hex().to_owned();
        known.insert(("python", distribution.name.clone()), (distribution.version.clone(), bytes));
    }
    for (folder, distributions) in &section.venvs {
        for distribution in distributions {
            let bytes = distribution.sha256.hex().to_owned();
            known.insert(("python", format!("{folder} {}", distribution.name)), (distribution.version.clone(), bytes));
        }
    }
    for package in &section.r {
        let version = match &package.from {
            ArchiveSource::Git(git) => format!("{} ({})", package.version, git.short()),
            ArchiveSource::Url(_) | ArchiveSource::Asset(_) => package.version.clone(),
        };
        known.insert(("r", package.name.clone()), (version, package.sha256.hex().to_owned()));
    }
    for git in &section.git {
        known.insert(("git", git.folder.clone()), short(&git.commit));
    }
    for asset in &section.assets {
        known.insert(("asset", asset.path.clone()), short(asset.sha256.hex()));
    }
    known
}

fn changes(old: &Known, new: &Known) -> Vec<Change> {
    let keys: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    let change = |key: &(&'static str, String)| {
        let (was, is) = (old.get(key), new.get(key));
        if was == is {
            return None;
        }
        let same_version = was.zip(is).is_some_and(|(was, is)| was.0 == is.0);
        let shown = |value: Option<&(String, String)>| value.map(|(shown, _)| shown.clone());
        Some(Change { kind: key.0, name: key.1.clone(), old: shown(was), new: shown(is), other_bytes: same_version })
    };
    keys.into_iter().filter_map(change).collect()
}
