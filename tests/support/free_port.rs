//! Ports for the servers of tests.

use std::{fs::File, net::TcpListener};

use nix::fcntl::{Flock, FlockArg};

/// A free port of loopback. No other test gets the same port while this process runs, and no connection either: the
/// system takes the ports of connections from a higher range.
pub(crate) fn free_port() -> u16 {
    let folder = std::env::temp_dir().join("nodeagent-test-ports");
    std::fs::create_dir_all(&folder).expect("a folder for locks");
    loop {
        let port = fastrand::u16(10_000..32_000);
        let lock = File::create(folder.join(port.to_string())).expect("a lock file");
        if let Ok(lock) = Flock::lock(lock, FlockArg::LockExclusiveNonblock)
            && TcpListener::bind(("127.0.0.1", port)).is_ok()
        {
            // The lock ends with the process.
            std::mem::forget(lock);
            return port;
        }
    }
}
