//! The workspace on loopback, as tests start and ask it.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
    time::Duration,
};

use serde_json::Value;

use crate::{free_port::free_port, server::Server};

/// A workspace that runs as long as this value lives.
pub(crate) struct Workspace {
    server: Server,
}

/// The program. `scripts/test` builds it and sets `NODEAGENT_WORKSPACE`; else it is built here, with the profile of the
/// test.
static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| {
    if let Some(built) = std::env::var_os("NODEAGENT_WORKSPACE") {
        return built.into();
    }
    let ours = std::env::current_exe().expect("the path of the test");
    let folder = ours.ancestors().nth(2).expect("the test is in `target/PROFILE/deps`");
    let profile = folder.file_name().filter(|name| *name != "debug").unwrap_or(OsStr::new("dev"));
    let mut build = command(env!("CARGO"));
    build.args(["build", "--quiet", "--example", "workspace", "--profile"]).arg(profile);
    let built = build.current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("cargo runs");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    folder.join("examples/workspace")
});

#[expect(clippy::disallowed_methods, reason = "a test starts the server that it needs")]
fn command(program: impl AsRef<OsStr>) -> Command {
    Command::new(program)
}

impl Workspace {
    /// The law firms' workspace.
    pub(crate) fn start() -> Self {
        Self::with(None)
    }

    /// A workspace of another state.
    pub(crate) fn of(state: &Path) -> Self {
        Self::with(Some(state))
    }

    fn with(state: Option<&Path>) -> Self {
        Self { server: Self::serve(free_port(), state) }
    }

    fn serve(port: u16, state: Option<&Path>) -> Server {
        let mut command = command(PROGRAM.as_path());
        command.arg("--port").arg(port.to_string());
        if let Some(state) = state {
            command.arg("--state").arg(state);
        }
        Server::start(command, port)
    }

    /// The workspace with another state, at the same address.
    pub(crate) fn restart(self, state: &Path) -> Self {
        let port = self.server.port;
        drop(self);
        Self { server: Self::serve(port, Some(state)) }
    }

    /// Its address.
    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    /// Adds a fault for the next requests. `tests/workspace/README.md` lists the kinds.
    pub(crate) fn fault(&self, fault: &Value) {
        let _: Value = self.ask("POST", "/_faults", Some(fault));
    }

    /// The requests seen since the last time it was asked: method, path, query, headers, status, fault.
    pub(crate) fn seen(&self) -> Vec<Value> {
        match self.ask("DELETE", "/_log", None) {
            Value::Array(seen) => seen,
            other => panic!("{other}"),
        }
    }

    /// Asks one of its interfaces for tests.
    pub(crate) fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let url = self.url() + path;
        let method = method.parse().expect("a method");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let client =
                reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build().expect("a client");
            let mut request = client.request(method, &url);
            if let Some(body) = body {
                request = request.header("content-type", "application/json").body(body.to_string());
            }
            let answer = request.send().await.expect("the workspace answers");
            assert!(answer.status().is_success(), "{path}: {}", answer.status());
            serde_json::from_str(&answer.text().await.expect("it is whole")).expect("it is JSON")
        })
    }
}
