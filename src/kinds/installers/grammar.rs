//! Implements the contract of kinds for `[installers]`: merging, printing, files and secrets.

use url::Url;

use super::{checked::Installers, written::Written};
use crate::{
    diagnostic::{Diagnostic, Origin},
    kinds::programs::{Programs, Role},
    profile::{Assets, Entry, FetchedByName, Login, NamedAsset, Page, Rules, SecretUse, Section, Whole},
};

impl Section for Installers {
    type Written = Written;
    const KEYS: &'static [&'static str] = &["installers"];
    const LOCKED: bool = false;

    fn inherit(_: &mut Written, _: &Written) {}

    fn entry_names(written: &Written) -> Vec<String> {
        Programs::names(Role::Installer, &written.installers)
    }

    fn check(written: &Written, rules: &mut Rules<'_>) -> Self {
        Self(Programs::check(Role::Installer, &written.installers, rules))
    }

    fn merge(parent: Self, child: Self) -> Self {
        Self(Programs::merged(parent.0, child.0))
    }

    fn complete(&mut self, _: &Assets<'_>, _: &mut Vec<Diagnostic>) {}

    fn check_whole(&self, _: &Whole<'_>, _: &mut Vec<Diagnostic>) {}

    fn show(&self, page: &mut Page) {
        self.0.show(Role::Installer, page);
    }

    fn assets(&self) -> Vec<NamedAsset<'_>> {
        self.0.files(Role::Installer)
    }

    fn indexes(&self) -> Vec<(&Url, &Origin)> {
        Vec::new()
    }

    fn fetched_by_name(&self) -> Vec<FetchedByName<'_>> {
        Vec::new()
    }

    fn logins(&self) -> &[Entry<Login>] {
        &[]
    }

    fn secret_uses(&mut self) -> Vec<SecretUse<'_>> {
        self.0.secret_uses()
    }
}
