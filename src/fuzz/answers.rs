//! Answers of servers, from the bytes of a fuzzer.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{Arc, LazyLock},
};

use futures::FutureExt as _;
use tokio::runtime::{Builder, Runtime};

use crate::{
    cloud::{ClientEnvironment, Clouds},
    http::{Client, PreparedAnswer},
};

/// Separates the answers (ASCII: record separator).
const SEPARATOR: u8 = 0x1e;
/// The most answers of an input.
const MOST: usize = 16;

/// The answers in a text. Each has a line with its status, lines of headers, an empty line and the body. An answer
/// without this form is a body with status 200.
pub(super) fn answers(data: &[u8]) -> Vec<PreparedAnswer> {
    data.split(|&byte| byte == SEPARATOR).take(MOST).map(answer).collect()
}

fn answer(data: &[u8]) -> PreparedAnswer {
    let whole = || PreparedAnswer { status: 200, headers: Vec::new(), body: data.to_vec() };
    let Some(end) = memchr::memmem::find(data, b"\n\n") else { return whole() };
    let Ok(head) = std::str::from_utf8(&data[..end]) else { return whole() };
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.parse().ok()).filter(|status| (100..1000).contains(status));
    let Some(status) = status else { return whole() };
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    PreparedAnswer { status, headers, body: data[end + 2..].to_vec() }
}

/// The clouds that get the answers, with these environment variables.
pub(super) fn clouds(data: &[u8], variables: &[(&str, &str)]) -> Arc<Clouds> {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let environment = ClientEnvironment { variables: variables.collect::<BTreeMap<_, _>>(), home: None };
    Arc::new(Clouds::new(Arc::new(Client::prepared(answers(data))), environment))
}

/// Runs until the end, or until it would wait before another try.
pub(super) fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
        Builder::new_current_thread().enable_time().build().expect("a runtime without threads can be built")
    });
    let _entered = RUNTIME.enter();
    future.now_or_never()
}
