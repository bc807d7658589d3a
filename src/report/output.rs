//! Standard output and standard error. No other code writes to them, and secrets are redacted from everything written.
//! A broken pipe is not an error.

use std::io::{self, IsTerminal as _, Write};

use super::palette::Palette;
use crate::redact::{self, Secret};

/// Standard error: progress, warnings, errors.
#[derive(Debug, Clone)]
pub struct Stderr {
    palette: Palette,
    #[cfg(test)]
    kept: Option<std::sync::Arc<std::sync::Mutex<String>>>,
}

impl Stderr {
    /// The standard error of the process, for a reader with the abilities of the palette.
    pub fn new(palette: Palette) -> Self {
        Self {
            palette,
            #[cfg(test)]
            kept: None,
        }
    }

    /// The abilities of its reader.
    pub fn palette(&self) -> Palette {
        self.palette
    }

    /// Writes text as complete lines, in one write. The words `error:`, `warning:` and `hint:` at the start of a line
    /// are coloured if the palette has colours. An empty text writes nothing. Pass text from other programs through
    /// [`super::text::clean`] first.
    pub fn print(&self, text: &str) {
        if text.is_empty() {
            return;
        }
        let mut text = self.palette.highlight(text.trim_end_matches('\n'));
        text.push('\n');
        self.write(&text);
    }

    /// Writes text that is already coloured.
    pub fn write(&self, text: &str) {
        let text = redact::text(text);
        #[cfg(test)]
        if let Some(kept) = &self.kept {
            kept.lock().expect("no test panicked with it").push_str(&text);
            return;
        }
        // If standard error is closed, the error cannot be reported.
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }

    /// A stream that keeps the text that is written to it.
    #[cfg(test)]
    pub(super) fn kept(palette: Palette) -> (Self, std::sync::Arc<std::sync::Mutex<String>>) {
        let kept = std::sync::Arc::default();
        (Self { palette, kept: Some(std::sync::Arc::clone(&kept)) }, kept)
    }
}

/// Writes data to standard output. A broken pipe is not an error; a full disk is one.
pub fn stdout(text: &str) -> io::Result<()> {
    write_data(redact::text(text).as_bytes())
}

/// Whether standard output is a terminal, where other people may see it.
pub fn stdout_is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Writes the value of a secret to standard output, without redaction. Only for a command that explicitly requests the
/// value.
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
    fn a_broken_pipe_is_accepted_and_a_full_disk_is_an_error() {
        assert!(forgiving(Err(io::ErrorKind::BrokenPipe.into())).is_ok());
        assert!(forgiving(Err(io::ErrorKind::StorageFull.into())).is_err());
    }

    #[test]
    fn secrets_are_redacted_on_standard_error() {
        drop(Secret::from("hunter22".to_owned()));
        let (stderr, kept) = Stderr::kept(Palette::PLAIN);
        stderr.print("warning: hunter22");
        assert_eq!(*kept.lock().expect("unused"), "warning: [redacted]\n");
    }

    #[test]
    fn a_text_ends_with_exactly_one_line_end() {
        let (stderr, kept) = Stderr::kept(Palette::PLAIN);
        stderr.print("a");
        stderr.print("");
        stderr.print("b\n");
        assert_eq!(*kept.lock().expect("unused"), "a\nb\n");
    }
}
