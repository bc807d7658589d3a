//! The two streams. Nothing else in the crate writes to them, and nothing leaves by them with a secret in it. A reader
//! that went away is nobody's mistake: its broken pipe is swallowed.

use std::io::{self, IsTerminal as _, Write};

use super::palette::Palette;
use crate::redact::{self, Secret};

/// The talk side: progress, warnings, errors.
#[derive(Debug, Clone)]
pub struct Stderr {
    palette: Palette,
    #[cfg(test)]
    kept: Option<std::sync::Arc<std::sync::Mutex<String>>>,
}

impl Stderr {
    /// The process's standard error, for a reader who sees what the palette says.
    pub fn new(palette: Palette) -> Self {
        Self {
            palette,
            #[cfg(test)]
            kept: None,
        }
    }

    /// What its reader can see.
    pub fn palette(&self) -> Palette {
        self.palette
    }

    /// Writes text as whole lines, in one write. The openings `error:`, `warning:` and `hint:` are coloured where
    /// colour is wanted; no text is no line. Text from elsewhere must have gone through [`super::text::clean`] before.
    pub fn print(&self, text: &str) {
        if text.is_empty() {
            return;
        }
        let mut text = self.palette.highlight(text.trim_end_matches('\n'));
        text.push('\n');
        self.write(&text);
    }

    /// Writes text that is coloured already.
    pub fn write(&self, text: &str) {
        let text = redact::text(text);
        #[cfg(test)]
        if let Some(kept) = &self.kept {
            kept.lock().expect("no test panicked with it").push_str(&text);
            return;
        }
        // There is nobody left to tell when standard error is gone.
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }

    /// One that keeps what it is given.
    #[cfg(test)]
    pub(super) fn kept(palette: Palette) -> (Self, std::sync::Arc<std::sync::Mutex<String>>) {
        let kept = std::sync::Arc::default();
        (Self { palette, kept: Some(std::sync::Arc::clone(&kept)) }, kept)
    }
}

/// Writes data to standard output. A reader that went away is fine; a full disk is an error.
pub fn stdout(text: &str) -> io::Result<()> {
    write_data(redact::text(text).as_bytes())
}

/// Whether standard output is a terminal, where others may look.
pub fn stdout_is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Writes a secret's value to standard output, because somebody asked for just that. The one way past the sieve.
pub fn write_secret(secret: &Secret) -> io::Result<()> {
    write_data(secret.reveal())
}

fn write_data(bytes: &[u8]) -> io::Result<()> {
    let mut stream = io::stdout().lock();
    forgiving(stream.write_all(bytes).and_then(|()| stream.flush()))
}

fn forgiving(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_went_away_is_fine_and_a_full_disk_is_not() {
        assert!(forgiving(Err(io::ErrorKind::BrokenPipe.into())).is_ok());
        assert!(forgiving(Err(io::ErrorKind::StorageFull.into())).is_err());
    }

    #[test]
    fn talk_says_no_secret() {
        drop(Secret::from("hunter22".to_owned()));
        let (stderr, kept) = Stderr::kept(Palette::PLAIN);
        stderr.print("warning: hunter22");
        assert_eq!(*kept.lock().expect("unused"), "warning: [redacted]\n");
    }

    #[test]
    fn talk_ends_with_exactly_one_line_end() {
        let (stderr, kept) = Stderr::kept(Palette::PLAIN);
        stderr.print("a");
        stderr.print("");
        stderr.print("b\n");
        assert_eq!(*kept.lock().expect("unused"), "a\nb\n");
    }
}
