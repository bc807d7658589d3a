//! Determines the compilers that R uses and their settings, once per step and only if a package must be compiled.

use futures::future::join_all;

use super::key::Toolchain;
use crate::{
    digest::Digest,
    exec::inherited,
    kinds::r::build::BuildEnvironment,
    steps::{Context, compilers},
};

/// R's names for the compilers of packages.
const COMPILERS: [&str; 3] = ["CC", "CXX", "FC"];
/// Settings that do not affect packages but depend on other software of the node.
const OF_OTHERS: [&str; 3] = ["JAVA", "JAR", "TCLTK_"];

/// Reads R's settings and the version of each compiler. `None` if R does not report them or uses the user's own
/// settings.
pub(super) async fn ask(ctx: &Context, environment: &BuildEnvironment) -> Option<Toolchain> {
    let added = environment.added_settings()?;
    let settings = compilers::stdout_of(ctx, &environment.settings()).await?;
    let called = COMPILERS.map(|name| {
        let line = setting(&settings, name).unwrap_or_default();
        async move { (name.to_owned(), compilers::version_line(ctx, line).await) }
    });
    let compilers = join_all(called).await.into_iter().collect();
    let settings = Digest::sha256(format!("{}{added}", of_builds(&settings)).as_bytes()).hex().to_owned();
    Some(Toolchain { compilers, settings, variables: compilers::variables(&[], inherited) })
}

/// The value of a line such as `CXX = g++ -std=gnu++14`.
fn setting<'a>(settings: &'a str, name: &str) -> Option<&'a str> {
    settings.lines().filter_map(|line| line.split_once('=')).find(|(key, _)| key.trim() == name).map(|(_, value)| value)
}

/// The settings that affect builds.
fn of_builds(settings: &str) -> String {
    let lines = settings.lines().filter(|line| !OF_OTHERS.iter().any(|other| line.starts_with(other)));
    lines.flat_map(|line| [line.trim_end(), "\n"]).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        exec::{Finished, fake::FakeRunner},
        report::event::Events,
    };

    const SETTINGS: &str = "CC = gcc\nCFLAGS = -g -O2 -g0 -pipe\nCXX = g++ -std=gnu++14\nCXX11 = other\nFC = gfortran\n\
                            JAVA_HOME = /usr/lib/jvm\n\n## The following\nCPP CXXCPP\n";

    async fn asked(settings: &'static str, version: &'static str) -> Option<Toolchain> {
        let runner = FakeRunner::new().answer(move |cmd| {
            let stdout = match (cmd.program.as_str(), cmd.args.first().map(String::as_str)) {
                ("R", Some("CMD")) => settings.to_owned(),
                ("gcc", _) => format!("gcc (Debian) {version}\nCopyright\n"),
                ("g++", Some("-std=gnu++14")) => format!("g++ (Debian) {version}\n"),
                _ => return None,
            };
            Some(Finished { stdout, ..Finished::default() })
        });
        let ctx = Context::for_tests(Arc::new(runner), Events::default().of_step("r"));
        ask(&ctx, &BuildEnvironment::for_tests()).await
    }

    #[tokio::test]
    async fn compilers_are_identified_by_their_version_lines() {
        let tools = asked(SETTINGS, "12.2.0").await.expect("R answers");
        let expected = [("CC", "gcc (Debian) 12.2.0"), ("CXX", "g++ (Debian) 12.2.0"), ("FC", "")];
        assert_eq!(tools.compilers, expected.map(|(name, said)| (name.to_owned(), said.to_owned())).into());
        let newer = asked(SETTINGS, "13.1.0").await.expect("R answers");
        assert_ne!(tools.compilers, newer.compilers);
        assert_eq!(tools.settings, newer.settings);
    }

    #[tokio::test]
    async fn flags_change_the_settings_but_java_does_not() {
        let settings = asked(SETTINGS, "12").await.map(|tools| tools.settings);
        let flags = asked("CC = gcc\nCFLAGS = -O3\n", "12").await.map(|tools| tools.settings);
        assert!(settings.is_some() && settings != flags);
        assert_eq!(of_builds(SETTINGS), of_builds(&SETTINGS.replace("/usr/lib/jvm", "/opt/jvm")));
    }

    #[tokio::test]
    async fn without_settings_of_r_there_is_no_toolchain() {
        let ctx = Context::for_tests(Arc::new(FakeRunner::new()), Events::default().of_step("r"));
        assert_eq!(ask(&ctx, &BuildEnvironment::for_tests()).await, None);
    }
}
