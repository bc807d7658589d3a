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
    kinds::{Profile, secrets_of_stage},
    problem::Problem,
    secrets::Address,
};

/// The permission that a profile of a unit requires.
pub fn use_of(profile: &Profile) -> Option<AccessRequest> {
    profile.business_unit.clone().map(|unit| AccessRequest::UseProfile { unit })
}

/// The profile, the node and the rules of a decision.
#[derive(Clone, Copy)]
pub struct AccessCheck<'a> {
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
    pub audit_error: Option<FsError>,
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
                self.audit_error.get_or_insert(error);
            }
        }
    }
}

/// A requested resource and its origin.
struct AccessNeed<'a> {
    request: AccessRequest,
    origin: Option<&'a Origin>,
    address: Option<&'a Address>,
}

impl<'a> AccessCheck<'a> {
    /// Decides about all requests of the profile, and fetches its secrets. Passwords of logins are fetched and recorded
    /// later, when a step needs them.
    ///
    /// # Errors
    /// Every denial. Nothing was fetched then.
    pub async fn fetch(&self) -> Result<(Granted, Vault), Vec<Problem>> {
        let granted = self.decide().await?;
        Ok(self.fetch_granted(granted).await)
    }

    /// Decides about all requests of the profile. Nothing is fetched yet.
    ///
    /// # Errors
    /// Every denial.
    pub async fn decide(&self) -> Result<Granted, Vec<Problem>> {
        let needs = self.needs();
        let requests: Vec<AccessRequest> = needs.iter().map(|need| need.request.clone()).collect();
        let node = Identity::of_node(self.facts, self.root);
        let Evaluation { identity, decisions } = evaluate(self.access, node, self.clouds, &requests).await;
        let decided: Vec<(&AccessNeed<'_>, &Decision)> = needs.iter().zip(&decisions).collect();
        let audit_error = self.write_decisions(&identity, &decided);
        let denied = decided.iter().filter(|(_, decision)| !decision.allowed);
        let denied: Vec<Problem> = denied.map(|(need, _)| self.failure(&identity, need)).collect();
        if !denied.is_empty() {
            return Err(denied);
        }
        let by_address = decided
            .iter()
            .filter_map(|(need, decision)| Some((need.address?.clone(), (need.origin.cloned(), (*decision).clone()))))
            .collect();
        Ok(Granted { identity, by_address, written: BTreeSet::new(), audit_error })
    }

    /// Fetches the granted secrets, without the passwords of logins.
    pub async fn fetch_granted(&self, mut granted: Granted) -> (Granted, Vault) {
        // The secrets of another stage are fetched when that stage runs.
        let vault = Vault::fetch(&secrets_of_stage(self.profile), self.clouds).await;
        granted.write_down(&vault, self.audit);
        (granted, vault)
    }

    fn write_decisions(&self, identity: &Identity, decided: &[(&AccessNeed<'_>, &Decision)]) -> Option<FsError> {
        let mut log = self.audit?.lock().unwrap_or_else(PoisonError::into_inner);
        let mut audit_error = None;
        // Without an access file there are no decisions, except about profiles of other units.
        for (need, decision) in decided.iter().filter(|(_, decision)| !decision.allowed || decision.rule.is_some()) {
            if let Err(error) = log.decided(identity, &need.request, need.origin, decision) {
                audit_error.get_or_insert(error);
            }
        }
        audit_error
    }

    fn needs(&self) -> Vec<AccessNeed<'a>> {
        let use_profile = use_of(self.profile).map(|request| AccessNeed {
            request,
            origin: self.profile.business_unit_at.as_ref(),
            address: None,
        });
        let secrets = self.profile.sections.secrets.items.iter().map(|entry| AccessNeed {
            request: AccessRequest::read_at(&entry.value.scope, &entry.value.key, &entry.value.from),
            origin: Some(&entry.origin),
            address: Some(&entry.value.from),
        });
        let used = self.profile.sections.secrets.used.iter().map(|entry| AccessNeed {
            request: AccessRequest::read_at(&entry.value.scope, &entry.value.key, &entry.value.from),
            origin: Some(&entry.origin),
            address: Some(&entry.value.from),
        });
        let logins = self.profile.sections.secrets.logins.iter().map(|entry| AccessNeed {
            request: AccessRequest::read_at(&entry.value.scope, &entry.value.key, &entry.value.from),
            origin: Some(&entry.origin),
            address: Some(&entry.value.from),
        });
        // A secret with several destinations is requested once.
        let mut seen = BTreeSet::new();
        let mut needs: Vec<AccessNeed<'a>> = use_profile.into_iter().chain(secrets).chain(used).chain(logins).collect();
        needs.retain(|need| seen.insert(need.request.clone()));
        needs
    }

    fn failure(&self, identity: &Identity, need: &AccessNeed<'_>) -> Problem {
        let Denial { mut message, mut causes, mut hint } = Denial::new(self.access, identity, &need.request);
        if let AccessRequest::UseProfile { unit } = &need.request {
            let clusters = self.facts.business_unit.as_deref().unwrap_or_default();
            let (foreign, without_grants) = foreign_profile(&self.profile.name, unit, clusters);
            message = foreign;
            if self.access.is_off() {
                causes.clear();
                hint = without_grants;
            }
        }
        Problem { causes, origin: need.origin.cloned(), ..Problem::new(message).hint(hint) }
    }
}
