//! A web server whose file changes while it is fetched: what arrives is one version of it, whole, or nothing.

use std::{
    fmt::Write as _,
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard},
    thread,
};

use jiff::{SignedDuration, Timestamp, fmt::rfc2822};

use crate::support::NodeTest;

/// More than two pieces.
const SIZE: usize = 9_000_000;

/// What the server says of a version, and whether it minds.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    /// A strong tag, which `If-Match` may name.
    Tag,
    /// A strong tag; conditions are not heard.
    DeafTag,
    /// A tag that two versions may share.
    WeakTag,
    /// A time an hour ago, and one hour less with each version.
    Time,
    /// The same; conditions are not heard.
    DeafTime,
    /// The time of the answer itself: a change within the second does not show.
    TimeOfNow,
    /// Nothing at all.
    Nothing,
    /// A strong tag, and other pieces than those that were asked for.
    OtherPieces,
}

#[derive(Debug)]
struct Server {
    kind: Kind,
    /// The file is another one after this many requests for its bytes, so often.
    change_after: usize,
    changes: usize,
    /// When the server was started: the times of its versions are told from here, whatever hour it becomes meanwhile.
    since: Timestamp,
    /// One lock for all: of requests that come at the same time, one sees what the other did.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    version: usize,
    gets: usize,
    /// `Range` of each request for bytes and the status it got.
    answered: Vec<(Option<String>, u16)>,
}

impl Server {
    fn start(kind: Kind, changes: usize) -> (Arc<Self>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}/store", listener.local_addr().expect("bound"));
        let server =
            Arc::new(Self { kind, change_after: 1, changes, since: Timestamp::now(), state: Mutex::default() });
        let this = Arc::clone(&server);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let this = Arc::clone(&this);
                thread::spawn(move || this.answer(stream.expect("a connection")));
            }
        });
        (server, url)
    }

    fn answer(&self, mut stream: TcpStream) {
        let lines = BufReader::new(stream.try_clone().expect("a second handle")).lines();
        let head: Vec<String> = lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
        let header = |name: &str| head.iter().find_map(|line| Some(line.strip_prefix(name)?.trim().to_owned()));
        let Some((method, path)) = head.first().and_then(|line| line.split_once(' ')) else { return };
        let is_get = method == "GET";
        if path.starts_with("/store/Admin/init_scripts/big.toml ") {
            let profile = "schema = 1\nname = \"big\"\n[apt]\ndebs = [\"lib/debs/driver.deb\"]\n";
            return say(&mut stream, 200, "", is_get.then_some(profile.as_bytes()), profile.len());
        }
        if !path.starts_with("/store/Admin/lib/debs/driver.deb ") {
            return say(&mut stream, 404, "", None, 0);
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
        let mut fields = format!("date: {}\r\naccept-ranges: bytes\r\n", date(now));
        let named = match self.kind {
            Kind::Tag | Kind::DeafTag | Kind::OtherPieces => format!("etag: {tag}\r\n"),
            Kind::WeakTag => "etag: W/\"weak\"\r\n".to_owned(),
            Kind::Time | Kind::DeafTime => format!("last-modified: {modified}\r\n"),
            Kind::TimeOfNow => format!("last-modified: {}\r\n", date(now)),
            Kind::Nothing => String::new(),
        };
        fields.push_str(&named);
        if !is_get {
            return say(&mut stream, 200, &fields, None, SIZE);
        }
        let range = header("range: bytes=");
        let is_other = match self.kind {
            Kind::Tag => header("if-match:").is_some_and(|wanted| wanted != tag),
            // Times of this server are of one minute: the hour tells versions apart.
            Kind::Time => header("if-unmodified-since:").is_some_and(|wanted| wanted[..19] != modified[..19]),
            _ => false,
        };
        let status = if is_other { 412 } else { 200 + 6 * u16::from(range.is_some()) };
        state.answered.push((range.clone(), status));
        if is_other {
            return say(&mut stream, 412, &fields, Some(b""), 0);
        }
        let (from, to) = range.map_or((0, SIZE - 1), |range| {
            let (from, to) = range.split_once('-').expect("a range");
            (from.parse().expect("a number"), to.parse().expect("a number"))
        });
        let said_from = if self.kind == Kind::OtherPieces { from + 1 } else { from };
        if status == 206 {
            write!(fields, "content-range: bytes {said_from}-{to}/{SIZE}\r\n").expect("a text");
        }
        state.gets += 1;
        if state.gets >= self.change_after && version < self.changes {
            state.version += 1;
        }
        drop(state);
        let letter = b'a' + u8::try_from(version).expect("a few");
        say(&mut stream, status, &fields, Some(&vec![letter; to + 1 - from]), to + 1 - from);
    }

    fn answered(&self) -> Vec<(Option<String>, u16)> {
        self.state().answered.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics with it")
    }
}

fn say(stream: &mut TcpStream, status: u16, fields: &str, body: Option<&[u8]>, length: usize) {
    let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n{fields}\r\n");
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.unwrap_or_default()));
}

/// The letters of the versions that are in the copy; `None` when there is no copy.
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
fn a_file_that_changes_on_the_way_is_never_put_together_from_two_versions() {
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
            let heard = matches!(kind, Kind::Tag | Kind::Time);
            assert_eq!(answered.iter().any(|(_, status)| *status == 412), heard, "{kind:?}: {answered:?}");
        } else {
            assert_eq!(answered.len(), 1, "{kind:?}: whole, at once: {answered:?}");
        }
    }
}

#[test]
fn a_file_that_never_stands_still_or_comes_otherwise_than_asked_for_is_refused() {
    for (kind, changes, words) in [
        (Kind::Tag, 25, "was changed while it was read"),
        (Kind::DeafTag, 25, "was changed while it was read"),
        (Kind::OtherPieces, 0, "did not send the part of the file that was asked for"),
    ] {
        let (server, url) = Server::start(kind, changes);
        let node = NodeTest::new();
        let said = node.agent_without_store(&["--filestore", &url, "check", "--assets", "big"]).ended(2);
        let all = said.all().split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(all.contains(words), "{kind:?}: {all}");
        assert_eq!(copy(&node), None, "{kind:?}: {:?}", server.answered());
    }
}
