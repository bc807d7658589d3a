//! The identity of a package file, from its control file.

use std::{io, path::Path};

use crate::{facts::Dpkg, fs};

/// The control fields of a package file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DebControl {
    pub(super) package: String,
    pub(super) version: String,
    pub(super) architecture: String,
}

impl DebControl {
    /// Reads the control fields of a package file.
    pub(super) fn read(file: &Path) -> io::Result<Self> {
        Self::parse(&fs::deb_control(file)?).ok_or_else(|| io::Error::other("its control file lacks a field"))
    }

    pub(super) fn parse(control: &str) -> Option<Self> {
        let field = |name: &str| {
            control.lines().find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim().to_owned()))
        };
        Some(Self { package: field("Package")?, version: field("Version")?, architecture: field("Architecture")? })
    }

    /// The name that dpkg knows the package by.
    pub(super) fn qualified_name(&self) -> String {
        if self.architecture == "all" {
            self.package.clone()
        } else {
            format!("{}:{}", self.package, self.architecture)
        }
    }

    /// Whether this version of the package is installed.
    pub(super) fn is_installed(&self, dpkg: &Dpkg) -> bool {
        dpkg.installed_version(&self.qualified_name()) == Some(self.version.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_fields_are_read() {
        let expected = DebControl { package: "bc".into(), version: "1.07.1-3+b1".into(), architecture: "amd64".into() };
        let text = "Package: bc\nVersion: 1.07.1-3+b1\nArchitecture: amd64\nDescription: x\n Version: 2\n";
        assert_eq!(DebControl::parse(text), Some(expected));
        assert_eq!(DebControl::parse("Package: bc\n"), None);
    }
}
