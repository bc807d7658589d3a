//! Reads files that other users may have placed, with a limit on the size. It does not block on pipes or devices.

use std::{
    io::{self, Read as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use nix::fcntl::OFlag;

/// Reads a regular file of at most `limit` bytes.
///
/// # Errors
///
/// Errors of the operating system; [`io::ErrorKind::InvalidInput`] if it is not a regular file;
/// [`io::ErrorKind::FileTooLarge`] if it is larger.
pub fn read_bounded(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let flags = (OFlag::O_NONBLOCK | OFlag::O_CLOEXEC).bits();
    let file = std::fs::OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(found.len().min(limit)).unwrap_or_default());
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {limit} bytes")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_completely_and_other_kinds_do_not_block() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let (file, pipe) = (temp.path().join("file"), temp.path().join("pipe"));
        super::super::replace(&file, b"12345", super::super::Attributes::default()).expect("written");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).expect("made");
        assert_eq!(read_bounded(&file, 5).expect("readable"), b"12345");
        let kind = |path: &Path, limit| read_bounded(path, limit).expect_err("refused").kind();
        assert_eq!(kind(&file, 4), io::ErrorKind::FileTooLarge);
        assert_eq!(kind(&pipe, 4), io::ErrorKind::InvalidInput);
        assert_eq!(kind(temp.path(), 4), io::ErrorKind::InvalidInput);
        assert_eq!(kind(Path::new("/dev/zero"), 4), io::ErrorKind::InvalidInput);
    }
}
