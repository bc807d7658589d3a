//! A password that a person types, or that a file or another program hands over. Never an argument, never a variable.

use std::{
    io::{self, IsTerminal as _, Read},
    path::{Path, PathBuf},
};

use clap::Args;
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use secrecy::zeroize::Zeroizing;

use super::{CommandError, Env};
use crate::{diagnostic::Diagnostic, redact::Secret};

/// The longest that tools of minisign take.
const MOST: usize = 1024;

/// Where a key's password comes from.
#[derive(Debug, Args)]
pub(super) struct PasswordOptions {
    /// Read the key's password from the first line of this file, `-` for standard input
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

impl PasswordOptions {
    /// The password of a key that is there.
    pub(super) fn ask(&self, env: &Env) -> Result<Secret, CommandError> {
        match &self.password_file {
            Some(file) => of_file(file),
            None => typed(env, "password of the key: "),
        }
    }

    /// The password of a new key: a person types it twice.
    pub(super) fn choose(&self, env: &Env) -> Result<Secret, CommandError> {
        let chosen = match &self.password_file {
            Some(file) => return of_file(file),
            None => typed(env, "password for the new key: ")?,
        };
        if typed(env, "once more: ")?.reveal() == chosen.reveal() {
            return Ok(chosen);
        }
        Err(Diagnostic::nowhere("the two passwords are not the same").hint("try again").into())
    }
}

fn of_file(path: &Path) -> Result<Secret, CommandError> {
    let unread = |error: io::Error| {
        let mistake = Diagnostic::nowhere(format!("the password could not be read from `{}`: {error}", path.display()));
        CommandError::from(mistake.hint("name a file with one line, or `-` for standard input"))
    };
    if path == Path::new("-") {
        return line(io::stdin().lock()).map_err(unread);
    }
    line(std::fs::File::open(path).map_err(unread)?).map_err(unread)
}

/// One line from the terminal, which shows none of it.
fn typed(env: &Env, question: &str) -> Result<Secret, CommandError> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        let mistake = Diagnostic::nowhere("the key's password is needed, and there is no terminal to ask on");
        return Err(mistake.hint("give it by `--password-file FILE`, `-` for standard input").into());
    }
    let failed = |error: io::Error| {
        CommandError::from(Diagnostic::nowhere(format!("the password could not be read from the terminal: {error}")))
    };
    let echo_off = EchoOff::begin().map_err(failed)?;
    env.console.stderr.print(question);
    let line = line(stdin.lock());
    drop(echo_off);
    env.console.stderr.print("\n");
    line.map_err(failed)
}

/// The bytes up to the first end of a line, read one by one: what follows is not ours.
fn line(mut from: impl Read) -> io::Result<Secret> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(MOST + 1));
    let mut byte = Zeroizing::new([0; 1]);
    while from.read(&mut byte[..])? == 1 && byte[0] != b'\n' {
        if bytes.len() == MOST {
            return Err(io::Error::other(format!("it is longer than {MOST} bytes")));
        }
        bytes.push(byte[0]);
    }
    if bytes.last() == Some(&b'\r') {
        bytes.pop();
    }
    Ok(Secret::new(bytes.to_vec()))
}

/// A terminal that shows nothing of what is typed, until this value is dropped.
struct EchoOff(Termios);

impl EchoOff {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut echo_off = before.clone();
        echo_off.local_flags.remove(LocalFlags::ECHO);
        // What was typed too early was shown; it is no part of a password.
        tcsetattr(io::stdin(), SetArg::TCSAFLUSH, &echo_off)?;
        Ok(Self(before))
    }
}

impl Drop for EchoOff {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), SetArg::TCSAFLUSH, &self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_the_first_line_and_nothing_else() {
        let read = |bytes: &[u8]| line(bytes).map(|secret| secret.reveal().to_vec());
        assert_eq!(read(b"hunter22\nmore").expect("a line"), b"hunter22");
        assert_eq!(read(b"hunter22\r\n").expect("a line"), b"hunter22");
        assert_eq!(read(b"with space ").expect("a line"), b"with space ");
        assert_eq!(read(b"").expect("an empty line"), b"");
        assert!(read(&[b'x'; MOST + 1]).is_err());
    }
}
