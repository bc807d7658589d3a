//! Plans scheduled jobs: one step for each file of `/etc/cron.d` that differs.

use std::path::PathBuf;

use super::{
    checked::{Cron, Job},
    crontab,
};
use crate::{
    fs::Attributes,
    inventory::{Inventory, Snapshots, below},
    kinds::{
        contract::{LookAt, Planning},
        no_packages::plans_no_packages,
    },
    plan::{Address, Phase, Planner, Resource, StepOptions, TextFile, WriteFile},
    problem::Problem,
    profile::Entry,
};

/// The folder of jobs.
const FOLDER: &str = "/etc/cron.d";
/// Programs that run jobs of this folder: Debian's packages `cron`, `cronie` and `systemd-cron`.
const PROGRAMS: [&str; 3] =
    ["/usr/sbin/cron", "/usr/sbin/crond", "/usr/lib/systemd/system-generators/systemd-crontab-generator"];
/// The mode of a job. cron ignores a file that another user could write.
const MODE: u32 = 0o644;

/// The state of the node that jobs need.
#[derive(Debug)]
pub struct Look {
    files: Snapshots,
    has_cron: bool,
}

impl Planning for Cron {
    type Look = Look;
    type Action = WriteFile;

    fn look(&self, at: &LookAt<'_>) -> Look {
        let has_cron = PROGRAMS.iter().any(|program| below(at.root, program.as_ref()).is_file());
        Look { files: Snapshots::read(at.root, self.0.keys().map(|name| path(name))), has_cron }
    }

    plans_no_packages!();

    fn addresses(&self, _: &Inventory) -> Vec<Address> {
        Vec::new()
    }

    fn outline(&self) -> Vec<StepOptions> {
        self.0.iter().map(|(name, entry)| options(name, entry)).collect()
    }

    fn plan(&self, look: &Look, planner: &mut Planner<'_, WriteFile>) {
        for (name, entry) in &self.0 {
            let (id, options) = (format!("cron:{name}"), options(name, entry));
            if let Some(problem) = impossible(entry, look, planner) {
                let action = WriteFile::impossible(below(&planner.common.inventory.root, &path(name)));
                planner.impossible(id, action, options, problem);
                continue;
            }
            let text = crontab::text(&entry.value);
            let attributes = Attributes { mode: Some(MODE), owner: Some((0, 0)) };
            let file =
                TextFile { id, path: path(name), text: &text, block: None, base: None, attributes, mode: Some(MODE) };
            file.plan("cron", &look.files, planner, options);
        }
    }
}

/// The file of a job. `run-parts` names, which cron uses, have no dots.
fn path(name: &str) -> PathBuf {
    PathBuf::from(format!("{FOLDER}/nodeagent-{name}"))
}

/// The reason why the job cannot run on this node.
fn impossible(entry: &Entry<Job>, look: &Look, planner: &Planner<'_, WriteFile>) -> Option<Problem> {
    let problem =
        |message: String, hint: &str| Some(Problem::new(message).hint(hint.to_owned()).asked_at(entry.origin.clone()));
    let user = &entry.value.user;
    // A package of the same run may create the missing user or program.
    let installs_packages = planner.earlier.step_of("apt").is_some();
    if planner.common.inventory.users.user(user).is_none() && !installs_packages {
        return problem(format!("there is no user `{user}` on this node"), "add it to `[users]`, or check its name");
    }
    if !look.has_cron && !planner.earlier.installs("cron") {
        return problem("there is no cron on this node".to_owned(), "add the package `cron` to `[apt]`");
    }
    None
}

fn options(name: &str, entry: &Entry<Job>) -> StepOptions {
    let job = &entry.value;
    let mut options = StepOptions::new(entry, Phase::Files);
    options.creates.push(Resource::Path(path(name)));
    options.uses.push(Resource::User(job.user.clone()));
    options.uses.extend(job.command.first().map(|program| Resource::Path(program.into())));
    options.uses.extend(job.log.as_ref().map(|log| Resource::folder_of(log)));
    options
}
