//! What a lock adds to one environment, as a whole that can be kept and restored: which packages, where, beside what.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{
    build::Builder,
    locked::{self, runtime},
    logins,
};
use crate::{
    facts::{NodeFacts, PythonEnv},
    inventory::{Inventory, below},
    lock::is_for,
    problem::Problem,
    profile::{DEFAULT_R_LIBRARY, Profile},
};

/// What the required entries of a profile add to one environment by a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// The kind of environment.
    pub of: Environment,
    /// The lock's runtime, in words.
    pub runtime: String,
    /// Version of Python, `3.11.2`, or R, `4.2.2`.
    pub version: String,
    /// The interpreter.
    pub program: PathBuf,
    /// The folder below which all its files are.
    pub base: PathBuf,
    /// The folder of packages: `site-packages`, or R's library.
    pub folder: PathBuf,
    /// What it holds, by name.
    pub packages: BTreeMap<String, LayerPackage>,
    /// What the runtime brings, by name, each with the folder that describes it.
    pub shipped: BTreeMap<String, PathBuf>,
    /// Whether byte code belongs to it.
    pub compile: bool,
    /// Modules that can be imported where it is.
    pub smoke: Vec<String>,
    /// Whether some of it may have come with a login: that is not for everybody who can read a shared store.
    pub private: bool,
}

/// A kind of environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Environment {
    /// A Python environment.
    Python,
    /// A library of R packages.
    R,
}

impl Environment {
    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Python => "Python",
            Self::R => "R",
        }
    }
}

/// A package of a layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LayerPackage {
    /// Its version.
    pub version: String,
    /// SHA-256 of the file that it is installed from.
    pub sha256: String,
}

/// The layers of a profile on a node: what can be kept of it, or why not.
pub fn layers(
    profile: &Profile,
    facts: &NodeFacts,
    inventory: &Inventory,
) -> Result<Vec<Result<Layer, String>>, Problem> {
    let builder = Builder::locked(profile, facts, inventory).map_err(|drift| locked::refusal(&drift))?;
    let python = inventory.python.as_ref().and_then(|env| env.as_ref().ok());
    Ok(python.and_then(|env| builder.python_layer(env)).into_iter().chain(builder.r_layer()).collect())
}

impl Layer {
    /// R's own folder, by the package that is always there.
    pub fn r_home(&self) -> Option<&Path> {
        self.shipped.get("base").filter(|_| self.of == Environment::R)?.parent()?.parent()
    }
}

impl Builder<'_> {
    /// What the lock adds to a Python environment; `None` when it adds nothing. The error says why it cannot be kept.
    pub(super) fn python_layer(&self, env: &PythonEnv) -> Option<Result<Layer, String>> {
        let section = self.locked?;
        let by_name = section.python.iter().filter(|file| is_for(&file.only_for, None)).map(|file| {
            let (version, sha256) = (file.version.clone(), file.sha256.hex().to_owned());
            (file.name.clone(), LayerPackage { version, sha256 })
        });
        let of_file = self.profile.wheels.iter().filter(|entry| !entry.optional).filter_map(|entry| {
            let file = entry.value.path.rsplit('/').next()?;
            let name = crate::facts::python::WheelName::parse(file)?;
            let sha256 = section.asset(&entry.value.path)?.sha256.hex().to_owned();
            Some((name.name, LayerPackage { version: name.version, sha256 }))
        });
        let packages: BTreeMap<String, LayerPackage> = by_name.chain(of_file).collect();
        let receipt = self.inventory.receipt.python.get(&env.site_packages.display().to_string());
        let known = receipt.map(|receipt| &receipt.shipped).filter(|shipped| !shipped.is_empty());
        if let Some(name) = known.and_then(|known| packages.keys().find(|name| known.contains_key(*name))) {
            return Some(Err(format!("the lock changes `{name}`, which the runtime ships")));
        }
        let differs = |(name, package): &(&String, &LayerPackage)| {
            env.distributions.get(*name).is_some_and(|found| found.version != package.version)
        };
        if let Some((name, _)) = packages.iter().find(differs) {
            return Some(Err(format!("`{name}` is there in another version")));
        }
        let is_shipped =
            |name: &String| known.is_none_or(|known| known.contains_key(name)) && !packages.contains_key(name);
        let shipped = env.distributions.iter().filter(|(name, _)| is_shipped(name));
        let shipped = shipped.map(|(name, found)| (name.clone(), found.folder.clone())).collect();
        let (major, minor, patch) = env.version;
        let layer = Layer {
            of: Environment::Python,
            runtime: runtime(self.facts, self.inventory).to_string(),
            version: format!("{major}.{minor}.{patch}"),
            program: env.interpreter.clone(),
            base: env.site_packages.ancestors().nth(3)?.to_owned(),
            folder: env.site_packages.clone(),
            shipped,
            compile: self.profile.pip.compile.as_ref().is_none_or(|setting| setting.value),
            smoke: self.profile.pip.smoke.iter().map(|module| module.value.clone()).collect(),
            private: !self.logins(logins::Section::Python).is_empty(),
            packages,
        };
        (!layer.packages.is_empty()).then_some(Ok(layer))
    }

    /// What the lock adds to the R library.
    pub(super) fn r_layer(&self) -> Option<Result<Layer, String>> {
        let (section, facts) = (self.locked?, self.inventory.r.as_ref()?);
        let required = section.r.iter().filter(|package| is_for(&package.only_for, None));
        let packages: BTreeMap<String, LayerPackage> = required
            .map(|package| {
                let (version, sha256) = (package.version.clone(), package.sha256.hex().to_owned());
                (package.name.clone(), LayerPackage { version, sha256 })
            })
            .collect();
        let library = self.profile.r.library.as_ref().map_or(Path::new(DEFAULT_R_LIBRARY), |setting| &setting.value);
        let library = below(&self.inventory.root, library);
        let known = self.inventory.receipt.r.get(&library.display().to_string());
        if let Some(name) = known.and_then(|known| packages.keys().find(|name| known.contains_key(*name))) {
            return Some(Err(format!("the lock changes `{name}`, which the runtime ships")));
        }
        let differs = |(name, package): &(&String, &LayerPackage)| {
            let found = facts.packages.get(*name).filter(|found| found.library == library);
            found.is_some_and(|found| found.version != package.version)
        };
        if let Some((name, _)) = packages.iter().find(differs) {
            return Some(Err(format!("`{name}` is there in another version")));
        }
        let is_shipped = |name: &String, found: &Path| {
            let was_there = known.is_none_or(|known| known.contains_key(name)) || found != library;
            was_there && !packages.contains_key(name)
        };
        let shipped = facts.packages.iter().filter(|(name, found)| is_shipped(name, &found.library));
        let shipped = shipped.map(|(name, found)| (name.clone(), found.library.join(name))).collect();
        let layer = Layer {
            of: Environment::R,
            runtime: runtime(self.facts, self.inventory).to_string(),
            version: facts.version.clone(),
            program: facts.program.clone(),
            base: library.clone(),
            folder: library,
            shipped,
            compile: false,
            smoke: Vec::new(),
            private: !self.logins(logins::Section::R).is_empty(),
            packages,
        };
        (!layer.packages.is_empty()).then_some(Ok(layer))
    }
}
