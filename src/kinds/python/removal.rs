//! Removes distributions that the profile declares absent.

use super::{action::PythonRemoval, installation::remember_shipped, uv};
use crate::{facts::PythonEnv, problem::Problem, steps::Context};

/// Removes the distributions, then verifies that they are gone.
pub(super) async fn act(ctx: &Context, wanted: &PythonRemoval) -> Result<(), Problem> {
    let PythonRemoval { environment, names } = wanted;
    remember_shipped(ctx, environment)?;
    let tool = uv::find(ctx, environment).await?;
    let cmd = tool.remove(environment, names).log(ctx.logs.join(environment.own_file("pip.log")));
    ctx.progress.now("removing", None);
    let removed = ctx.runner.run(&cmd).await.and_then(|done| done.ok(&cmd));
    removed.map_err(|error| Problem::new("the Python distributions could not be removed").because(&error))?;
    let env = PythonEnv::read(&environment.interpreter)
        .map_err(|error| Problem::new("the environment cannot be read").because(&error))?;
    match names.iter().find(|name| env.distributions.contains_key(*name)) {
        None => Ok(()),
        Some(left) => Err(Problem::new(format!("the installer reported success, but `{left}` is still installed"))),
    }
}
