//! Reads requirements files before the run, as far as their content is on this node, and refuses files that must not be
//! used.

use std::{collections::BTreeSet, path::Path, sync::LazyLock};

use regex::Regex;

use super::python_install::PythonInstall;
use crate::{
    diagnostic::Origin,
    digest::Digest,
    inventory::Inventory,
    plan::{Common, cached_asset},
    problem::Problem,
    profile::{
        Asset, AssetRef, Entry, NamedAsset, PlainAddress, encrypt, not_encrypted,
        requirements::{Requirements, first_other_file},
    },
    steps::Context,
};

/// A requirements file of the profile. A file on a server is fetched by its step.
pub(super) fn requirements_asset(entry: &Entry<AssetRef>, optional: bool) -> NamedAsset<'_> {
    let read_to_plan = entry.value.urls.is_empty();
    NamedAsset { read_to_plan, ..NamedAsset::read_to_plan(&entry.value, &entry.origin, optional) }
}

/// The content of a requirements file.
pub(super) enum Content {
    /// It is known.
    Known(Requirements),
    /// It is on a server, and no run has fetched it yet.
    OnServer,
    /// It is missing, which another check reports.
    Missing,
    /// It must not be used.
    Refused(Vec<Problem>),
}

/// The content of a file of the profile.
pub(super) fn read(entry: &Entry<AssetRef>, common: &Common<'_>) -> Content {
    let file = &entry.value;
    let Some(found) = common.inventory.asset(file) else { return Content::Missing };
    let label = found.asset.label();
    let is_copied = !matches!(found.asset, Asset::File { .. }) || found.digest.is_some();
    let insecure_http = common.lock.is_none().then_some(&common.facts.insecure_http);
    let source = Source { label: &label, folder: found.asset.folder(), name: &file.path, is_copied, insecure_http };
    let checked = if let Asset::Address(_) = &found.asset {
        let digest = common.locked_asset(file).or(found.digest.as_ref());
        let Some(bytes) = digest.and_then(|digest| fetched(common.cache, digest, file)) else {
            return Content::OnServer;
        };
        source.check(&bytes)
    } else {
        source.check(found.bytes.as_deref().unwrap_or_default())
    };
    match checked {
        Ok(requirements) => Content::Known(requirements),
        Err(problems) => {
            let at_entry = |problem: Problem| match problem.origin {
                Some(_) => problem,
                None => problem.asked_at(entry.origin.clone()),
            };
            Content::Refused(problems.into_iter().map(at_entry).collect())
        }
    }
}

/// A file that an earlier run fetched from a server.
fn fetched(cache: &Path, digest: &Digest, file: &AssetRef) -> Option<Vec<u8>> {
    let bytes = std::fs::read(cached_asset(cache, digest, file)).ok()?;
    (Digest::sha256(&bytes) == *digest).then_some(bytes)
}

/// Checks the files that were fetched from servers: planning may not have known their content. Returns their
/// requirements.
pub(super) fn check_fetched(ctx: &Context, wanted: &PythonInstall) -> Result<Vec<Requirements>, Problem> {
    let insecure_http = wanted.locked.is_none().then_some(&wanted.sources.insecure_http);
    let mut all = Vec::new();
    for file in wanted.requirement_files.iter().filter(|file| file.starts_with(&ctx.cache)) {
        let label = file.file_name().unwrap_or_default().to_string_lossy();
        let bytes = std::fs::read(file)
            .map_err(|error| Problem::new(format!("`{}` could not be read", file.display())).because(&error))?;
        let source = Source { label: &label, folder: None, name: &label, is_copied: true, insecure_http };
        let checked = source.check(&bytes).map_err(|problems| {
            let first = problems.into_iter().next();
            first.unwrap_or_else(|| Problem::new(format!("`{label}` must not be used"))).refusing()
        });
        all.push(checked?);
    }
    Ok(all)
}

/// The digests by which lines without a name are remembered. A line itself may hold a password.
pub(super) fn opaque_marks(requirements: &Requirements) -> impl Iterator<Item = String> {
    requirements.opaque.iter().map(|line| mark(&line.text))
}

/// The digest by which a line without a name is remembered.
pub(super) fn mark(line: &str) -> String {
    Digest::sha256(line.as_bytes()).hex().to_owned()
}

/// A requirements file, with a digest of its lines and of those of its included files. Only the digest is stored,
/// because a line may contain a secret. The lock has the digest of a file on a server.
pub(super) fn with_digest_of_lines(inventory: &Inventory, entry: &Entry<AssetRef>) -> String {
    let path = &entry.value.path;
    if !entry.value.urls.is_empty() {
        return path.clone();
    }
    let Some(found) = inventory.asset(&entry.value) else { return format!("{path} missing") };
    let text = String::from_utf8_lossy(found.bytes.as_deref().unwrap_or_default());
    let read = Requirements::read(&found.asset.label(), &text, found.asset.folder()).unwrap_or_default();
    let lines: Vec<String> = read.lines.into_iter().map(|line| line.text).collect();
    format!("{path} {}", &Digest::sha256(lines.join("\n").as_bytes()).hex()[..16])
}

/// A requirements file, for messages and for relative names in it.
pub(super) struct Source<'a> {
    pub(super) label: &'a str,
    pub(super) folder: Option<&'a Path>,
    /// The name in the profile.
    pub(super) name: &'a str,
    /// Whether the installer gets a verified copy, without the files beside it.
    pub(super) is_copied: bool,
    /// The hosts whose addresses need no encryption. `None` if a lock has the digests of all packages.
    pub(super) insecure_http: Option<&'a BTreeSet<String>>,
}

impl Source<'_> {
    pub(super) fn check(&self, bytes: &[u8]) -> Result<Requirements, Vec<Problem>> {
        let Ok(text) = std::str::from_utf8(bytes) else {
            let problem = Problem::new(format!("`{}` is not UTF-8 text", self.label));
            return Err(vec![problem.hint("save the file as UTF-8".to_owned())]);
        };
        if let Some(origin) = first_other_file(self.label, text).filter(|_| self.is_copied) {
            let message = format!("`{}` names other files, which its digest or signature does not cover", self.name);
            let hint = "put all requirements into one file".to_owned();
            return Err(vec![Problem::new(message).hint(hint).asked_at(origin)]);
        }
        let requirements = Requirements::read(self.label, text, self.folder).map_err(|error| {
            let hint = "put the file next to the file that refers to it".to_owned();
            vec![Problem::new(error.to_string()).hint(hint).asked_at(error.origin.clone())]
        })?;
        let hint = "write the address without, and name the user and the key of the password under `[[logins]]` in the \
                    profile";
        let refused = |origin| Problem::new("the line holds a password").hint(hint.to_owned()).asked_at(origin);
        let passwords: Vec<Problem> = with_passwords(&requirements).into_iter().map(refused).collect();
        if !passwords.is_empty() {
            return Err(passwords);
        }
        let unencrypted = self.insecure_http.map(|hosts| unencrypted(&requirements, hosts)).unwrap_or_default();
        if unencrypted.is_empty() { Ok(requirements) } else { Err(unencrypted) }
    }
}

/// The lines of requirements files that contain a password. Placeholders such as `${TOKEN}` are permitted.
fn with_passwords(requirements: &Requirements) -> BTreeSet<Origin> {
    static PASSWORD: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"(?i)https?://[^\s/@:]*:([^\s/@]+)@").expect("the pattern is fixed"));
    let holds = |text: &str| PASSWORD.captures_iter(text).any(|found| !found[1].starts_with("${"));
    requirements.lines.iter().filter(|line| holds(&line.text)).map(|line| line.origin.clone()).collect()
}

/// The refusals of addresses without encryption whose content no digest covers.
fn unencrypted(requirements: &Requirements, hosts: &BTreeSet<String>) -> Vec<Problem> {
    let refused = requirements.lines.iter().flat_map(|line| {
        let remedy = if line.text.starts_with('-') { "" } else { "end the address with `#sha256=…`" };
        let addresses = PlainAddress::in_requirement(&line.text).into_iter().filter(|address| !address.is_of(hosts));
        addresses.map(move |address| {
            let problem = Problem::new(not_encrypted(&address)).hint(encrypt(&address, remedy));
            problem.asked_at(line.origin.clone())
        })
    });
    refused.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_found_and_a_variable_is_none() {
        let lines = "-i https://reader:hunter2@x.example/simple\nnltk\n-f https://${USER}:${TOKEN}@x.example/\n\
                     a @ git+ssh://git@x.example/a\nb @ https://reader@x.example/b.whl\n";
        let read = Requirements::read("r.txt", lines, None).expect("nothing else to read");
        assert_eq!(with_passwords(&read).iter().map(|origin| origin.line).collect::<Vec<_>>(), [1]);
    }
}
