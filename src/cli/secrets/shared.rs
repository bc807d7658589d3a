//! Functions that several commands of `secrets` use.

use crate::{
    auth::AccessRequest,
    cli::{
        CommandError, Env,
        authorize::{Authorization, authorize},
        target::{ProfileRequest, load_profile, this_node},
    },
    diagnostic::Diagnostic,
    kinds::Profile,
    run::use_of,
    secrets::SecretError,
};

/// Authorizes a request.
pub(super) fn require(env: &Env, request: AccessRequest, command: &'static str) -> Result<Authorization, CommandError> {
    authorize(env, env.access()?, vec![request], command)?.require_all()
}

/// Loads a profile and authorizes its use. A profile of another unit requires a grant, as for a run.
pub(super) fn profile_of(
    env: &Env,
    name: &str,
    sets: &[(String, String)],
    command: &'static str,
) -> Result<Profile, CommandError> {
    let facts = this_node(env);
    let profile = load_profile(env, &ProfileRequest { name, sets, facts: &facts, lenient: false }, None)?;
    use_of(&profile).map_or(Ok(()), |request| require(env, request, command).map(drop))?;
    Ok(profile)
}

/// The diagnostic for an error.
pub(super) fn diagnostic(error: &SecretError) -> Diagnostic {
    let causes = match error {
        SecretError::Cloud(error) => error.detail.iter().cloned().collect(),
        _ => Vec::new(),
    };
    Diagnostic::nowhere(error.to_string()).causes(causes).hint(error.hint())
}
