//! The documents of people in TOML: profiles, locks, access files.

use std::{cell::RefCell, collections::BTreeMap, path::Path, sync::LazyLock};

use tempfile::TempDir;

use super::scratch::{self, ScratchFile};
use crate::{
    auth::{Access, AccessRequest, Identity, decide, explain},
    diagnostic::Diagnostic,
    facts::NodeFacts,
    kinds::{self, load},
    lock::Lock,
    profile::{FileStore, ProfileError, Request, show},
    report::diagnostics::render,
};

/// A value that the dictionaries of the fuzzers have as a secret.
const SECRET: &str = "hunter2-Fz9q";
/// The keys of `[secrets]` and `[[logins]]` whose values are secret.
const SECRET_KEYS: [&str; 3] = ["value", "password", "token"];
/// First lines after which a secret is on the second line, even if the text is not valid TOML.
const HEADS: [&str; 2] = ["[[logins]]\npassword = \"", "[secrets.a]\nvalue = \""];

static FACTS: LazyLock<NodeFacts> = LazyLock::new(|| NodeFacts::gather(Path::new("/nowhere"), BTreeMap::new()));

pub(super) fn profile(data: &[u8]) {
    thread_local!(static FILE: RefCell<ScratchFile> = RefCell::new(ScratchFile::new(".toml")));
    FILE.with_borrow_mut(|file| {
        let name = file.with(data).to_string_lossy().into_owned();
        let store = FileStore::local("/nowhere");
        let sets = BTreeMap::new();
        let loaded = load(&Request {
            name: &name,
            store: &store,
            facts: &FACTS,
            sets: &sets,
            lenient: true,
            metadata: None,
            launched: None,
            locked: false,
            folders: None,
        });
        match loaded {
            Ok(profile) => drop(show(&profile)),
            Err(ProfileError(mistakes)) => shown(data, &mistakes),
        }
    });
}

/// A requirements file in a folder of its own, so that it can include itself.
pub(super) fn requirements(data: &[u8]) {
    const NAME: &str = "requirements.txt";
    thread_local!(static FILE: RefCell<(TempDir, ScratchFile)> = RefCell::new({
        let folder = scratch::folder();
        let file = ScratchFile::named(NAME, folder.path());
        (folder, file)
    }));
    FILE.with_borrow_mut(|(folder, file)| {
        file.with(data);
        kinds::python::fuzz::requirements(data, folder.path());
    });
}

pub(super) fn lock(data: &[u8]) {
    match Lock::parse("family.lock", data) {
        Ok(lock) => {
            let text = lock.render();
            let again = Lock::parse("family.lock", text.as_bytes());
            assert_eq!(again.as_ref().ok().map(Lock::render), Some(text), "a written lock reads as another one");
        }
        Err(mistakes) => drop(render(&mistakes, false)),
    }
}

pub(super) fn access(data: &[u8]) {
    let access = match Access::parse("access.toml", data) {
        Ok(access) => access,
        Err(mistakes) => return drop(render(&mistakes, false)),
    };
    let node = Identity::of_node(&FACTS, Path::new("/nowhere"));
    for request in [
        AccessRequest::read("family", "db-password"),
        AccessRequest::Connect { database: "db".to_owned(), user: "reader".to_owned() },
        AccessRequest::UseProfile { unit: "family".to_owned() },
    ] {
        decide(&access, &node, &request);
        explain(&access, &node, &request);
        access.is_granted_to_any(&request);
    }
}

/// Renders mistakes. A secret that the text has in places for secrets only must not be in them.
fn shown(data: &[u8], mistakes: &[Diagnostic]) {
    let text = [render(mistakes, false), render(mistakes, true)].concat();
    if text.contains(SECRET) {
        let profile = String::from_utf8_lossy(data);
        assert!(!is_only_secret(&profile), "a secret is shown:\n{text}");
    }
}

/// Whether every place of the secret in a profile is one for secrets.
fn is_only_secret(profile: &str) -> bool {
    let count = profile.matches(SECRET).count();
    if let Ok(table) = profile.parse() {
        return secret_places(&toml::Value::Table(table), &mut Vec::new()) == count;
    }
    let value = HEADS.iter().find_map(|head| profile.strip_prefix(head));
    count == 1 && value.is_some_and(|value| value.lines().next().is_some_and(|line| line.contains(SECRET)))
}

/// The number of places with the secret in values that must not be shown.
fn secret_places(value: &toml::Value, path: &mut Vec<String>) -> usize {
    match value {
        toml::Value::String(text) => {
            let is_section = path.first().is_some_and(|name| name == "secrets" || name == "logins");
            let is_key = path.last().is_some_and(|name| SECRET_KEYS.contains(&name.as_str()));
            if is_section && is_key { text.matches(SECRET).count() } else { 0 }
        }
        toml::Value::Array(items) => items.iter().map(|item| secret_places(item, path)).sum(),
        toml::Value::Table(table) => table
            .iter()
            .map(|(name, item)| {
                path.push(name.clone());
                let count = secret_places(item, path);
                path.pop();
                count
            })
            .sum(),
        _ => 0,
    }
}
