//! The folder of one run: its report, its events, the logs of its programs. It can be copied.

use std::{
    io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use super::{Report, event::FORMAT, log};
use crate::fs::{self, Attributes, FsError, PartialFile};

pub(super) const REPORT: &str = "report.json";
const EVENTS: &str = "events.jsonl";
pub(super) const AUDIT: &str = "audit.jsonl";
const LOGS: &str = "logs";
const COPY_BUFFER: usize = 256 * 1024;

/// A name for this node that is safe in a file name: cluster id and container address, as far as they are known, else
/// the host name.
pub fn node_label(cluster: Option<&str>, address: Option<&str>, host: Option<&str>) -> String {
    let known: Vec<&str> = [cluster, address].into_iter().flatten().filter(|name| !name.trim().is_empty()).collect();
    let name = if known.is_empty() { host.unwrap_or_default().trim().to_owned() } else { known.join("-") };
    let safe = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    let name: String = name.trim().trim_start_matches('.').chars().map(safe).take(120).collect();
    if name.is_empty() { "node".into() } else { name }
}

/// Why a report cannot be displayed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// This node has no runs.
    #[error("there are no runs in `{}`", folder.display())]
    NoRun {
        /// The folder of all runs.
        folder: PathBuf,
    },
    /// No run has this name.
    #[error("there is no run `{name}`")]
    UnknownRun {
        /// The requested name.
        name: String,
        /// The run with the most similar name.
        meant: Option<String>,
    },
    /// The prefix fits more than one run.
    #[error("`{name}` is the prefix of {count} runs")]
    Ambiguous {
        /// The requested prefix.
        name: String,
        /// The number of matching runs.
        count: usize,
    },
    /// The file is missing or not readable.
    #[error("`{}` could not be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The file is not a report.
    #[error("`{}` is not a nodeagent report", path.display())]
    NotAReport {
        /// The file.
        path: PathBuf,
        /// The parse error.
        source: serde_json::Error,
    },
    /// A later version of nodeagent wrote the report.
    #[error("`{}` has format {format}; this version of nodeagent reads formats up to {FORMAT}", path.display())]
    LaterFormat {
        /// The file.
        path: PathBuf,
        /// The version of its format.
        format: u32,
    },
}

impl ReportError {
    /// A hint, if one is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoRun { .. } => {
                Some("`nodeagent run` writes a report; to show a report of another node, name its folder".into())
            }
            Self::UnknownRun { meant, .. } => meant.as_ref().map(|meant| format!("did you mean `{meant}`?")),
            Self::Ambiguous { .. } => Some("give a longer prefix".into()),
            Self::LaterFormat { .. } => {
                Some("read it with the version of nodeagent that wrote it, or a later one".into())
            }
            Self::Unreadable { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Some("run nodeagent as root".into())
            }
            Self::Unreadable { .. } | Self::NotAReport { .. } => None,
        }
    }
}

/// The folder of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFolder(PathBuf);

impl RunFolder {
    /// The run in this folder.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The path of the folder.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The name of the run.
    pub fn name(&self) -> String {
        self.0.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// The path of the report.
    pub fn report(&self) -> PathBuf {
        self.0.join(REPORT)
    }

    /// The path of the event log, one event a line.
    pub fn events(&self) -> PathBuf {
        self.0.join(EVENTS)
    }

    /// The path of the audit log: access decisions and fetches of secrets, one a line. Only its owner can read it.
    pub fn audit(&self) -> PathBuf {
        self.0.join(AUDIT)
    }

    /// The folder of the complete logs of programs, one file each.
    pub fn logs(&self) -> PathBuf {
        self.0.join(LOGS)
    }

    /// Writes the report atomically. It contains no secrets, and every user can read it.
    pub fn write_report(&self, report: &Report) -> Result<(), FsError> {
        // A report consists of texts, numbers and lists, so it always has a JSON form.
        let mut text = serde_json::to_string_pretty(report).unwrap_or_default();
        text.push('\n');
        fs::replace(&self.report(), text.as_bytes(), Attributes::mode(0o644))
    }

    /// Reads the report. If the run was killed before it wrote one, the report is built from its events.
    pub fn read_report(&self) -> Result<Report, ReportError> {
        let path = self.report();
        match std::fs::read_to_string(&path) {
            Ok(text) => parse_report(&path, &text),
            Err(source) if source.kind() == io::ErrorKind::NotFound => {
                self.rebuilt_from_events().ok_or(ReportError::Unreadable { path, source })
            }
            Err(source) => Err(ReportError::Unreadable { path, source }),
        }
    }

    fn rebuilt_from_events(&self) -> Option<Report> {
        let events = log::parse(&std::fs::read_to_string(self.events()).ok()?);
        let mut report = Report::default();
        for event in &events {
            report.take(event);
        }
        report.end_open_steps(events.last()?.time);
        Some(report)
    }

    /// Copies the run to `<target>/<run>-<node>`, the report last. Returns the folder of the copy.
    pub fn copy_to(&self, target: &Path, node: &str) -> Result<PathBuf, FsError> {
        let copy = target.join(format!("{}-{node}", self.name()));
        fs::create_dirs(&copy, 0o755)?;
        for file in files(&self.logs()) {
            copy_file(&file, &copy.join(LOGS))?;
        }
        for file in [self.audit(), self.events(), self.report()] {
            if file.is_file() {
                copy_file(&file, &copy)?;
            }
        }
        Ok(copy)
    }
}

fn parse_report(path: &Path, text: &str) -> Result<Report, ReportError> {
    // Check the version first: a later format may not parse at all.
    let format = serde_json::from_str::<serde_json::Value>(text)
        .ok()
        .and_then(|value| value.get("format").and_then(serde_json::Value::as_u64))
        .and_then(|format| u32::try_from(format).ok());
    if let Some(format) = format.filter(|format| *format > FORMAT) {
        return Err(ReportError::LaterFormat { path: path.to_owned(), format });
    }
    serde_json::from_str(text).map_err(|source| ReportError::NotAReport { path: path.to_owned(), source })
}

/// The regular files in a folder, sorted by name. Links are ignored.
fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
        .map(|entry| entry.path())
        .collect();
    files.sort();
    files
}

/// Copies a file with its permissions in pieces, because logs can be large.
fn copy_file(from: &Path, folder: &Path) -> Result<(), FsError> {
    let unreadable = |source| FsError::Io { path: from.to_owned(), verb: "read", source };
    let mut file = std::fs::File::open(from).map_err(unreadable)?;
    let mode = file.metadata().map_err(unreadable)?.permissions().mode() & 0o777;
    let mut copy = PartialFile::create(&folder.join(from.file_name().unwrap_or_default()), Attributes::mode(mode))?;
    let mut buffer = vec![0; COPY_BUFFER];
    loop {
        match io::Read::read(&mut file, &mut buffer).map_err(unreadable)? {
            0 => return copy.commit(),
            length => copy.write(&buffer[..length])?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{
        EventLog, RunFolders,
        event::{Observer as _, Outcome},
        sample,
    };

    fn run() -> (tempfile::TempDir, RunFolder) {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let folder = RunFolders::of_node(temp.path()).create("20261121T120304Z-4711").expect("it can be created");
        (temp, folder)
    }

    #[test]
    fn a_report_is_read_as_it_was_written() {
        let (_temp, folder) = run();
        folder.write_report(&sample::failed()).expect("written");
        assert_eq!(folder.read_report().expect("read"), sample::failed());
        assert_eq!(fs::read(&folder.report()).expect("readable").expect("there").mode, 0o644);
    }

    #[test]
    fn the_report_of_a_killed_run_is_built_from_its_events() {
        let (_temp, folder) = run();
        let mut log = EventLog::open(&folder.events()).expect("opened");
        for event in sample::events().iter().take(8) {
            log.observe(event);
        }
        let report = folder.read_report().expect("events tell it");
        assert_eq!((report.outcome, report.exit_code), (Outcome::Interrupted, None));
        assert_eq!(report.step("apt").map(|step| step.seconds), Some(7.0));
    }

    #[test]
    fn an_invalid_report_is_refused_with_the_reason() {
        let (_temp, folder) = run();
        assert!(matches!(folder.read_report(), Err(ReportError::Unreadable { .. })));
        let read = |text: &str| {
            fs::replace(&folder.report(), text.as_bytes(), Attributes::default()).expect("written");
            folder.read_report()
        };
        assert!(matches!(read("{"), Err(ReportError::NotAReport { .. })));
        assert!(matches!(read(r#"{"format": 2, "run": 7}"#), Err(ReportError::LaterFormat { format: 2, .. })));
    }

    #[test]
    fn a_copy_has_the_report_the_events_and_the_logs() {
        let (temp, folder) = run();
        folder.write_report(&sample::failed()).expect("written");
        fs::replace(&folder.events(), b"{}\n", Attributes::default()).expect("written");
        fs::replace(&folder.audit(), b"{}\n", Attributes::mode(0o600)).expect("written");
        fs::replace(&folder.logs().join("apt.log"), b"E:", Attributes::mode(0o640)).expect("written");
        let copy = folder.copy_to(&temp.path().join("there"), "0712-x-10.0.0.1").expect("copied");
        assert_eq!(copy, temp.path().join("there/20261121T120304Z-4711-0712-x-10.0.0.1"));
        assert_eq!(RunFolder(copy.clone()).read_report().expect("read"), sample::failed());
        assert_eq!(fs::read(&copy.join("logs/apt.log")).expect("readable").expect("there").mode, 0o640);
        assert_eq!(fs::read(&copy.join("audit.jsonl")).expect("readable").expect("there").mode, 0o600);
        assert!(copy.join("events.jsonl").is_file());
    }

    #[test]
    fn a_node_label_is_safe_in_a_file_name() {
        assert_eq!(node_label(Some("0712-x"), Some("10.0.0.1"), Some("h")), "0712-x-10.0.0.1");
        assert_eq!(node_label(None, Some(" "), Some("../a b")), "_a_b");
        assert_eq!(node_label(None, None, None), "node");
    }
}
