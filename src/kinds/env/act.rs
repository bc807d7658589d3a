//! Implements the contract of kinds for `[env]`: acting.

use std::path::Path;

use super::{action::Action, checked::Env};
use crate::{
    inventory::Vault,
    kinds::writes_files::{WritesFile, WritesFiles},
    problem::Problem,
    steps::{Context, write_file},
};

impl WritesFiles for Env {
    const WORD: &'static str = "env";
}

impl WritesFile for Action {
    fn path(&self) -> &Path {
        self.path()
    }

    fn title(&self) -> String {
        self.title()
    }

    fn describe(&self) -> Vec<String> {
        self.describe()
    }

    fn write(&self, ctx: &Context, vault: &Vault) -> Result<(), Problem> {
        match self {
            Self::Write(file) => write_file(ctx, file),
            Self::Secrets(file) => file.write(ctx, vault),
        }
    }
}
