//! Plans Python: what is installed, what is missing, and the steps that install it.

use super::{
    action::Action,
    checked::Python,
    one_login::one_login_a_host,
    ready::{is_ready, lacking},
    requested::PackageRequest,
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

impl Planning for Python {
    type Look = Option<Result<PythonEnv, PythonError>>;
    type Action = Action;

    fn look(&self, at: &LookAt<'_>) -> Self::Look {
        self.first()?;
        Some(PythonEnv::read(&below(at.root, self.interpreter())))
    }

    fn as_shipped(look: &mut Self::Look, receipt: &Receipt) {
        let Some(Ok(env)) = look else { return };
        let known = receipt.python.get(&env.site_packages.display().to_string());
        if let Some(known) = known.filter(|known| !known.shipped.is_empty()) {
            env.distributions.retain(|name, found| known.shipped.get(name) == Some(&found.version));
        }
    }

    fn runtime(look: &Self::Look, runtime: &mut Runtime) {
        let env = look.as_ref().and_then(|env| env.as_ref().ok());
        runtime.python = env.map(|env| format!("{}.{}", env.version.0, env.version.1));
    }

    fn lacks(&self, look: &Self::Look, _: &Inventory) -> Option<String> {
        look.as_ref().and_then(|env| env.as_ref().err()).map(ToString::to_string)
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
        if origins.is_empty() {
            return removal.into_iter().collect();
        }
        let mut options = StepOptions::for_origins(origins, "pip".to_owned(), Phase::Environments);
        options.beside = self.beside();
        options.entries.extend((!wheels.is_empty()).then(|| "wheel".to_owned()));
        removal.into_iter().chain([options]).collect()
    }

    fn plan(&self, look: &Self::Look, planner: &mut Planner<'_, Action>) {
        let Some(node) = self.node(look.as_ref(), planner) else { return };
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
        if asked.iter().any(|(asked, _)| asked.ready.is_none()) {
            one_login_a_host(&logins, planner);
        }
        let missing: Vec<(String, Requirements, Origin)> = asked
            .iter()
            .filter(|(asked, _)| asked.ready.is_none())
            .map(|(asked, requirements)| (asked.name.clone(), requirements.clone(), asked.entry.origin.clone()))
            .collect();
        let asked = asked.into_iter().map(|(asked, _)| asked).collect();
        for group in planner.groups("pip", Phase::Environments, &Lane::Python, asked) {
            self.plan_group(&node, group, &lacking, &missing, &logins, planner);
        }
    }

    fn layer(&self, look: &Self::Look, common: &Common<'_>) -> Option<Result<Layer, String>> {
        let earlier = EarlierWork::default();
        let planner = Planner::<Action>::new(common, Self::KEYS[0], &earlier);
        self.make_layer(look.as_ref()?.as_ref().ok()?, common, !planner.logins().is_empty())
    }
}
