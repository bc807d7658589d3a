//! The journal: the step in progress, written before the step begins. After a kill, the next run knows which results
//! are unreliable.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::folder;
use crate::fs::{self, FsError, LineLog};

/// The journal of the present run.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    log: LineLog,
}

/// A step that began and did not end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Interrupted {
    /// The run.
    pub run: String,
    /// The step.
    pub step: String,
    /// The items it worked on: R packages, or the folder of a Python environment.
    pub items: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "mark", rename_all = "kebab-case")]
enum Line {
    Begin(Interrupted),
    End { step: String },
}

impl Journal {
    /// Begins the journal of a run. Read the journal of an earlier run first, with [`Journal::interrupted`].
    pub fn begin(root: &Path) -> Result<Self, FsError> {
        let path = folder(root).join("journal.jsonl");
        Ok(Self { log: LineLog::open(&path)?, path })
    }

    /// The steps of an earlier run that began and did not end.
    pub fn interrupted(root: &Path) -> Vec<Interrupted> {
        let text = std::fs::read_to_string(folder(root).join("journal.jsonl")).unwrap_or_default();
        let mut open: Vec<Interrupted> = Vec::new();
        // The last line may be incomplete. Its step had not begun.
        for line in text.lines().filter_map(|line| serde_json::from_str(line).ok()) {
            match line {
                Line::Begin(begun) => open.push(begun),
                Line::End { step } => open.retain(|begun| begun.step != step),
            }
        }
        open
    }

    /// Records the beginning of a step. The line is on the disk before the step changes anything.
    pub fn step_begins(&mut self, run: &str, step: &str, items: &[String]) -> Result<(), FsError> {
        let begun = Interrupted { run: run.to_owned(), step: step.to_owned(), items: items.to_vec() };
        self.line(&Line::Begin(begun))?;
        self.log.sync()
    }

    /// Records the end of a step, successful or not.
    pub fn step_ended(&mut self, step: &str) -> Result<(), FsError> {
        self.line(&Line::End { step: step.to_owned() })
    }

    /// Removes the journal at the end of a run.
    pub fn finish(self) -> Result<(), FsError> {
        fs::remove(&self.path)
    }

    fn line(&mut self, line: &Line) -> Result<(), FsError> {
        self.log.line(&serde_json::to_string(line).expect("text can be written"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_never_ended_is_distrusted() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let mut journal = Journal::begin(temp.path()).expect("begun");
        journal.step_begins("run", "apt", &[]).expect("written");
        journal.step_ended("apt").expect("written");
        journal.step_begins("run", "r", &["stringi".into()]).expect("written");
        drop(journal);
        let left = Journal::interrupted(temp.path());
        assert_eq!(left.len(), 1);
        assert_eq!((left[0].step.as_str(), left[0].items.as_slice()), ("r", &["stringi".to_owned()][..]));
        Journal::begin(temp.path()).expect("begun").finish().expect("finished");
        assert_eq!(Journal::interrupted(temp.path()), []);
    }
}
