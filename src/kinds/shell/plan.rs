//! Plans shell configuration: one step for each file that differs.

use std::path::{Path, PathBuf};

use super::checked::{Shell, Text};
use crate::{
    fs::Attributes,
    inventory::{Inventory, Snapshots, below},
    kinds::{
        contract::{LookAt, Planning},
        no_packages::plans_no_packages,
    },
    managed_block::{ManagedBlock, Position},
    plan::{Address, Phase, Planner, Resource, StepOptions, TextFile, WriteFile, text_of},
    problem::Problem,
    profile::Entry,
};

/// The files that a new home gets: useradd(8).
const SKELETON: &str = "/etc/skel";

/// The signs that begin a comment.
const SHELL: &str = "#";
const VIM: &str = "\"";

impl Planning for Shell {
    type Look = Snapshots;
    type Action = WriteFile;

    fn look(&self, at: &LookAt<'_>) -> Snapshots {
        let homes = || self.user_names().into_iter().filter_map(|user| at.users.user(user)).map(|user| &user.home);
        let names = [".bashrc", ".vimrc"];
        let files = homes().flat_map(|home| names.map(|name| home.join(name)));
        let files = files.chain(self.profile_d.keys().map(|name| profile_d(name)));
        let mut look = Snapshots::read(at.root, files);
        for home in homes().filter(|home| at.users.is_new_home(home) && !below(at.root, home).exists()) {
            for name in names {
                look.add_copy(at.root, &Path::new(SKELETON).join(name), home.join(name));
            }
        }
        look
    }

    plans_no_packages!();

    fn addresses(&self, _: &Inventory) -> Vec<Address> {
        Vec::new()
    }

    fn outline(&self) -> Vec<StepOptions> {
        let texts = [&self.bashrc, &self.vimrc].into_iter().flatten().filter(|_| !self.user_names().is_empty());
        let texts = texts.map(|entry| StepOptions::new(entry, Phase::Settings));
        let files = self.profile_d.iter().map(|(name, entry)| options_of_profile_d(name, entry));
        texts.chain(files).collect()
    }

    fn plan(&self, look: &Snapshots, planner: &mut Planner<'_, WriteFile>) {
        for (name, text, sign) in [("bashrc", &self.bashrc, SHELL), ("vimrc", &self.vimrc, VIM)] {
            let Some(entry) = text else { continue };
            for user in self.user_names() {
                self.file_of_user((name, sign), entry, user, look, planner);
            }
        }
        for (name, entry) in &self.profile_d {
            let Some(text) = text_of(&entry.value.content, planner) else { continue };
            let block = (!entry.value.whole.unwrap_or(true)).then(|| ManagedBlock::only(SHELL, Position::End));
            let (id, path) = (format!("profile-d:{name}"), profile_d(name));
            let options = options_of_profile_d(name, entry);
            let file =
                TextFile { id, path, text: &text, block, base: None, attributes: Attributes::mode(0o644), mode: None };
            file.plan("shell", look, planner, options);
        }
    }
}

impl Shell {
    /// The users who receive `bashrc` and `vimrc`.
    fn user_names(&self) -> Vec<&str> {
        self.users.as_ref().map_or_else(|| vec!["root"], |users| users.value.iter().map(String::as_str).collect())
    }

    fn file_of_user(
        &self,
        (name, sign): (&str, &str),
        entry: &Entry<Text>,
        user: &str,
        look: &Snapshots,
        planner: &mut Planner<'_, WriteFile>,
    ) {
        let id = if user == "root" { name.to_owned() } else { format!("{name}:{user}") };
        let users = &planner.common.inventory.users;
        let Some(found) = users.user(user).cloned() else {
            let origin = self.users.as_ref().map_or(&entry.origin, |users| &users.origin);
            let near = crate::diagnostic::nearest(user, users.names()).map(|near| format!("did you mean `{near}`?"));
            let problem = Problem::new(format!("there is no user `{user}` on this node")).hint(near);
            // Without the user, the home is not known.
            let action = WriteFile::impossible(PathBuf::from(format!("~{user}/.{name}")));
            let options = StepOptions::new(entry, Phase::Settings);
            return planner.impossible(id, action, options, problem.asked_at(origin.clone()));
        };
        let Some(text) = text_of(&entry.value.content, planner) else { return };
        let block = (!entry.value.whole.unwrap_or(false)).then(|| ManagedBlock::only(sign, Position::End));
        let attributes = Attributes { mode: None, owner: Some((found.uid, found.gid)) };
        let path = found.home.join(format!(".{name}"));
        let options = StepOptions {
            creates: vec![Resource::Path(path.clone())],
            uses: vec![Resource::User(user.to_owned()), Resource::Path(found.home.clone())],
            ..StepOptions::new(entry, Phase::Settings)
        };
        let file = TextFile { id, path, text: &text, block, base: None, attributes, mode: None };
        file.plan("shell", look, planner, options);
    }
}

fn options_of_profile_d(name: &str, entry: &Entry<Text>) -> StepOptions {
    let path = profile_d(name);
    StepOptions {
        uses: vec![Resource::folder_of(&path)],
        creates: vec![Resource::Path(path)],
        ..StepOptions::new(entry, Phase::Settings)
    }
}

/// The path in `/etc/profile.d` for a name.
fn profile_d(name: &str) -> PathBuf {
    Path::new("/etc/profile.d").join(format!("{name}.sh"))
}
