//! The file with the secrets of Spark's environment. Only root can read it, and `spark-env.sh` reads it.

use std::path::{Path, PathBuf};

use super::action::{SecretVariable, WriteSecrets};
use crate::{
    fs::{self, Attributes, PartialFile, Snapshot},
    inventory::Vault,
    plan::PlannedItem,
    problem::Problem,
    secrets::file_formats::{Rendered, SecretFormat},
    state::Item,
    steps::{Context, note_item},
};

const FOLDER: &str = "/run/nodeagent/spark-env";
const MODE: u32 = 0o600;

/// The file of a profile, as a path of the node.
pub(super) fn path_of(profile: &str) -> PathBuf {
    Path::new(FOLDER).join(format!("{profile}.sh"))
}

/// The line of `spark-env.sh` that reads the file. It is missing after a restart of the node, until the next run.
pub(super) fn reading(file: &Path) -> String {
    let file = file.display();
    format!("if [ -r {file} ]; then . {file}; fi\n")
}

impl WriteSecrets {
    /// The content of the file.
    ///
    /// # Errors
    /// If a secret is not available, or cannot be a variable.
    pub(super) fn content(&self, vault: &Vault) -> Result<Rendered, Problem> {
        let mut text = Vec::new();
        for SecretVariable { name, secret } in &self.variables {
            let found = secret.from.as_ref().and_then(|from| vault.get(from));
            let unavailable = || Problem::new(format!("the secret `{}` is not available", secret.key));
            let value = found.ok_or_else(unavailable)?.map_err(|error| {
                Problem::new(format!("the secret `{}` is not available: {error}", secret.key)).hint(error.hint())
            })?;
            let line = SecretFormat::Variable(name.clone()).written(value.reveal()).map_err(|error| {
                Problem::new(format!("the secret `{}` cannot be a variable: {error}", secret.key))
                    .hint("deliver it as a file with `[[secrets.items]]`, and let the program read the file".to_owned())
            })?;
            text.push(b"export ".to_vec());
            text.push(line.reveal().to_vec());
        }
        let content = Rendered::new(text.concat());
        text.iter_mut().for_each(secrecy::zeroize::Zeroize::zeroize);
        Ok(content)
    }

    /// Records the file in the receipt, writes it and looks again.
    pub(super) fn write(&self, ctx: &Context, vault: &Vault) -> Result<(), Problem> {
        let content = self.content(vault)?;
        if let Some(folder) = self.path.parent() {
            fs::create_dirs(folder, 0o711)?;
        }
        let mut file = PartialFile::create(&self.path, Attributes::mode(MODE))?;
        file.write(content.reveal())?;
        let item = Item::SecretFile { stamps: vec![file.stamp()?] };
        let item = PlannedItem { profile: self.profile.clone(), file: self.file.clone(), item };
        note_item(ctx, &item, None)?;
        file.commit()?;
        if is_as_wanted(fs::read(&self.path)?.as_ref(), &content) {
            return Ok(());
        }
        Err(Problem::new(format!("`{}` does not have the written content", self.path.display())))
    }
}

/// Whether a file has the content, and only its owner can read it.
pub(super) fn is_as_wanted(found: Option<&Snapshot>, content: &Rendered) -> bool {
    found.is_some_and(|found| found.bytes.as_deref() == Some(content.reveal()) && found.mode == MODE)
}
