//! What changed from one lock to another, for people who review it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{Lock, Section};

/// All that changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The serials, old and new; the old one is 0 when there was no lock.
    pub serial: (u64, u64),
    /// Files of the profile.
    pub files: Vec<Change>,
    /// Sections that changed.
    pub sections: Vec<SectionDifference>,
}

/// What changed in a section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SectionDifference {
    /// Its runtime, and the conditions it was made under.
    pub runtime: String,
    /// Packages and files.
    pub changes: Vec<Change>,
}

/// One thing that changed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Change {
    /// Its kind: `apt`, `python`, `r`, `asset`, `file`, `asks`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// What it was: a version, or the beginning of a digest; nothing when it is new.
    pub old: Option<String>,
    /// What it is; nothing when it went.
    pub new: Option<String>,
    /// Whether the version is the same and the bytes are not.
    pub other_bytes: bool,
}

type Known = BTreeMap<(&'static str, String), (String, String)>;

/// What changed from `old` to `new`.
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
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.sections.is_empty()
    }

    /// The difference as lines for people.
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
            (Some(old), Some(_)) if change.other_bytes => ("~", format!("{old}, with other bytes")),
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

/// Everything in a section: kind and name, then what people read and what has to be the same.
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
    for package in &section.r {
        known.insert(("r", package.name.clone()), (package.version.clone(), package.sha256.hex().to_owned()));
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
