//! Plans the installation of missing requirements and wheels.

use std::path::{Path, PathBuf};

use super::{
    action::Action,
    checked::Python,
    node::Node,
    package::{Package, WheelFile},
    python_install::{DistributionSources, PythonInstall, PythonInstaller, PythonRequirement, Wheel},
    ready::{Lacking, uncovered},
    requested::PackageRequest,
    requirements_file::opaque_marks,
};
use crate::{
    diagnostic::Origin,
    plan::{Common, Group, Login, Planner, Resource, StepOptions},
    profile::{Entry, requirements::Requirements},
};

impl Python {
    /// The kind that its steps do not wait for.
    pub(super) fn beside(&self) -> Option<&'static str> {
        self.pip.beside_apt.as_ref().is_some_and(|setting| setting.value).then_some("apt")
    }

    /// Plans the step of entries that are installed together.
    pub(super) fn plan_group(
        &self,
        node: &Node<'_>,
        group: Group<PackageRequest>,
        lacking: &Lacking,
        missing: &[(String, Requirements, Origin)],
        logins: &[Login],
        planner: &mut Planner<'_, Action>,
    ) {
        let Group { entries, optional, mut id, mut options } = group;
        let common = planner.common;
        options.logins = logins.to_vec();
        options.beside = self.beside();
        // Entries that name a path in the environment wait for its packages.
        let packages = &node.env.site_packages;
        let packages = Path::new("/").join(packages.strip_prefix(&common.inventory.root).unwrap_or(packages));
        options.creates.push(Resource::Path(packages));
        let mut install = self.install(node, common, &mut options);
        for entry in &entries {
            let requirements = missing.iter().filter(|(name, ..)| *name == entry.value.name());
            install.opaque.extend(requirements.flat_map(|(_, requirements, _)| opaque_marks(requirements)));
            add(common, &mut install, entry, &mut options);
        }
        install.locked = lacking.get(&optional).cloned();
        // An optional entry is not part of the layer.
        install.layer = match optional {
            None => self.make_layer(node.env, common, !logins.is_empty()).and_then(Result::ok),
            Some(_) => None,
        };
        if install.is_only_wheels() && install.wheels.is_empty() {
            return; // its file is among the missing
        }
        if !install.wheels.is_empty() {
            options.entries.push("wheel".to_owned());
        }
        let uncovered = uncovered(common, node, &entries, missing, &install);
        planner.step_of_group(std::mem::take(&mut id), Action::Install(Box::new(install)), options, uncovered);
    }

    /// The action of this profile, without entries.
    pub(super) fn install(&self, node: &Node<'_>, common: &Common<'_>, options: &mut StepOptions) -> PythonInstall {
        let pip = &self.pip;
        let only_pip = pip.only_pip.as_ref().is_some_and(|setting| setting.value);
        let uv = pip.uv.as_ref().filter(|_| !only_pip);
        PythonInstall {
            interpreter: node.env.interpreter.clone(),
            site_packages: node.env.site_packages.clone(),
            virtualenv: node.env.virtualenv,
            venv: None,
            requirements: Vec::new(),
            requirement_files: Vec::new(),
            wheels: Vec::new(),
            opaque: Vec::new(),
            sources: DistributionSources {
                index_url: pip.index_url.as_ref().map(|url| url.value.clone()),
                insecure_http: common.facts.insecure_http.clone(),
                extra_index_urls: pip.extra_index_urls.iter().map(|url| url.value.clone()).collect(),
                find_links: pip.find_links.iter().map(|link| link.value.clone()).collect(),
                no_index: pip.no_index.as_ref().is_some_and(|setting| setting.value),
                prereleases: pip.prereleases.as_ref().is_some_and(|setting| setting.value),
            },
            guarded: pip.guarded(&node.shipped),
            shipped: node.shipped.clone(),
            smoke: pip.smoke.iter().map(|module| module.value.clone()).collect(),
            installer: if only_pip {
                PythonInstaller::Pip
            } else {
                let uv = uv.and_then(|uv| common.usable(&uv.value, &uv.origin, &mut options.stage));
                PythonInstaller::Automatic { uv }
            },
            compile: pip.compile.as_ref().is_none_or(|setting| setting.value),
            only_files: common.only_digests,
            locked: None,
            layer: None,
        }
    }
}

pub(super) fn add(
    common: &Common<'_>,
    install: &mut PythonInstall,
    entry: &Entry<PackageRequest>,
    options: &mut StepOptions,
) {
    let origin = entry.origin.clone();
    match &entry.value {
        PackageRequest::Requirement(Package { text, deps }) => {
            install.requirements.push(PythonRequirement { text: text.clone(), deps: *deps, origin });
        }
        // The lock contains its packages, so the file itself is not needed.
        PackageRequest::File(file) if common.lock.is_some() => install
            .requirement_files
            .extend(common.inventory.asset(file).map(|found| PathBuf::from(found.asset.label()))),
        PackageRequest::File(file) => {
            install.requirement_files.extend(common.usable(file, &entry.origin, &mut options.stage));
        }
        PackageRequest::Wheel(WheelFile { file, deps }, name) => {
            if let Some(path) = common.usable(file, &entry.origin, &mut options.stage) {
                let (name, version) = (name.name.clone(), name.version.clone());
                let sha256 = common.locked_asset(file).or(file.sha256.as_ref());
                let sha256 = sha256.map(|digest| digest.hex().to_owned());
                install.wheels.push(Wheel { path, name, version, sha256, deps: *deps, origin });
            }
        }
    }
}
