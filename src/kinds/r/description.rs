//! One stanza of R's metadata: an entry of an index, or the DESCRIPTION of an archive or of an installed package.

use deb822_fast::Paragraph;

use super::version::{Requirement, Version, is_name, requirements, version};
use crate::digest::Digest;

/// The fields this agent has a use for. Everything else of an index is forgotten while it is read.
const FIELDS: [&str; 12] = [
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
];

/// The fields that name other packages; the last counts for building only.
const KINDS: [&str; 3] = ["Depends", "Imports", "LinkingTo"];

/// What is known of one version of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Description {
    /// The package's name, checked.
    pub(super) name: String,
    /// Its version, for comparing.
    pub(super) version: Version,
    /// Its version as written, for file names.
    pub(super) version_text: String,
    /// The packages it needs to be built and loaded, and `R` itself.
    pub(super) requires: Vec<Requirement>,
    /// Whether it has code to compile, when that is known.
    pub(super) needs_compilation: Option<bool>,
    /// For what it was built; `None` for a source package.
    pub(super) built: Option<Built>,
    /// The only kind of operating system it runs on, when it says so.
    pub(super) os_type: Option<String>,
    /// The archive's digest, the better one when there are two.
    pub(super) digest: Option<Digest>,
    /// The archive's name, when it is not the usual one.
    pub(super) file: Option<String>,
    /// The archive's folder below the index, when it is not beside it.
    pub(super) folder: Option<String>,
}

/// For what a binary package was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Built {
    /// The version of R.
    pub(super) r: Version,
    /// The platform, such as `x86_64-pc-linux-gnu`; `None` when there is no compiled code in it.
    pub(super) platform: Option<String>,
    /// The kind of operating system, such as `unix`.
    pub(super) os_type: Option<String>,
}

impl Built {
    fn parse(field: &str) -> Option<Self> {
        let mut parts = field.split(';').map(str::trim);
        let r = version(parts.next()?.strip_prefix("R ")?)?;
        let mut part = |position| parts.nth(position).filter(|part| !part.is_empty()).map(str::to_owned);
        Some(Self { r, platform: part(0), os_type: part(1) })
    }

    /// Why this binary is not for an R of this version on this machine.
    ///
    /// R itself loads what an older R of the same major version built, and distributions rely on it; not the reverse.
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

impl Description {
    /// Reads a stanza. The error says what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let fields: Paragraph = compact(text).parse().map_err(|error| format!("is not a stanza: {error}"))?;
        let field = |name| fields.get(name).map(str::trim).filter(|value| !value.is_empty());
        let (name, version_text) = identity(&fields)?;
        let mut requires = Vec::new();
        // What was compiled needs no headers any more.
        let kinds = if field("Built").is_some() { &KINDS[..2] } else { &KINDS[..] };
        for value in kinds.iter().filter_map(|kind| field(kind)) {
            requires.extend(requirements(value).map_err(|part| format!("requires `{part}`, which makes no sense"))?);
        }
        let built = field("Built").map(|value| Built::parse(value).ok_or(format!("has a strange `Built: {value}`")));
        let hex = |value: &str, digits| value.len() == digits && value.bytes().all(|byte| byte.is_ascii_hexdigit());
        let sha256 = field("SHA256").filter(|value| hex(value, 64)).map(|value| Digest::Sha256(value.to_lowercase()));
        let md5 = field("MD5sum").filter(|value| hex(value, 32)).map(|value| Digest::Md5(value.to_lowercase()));
        Ok(Self {
            version: version(&version_text).ok_or("has no version")?,
            name,
            version_text,
            requires,
            needs_compilation: field("NeedsCompilation").map(|value| value.eq_ignore_ascii_case("yes")),
            built: built.transpose()?,
            os_type: field("OS_type").map(str::to_owned),
            digest: sha256.or(md5),
            file: field("File").filter(|file| !file.contains('/')).map(str::to_owned),
            folder: field("Path").map(str::to_owned),
        })
    }

    /// Why this version cannot be used by an R of this version on this machine.
    pub(super) fn misfit(&self, r: &Version) -> Option<String> {
        if let Some(os_type) = self.os_type.as_deref().filter(|&os_type| os_type != "unix") {
            return Some(format!("is for {os_type} only"));
        }
        if let Some(unmet) = self.requires.iter().find(|needed| needed.name == "R" && !needed.accepts(r)) {
            return Some(format!("needs {unmet}, this is R {r}"));
        }
        self.built.as_ref().and_then(|built| built.misfit(r))
    }

    /// The packages it needs, `R` itself left out.
    pub(super) fn packages(&self) -> impl Iterator<Item = &Requirement> {
        self.requires.iter().filter(|needed| needed.name != "R")
    }
}

/// Name and version of a stanza, checked: both get into paths.
fn identity(fields: &Paragraph) -> Result<(String, String), String> {
    let name = fields.get("Package").map(str::trim).unwrap_or_default();
    if !is_name(name) {
        return Err(format!("names no package: `{name}`"));
    }
    let number = fields.get("Version").map(str::trim).unwrap_or_default();
    match version(number) {
        Some(_) => Ok((name.to_owned(), number.to_owned())),
        None => Err(format!("`{name}` has the version `{number}`, which makes no sense")),
    }
}

/// The lines of the fields this agent has a use for.
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
    fn a_description_is_read_whatever_else_is_in_it() {
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
    fn a_binary_fits_the_r_it_was_built_for_and_later_ones_of_the_same_major_version() {
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
    fn a_package_for_a_newer_r_or_another_system_does_not_fit() {
        let misfit = |text| Description::parse(text).expect("good").misfit(&r("4.2.2"));
        assert_eq!(misfit("Package: a\nVersion: 1.0\nDepends: R (>= 3.5)\n"), None);
        let newer = misfit("Package: a\nVersion: 1.0\nDepends: R (>= 4.5)\n");
        assert_eq!(newer.as_deref(), Some("needs R >= 4.5, this is R 4.2.2"));
        assert_eq!(misfit("Package: a\nVersion: 1.0\nOS_type: windows\n").as_deref(), Some("is for windows only"));
    }

    #[test]
    fn the_better_digest_is_taken_and_a_strange_one_is_none() {
        let md5 = "MD5sum: 900150983CD24FB0D6963F7D28E17F72\n";
        let digest =
            |more: &str| Description::parse(&format!("Package: a\nVersion: 1.0\n{more}")).expect("good").digest;
        assert_eq!(digest(md5), Some(Digest::Md5("900150983cd24fb0d6963f7d28e17f72".into())));
        let both = digest(&format!("{md5}SHA256: {}\n", "0".repeat(64)));
        assert_eq!(both, Some(Digest::Sha256("0".repeat(64))));
        assert_eq!(digest("MD5sum: ?\n"), None);
    }

    #[test]
    fn names_and_versions_that_could_leave_a_folder_are_refused() {
        assert!(Description::parse("Package: ../x\nVersion: 1.0\n").is_err());
        assert!(Description::parse("Package: x\nVersion: 1.0/../..\n").is_err());
        assert!(Description::parse("nonsense").is_err());
    }
}
