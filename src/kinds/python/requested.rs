//! The parsed entries of `[pip]` and `[wheel]`, and the mistakes that only their files reveal.

use std::{collections::BTreeSet, sync::LazyLock};

use regex::Regex;

use super::{
    action::Action,
    checked::{Package, Python, WheelFile},
};
use crate::{
    diagnostic::Origin,
    facts::{PythonEnv, python::WheelName},
    plan::Planner,
    profile::{
        Asset, AssetRef, Entry,
        requirements::{Named, Requirements},
    },
};

/// One entry: a requirement, a requirements file, or a wheel.
#[derive(Debug, Clone)]
pub(super) enum PackageRequest {
    Requirement(Package),
    File(AssetRef),
    Wheel(WheelFile, WheelName),
}

impl PackageRequest {
    /// The name for messages.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Requirement(package) => package.text.clone(),
            Self::File(file) => file.path.clone(),
            Self::Wheel(_, wheel) => format!("{} {}", wheel.name, wheel.version),
        }
    }

    /// Whether its dependencies are installed, too.
    pub(super) fn has_deps(&self) -> bool {
        match self {
            Self::Requirement(package) => package.deps,
            Self::File(_) => true,
            Self::Wheel(wheel, _) => wheel.deps,
        }
    }
}

/// An entry with its requirements.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) entry: Entry<PackageRequest>,
    pub(super) requirements: Requirements,
}

impl Python {
    /// Reads every entry. Entries that cannot be read or do not match the interpreter are refused.
    pub(super) fn requests(&self, env: &PythonEnv, planner: &mut Planner<'_, Action>) -> Vec<Request> {
        let mut all = Vec::new();
        for entry in &self.pip.packages {
            let named = entry.value.text.parse().map(|requirement| Named { requirement, origin: entry.origin.clone() });
            let requirements = Requirements { named: named.into_iter().collect(), ..Requirements::default() };
            all.push(Request { entry: entry.with(PackageRequest::Requirement(entry.value.clone())), requirements });
        }
        for entry in &self.pip.requirements {
            if let Some(requirements) = read_file(entry, planner) {
                all.push(Request { entry: entry.with(PackageRequest::File(entry.value.clone())), requirements });
            }
        }
        for entry in &self.wheels {
            let file = entry.value.file.path.rsplit('/').next().unwrap_or_default();
            let Some(name) = WheelName::parse(file) else { continue };
            let common = planner.common;
            if let Err(misfit) = name.matches(env.version.1, &common.facts.arch, common.inventory.glibc) {
                let hint =
                    "put a wheel for this interpreter into the file store, or limit the entry with `when`".to_owned();
                planner.refuse(&entry.origin, format!("`{file}` does not fit: {misfit}"), hint);
                continue;
            }
            let entry = entry.with(PackageRequest::Wheel(entry.value.clone(), name));
            all.push(Request { entry, requirements: Requirements::default() });
        }
        all
    }
}

fn read_file(entry: &Entry<AssetRef>, planner: &mut Planner<'_, Action>) -> Option<Requirements> {
    let found = planner.common.inventory.asset(&entry.value)?;
    let bytes = found.bytes.as_deref().unwrap_or_default();
    let Ok(text) = std::str::from_utf8(bytes) else {
        let message = format!("`{}` is not UTF-8 text", found.asset.label());
        planner.refuse(&entry.origin, message, "save the file as UTF-8".to_owned());
        return None;
    };
    let requirements = match Requirements::read(&found.asset.label(), text, found.asset.folder()) {
        Ok(requirements) => requirements,
        Err(error) => {
            let hint = "put the file next to the file that refers to it".to_owned();
            planner.refuse(&error.origin, error.to_string(), hint);
            return None;
        }
    };
    let is_copied = found.digest.is_some() || matches!(found.asset, Asset::BuiltIn { .. });
    if let Some(origin) = requirements.relative.first().filter(|_| is_copied) {
        let path = &entry.value.path;
        let message = format!("`{path}` has a digest and names other files, which the digest does not cover");
        let hint = "put all requirements into one file, or leave `sha256` out".to_owned();
        planner.refuse(origin, message, hint);
        return None;
    }
    let passwords = with_passwords(&requirements);
    for origin in &passwords {
        let hint = "write the address without, and name the user and the key of the password under `[[logins]]` in the \
                    profile";
        planner.refuse(origin, "the line holds a password", hint.to_owned());
    }
    passwords.is_empty().then_some(requirements)
}

/// The lines of requirements files that contain a password. Placeholders such as `${TOKEN}` are permitted.
fn with_passwords(requirements: &Requirements) -> BTreeSet<Origin> {
    static PASSWORD: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"(?i)https?://[^\s/@:]*:([^\s/@]+)@").expect("the pattern is fixed"));
    let holds = |text: &str| PASSWORD.captures_iter(text).any(|found| !found[1].starts_with("${"));
    requirements.lines.iter().filter(|line| holds(&line.text)).map(|line| line.origin.clone()).collect()
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
