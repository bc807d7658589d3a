//! Runs a program: its script and the files with its secrets are written, and removed afterwards.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    action::DesiredProgram,
    checked::{Source, Stdin},
};
use crate::{
    exec::{Cmd, ExecError, Finished, killed_hint},
    facts::users::User,
    fs::{self, Attributes},
    inventory::{Vault, below},
    problem::Problem,
    redact,
    steps::Context,
};

/// The folder of files with secrets. `/run` is in memory.
const SECRETS: &str = "/run/nodeagent/programs";
/// Other users may traverse a folder, but not list it.
const TRAVERSED: u32 = 0o711;
/// The number of lines of the output that a failure shows.
const SHOWN_LINES: usize = 20;
/// How often a program is started again that another thread still holds open for writing, and the pause before.
const BUSY_RETRIES: usize = 20;
const BUSY_PAUSE: Duration = Duration::from_millis(50);

/// The folders of a program. They are removed when dropped.
struct Folders {
    /// The script, and the default working directory.
    scratch: PathBuf,
    /// The files with secrets.
    secrets: PathBuf,
}

/// The paths of both folders of a program.
pub(super) fn paths(cache: &Path, root: &Path, key: &str) -> [PathBuf; 2] {
    [cache.join("programs").join(key), below(root, Path::new(SECRETS)).join(key)]
}

impl Drop for Folders {
    fn drop(&mut self) {
        // A folder that cannot be removed now is removed by the next run of the program.
        let _ = fs::remove_tree(&self.secrets);
        let _ = fs::remove_tree(&self.scratch);
    }
}

/// The same command as another user, with all groups of the user.
pub(in crate::kinds) fn as_user(cmd: Cmd, user: Option<&User>) -> Cmd {
    let Some(user) = user else { return cmd };
    let (uid, gid) = (user.uid.to_string(), user.gid.to_string());
    let mut args: Vec<String> = ["--reuid", &uid, "--regid", &gid, "--init-groups", "--"].map(str::to_owned).to_vec();
    args.push(cmd.program);
    args.extend(cmd.args);
    let mut env = cmd.env;
    for (name, value) in
        [("HOME", user.home.display().to_string()), ("USER", user.name.clone()), ("LOGNAME", user.name.clone())]
    {
        env.entry(name.to_owned()).or_insert(value);
    }
    Cmd { program: "setpriv".to_owned(), args, env, ..cmd }
}

/// Runs the commands of a program one after another. `script` is the content of its script.
pub(super) async fn execute(
    ctx: &Context,
    wanted: &DesiredProgram,
    user: Option<&User>,
    script: Option<&[u8]>,
    vault: &Vault,
) -> Result<(), Problem> {
    let program = &wanted.program;
    let key = wanted.key();
    let [scratch, secrets] = paths(&ctx.cache, &ctx.root, &key);
    let folders = Folders { scratch, secrets };
    fs::remove_tree(&folders.secrets)?;
    fs::remove_tree(&folders.scratch)?;
    let owner = user.map(|user| (user.uid, user.gid));
    let mut env = program.environment.clone();
    for (variable, secret) in &program.secrets {
        let value = secret.from.as_ref().and_then(|from| vault.get(from)).and_then(Result::ok);
        let value = value.ok_or_else(|| Problem::new(format!("the secret `{}` is not available", secret.key)))?;
        let path = folders.secrets.join(variable);
        for folder in [folders.secrets.parent(), Some(folders.secrets.as_path())].into_iter().flatten() {
            fs::create_dirs(folder, TRAVERSED)?;
        }
        fs::replace(&path, value.reveal(), Attributes { mode: Some(0o400), owner })?;
        env.insert(variable.clone(), path.display().to_string());
    }
    let folder = if let Some(folder) = &program.working_directory {
        below(&ctx.root, folder)
    } else {
        let folder = folders.scratch.join("work");
        fs::create_dirs(&folder, TRAVERSED)?;
        fs::set_owner(&folder, owner)?;
        folder
    };
    let log = ctx.logs.join(format!("{key}.log"));
    for words in commands(wanted, &folders, script, owner)? {
        let (first, rest) = words.split_first().ok_or_else(|| Problem::new("the command is empty"))?;
        let mut cmd = Cmd::new(first).args(rest).cwd(&folder).log(&log);
        cmd.env = env.clone();
        if let Some(bytes) = input(wanted, vault) {
            cmd = cmd.stdin(bytes);
        }
        let cmd = as_user(cmd, user);
        let done = start(ctx, &cmd).await?;
        if !program.ok_status.contains(&done.code) {
            return Err(failure(&words, &done, &log));
        }
    }
    Ok(())
}

/// Standard input. A secret is one line.
fn input(wanted: &DesiredProgram, vault: &Vault) -> Option<Vec<u8>> {
    match wanted.program.stdin.as_ref()? {
        Stdin::Text(text) => Some(text.clone().into_bytes()),
        Stdin::Secret(secret) => {
            let value = vault.get(secret.from.as_ref()?)?.ok()?;
            Some([value.without_line_end(), b"\n"].concat())
        }
    }
}

/// The commands to run. A script is written to the scratch folder first.
fn commands(
    wanted: &DesiredProgram,
    folders: &Folders,
    script: Option<&[u8]>,
    owner: Option<(u32, u32)>,
) -> Result<Vec<Vec<String>>, Problem> {
    let program = &wanted.program;
    let name = match &program.source {
        Source::Commands(commands) => return Ok(commands.clone()),
        Source::File(file) => file.file_name().to_owned(),
        Source::Text(_) => "script".to_owned(),
    };
    let script = script.unwrap_or_default();
    let path = folders.scratch.join(name);
    fs::create_dirs(&folders.scratch, TRAVERSED)?;
    fs::replace(&path, script, Attributes { mode: Some(0o500), owner })?;
    let is_text = matches!(program.source, Source::Text(_));
    let interpreter = match &program.interpreter {
        Some(words) => words.clone(),
        None => interpreter_of(script).unwrap_or_else(|| {
            let default: &[&str] = if is_text { &["bash", "-eu"] } else { &[] };
            default.iter().map(|word| (*word).to_owned()).collect()
        }),
    };
    let words = interpreter.into_iter().chain([path.display().to_string()]).chain(program.args.iter().cloned());
    Ok(vec![words.collect()])
}

/// The interpreter of a `#!` line, with at most one argument: execve(2).
fn interpreter_of(script: &[u8]) -> Option<Vec<String>> {
    let line = script.strip_prefix(b"#!")?.split(|&byte| byte == b'\n').next()?;
    let line = String::from_utf8_lossy(line).trim().to_owned();
    let (first, rest) = line.split_once([' ', '\t']).unwrap_or((&line, ""));
    let words = [first, rest.trim()].into_iter().filter(|word| !word.is_empty()).map(str::to_owned);
    Some(words.collect()).filter(|words: &Vec<String>| !words.is_empty())
}

/// Runs a command. A program that was just written may still be open in a child of another thread that has not started
/// its own program yet.
async fn start(ctx: &Context, cmd: &Cmd) -> Result<Finished, Problem> {
    for _ in 0..BUSY_RETRIES {
        match ctx.runner.run(cmd).await {
            Err(ExecError::NotStarted { reason, .. }) if reason.contains("Text file busy") => {
                tokio::time::sleep(BUSY_PAUSE).await;
            }
            done => return Ok(done?),
        }
    }
    Ok(ctx.runner.run(cmd).await?)
}

/// The failure of a command, with the last lines of its output.
fn failure(words: &[String], done: &Finished, log: &Path) -> Problem {
    let line = words.split_first().map(|(first, rest)| Cmd::new(first).args(rest).to_string()).unwrap_or_default();
    let output = if done.stderr.trim().is_empty() { &done.stdout } else { &done.stderr };
    let mut problem = Problem::new(format!("`{line}` exited with {}", done.code));
    problem.causes = redact::last_lines(output, SHOWN_LINES);
    problem.hint(killed_hint(done.code)).hint(format!("the whole output is in `{}`", log.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interpreter_of_a_script_has_at_most_one_argument() {
        let found = |text: &str| interpreter_of(text.as_bytes()).map(|words| words.join("|"));
        assert_eq!(found("#!/bin/sh\necho\n").as_deref(), Some("/bin/sh"));
        assert_eq!(found("#! /usr/bin/env -S python3 -u\n").as_deref(), Some("/usr/bin/env|-S python3 -u"));
        assert_eq!((found("echo\n"), found("#!\n"), found("\u{7f}ELF")), (None, None, None));
    }

    #[test]
    fn another_user_has_its_groups_and_its_home() {
        let user = User {
            name: "ann".into(),
            uid: 1000,
            gid: 1001,
            comment: String::new(),
            home: "/home/ann".into(),
            shell: String::new(),
        };
        let cmd = as_user(Cmd::new("make").arg("-j").env("HOME", "/x"), Some(&user));
        assert_eq!(cmd.to_string(), "setpriv --reuid 1000 --regid 1001 --init-groups -- make -j");
        assert_eq!((cmd.env["HOME"].as_str(), cmd.env["USER"].as_str()), ("/x", "ann"));
    }
}
