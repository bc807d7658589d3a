//! Files that are on no disk: for what a child reads by name and nobody may find afterwards.

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

/// A sealed file in memory that only its owner may read: a child that inherits it opens it as `/proc/self/fd/N`. It is
/// gone when the last process that has it open has ended.
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
    fn a_file_in_memory_can_be_opened_again_and_never_changed() {
        let mut file = memory_file("test", b"content").expect("created");
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        assert_eq!(std::fs::read(&path).expect("opened again"), b"content");
        assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode(), 0o100_600);
        assert!(file.write_all(b"more").is_err(), "it is sealed");
        assert!(std::fs::read_link(path).expect("a link").starts_with("/memfd:test (deleted)"), "it has no name");
    }
}
