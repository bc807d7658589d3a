//! The folders of all runs of a node. Their names sort by time.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

use jiff::Timestamp;

use super::{
    ReportError, RunFolder,
    folder::{AUDIT, REPORT},
};
use crate::{
    diagnostic::nearest,
    fs::{self, FsError},
};

/// The folder of the runs of a node, below its root.
pub const RUNS: &str = "var/log/nodeagent";
/// How many runs a node keeps.
pub const KEPT_RUNS: usize = 20;
/// The name of the newest run in commands.
pub const LATEST: &str = "latest";

/// The id of a run, `20261121T120304Z-4711`: its start and the process id of nodeagent.
pub fn run_id(started: Timestamp, process: u32) -> String {
    format!("{}-{process}", started.strftime("%Y%m%dT%H%M%SZ"))
}

/// The folders of all runs of a node.
#[derive(Debug, Clone)]
pub struct RunFolders(PathBuf);

impl RunFolders {
    /// The runs of the node whose file system starts at `root`.
    pub fn of_node(root: &Path) -> Self {
        Self(root.join(RUNS))
    }

    /// Creates the folder of a run, with a folder for the logs of programs.
    pub fn create(&self, run: &str) -> Result<RunFolder, FsError> {
        let folder = RunFolder::at(self.0.join(run));
        fs::create_dirs(&folder.logs(), 0o755)?;
        Ok(folder)
    }

    /// The path of the audit log for commands outside a run: decisions and fetches, one a line.
    pub fn audit(&self) -> PathBuf {
        self.0.join(AUDIT)
    }

    /// Whether the folder exists.
    pub fn exist(&self) -> bool {
        self.0.is_dir()
    }

    /// The ids of all runs, oldest first.
    pub fn names(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(&self.0) else { return Vec::new() };
        let mut names: Vec<String> = entries
            .filter_map(Result::ok)
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| is_run_id(name))
            .collect();
        names.sort_by(|a, b| sort_key(a).cmp(&sort_key(b)));
        names
    }

    /// The newest run.
    pub fn latest(&self) -> Result<RunFolder, ReportError> {
        let name = self.names().pop().ok_or_else(|| ReportError::NoRun { folder: self.0.clone() })?;
        Ok(RunFolder::at(self.0.join(name)))
    }

    /// Finds a run by `latest`, its id, or a unique prefix of its id. A name with a `/` is the path of a run's folder
    /// or of a report.
    pub fn find(&self, name: &str) -> Result<RunFolder, ReportError> {
        if name.contains('/') {
            let path = Path::new(name);
            let is_report = path.file_name() == Some(OsStr::new(REPORT));
            return Ok(RunFolder::at(if is_report { path.parent().unwrap_or(path) } else { path }.to_owned()));
        }
        if name == LATEST {
            return self.latest();
        }
        let names = self.names();
        let mut meant = names.iter().filter(|known| known.starts_with(name));
        match (names.iter().any(|known| known == name), meant.next(), meant.count()) {
            (true, ..) => Ok(RunFolder::at(self.0.join(name))),
            (false, Some(only), 0) if !name.is_empty() => Ok(RunFolder::at(self.0.join(only))),
            (false, Some(_), others) => Err(ReportError::Ambiguous { name: name.into(), count: others + 1 }),
            (false, None, _) if names.is_empty() => Err(ReportError::NoRun { folder: self.0.clone() }),
            (false, None, _) => {
                let meant = nearest(name, names.iter().map(String::as_str)).map(str::to_owned);
                Err(ReportError::UnknownRun { name: name.into(), meant })
            }
        }
    }

    /// Removes the oldest runs so that at most `kept` remain, and the temporary files of killed runs in the others.
    /// Other folders are not changed.
    pub fn prune(&self, kept: usize) -> Result<(), FsError> {
        let names = self.names();
        let (old, new) = names.split_at(names.len().saturating_sub(kept));
        old.iter().try_for_each(|name| fs::remove_tree(&self.0.join(name)))?;
        // The report is the last file of a run: only a killed run has none.
        let mut killed = new.iter().map(|name| RunFolder::at(self.0.join(name))).filter(|run| !run.report().is_file());
        killed.try_for_each(|run| fs::remove_abandoned_partial_files_below(run.path()))
    }
}

/// Whether a name has the form of [`run_id`].
fn is_run_id(name: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    name.split_once('-').is_some_and(|(time, process)| {
        let time = time.strip_suffix('Z').and_then(|time| time.split_once('T'));
        digits(process)
            && time.is_some_and(|(day, hour)| day.len() == 8 && hour.len() == 6 && digits(day) && digits(hour))
    })
}

/// The time, then the process id as a number: of two runs in the same second, 998 comes before 1002.
fn sort_key(name: &str) -> (&str, u64) {
    let (time, process) = name.split_once('-').unwrap_or((name, ""));
    (time, process.parse().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn runs(names: &[&str]) -> (tempfile::TempDir, RunFolders) {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let folders = RunFolders::of_node(temp.path());
        for name in names {
            folders.create(name).expect("it can be created");
        }
        (temp, folders)
    }

    #[test]
    fn run_ids_sort_by_time() {
        assert_eq!(run_id(sample::at(0), 4711), "20261121T120304Z-4711");
        let (_temp, folders) = runs(&["20261121T120304Z-1002", "20261121T120304Z-998", "20251121T120304Z-5"]);
        assert_eq!(folders.names(), ["20251121T120304Z-5", "20261121T120304Z-998", "20261121T120304Z-1002"]);
        assert_eq!(folders.latest().expect("there is one").name(), "20261121T120304Z-1002");
    }

    #[test]
    fn a_run_is_found_by_a_prefix_of_its_id() {
        let (_temp, folders) = runs(&["20261121T120304Z-1", "20261122T120304Z-1", "20261122T120304Z-12"]);
        let found = |name| folders.find(name).map(|folder| folder.name());
        assert_eq!(found("20261121").expect("only one"), "20261121T120304Z-1");
        assert_eq!(found("20261122T120304Z-1").expect("a whole name"), "20261122T120304Z-1");
        assert_eq!(found("latest").expect("there is one"), "20261122T120304Z-12");
        assert!(matches!(found("20261122"), Err(ReportError::Ambiguous { count: 2, .. })));
        assert!(matches!(found(""), Err(ReportError::Ambiguous { count: 3, .. })));
        let error = found("20261121T120305Z-1").expect_err("no such run");
        assert_eq!(error.hint().as_deref(), Some("did you mean `20261121T120304Z-1`?"));
        assert_eq!(found("./copy/report.json").expect("a path"), "copy");
    }

    #[test]
    fn a_node_without_runs_says_so() {
        let (_temp, folders) = runs(&[]);
        assert!(matches!(folders.find("x"), Err(ReportError::NoRun { .. })));
        assert!(matches!(folders.latest(), Err(ReportError::NoRun { .. })));
    }

    #[test]
    fn the_oldest_runs_are_removed_and_nothing_else() {
        let (temp, folders) = runs(&["20261121T120304Z-1", "20261122T120304Z-1", "20261123T120304Z-1", "mine"]);
        folders.prune(2).expect("it can be pruned");
        assert_eq!(folders.names(), ["20261122T120304Z-1", "20261123T120304Z-1"]);
        assert!(temp.path().join(RUNS).join("mine").is_dir());
    }

    #[test]
    fn the_partial_report_of_a_killed_run_is_removed() {
        let (temp, folders) = runs(&["20261121T120304Z-4194305", "20261122T120304Z-1"]);
        // Process ids end at 4,194,304, so this process does not exist.
        let partial = temp.path().join(RUNS).join("20261121T120304Z-4194305/.report.json.4194305-4-0badc0de.nodeagent");
        fs::replace(&partial, b"{", fs::Attributes::default()).expect("written");
        folders.prune(2).expect("it can be pruned");
        assert_eq!(folders.names().len(), 2);
        assert!(!partial.exists());
    }
}
