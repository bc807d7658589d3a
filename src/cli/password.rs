//! The password of a key: from the terminal, a file or standard input. It is never an argument or an environment
//! variable.

use std::{
    io::{self, IsTerminal as _, Read},
    path::{Path, PathBuf},
};

use clap::Args;
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use secrecy::zeroize::Zeroizing;

use super::{CommandError, Env};
use crate::{diagnostic::Diagnostic, redact::Secret};

/// The maximum length in minisign, in bytes.
const MAX_BYTES: usize = 1024;

/// The source of the password.
#[derive(Debug, Args)]
pub(super) struct PasswordOptions {
    /// Read the key's password from the first line of this file, `-` for standard input
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

impl PasswordOptions {
    /// The password of an existing key.
    pub(super) fn ask(&self, env: &Env) -> Result<Secret, CommandError> {
        match &self.password_file {
            Some(file) => of_file(file),
            None => typed(env, "password of the key: "),
        }
    }

    /// The password of a new key. On a terminal it is entered twice.
    pub(super) fn choose(&self, env: &Env) -> Result<Secret, CommandError> {
        let chosen = match &self.password_file {
            Some(file) => return of_file(file),
            None => typed(env, "password for the new key: ")?,
        };
        if typed(env, "repeat the password: ")?.reveal() == chosen.reveal() {
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

/// Reads a line from the terminal without echo.
fn typed(env: &Env, question: &str) -> Result<Secret, CommandError> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        let mistake = Diagnostic::nowhere("the password of the key is required, and there is no terminal");
        return Err(mistake.hint("use `--password-file FILE`, with `-` for standard input").into());
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

/// Reads one line, byte by byte, so that the rest of the input is not consumed.
fn line(mut from: impl Read) -> io::Result<Secret> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_BYTES + 1));
    let mut byte = Zeroizing::new([0; 1]);
    while from.read(&mut byte[..])? == 1 && byte[0] != b'\n' {
        if bytes.len() == MAX_BYTES {
            return Err(io::Error::other(format!("it is longer than {MAX_BYTES} bytes")));
        }
        bytes.push(byte[0]);
    }
    if bytes.last() == Some(&b'\r') {
        bytes.pop();
    }
    Ok(Secret::new(bytes.to_vec()))
}

/// Disables the echo of the terminal until it is dropped.
struct EchoOff(Termios);

impl EchoOff {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut echo_off = before.clone();
        echo_off.local_flags.remove(LocalFlags::ECHO);
        // Discard earlier input: the terminal has shown it.
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
    fn a_password_is_the_first_line() {
        let read = |bytes: &[u8]| line(bytes).map(|secret| secret.reveal().to_vec());
        assert_eq!(read(b"hunter22\nmore").expect("a line"), b"hunter22");
        assert_eq!(read(b"hunter22\r\n").expect("a line"), b"hunter22");
        assert_eq!(read(b"with space ").expect("a line"), b"with space ");
        assert_eq!(read(b"").expect("an empty line"), b"");
        assert!(read(&[b'x'; MAX_BYTES + 1]).is_err());
    }
}
