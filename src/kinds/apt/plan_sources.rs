//! Plans the sources that differ from those on the node.

use std::path::Path;

use super::{
    action::{self, Action, AptKey, AptSources, KeyContent},
    checked::{Apt, AptSource},
    key_check::checked,
    source_files::{key_file, source_file},
};
use crate::{
    diagnostic::Origin,
    digest::Digest,
    inventory::Snapshots,
    openpgp::{KeyRing, MAX_KEY_FILE_BYTES},
    plan::{Common, Lane, Phase, Planner, Stage, StageCheck, StepOptions},
    problem::Problem,
    profile::Entry,
};

/// The key file of a source as the profile names it.
struct WantedKey<'a> {
    source: &'a Entry<AptSource>,
    content: KeyContent,
    digest: Option<Digest>,
    /// The files to stage for it.
    stage: Vec<Stage>,
}

impl<'a> WantedKey<'a> {
    /// `None` if the file is missing, which another check reports.
    fn of(source: &'a Entry<AptSource>, common: &Common<'_>) -> Option<Self> {
        let file = &source.value.key;
        let found = common.inventory.asset(file)?;
        let digest = common.locked_asset(file).or(found.digest.as_ref()).cloned();
        let mut stage = Vec::new();
        let content = match &found.bytes {
            Some(bytes) => KeyContent::Known(bytes.to_vec()),
            None if digest.is_some() => KeyContent::Staged(common.usable(file, &source.origin, &mut stage)?),
            None => {
                let check = StageCheck::Keys(source.value.fingerprints.clone());
                let staged = common.staged(file, &source.origin, check)?;
                let to = staged.to.clone();
                stage.push(staged);
                KeyContent::Staged(to)
            }
        };
        for file in &mut stage {
            file.limit = Some(MAX_KEY_FILE_BYTES);
        }
        Some(Self { source, content, digest, stage })
    }

    /// Whether a file on the node is the key. Nothing is fetched to decide it: the fingerprints decide, as they would
    /// after a download, and the stanza has the digest of a file on a server.
    fn is_at(&self, path: &Path, look: &Snapshots) -> bool {
        let Some(bytes) = look.get(path).ok().flatten().and_then(|found| found.bytes.as_deref()) else { return false };
        let Ok(ring) = KeyRing::parse(bytes) else { return false };
        let is_same = match &self.content {
            KeyContent::Known(wanted) => KeyRing::parse(wanted).is_ok_and(|wanted| wanted == ring),
            KeyContent::Staged(_) => true,
        };
        is_same && ring.packets() == bytes && *ring.fingerprints() == self.source.value.fingerprints
    }

    /// The digest of a file that the node has in another form only.
    fn noted_digest(&self) -> Option<&Digest> {
        match self.content {
            KeyContent::Known(_) => None,
            KeyContent::Staged(_) => self.digest.as_ref(),
        }
    }

    /// The problem of a file that does not have the digest of the profile.
    fn wrong_digest(&self) -> Option<Problem> {
        let (KeyContent::Known(bytes), Some(expected)) = (&self.content, &self.source.value.key.sha256) else {
            return None;
        };
        let found = Digest::sha256(bytes);
        let message =
            format!("the key of apt source `{}` does not have the digest in the profile", self.source.value.name);
        let hint = "compare the key with the one its owner publishes before changing the profile".to_owned();
        (found != *expected).then(|| {
            let problem = Problem::new(message).hint(hint).asked_at(self.source.origin.clone());
            problem.cause(format!("expected {expected}")).cause(format!("found {found}"))
        })
    }
}

/// The sources that are not on the node.
#[derive(Default)]
pub(super) struct AddedSources {
    pub(super) sources: AptSources,
    origins: Vec<Origin>,
    /// The keys to stage.
    pub(super) stage: Vec<Stage>,
}

impl AddedSources {
    /// Plans the step that writes the sources.
    pub(super) fn plan(mut self, fetch_lists: bool, planner: &mut Planner<'_, Action>) -> Self {
        self.sources.fetch_lists = fetch_lists;
        let options = StepOptions {
            logins: planner.logins(),
            lane: Some(Lane::Apt),
            stage: self.stage.clone(),
            ..StepOptions::for_origins(self.origins.clone(), "apt.sources".to_owned(), Phase::Sources)
        };
        planner.step("apt-sources", Action::Sources(self.sources.clone()), options);
        self
    }
}

/// The sources that are not on the node. `None` if there are none.
pub(super) fn differing_sources(
    apt: &Apt,
    look: &Snapshots,
    planner: &mut Planner<'_, Action>,
) -> Option<AddedSources> {
    let mut added = AddedSources::default();
    for entry in &apt.sources {
        let name = &entry.value.name;
        planner.writes(&source_file(name), &entry.origin);
        let Some(wanted) = WantedKey::of(entry, planner.common) else { continue };
        let path = key_file(name);
        planner.writes(&path, &entry.origin);
        if let Some(problem) = wanted.wrong_digest() {
            planner.refuse_with(problem);
            continue;
        }
        if let KeyContent::Known(bytes) = &wanted.content
            && let Err(problem) = checked(name, bytes, &entry.value.fingerprints)
        {
            planner.refuse_with(problem.asked_at(entry.origin.clone()));
            continue;
        }
        let key = AptKey {
            content: wanted.content.clone(),
            fingerprints: entry.value.fingerprints.clone(),
            origin: entry.origin.clone(),
        };
        let source = action::AptSource { name: name.clone(), stanza: stanza(&entry.value, wanted.noted_digest()), key };
        if wanted.is_at(&path, look) && look.holds(&source_file(name), source.stanza_with(&path).as_bytes()) {
            planner.ready(format!("apt source: {name}"));
            continue;
        }
        added.sources.sources.push(source);
        added.origins.push(entry.origin.clone());
        added.stage.extend(wanted.stage);
    }
    (!added.origins.is_empty()).then_some(added)
}

/// A deb822 source, as sources.list(5) describes it, without its key. The digest is that of the key file.
fn stanza(source: &AptSource, digest: Option<&Digest>) -> String {
    let key = digest.map(|digest| format!(" The key file on its server has {digest}.")).unwrap_or_default();
    let mut lines = vec![
        format!("# Written by nodeagent.{key}"),
        "Types: deb".to_owned(),
        format!("URIs: {}", source.uris.join(" ")),
        format!("Suites: {}", source.suites.join(" ")),
    ];
    for (name, words) in [("Components", &source.components), ("Architectures", &source.architectures)] {
        if !words.is_empty() {
            lines.push(format!("{name}: {}", words.join(" ")));
        }
    }
    lines.join("\n") + "\n"
}
