//! Plans variables: one step for each file that differs, and one for the file with secrets.

use std::path::{Path, PathBuf};

use super::{
    absent,
    checked::{Change, Env, Variable, VariableSection},
    destinations::{Destination, Files},
    format,
};
use crate::{
    facts::AuthorityStore,
    fs::Attributes,
    inventory::{Inventory, Snapshots, below},
    kinds::{
        contract::{LookAt, Planning},
        no_packages::plans_no_packages,
        quote::Quote,
        text_action::{Piece, TextAction, WriteSecretText},
    },
    managed_block::{ManagedBlock, Position},
    plan::{Address, Phase, Planner, Resource, StepOptions, TextFile},
    problem::Problem,
    profile::{Entry, SecretRef},
};

/// The files of the destinations.
#[derive(Debug)]
pub struct Look {
    files: Files,
    snapshots: Snapshots,
    /// The bundle of certificates.
    bundle: Option<&'static str>,
}

impl Planning for Env {
    type Look = Look;
    type Action = TextAction;

    fn look(&self, at: &LookAt<'_>) -> Look {
        let files = Files::find(at.root, &at.facts.env);
        let bundle = self.certificates_at.as_ref().and_then(|_| AuthorityStore::of(at.root)).map(|store| store.bundle);
        let all = self.with_certificates(bundle.map(Path::new));
        let paths = Destination::FILES.into_iter().filter(|to| all.of(*to).next().is_some());
        let paths: Vec<PathBuf> = paths.filter_map(|to| files.of(to)).collect();
        let snapshots = Snapshots::read(at.root, paths.into_iter().chain([secret_file(at.profile)]));
        Look { files, snapshots, bundle }
    }

    plans_no_packages!();

    fn addresses(&self, _: &Inventory) -> Vec<Address> {
        Vec::new()
    }

    fn outline(&self) -> Vec<StepOptions> {
        let files = Files::default();
        let all = self.with_certificates(Some(Path::new(ANY_BUNDLE)));
        Destination::FILES.into_iter().filter_map(|to| all.options(to, files.of(to))).collect()
    }

    fn plan(&self, look: &Look, planner: &mut Planner<'_, TextAction>) {
        self.with_certificates(look.bundle.map(Path::new)).plan_files(look, planner);
    }
}

/// A bundle, where only the names of variables matter.
const ANY_BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

impl Env {
    fn plan_files(&self, look: &Look, planner: &mut Planner<'_, TextAction>) {
        if self.lacks_destinations(look, planner) {
            return;
        }
        let file = secret_file(planner.common.profile);
        self.plan_secrets(look, &file, planner);
        for to in Destination::FILES {
            if let Some(path) = look.files.of(to) {
                self.plan_file(to, &path, &file, look, planner);
            }
        }
    }

    /// Refuses the run for variables that name a destination that the node does not have.
    fn lacks_destinations(&self, look: &Look, planner: &mut Planner<'_, TextAction>) -> bool {
        let mut lacks = false;
        for (name, entry) in &self.variables {
            let (to, must_exist) = self.destinations_of(&entry.value);
            let missing = |to: &&Destination| **to != Destination::Run && look.files.of(**to).is_none();
            if let Some(missing) = to.iter().find(missing).filter(|_| must_exist) {
                let message =
                    format!("`{name}` goes to `{}`, and this node has no {}", missing.word(), missing.reader());
                planner.refuse(&entry.origin, message, "remove the destination, or add a `when`".to_owned());
                lacks = true;
            }
        }
        lacks
    }

    /// The options of the step that writes the file of a destination. `None` if no variable goes there.
    fn options(&self, to: Destination, path: Option<PathBuf>) -> Option<StepOptions> {
        let variables: Vec<&Entry<Variable>> = self.of(to).map(|(_, entry)| entry).collect();
        let origins: Vec<_> = variables.iter().map(|entry| entry.origin.clone()).collect();
        if origins.is_empty() {
            return None;
        }
        let mut entries: Vec<String> = variables.iter().flat_map(|entry| entry.order.names.clone()).collect();
        entries.dedup();
        // Package tools of the run get the variables of `[cert]` in another way, so they need not wait for the file.
        let is_of_env = variables.iter().any(|entry| entry.value.section == VariableSection::Env);
        let phase = match to {
            // The package of R has the folder.
            Destination::R => Phase::Files,
            _ if !is_of_env => Phase::Settings,
            Destination::Spark | Destination::Login | Destination::System | Destination::Run => Phase::Accounts,
        };
        Some(StepOptions {
            entries,
            uses: path.iter().map(|path| Resource::folder_of(path)).collect(),
            creates: path.into_iter().map(Resource::Path).collect(),
            ..StepOptions::for_origins(origins, "env".to_owned(), phase)
        })
    }

    fn plan_file(
        &self,
        to: Destination,
        path: &Path,
        secrets: &Path,
        look: &Look,
        planner: &mut Planner<'_, TextAction>,
    ) {
        let Some(options) = self.options(to, Some(path.to_owned())) else { return };
        // The last assignment wins in all files.
        let block = ManagedBlock::of_profile(planner.common.profile, Position::End);
        let base = match self.without_absent(to, path, &block, look) {
            Ok(base) => base,
            Err(problem) => return planner.refuse_with(problem),
        };
        let file = TextFile {
            id: format!("env:{}", to.word()),
            path: path.to_owned(),
            text: &self.text(to, secrets),
            block: (to != Destination::Login).then_some(block),
            base,
            attributes: Attributes::mode(0o644),
            mode: None,
        };
        file.plan("env", &look.snapshots, planner, options);
    }

    /// The text of the file, or of its block.
    fn text(&self, to: Destination, secrets: &Path) -> String {
        let mut text = String::new();
        if to == Destination::Login {
            let is_of_shell = self.of(to).all(|(_, entry)| entry.value.section == VariableSection::Shell);
            let section = if is_of_shell { "[shell.variables]" } else { "[env]" };
            text = format!("# Written by nodeagent from {section}.\n");
        }
        for (name, entry) in self.of(to) {
            // `check` reports values that do not fit.
            text.extend(format::line(to, name, &entry.value.change).ok().flatten());
        }
        if self.secrets().next().is_some() && to == Destination::Spark {
            text += &reading(secrets);
        }
        text
    }

    /// The present text without the lines of others that assign an absent variable. `None` if there are none.
    fn without_absent(
        &self,
        to: Destination,
        path: &Path,
        block: &ManagedBlock,
        look: &Look,
    ) -> Result<Option<Vec<u8>>, Problem> {
        let absent: Vec<_> = self.of(to).filter(|(_, entry)| entry.value.change == Change::Absent).collect();
        let Some(first) = absent.first().filter(|_| to != Destination::Login) else { return Ok(None) };
        let names: Vec<&str> = absent.iter().map(|(name, _)| *name).collect();
        let found = look.snapshots.get(path).ok().flatten().and_then(|found| found.bytes.as_deref());
        absent::without(to, found.unwrap_or_default(), block, &names).map_err(|entangled| {
            let message = format!(
                "line {} of `{}` assigns an absent variable and does more than that",
                entangled.line,
                path.display()
            );
            Problem::new(message).hint("change the line with `[files]`".to_owned()).asked_at(first.1.origin.clone())
        })
    }

    /// The variables whose values are secrets.
    fn secrets(&self) -> impl Iterator<Item = (&str, &SecretRef, &Entry<Variable>)> {
        self.variables.iter().filter_map(|(name, entry)| match &entry.value.change {
            Change::Secret(secret) => Some((name.as_str(), secret, entry)),
            Change::Set(_) | Change::Prepend(_) | Change::Append(_) | Change::Absent => None,
        })
    }

    /// Plans the file with the secrets, which `spark-env.sh` reads.
    fn plan_secrets(&self, look: &Look, file: &Path, planner: &mut Planner<'_, TextAction>) {
        let entries: Vec<&Entry<Variable>> = self.secrets().map(|(_, _, entry)| entry).collect();
        if entries.is_empty() || look.files.of(Destination::Spark).is_none() {
            return;
        }
        let mut pieces = Vec::new();
        for (name, secret, _) in self.secrets() {
            let becomes = format!("the variable {name}");
            pieces.push(Piece::Text(format!("export {name}=")));
            pieces.push(Piece::Secret { secret: secret.clone(), quote: Quote::Shell, becomes });
            pieces.push(Piece::Text("\n".to_owned()));
        }
        let options = StepOptions {
            entries: entries.iter().flat_map(|entry| entry.order.names.clone()).collect(),
            creates: vec![Resource::Path(file.to_owned())],
            ..StepOptions::for_origins(
                entries.iter().map(|entry| entry.origin.clone()).collect(),
                "env".to_owned(),
                Phase::Accounts,
            )
        };
        let profile = planner.common.profile.to_owned();
        let path = below(&planner.common.inventory.root, file);
        let text = WriteSecretText { profile, file: file.to_owned(), path, block: None, pieces };
        text.plan("env:secrets".to_owned(), "env", &look.snapshots, planner, options);
    }
}

/// The file with the secrets of a profile, as a path of the node. Only root can read it.
fn secret_file(profile: &str) -> PathBuf {
    PathBuf::from(format!("/run/nodeagent/spark-env/{profile}.sh"))
}

/// The line of `spark-env.sh` that reads the file. After a restart of the node the file is missing until the next run.
fn reading(file: &Path) -> String {
    let file = file.display();
    format!("if [ -r {file} ]; then . {file}; fi\n")
}
