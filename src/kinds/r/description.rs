//! A stanza of R's package metadata: an entry of an index, or the DESCRIPTION of an archive or of an installed
//! package.

use deb822_fast::Paragraph;

use super::version::{InvalidRequirement, Requirement, Version, is_name, requirements, version};
use crate::digest::Digest;

/// The fields that are used. All other fields are discarded while an index is read.
const FIELDS: [&str; 13] = [
    "Package",
    "Version",
    "Depends",
    "Imports",
    "LinkingTo",
    "NeedsCompilation",
    "Built",
    "OS_type",
    "MD5sum",
    "SHA256",
    "File",
    "Path",
    "RemoteSha",
];

/// The fields that name required packages. The last one is needed for builds only.
const KINDS: [&str; 3] = ["Depends", "Imports", "LinkingTo"];

/// The metadata of one version of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Description {
    /// The validated package name.
    pub(super) name: String,
    /// The version for comparisons.
    pub(super) version: Version,
    /// The version as written, for file names.
    pub(super) version_text: String,
    /// The packages, and `R` itself, that are needed to build and load it.
    pub(super) requires: Vec<Requirement>,
    /// Whether it contains code to compile, if known.
    pub(super) needs_compilation: Option<bool>,
    /// The build information of a binary package. `None` for a source package.
    pub(super) built: Option<Built>,
    /// The only type of operating system that it supports, if declared.
    pub(super) os_type: Option<String>,
    /// The digest of the archive. SHA-256 is preferred to MD5.
    pub(super) digest: Option<Digest>,
    /// The file name of the archive, if it is not the default.
    pub(super) file: Option<String>,
    /// The commit of the git repository that it comes from.
    pub(super) commit: Option<String>,
    /// The folder of the archive below the index, if it is not beside the index.
    pub(super) folder: Option<String>,
}

/// The build information of a binary package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Built {
    /// The version of R.
    pub(super) r: Version,
    /// The platform, such as `x86_64-pc-linux-gnu`. `None` if the package has no compiled code.
    pub(super) platform: Option<String>,
    /// The type of operating system, such as `unix`.
    pub(super) os_type: Option<String>,
}

impl Built {
    fn parse(field: &str) -> Option<Self> {
        let mut parts = field.split(';').map(str::trim);
        let r = version(parts.next()?.strip_prefix("R ")?)?;
        let mut part = |position| parts.nth(position).filter(|part| !part.is_empty()).map(str::to_owned);
        Some(Self { r, platform: part(0), os_type: part(1) })
    }

    /// Why this binary cannot be used by this version of R on this machine.
    ///
    /// R loads packages that an older R of the same major version built, but not the reverse.
    pub(super) fn misfit(&self, r: &Version) -> Option<String> {
        let part = |version: &Version, position| version.components.get(position).copied().unwrap_or(0);
        if part(&self.r, 0) != part(r, 0) || part(&self.r, 1) > part(r, 1) {
            return Some(format!("is a binary for R {}, this is R {r}", self.r));
        }
        if let Some(os_type) = self.os_type.as_deref().filter(|&os_type| os_type != "unix") {
            return Some(format!("is a binary for {os_type}"));
        }
        let fits =
            |platform: &str| platform.contains("linux") && platform.split('-').next() == Some(std::env::consts::ARCH);
        self.platform
            .as_deref()
            .filter(|platform| !fits(platform))
            .map(|platform| format!("is a binary for {platform}, this is {}-linux", std::env::consts::ARCH))
    }
}

/// Why a stanza is invalid, as a phrase that follows the name of the package or file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum StanzaError {
    /// The text does not have the form of a stanza.
    #[error("is not a stanza: {0}")]
    Syntax(String),
    /// `Package` is missing or not a valid name.
    #[error("has an invalid package name: `{0}`")]
    Name(String),
    /// `Version` is missing or not a valid version.
    #[error("has the invalid version `{0}`")]
    Version(String),
    /// A dependency field contains an invalid requirement.
    #[error("requires `{}`, which is not a valid requirement", .0.0)]
    Requirement(InvalidRequirement),
    /// `Built` is invalid.
    #[error("has an invalid `Built: {0}`")]
    Built(String),
}

impl Description {
    /// Parses a stanza.
    pub(super) fn parse(text: &str) -> Result<Self, StanzaError> {
        let parsed: Result<Paragraph, _> = compact(text).parse();
        let fields = parsed.map_err(|error| StanzaError::Syntax(error.to_string()))?;
        let field = |name| fields.get(name).map(str::trim).filter(|value| !value.is_empty());
        let (name, version, version_text) = identity(&fields)?;
        let mut requires = Vec::new();
        // Compiled packages do not need headers.
        let kinds = if field("Built").is_some() { &KINDS[..2] } else { &KINDS[..] };
        for value in kinds.iter().filter_map(|kind| field(kind)) {
            requires.extend(requirements(value).map_err(StanzaError::Requirement)?);
        }
        let built = field("Built").map(|value| Built::parse(value).ok_or_else(|| StanzaError::Built(value.to_owned())));
        let hex = |value: &str, digits| value.len() == digits && value.bytes().all(|byte| byte.is_ascii_hexdigit());
        let sha256 = field("SHA256").filter(|value| hex(value, 64)).map(|value| Digest::Sha256(value.to_lowercase()));
        let md5 = field("MD5sum").filter(|value| hex(value, 32)).map(|value| Digest::Md5(value.to_lowercase()));
        Ok(Self {
            name,
            version,
            version_text,
            requires,
            needs_compilation: field("NeedsCompilation").map(|value| value.eq_ignore_ascii_case("yes")),
            built: built.transpose()?,
            os_type: field("OS_type").map(str::to_owned),
            digest: sha256.or(md5),
            file: field("File").filter(|file| !file.contains('/')).map(str::to_owned),
            commit: field("RemoteSha").map(str::to_owned),
            folder: field("Path").map(str::to_owned),
        })
    }

    /// Why this version cannot be used by this version of R on this machine.
    pub(super) fn misfit(&self, r: &Version) -> Option<String> {
        if let Some(os_type) = self.os_type.as_deref().filter(|&os_type| os_type != "unix") {
            return Some(format!("is for {os_type} only"));
        }
        if let Some(unmet) = self.requires.iter().find(|needed| needed.name == "R" && !needed.accepts(r)) {
            return Some(format!("needs {unmet}, this is R {r}"));
        }
        self.built.as_ref().and_then(|built| built.misfit(r))
    }

    /// The required packages, without `R` itself.
    pub(super) fn packages(&self) -> impl Iterator<Item = &Requirement> {
        self.requires.iter().filter(|needed| needed.name != "R")
    }
}

/// The validated name and version of a stanza, and the version as written. Name and version become parts of paths.
fn identity(fields: &Paragraph) -> Result<(String, Version, String), StanzaError> {
    let name = fields.get("Package").map(str::trim).unwrap_or_default();
    if !is_name(name) {
        return Err(StanzaError::Name(name.to_owned()));
    }
    let number = fields.get("Version").map(str::trim).unwrap_or_default();
    match version(number) {
        Some(version) => Ok((name.to_owned(), version, number.to_owned())),
        None => Err(StanzaError::Version(number.to_owned())),
    }
}

/// The lines of the fields that are used.
pub(super) fn compact(stanza: &str) -> String {
    let mut kept = String::with_capacity(stanza.len().min(512));
    let mut keep = false;
    for line in stanza.lines().map(str::trim_end).filter(|line| !line.is_empty()) {
        if !line.starts_with([' ', '\t']) {
            keep = line.split_once(':').is_some_and(|(name, _)| FIELDS.contains(&name));
        }
        if keep {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    const BINARY: &str = "Package: later\r\nVersion: 1.3.0\r\nAuthors@R: c(person(\"A: B\"),\r\n    person())\r\n\
                          Imports: Rcpp (>= 0.12.9),\r\n        rlang\r\nLinkingTo: Rcpp\r\nDepends: R (>= 3.5)\r\n\
                          Built: R 4.2.2; x86_64-pc-linux-gnu; 2023-01-21 11:51:38 UTC; unix\r\n";

    fn r(text: &str) -> Version {
        version(text).expect("a version")
    }

    #[test]
    fn unknown_fields_of_a_description_are_ignored() {
        let read = Description::parse(BINARY).expect("good");
        assert_eq!((read.name.as_str(), read.version_text.as_str()), ("later", "1.3.0"));
        let needed: Vec<String> = read.packages().map(ToString::to_string).collect();
        assert_eq!(needed, ["Rcpp >= 0.12.9", "rlang"], "headers are for building only");
        assert_eq!(read.built.expect("built").platform.as_deref(), Some("x86_64-pc-linux-gnu"));
    }

    #[test]
    fn a_source_package_needs_headers_too() {
        let read = Description::parse("Package: a\nVersion: 1.0\nLinkingTo: BH\n").expect("good");
        assert_eq!(read.packages().map(|needed| needed.name.as_str()).collect::<Vec<_>>(), ["BH"]);
    }

    #[test]
    fn a_binary_is_usable_with_its_r_and_later_ones_of_the_same_major_version() {
        let built = |text| Built::parse(text).expect("good");
        let pure = built("R 4.2.0; ; 2023-01-21 11:51:38 UTC; unix");
        assert_eq!(pure.misfit(&r("4.2.2")), None);
        assert_eq!(pure.misfit(&r("4.3.0")), None);
        assert_eq!(pure.misfit(&r("4.1.3")).as_deref(), Some("is a binary for R 4.2.0, this is R 4.1.3"));
        assert!(pure.misfit(&r("5.0.0")).is_some());
        let windows = built("R 4.2.2; x86_64-w64-mingw32; 2023-01-21 11:51:38 UTC; windows");
        assert_eq!(windows.misfit(&r("4.2.2")).as_deref(), Some("is a binary for windows"));
        let other = built("R 4.2.2; m68k-unknown-linux-gnu; 2023-01-21 11:51:38 UTC; unix");
        assert!(other.misfit(&r("4.2.2")).is_some_and(|why| why.contains("m68k")));
    }

    #[test]
    fn a_package_for_a_newer_r_or_another_system_is_not_usable() {
        let misfit = |text| Description::parse(text).expect("good").misfit(&r("4.2.2"));
        assert_eq!(misfit("Package: a\nVersion: 1.0\nDepends: R (>= 3.5)\n"), None);
        let newer = misfit("Package: a\nVersion: 1.0\nDepends: R (>= 4.5)\n");
        assert_eq!(newer.as_deref(), Some("needs R >= 4.5, this is R 4.2.2"));
        assert_eq!(misfit("Package: a\nVersion: 1.0\nOS_type: windows\n").as_deref(), Some("is for windows only"));
    }

    #[test]
    fn sha256_is_preferred_and_an_invalid_digest_is_ignored() {
        let md5 = "MD5sum: 900150983CD24FB0D6963F7D28E17F72\n";
        let digest =
            |more: &str| Description::parse(&format!("Package: a\nVersion: 1.0\n{more}")).expect("good").digest;
        assert_eq!(digest(md5), Some(Digest::Md5("900150983cd24fb0d6963f7d28e17f72".into())));
        let both = digest(&format!("{md5}SHA256: {}\n", "0".repeat(64)));
        assert_eq!(both, Some(Digest::Sha256("0".repeat(64))));
        assert_eq!(digest("MD5sum: ?\n"), None);
    }

    #[test]
    fn names_and_versions_that_could_escape_a_folder_are_refused() {
        assert!(Description::parse("Package: ../x\nVersion: 1.0\n").is_err());
        assert!(Description::parse("Package: x\nVersion: 1.0/../..\n").is_err());
        assert!(Description::parse("nonsense").is_err());
    }
}
