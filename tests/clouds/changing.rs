//! A web server whose file changes during the download: the result is one complete version or nothing.

use std::{
    fmt::Write as _,
    fs,
    sync::{Arc, Mutex, MutexGuard},
};

use jiff::{SignedDuration, Timestamp, fmt::rfc2822};

use crate::{
    http_server::{RecordedRequest, Reply, TestServer, reply},
    support::NodeTest,
};

/// More than two pieces.
const SIZE: usize = 9_000_000;

/// How the server identifies versions, and whether it checks conditions.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    /// A strong `ETag`, which `If-Match` supports.
    Tag,
    /// A strong `ETag`, but conditions are ignored.
    DeafTag,
    /// A weak `ETag`, the same for two versions.
    WeakTag,
    /// A modification time of one hour ago, and one hour less with each version.
    Time,
    /// The same, but conditions are ignored.
    DeafTime,
    /// The time of the answer: a change within the same second is not visible.
    TimeOfNow,
    /// Neither `ETag` nor time.
    Nothing,
    /// A strong `ETag`, and other ranges than the requested ones.
    OtherPieces,
}

#[derive(Debug)]
struct Server {
    kind: Kind,
    /// The file changes after this many requests for its content.
    change_after: usize,
    changes: usize,
    /// The start of the server. The times of all versions are relative to it.
    since: Timestamp,
    /// One lock for the whole state, so that concurrent requests see each other's changes.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    version: usize,
    gets: usize,
    /// `Range` and status of each request for content.
    answered: Vec<(Option<String>, u16)>,
}

impl Server {
    fn start(kind: Kind, changes: usize) -> (Arc<Self>, String) {
        let server =
            Arc::new(Self { kind, change_after: 1, changes, since: Timestamp::now(), state: Mutex::default() });
        let this = Arc::clone(&server);
        (server, TestServer::start(move |request, _| this.answer(request)).at("store"))
    }

    fn answer(&self, request: &RecordedRequest) -> Reply {
        let header = |name: &str| request.headers.get(name).cloned();
        if request.path() == "/store/Admin/init_scripts/big.toml" {
            return reply("200 OK", "schema = 1\nname = \"big\"\n[apt]\ndebs = [\"lib/debs/driver.deb\"]\n");
        }
        if request.path() != "/store/Admin/lib/debs/driver.deb" {
            return reply("404 Not Found", "");
        }
        let mut state = self.state();
        let version = state.version;
        let now = Timestamp::now();
        let date = |time: Timestamp| {
            rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&time).expect("a date of this age")
        };
        let hours = i64::try_from(version).expect("a few") + 1;
        let modified = date(self.since - SignedDuration::from_hours(24) + SignedDuration::from_hours(hours));
        let tag = format!("\"v{version}\"");
        let mut fields = format!("date: {}\r\naccept-ranges: bytes", date(now));
        let named = match self.kind {
            Kind::Tag | Kind::DeafTag | Kind::OtherPieces => format!("\r\netag: {tag}"),
            Kind::WeakTag => "\r\netag: W/\"weak\"".to_owned(),
            Kind::Time | Kind::DeafTime => format!("\r\nlast-modified: {modified}"),
            Kind::TimeOfNow => format!("\r\nlast-modified: {}", date(now)),
            Kind::Nothing => String::new(),
        };
        fields.push_str(&named);
        if request.method != "GET" {
            return (format!("200 OK\r\n{fields}"), vec![0; SIZE]);
        }
        let range = header("range").and_then(|range| Some(range.strip_prefix("bytes=")?.to_owned()));
        let is_other = match self.kind {
            Kind::Tag => header("if-match").is_some_and(|wanted| wanted != tag),
            // All times of this server differ by whole hours, so the hour identifies the version.
            Kind::Time => header("if-unmodified-since").is_some_and(|wanted| wanted[..19] != modified[..19]),
            _ => false,
        };
        let status = if is_other { 412 } else { 200 + 6 * u16::from(range.is_some()) };
        state.answered.push((range.clone(), status));
        if is_other {
            return reply(&format!("412 Precondition Failed\r\n{fields}"), "");
        }
        let (from, to) = range.map_or((0, SIZE - 1), |range| {
            let (from, to) = range.split_once('-').expect("a range");
            (from.parse().expect("a number"), to.parse().expect("a number"))
        });
        let range_start = if self.kind == Kind::OtherPieces { from + 1 } else { from };
        if status == 206 {
            write!(fields, "\r\ncontent-range: bytes {range_start}-{to}/{SIZE}").expect("a text");
        }
        state.gets += 1;
        if state.gets >= self.change_after && version < self.changes {
            state.version += 1;
        }
        drop(state);
        let letter = b'a' + u8::try_from(version).expect("a few");
        (format!("{status} X\r\n{fields}"), vec![letter; to + 1 - from])
    }

    fn answered(&self) -> Vec<(Option<String>, u16)> {
        self.state().answered.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread panics while it holds the lock")
    }
}

/// The letters of the versions in the copy; `None` if there is no copy.
fn copy(node: &NodeTest) -> Option<String> {
    let mirrors = fs::read_dir(node.root().join("var/cache/nodeagent/filestore")).expect("the mirror is there");
    let mirror = mirrors.flatten().map(|entry| entry.path()).find(|path| path.is_dir()).expect("a folder");
    let bytes = fs::read(mirror.join("Admin/lib/debs/driver.deb")).ok()?;
    assert_eq!(bytes.len(), SIZE);
    let mut letters = bytes;
    letters.dedup();
    Some(String::from_utf8(letters).expect("letters"))
}

#[test]
fn a_file_that_changes_while_it_is_read_never_mixes_two_versions() {
    for (kind, changes, pieces) in [
        (Kind::Tag, 1, true),
        (Kind::DeafTag, 1, true),
        (Kind::Time, 1, true),
        (Kind::DeafTime, 1, true),
        (Kind::WeakTag, 1, false),
        (Kind::TimeOfNow, 1, false),
        (Kind::Nothing, 1, false),
    ] {
        let (server, url) = Server::start(kind, changes);
        let node = NodeTest::new();
        node.agent_without_store(&["--filestore", &url, "check", "--assets", "big"]).ended(0);
        let answered = server.answered();
        let copied = copy(&node).expect("it came");
        assert!(copied == "a" || copied == "b", "{kind:?}: `{copied}` of {answered:?}");
        assert_eq!(answered.iter().any(|(range, _)| range.is_some()), pieces, "{kind:?}: {answered:?}");
        if pieces {
            assert_eq!(copied, "b", "{kind:?}: {answered:?}");
            let is_detected = matches!(kind, Kind::Tag | Kind::Time);
            assert_eq!(answered.iter().any(|(_, status)| *status == 412), is_detected, "{kind:?}: {answered:?}");
        } else {
            assert_eq!(answered.len(), 1, "{kind:?}: whole, at once: {answered:?}");
        }
    }
}

#[test]
fn a_file_that_keeps_changing_or_has_wrong_ranges_is_refused() {
    for (kind, changes, words) in [
        (Kind::Tag, 25, "changed while it was read"),
        (Kind::DeafTag, 25, "changed while it was read"),
        (Kind::OtherPieces, 0, "did not send the requested part of the file"),
    ] {
        let (server, url) = Server::start(kind, changes);
        let node = NodeTest::new();
        let output = node.agent_without_store(&["--filestore", &url, "check", "--assets", "big"]).ended(2);
        let all = output.all().split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(all.contains(words), "{kind:?}: {all}");
        assert_eq!(copy(&node), None, "{kind:?}: {:?}", server.answered());
    }
}
