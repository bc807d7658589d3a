//! Kernel parameters: a file of `/etc/sysctl.d`, and the files of `/proc/sys`.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    path::{Path, PathBuf},
};

use super::{checked::Sysctl, record};
use crate::{
    fs::{self, Attributes},
    inventory::{Snapshots, below},
    kinds::contract::LookAt,
    plan::{Phase, Planner, Resource, StepOptions, TextFile, WriteFile},
    problem::Problem,
    profile::Entry,
    state::Replaced,
    steps::Context,
};

/// The settings of a profile.
type Settings = BTreeMap<String, Entry<Sysctl>>;

/// The state of the node.
#[derive(Debug)]
pub(super) struct Look {
    file: Snapshots,
    values: BTreeMap<String, Found>,
}

/// A value of the node.
#[derive(Debug)]
struct Found {
    /// The value, or the reason why it cannot be read.
    value: Result<String, String>,
    /// The reason why it cannot be written.
    refusal: Option<String>,
}

/// The action of a step: sets values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetSysctl {
    profile: String,
    values: Vec<SetValue>,
}

/// A value to set.
#[derive(Debug, Clone, PartialEq, Eq)]
struct SetValue {
    /// The path below `/proc/sys`.
    name: String,
    key: String,
    value: String,
    /// The value at planning.
    before: String,
}

/// The path of a key below `/proc/sys`: sysctl(8). If the first separator is a slash, dots are parts of names.
pub(super) fn path_of(key: &str) -> String {
    if key.find('/').is_some_and(|slash| key.find('.').is_none_or(|dot| slash < dot)) {
        return key.to_owned();
    }
    let exchanged = key.chars().map(|c| match c {
        '.' => '/',
        '/' => '.',
        c => c,
    });
    exchanged.collect()
}

/// The words of a value with single spaces. The kernel separates them by tabs.
pub(super) fn words(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}

pub(super) fn look(settings: &Settings, at: &LookAt<'_>) -> Look {
    let files = (!settings.is_empty()).then(|| file(at.profile));
    let values = settings.keys().map(|name| {
        let path = in_kernel(at.root, name);
        let value = std::fs::read_to_string(&path).map(|text| words(&text)).map_err(|error| error.to_string());
        (name.clone(), Found { value, refusal: fs::write_refusal(&path).map(|error| error.to_string()) })
    });
    Look { file: Snapshots::read(at.root, files), values: values.collect() }
}

/// The outlines of the steps.
pub(super) fn outline(settings: &Settings) -> Vec<StepOptions> {
    options(settings).into_iter().collect()
}

pub(super) fn plan<A>(settings: &Settings, look: &Look, planner: &mut Planner<'_, A>)
where
    A: From<SetSysctl> + From<WriteFile>,
{
    let (Some(options), Some(options_of_file)) = (options(settings), options(settings)) else { return };
    let (mut values, mut difference, mut text, mut is_refused) = (Vec::new(), None, String::new(), false);
    let profile = planner.common.profile;
    let record = planner.common.inventory.receipt.system(profile);
    for (name, entry) in settings {
        let Sysctl { key, value } = &entry.value;
        let _ = writeln!(text, "{key} = {value}");
        let Some(found) = look.values.get(name) else { continue };
        match (&found.value, &found.refusal) {
            (Ok(now), _) if now == value => {}
            (Ok(now), None) => {
                let record = record.and_then(|record| record.sysctl.get(name));
                difference = difference.or_else(|| record::difference(record, value));
                let (name, key, value, before) = (name.clone(), key.clone(), value.clone(), now.clone());
                values.push(SetValue { name, key, value, before });
            }
            (Err(reason), _) | (Ok(_), Some(reason)) => {
                planner.refuse_with(not_possible(entry, found.value.is_err(), reason));
                is_refused = true;
            }
        }
    }
    if is_refused {
        return;
    }
    if !values.is_empty() {
        planner.step("system:sysctl", A::from(SetSysctl { profile: profile.to_owned(), values }), options);
        planner.differs(difference);
    }
    let text = format!("# Written by nodeagent from [system].\n{text}");
    let path = file(profile);
    let options = StepOptions {
        // The kernel has accepted the values before they are in the file.
        uses: options_of_file.creates,
        creates: vec![Resource::Path(path.clone())],
        ..options_of_file
    };
    let file = TextFile {
        id: "system:sysctl:file".to_owned(),
        path,
        text: &text,
        block: None,
        base: None,
        attributes: Attributes { mode: Some(0o644), owner: Some((0, 0)) },
        mode: Some(0o644),
    };
    file.plan("system", &look.file, planner, options);
}

/// The problem of a value that cannot be set on this node.
fn not_possible(entry: &Entry<Sysctl>, is_unreadable: bool, reason: &str) -> Problem {
    let key = &entry.value.key;
    let problem = if is_unreadable {
        let hint = "check the key, load the kernel module that has it, or remove the entry";
        Problem::new(format!("the kernel of this node has no setting `{key}`: {reason}")).hint(hint.to_owned())
    } else {
        let hint = "remove the entry, give it a `when`, or start the node with this value";
        Problem::new(format!("this node does not permit `{key}` to be set: {reason}")).hint(hint.to_owned())
    };
    problem.asked_at(entry.origin.clone())
}

/// The options of the step that sets the values. `None` without settings.
fn options(settings: &Settings) -> Option<StepOptions> {
    let origins: Vec<_> = settings.values().map(|entry| entry.origin.clone()).collect();
    let entries: Vec<String> = settings.values().flat_map(|entry| entry.order.names.clone()).collect();
    let creates = settings.keys().map(|name| Resource::Path(in_kernel(Path::new("/"), name))).collect();
    let options = || StepOptions::for_origins(origins.clone(), String::new(), Phase::Accounts);
    (!settings.is_empty()).then(|| StepOptions { entries, creates, ..options() })
}

/// The file with the values of a profile. Later files by name win, and digits come before letters.
fn file(profile: &str) -> PathBuf {
    PathBuf::from(format!("/etc/sysctl.d/nodeagent-{profile}.conf"))
}

fn in_kernel(root: &Path, name: &str) -> PathBuf {
    below(root, Path::new("/proc/sys")).join(name)
}

impl SetSysctl {
    pub(super) fn title(&self) -> String {
        let values: Vec<String> = self.values.iter().map(|set| format!("{} = {}", set.key, set.value)).collect();
        format!("set {}", values.join(", "))
    }

    pub(super) fn describe(&self) -> Vec<String> {
        self.values.iter().map(|set| format!("{}: {} becomes {}", set.key, set.before, set.value)).collect()
    }

    pub(super) fn act(&self, ctx: &Context) -> Result<(), Problem> {
        self.values.iter().try_for_each(|set| self.set(ctx, set))
    }

    fn set(&self, ctx: &Context, set: &SetValue) -> Result<(), Problem> {
        let path = in_kernel(&ctx.root, &set.name);
        let before = value_of(&path)?;
        record::note(ctx, &self.profile, |record| {
            let earlier = record.sysctl.get(&set.name);
            let replaced = Replaced::renewing(set.value.clone(), Some(before), earlier);
            record.sysctl.insert(set.name.clone(), replaced);
        })?;
        fs::set_kernel_value(&path, &set.value).map_err(|error| {
            let hint = error.hint();
            Problem::new(format!("the kernel does not accept `{} = {}`", set.key, set.value)).because(&error).hint(hint)
        })?;
        let now = value_of(&path)?;
        if now == set.value {
            return Ok(());
        }
        let hint = format!("write the value as the kernel shows it: `{now}`");
        Err(Problem::new(format!("the kernel has `{} = {now}`, not `{}`", set.key, set.value)).hint(hint))
    }
}

fn value_of(path: &Path) -> Result<String, Problem> {
    let text = std::fs::read_to_string(path);
    text.map(|text| words(&text)).map_err(|error| Problem::new(format!("`{}`: {error}", path.display())))
}

/// Restores the value before. Returns false if it was changed since nodeagent set it.
pub(super) fn take_back(ctx: &Context, name: &str, record: &Replaced) -> Result<bool, Problem> {
    let path = in_kernel(&ctx.root, name);
    let Some(before) = record.before.as_ref().filter(|_| path.exists()) else { return Ok(true) };
    let now = value_of(&path)?;
    if now == record.value {
        fs::set_kernel_value(&path, before)?;
    }
    // A killed run may have recorded a value that it did not set.
    Ok(now == record.value || now == *before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_separator_decides_about_the_others() {
        for (key, path) in [
            ("vm.swappiness", "vm/swappiness"),
            ("vm/swappiness", "vm/swappiness"),
            ("net.ipv4.conf.eth0/100.rp_filter", "net/ipv4/conf/eth0.100/rp_filter"),
            ("net/ipv4/conf/eth0.100/rp_filter", "net/ipv4/conf/eth0.100/rp_filter"),
        ] {
            assert_eq!(path_of(key), path);
        }
    }

    #[test]
    fn words_are_compared_without_their_distance() {
        assert_eq!(words("4096\t131072\t6291456\n"), "4096 131072 6291456");
    }
}
