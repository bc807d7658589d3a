//! The parsed entries of `[pip]` and `[wheel]`, and the mistakes that only their files reveal.

use super::{
    action::Action,
    checked::Python,
    package::{Package, WheelFile},
    requirements_file::{self, Content},
};
use crate::{
    facts::{PythonEnv, python::WheelName},
    plan::Planner,
    profile::{
        AssetRef, Entry,
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
    /// Whether the requirements are known. A file on a server is known after it was fetched.
    pub(super) is_known: bool,
}

/// Requirements as requests.
pub(super) fn package_requests(packages: &[Entry<Package>]) -> Vec<Request> {
    let request = |entry: &Entry<Package>| {
        let named = entry.value.text.parse().map(|requirement| Named { requirement, origin: entry.origin.clone() });
        let requirements = Requirements { named: named.into_iter().collect(), ..Requirements::default() };
        let entry = entry.with(PackageRequest::Requirement(entry.value.clone()));
        Request { entry, requirements, is_known: true }
    };
    packages.iter().map(request).collect()
}

/// Requirements files as requests. Files that must not be used are refused.
pub(super) fn file_requests(files: &[Entry<AssetRef>], planner: &mut Planner<'_, Action>) -> Vec<Request> {
    let mut all = Vec::new();
    for entry in files {
        let (requirements, is_known) = match requirements_file::read(entry, planner.common) {
            Content::Known(requirements) => (requirements, true),
            Content::OnServer => (Requirements::default(), false),
            Content::Missing => continue,
            Content::Refused(problems) => {
                for problem in problems {
                    planner.refuse_with(problem);
                }
                continue;
            }
        };
        let entry = entry.with(PackageRequest::File(entry.value.clone()));
        all.push(Request { entry, requirements, is_known });
    }
    all
}

impl Python {
    /// Reads every entry. Entries that cannot be read or do not match the interpreter are refused.
    pub(super) fn requests(&self, env: &PythonEnv, planner: &mut Planner<'_, Action>) -> Vec<Request> {
        let mut all = package_requests(&self.pip.packages);
        all.extend(file_requests(&self.pip.requirements, planner));
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
            all.push(Request { entry, requirements: Requirements::default(), is_known: true });
        }
        all
    }
}
