//! The compilers of a node and the environment variables that affect builds. Both are part of build keys.

use std::collections::BTreeMap;

use super::Context;
use crate::exec::Cmd;

/// Environment variables that affect every build.
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

/// The agent's environment variables that affect a build. `more` names the variables of one kind of build.
pub(crate) fn variables(
    more: &[&str],
    variable: impl Fn(&str) -> Option<std::ffi::OsString>,
) -> BTreeMap<String, String> {
    let set = |name: &&str| Some(((*name).to_owned(), variable(name)?.to_string_lossy().into_owned()));
    VARIABLES.iter().chain(more).filter_map(set).collect()
}

/// The version line of a compiler, such as `gcc (Debian 12.2.0-14) 12.2.0`. Empty if the compiler is missing.
pub(crate) async fn version_line(ctx: &Context, line: &str) -> String {
    let mut words = line.split_ascii_whitespace();
    let Some(program) = words.next() else { return String::new() };
    let output = stdout_of(ctx, &Cmd::new(program).args(words).arg("--version")).await;
    output.and_then(|output| Some(output.lines().next()?.trim().to_owned())).unwrap_or_default()
}

/// The standard output of a command. `None` if it fails.
pub(crate) async fn stdout_of(ctx: &Context, cmd: &Cmd) -> Option<String> {
    ctx.runner.run(cmd).await.ok().filter(|done| done.code == 0).map(|done| done.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_variables_that_affect_builds_are_included() {
        let set = |name: &str| ["CPPFLAGS", "HOME", "SECRET", "MORE"].contains(&name).then(|| "x".into());
        assert_eq!(variables(&[], set), [("CPPFLAGS".to_owned(), "x".to_owned())].into());
        assert_eq!(variables(&["MORE"], set).len(), 2);
    }
}
