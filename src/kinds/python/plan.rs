//! Plans Python: what is installed, what is missing, and the steps that install it.

use std::{collections::BTreeMap, path::PathBuf};

use super::{
    action::Action,
    checked::Python,
    one_login::one_login_a_host,
    ready::{is_ready, lacking},
    requested::PackageRequest,
    venvs::{self, VenvLook},
};
use crate::{
    diagnostic::Origin,
    facts::{PythonEnv, python::PythonError},
    inventory::{Inventory, below},
    kinds::contract::{Asks, LookAt, Planning},
    lock::Runtime,
    plan::{Address, Asked, Common, EarlierWork, Lane, Layer, Phase, Planner, StepOptions},
    profile::{Section as _, requirements::Requirements},
    state::Receipt,
};

/// The state of the node's Python environments.
#[derive(Debug)]
pub struct Look {
    /// The environment of `[pip]`, if the profile has entries for it.
    env: Option<Result<PythonEnv, PythonError>>,
    /// The virtual environments of the profile, by their folders.
    venvs: BTreeMap<PathBuf, VenvLook>,
}

impl Planning for Python {
    type Look = Look;
    type Action = Action;

    fn look(&self, at: &LookAt<'_>) -> Look {
        let env = self.first().map(|_| PythonEnv::read(&below(at.root, self.interpreter())));
        Look { env, venvs: venvs::look(&self.pip.venvs, self.interpreter(), at.root, &at.receipt.venv_interpreters) }
    }

    fn as_shipped(look: &mut Look, receipt: &Receipt) {
        look.venvs.values_mut().for_each(VenvLook::as_shipped);
        let Some(Ok(env)) = &mut look.env else { return };
        let known = receipt.python.get(&env.site_packages.display().to_string());
        if let Some(known) = known.filter(|known| !known.shipped.is_empty()) {
            env.distributions.retain(|name, found| known.shipped.get(name) == Some(&found.version));
        }
    }

    fn runtime(look: &Look, runtime: &mut Runtime) {
        let env = look.env.as_ref().and_then(|env| env.as_ref().ok()).map(|env| env.version.1);
        let of_venv = || look.venvs.values().find_map(VenvLook::default_version);
        runtime.python = env.or_else(of_venv).map(|minor| format!("3.{minor}"));
    }

    fn lacks(&self, look: &Look, _: &Inventory) -> Option<String> {
        let of_env = look.env.as_ref().and_then(|env| env.as_ref().err()).map(ToString::to_string);
        of_env.or_else(|| venvs::lacks(&self.pip.venvs, self.interpreter(), &look.venvs))
    }

    fn asks(&self, inventory: &Inventory, asks: &mut Asks) {
        self.add_asks(inventory, asks);
    }

    fn addresses(&self, inventory: &Inventory) -> Vec<Address> {
        self.used_addresses(inventory)
    }

    fn outline(&self) -> Vec<StepOptions> {
        let (pip, wheels) = (&self.pip, &self.wheels);
        let packages = pip.packages.iter().map(|entry| &entry.origin);
        let files = pip.requirements.iter().map(|entry| &entry.origin);
        let origins: Vec<Origin> =
            packages.chain(files).chain(wheels.iter().map(|entry| &entry.origin)).cloned().collect();
        let removed: Vec<Origin> = pip.absent.iter().map(|entry| entry.origin.clone()).collect();
        let removal =
            (!removed.is_empty()).then(|| StepOptions::for_origins(removed, "pip.absent".to_owned(), Phase::Removals));
        let removal = removal.into_iter().chain(venvs::outline(self));
        if origins.is_empty() {
            return removal.collect();
        }
        let mut options = StepOptions::for_origins(origins, "pip".to_owned(), Phase::Environments);
        options.beside = self.beside();
        options.entries.extend((!wheels.is_empty()).then(|| "wheel".to_owned()));
        removal.chain([options]).collect()
    }

    fn plan(&self, look: &Look, planner: &mut Planner<'_, Action>) {
        let lacks_packages = self.plan_environment(look.env.as_ref(), planner);
        let lacks_venvs = venvs::plan(self, &look.venvs, planner);
        if lacks_packages || lacks_venvs {
            one_login_a_host(&planner.logins(), planner);
        }
    }

    fn layer(&self, look: &Look, common: &Common<'_>) -> Option<Result<Layer, String>> {
        let earlier = EarlierWork::default();
        let planner = Planner::<Action>::new(common, Self::KEYS[0], &earlier);
        self.make_layer(look.env.as_ref()?.as_ref().ok()?, common, !planner.logins().is_empty())
    }
}

impl Python {
    /// Plans the environment of `[pip]`. Returns whether packages are missing.
    fn plan_environment(
        &self,
        look: Option<&Result<PythonEnv, PythonError>>,
        planner: &mut Planner<'_, Action>,
    ) -> bool {
        let Some(node) = self.node(look, planner) else { return false };
        self.removals(&node, planner);
        let requests = self.requests(node.env, planner);
        self.guard(&node, &requests, planner);
        let lacking = lacking(planner.common, &node, &requests);
        let logins = planner.logins();
        let asked: Vec<(Asked<PackageRequest>, Requirements)> = requests
            .into_iter()
            .map(|request| {
                let is_ready = is_ready(planner.common, &node, &lacking, &request);
                let name = request.entry.value.name();
                let ready = is_ready.then(|| name.clone());
                (Asked { entry: request.entry, name, ready }, request.requirements)
            })
            .collect();
        let missing: Vec<(String, Requirements, Origin)> = asked
            .iter()
            .filter(|(asked, _)| asked.ready.is_none())
            .map(|(asked, requirements)| (asked.name.clone(), requirements.clone(), asked.entry.origin.clone()))
            .collect();
        let asked = asked.into_iter().map(|(asked, _)| asked).collect();
        for group in planner.groups("pip", Phase::Environments, &Lane::Python, asked) {
            self.plan_group(&node, group, &lacking, &missing, &logins, planner);
        }
        !missing.is_empty()
    }
}
