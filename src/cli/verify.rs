//! `nodeagent verify`: verifies the signatures of files.

use std::{
    io,
    path::{Path, PathBuf},
};

use clap::Args;
use serde_json::json;

use super::{CommandError, Env, Exit, print, print_json, trust};
use crate::{
    diagnostic::Diagnostic,
    fs::read_bounded,
    trust::{Distrust, Hashes, MOST_SIGNATURE, PublicKey, Signed, TrustedKeys, beside},
};

/// Options of `verify`.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// The files to verify, each with FILE.minisig beside it
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// A public key or a file with one; may be given more than once [default: the trusted keys]
    #[arg(short, long = "key", value_name = "KEY|FILE", value_parser = trust::key)]
    keys: Vec<PublicKey>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(env: &Env, options: &Options) -> Result<Exit, CommandError> {
    let keys =
        if options.keys.is_empty() { env.trusted()?.keys().clone() } else { TrustedKeys::new(options.keys.clone()) };
    if keys.is_empty() {
        let mistake = Diagnostic::nowhere("there is no public key");
        return Err(mistake.hint("use `--key`, or set `trusted-keys` in /etc/nodeagent.toml").into());
    }
    let found: Vec<(&PathBuf, Result<Signed, Distrust>)> =
        options.files.iter().map(|file| (file, check(&keys, file))).collect();
    let all_good = found.iter().all(|(_, found)| found.is_ok());
    if options.json {
        print_json(&found.iter().map(|(file, found)| to_json(file, found)).collect::<Vec<_>>())?;
        return Ok(if all_good { Exit::Done } else { Exit::Refused });
    }
    let good = found.iter().filter_map(|(file, found)| Some((file, found.as_ref().ok()?)));
    let lines: Vec<String> = good
        .map(|(file, signed)| format!("{}: signed with {}, {}\n", file.display(), signed.key, fields(&signed.comment)))
        .collect();
    print(&lines.concat())?;
    let mistakes = found.iter().filter_map(|(file, found)| Some((file, found.as_ref().err()?)));
    let mistakes: Vec<Diagnostic> = mistakes
        .map(|(file, why)| {
            let file = file.display().to_string();
            Diagnostic::nowhere(format!("`{file}` is not trusted: {why}")).hint(why.hint(&file))
        })
        .collect();
    if mistakes.is_empty() { Ok(Exit::Done) } else { Err(CommandError::Mistakes(mistakes)) }
}

/// Verifies one file. A large file is hashed while it is read.
fn check(keys: &TrustedKeys, file: &Path) -> Result<Signed, Distrust> {
    let signature = match read_bounded(&beside(file), MOST_SIGNATURE) {
        Ok(bytes) => Some(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(Distrust::Unread(error.to_string())),
    };
    // A small file is read whole, so that an error can name the cause, such as line ends.
    let unread = |error: io::Error| Distrust::UnreadFile(error.to_string());
    let opened = std::fs::File::open(file).map_err(unread)?;
    if opened.metadata().is_ok_and(|found| found.is_file() && found.len() < SMALL) {
        let bytes = read_bounded(file, SMALL).map_err(unread)?;
        return keys.check(file, &bytes, signature.as_deref());
    }
    let hashes = Hashes::of(opened).map_err(unread)?;
    keys.check_hashed(file, &hashes.prehash, signature.as_deref())
}

/// The largest file that is read whole, in bytes.
const SMALL: u64 = 4 << 20;

fn to_json(file: &Path, found: &Result<Signed, Distrust>) -> serde_json::Value {
    match found {
        Ok(signed) => {
            json!({ "file": file, "signed": true, "id": signed.key.to_string(), "comment": signed.comment })
        }
        Err(why) => {
            let hint = why.hint(&file.display().to_string());
            json!({ "file": file, "signed": false, "message": why.to_string(), "hint": hint })
        }
    }
}

/// The fields of a comment, as shown to people.
fn fields(comment: &str) -> String {
    comment.replace('\t', ", ")
}
