//! The partial work of a program that was running when a run was killed: its processes, its script, and the files with
//! its secrets.

use std::path::{Path, PathBuf};

use super::{action::DesiredProgram, checked::Source};
use crate::{
    exec::kill_orphans,
    fs::{self, FsError},
    kinds::contract::LeftBehind,
};

/// The prefix of a folder in the journal.
const FOLDER: &str = "folder:";
/// The prefix of a command in the journal, as JSON.
const COMMAND: &str = "command:";

/// The journal items of a program.
pub(in crate::kinds) fn leaves_behind(wanted: &DesiredProgram, folders: &[PathBuf]) -> LeftBehind {
    let folders = folders.iter().map(|folder| format!("{FOLDER}{}", folder.display()));
    let commands = match &wanted.program.source {
        Source::Commands(commands) => commands.as_slice(),
        Source::File(_) | Source::Text(_) => &[],
    };
    let commands = commands.iter().filter_map(|words| Some(format!("{COMMAND}{}", serde_json::to_string(words).ok()?)));
    LeftBehind::items(folders.chain(commands).collect())
}

/// Ends the processes of a killed run, and removes the folders.
pub(in crate::kinds) fn clean_up(items: &[String]) -> Result<Vec<String>, FsError> {
    let folders: Vec<&str> = items.iter().filter_map(|item| item.strip_prefix(FOLDER)).collect();
    let commands: Vec<Vec<String>> = items
        .iter()
        .filter_map(|item| serde_json::from_str(item.strip_prefix(COMMAND)?).ok())
        .filter(|words: &Vec<String>| !words.is_empty())
        .collect();
    let is_script = |word: &String| folders.iter().any(|folder| word.starts_with(&format!("{folder}/")));
    kill_orphans(|args| {
        // A script has its interpreter before it.
        args.iter().any(is_script) || commands.iter().any(|words| args.ends_with(words))
    });
    folders.iter().try_for_each(|folder| fs::remove_tree(Path::new(folder)))?;
    Ok(Vec::new())
}
