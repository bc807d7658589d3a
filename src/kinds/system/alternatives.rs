//! Selected programs of update-alternatives.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{program, record};
use crate::{
    exec::Cmd,
    inventory::below,
    kinds::contract::LookAt,
    plan::{Lane, Phase, Planner, Resource, StepOptions},
    problem::Problem,
    profile::Entry,
    state::Replaced,
    steps::Context,
};

/// The folder of the links.
const LINKS: &str = "/etc/alternatives";
/// The folder with the choices of each name, on Debian.
const CHOICES: &str = "/var/lib/dpkg/alternatives";

/// The selections of a profile.
type Alternatives = BTreeMap<String, Entry<PathBuf>>;

/// The state of the node.
#[derive(Debug)]
pub(super) struct Look(BTreeMap<String, Group>);

/// A group of programs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Group {
    /// Whether the selection stays if a better program is installed.
    is_manual: bool,
    /// The selected program.
    selected: Option<PathBuf>,
    choices: Vec<PathBuf>,
}

/// The action of a step: selects a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectAlternative {
    profile: String,
    name: String,
    path: PathBuf,
    /// The selection at planning.
    before: Option<PathBuf>,
}

pub(super) fn look(alternatives: &Alternatives, at: &LookAt<'_>) -> Look {
    Look(alternatives.keys().map(|name| (name.clone(), group(at.root, name))).collect())
}

fn group(root: &Path, name: &str) -> Group {
    let text = std::fs::read_to_string(below(root, Path::new(CHOICES)).join(name)).unwrap_or_default();
    let selected = std::fs::read_link(below(root, Path::new(LINKS)).join(name)).ok();
    Group { selected, ..parse(&text) }
}

/// Reads the file of a group: the status, the link, the names and links of its slaves, and an empty line. Then, for
/// each choice, its path, its priority and one line for each slave. An empty line ends the file.
pub(super) fn parse(text: &str) -> Group {
    let mut lines = text.lines();
    let is_manual = lines.next() == Some("manual");
    lines.next();
    let slaves = lines.by_ref().take_while(|line| !line.is_empty()).count() / 2;
    let mut choices = Vec::new();
    while let Some(path) = lines.next().filter(|line| !line.is_empty()) {
        choices.push(path.into());
        lines.by_ref().take(slaves + 1).for_each(drop);
    }
    Group { is_manual, selected: None, choices }
}

impl Group {
    fn has_selected(&self, path: &Path) -> bool {
        self.is_manual && self.selected.as_deref() == Some(path)
    }
}

/// The outlines of the steps.
pub(super) fn outline(alternatives: &Alternatives) -> Vec<StepOptions> {
    alternatives.iter().map(|(name, entry)| options(name, entry)).collect()
}

pub(super) fn plan<A: From<SelectAlternative>>(alternatives: &Alternatives, look: &Look, planner: &mut Planner<'_, A>) {
    let common = planner.common;
    let records = common.inventory.receipt.system(common.profile).map(|record| &record.alternatives);
    for (name, entry) in alternatives {
        let Some(found) = look.0.get(name) else { continue };
        let (path, id) = (&entry.value, format!("system:alternatives:{name}"));
        if found.has_selected(path) {
            planner.ready(format!("system: alternative {name}"));
            continue;
        }
        let action = A::from(SelectAlternative {
            profile: common.profile.to_owned(),
            name: name.clone(),
            path: path.clone(),
            before: found.selected.clone(),
        });
        // A package or a program of this run may add the choice.
        let may_appear = ["apt", "installers"].iter().any(|section| planner.earlier.step_of(section).is_some());
        if found.choices.contains(path) || may_appear || !entry.order.after.is_empty() {
            let record = records.and_then(|records| records.get(name));
            planner.step(id, action, options(name, entry));
            planner.differs(record::difference(record, &path.display().to_string()));
        } else {
            planner.impossible(
                id,
                action,
                options(name, entry),
                no_choice(name, path, found).asked_at(entry.origin.clone()),
            );
        }
    }
}

fn no_choice(name: &str, path: &Path, found: &Group) -> Problem {
    let problem = Problem::new(format!("`{}` is not a choice of the alternatives `{name}`", path.display()));
    let choices: Vec<String> = found.choices.iter().map(|choice| format!("`{}`", choice.display())).collect();
    let hint = if choices.is_empty() {
        "this node has no such alternatives; add the package that provides them to `[apt]`".to_owned()
    } else {
        format!("the choices of this node are {}", choices.join(", "))
    };
    problem.hint(hint)
}

fn options(name: &str, entry: &Entry<PathBuf>) -> StepOptions {
    StepOptions {
        creates: vec![Resource::Path(Path::new(LINKS).join(name))],
        uses: vec![Resource::Path(entry.value.clone())],
        lane: Some(Lane::System),
        ..StepOptions::new(entry, Phase::Files)
    }
}

fn select(name: &str, path: &Path) -> Cmd {
    Cmd::new("update-alternatives").args(["--set", name, &path.display().to_string()])
}

impl SelectAlternative {
    pub(super) fn title(&self) -> String {
        format!("select {} as {}", self.path.display(), self.name)
    }

    pub(super) fn describe(&self) -> Vec<String> {
        let before = self.before.as_ref().map(|before| format!("{} was {}", self.name, before.display()));
        before.into_iter().chain([select(&self.name, &self.path).to_string()]).collect()
    }

    pub(super) async fn act(&self, ctx: &Context) -> Result<(), Problem> {
        let found = group(&ctx.root, &self.name);
        if !found.choices.contains(&self.path) {
            return Err(no_choice(&self.name, &self.path, &found));
        }
        let before = found.selected.filter(|_| found.is_manual).map(|path| path.display().to_string());
        record::note(ctx, &self.profile, |record| {
            let earlier = record.alternatives.get(&self.name);
            let replaced = Replaced::renewing(self.path.display().to_string(), before, earlier);
            record.alternatives.insert(self.name.clone(), replaced);
        })?;
        program::run(ctx, &select(&self.name, &self.path)).await?;
        if group(&ctx.root, &self.name).has_selected(&self.path) {
            return Ok(());
        }
        Err(Problem::new(format!("`{}` is not selected as `{}`", self.path.display(), self.name)))
    }
}

/// The command that restores the selection before.
pub(super) fn restore(name: &str, record: &Replaced) -> Cmd {
    match &record.before {
        Some(before) => select(name, Path::new(before)),
        None => Cmd::new("update-alternatives").args(["--auto", name]),
    }
}

/// Restores the selection before. Returns false if it was changed since nodeagent made it.
pub(super) async fn take_back(ctx: &Context, name: &str, record: &Replaced) -> Result<bool, Problem> {
    let found = group(&ctx.root, name);
    // The package with the program may be gone.
    if found.choices.is_empty() {
        return Ok(true);
    }
    if !found.has_selected(Path::new(&record.value)) {
        return Ok(match &record.before {
            Some(before) => found.has_selected(Path::new(before)),
            None => !found.is_manual,
        });
    }
    program::run(ctx, &restore(name, record)).await.map(|()| true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_choices_of_a_group_are_read() {
        let text = "auto\n/usr/bin/editor\neditor.1.gz\n/usr/share/man/man1/editor.1.gz\n\n/bin/ed\n-100\n\
                    /usr/share/man/man1/ed.1.gz\n/usr/bin/vim.basic\n30\n\n\n";
        let found = parse(text);
        assert_eq!(found.choices, [PathBuf::from("/bin/ed"), "/usr/bin/vim.basic".into()]);
        assert!(!found.is_manual && parse("manual\n/usr/bin/x\n\n/bin/x\n5\n\n").is_manual);
        assert_eq!(parse("manual\n/usr/bin/x\n\n/bin/x\n5\n\n").choices, [PathBuf::from("/bin/x")]);
        assert_eq!(parse(""), Group::default());
    }
}
