//! Servers of other vendors, started on a free port of loopback and ended with the test.

use std::{
    ffi::OsStr,
    net::TcpStream,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

/// The time until a server must accept connections.
const START_TIMEOUT: Duration = Duration::from_secs(40);

/// A server that is killed when this value is dropped.
pub(crate) struct Server {
    child: Child,
    /// Its port on loopback.
    pub(crate) port: u16,
}

impl Server {
    /// Starts a program and waits until its port accepts connections.
    pub(crate) fn start(mut command: Command, port: u16) -> Self {
        let shown = format!("{command:?}");
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("{shown}: {error}"));
        let mut server = Self { child, port };
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = server.child.try_wait().expect("it is our child");
            assert!(ended.is_none(), "{shown} has ended: {ended:?}");
            assert!(began.elapsed() < START_TIMEOUT, "{shown} does not accept connections on port {port}");
            sleep(Duration::from_millis(20));
        }
        server
    }

    /// Its address.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let group = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).expect("a process id"));
        let _ = nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

/// The folder of the official clients, which `scripts/clients` installs.
pub(crate) fn clients() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/clients");
    assert!(folder.join(".wanted").is_file(), "run scripts/clients first");
    folder
}

/// A program of this machine.
#[expect(clippy::disallowed_methods, reason = "a test prepares its servers without the code under test")]
pub(crate) fn program(name: impl AsRef<OsStr>) -> Command {
    Command::new(name)
}

/// A program of the official clients.
pub(crate) fn client(name: impl AsRef<OsStr>) -> Command {
    program(clients().join("bin").join(name.as_ref()))
}
