//! The layer of a Python environment: the packages that a lock adds to it.

use std::collections::BTreeMap;

use super::checked::Python;
use crate::{
    facts::{PythonEnv, python::WheelName},
    lock::is_for,
    plan::{Common, Environment, Layer, LayerPackage},
};

impl Python {
    /// The packages that the lock adds to the environment. `None` if it adds none. The error lists the reasons why no
    /// layer is possible.
    pub(super) fn make_layer(
        &self,
        env: &PythonEnv,
        common: &Common<'_>,
        may_log_in: bool,
    ) -> Option<Result<Layer, String>> {
        let section = common.locked()?;
        let by_name = section.python.iter().filter(|file| is_for(&file.only_for, None)).map(|file| {
            let (version, sha256) = (file.version.clone(), file.sha256.hex().to_owned());
            (file.name.clone(), LayerPackage { version, sha256 })
        });
        let of_file = self.wheels.iter().filter(|entry| !entry.optional).filter_map(|entry| {
            let file = entry.value.file.path.rsplit('/').next()?;
            let name = WheelName::parse(file)?;
            let sha256 = section.asset(&entry.value.file.path)?.sha256.hex().to_owned();
            Some((name.name, LayerPackage { version: name.version, sha256 }))
        });
        let packages: BTreeMap<String, LayerPackage> = by_name.chain(of_file).collect();
        let receipt = common.inventory.receipt.python.get(&env.site_packages.display().to_string());
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
            runtime: section.runtime.to_string(),
            version: format!("{major}.{minor}.{patch}"),
            program: env.interpreter.clone(),
            base: env.site_packages.ancestors().nth(3)?.to_owned(),
            folder: env.site_packages.clone(),
            shipped,
            compile: self.pip.compile.as_ref().is_none_or(|setting| setting.value),
            smoke: self.pip.smoke.iter().map(|module| module.value.clone()).collect(),
            private: may_log_in,
            packages,
        };
        (!layer.packages.is_empty()).then_some(Ok(layer))
    }
}
