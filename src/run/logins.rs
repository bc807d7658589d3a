//! Fetches the passwords of the logins that the steps of a plan may need. This happens before anything is changed, and
//! only if there is work to do.

use std::collections::BTreeSet;

use crate::{
    cloud::Clouds,
    inventory::Vault,
    kinds::{LoginFile, Plan, Step},
    plan::Login,
    problem::Problem,
    steps::logins::{misfit, password},
};

/// Adds the passwords of a plan's logins to the secrets of the run. A password that cannot be fetched refuses the run.
/// If only optional steps need it, it fails these steps.
pub async fn fetch_logins(plan: &mut Plan, vault: &mut Vault, clouds: &Clouds) {
    let logins = plan.steps.iter().flat_map(|step| &step.logins).chain(&plan.later_logins);
    let wanted: Vec<_> = logins.map(|login| &login.login.from).collect();
    if wanted.is_empty() {
        return;
    }
    vault.add(wanted, clouds).await;
    let mut reported = BTreeSet::new();
    for step in &mut plan.steps {
        let Some(failure) = step.logins.iter().find_map(|login| login_problem(login, step, vault)) else { continue };
        if step.optional {
            step.known_failure = step.known_failure.take().or(Some(failure));
        } else if reported.insert(failure.message.clone()) {
            plan.refusals.push(failure);
        }
    }
}

/// The reason why a step cannot use a login.
fn login_problem(login: &Login, step: &Step, vault: &Vault) -> Option<Problem> {
    let (key, scope) = (&login.login.key, &login.login.scope);
    let failure = |message: String, hint: String| Problem::new(message).hint(hint).asked_at(login.origin.clone());
    let value = match vault.get(&login.login.from)? {
        Ok(value) => value,
        Err(error) => {
            let message = format!(
                "the password `{key}` of scope `{scope}` for `{}` is not available: {error}",
                login.login.url_prefix
            );
            return Some(failure(message, error.hint()));
        }
    };
    let in_netrc = match step.action.login_file() {
        LoginFile::Netrc => true,
        LoginFile::NetrcByHost => login.by_host,
        LoginFile::None => false,
    };
    let why = match password(value) {
        Ok(password) if in_netrc => misfit(&password)?,
        Ok(_) => return None,
        Err(why) => why,
    };
    let message = format!("the password `{key}` of scope `{scope}` for `{}` {why}", login.login.url_prefix);
    Some(failure(message, "give the user a password or token of letters and digits".to_owned()))
}
