//! An origin that counts: it serves files over HTTP with a latency, a bandwidth for each connection, and a bandwidth
//! for all connections together.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    http::{StatusCode, header::CONTENT_LENGTH},
    response::{IntoResponse as _, Response},
    routing::get,
};
use futures::stream;

/// The bytes that are sent at once.
const PIECE: usize = 32 << 10;

/// The speed of an origin.
#[derive(Clone, Copy)]
pub(crate) struct Pace {
    /// The time before a response begins.
    pub(crate) latency: Duration,
    /// Bytes per second of one connection.
    pub(crate) connection: usize,
    /// Bytes per second of all connections together.
    pub(crate) line: usize,
}

/// The requests for a path, and the bytes that were sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Requested {
    pub(crate) requests: u64,
    pub(crate) bytes: u64,
}

/// A server that stops when this value is dropped.
pub(crate) struct Origin {
    shared: Arc<Shared>,
    port: u16,
    _runtime: tokio::runtime::Runtime,
}

struct Shared {
    files: BTreeMap<String, &'static [u8]>,
    pace: Pace,
    requested: Mutex<BTreeMap<String, Requested>>,
    /// The time at which the line is free.
    free: Mutex<Instant>,
}

impl Origin {
    /// Serves files by their names. The files stay in memory until the process ends.
    pub(crate) fn start(files: BTreeMap<String, Vec<u8>>, pace: Pace) -> Self {
        let files = files.into_iter().map(|(name, bytes)| (name, &*bytes.leak())).collect();
        let shared = Arc::new(Shared { files, pace, requested: Mutex::default(), free: Mutex::new(Instant::now()) });
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let routes = Router::new().route("/{name}", get(serve)).with_state(Arc::clone(&shared));
        runtime.spawn(async move { axum::serve(listener, routes).await });
        Self { shared, port, _runtime: runtime }
    }

    /// The address of a file.
    pub(crate) fn url(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}/{name}", self.port)
    }

    /// The requests for all paths together.
    pub(crate) fn requested(&self) -> Requested {
        lock(&self.shared.requested).values().fold(Requested::default(), |sum, one| Requested {
            requests: sum.requests + one.requests,
            bytes: sum.bytes + one.bytes,
        })
    }

    /// The paths with more than one request.
    pub(crate) fn requested_again(&self) -> Vec<String> {
        let requested = lock(&self.shared.requested);
        let requested_again = requested.iter().filter(|(_, requested)| requested.requests > 1);
        requested_again.map(|(name, requested)| format!("{name} x {}", requested.requests)).collect()
    }
}

async fn serve(State(shared): State<Arc<Shared>>, Path(name): Path<String>) -> Response {
    let Some(bytes) = shared.files.get(&name).copied() else { return StatusCode::NOT_FOUND.into_response() };
    lock(&shared.requested).entry(name.clone()).or_default().requests += 1;
    tokio::time::sleep(shared.pace.latency).await;
    let pieces = stream::unfold((shared, name, bytes), |(shared, name, rest)| async move {
        let (piece, rest) = rest.split_at_checked(PIECE).unwrap_or((rest, &[]));
        if piece.is_empty() {
            return None;
        }
        shared.wait_for_line(piece.len()).await;
        lock(&shared.requested).entry(name.clone()).or_default().bytes += piece.len() as u64;
        Some((Ok::<_, std::convert::Infallible>(piece), (shared, name, rest)))
    });
    let mut answer = Body::from_stream(pieces).into_response();
    answer.headers_mut().insert(CONTENT_LENGTH, bytes.len().into());
    answer
}

impl Shared {
    /// Until a piece has gone through its connection and through the line.
    async fn wait_for_line(&self, bytes: usize) {
        let now = Instant::now();
        let through_line = {
            let mut free = lock(&self.free);
            *free = (*free).max(now) + at(bytes, self.pace.line);
            *free
        };
        tokio::time::sleep_until(through_line.max(now + at(bytes, self.pace.connection)).into()).await;
    }
}

fn at(bytes: usize, pace: usize) -> Duration {
    Duration::from_nanos(bytes as u64 * 1_000_000_000 / pace as u64)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
