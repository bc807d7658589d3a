//! Writes one file whole, as the plan made it.

use super::{Context, note_item};
use crate::{fs, plan::WriteFile, problem::Problem};

/// Records the file in the receipt, writes it and verifies it.
pub fn write_file(ctx: &Context, wanted: &WriteFile) -> Result<(), Problem> {
    // A user may have edited the file since it was planned. The edits must not be lost.
    let now = fs::read(&wanted.path)?;
    if now.as_ref().and_then(|found| found.bytes.as_ref()) != wanted.before.as_ref() {
        return Err(Problem::new(format!("`{}` was changed by another program during the run", wanted.path.display()))
            .hint("run nodeagent again".to_owned()));
    }
    if let Some(item) = &wanted.item {
        note_item(ctx, item, now.as_ref())?;
    }
    fs::replace(&wanted.path, &wanted.bytes, wanted.attributes)?;
    let now = fs::read(&wanted.path)?.and_then(|found| found.bytes);
    if now.as_deref() == Some(&wanted.bytes) {
        return Ok(());
    }
    Err(Problem::new(format!("`{}` does not have the written content", wanted.path.display())))
}
