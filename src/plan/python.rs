//! Plans Python: requirements and wheels that are not there, and the guard over what the runtime ships.

use std::collections::BTreeMap;

use super::{
    Action, Lane, PythonInstall, PythonInstaller, PythonRequirement, Wheel,
    build::{Builder, Terms, groups, terms_of},
    logins::{Section, with_passwords},
    satisfied::{Satisfied, fits},
};
use crate::{
    diagnostic::Origin,
    digest::Digest,
    facts::{PythonEnv, python::WheelName},
    lock::{LockedDistribution, is_own},
    problem::Problem,
    profile::{Asset, AssetRef, Entry, requirements::Requirements},
    state::PythonReceipt,
};

/// One thing asked of a Python environment.
#[derive(Clone)]
enum Wanted {
    Requirement(String),
    File(AssetRef),
    Wheel(AssetRef, WheelName),
}

/// An entry with what it means, read.
struct Read {
    entry: Entry<Wanted>,
    requirements: Requirements,
}

/// What is known of the environment beside its files.
struct Node<'a> {
    env: &'a PythonEnv,
    markers: pep508_rs::MarkerEnvironment,
    receipt: PythonReceipt,
    /// What the runtime shipped: as recorded before the first change, else what is there now.
    shipped: BTreeMap<String, String>,
}

impl Builder<'_> {
    pub(super) fn python(&mut self) {
        let Some(python) = &self.inventory.python else { return };
        let pip = &self.profile.pip;
        let first = pip.packages.first().map(|entry| &entry.origin);
        let first = first.or(pip.requirements.first().map(|entry| &entry.origin));
        let Some(first) = first.or(self.profile.wheels.first().map(|entry| &entry.origin)) else { return };
        let env = match python {
            Ok(env) => env,
            Err(error) => {
                let origin = pip.python.as_ref().map_or(first, |python| &python.origin).clone();
                let hint = "name the interpreter of the environment with `python` in `[pip]`".to_owned();
                return self.refuse(&origin, error.to_string(), hint);
            }
        };
        let Some(markers) = env.markers(&self.facts.arch) else {
            let origin = first.clone();
            return self.refuse(
                &origin,
                format!("the version of `{}` cannot be told", env.interpreter.display()),
                None,
            );
        };
        let receipt =
            self.inventory.receipt.python.get(&env.site_packages.display().to_string()).cloned().unwrap_or_default();
        let shipped = if receipt.shipped.is_empty() { versions(env) } else { receipt.shipped.clone() };
        let node = Node { env, markers, receipt, shipped };
        let all = self.read_all(&node);
        self.guard(&node, &all);
        let mut lacking: BTreeMap<Option<String>, Vec<LockedDistribution>> = BTreeMap::new();
        if self.locked.is_some() {
            let groups = all.iter().map(|read| read.entry.optional.then(|| name(&read.entry.value)));
            for group in groups {
                let missing = self.locked_distributions(group.as_deref(), |locked| is_locked_there(&node, locked));
                lacking.insert(group, missing.unwrap_or_default());
            }
        }
        let (ready, missing): (Vec<Read>, Vec<Read>) = all.into_iter().partition(|read| {
            let group = read.entry.optional.then(|| name(&read.entry.value));
            match lacking.get(&group) {
                None => is_there(&node, read, None),
                Some(lacking) => {
                    let lacks = lacking.iter().any(|file| is_own(&file.only_for, group.as_deref()));
                    !lacks && self.is_locked(&node, read)
                }
            }
        });
        if !ready.is_empty() {
            let names: Vec<String> = ready.iter().map(|read| name(&read.entry.value)).collect();
            self.ready(format!("pip: {}", names.join(", ")));
        }
        let apt = self.steps_in(&Lane::Apt);
        let beside_apt = pip.beside_apt.as_ref().is_some_and(|setting| setting.value);
        let opaque: BTreeMap<String, Vec<String>> = missing
            .iter()
            .map(|read| {
                (name(&read.entry.value), read.requirements.opaque.iter().map(|line| mark(&line.text)).collect())
            })
            .collect();
        let names = named_in(&node, &missing);
        let logins = self.logins(Section::Python);
        if !missing.is_empty() {
            self.one_login_a_host(&logins);
        }
        for group in groups(missing.into_iter().map(|read| read.entry).collect()) {
            let mut terms = terms_of(&group, Lane::Python);
            terms.logins.clone_from(&logins);
            if !beside_apt {
                terms.needs.clone_from(&apt);
            }
            let id = if terms.optional { format!("pip:{}", name(&group[0].value)) } else { "pip".to_owned() };
            let mut install = self.install(&node, &mut terms);
            install.opaque =
                group.iter().flat_map(|entry| opaque.get(&name(&entry.value)).cloned().unwrap_or_default()).collect();
            for entry in &group {
                self.add(&mut install, entry, &mut terms);
            }
            let of = terms.optional.then(|| name(&group[0].value));
            install.locked = lacking.get(&of).cloned();
            // What is optional goes its own way.
            install.layer = if of.is_none() { self.python_layer(node.env).and_then(Result::ok) } else { None };
            let uncovered = self.uncovered_python(&node, &group, &names, &install);
            let optional = terms.optional;
            if !(install.is_only_wheels() && install.wheels.is_empty()) {
                self.step(id, Action::PythonInstall(install), terms);
            }
            match uncovered {
                Some(why) if optional => self.doom(why),
                why => self.plan.refusals.extend(why),
            }
        }
    }

    fn add(&self, install: &mut PythonInstall, entry: &Entry<Wanted>, terms: &mut Terms) {
        let origin = entry.origin.clone();
        match &entry.value {
            Wanted::Requirement(text) => install.requirements.push(PythonRequirement { text: text.clone(), origin }),
            // What it asks for is in the lock; the file itself has done its work.
            Wanted::File(file) if self.locked.is_some() => install
                .requirement_files
                .extend(self.inventory.asset(file).map(|found| std::path::PathBuf::from(found.asset.label()))),
            Wanted::File(file) => install.requirement_files.extend(self.usable(file, &entry.origin, &mut terms.stage)),
            Wanted::Wheel(file, name) => {
                if let Some(path) = self.usable(file, &entry.origin, &mut terms.stage) {
                    let (name, version) = (name.name.clone(), name.version.clone());
                    let sha256 = self.locked_asset(file).or(file.sha256.as_ref());
                    let sha256 = sha256.map(|digest| digest.hex().to_owned());
                    install.wheels.push(Wheel { path, name, version, sha256, origin });
                }
            }
        }
    }

    /// The action of this profile, with nothing asked for yet.
    fn install(&self, node: &Node<'_>, terms: &mut Terms) -> PythonInstall {
        let pip = &self.profile.pip;
        let only_pip = pip.only_pip.as_ref().is_some_and(|setting| setting.value);
        let guarded = if self.guard_is_on() {
            let allowed = |name: &String| pip.allow_change.iter().any(|entry| entry.value == *name);
            node.shipped
                .iter()
                .filter(|(name, _)| !allowed(name))
                .map(|(name, version)| (name.clone(), version.clone()))
                .collect()
        } else {
            BTreeMap::new()
        };
        let uv = pip.uv.as_ref().filter(|_| !only_pip);
        PythonInstall {
            interpreter: node.env.interpreter.clone(),
            site_packages: node.env.site_packages.clone(),
            virtualenv: node.env.virtualenv,
            requirements: Vec::new(),
            requirement_files: Vec::new(),
            wheels: Vec::new(),
            opaque: Vec::new(),
            index_url: pip.index_url.as_ref().map(|url| url.value.clone()),
            extra_index_urls: pip.extra_index_urls.iter().map(|url| url.value.clone()).collect(),
            guarded,
            shipped: node.shipped.clone(),
            smoke: pip.smoke.iter().map(|module| module.value.clone()).collect(),
            installer: if only_pip {
                PythonInstaller::Pip
            } else {
                let uv = uv.and_then(|uv| self.usable(&uv.value, &uv.origin, &mut terms.stage));
                PythonInstaller::Automatic { uv }
            },
            compile: pip.compile.as_ref().is_none_or(|setting| setting.value),
            only_files: self.profile.only_digests,
            locked: None,
            layer: None,
        }
    }

    /// Whether an entry is there as the lock wants it, when all that was locked is: a wheel by itself, names by anything
    /// of the name.
    fn is_locked(&self, node: &Node<'_>, read: &Read) -> bool {
        if let Wanted::Wheel(file, _) = &read.entry.value {
            return is_there(node, read, self.locked_asset(file));
        }
        let satisfied = Satisfied::new(node.env, &node.markers, &[]);
        let mut named = read.requirements.named.iter().map(|named| &named.requirement);
        named.all(|wanted| {
            !satisfied.counts(wanted) || node.env.distributions.contains_key(wanted.name.as_ref() as &str)
        })
    }

    /// A distribution that the lock has nothing for.
    fn uncovered_python(
        &self,
        node: &Node<'_>,
        group: &[Entry<Wanted>],
        names: &[(Origin, String)],
        install: &PythonInstall,
    ) -> Option<Problem> {
        let section = self.locked?;
        let is_there = |name: &String| {
            node.env.distributions.contains_key(name)
                || section.python.iter().any(|file| file.name == *name)
                || install.wheels.iter().any(|wheel| wheel.name == *name)
        };
        let of_group = |origin: &Origin| group.iter().any(|entry| entry.origin == *origin);
        let (_, name) = names.iter().find(|(origin, name)| of_group(origin) && !is_there(name))?;
        Some(self.not_locked(&group[0], name))
    }

    fn guard_is_on(&self) -> bool {
        self.profile.pip.guard.as_ref().is_none_or(|guard| guard.value)
    }

    /// Every entry with what it means. What cannot be read or does not fit is refused.
    fn read_all(&mut self, node: &Node<'_>) -> Vec<Read> {
        let mut all = Vec::new();
        for entry in &self.profile.pip.packages {
            let text = &entry.value;
            let named = text
                .parse()
                .map(|requirement| crate::profile::requirements::Named { requirement, origin: entry.origin.clone() });
            let requirements = Requirements { named: named.into_iter().collect(), ..Requirements::default() };
            all.push(Read { entry: entry.with(Wanted::Requirement(text.clone())), requirements });
        }
        for entry in &self.profile.pip.requirements {
            if let Some(requirements) = self.read_file(entry) {
                all.push(Read { entry: entry.with(Wanted::File(entry.value.clone())), requirements });
            }
        }
        for entry in &self.profile.wheels {
            let file = entry.value.path.rsplit('/').next().unwrap_or_default();
            let Some(name) = WheelName::parse(file) else { continue };
            if let Err(misfit) = name.matches(node.env.version.1, &self.facts.arch, self.inventory.glibc) {
                let hint =
                    "put a wheel for this interpreter into the file store, or limit the entry with `when`".to_owned();
                self.refuse(&entry.origin, format!("`{file}` does not fit: {misfit}"), hint);
                continue;
            }
            all.push(Read {
                entry: entry.with(Wanted::Wheel(entry.value.clone(), name)),
                requirements: Requirements::default(),
            });
        }
        all
    }

    fn read_file(&mut self, entry: &Entry<AssetRef>) -> Option<Requirements> {
        let found = self.inventory.asset(&entry.value)?;
        let bytes = found.bytes.as_deref().unwrap_or_default();
        let Ok(text) = std::str::from_utf8(bytes) else {
            self.refuse(
                &entry.origin,
                format!("`{}` is not UTF-8 text", found.asset.label()),
                "save the file as UTF-8".to_owned(),
            );
            return None;
        };
        match Requirements::read(&found.asset.label(), text, found.asset.folder()) {
            Ok(requirements) => {
                let is_copied = found.digest.is_some() || matches!(found.asset, Asset::BuiltIn { .. });
                if let Some(origin) = requirements.relative.first().filter(|_| is_copied) {
                    let message = format!(
                        "`{}` has a digest and names other files, which the digest does not cover",
                        entry.value.path
                    );
                    let hint = "put all requirements into one file, or leave `sha256` out".to_owned();
                    self.refuse(origin, message, hint);
                    return None;
                }
                let passwords = with_passwords(&requirements);
                for origin in &passwords {
                    let hint = "write the address without, and name the user and the key of the password under \
                                `[[logins]]` in the profile";
                    self.refuse(origin, "the line holds a password", hint.to_owned());
                }
                passwords.is_empty().then_some(requirements)
            }
            Err(error) => {
                self.refuse(&error.origin, error.to_string(), "put the file beside the one that names it".to_owned());
                None
            }
        }
    }

    /// Refuses what would change a distribution that the runtime ships, as far as the requirements themselves tell.
    /// What only a resolution shows is refused when the step prepares.
    fn guard(&mut self, node: &Node<'_>, all: &[Read]) {
        if !self.guard_is_on() {
            return;
        }
        let satisfied = Satisfied::new(node.env, &node.markers, &[]);
        let mut broken: Vec<(Origin, String, String)> = Vec::new();
        for read in all {
            for named in &read.requirements.named {
                let name = named.requirement.name.to_string();
                let allowed = self.profile.pip.allow_change.iter().any(|entry| entry.value == name);
                if let Some(version) =
                    node.shipped.get(&name).filter(|_| !allowed && satisfied.counts(&named.requirement))
                    && !fits(&named.requirement, version, || None)
                {
                    let message =
                        format!("`{}` would change `{name}` {version}, which the runtime ships", named.requirement);
                    broken.push((named.origin.clone(), message, name));
                }
            }
            if let Wanted::Wheel(_, wheel) = &read.entry.value {
                let allowed = self.profile.pip.allow_change.iter().any(|entry| entry.value == wheel.name);
                if let Some(version) =
                    node.shipped.get(&wheel.name).filter(|version| !allowed && **version != wheel.version)
                {
                    let message = format!(
                        "the wheel {} {} would change `{}` {version}, which the runtime ships",
                        wheel.name, wheel.version, wheel.name
                    );
                    broken.push((read.entry.origin.clone(), message, wheel.name.clone()));
                }
            }
        }
        for (origin, message, name) in broken {
            self.refuse(
                &origin,
                message,
                format!("ask for a version that fits, or list `{name}` under `allow-change` in `[pip]`"),
            );
        }
    }
}

/// The names that requirements ask for on this interpreter, each with the entry that does.
fn named_in(node: &Node<'_>, missing: &[Read]) -> Vec<(Origin, String)> {
    let satisfied = Satisfied::new(node.env, &node.markers, &[]);
    let named =
        missing.iter().flat_map(|read| read.requirements.named.iter().map(|named| (read.entry.origin.clone(), named)));
    let counting = named.filter(|(_, named)| satisfied.counts(&named.requirement));
    counting.map(|(origin, named)| (origin, named.requirement.name.to_string())).collect()
}

/// Whether a locked distribution is there, whole and in its version.
fn is_locked_there(node: &Node<'_>, locked: &LockedDistribution) -> bool {
    let found = node.env.distributions.get(&locked.name);
    found.is_some_and(|found| found.is_complete && found.version == locked.version)
}

fn is_there(node: &Node<'_>, read: &Read, locked: Option<&Digest>) -> bool {
    let satisfied = Satisfied::new(node.env, &node.markers, &read.requirements.constraints);
    let known = |text: &String| node.receipt.opaque.contains(&mark(text));
    let requirements = read.requirements.named.iter().all(|named| satisfied.is(&named.requirement))
        && read.requirements.opaque.iter().all(|line| known(&line.text));
    match &read.entry.value {
        Wanted::Wheel(file, wheel) => {
            let wanted = format!("{}=={}", wheel.name, wheel.version).parse();
            let is_installed = wanted.is_ok_and(|wanted| satisfied.is(&wanted));
            let same_bytes = locked
                .or(file.sha256.as_ref())
                .is_none_or(|wanted| node.receipt.wheels.get(&wheel.name).is_none_or(|known| known == wanted.hex()));
            is_installed && same_bytes
        }
        _ => requirements,
    }
}

/// What is remembered of a line without a name. Not the line itself: it may be an address with a password.
fn mark(line: &str) -> String {
    Digest::sha256(line.as_bytes()).hex().to_owned()
}

fn versions(env: &PythonEnv) -> BTreeMap<String, String> {
    env.distributions.values().map(|found| (found.name.clone(), found.version.clone())).collect()
}

fn name(wanted: &Wanted) -> String {
    match wanted {
        Wanted::Requirement(text) => text.clone(),
        Wanted::File(file) => file.path.clone(),
        Wanted::Wheel(_, wheel) => format!("{} {}", wheel.name, wheel.version),
    }
}
