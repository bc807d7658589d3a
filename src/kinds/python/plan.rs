//! Plans Python: missing requirements and wheels, and the guard of the runtime's packages.

use std::{collections::BTreeMap, path::Path};

use super::{
    action::{Action, DistributionSources, PythonInstall, PythonInstaller, PythonRemoval, PythonRequirement, Wheel},
    checked::{Pip, Python},
    requested::{PackageRequest, Request},
    satisfied::{Satisfied, fits},
};
use crate::{
    diagnostic::Origin,
    digest::Digest,
    facts::{PythonEnv, python::PythonError},
    inventory::{Inventory, below},
    kinds::contract::{Asks, LookAt, Planning},
    lock::{LockedDistribution, Runtime, bare, is_own},
    plan::{
        Address, Asked, Common, EarlierWork, Group, Lane, Layer, Login, Phase, Planner, Resource, StepOptions,
        addresses_in_line,
    },
    problem::Problem,
    profile::{Entry, Section as _, requirements::Requirements},
    state::{PythonReceipt, Receipt},
};

/// The environment and its metadata.
struct Node<'a> {
    env: &'a PythonEnv,
    markers: pep508_rs::MarkerEnvironment,
    receipt: PythonReceipt,
    /// The packages that the runtime shipped: from the receipt, or the present ones before the first change.
    shipped: BTreeMap<String, String>,
}

/// The locked distributions that are missing, by optional entry. `None` is the key of the required entries.
type Lacking = BTreeMap<Option<String>, Vec<LockedDistribution>>;

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
        let pip = &self.pip;
        for entry in &pip.packages {
            asks.add("pip", &entry.value, entry.optional);
        }
        for entry in &pip.requirements {
            let digest = digest_of_lines(inventory, entry);
            asks.add("pip", &format!("{} {digest}", entry.value.path), entry.optional);
        }
        for entry in &self.wheels {
            asks.add("wheel", &entry.value.path, entry.optional);
        }
        if pip.guard.as_ref().is_some_and(|guard| !guard.value) {
            asks.add("pip", "without a guard", false);
        }
        for entry in &pip.allow_change {
            asks.add("pip may change", &entry.value, false);
        }
        if let Some(index) = &pip.index_url {
            asks.add("pip index", bare(&index.value).as_str(), false);
        }
        for link in &pip.find_links {
            asks.add("pip links", &link.value, false);
        }
        for (what, setting) in [("without an index", &pip.no_index), ("with pre-releases", &pip.prereleases)] {
            if setting.as_ref().is_some_and(|setting| setting.value) {
                asks.add("pip", what, false);
            }
        }
        if let Some(python) = &pip.python {
            asks.add("pip into", &python.value.display().to_string(), false);
        }
        if !pip.extra_index_urls.is_empty() {
            let urls: Vec<String> = pip.extra_index_urls.iter().map(|url| bare(&url.value).to_string()).collect();
            asks.add("pip extra index", &urls.join(" "), false);
        }
    }

    fn addresses(&self, inventory: &Inventory) -> Vec<Address> {
        let kind = Self::KEYS[0];
        let indexes = self.indexes().into_iter().map(|(url, _)| Address::plain(kind, url.clone()));
        let found_at =
            self.pip.find_links.iter().filter_map(|link| Some(Address::plain(kind, link.value.parse().ok()?)));
        let wheels = self.wheels.iter().flat_map(|wheel| &wheel.value.urls);
        let wheels = wheels.map(|url| Address::plain(kind, url.clone()));
        let mut all: Vec<Address> = indexes.chain(wheels).chain(found_at).collect();
        let mut lines: Vec<String> = self.pip.packages.iter().map(|entry| entry.value.clone()).collect();
        for entry in &self.pip.requirements {
            let Some(found) = inventory.asset(&entry.value) else { continue };
            let text = String::from_utf8_lossy(found.bytes.as_deref().unwrap_or_default());
            // Planning refuses a file that cannot be read.
            let read = Requirements::read(&found.asset.label(), &text, found.asset.folder());
            lines.extend(read.into_iter().flat_map(|read| read.lines).map(|line| line.text));
        }
        all.extend(lines.iter().flat_map(|line| addresses_in_line(kind, line)));
        all
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

impl Python {
    /// The line of the first entry.
    fn first(&self) -> Option<&Origin> {
        let pip = &self.pip;
        let first = pip.packages.first().map(|entry| &entry.origin);
        let first = first.or(pip.requirements.first().map(|entry| &entry.origin));
        first.or(self.wheels.first().map(|entry| &entry.origin)).or(pip.absent.first().map(|entry| &entry.origin))
    }

    /// The kind that its steps do not wait for.
    fn beside(&self) -> Option<&'static str> {
        self.pip.beside_apt.as_ref().is_some_and(|setting| setting.value).then_some("apt")
    }

    /// The environment. An unreadable environment refuses the run.
    fn node<'n>(
        &self,
        look: Option<&'n Result<PythonEnv, PythonError>>,
        planner: &mut Planner<'_, Action>,
    ) -> Option<Node<'n>> {
        let first = self.first()?;
        let env = match look? {
            Ok(env) => env,
            Err(error) => {
                let origin = self.pip.python.as_ref().map_or(first, |python| &python.origin);
                let hint = "name the interpreter of the environment with `python` in `[pip]`".to_owned();
                planner.refuse(origin, error.to_string(), hint);
                return None;
            }
        };
        let Some(markers) = env.markers(&planner.common.facts.arch) else {
            let message = format!("the version of `{}` cannot be told", env.interpreter.display());
            planner.refuse(first, message, None);
            return None;
        };
        let receipts = &planner.common.inventory.receipt.python;
        let receipt = receipts.get(&env.site_packages.display().to_string()).cloned().unwrap_or_default();
        let shipped = if receipt.shipped.is_empty() { versions(env) } else { receipt.shipped.clone() };
        Some(Node { env, markers, receipt, shipped })
    }

    fn plan_group(
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
            let lines = requirements.flat_map(|(_, requirements, _)| &requirements.opaque);
            install.opaque.extend(lines.map(|line| mark(&line.text)));
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
    fn install(&self, node: &Node<'_>, common: &Common<'_>, options: &mut StepOptions) -> PythonInstall {
        let pip = &self.pip;
        let only_pip = pip.only_pip.as_ref().is_some_and(|setting| setting.value);
        let uv = pip.uv.as_ref().filter(|_| !only_pip);
        PythonInstall {
            interpreter: node.env.interpreter.clone(),
            site_packages: node.env.site_packages.clone(),
            virtualenv: node.env.virtualenv,
            requirements: Vec::new(),
            requirement_files: Vec::new(),
            wheels: Vec::new(),
            opaque: Vec::new(),
            sources: DistributionSources {
                index_url: pip.index_url.as_ref().map(|url| url.value.clone()),
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

    /// Plans the removal of distributions that must not be installed: one step for all required entries, and one for
    /// each optional entry.
    fn removals(&self, node: &Node<'_>, planner: &mut Planner<'_, Action>) {
        let guarded = self.pip.guarded(&node.shipped);
        let asked = self.pip.absent.iter().filter_map(|entry| {
            let name = &entry.value;
            let is_installed = node.env.distributions.contains_key(name);
            if is_installed && guarded.contains_key(name) {
                let hint = format!("list `{name}` under `allow-change` in `[pip]`, too, if it may be removed");
                planner.refuse(&entry.origin, format!("the runtime ships `{name}`"), hint);
                return None;
            }
            Some(Asked { ready: (!is_installed).then(|| name.clone()), name: name.clone(), entry: entry.clone() })
        });
        let asked: Vec<_> = asked.collect();
        for group in planner.groups("pip.absent", Phase::Removals, &Lane::Python, asked) {
            let Group { entries, id, mut options, .. } = group;
            let environment = self.install(node, planner.common, &mut options);
            let names = entries.into_iter().map(|entry| entry.value).collect();
            planner.step(id, Action::Remove(Box::new(PythonRemoval { environment, names })), options);
        }
    }

    /// Refuses requirements that would change a distribution of the runtime. Changes that only a resolution reveals are
    /// refused when the step prepares.
    fn guard(&self, node: &Node<'_>, requests: &[Request], planner: &mut Planner<'_, Action>) {
        let guarded = self.pip.guarded(&node.shipped);
        let satisfied = Satisfied::new(node.env, &node.markers, &[]);
        let mut refuse = |origin: &Origin, message: String, name: &str| {
            let hint = format!("ask for a version that fits, or list `{name}` under `allow-change` in `[pip]`");
            planner.refuse(origin, message, hint);
        };
        for request in requests {
            for named in &request.requirements.named {
                let (requirement, name) = (&named.requirement, named.requirement.name.to_string());
                let Some(version) = guarded.get(&name).filter(|_| satisfied.counts(requirement)) else { continue };
                if !fits(requirement, version, || None) {
                    let message = format!("`{requirement}` would change `{name}` {version}, which the runtime ships");
                    refuse(&named.origin, message, &name);
                }
            }
            if let PackageRequest::Wheel(_, wheel) = &request.entry.value
                && let Some(version) = guarded.get(&wheel.name).filter(|version| **version != wheel.version)
            {
                let (name, other) = (&wheel.name, &wheel.version);
                let message =
                    format!("the wheel {name} {other} would change `{name}` {version}, which the runtime ships");
                refuse(&request.entry.origin, message, name);
            }
        }
    }
}

impl Pip {
    /// The distributions that may not change, with their versions.
    fn guarded(&self, shipped: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let is_on = self.guard.as_ref().is_none_or(|guard| guard.value);
        let is_guarded = |name: &String| is_on && self.allow_change.iter().all(|entry| entry.value != *name);
        let guarded = shipped.iter().filter(|(name, _)| is_guarded(name));
        guarded.map(|(name, version)| (name.clone(), version.clone())).collect()
    }
}

fn add(common: &Common<'_>, install: &mut PythonInstall, entry: &Entry<PackageRequest>, options: &mut StepOptions) {
    let origin = entry.origin.clone();
    match &entry.value {
        PackageRequest::Requirement(text) => {
            install.requirements.push(PythonRequirement { text: text.clone(), origin });
        }
        // The lock contains its packages, so the file itself is not needed.
        PackageRequest::File(file) if common.lock.is_some() => install
            .requirement_files
            .extend(common.inventory.asset(file).map(|found| std::path::PathBuf::from(found.asset.label()))),
        PackageRequest::File(file) => {
            install.requirement_files.extend(common.usable(file, &entry.origin, &mut options.stage));
        }
        PackageRequest::Wheel(file, name) => {
            if let Some(path) = common.usable(file, &entry.origin, &mut options.stage) {
                let (name, version) = (name.name.clone(), name.version.clone());
                let sha256 = common.locked_asset(file).or(file.sha256.as_ref());
                let sha256 = sha256.map(|digest| digest.hex().to_owned());
                install.wheels.push(Wheel { path, name, version, sha256, origin });
            }
        }
    }
}

/// The locked distributions that are missing; empty without a lock.
fn lacking(common: &Common<'_>, node: &Node<'_>, requests: &[Request]) -> Lacking {
    let mut lacking = Lacking::new();
    if common.lock.is_none() {
        return lacking;
    }
    let is_installed = |locked: &LockedDistribution| {
        let found = node.env.distributions.get(&locked.name);
        found.is_some_and(|found| found.is_complete && found.version == locked.version)
    };
    for request in requests {
        let group = request.entry.optional.then(|| request.entry.value.name());
        let missing = common.locked_and_missing(
            |section| &section.python,
            |locked| &locked.only_for,
            group.as_deref(),
            is_installed,
        );
        lacking.insert(group, missing.unwrap_or_default());
    }
    lacking
}

/// Whether an entry needs no work.
fn is_ready(common: &Common<'_>, node: &Node<'_>, lacking: &Lacking, request: &Request) -> bool {
    let group = request.entry.optional.then(|| request.entry.value.name());
    match lacking.get(&group) {
        None => is_installed(node, request, None),
        Some(lacking) => {
            let lacks = lacking.iter().any(|file| is_own(&file.only_for, group.as_deref()));
            !lacks && is_locked(common, node, request)
        }
    }
}

/// Whether an entry is satisfied if all locked distributions are installed. A wheel must be installed itself. For a
/// name, any distribution of that name is enough.
fn is_locked(common: &Common<'_>, node: &Node<'_>, request: &Request) -> bool {
    if let PackageRequest::Wheel(file, _) = &request.entry.value {
        return is_installed(node, request, common.locked_asset(file));
    }
    let satisfied = Satisfied::new(node.env, &node.markers, &[]);
    let mut named = request.requirements.named.iter().map(|named| &named.requirement);
    named.all(|wanted| !satisfied.counts(wanted) || node.env.distributions.contains_key(wanted.name.as_ref() as &str))
}

fn is_installed(node: &Node<'_>, request: &Request, locked: Option<&Digest>) -> bool {
    let requirements = &request.requirements;
    let satisfied = Satisfied::new(node.env, &node.markers, &requirements.constraints);
    let PackageRequest::Wheel(file, wheel) = &request.entry.value else {
        let known = |text: &String| node.receipt.opaque.contains(&mark(text));
        return requirements.named.iter().all(|named| satisfied.is(&named.requirement))
            && requirements.opaque.iter().all(|line| known(&line.text));
    };
    let wanted = format!("{}=={}", wheel.name, wheel.version).parse();
    let is_installed = wanted.is_ok_and(|wanted| satisfied.is(&wanted));
    let same_bytes = locked
        .or(file.sha256.as_ref())
        .is_none_or(|wanted| node.receipt.wheels.get(&wheel.name).is_none_or(|known| known == wanted.hex()));
    is_installed && same_bytes
}

/// The problem of a distribution that is missing in the lock.
fn uncovered(
    common: &Common<'_>,
    node: &Node<'_>,
    entries: &[Entry<PackageRequest>],
    missing: &[(String, Requirements, Origin)],
    install: &PythonInstall,
) -> Option<Problem> {
    let section = common.locked()?;
    let satisfied = Satisfied::new(node.env, &node.markers, &[]);
    let is_installed = |name: &String| {
        node.env.distributions.contains_key(name)
            || section.python.iter().any(|file| file.name == *name)
            || install.wheels.iter().any(|wheel| wheel.name == *name)
    };
    let of_group = missing.iter().filter(|(_, _, origin)| entries.iter().any(|entry| entry.origin == *origin));
    let name = of_group
        .flat_map(|(_, requirements, _)| &requirements.named)
        .filter(|named| satisfied.counts(&named.requirement))
        .map(|named| named.requirement.name.to_string())
        .find(|name| !is_installed(name))?;
    Some(common.not_locked(&entries[0], &name))
}

/// Refuses two logins for one host if the tools support only one. A netrc file has hosts, but no paths or ports.
fn one_login_a_host(logins: &[Login], planner: &mut Planner<'_, Action>) {
    for (index, second) in logins.iter().enumerate().filter(|(_, login)| login.by_host) {
        let host = second.login.url_prefix.host();
        let same_host = |first: &&Login| first.by_host && first.login.url_prefix.host() == host;
        let differs =
            |first: &&Login| (&first.login.user, &first.login.from) != (&second.login.user, &second.login.from);
        if let Some(first) = logins[..index].iter().filter(same_host).find(differs) {
            let message = format!(
                "pip and uv can have one login for a host, and `{host}` has two: at {} and at {}",
                first.origin, second.origin
            );
            let hint = "give one user the rights to both, or limit one of them with `when`".to_owned();
            planner.refuse(&second.origin, message, hint);
        }
    }
}

/// A digest of the lines of a requirements file and of its included files. Only the digest is stored, because a line
/// may contain a secret.
fn digest_of_lines(inventory: &Inventory, entry: &Entry<crate::profile::AssetRef>) -> String {
    let Some(found) = inventory.asset(&entry.value) else { return "missing".to_owned() };
    let text = String::from_utf8_lossy(found.bytes.as_deref().unwrap_or_default());
    let read = Requirements::read(&found.asset.label(), &text, found.asset.folder()).unwrap_or_default();
    let lines: Vec<String> = read.lines.into_iter().map(|line| line.text).collect();
    Digest::sha256(lines.join("\n").as_bytes()).hex()[..16].to_owned()
}

/// The digest by which a line without a name is remembered. The line itself may hold a password.
fn mark(line: &str) -> String {
    Digest::sha256(line.as_bytes()).hex().to_owned()
}

fn versions(env: &PythonEnv) -> BTreeMap<String, String> {
    env.distributions.values().map(|found| (found.name.clone(), found.version.clone())).collect()
}
