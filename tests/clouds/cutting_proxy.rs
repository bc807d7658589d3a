//! A proxy to a local server that cuts its connections after a number of bytes, as a network may.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    thread,
};

/// Forwards connections to a local port and counts the bytes.
pub(crate) struct CuttingProxy {
    port: u16,
    state: Arc<State>,
}

struct State {
    passed: AtomicU64,
    most: AtomicU64,
}

impl CuttingProxy {
    /// A proxy to this port, without cuts.
    pub(crate) fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let state = Arc::new(State { passed: AtomicU64::new(0), most: AtomicU64::new(u64::MAX) });
        let line = Self { port, state: Arc::clone(&state) };
        thread::spawn(move || {
            for here in listener.incoming().map_while(Result::ok) {
                // New connections of a cut proxy are closed at once.
                if state.is_cut() {
                    continue;
                }
                let there = TcpStream::connect(("127.0.0.1", server)).expect("the server listens");
                for (from, to) in [(&here, &there), (&there, &here)] {
                    let (from, to) = (from.try_clone().expect("a handle"), to.try_clone().expect("a handle"));
                    let state = Arc::clone(&state);
                    thread::spawn(move || forward(&state, from, to));
                }
            }
        });
        line
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Cuts the connections after this many more bytes in both directions.
    pub(crate) fn cut_after(&self, bytes: u64) {
        self.state.passed.store(0, SeqCst);
        self.state.most.store(bytes, SeqCst);
    }

    /// Ends the cut. Returns the bytes since the last call.
    pub(crate) fn mend(&self) -> u64 {
        self.state.most.store(u64::MAX, SeqCst);
        self.state.passed.swap(0, SeqCst)
    }
}

impl State {
    fn is_cut(&self) -> bool {
        self.passed.load(SeqCst) >= self.most.load(SeqCst)
    }
}

fn forward(state: &State, mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = [0; 16 << 10];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        state.passed.fetch_add(count as u64, SeqCst);
        if state.is_cut() || to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    for end in [&from, &to] {
        let _ = end.shutdown(Shutdown::Both);
    }
}
