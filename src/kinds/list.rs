//! The list of all kinds of work, and the code that is generated from it. A new kind is one row at the end of this
//! file. A kind plans after the kinds above it.

use std::{
    panic::resume_unwind,
    path::{Path, PathBuf},
    thread,
};

use schemars::{JsonSchema as _, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use url::Url;

use super::{
    contract::{Acting, Asks, Interruption, LeftBehind, LoginFile, LookAt, Planning},
    lock::{LockGroup, LockWork},
    take_back::{self, TakeBack},
    used_secrets,
};
use crate::{
    diagnostic::{Diagnostic, Origin},
    fs::FsError,
    grammar::Keys,
    inventory::{Inventory, Vault},
    lock::{self, Runtime},
    plan::{self, Common, EarlierWork, Layer, MadeItem, Planner, StepOptions},
    problem::Problem,
    profile::{
        self, Assets, Entry, FetchedByName, FileStore, Login, NamedAsset, Page, Rules, RunStage, Section as _,
        UnencryptedSource, Whole,
    },
    secrets::Address,
    state::Receipt,
    steps::Context,
};

/// The schema of keys whose shape is not needed.
fn shapeless(keys: &[&str]) -> Schema {
    let properties: serde_json::Map<String, serde_json::Value> =
        keys.iter().map(|key| ((*key).to_owned(), true.into())).collect();
    json_schema!({ "properties": properties })
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident: $Kind:ident),+ $(,)?) => {
        /// The sections of all kinds, as checked.
        #[derive(Debug, Clone, PartialEq, Eq, Default)]
        pub struct Sections { $($(#[$doc])* pub $name: super::$name::$Kind),+ }

        /// The keys of all kinds, as written.
        #[derive(Debug, Clone, Default)]
        pub struct Written { $($name: <super::$name::$Kind as profile::Section>::Written),+ }

        /// The state of the node that all kinds need to plan.
        #[derive(Debug)]
        pub struct Looks { $($name: <super::$name::$Kind as Planning>::Look),+ }

        /// The action of a step.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Action {
            $($(#[$doc])* $Kind(<super::$name::$Kind as Planning>::Action),)+
            /// An optional file of the file store that cannot be used. The step always fails.
            MissingFile(PathBuf),
            /// Takes back items that the profile no longer names.
            TakeBack(TakeBack),
        }

        /// The result of preparing a step.
        pub enum Prepared {
            $($(#[$doc])* $Kind(<super::$name::$Kind as Acting>::Prepared),)+
            /// Items that are taken back need no preparation.
            TakeBack,
        }

        /// A kind of work, by name. The journal of a run stores it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Kind { $($(#[$doc])* $Kind),+ }

        impl profile::Sections for Sections {
            type Written = Written;
            const INTERPRETER: &'static str = super::python::DEFAULT_PYTHON;

            fn interpreter(written: &Written) -> Option<&str> {
                written.python.interpreter()
            }
            fn read(keys: &mut Keys<'_>) -> Result<Written, toml::de::Error> {
                Ok(Written { $($name: keys.take(super::$name::$Kind::KEYS)?),+ })
            }
            fn schemas(generator: &mut SchemaGenerator, is_present: &dyn Fn(&[&str]) -> bool) -> Vec<Schema> {
                vec![$(if is_present(super::$name::$Kind::KEYS) {
                    <super::$name::$Kind as profile::Section>::Written::json_schema(generator)
                } else {
                    shapeless(super::$name::$Kind::KEYS)
                }),+]
            }
            fn inherit(written: &mut Written, parent: &Written) {
                $(super::$name::$Kind::inherit(&mut written.$name, &parent.$name);)+
            }
            fn entry_names(written: &Written) -> Vec<String> {
                let keys = [$(super::$name::$Kind::KEYS),+].concat().into_iter().map(str::to_owned);
                keys.chain([$(super::$name::$Kind::entry_names(&written.$name)),+].concat()).collect()
            }
            fn check(written: &Written, rules: &mut Rules<'_>) -> Self {
                let mut sections = Self { $($name: {
                    rules.begin_section(super::$name::$Kind::LOCKED);
                    super::$name::$Kind::check(&written.$name, rules)
                }),+ };
                sections.env.add_shell_variables(&written.env, &written.shell, rules);
                sections
            }
            fn merge(parent: Self, child: Self) -> Self {
                Self { $($name: profile::Section::merge(parent.$name, child.$name)),+ }
            }
            fn retain_stage(&mut self, stage: RunStage) {
                let (env, secrets) = (std::mem::take(&mut self.env), std::mem::take(&mut self.secrets));
                let cert = std::mem::take(&mut self.cert);
                $(profile::Section::retain_stage(&mut self.$name, stage);)+
                (self.env, self.secrets, self.cert) = (env, secrets, cert);
            }
            fn complete(&mut self, assets: &Assets<'_>, found: &mut Vec<Diagnostic>) {
                $(self.$name.complete(assets, found);)+
                self.python.interpreter().clone_into(&mut self.cert.interpreter);
                self.env.add_certificate_variables(&self.cert);
                // The list of secrets is taken out while all sections are borrowed.
                let mut secrets = std::mem::take(&mut self.secrets);
                let uses = [$(self.$name.secret_uses()),+].into_iter().flatten();
                used_secrets::collect(&mut secrets, uses, found);
                self.secrets = secrets;
            }
            fn check_whole(&self, whole: &Whole<'_>, found: &mut Vec<Diagnostic>) {
                $(self.$name.check_whole(whole, found);)+
                found.extend(plan::contradictions(self.outline()).into_iter().map(|problem| whole.mistake(problem)));
            }
            fn show(&self, page: &mut Page) {
                $(self.$name.show(page);)+
            }
            fn assets(&self) -> Vec<NamedAsset<'_>> {
                [$(self.$name.assets()),+].concat()
            }
            fn indexes(&self) -> Vec<(&Url, &Origin)> {
                [$(self.$name.indexes()),+].concat()
            }
            fn fetched_by_name(&self) -> Vec<FetchedByName<'_>> {
                [$(self.$name.fetched_by_name()),+].into_iter().flatten().collect()
            }
            fn unencrypted_sources(&self) -> Vec<UnencryptedSource<'_>> {
                [$(self.$name.unencrypted_sources()),+].into_iter().flatten().collect()
            }
            fn logins(&self) -> Vec<&Entry<Login>> {
                [$(self.$name.logins()),+].into_iter().flatten().collect()
            }
        }

        impl Sections {
            /// The entries of one stage.
            pub(super) fn of_stage(&self, stage: RunStage) -> Self {
                let mut sections = self.clone();
                $(sections.$name.retain_stage(stage);)+
                sections
            }

            /// The entries that a lock resolves: those of the launch, and those of both stages for kinds with
            /// packages in the lock.
            pub(super) fn for_lock(&self) -> Self {
                let mut sections = self.clone();
                $(if !<super::$name::$Kind as profile::Section>::LOCKED {
                    sections.$name.retain_stage(RunStage::Launch);
                })+
                sections
            }

            /// The sources of the secrets that entries use.
            pub(super) fn secret_sources(&mut self) -> Vec<Address> {
                let uses = [$(self.$name.secret_uses()),+].into_iter().flatten();
                uses.filter_map(|used| used.secret.from.clone()).collect()
            }

            /// The options of all steps, as far as they are known without the node.
            pub(super) fn outline(&self) -> Vec<StepOptions> {
                [$(self.$name.outline()),+].into_iter().flatten().collect()
            }

            /// Inspects the node. `other` and each kind that the profile uses have a separate thread, because an
            /// inspection reads hundreds of small files. The others read next to nothing: a thread would take longer.
            pub(super) fn look<T>(&self, at: &LookAt<'_>, other: impl FnOnce() -> T) -> (Looks, T) {
                thread::scope(|scope| {
                    $(
                        let is_used = self.$name != super::$name::$Kind::default();
                        let $name = is_used.then(|| scope.spawn(|| self.$name.look(at)));
                    )+
                    let other = other();
                    let looks = Looks {
                        $($name: match $name {
                            Some(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
                            None => self.$name.look(at),
                        }),+
                    };
                    (looks, other)
                })
            }

            /// The requests to package tools, one line each.
            pub(super) fn asks(&self, inventory: &Inventory) -> Vec<String> {
                let mut asks = Asks::default();
                $(self.$name.asks(inventory, &mut asks);)+
                asks.into_lines()
            }

            /// The reasons why a lock cannot be made on this node.
            pub(super) fn lacks(&self, looks: &Looks, inventory: &Inventory) -> Vec<String> {
                [$(self.$name.lacks(&looks.$name, inventory)),+].into_iter().flatten().collect()
            }

            /// The addresses that steps use: those of files, and others.
            pub(super) fn addresses(&self, inventory: &Inventory) -> Vec<plan::Address> {
                let of_files = [$(plan::addresses_of_files(
                    <super::$name::$Kind as profile::Section>::KEYS[0], &self.$name.assets(),
                )),+];
                [of_files.concat(), $(self.$name.addresses(inventory)),+].concat()
            }

            /// Plans the entries of a stage. `later` has the paths of entries of later stages.
            pub(super) fn plan(
                &self,
                looks: &Looks,
                common: &Common<'_>,
                later: &[PathBuf],
                plan: &mut plan::Plan<Action>,
            ) {
                let mut earlier = EarlierWork::default();
                $(if common.stage == RunStage::Launch || <super::$name::$Kind as profile::Section>::STAGED {
                    let mut planner = Planner::new(common, super::$name::$Kind::KEYS[0], &earlier);
                    Planning::plan(&self.$name, &looks.$name, &mut planner);
                    let draft = planner.finish();
                    earlier.add(&draft);
                    plan.steps.extend(draft.steps.into_iter().map(|step| step.map(Action::$Kind)));
                    plan.ready.extend(draft.ready);
                    plan.refusals.extend(draft.refusals);
                })+
                plan.refusals.extend(plan::written_twice(&earlier.written_files));
                if common.stage == RunStage::PostStart {
                    for MadeItem { path, part, entry } in earlier.items {
                        plan.items.entry(path).or_default().insert(part, entry);
                    }
                    return;
                }
                let draft = take_back::plan(common, &earlier, later, common.inventory.missing.is_empty());
                plan.steps.extend(draft.steps.into_iter().map(|step| step.map(Action::TakeBack)));
            }

            pub(super) fn layers(&self, looks: &Looks, common: &Common<'_>) -> Vec<Result<Layer, String>> {
                [$(self.$name.layer(&looks.$name, common)),+].into_iter().flatten().collect()
            }

            /// Resolves the packages of all kinds for a lock.
            ///
            /// # Errors
            /// If a required entry cannot be resolved.
            pub async fn lock(
                &self,
                work: &LockWork<'_>,
                steps: &[Step],
                section: &mut lock::Section,
            ) -> Result<(), Problem> {
                $(
                    let groups = steps.iter().filter_map(|step| match &step.action {
                        Action::$Kind(action) => Some(LockGroup {
                            optional: step.optional_entry.clone(),
                            action,
                            id: &step.id,
                            stage: &step.stage,
                            logins: &step.logins,
                            origins: &step.origins,
                        }),
                        _ => None,
                    });
                    self.$name.lock(work, groups.collect(), section).await?;
                )+
                Ok(())
            }
        }

        impl Looks {
            pub(super) fn as_shipped(&mut self, receipt: &Receipt) {
                $(super::$name::$Kind::as_shipped(&mut self.$name, receipt);)+
            }

            pub(super) fn runtime(&self, runtime: &mut Runtime) {
                $(super::$name::$Kind::runtime(&self.$name, runtime);)+
            }
        }

        impl plan::Describe for Action {
            fn kind(&self) -> &'static str {
                match self {
                    $(Self::$Kind(action) => super::$name::$Kind::word(action),)+
                    Self::MissingFile(_) => "file",
                    Self::TakeBack(_) => TakeBack::WORD,
                }
            }

            fn title(&self) -> String {
                match self {
                    $(Self::$Kind(action) => super::$name::$Kind::title(action),)+
                    Self::MissingFile(path) => format!("take {} from the file store", path.display()),
                    Self::TakeBack(action) => action.title(),
                }
            }
        }

        impl Action {
            /// Its kind. `None` for a missing file, and for items that are taken back.
            pub fn of_kind(&self) -> Option<Kind> {
                match self {
                    $(Self::$Kind(_) => Some(Kind::$Kind),)+
                    Self::MissingFile(_) | Self::TakeBack(_) => None,
                }
            }

            pub(super) fn describe(&self, store: &FileStore) -> Vec<String> {
                match self {
                    $(Self::$Kind(action) => super::$name::$Kind::describe(action, store),)+
                    Self::MissingFile(_) => Vec::new(),
                    Self::TakeBack(action) => action.describe(),
                }
            }

            /// Whether preparing may refuse the whole run.
            pub fn can_refuse(&self) -> bool {
                match self {
                    $(Self::$Kind(action) => super::$name::$Kind::can_refuse(action),)+
                    Self::MissingFile(_) | Self::TakeBack(_) => false,
                }
            }

            /// Whether a layer contains the files that it installs, or depends on them.
            pub fn fills_layers(&self) -> bool {
                match self {
                    $(Self::$Kind(action) => super::$name::$Kind::fills_layers(action),)+
                    Self::MissingFile(_) | Self::TakeBack(_) => false,
                }
            }

            /// The file in which its tools find passwords of logins.
            pub fn login_file(&self) -> LoginFile {
                match self {
                    $(Self::$Kind(action) => super::$name::$Kind::login_file(action),)+
                    Self::MissingFile(_) | Self::TakeBack(_) => LoginFile::None,
                }
            }

            /// Resolves and downloads; changes nothing outside the agent's cache.
            ///
            /// # Errors
            /// If the step cannot be done, or the run must be refused.
            pub async fn prepare(&self, ctx: &Context) -> Result<Prepared, Problem> {
                match self {
                    $(Self::$Kind(action) => super::$name::$Kind::prepare(ctx, action).await.map(Prepared::$Kind),)+
                    Self::MissingFile(path) => {
                        Err(Problem::new(format!("the file `{}` is not in the file store", path.display())))
                    }
                    Self::TakeBack(_) => Ok(Prepared::TakeBack),
                }
            }

            /// Changes the node and verifies the result.
            ///
            /// # Errors
            /// If the node differs from the request afterwards.
            pub async fn act(&self, ctx: &Context, prepared: Prepared, vault: &Vault) -> Result<(), Problem> {
                match (self, prepared) {
                    $((Self::$Kind(action), Prepared::$Kind(prepared)) => {
                        super::$name::$Kind::act(ctx, action, prepared, vault).await
                    })+
                    (Self::TakeBack(action), Prepared::TakeBack) => action.act(ctx),
                    ($(Self::$Kind(_))|+ | Self::MissingFile(_) | Self::TakeBack(_), _) => Err(Problem::new(
                        "this step was prepared as another kind; this is a bug in nodeagent, please report it",
                    )),
                }
            }

            pub(super) fn leaves_behind(&self, prepared: &Prepared) -> LeftBehind {
                match (self, prepared) {
                    $((Self::$Kind(action), Prepared::$Kind(prepared)) => {
                        super::$name::$Kind::leaves_behind(action, prepared)
                    })+
                    (Self::TakeBack(action), Prepared::TakeBack) => LeftBehind::items(action.leaves_behind()),
                    ($(Self::$Kind(_))|+ | Self::MissingFile(_) | Self::TakeBack(_), _) => LeftBehind::default(),
                }
            }
        }

        impl Kind {
            pub(super) fn clean_up(self, root: &Path, how: Interruption<'_>, items: &[String]) -> Result<Vec<String>, FsError> {
                match self {
                    $(Self::$Kind => super::$name::$Kind::clean_up(root, how, items),)+
                }
            }
        }

        #[cfg(test)]
        mod tests {
            use super::*;

            #[test]
            fn each_kind_names_the_keys_that_it_reads() {
                $(
                    let schema = schemars::schema_for!(<crate::kinds::$name::$Kind as profile::Section>::Written).to_value();
                    let properties = schema["properties"].as_object().expect("a table").keys();
                    let mut keys = crate::kinds::$name::$Kind::KEYS.to_vec();
                    keys.sort_unstable();
                    assert_eq!(properties.map(String::as_str).collect::<Vec<_>>(), keys);
                )+
            }
        }
    };
}

/// A checked profile with the sections of all kinds.
pub type Profile = profile::Profile<Sections>;
/// A plan of steps of all kinds.
pub type Plan = plan::Plan<Action>;
/// A step of any kind.
pub type Step = plan::Step<Action>;

kinds! {
    /// Debian packages and their sources.
    apt: Apt,
    /// Python distributions.
    python: Python,
    /// R packages.
    r: R,
    /// Users and groups.
    accounts: Accounts,
    /// Certificates of authorities that the node trusts.
    cert: Cert,
    /// Files.
    files: Files,
    /// Jars on the class path of Spark.
    jar: Jar,
    /// Shell configuration.
    shell: Shell,
    /// Environment variables, including those of `[shell.variables]`.
    env: Env,
    /// Settings of Spark.
    spark_conf: SparkConf,
    /// Secrets, and logins for package servers.
    secrets: Secrets,
    /// Scheduled jobs.
    cron: Cron,
    /// Clones of git repositories.
    git: Git,
    /// Programs that install software.
    installers: Installers,
    /// Settings of the operating system. They see the planned programs, which may add libraries.
    system: System,
    /// Services. They see the planned steps of the kinds above them, to restart after a change.
    services: Services,
    /// Programs that run last.
    hooks: Hooks,
}
