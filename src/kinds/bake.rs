//! Makes a layer of an environment, after the environment's kind has checked that a layer is possible.

use super::{
    python::{self, Trace},
    r,
};
use crate::{
    plan::{Environment, Layer},
    problem::Problem,
    steps::{
        Context,
        layer::{self, Baked},
    },
    trust::SecretKey,
};

/// Makes a layer of the installed files on this node and publishes it, signed with `signer` if there is one.
///
/// # Errors
/// If the environment cannot be packed, or the layer cannot be published.
pub async fn bake(ctx: &Context, layer: &Layer, signer: Option<&SecretKey>) -> Result<Baked, Problem> {
    match layer.of {
        Environment::Python => {
            python::check_imports(ctx, &layer.program, &layer.smoke, Trace::None).await?;
        }
        Environment::R => r::check_can_bake()?,
    }
    layer::bake(ctx, layer, signer).await
}
