//! The certificates of `[cert]` during a run: the agent and the programs of the run trust them from its beginning, long
//! before they are in the stores of the node.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use super::job::{Job, in_own_thread, runner};
use crate::{
    certificate::{Certificate, ders_in, pem_of},
    digest::Digest,
    facts::AuthorityStore,
    fs::{self, Attributes},
    inventory::{Inventory, below},
    kinds::{Kind, Plan},
    problem::Problem,
    profile::Assets,
    steps::{Context, stage},
};

/// The folder of the files for programs, in the cache of the agent.
const FOLDER: &str = "certificates";
/// Variables of the environment that name bundles. The programs of a run keep trusting these certificates.
const BUNDLES: [&str; 3] = ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"];
/// Further variables that programs of a run get. libcurl of git ignores those of curl.
const ALSO: [&str; 2] = ["NODE_EXTRA_CA_CERTS", "GIT_SSL_CAINFO"];
/// The variable that names a configuration file of apt. All other files of apt precede it.
const APT: &str = "APT_CONFIG";

/// Lets the agent trust the certificates of the file store. Call it after access was decided and before anything else
/// is fetched. Files that cannot be used are reported when the run is planned.
pub(super) async fn trust_files(job: &Arc<Job>) {
    if job.profile.sections.cert.files.is_empty() {
        return;
    }
    if let Ok(certificates) = in_own_thread(job, |job| Ok(of_file_store(job))).await {
        trust(job, &certificates);
    }
}

/// Lets the agent and the programs of a run trust all certificates of the profile. Those on servers are fetched.
///
/// # Errors
/// If a file on a server cannot be fetched that the node needs.
pub(super) async fn trust_all(
    job: &Arc<Job>,
    plan: &Plan,
    inventory: &Inventory,
    ctx: &mut Context,
) -> Result<(), Vec<Problem>> {
    let cert = &job.profile.sections.cert;
    if cert.files.is_empty() {
        return Ok(());
    }
    let mut certificates = cert.present(inventory, &ctx.cache);
    for step in plan.steps.iter().filter(|step| step.action.of_kind() == Some(Kind::Cert)) {
        let own = Context { logins: ctx.logins.of_step(&step.logins), ..ctx.clone() };
        match stage(&own, &step.stage).await {
            Err(problem) if !step.optional => return Err(vec![problem]),
            // The step itself reports it.
            Err(_) => continue,
            Ok(()) => {}
        }
        let files = step.stage.iter().filter_map(|staged| std::fs::read(&staged.to).ok());
        certificates.extend(files.filter_map(|bytes| Certificate::read(&bytes).ok()).flatten());
    }
    trust(job, &certificates);
    let variables = variables_of_programs(job, ctx, &certificates).map_err(|problem| vec![problem])?;
    ctx.runner = runner(job, ctx.build_slots.clone(), variables);
    Ok(())
}

fn of_file_store(job: &Job) -> Vec<Certificate> {
    let assets = Assets { store: &job.filestore, unit: job.profile.business_unit.as_deref(), folders: None };
    let files = job.profile.sections.cert.files.iter().filter(|entry| entry.value.urls.is_empty());
    let read = files.filter_map(|entry| {
        let asset = assets.find(&entry.value, &entry.origin).ok()?;
        let bytes = assets.read(&entry.value, &asset, &entry.origin).ok()?;
        let digest = Digest::sha256(&bytes);
        let is_expected = entry.value.sha256.as_ref().is_none_or(|expected| digest == *expected);
        Certificate::read(&bytes).ok().filter(|_| is_expected && is_locked(job, &entry.value.path, &digest))
    });
    read.flatten().collect()
}

/// Whether the lock, if there is one, has this content of a file for some runtime. The section of this node is known
/// only after the node was inspected.
fn is_locked(job: &Job, path: &str, digest: &Digest) -> bool {
    let Some(file) = &job.profile.lock else { return true };
    file.lock.sections.iter().any(|section| section.asset(path).is_some_and(|locked| locked.sha256 == *digest))
}

fn trust(job: &Job, certificates: &[Certificate]) {
    job.clouds.http.trust(certificates.iter().map(|certificate| certificate.der().to_vec()).collect());
}

/// Writes the bundle for the programs of the run, and returns the variables that name it. Without a bundle of the
/// system there are none: programs would lose the authorities that they have built in.
fn variables_of_programs(
    job: &Job,
    ctx: &Context,
    certificates: &[Certificate],
) -> Result<BTreeMap<String, Option<String>>, Problem> {
    let env = &job.facts.env;
    let system = AuthorityStore::of(&job.root).map(|store| below(&job.root, Path::new(store.bundle)));
    let named = BUNDLES.iter().filter_map(|name| env.get(*name).map(|path| Path::new(path).to_owned()));
    let texts: Vec<Vec<u8>> = system.into_iter().chain(named).filter_map(|path| std::fs::read(path).ok()).collect();
    if texts.is_empty() {
        return Ok(BTreeMap::new());
    }
    let own = certificates.iter().map(|certificate| certificate.der().to_vec());
    let mut seen = BTreeSet::new();
    let all = texts.iter().flat_map(|text| ders_in(text)).chain(own).filter(|der| seen.insert(der.clone()));
    let bundle: String = all.map(|der| pem_of(&der)).collect();
    let folder = ctx.cache.join(FOLDER);
    let file = folder.join(format!("{}.pem", job.profile.name));
    let path = file.display().to_string();
    write(&file, &bundle)?;
    let variables = BUNDLES.iter().chain(&ALSO).map(|name| ((*name).to_owned(), Some(path.clone())));
    let mut variables: BTreeMap<_, _> = variables.collect();
    if !env.contains_key(APT) {
        let conf = folder.join(format!("{}.apt.conf", job.profile.name));
        write(&conf, &format!("Acquire::https::CaInfo \"{path}\";\n"))?;
        variables.insert(APT.to_owned(), Some(conf.display().to_string()));
    }
    Ok(variables)
}

/// Writes a file that every user can read: apt and hooks run programs as other users.
fn write(path: &Path, text: &str) -> Result<(), Problem> {
    if std::fs::read(path).is_ok_and(|found| found == text.as_bytes()) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        fs::create_dirs(folder, 0o755)?;
    }
    Ok(fs::replace(path, text.as_bytes(), Attributes::mode(0o644))?)
}
