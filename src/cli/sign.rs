//! `nodeagent sign`: signs files and generates keys.

use std::path::{Path, PathBuf};

use clap::Args;
use jiff::Timestamp;
use serde_json::json;

use super::{CommandError, Env, Exit, error::failed, password::PasswordOptions, print, print_json};
use crate::{
    diagnostic::Diagnostic,
    fs::{Attributes, FsError, read_bounded, replace},
    trust::{BadSecretKey, Hashes, LockedKey, MOST_KEY, SecretKey, beside, trusted_comment},
};

/// Options of `sign`.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// The files to sign; FILE.minisig is written beside each one
    #[arg(required_unless_present = "generate", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The secret key, made by nodeagent or minisign
    #[arg(short, long, value_name = "FILE", required_unless_present = "generate")]
    key: Option<PathBuf>,
    #[command(flatten)]
    password: PasswordOptions,
    /// A text that is signed with the file and shown by `verify`
    #[arg(long, value_name = "TEXT", value_parser = trusted_comment_text)]
    comment: Option<String>,
    /// The only path in the file store that the signature is valid for, such as `Family/init_scripts/family.toml`
    #[arg(long = "for", value_name = "PATH")]
    path: Option<String>,
    /// Generate a key: the secret key in PATH, the public key in PATH.pub
    #[arg(long, value_name = "PATH", conflicts_with_all = ["files", "key", "comment", "path"])]
    generate: Option<PathBuf>,
    /// Generate a key without a password, for automated signing
    #[arg(long, requires = "generate", conflicts_with = "password_file")]
    no_password: bool,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// Checks a text for the trusted comment: one field on one line.
fn trusted_comment_text(text: &str) -> Result<String, String> {
    if text.chars().any(char::is_control) || text.starts_with("file:") || text.len() > 1024 {
        return Err("write one line of text that does not begin with `file:`".to_owned());
    }
    Ok(text.to_owned())
}

pub(super) fn run(env: &Env, options: &Options) -> Result<Exit, CommandError> {
    match (&options.generate, &options.key) {
        (Some(path), _) => generate(env, options, path),
        (None, Some(key)) => sign(env, options, key),
        (None, None) => Err(Diagnostic::nowhere("no key is given").hint("use `--key FILE`").into()),
    }
}

fn generate(env: &Env, options: &Options, path: &Path) -> Result<Exit, CommandError> {
    let public_path = PathBuf::from(format!("{}.pub", path.display()));
    for path in [path, &public_path] {
        if path.symlink_metadata().is_ok() {
            let mistake = Diagnostic::nowhere(format!("`{}` exists already", path.display()));
            return Err(mistake.hint("use another path: an overwritten key cannot be recovered").into());
        }
    }
    let password = if options.no_password { None } else { Some(options.password.choose(env)?) };
    let key = SecretKey::generate().map_err(|error| unusable(path, error))?;
    let file = key.to_file(password.as_ref()).map_err(|error| unusable(path, error))?;
    replace(path, file.as_bytes(), Attributes::mode(0o600)).map_err(|error| unwritten(&error))?;
    let public = key.public();
    replace(&public_path, public.to_file().as_bytes(), Attributes::mode(0o644)).map_err(|error| unwritten(&error))?;
    if options.json {
        return print_json(&json!({
            "secret-key": path, "public-key": public_path, "key": public.to_string(), "id": public.id().to_string(),
        }));
    }
    env.console.stderr.print(&format!(
        "secret key: `{}` (keep it private); public key: `{}`:\n",
        path.display(),
        public_path.display()
    ));
    print(&format!("{public}\n"))
}

fn sign(env: &Env, options: &Options, key_path: &Path) -> Result<Exit, CommandError> {
    if options.path.is_some() && options.files.len() > 1 {
        let mistake = Diagnostic::nowhere("`--for` needs exactly one file");
        return Err(mistake.hint("sign each file by itself").into());
    }
    let key = unlocked(env, &options.password, key_path)?;
    let id = key.public().id().to_string();
    let mut made = Vec::new();
    for file in &options.files {
        let name = signed_name(file, options.path.as_deref())?;
        let unread = |error: std::io::Error| {
            let mistake = Diagnostic::nowhere(format!("`{}` could not be read: {error}", file.display()));
            CommandError::from(mistake.hint("check the path"))
        };
        let hashes = std::fs::File::open(file).and_then(Hashes::of).map_err(unread)?;
        let comment = trusted_comment(Timestamp::now().as_second(), &name, options.comment.as_deref());
        let signature = key.sign(&hashes.prehash, &comment).map_err(|error| unusable(key_path, error))?;
        let path = beside(file);
        replace(&path, signature.to_file().as_bytes(), Attributes::default()).map_err(|error| unwritten(&error))?;
        env.console.stderr.print(&format!("signed `{}`: `{}`\n", file.display(), path.display()));
        made.push(json!({
            "file": file, "signature": path, "id": id, "comment": comment, "sha256": hashes.sha256.hex(),
        }));
    }
    if options.json { print_json(&made) } else { Ok(Exit::Done) }
}

/// The name in the signature: the file's own name, or the path from `--for`.
fn signed_name(file: &Path, path: Option<&str>) -> Result<String, CommandError> {
    let own = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let name = path.unwrap_or(own).trim_start_matches('/');
    let is_plain = !name.is_empty()
        && !name.chars().any(char::is_control)
        && Path::new(name).components().all(|part| matches!(part, std::path::Component::Normal(_)));
    if is_plain && Path::new(name).file_name() == file.file_name() {
        return Ok(name.to_owned());
    }
    let mistake = Diagnostic::nowhere(format!("`{}` cannot be signed for `{name}`", file.display()));
    Err(mistake.hint("use a path in the file store that ends with the file's own name").into())
}

/// Reads a secret key and asks for its password if it has one.
pub(super) fn unlocked(env: &Env, password: &PasswordOptions, path: &Path) -> Result<SecretKey, CommandError> {
    let bytes = read_bounded(path, MOST_KEY).map_err(|error| {
        let mistake = Diagnostic::nowhere(format!("the key `{}` could not be read: {error}", path.display()));
        CommandError::from(mistake.hint("check the path; `nodeagent sign --generate PATH` creates a key"))
    })?;
    let locked = LockedKey::parse(bytes).map_err(|error| unusable(path, error))?;
    let password = if locked.has_password() { Some(password.ask(env)?) } else { None };
    locked.unlock(password.as_ref()).map_err(|error| unusable(path, error))
}

fn unusable(path: &Path, error: BadSecretKey) -> CommandError {
    let mistake = Diagnostic::nowhere(format!("the key `{}` cannot be used: {error}", path.display()));
    mistake.maybe_hint(error.hint()).into()
}

fn unwritten(error: &FsError) -> CommandError {
    let cause = std::error::Error::source(error).map(ToString::to_string).into_iter().collect();
    match failed(error.to_string()) {
        CommandError::Failed(mistakes) | CommandError::Mistakes(mistakes) | CommandError::Refused(mistakes) => {
            CommandError::Failed(
                mistakes
                    .into_iter()
                    .map(|mistake| mistake.causes(Vec::clone(&cause)).maybe_hint(error.hint()))
                    .collect(),
            )
        }
    }
}
