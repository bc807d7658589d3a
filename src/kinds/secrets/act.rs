//! Implements the contract of kinds for secrets: acting.

use std::path::Path;

use super::{checked::Secrets, deliver, secret_file::Action};
use crate::{
    inventory::Vault,
    kinds::writes_files::{WritesFile, WritesFiles},
    problem::Problem,
    steps::Context,
};

impl WritesFiles for Secrets {
    const WORD: &'static str = "secret";
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
            Self::Deliver(wanted) => deliver::deliver(ctx, wanted, vault),
            Self::Remove(wanted) => deliver::remove_delivered(ctx, wanted),
        }
    }
}
