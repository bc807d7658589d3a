//! Installed distributions: `*.dist-info` and `*.egg-info` (PEP 376, Recording installed projects).

use std::{
    fs::File,
    io::{self, BufReader},
    path::{Path, PathBuf},
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};

use super::name::normalised;
use crate::digest::Digest;

/// An installed distribution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distribution {
    /// Normalized name.
    pub name: String,
    /// Version as written.
    pub version: String,
    /// `Requires-Dist` lines.
    pub requires: Vec<String>,
    /// Its metadata folder.
    pub folder: PathBuf,
    /// Whether its metadata and its file list exist. A killed installer may leave one of them missing.
    pub is_complete: bool,
}

/// A file in a distribution's `RECORD`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordEntry {
    /// Its path, relative to the folder that contains the metadata folder.
    pub path: String,
    /// Its SHA-256 in URL-safe base64 without padding.
    pub sha256: Option<String>,
}

impl RecordEntry {
    /// Parses a line. `None` for byte code.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let path = record_path(line)?.to_owned();
        let sha256 = line.rsplit(',').nth(1).and_then(|digest| digest.strip_prefix("sha256="));
        Some(Self { path, sha256: sha256.map(str::to_owned) })
    }

    /// Whether the file is unchanged since its installation; always true without a digest. `below` is the folder that
    /// contains the metadata folder.
    pub fn matches_record(&self, below: &Path) -> io::Result<bool> {
        let Some(recorded) = &self.sha256 else { return Ok(true) };
        let digest = Digest::sha256_of_file(&below.join(&self.path))?;
        let bytes = hex::decode(digest.hex()).map_err(io::Error::other)?;
        Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes) == *recorded)
    }
}

impl Distribution {
    /// The URL of a direct installation (PEP 610), in the form of a requirement:
    /// `git+https://host/project.git@revision#subdirectory=part`.
    pub fn direct_url(&self) -> Option<String> {
        let bytes = std::fs::read(self.folder.join("direct_url.json")).ok()?;
        direct_url(&serde_json::from_slice(&bytes).ok()?)
    }

    /// The files of its `RECORD`, without byte code.
    pub fn files(&self) -> io::Result<Vec<RecordEntry>> {
        let record = std::fs::read_to_string(self.folder.join("RECORD"))?;
        Ok(record.lines().filter_map(RecordEntry::parse).collect())
    }

    /// Whether all files of its `RECORD` exist.
    pub fn has_all_files(&self) -> bool {
        let (Ok(record), Some(base)) = (std::fs::read_to_string(self.folder.join("RECORD")), self.folder.parent())
        else {
            return self.folder.extension().is_none_or(|ending| ending != "dist-info");
        };
        record.lines().filter_map(record_path).all(|path| base.join(path).exists())
    }
}

impl Distribution {
    /// Whether all its modules have byte code for an interpreter such as `cpython-311`. Installers write byte code
    /// last.
    pub fn is_compiled(&self, interpreter: &str) -> bool {
        let (Ok(record), Some(base)) = (std::fs::read_to_string(self.folder.join("RECORD")), self.folder.parent())
        else {
            return true;
        };
        let inside = record.lines().filter_map(record_path).filter(|path| !path.starts_with(".."));
        inside.filter_map(|path| bytecode_path(Path::new(path), interpreter)).all(|code| base.join(code).exists())
    }
}

/// The path of a module's byte code for an interpreter such as `cpython-311` (PEP 3147); `None` if the path is not a
/// module.
pub fn bytecode_path(path: &Path, interpreter: &str) -> Option<PathBuf> {
    let name = path.file_stem().filter(|_| path.extension().is_some_and(|ending| ending == "py"))?;
    Some(path.with_file_name("__pycache__").join(format!("{}.{interpreter}.pyc", name.to_string_lossy())))
}

pub(super) fn direct_url(record: &serde_json::Value) -> Option<String> {
    let text = |path: &str| record.pointer(path).and_then(serde_json::Value::as_str);
    let mut url = text("/url")?.to_owned();
    if let Some(system) = text("/vcs_info/vcs") {
        url = format!("{system}+{url}");
        if let Some(revision) = text("/vcs_info/requested_revision") {
            url = format!("{url}@{revision}");
        }
    }
    Some(text("/subdirectory").map_or(url.clone(), |folder| format!("{url}#subdirectory={folder}")))
}

/// The path in a RECORD line, a CSV field. It is quoted if it contains a comma.
fn record_path(line: &str) -> Option<&str> {
    match line.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next(),
        None => line.split(',').next(),
    }
    .filter(|path| !path.is_empty() && !path.ends_with(".pyc"))
}

/// The distributions in a folder. A missing folder has none.
pub(super) fn read_folder(folder: &Path) -> io::Result<Vec<Distribution>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if let Some(stem) = name.strip_suffix(".dist-info") {
            found.push(read(&path, &path.join("METADATA"), stem, path.join("RECORD").is_file()));
        } else if let Some(stem) = name.strip_suffix(".egg-info") {
            let metadata = if path.is_file() { path.clone() } else { path.join("PKG-INFO") };
            found.push(read(&path, &metadata, stem, true));
        }
    }
    Ok(found)
}

fn read(folder: &Path, metadata: &Path, stem: &str, has_record: bool) -> Distribution {
    let (named, version_named) = stem.split_once('-').unwrap_or((stem, ""));
    let mut found = Distribution {
        name: normalised(named),
        version: version_named.split("-py").next().unwrap_or_default().to_owned(),
        requires: Vec::new(),
        folder: folder.to_owned(),
        is_complete: false,
    };
    let Ok(file) = File::open(metadata) else { return found };
    found.add_metadata(BufReader::with_capacity(4 << 10, file));
    found.is_complete = has_record && !found.version.is_empty();
    found
}

impl Distribution {
    /// Adds the fields of a metadata file.
    pub(super) fn add_metadata(&mut self, metadata: impl io::BufRead) {
        for line in metadata.lines().map_while(Result::ok) {
            if line.is_empty() {
                break;
            }
            match line.split_once(": ") {
                Some(("Name", name)) => self.name = normalised(name.trim()),
                Some(("Version", version)) => version.trim().clone_into(&mut self.version),
                Some(("Requires-Dist", requirement)) => self.requires.push(requirement.trim().to_owned()),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::put;

    #[test]
    fn modules_without_byte_code_are_detected() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let write = |name: &str, text: &str| put(&temp.path().join(name), text);
        write("x-1.dist-info/METADATA", "Name: x\nVersion: 1\n");
        write("x-1.dist-info/RECORD", "x/a.py,,\nx/data.txt,,\n../../../bin/run.py,,\n");
        let found = read_folder(temp.path()).expect("readable").remove(0);
        assert!(!found.is_compiled("cpython-311"));
        write("x/__pycache__/a.cpython-311.pyc", "");
        assert!(found.is_compiled("cpython-311") && !found.is_compiled("cpython-312"));
    }

    #[test]
    fn the_direct_url_has_the_form_of_a_requirement() {
        let url = |record: serde_json::Value| direct_url(&record).expect("an address");
        assert_eq!(url(serde_json::json!({ "url": "https://x/a.whl", "archive_info": {} })), "https://x/a.whl");
        let git = serde_json::json!({
            "url": "https://x/a.git", "subdirectory": "python",
            "vcs_info": { "vcs": "git", "requested_revision": "v1", "commit_id": "0123" },
        });
        assert_eq!(url(git), "git+https://x/a.git@v1#subdirectory=python");
    }

    #[test]
    fn the_path_of_a_record_line_may_be_quoted() {
        assert_eq!(record_path("six.py,sha256=x,1"), Some("six.py"));
        assert_eq!(record_path("\"a,b.py\",sha256=x,1"), Some("a,b.py"));
        assert_eq!(record_path("__pycache__/six.cpython-311.pyc,,"), None, "byte code may be made later");
    }
}
