//! Rules of `[git]`.

use std::path::PathBuf;

use super::{
    checked::{Git, Repository, Revision},
    written,
};
use crate::{
    grammar::{document::Part, names},
    profile::{Cases, Entry, Rules, place, within},
};

impl Rules<'_> {
    pub(super) fn git(&mut self, written: &written::Written) -> Git {
        Git(written.git.iter().filter_map(|(path, cases)| self.git_entry(path, cases)).collect())
    }

    fn git_entry(&mut self, name: &str, cases: &Cases<written::Repository>) -> Option<(PathBuf, Entry<Repository>)> {
        let at = place!["git", name];
        let text = self.expanded(&at, name)?;
        let path: PathBuf = self.absolute(&at, &text)?.components().collect();
        let entry = self.cases(&at, cases, |rules, at, raw| {
            let before = rules.found.len();
            let value = rules.repository(at, raw);
            let timeout = rules.timeout(at, raw.timeout.as_deref());
            let mut names = rules.spellings([format!("git.{name}")]);
            let resolved = format!("git.{}", path.display());
            if !names.contains(&resolved) {
                names.push(resolved);
            }
            let order = rules.order(at, names, (&raw.after, &raw.before));
            let entry = Entry { value: value?, origin: rules.origin(at), optional: raw.optional, timeout, order };
            (rules.found.len() == before).then_some(entry)
        })?;
        Some((path, entry))
    }

    fn repository(&mut self, path: &[Part], raw: &written::Repository) -> Option<Repository> {
        let at = |key: &str| within(path, key);
        let url = self.expanded(&at("url"), &raw.url)?;
        let url = self.url(&at("url"), &url);
        let revision = self.revision(path, raw);
        let depth = raw.depth.map_or(Some(1), |depth| u32::try_from(depth).ok().filter(|depth| *depth > 0));
        if depth.is_none() {
            self.mistake(&at("depth"), "this is not a number of commits", "a number from 1");
        }
        let owner = raw.owner.as_ref().and_then(|owner| self.expanded(&at("owner"), owner));
        if let Some(owner) = owner.as_ref().filter(|owner| !owner.split(':').all(names::is_user)) {
            self.mistake(&at("owner"), format!("`{owner}` is not an owner"), "write `user` or `user:group`");
        }
        Some(Repository { url: url?, revision: revision?, depth: depth?, submodules: raw.submodules, owner })
    }

    fn revision(&mut self, path: &[Part], raw: &written::Repository) -> Option<Revision> {
        let at = |key: &str| within(path, key);
        match (&raw.commit, &raw.tag, &raw.branch) {
            (Some(commit), None, None) => self.commit(&at("commit"), commit).map(Revision::Commit),
            (None, Some(tag), None) => self.revision_name((&at("tag"), "tag"), tag, "v1.2").map(Revision::Tag),
            (None, None, Some(branch)) => {
                self.revision_name((&at("branch"), "branch"), branch, "main").map(Revision::Branch)
            }
            (None, None, None) => {
                self.mistake(path, "the entry names no revision", "give `commit`, `tag` or `branch`");
                None
            }
            _ => {
                self.mistake(path, "the entry names several revisions", "keep one of `commit`, `tag` and `branch`");
                None
            }
        }
    }

    /// The name of a tag or a branch. `key` is the key of the text.
    fn revision_name(&mut self, (at, key): (&[Part], &str), text: &str, example: &str) -> Option<String> {
        let name = self.expanded(at, text)?;
        if !names::is_git_reference(&name) || name.contains("..") {
            self.mistake(at, format!("`{name}` is not a {key}"), format!("name a {key}, such as `{example}`"));
            return None;
        }
        Some(name)
    }
}
