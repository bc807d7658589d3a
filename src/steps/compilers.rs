//! What compiles on a node: what the compilers call themselves, and the variables that builds listen to.

use std::collections::BTreeMap;

use super::Context;
use crate::exec::Cmd;

/// Variables that builds of every kind listen to.
const VARIABLES: [&str; 16] = [
    "CC",
    "CFLAGS",
    "CPATH",
    "CPLUS_INCLUDE_PATH",
    "CPPFLAGS",
    "CXX",
    "CXXFLAGS",
    "C_INCLUDE_PATH",
    "LDFLAGS",
    "LIBRARY_PATH",
    "LIBS",
    "PKG_CFLAGS",
    "PKG_CONFIG_PATH",
    "PKG_LIBS",
    "R_MAKEVARS_SITE",
    "SOURCE_DATE_EPOCH",
];

/// The variables of the agent's environment that a build listens to; `more` are those of one kind of builds.
pub(crate) fn variables(
    more: &[&str],
    variable: impl Fn(&str) -> Option<std::ffi::OsString>,
) -> BTreeMap<String, String> {
    let set = |name: &&str| Some(((*name).to_owned(), variable(name)?.to_string_lossy().into_owned()));
    VARIABLES.iter().chain(more).filter_map(set).collect()
}

/// What a compiler calls itself, such as `gcc (Debian 12.2.0-14) 12.2.0`; nothing when it is not there.
pub(crate) async fn called(ctx: &Context, line: &str) -> String {
    let mut words = line.split_ascii_whitespace();
    let Some(program) = words.next() else { return String::new() };
    let asked = output(ctx, &Cmd::new(program).args(words).arg("--version")).await;
    asked.and_then(|said| Some(said.lines().next()?.trim().to_owned())).unwrap_or_default()
}

/// What a program says; nothing when it fails.
pub(crate) async fn output(ctx: &Context, cmd: &Cmd) -> Option<String> {
    ctx.runner.run(cmd).await.ok().filter(|done| done.code == 0).map(|done| done.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_variables_that_builds_listen_to_count() {
        let set = |name: &str| ["CPPFLAGS", "HOME", "SECRET", "MORE"].contains(&name).then(|| "x".into());
        assert_eq!(variables(&[], set), [("CPPFLAGS".to_owned(), "x".to_owned())].into());
        assert_eq!(variables(&["MORE"], set).len(), 2);
    }
}
