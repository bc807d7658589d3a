//! Plans certificates: one step for the system's store, one for the keystores of Java and one for certifi. The steps of
//! Java and Python come after packages, which may bring or replace these files.

use std::collections::BTreeSet;

use super::{
    action::{Action, AddToSystem, ChangeKeystores, RemoveFromSystem, WriteCertifi},
    certifi,
    checked::{Cert, Store},
    java,
    look::Look,
    sources::{Certificates, Content, Source, present},
};
use crate::{
    certificate::{Certificate, Fingerprint},
    diagnostic::Origin,
    inventory::{Inventory, below},
    kinds::{
        contract::{LookAt, Planning},
        no_packages::plans_no_packages,
    },
    plan::{Address, Asked, Group, Lane, Phase, PlannedItem, Planner, Resource, StepOptions},
    problem::Problem,
    profile::AssetRef,
    state::WHOLE,
};

/// The section.
const CERT: &str = "cert";

impl Planning for Cert {
    type Look = Look;
    type Action = Action;

    fn look(&self, at: &LookAt<'_>) -> Look {
        Look::read(self, at)
    }

    plans_no_packages!();

    fn addresses(&self, _: &Inventory) -> Vec<Address> {
        Vec::new()
    }

    fn outline(&self) -> Vec<StepOptions> {
        let origins = self.origins();
        let options = |origins| StepOptions::for_origins(origins, CERT.to_owned(), Phase::Accounts);
        (!origins.is_empty()).then(|| options(origins)).into_iter().collect()
    }

    fn plan(&self, look: &Look, planner: &mut Planner<'_, Action>) {
        let sources = Source::all(&self.files, planner.common);
        let wanted = Wanted::of(&sources);
        let changes_system = self.plan_system(look, &sources, &wanted, planner);
        self.plan_java(look, &sources, &wanted, changes_system, planner);
        self.plan_certifi(look, &sources, &wanted, planner);
    }
}

/// The certificates of all files.
struct Wanted {
    /// Those that are known.
    fingerprints: BTreeSet<Fingerprint>,
    /// Whether all files are known.
    is_known: bool,
    /// Whether all files are known and can be used.
    is_whole: bool,
}

impl Wanted {
    fn of(sources: &[Source<'_>]) -> Self {
        let is_open = |source: &Source<'_>| matches!(source.content, Content::Unknown);
        let is_bad = |source: &Source<'_>| matches!(source.content, Content::Refused(_));
        Self {
            fingerprints: sources.iter().filter_map(|source| source.content.fingerprints()).flatten().collect(),
            is_known: !sources.iter().any(is_open),
            is_whole: !sources.iter().any(|source| is_open(source) || is_bad(source)),
        }
    }
}

impl Cert {
    /// The certificates of the profile that are on this node. The agent and the programs of a run trust them from its
    /// beginning.
    pub fn present(&self, inventory: &Inventory, cache: &std::path::Path) -> Vec<Certificate> {
        present(&self.files, inventory, cache)
    }

    fn origins(&self) -> Vec<Origin> {
        self.files.iter().map(|entry| entry.origin.clone()).collect()
    }

    /// Plans the system's store. Returns whether it changes.
    fn plan_system(
        &self,
        look: &Look,
        sources: &[Source<'_>],
        wanted: &Wanted,
        planner: &mut Planner<'_, Action>,
    ) -> bool {
        let store = look.os.as_ref().filter(|_| self.goes_to(Store::Os));
        if let (Some(origin), None) = (self.demands(Store::Os), store) {
            let hint = "install the package `ca-certificates` in the image, or remove `os` from `to`".to_owned();
            planner.refuse(origin, "this node has no store of certificates", hint);
        }
        let mut asked = Vec::new();
        for source in sources {
            let is_ready = match (source.content.fingerprints(), store) {
                (Some(fingerprints), Some(store)) => fingerprints.iter().all(|fingerprint| store.has(fingerprint)),
                (fingerprints, _) => fingerprints.is_some(),
            };
            let name = source.label();
            asked.push(Asked { entry: source.entry.clone(), ready: is_ready.then(|| name.clone()), name });
        }
        let groups = planner.groups(CERT, Phase::Accounts, &Lane::Certificates, asked);
        let mut is_changed = !groups.is_empty();
        for group in groups {
            self.plan_group(look, sources, group, planner);
        }
        is_changed |= self.plan_removal(look, wanted, planner);
        is_changed && look.os.is_some()
    }

    fn plan_group(
        &self,
        look: &Look,
        sources: &[Source<'_>],
        group: Group<AssetRef>,
        planner: &mut Planner<'_, Action>,
    ) {
        let Group { entries, id, mut options, .. } = group;
        options.logins = planner.logins();
        let own: Vec<&Source<'_>> = sources.iter().filter(|source| entries.contains(source.entry)).collect();
        let problem = own.iter().find_map(|source| match &source.content {
            Content::Refused(problem) => Some(problem.clone()),
            Content::Known(_) | Content::Fetched(_) | Content::Unknown => None,
        });
        let action = AddToSystem {
            profile: planner.common.profile.to_owned(),
            names: own.iter().map(|source| source.entry.value.file_name().to_owned()).collect(),
            certificates: Certificates::of(own.into_iter(), planner.common, &mut options.stage),
            store: look.os.as_ref().filter(|_| self.goes_to(Store::Os)).map(|os| os.store),
        };
        options.creates.extend(action.store.map(|store| Resource::Path(store.bundle.into())));
        planner.step_of_group(id, Action::Add(action), options, problem);
    }

    /// Plans the step that takes certificates back. Certificates of files that are not fetched yet stay.
    fn plan_removal(&self, look: &Look, wanted: &Wanted, planner: &mut Planner<'_, Action>) -> bool {
        let Some(os) = &look.os else { return false };
        // The general steps that take back must leave these files to the step of this kind.
        look.in_os.keys().for_each(|file| planner.makes(file, WHOLE, &[]));
        let is_whole = planner.common.inventory.missing.is_empty() && wanted.is_whole;
        let kept = wanted.fingerprints.iter().filter(|_| self.goes_to(Store::Os));
        let kept: BTreeSet<_> = kept.map(|fingerprint| os.store.file(fingerprint)).collect();
        let profile = planner.common.profile;
        let gone = look.in_os.iter().filter(|(file, _)| is_whole && !kept.contains(*file));
        let items: Vec<PlannedItem> = gone
            .map(|(file, item)| PlannedItem { profile: profile.to_owned(), file: file.clone(), item: item.clone() })
            .collect();
        if items.is_empty() {
            return false;
        }
        let options = StepOptions {
            lane: Some(Lane::Certificates),
            ..StepOptions::for_origins(Vec::new(), CERT.to_owned(), Phase::Accounts)
        };
        planner.step("cert:removed", Action::Remove(RemoveFromSystem { store: os.store, items }), options);
        true
    }

    fn plan_java(
        &self,
        look: &Look,
        sources: &[Source<'_>],
        wanted: &Wanted,
        changes_system: bool,
        planner: &mut Planner<'_, Action>,
    ) {
        let is_target = self.goes_to(Store::Java);
        let common = planner.common;
        let none = BTreeSet::new();
        let fingerprints = if is_target { &wanted.fingerprints } else { &none };
        let is_whole = (wanted.is_whole && common.inventory.missing.is_empty()) || !is_target;
        let removed: BTreeSet<Fingerprint> = {
            let recorded = look.in_java.values().flatten().filter(|_| is_whole);
            recorded.filter(|recorded| !fingerprints.contains(*recorded)).cloned().collect()
        };
        let receipt = &common.inventory.receipt;
        let is_open = |keystore: &&java::Keystore| {
            let is_ready = keystore.is_ready(receipt, common.profile, fingerprints, &removed);
            !is_ready || (is_target && !wanted.is_known)
        };
        let known: Vec<_> = look.keystores.iter().filter(is_open).map(|keystore| keystore.path.clone()).collect();
        // Packages bring JDKs, and Debian copies the system's store to a keystore.
        let installs = is_target && planner.earlier.step_of("apt").is_some();
        let is_copied = changes_system && !look.keystores.is_empty() && (is_target || !look.in_java.is_empty());
        if let Some(origin) = self.demands(Store::Java).filter(|_| look.keystores.is_empty() && !installs) {
            planner.refuse_with(java::no_keystore().asked_at(origin.clone()));
        }
        if known.is_empty() && removed.is_empty() && !installs && !is_copied {
            return;
        }
        if let Some(problem) = self.without_password(common.inventory) {
            return planner.refuse_with(problem);
        }
        let mut options = StepOptions {
            lane: Some(Lane::Keystores),
            uses: known.iter().cloned().map(Resource::Path).collect(),
            ..StepOptions::for_origins(
                if is_target { self.origins() } else { Vec::new() },
                CERT.to_owned(),
                Phase::Files,
            )
        };
        let own = sources.iter().filter(|_| is_target);
        let action = ChangeKeystores {
            profile: common.profile.to_owned(),
            certificates: Certificates::of(own, common, &mut options.stage),
            known,
            removed,
            java_home: look.java_home.clone(),
            password: self.java_password.as_ref().map(|password| password.value.clone()),
            scratch: common.cache.join("keystores"),
            is_demanded: self.demands(Store::Java).is_some(),
        };
        // The step of each file stages it.
        options.stage.clear();
        planner.step("cert:java", Action::Java(action), options);
    }

    /// The problem of a password that could not be fetched.
    fn without_password(&self, inventory: &Inventory) -> Option<Problem> {
        let password = self.java_password.as_ref()?;
        let error = inventory.vault.get(password.value.from.as_ref()?)?.err()?;
        let message = format!("the secret `{}` is not available: {error}", password.value.key);
        Some(Problem::new(message).hint(error.hint()).asked_at(password.origin.clone()))
    }

    fn plan_certifi(&self, look: &Look, sources: &[Source<'_>], wanted: &Wanted, planner: &mut Planner<'_, Action>) {
        if !self.goes_to(Store::Python) {
            return;
        }
        let installs = ["pip", "wheel"].iter().any(|section| planner.earlier.step_of(section).is_some());
        let demanded = self.demands(Store::Python);
        let Some(found) = &look.certifi else {
            if let Some(origin) = demanded {
                let message = format!("there is no Python environment of `{}`", self.interpreter.display());
                planner.refuse(origin, message, "correct `python` in `[pip]`, or remove `python` from `to`".to_owned());
            }
            return;
        };
        if let Some(origin) = demanded.filter(|_| !found.exists && !installs) {
            planner.refuse_with(certifi::no_certifi(&found.file).asked_at(origin.clone()));
        }
        let Some(first) = self.files.first().filter(|_| found.exists || installs) else { return };
        planner.writes(&found.file, &first.origin);
        planner.makes(&found.file, &found.part, &[]);
        let is_ready = wanted.is_known && found.certificates.as_ref() == Some(&wanted.fingerprints);
        // Packages that the run installs may replace certifi.
        let has_none = wanted.is_known && wanted.fingerprints.is_empty();
        if (is_ready && !installs) || has_none {
            return;
        }
        let mut options = StepOptions {
            creates: vec![Resource::Path(found.file.clone())],
            uses: vec![Resource::folder_of(&found.file)],
            ..StepOptions::for_origins(self.origins(), CERT.to_owned(), Phase::Files)
        };
        let action = WriteCertifi {
            profile: planner.common.profile.to_owned(),
            path: below(&planner.common.inventory.root, &found.file),
            file: found.file.clone(),
            certificates: Certificates::of(sources.iter(), planner.common, &mut options.stage),
            is_ready,
            is_demanded: demanded.is_some(),
        };
        // The step of each file stages it.
        options.stage.clear();
        planner.step("cert:python", Action::Certifi(action), options);
    }
}
