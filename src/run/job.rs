//! The options of a run, and the services that its parts share.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::{Arc, Mutex},
};

use crate::{
    auth::{Access, AuditLog},
    cloud::Clouds,
    digest::Digest,
    exec::{self, Runner, SystemRunner},
    facts::NodeFacts,
    kinds::Profile,
    lock::LockedGit,
    problem::Problem,
    profile::FileStore,
    report::event::{EventKind, Events},
    store::StoreLocations,
};

/// The options of a run.
pub struct Job {
    /// The run's name.
    pub run: String,
    /// The profile.
    pub profile: Profile,
    /// The node's facts, for conditions.
    pub facts: NodeFacts,
    /// The file store.
    pub filestore: FileStore,
    /// The artefact store.
    pub store_locations: StoreLocations,
    /// The access rules.
    pub access: Access,
    /// The audit log.
    pub audit: Option<Mutex<AuditLog>>,
    /// The clouds that secrets come from.
    pub clouds: Arc<Clouds>,
    /// The root of the node's file system.
    pub root: PathBuf,
    /// The folder for logs of programs. It exists.
    pub logs: PathBuf,
    /// Whether further steps start after a required step has failed.
    pub keep_going: bool,
    /// Whether a failed optional step changes the exit status.
    pub strict: bool,
    /// The receiver of events.
    pub events: Events,
    /// The options for the post-start stage.
    pub later: StageOptions,
    /// For the post-start stage: the digests of files on servers, by their names in the profile.
    pub pinned: BTreeMap<String, Digest>,
    /// For the post-start stage: the commits of its git repositories.
    pub commits: Vec<LockedGit>,
}

/// The options of a launch run that its later stage needs.
#[derive(Debug, Clone, Default)]
pub struct StageOptions {
    /// The name or the path of the profile.
    pub request: String,
    /// The values of variables from the command line.
    pub sets: BTreeMap<String, String>,
    /// The arguments of the process, without the stage and the profile.
    pub arguments: Vec<String>,
}

/// Inspects the node. Reading the file store may block, so a remote store is read in a thread that is not the
/// runtime's.
pub(super) async fn in_own_thread<T: Send + 'static>(
    job: &Arc<Job>,
    work: impl FnOnce(&Job) -> Result<T, Vec<Problem>> + Send + 'static,
) -> Result<T, Vec<Problem>> {
    let job = Arc::clone(job);
    let done = crate::task::blocking(move || work(&job)).await;
    done.map_err(|error| vec![Problem::new(format!("the inspection of the node stopped unexpectedly: {error}"))])?
}

/// Passes these variables of this process to programs, in addition to the usual ones. Only the first call counts.
pub fn pass_environment(names: &BTreeSet<String>) {
    exec::pass_environment(names);
}

/// Starts the programs of the run. `variables` are those of the agent itself; the profile's precede them.
pub(super) fn runner(
    job: &Job,
    build_slots: Option<jobserver::Client>,
    mut variables: BTreeMap<String, Option<String>>,
) -> Arc<dyn Runner> {
    // Only the step that delivers a secret may read the content of its file.
    let withheld = job.profile.sections.secrets.withheld.iter().cloned();
    variables.extend(job.profile.sections.env.of_run(&exec::environment()));
    Arc::new(SystemRunner::new(build_slots, withheld).with_variables(variables))
}

/// Sends a warning.
pub(super) fn warn(job: &Job, text: String) {
    job.events.send(EventKind::Warning { text });
}
