//! Files in memory, for children that read a file by its path. They have no name in any file system.

use std::{
    fs::File,
    io::{self, Write as _},
    os::fd::AsFd,
};

use nix::{
    fcntl::{FcntlArg, SealFlag, fcntl},
    sys::{
        memfd::{MFdFlags, memfd_create},
        stat::{Mode, fchmod},
    },
};

/// A sealed file in memory that only its owner can read. A child that inherits it opens it as `/proc/self/fd/N`. It
/// exists until the last process that has it open ends.
pub fn memory_file(name: &str, bytes: &[u8]) -> io::Result<File> {
    let mut file = File::from(memfd_create(name, MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?);
    fchmod(file.as_fd(), Mode::S_IRUSR | Mode::S_IWUSR)?;
    file.write_all(bytes)?;
    let seals = SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_SEAL;
    fcntl(&file, FcntlArg::F_ADD_SEALS(seals))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::os::{fd::AsRawFd as _, unix::fs::PermissionsExt as _};

    use super::*;

    #[test]
    fn a_file_in_memory_can_be_reopened_but_not_changed() {
        let mut file = memory_file("test", b"content").expect("created");
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        assert_eq!(std::fs::read(&path).expect("opened again"), b"content");
        assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode(), 0o100_600);
        assert!(file.write_all(b"more").is_err(), "it is sealed");
        assert!(std::fs::read_link(path).expect("a link").starts_with("/memfd:test (deleted)"), "it has no name");
    }
}
