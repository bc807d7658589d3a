//! Collects the steps of one kind. All kinds plan with it.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    awaited_path::AwaitedPath,
    draft::{Draft, EarlierWork, MadeItem},
    lock::LockInUse,
    logins::{self, Address, Login},
    phase::{Phase, Resource},
    step::{BY_LOCK, BY_PROFILE, Lane, Stage, StageCheck, Step},
    step_id::StepId,
};
use crate::{
    diagnostic::Origin,
    digest::Digest,
    facts::NodeFacts,
    inventory::Inventory,
    lock::{LockedGit, Section, is_for},
    problem::Problem,
    profile::{self, Asset, AssetRef, Entry, Order, PostStart, RunStage},
    report::event::Difference,
};

/// The inputs that every kind may use for planning.
#[derive(Debug)]
pub struct Common<'a> {
    /// The profile's name.
    pub profile: &'a str,
    /// The stage that is planned.
    pub stage: RunStage,
    /// The work after the launch.
    pub post_start: &'a PostStart,
    /// Whether every download needs a digest.
    pub only_digests: bool,
    /// The node's facts, for conditions.
    pub facts: &'a NodeFacts,
    /// The node's packages, users and files of the file store.
    pub inventory: &'a Inventory,
    /// The agent's cache. Verified copies of files are stored there.
    pub cache: &'a Path,
    /// The lock that the plan uses.
    pub lock: Option<LockInUse<'a>>,
    /// For the post-start stage: the commits that the lock of the launch has for its repositories.
    pub launched_commits: &'a [LockedGit],
    /// The logins of the profile.
    pub logins: Vec<&'a Entry<profile::Login>>,
    /// The addresses in the profile.
    pub addresses: Vec<Address>,
    /// Whether the plan is made to resolve a new lock. Nothing acts on it.
    pub is_for_lock: bool,
}

/// Plans one kind of work.
#[derive(Debug)]
pub struct Planner<'a, A> {
    /// The inputs of planning.
    pub common: &'a Common<'a>,
    /// The first top-level key of the kind.
    kind: &'static str,
    /// The work of the kinds that were planned before.
    pub earlier: &'a EarlierWork,
    draft: Draft<A>,
}

/// The properties of a new step besides its action.
#[derive(Debug)]
pub struct StepOptions {
    /// The entries that it carries out.
    pub entries: Vec<String>,
    /// See [`Step::optional_entry`].
    pub optional_entry: Option<String>,
    /// Its phase in the default order.
    pub phase: Phase,
    /// See [`Step::order`].
    pub order: Order,
    /// See [`Step::beside`].
    pub beside: Option<&'static str>,
    /// See [`Step::creates`].
    pub creates: Vec<Resource>,
    /// See [`Step::uses`].
    pub uses: Vec<Resource>,
    /// See [`Step::watches`].
    pub watches: Vec<String>,
    /// See [`Step::awaited`].
    pub awaited: Option<AwaitedPath>,
    /// See [`Step::prepares_late`].
    pub prepares_late: bool,
    /// Files to stage.
    pub stage: Vec<Stage>,
    /// Logins that it may need.
    pub logins: Vec<Login>,
    /// Profile lines.
    pub origins: Vec<Origin>,
    /// Its lane.
    pub lane: Option<Lane>,
    /// Whether the run continues if it fails.
    pub optional: bool,
    /// Its time limit.
    pub timeout: Option<Duration>,
}

/// An entry of a list of packages or files.
#[derive(Debug)]
pub struct Asked<T> {
    /// The entry.
    pub entry: Entry<T>,
    /// The name for messages.
    pub name: String,
    /// The report line of an entry that needs no work. `None` if there is work to do.
    pub ready: Option<String>,
}

/// Entries that act together: all required ones, or one optional one.
#[derive(Debug)]
pub struct Group<T> {
    /// The entries.
    pub entries: Vec<Entry<T>>,
    /// The name of the optional entry; `None` for the required ones.
    pub optional: Option<String>,
    /// The id of the step.
    pub id: String,
    /// The options of the step.
    pub options: StepOptions,
}

impl StepOptions {
    /// The options of a step that carries out one entry.
    pub fn new<T>(entry: &Entry<T>, phase: Phase) -> Self {
        Self {
            entries: entry.order.names.clone(),
            optional: entry.optional,
            timeout: entry.timeout,
            order: entry.order.clone(),
            ..Self::for_origins(vec![entry.origin.clone()], String::new(), phase)
        }
    }

    /// The options of a step that profile lines request.
    pub fn for_origins(origins: Vec<Origin>, name: String, phase: Phase) -> Self {
        Self {
            entries: vec![name],
            optional_entry: None,
            phase,
            order: Order::default(),
            beside: None,
            creates: Vec::new(),
            uses: Vec::new(),
            watches: Vec::new(),
            awaited: None,
            prepares_late: false,
            stage: Vec::new(),
            logins: Vec::new(),
            origins,
            lane: None,
            optional: false,
            timeout: None,
        }
    }
}

/// The place in the agent's cache of a verified file.
pub fn cached_asset(cache: &Path, digest: &Digest, wanted: &AssetRef) -> PathBuf {
    cache.join("assets").join(digest.hex()).join(wanted.file_name())
}

impl<'a> Common<'a> {
    /// The logins that the steps of kinds may need. The kinds are named by their first keys.
    pub fn logins_of(&self, kinds: &[&str]) -> Vec<Login> {
        let mut found: Vec<Login> = Vec::new();
        for login in kinds.iter().flat_map(|kind| logins::of_kind(&self.logins, &self.addresses, kind)) {
            if !found.contains(&login) {
                found.push(login);
            }
        }
        found
    }

    /// The section of the lock for this node.
    pub fn locked(&self) -> Option<&'a Section> {
        self.lock.as_ref().map(|lock| lock.section)
    }

    /// The digest that the lock has for a file.
    pub fn locked_asset(&self, asset: &AssetRef) -> Option<&'a Digest> {
        Some(&self.locked()?.asset(&asset.path)?.sha256)
    }

    /// The locked packages of a group that are not installed as locked. `None` without a lock. `group` is the name of
    /// an optional entry.
    pub fn locked_and_missing<T: Clone + 'a>(
        &self,
        packages: impl Fn(&'a Section) -> &'a [T],
        only_for: impl Fn(&T) -> &BTreeSet<String>,
        group: Option<&str>,
        is_there: impl Fn(&T) -> bool,
    ) -> Option<Vec<T>> {
        let all = packages(self.locked()?).iter();
        Some(all.filter(|package| is_for(only_for(package), group) && !is_there(package)).cloned().collect())
    }

    /// The problem of an entry that is neither on the node nor in the lock. Either the runtime of the lock shipped it,
    /// or `nodeagent lock` could not resolve an optional entry.
    pub fn not_locked<T>(&self, entry: &Entry<T>, name: &str) -> Problem {
        let file = self.lock.as_ref().map(|lock| lock.label).unwrap_or_default();
        let hint = format!(
            "this node ships less than the one the lock was made on, or it could not be had then; run `nodeagent lock \
             --profile {}` here",
            self.profile
        );
        Problem::new(format!("`{name}` is not on this node, and the lock `{file}` has nothing for it"))
            .hint(hint)
            .asked_at(entry.origin.clone())
    }

    /// The path at which a step can use a file of the file store. A file with a digest or from the binary is staged
    /// first. `None` if the file is missing; another check reports that.
    pub fn usable(&self, wanted: &AssetRef, origin: &Origin, stage: &mut Vec<Stage>) -> Option<PathBuf> {
        let found = self.inventory.asset(wanted)?;
        let (digest, says) = match (&found.asset, &found.digest, self.locked_asset(wanted)) {
            (_, _, Some(digest)) => (digest.clone(), BY_LOCK),
            (_, Some(digest), None) => (digest.clone(), BY_PROFILE),
            (Asset::File { path, .. } | Asset::Created(path), None, None) => return Some(path.clone()),
            (Asset::BuiltIn { bytes, .. }, None, None) => (Digest::sha256(bytes), BY_PROFILE),
            // Another check refuses an address without a digest.
            (Asset::Address(_), None, None) => return Some(self.cache.join("assets").join(wanted.file_name())),
        };
        let to = cached_asset(self.cache, &digest, wanted);
        stage.push(Stage {
            from: found.asset.clone(),
            name: wanted.path.clone(),
            to: to.clone(),
            limit: None,
            check: StageCheck::Digest { digest, says },
            origin: origin.clone(),
        });
        Some(to)
    }

    /// The copy of a file on a server that has no digest. `None` if the file is missing; another check reports that.
    pub fn staged(&self, wanted: &AssetRef, origin: &Origin, check: StageCheck) -> Option<Stage> {
        let from = self.inventory.asset(wanted)?.asset.clone();
        // Files of different addresses may have the same name.
        let folder = Digest::sha256(wanted.path.as_bytes());
        let to = cached_asset(self.cache, &folder, wanted);
        Some(Stage { from, name: wanted.path.clone(), to, limit: None, check, origin: origin.clone() })
    }
}

impl<'a, A> Planner<'a, A> {
    /// A planner for the kind with this first key.
    pub fn new(common: &'a Common<'a>, kind: &'static str, earlier: &'a EarlierWork) -> Self {
        Self {
            common,
            kind,
            earlier,
            draft: Draft {
                steps: Vec::new(),
                ready: Vec::new(),
                refusals: Vec::new(),
                written_files: Vec::new(),
                items: Vec::new(),
            },
        }
    }

    /// The result of planning.
    pub fn finish(self) -> Draft<A> {
        self.draft
    }

    /// The logins that the steps of this kind may need.
    pub fn logins(&self) -> Vec<Login> {
        logins::of_kind(&self.common.logins, &self.common.addresses, self.kind)
    }

    /// Plans a step. If another step has the id, a number makes it unique. A step that fetches files has the logins of
    /// its kind.
    pub fn step(&mut self, id: impl Into<String>, action: A, mut options: StepOptions) {
        let fetches = options.stage.iter().any(|file| matches!(file.from, Asset::Address(_)));
        if fetches && options.logins.is_empty() {
            options.logins = self.logins();
        }
        push_step(&mut self.draft.steps, &id.into(), action, options);
    }

    /// Refuses the run because of a step that cannot succeed. If the step is optional, it is planned and fails alone.
    pub fn impossible(&mut self, id: impl Into<String>, action: A, options: StepOptions, problem: Problem) {
        if !options.optional {
            return self.refuse_with(problem);
        }
        self.step(id, action, options);
        self.known_failure(problem);
    }

    /// Marks the step planned last as impossible, with a reason that is known before the run.
    pub fn known_failure(&mut self, problem: Problem) {
        if let Some(step) = self.draft.steps.last_mut() {
            step.known_failure = Some(problem);
        }
    }

    /// Whether a step of this kind, or of a kind that was planned before, creates a path of the node.
    pub fn creates(&self, path: &Path) -> bool {
        let is_above = |created: &Resource| matches!(created, Resource::Path(created) if path.starts_with(created));
        self.draft.steps.iter().any(|step| step.creates.iter().any(is_above)) || self.earlier.writer_of(path).is_some()
    }

    /// Whether no step has this id yet.
    pub fn is_free(&self, id: &str) -> bool {
        self.draft.steps.iter().all(|step| step.id.0 != id)
    }

    /// Lists an entry that needs no work.
    pub fn ready(&mut self, text: impl Into<String>) {
        self.draft.ready.push(text.into());
    }

    /// Refuses the run because of a profile line.
    pub fn refuse(&mut self, origin: &Origin, message: impl Into<String>, hint: impl Into<Option<String>>) {
        self.refuse_with(Problem::new(message).hint(hint).asked_at(origin.clone()));
    }

    /// Records a file that an entry of the profile writes, by its path on the node, whether or not there is work to do.
    /// Two entries that write the same file refuse the run.
    pub fn writes(&mut self, path: &Path, origin: &Origin) {
        self.draft.written_files.push((path.to_owned(), origin.clone()));
    }

    /// Records an item that an entry of the profile makes, whether or not there is work to do. A recorded item that no
    /// entry makes any more is taken back. `entries` has the names of the entry.
    pub fn makes(&mut self, path: &Path, part: impl Into<String>, entries: &[String]) {
        let entry = entries.first().cloned().unwrap_or_default();
        self.draft.items.push(MadeItem { path: path.to_owned(), part: part.into(), entry });
    }

    /// Records how the item of the step planned last differs from the profile.
    pub fn differs(&mut self, difference: Option<Difference>) {
        if let Some(step) = self.draft.steps.last_mut() {
            step.difference = difference;
        }
    }

    /// Refuses the run.
    pub fn refuse_with(&mut self, problem: Problem) {
        self.draft.refusals.push(problem);
    }

    /// Splits entries into groups that act together, and lists the entries that need no work. `tool` is the section of
    /// the entries.
    pub fn groups<T>(&mut self, tool: &str, phase: Phase, lane: &Lane, asked: Vec<Asked<T>>) -> Vec<Group<T>> {
        let (ready, open): (Vec<_>, Vec<_>) = asked.into_iter().partition(|asked| asked.ready.is_some());
        if !ready.is_empty() {
            let labels: Vec<String> = ready.into_iter().filter_map(|asked| asked.ready).collect();
            self.ready(format!("{tool}: {}", labels.join(", ")));
        }
        let (optional, required): (Vec<_>, Vec<_>) = open.into_iter().partition(|asked| asked.entry.optional);
        let group = |name: Option<String>, asked: Vec<Asked<T>>| {
            let entries: Vec<Entry<T>> = asked.into_iter().map(|asked| asked.entry).collect();
            let origins = entries.iter().map(|entry| entry.origin.clone()).collect();
            let id = name.as_ref().map_or_else(|| tool.to_owned(), |name| format!("{tool}:{name}"));
            let entry_name = name.as_ref().map_or_else(|| tool.to_owned(), |name| format!("{tool}.{name}"));
            let options = StepOptions {
                optional: name.is_some(),
                optional_entry: name.clone(),
                timeout: entries.iter().filter_map(|entry| entry.timeout).max(),
                lane: Some(lane.clone()),
                ..StepOptions::for_origins(origins, entry_name, phase)
            };
            Group { entries, optional: name, id, options }
        };
        let required = (!required.is_empty()).then(|| group(None, required));
        required
            .into_iter()
            .chain(optional.into_iter().map(|asked| group(Some(asked.name.clone()), vec![asked])))
            .collect()
    }

    /// Plans the step of a group. `uncovered` is the problem of an entry that is missing in the lock. It refuses the
    /// run, or fails the step if the entry is optional.
    pub fn step_of_group(&mut self, id: String, action: A, options: StepOptions, uncovered: Option<Problem>) {
        let optional = options.optional;
        self.step(id, action, options);
        match uncovered {
            Some(problem) if optional => self.known_failure(problem),
            problem => self.draft.refusals.extend(problem),
        }
    }
}

/// Adds a step. If another step has the id, a number makes it unique: `apt:jq`, `apt:jq#2`.
pub(super) fn push_step<A>(steps: &mut Vec<Step<A>>, id: &str, action: A, options: StepOptions) {
    let ids = (1..).map(|number| StepId(if number == 1 { id.to_owned() } else { format!("{id}#{number}") }));
    let id = ids.into_iter().find(|id| steps.iter().all(|step| step.id != *id)).expect("the numbers do not end");
    let StepOptions {
        entries,
        optional_entry,
        phase,
        order,
        beside,
        creates,
        uses,
        watches,
        awaited,
        prepares_late,
        stage,
        logins,
        origins,
        lane,
        optional,
        timeout,
    } = options;
    steps.push(Step {
        id,
        action,
        entries,
        optional_entry,
        stage,
        logins,
        origins,
        phase,
        order,
        beside,
        creates,
        uses,
        watches,
        awaited,
        prepares_late,
        needs: Vec::new(),
        lane,
        optional,
        timeout,
        known_failure: None,
        difference: None,
    });
}
