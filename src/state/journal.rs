//! The journal: the step in progress, written before the step begins. After a kill, the next run knows which results
//! are unreliable.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::folder;
use crate::fs::{self, FsError, LineLog};

/// The journal of the present run.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    log: LineLog,
    /// The steps that began and did not end.
    open: BTreeSet<String>,
}

/// A step that began and did not end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Interrupted<K> {
    /// The run.
    pub run: String,
    /// The step.
    pub step: String,
    /// The kind of its work; `None` in the journal of a version that did not write it.
    #[serde(default = "none")]
    pub kind: Option<K>,
    /// The items it worked on: R packages, or the folder of a Python environment.
    pub items: Vec<String>,
    /// The start of the system in which it began; `None` if it is unknown.
    #[serde(default)]
    pub boot: Option<String>,
}

impl<K> Interrupted<K> {
    /// Whether the system was started again since the step began. Files that the step wrote may then be torn.
    pub fn is_rebooted(&self, root: &Path) -> bool {
        self.boot.is_some() && self.boot != boot_id(root)
    }
}

/// A text that is different after each start of the system (random(4)).
pub fn boot_id(root: &Path) -> Option<String> {
    let text = std::fs::read_to_string(root.join("proc/sys/kernel/random/boot_id")).ok()?;
    Some(text.trim().to_owned())
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "mark", rename_all = "kebab-case")]
enum Line<K> {
    Begin(Interrupted<K>),
    End { step: String },
}

/// The kind of a line that names none.
fn none<K>() -> Option<K> {
    None
}

impl Journal {
    /// Begins the journal of a run. Read the journal of an earlier run first, with [`Journal::interrupted`].
    pub fn begin(root: &Path) -> Result<Self, FsError> {
        let folder = folder(root);
        fs::create_dirs_durably(&folder, 0o755)?;
        let path = folder.join("journal.jsonl");
        let log = LineLog::open(&path)?;
        // A flushed line is lost if the name of the file is not on the disk.
        fs::sync_folder(&folder)?;
        Ok(Self { log, path, open: BTreeSet::new() })
    }

    /// The steps of an earlier run that began and did not end.
    pub fn interrupted<K: DeserializeOwned>(root: &Path) -> Vec<Interrupted<K>> {
        parse(&std::fs::read_to_string(folder(root).join("journal.jsonl")).unwrap_or_default())
    }

    /// Records the beginning of a step. The line is on the disk before the step changes anything.
    pub fn step_begins<K: Serialize + Clone>(&mut self, begun: &Interrupted<K>) -> Result<(), FsError> {
        self.line(&Line::Begin(begun.clone()))?;
        self.open.insert(begun.step.clone());
        self.log.sync()
    }

    /// Records the end of a step, successful or not.
    pub fn step_ended(&mut self, step: &str) -> Result<(), FsError> {
        self.line(&Line::<()>::End { step: step.to_owned() })?;
        self.open.remove(step);
        Ok(())
    }

    /// Removes the journal at the end of a run, unless a step may have left partial work.
    pub fn finish(&self) -> Result<(), FsError> {
        if self.open.is_empty() { fs::remove(&self.path) } else { Ok(()) }
    }

    fn line<K: Serialize>(&mut self, line: &Line<K>) -> Result<(), FsError> {
        self.log.line(&serde_json::to_string(line).expect("text can be written"))
    }
}

/// The steps of a journal that began and did not end.
pub(super) fn parse<K: DeserializeOwned>(text: &str) -> Vec<Interrupted<K>> {
    let mut open: Vec<Interrupted<K>> = Vec::new();
    // The last line may be incomplete. Its step had not begun.
    for line in text.lines().filter_map(|line| serde_json::from_str::<Line<K>>(line).ok()) {
        match line {
            Line::Begin(begun) => open.push(begun),
            Line::End { step } => open.retain(|begun| begun.step != step),
        }
    }
    open
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun(step: &str, items: &[&str]) -> Interrupted<u8> {
        let items = items.iter().map(|item| (*item).to_owned()).collect();
        Interrupted { run: "run".to_owned(), step: step.to_owned(), kind: Some(1), items, boot: None }
    }

    #[test]
    fn a_step_of_an_earlier_start_of_the_system_is_recognized() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let boot = temp.path().join("proc/sys/kernel/random/boot_id");
        crate::fs::put(&boot, "one\n");
        let step = Interrupted { boot: boot_id(temp.path()), ..begun("pip", &[]) };
        assert!(!step.is_rebooted(temp.path()));
        crate::fs::put(&boot, "two\n");
        assert!(step.is_rebooted(temp.path()));
        assert!(!begun("pip", &[]).is_rebooted(temp.path()), "a version that did not write it");
    }

    #[test]
    fn a_step_of_a_version_that_did_not_write_the_kind_is_known_without_it() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let line = r#"{"mark":"begin","run":"run","step":"bashrc","items":["/root/.bashrc"]}"#;
        crate::fs::replace(
            &folder(temp.path()).join("journal.jsonl"),
            line.as_bytes(),
            crate::fs::Attributes::default(),
        )
        .expect("written");
        let left = Journal::interrupted::<u8>(temp.path());
        assert_eq!((left[0].kind, left[0].items.len()), (None, 1));
    }

    #[test]
    fn only_steps_without_an_end_are_interrupted() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let mut journal = Journal::begin(temp.path()).expect("begun");
        journal.step_begins(&begun("apt", &[])).expect("written");
        journal.step_ended("apt").expect("written");
        journal.step_begins(&begun("r", &["stringi"])).expect("written");
        drop(journal);
        let left = Journal::interrupted::<u8>(temp.path());
        assert_eq!(left.len(), 1);
        assert_eq!((left[0].step.as_str(), left[0].items.as_slice()), ("r", &["stringi".to_owned()][..]));
        Journal::begin(temp.path()).expect("begun").finish().expect("finished");
        assert_eq!(Journal::interrupted::<u8>(temp.path()), []);
    }
}
