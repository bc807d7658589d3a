//! Digests of a program and of the files that it watches. Nothing in them is derived from a secret.

use std::{
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use serde_json::json;

use super::checked::{Program, Source, Stdin};
use crate::{
    digest::Digest,
    fs::{DirEntry, walk},
};

/// Larger files are compared by their inode and times instead of their content.
const LARGEST_DIGESTED: u64 = 16 << 20;

/// The digest of everything that a hook without a check runs with. `script` is the digest of its script.
pub(super) fn content_digest(program: &Program, script: Option<&Digest>, watched: &str) -> String {
    let commands = match &program.source {
        Source::Commands(commands) => Some(commands),
        Source::File(_) | Source::Text(_) => None,
    };
    let stdin = program.stdin.as_ref().map(|stdin| match stdin {
        Stdin::Text(text) => json!({ "text": text }),
        Stdin::Secret(secret) => json!({ "secret": secret.key }),
    });
    let secrets: Vec<(&String, &String)> = program.secrets.iter().map(|(name, secret)| (name, &secret.key)).collect();
    let content = json!({
        "script": script.map(ToString::to_string),
        "commands": commands,
        "args": program.args,
        "interpreter": program.interpreter,
        "stdin": stdin,
        "environment": program.environment,
        "secrets": secrets,
        "user": program.user,
        "working-directory": program.working_directory,
        "watch": watched,
    });
    Digest::sha256(content.to_string().as_bytes()).to_string()
}

/// The digest of the files that match globs. Empty if there are no globs. A folder stands for all files in it.
pub(super) fn watch_digest(root: &Path, patterns: &[String]) -> String {
    if patterns.is_empty() {
        return String::new();
    }
    let mut files: Vec<PathBuf> = patterns.iter().flat_map(|pattern| matching(root, pattern)).collect();
    files.sort();
    files.dedup();
    let lines = files.iter().filter_map(|file| Some(format!("{} {}\n", file.display(), fingerprint(file)?)));
    Digest::sha256(lines.collect::<String>().as_bytes()).to_string()
}

/// The files of the node that match a glob, or that are in a matching folder.
fn matching(root: &Path, pattern: &str) -> Vec<PathBuf> {
    let root = root.display().to_string();
    let pattern = format!("{}{pattern}", glob::Pattern::escape(root.trim_end_matches('/')));
    let found = glob::glob(&pattern).into_iter().flatten().filter_map(Result::ok);
    let files = found.flat_map(|path| walk(&path).filter_map(Result::ok).map(DirEntry::into_path).collect::<Vec<_>>());
    files.filter(|path| path.is_file()).collect()
}

/// Everyone can read the receipt. A file that others cannot read may contain a secret, so its content is not used.
fn fingerprint(path: &Path) -> Option<String> {
    let found = std::fs::metadata(path).ok()?;
    let is_public = found.mode() & 0o004 != 0;
    if is_public && found.size() <= LARGEST_DIGESTED {
        return Digest::sha256_of_file(path).ok().map(|digest| digest.to_string());
    }
    let size = if is_public { found.size() } else { 0 };
    Some(format!("stamp:{}:{size}:{}.{:09}", found.ino(), found.ctime(), found.ctime_nsec()))
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{kinds::programs::Proof, profile::SecretRef};

    /// A hook without a check.
    pub(in crate::kinds::programs) fn program() -> Program {
        Program {
            name: "x".into(),
            source: Source::Text("echo\n".into()),
            args: Vec::new(),
            interpreter: None,
            stdin: None,
            environment: BTreeMap::new(),
            secrets: BTreeMap::new(),
            user: None,
            working_directory: None,
            proof: Proof::default(),
            watch: Vec::new(),
            ok_status: vec![0],
        }
    }

    #[test]
    fn every_input_changes_the_digest() {
        let digest = |program: &Program, script: &[u8]| content_digest(program, Some(&Digest::sha256(script)), "");
        let base = digest(&program(), b"a");
        assert_eq!(digest(&program(), b"a"), base);
        let secret = [("TOKEN".to_owned(), SecretRef::new("token".into()))];
        let others = [
            Program { args: vec!["x".into()], ..program() },
            Program { environment: [("A".to_owned(), "b".to_owned())].into(), ..program() },
            Program { secrets: secret.into(), ..program() },
            Program { stdin: Some(Stdin::Text("y\n".into())), ..program() },
            Program { user: Some("ann".into()), ..program() },
        ];
        assert!(digest(&program(), b"b") != base && others.iter().all(|other| digest(other, b"a") != base));
        // These keys do not change the program, its arguments or its environment.
        let same = Program { ok_status: vec![0, 3], name: "y".into(), ..program() };
        assert_eq!(digest(&same, b"a"), base);
    }

    #[test]
    fn watched_files_and_folders_change_the_digest() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let put = |name: &str, text: &str| crate::fs::put(&temp.path().join("etc/x").join(name), text);
        put("a.conf", "1");
        put("deep/b", "1");
        let digest = |pattern: &str| watch_digest(temp.path(), &[pattern.to_owned()]);
        let (glob, folder) = (digest("/etc/x/*.conf"), digest("/etc/x"));
        put("deep/b", "2");
        assert!(digest("/etc/x/*.conf") == glob && digest("/etc/x") != folder);
        put("c.conf", "1");
        assert_ne!(digest("/etc/x/*.conf"), glob, "a new file is a change");
        assert_eq!(watch_digest(temp.path(), &[]), "");
    }
}
