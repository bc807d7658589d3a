//! Runs a program whose work is not done, and checks the result.

use std::path::Path;

use super::{
    action::{Action, DesiredProgram},
    checked::Source,
    checks::unmet,
    content::{content_digest, watch_digest},
    execute::execute,
    look::ProgramLook,
    plan::reason,
};
use crate::{
    digest::Digest,
    facts::users::{User, Users},
    fs,
    inventory::Vault,
    problem::Problem,
    state::{ProgramReceipt, Receipt},
    steps::Context,
};

/// The state of the node that decides whether a program runs.
struct Observed {
    look: ProgramLook,
    content: String,
    reason: Option<String>,
}

/// Runs the program, unless an earlier step has done its work.
pub(in crate::kinds) async fn act(ctx: &Context, action: &Action, vault: &Vault) -> Result<(), Problem> {
    let wanted = &action.wanted;
    let user = match &wanted.program.user {
        Some(name) => Some(account(ctx, name)?),
        None => None,
    };
    let script = script(wanted)?;
    let before = observe(ctx, wanted, user.as_ref(), script.as_deref()).await;
    if before.reason.is_none() {
        return Ok(());
    }
    execute(ctx, wanted, user.as_ref(), script.as_deref(), vault).await?;
    let after = observe(ctx, wanted, user.as_ref(), script.as_deref()).await;
    if let Some(unmet) = after.look.unmet {
        let message = format!("`{}` ran without an error, but {unmet}", wanted.program.name);
        let log = ctx.logs.join(format!("{}.log", wanted.key()));
        return Err(Problem::new(message).hint(format!("compare its checks with its output in `{}`", log.display())));
    }
    // A watched file that changed while the program ran is a reason for the next run.
    let record = ProgramReceipt { content: before.content, watched: before.look.watched };
    Ok(Receipt::update(&ctx.root, |receipt| receipt.note_program(&wanted.profile, wanted.key(), record))?)
}

fn account(ctx: &Context, name: &str) -> Result<User, Problem> {
    let users = Users::read(&ctx.root);
    let user = users.user(name).cloned();
    user.ok_or_else(|| Problem::new(format!("there is no user `{name}` on this node")))
}

/// The content of the script or program.
fn script(wanted: &DesiredProgram) -> Result<Option<Vec<u8>>, Problem> {
    match (&wanted.program.source, &wanted.file) {
        (Source::Text(text), _) => Ok(Some(text.clone().into_bytes())),
        (Source::File(file), Some(path)) => {
            if Path::new(&file.path).is_absolute() {
                // Users may be able to change a path of the node.
                let found = fs::read(path)?.and_then(|found| found.bytes);
                let absent = || Problem::new(format!("`{}` is not a file of this node", file.path));
                return found.ok_or_else(absent).map(Some);
            }
            let read = std::fs::read(path).map(Some);
            read.map_err(|error| Problem::new(format!("`{}` could not be read: {error}", file.path)))
        }
        (Source::File(_) | Source::Commands(_), _) => Ok(None),
    }
}

async fn observe(ctx: &Context, wanted: &DesiredProgram, user: Option<&User>, script: Option<&[u8]>) -> Observed {
    let program = &wanted.program;
    let watched = watch_digest(&ctx.root, &program.watch);
    let look = ProgramLook { unmet: unmet(ctx.runner.as_ref(), &ctx.root, program, user).await, watched };
    let content = content_digest(program, script.map(Digest::sha256).as_ref(), &look.watched);
    let receipt = Receipt::read(&ctx.root);
    let reason = reason(program, &look, &content, receipt.program(&wanted.profile, &wanted.key()));
    Observed { look, content, reason }
}
