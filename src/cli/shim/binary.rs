//! The binaries of nodeagent that a script accepts: their processors and digests.

use std::{fs::File, io, path::Path};

use elf::{
    ElfStream,
    abi::{EM_AARCH64, EM_X86_64, ET_DYN, ET_EXEC},
    endian::AnyEndian,
};

use crate::digest::Digest;

/// The file of the running program.
pub(super) const RUNNING: &str = "/proc/self/exe";

/// A program for one processor.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Binary {
    /// The processor, as `uname -m` prints it.
    pub(super) processor: &'static str,
    pub(super) sha256: Digest,
}

/// Why a file cannot be the binary.
#[derive(Debug, thiserror::Error)]
pub(super) enum BinaryError {
    #[error("could not be read")]
    Unreadable(#[source] io::Error),
    #[error("is not an ELF program")]
    NotElf,
    #[error("is for a processor that nodeagent does not support")]
    OtherProcessor,
}

impl Binary {
    /// Reads a program.
    pub(super) fn read(path: &Path) -> Result<Self, BinaryError> {
        let file = File::open(path).map_err(BinaryError::Unreadable)?;
        let sha256 = Digest::sha256_of_file(path).map_err(BinaryError::Unreadable)?;
        let program = ElfStream::<AnyEndian, _>::open_stream(file).map_err(|_| BinaryError::NotElf)?;
        if !matches!(program.ehdr.e_type, ET_EXEC | ET_DYN) {
            return Err(BinaryError::NotElf);
        }
        let processor = match program.ehdr.e_machine {
            EM_X86_64 => "x86_64",
            EM_AARCH64 => "aarch64",
            _ => return Err(BinaryError::OtherProcessor),
        };
        Ok(Self { processor, sha256 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::put;

    #[test]
    fn the_running_program_is_for_this_processor() {
        let binary = Binary::read(Path::new(RUNNING)).expect("the test is a program");
        assert_eq!(binary.processor, std::env::consts::ARCH);
        assert_eq!(binary.sha256, Digest::sha256(&std::fs::read(RUNNING).expect("it is readable")));
    }

    #[test]
    fn a_script_and_a_truncated_program_are_not_programs() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        for text in ["#!/bin/sh\n", "", "\x7fELF", "\x7fELF\x02\x01\x01"] {
            let path = temp.path().join("program");
            put(&path, text);
            let error = Binary::read(&path).expect_err("it is no program");
            assert_eq!(error.to_string(), "is not an ELF program", "{text:?}");
        }
    }
}
