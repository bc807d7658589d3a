//! The workspace on loopback, as tests start and ask it.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
    time::Duration,
};

use serde_json::Value;

use crate::server::{Server, free_port};

/// A workspace that runs as long as this value lives.
pub(crate) struct Workspace {
    server: Server,
}

/// The program, built once: who runs these tests alone has not built the examples.
static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| {
    let mut build = command(env!("CARGO"));
    build.args(["build", "--quiet", "--example", "workspace"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    let built = build.output().expect("cargo is there");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let ours = std::env::current_exe().expect("a test is a file");
    let target = ours.ancestors().nth(3).expect("it lies in `target/debug/deps`");
    target.join("debug/examples/workspace")
});

#[expect(clippy::disallowed_methods, reason = "a test starts what it tests against")]
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
        let port = free_port();
        let mut command = command(PROGRAM.as_path());
        command.arg("--port").arg(port.to_string());
        if let Some(state) = state {
            command.arg("--state").arg(state);
        }
        Self { server: Server::start(command, port) }
    }

    /// Its address.
    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    /// What the next requests meet; `README.md` beside the workspace has the kinds.
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
