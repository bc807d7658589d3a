//! Decides, before anything is fetched, whether a profile may use everything that it requests. Then fetches the
//! secrets. Each decision and each fetch is recorded in the audit log.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{Mutex, PoisonError},
};

use crate::{
    auth::{Access, AccessRequest, AuditLog, Decision, Denial, Evaluation, Identity, evaluate, foreign_profile},
    cloud::Clouds,
    diagnostic::Origin,
    facts::NodeFacts,
    fs::FsError,
    inventory::Vault,
    kinds::Profile,
    problem::Problem,
    secrets::Address,
};

/// The permission that a profile of a unit requires.
pub fn use_of(profile: &Profile) -> Option<AccessRequest> {
    profile.business_unit.clone().map(|unit| AccessRequest::UseProfile { unit })
}

/// The profile, the node and the rules of a decision.
#[derive(Clone, Copy)]
pub struct Case<'a> {
    /// The profile.
    pub profile: &'a Profile,
    /// The node.
    pub facts: &'a NodeFacts,
    /// The access rules.
    pub access: &'a Access,
    /// The source of the node's identity and of its secrets.
    pub clouds: &'a Clouds,
    /// The root of the node's file system.
    pub root: &'a Path,
    /// The audit log.
    pub audit: Option<&'a Mutex<AuditLog>>,
}

/// The granted secrets and the results of the fetches.
pub struct Granted {
    identity: Identity,
    by_address: BTreeMap<Address, (Option<Origin>, Decision)>,
    /// Fetches that are recorded in the audit log.
    written: BTreeSet<Address>,
    /// Why the audit log is incomplete.
    pub trouble: Option<FsError>,
}

impl Granted {
    /// Records every fetch that is not recorded yet.
    pub fn write_down(&mut self, vault: &Vault, audit: Option<&Mutex<AuditLog>>) {
        let Some(audit) = audit else { return };
        let mut log = audit.lock().unwrap_or_else(PoisonError::into_inner);
        for (address, value) in vault.iter() {
            if !self.written.insert(address.clone()) {
                continue;
            }
            let (origin, decision) = self.by_address.get(address).map(|(origin, decision)| (origin, decision)).unzip();
            let origin = origin.and_then(Option::as_ref);
            if let Err(error) = log.fetched(&self.identity, address, origin, decision, value.err()) {
                self.trouble.get_or_insert(error);
            }
        }
    }
}

/// A requested resource and its origin.
struct Asked<'a> {
    request: AccessRequest,
    origin: Option<&'a Origin>,
    address: Option<&'a Address>,
}

impl<'a> Case<'a> {
    /// Decides about all requests of the profile, and fetches its secrets. Passwords of logins are fetched and recorded
    /// later, when a step needs them.
    ///
    /// # Errors
    /// Every denial. Nothing was fetched then.
    pub async fn fetch(&self) -> Result<(Granted, Vault), Vec<Problem>> {
        let asked = self.asked();
        let requests: Vec<AccessRequest> = asked.iter().map(|asked| asked.request.clone()).collect();
        let node = Identity::of_node(self.facts, self.root);
        let Evaluation { identity, decisions } = evaluate(self.access, node, self.clouds, &requests).await;
        let decided: Vec<(&Asked<'_>, &Decision)> = asked.iter().zip(&decisions).collect();
        let trouble = self.write_decisions(&identity, &decided);
        let denied = decided.iter().filter(|(_, decision)| !decision.allowed);
        let denied: Vec<Problem> = denied.map(|(asked, _)| self.failure(&identity, asked)).collect();
        if !denied.is_empty() {
            return Err(denied);
        }
        let by_address = decided
            .iter()
            .filter_map(|(asked, decision)| {
                Some((asked.address?.clone(), (asked.origin.cloned(), (*decision).clone())))
            })
            .collect();
        let secrets = &self.profile.sections.secrets;
        let delivered = secrets.items.iter().map(|entry| &entry.value.from);
        let used = secrets.used.iter().map(|entry| &entry.value.from);
        let vault = Vault::fetch(delivered.chain(used), self.clouds).await;
        let mut granted = Granted { identity, by_address, written: BTreeSet::new(), trouble };
        granted.write_down(&vault, self.audit);
        Ok((granted, vault))
    }

    fn write_decisions(&self, identity: &Identity, decided: &[(&Asked<'_>, &Decision)]) -> Option<FsError> {
        let mut log = self.audit?.lock().unwrap_or_else(PoisonError::into_inner);
        let mut trouble = None;
        // Without an access file there are no decisions, except about profiles of other units.
        for (asked, decision) in decided.iter().filter(|(_, decision)| !decision.allowed || decision.rule.is_some()) {
            if let Err(error) = log.decided(identity, &asked.request, asked.origin, decision) {
                trouble.get_or_insert(error);
            }
        }
        trouble
    }

    fn asked(&self) -> Vec<Asked<'a>> {
        let use_profile = use_of(self.profile).map(|request| Asked {
            request,
            origin: self.profile.business_unit_at.as_ref(),
            address: None,
        });
        let secrets = self.profile.sections.secrets.items.iter().map(|entry| Asked {
            request: AccessRequest::read_at(&entry.value.scope, &entry.value.key, &entry.value.from),
            origin: Some(&entry.origin),
            address: Some(&entry.value.from),
        });
        let used = self.profile.sections.secrets.used.iter().map(|entry| Asked {
            request: AccessRequest::read_at(&entry.value.scope, &entry.value.key, &entry.value.from),
            origin: Some(&entry.origin),
            address: Some(&entry.value.from),
        });
        let logins = self.profile.sections.secrets.logins.iter().map(|entry| Asked {
            request: AccessRequest::read_at(&entry.value.scope, &entry.value.key, &entry.value.from),
            origin: Some(&entry.origin),
            address: Some(&entry.value.from),
        });
        // A secret with several destinations is requested once.
        let mut seen = BTreeSet::new();
        let mut asked: Vec<Asked<'a>> = use_profile.into_iter().chain(secrets).chain(used).chain(logins).collect();
        asked.retain(|asked| seen.insert(asked.request.clone()));
        asked
    }

    fn failure(&self, identity: &Identity, asked: &Asked<'_>) -> Problem {
        let Denial { mut message, mut causes, mut hint } = Denial::new(self.access, identity, &asked.request);
        if let AccessRequest::UseProfile { unit } = &asked.request {
            let clusters = self.facts.business_unit.as_deref().unwrap_or_default();
            let (foreign, without_grants) = foreign_profile(&self.profile.name, unit, clusters);
            message = foreign;
            if self.access.is_off() {
                causes.clear();
                hint = without_grants;
            }
        }
        Problem { causes, origin: asked.origin.cloned(), ..Problem::new(message).hint(hint) }
    }
}
