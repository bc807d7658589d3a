//! Programs of others that a test needs: started on a free port of loopback, ended with the test.

use std::{
    ffi::OsStr,
    net::{TcpListener, TcpStream},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

/// How long a program may take until it answers.
const PATIENCE: Duration = Duration::from_secs(40);

/// A server that runs as long as this value lives.
pub(crate) struct Server {
    child: Child,
    /// The port of loopback it listens on.
    pub(crate) port: u16,
}

impl Server {
    /// Starts a program and waits until the port answers.
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
            assert!(ended.is_none(), "{shown} ended by itself: {ended:?}");
            assert!(began.elapsed() < PATIENCE, "{shown} does not answer on port {port}");
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

/// A port of loopback that nobody listens on.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|server| server.local_addr()).expect("a free port").port()
}

/// The folder of the official clients, which `scripts/clients` makes.
pub(crate) fn clients() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/clients");
    assert!(folder.join(".wanted").is_file(), "run scripts/clients first");
    folder
}

/// A program of the system.
#[expect(clippy::disallowed_methods, reason = "a test sets its scene without the code it tests")]
pub(crate) fn program(name: impl AsRef<OsStr>) -> Command {
    Command::new(name)
}

/// A program of the official clients.
pub(crate) fn client(name: impl AsRef<OsStr>) -> Command {
    program(clients().join("bin").join(name.as_ref()))
}
