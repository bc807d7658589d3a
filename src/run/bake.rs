//! Makes layers of the packages that a locked run installed on this node, for nodes with the same runtime and lock.

use std::{sync::Arc, time::Duration};

use super::{Job, Stop, cache, context, fetch_secrets, in_own_thread, take_lock};
use crate::{
    inventory::Vault, kinds, problem::Problem, report::event::Outcome, steps::layer::Baked, store::StoreError,
    trust::SecretKey,
};

/// The time limit of publishing layers. It is long, because publishing is the purpose of the command.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(3600);

/// The result of baking a profile.
#[derive(Debug, Default)]
pub struct Bakes {
    /// The layers that were made.
    pub made: Vec<Baked>,
    /// The reasons why others were not made.
    pub failed: Vec<Problem>,
}

/// Makes the layers of a profile and publishes them, signed if there is a key. Changes nothing but the store.
///
/// # Errors
/// If no layer was begun.
pub async fn bake(job: &Arc<Job>, signer: Option<&SecretKey>, stop: &Stop) -> Result<Bakes, Vec<Problem>> {
    let interrupted = |outcome: Outcome| {
        let why = if outcome == Outcome::DeadlinePassed { "the deadline passed" } else { "it was interrupted" };
        Problem::new(format!("not all layers were made: {why}"))
    };
    let mut bakes = Bakes::default();
    let vault = tokio::select! {
        vault = prepare(job) => vault?,
        outcome = stop.requested() => {
            bakes.failed.push(interrupted(outcome));
            return Ok(bakes);
        }
    };
    // A run at the same time would change files while they are packed.
    let _lock = take_lock(job, stop).await?.map_err(|outcome| vec![interrupted(outcome)])?;
    tokio::select! {
        done = bake_all(job, vault, signer, &mut bakes) => done?,
        outcome = stop.requested() => {
            bakes.failed.push(interrupted(outcome));
        }
    }
    Ok(bakes)
}

/// Fetches the secrets and checks that the layers can be published. Packing takes minutes, so a store that cannot be
/// written is reported first, and before the run lock is taken: a refused command writes no file.
async fn prepare(job: &Arc<Job>) -> Result<Vault, Vec<Problem>> {
    let (mut granted, vault) = fetch_secrets(job).await?;
    let mut node = in_own_thread(job, |job| super::node(job, vault)).await?;
    granted.write_down(&node.inventory.vault, job.audit.as_ref());
    let plan = node.plan(&job.profile, &job.facts, &cache(&job.root));
    if !plan.refusals.is_empty() {
        return Err(plan.refusals);
    }
    node.as_shipped();
    let found = node.layers(&job.profile, &job.facts).map_err(|drift| vec![drift])?;
    if found.iter().flatten().any(|layer| !layer.private) {
        let failed = |error: StoreError| {
            vec![Problem::new("the layers cannot be published").cause(error.to_string()).hint(error.hint())]
        };
        context(job, &plan, &node.inventory.vault).store.check_writable().await.map_err(failed)?;
    }
    Ok(node.inventory.vault)
}

async fn bake_all(
    job: &Arc<Job>,
    vault: Vault,
    signer: Option<&SecretKey>,
    bakes: &mut Bakes,
) -> Result<(), Vec<Problem>> {
    // The node may have changed until the run lock was taken.
    let (mut node, plan) = in_own_thread(job, |job| super::plan_now(job, vault)).await?;
    is_ready(job, &plan)?;
    node.as_shipped();
    let found = node.layers(&job.profile, &job.facts).map_err(|drift| vec![drift])?;
    if found.is_empty() {
        let mut nothing = Problem::new("the lock adds nothing that a layer could hold".to_owned());
        nothing.hint = Some(
            "layers contain only required Python and R packages; files of apt packages are in the store".to_owned(),
        );
        return Err(vec![nothing]);
    }
    let ctx = context(job, &plan, &node.inventory.vault);
    for layer in found {
        let done = match layer {
            Ok(layer) => kinds::bake(&ctx, &layer, signer).await,
            Err(why) => Err(Problem::new(format!("no layer can be made: {why}"))),
        };
        match done {
            Ok(made) => bakes.made.push(made),
            Err(failure) => bakes.failed.push(failure),
        }
    }
    ctx.store.settle(PUBLISH_TIMEOUT).await;
    Ok(())
}

/// A layer must contain exactly the packages of the lock.
fn is_ready(job: &Job, plan: &kinds::Plan) -> Result<(), Vec<Problem>> {
    let open: Vec<String> = plan
        .steps
        .iter()
        .filter(|step| !step.optional && step.action.fills_layers())
        .map(|step| format!("{}: {}", step.id, step.title()))
        .collect();
    if open.is_empty() {
        return Ok(());
    }
    let mut failure = Problem::new("this node does not match the lock yet".to_owned());
    failure.causes = open;
    failure.hint = Some(format!("first run `nodeagent run --locked --profile {}` here", job.profile.name));
    Err(vec![failure])
}
