//! Implements the contract of kinds for `[shell]`: merging, printing, files and addresses.

use super::{VARIABLES, written::Written};
use crate::{
    diagnostic::Diagnostic,
    kinds::{no_packages::names_no_packages, no_stages::has_no_stages},
    profile::{Assets, Content, NamedAsset, Page, Rules, SecretUse, Section, Whole, array, key, quoted},
};

use super::checked::{Shell, Text};

impl Section for Shell {
    type Written = Written;
    const KEYS: &'static [&'static str] = &["shell"];
    const LOCKED: bool = true;

    has_no_stages!();

    fn inherit(_: &mut Written, _: &Written) {}

    fn entry_names(written: &Written) -> Vec<String> {
        let shell = &written.shell;
        let one = |name: &str, is_there: bool| is_there.then(|| format!("shell.{name}"));
        let files = shell.profile_d.keys().map(|name| format!("shell.profile-d.{name}"));
        let texts = [one("bashrc", shell.bashrc.is_some()), one("vimrc", shell.vimrc.is_some())];
        let variables = (!shell.variables.is_empty()).then(|| VARIABLES.to_owned());
        texts.into_iter().flatten().chain(files).chain(variables).collect()
    }

    fn check(written: &Written, rules: &mut Rules<'_>) -> Self {
        rules.shell(&written.shell)
    }

    fn merge(parent: Self, child: Self) -> Self {
        let mut profile_d = parent.profile_d;
        profile_d.extend(child.profile_d);
        Self {
            users: child.users.or(parent.users),
            bashrc: child.bashrc.or(parent.bashrc),
            vimrc: child.vimrc.or(parent.vimrc),
            profile_d,
        }
    }

    fn complete(&mut self, _: &Assets<'_>, _: &mut Vec<Diagnostic>) {}

    fn check_whole(&self, _: &Whole<'_>, _: &mut Vec<Diagnostic>) {}

    fn show(&self, page: &mut Page) {
        let shell = self;
        page.section("shell");
        page.setting("users", shell.users.as_ref(), "[\"root\"]", |users| array(users));
        for (name, entry) in [("bashrc", &shell.bashrc), ("vimrc", &shell.vimrc)] {
            if let Some(entry) = entry {
                page.value(name, &text(&entry.value), &entry.origin);
            }
        }
        for (name, entry) in &shell.profile_d {
            page.value(&format!("profile-d.{}", key(name)), &text(&entry.value), &entry.origin);
        }
    }

    fn assets(&self) -> Vec<NamedAsset<'_>> {
        self.texts().filter_map(|entry| NamedAsset::of_content(&entry.value.content, entry)).collect()
    }

    names_no_packages!();

    fn secret_uses(&mut self) -> Vec<SecretUse<'_>> {
        Vec::new()
    }
}

fn text(text: &Text) -> String {
    let content = match &text.content {
        Content::File(file) => format!("file = {}", quoted(&file.path)),
        Content::Inline(text) => format!("text = {}", quoted(text)),
    };
    match text.whole {
        Some(whole) => format!("{{ {content}, style = \"{}\" }}", if whole { "whole" } else { "block" }),
        None => format!("{{ {content} }}"),
    }
}
