//! The limit of one login for a host, which the tools have.

use super::action::Action;
use crate::plan::{Login, Planner};

/// Refuses two logins for one host if the tools support only one. A netrc file has hosts, but no paths or ports.
pub(super) fn one_login_a_host(logins: &[Login], planner: &mut Planner<'_, Action>) {
    for (index, second) in logins.iter().enumerate().filter(|(_, login)| login.by_host) {
        let host = second.login.url_prefix.host();
        let same_host = |first: &&Login| first.by_host && first.login.url_prefix.host() == host;
        let differs =
            |first: &&Login| (&first.login.user, &first.login.from) != (&second.login.user, &second.login.from);
        if let Some(first) = logins[..index].iter().filter(same_host).find(differs) {
            let message = format!(
                "pip and uv can have one login for a host, and `{host}` has two: at {} and at {}",
                first.origin, second.origin
            );
            let hint = "give one user the rights to both, or limit one of them with `when`".to_owned();
            planner.refuse(&second.origin, message, hint);
        }
    }
}
