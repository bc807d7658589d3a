//! An HTTP server in the process of a test. It records the requests and answers them by a function. The unit tests of
//! the library and the integration tests share this file.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

use url::Url;

/// A request.
#[derive(Debug, Clone)]
pub(crate) struct RecordedRequest {
    /// For example `GET`.
    pub(crate) method: String,
    /// The path with its query, as in the request.
    pub(crate) target: String,
    /// Names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    /// The fields of a form in the body.
    pub(crate) form: BTreeMap<String, String>,
}

impl RecordedRequest {
    /// The value of a header; empty without that header.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().expect("the first part")
    }

    pub(crate) fn query(&self) -> BTreeMap<String, String> {
        let query = self.target.split_once('?').map_or("", |(_, query)| query);
        url::form_urlencoded::parse(query.as_bytes()).into_owned().collect()
    }
}

/// A status with header lines, and a body.
pub(crate) type Reply = (String, Vec<u8>);

/// Status 200 with JSON.
pub(crate) fn ok(body: &str) -> Reply {
    reply("200 OK\r\ncontent-type: application/json", body)
}

/// Any status with header lines, for example `503 Busy\r\nretry-after: 0`.
pub(crate) fn reply(head: &str, body: &str) -> Reply {
    (head.to_owned(), body.as_bytes().to_vec())
}

/// A server on loopback. Its threads end with the process of the test.
pub(crate) struct TestServer {
    pub(crate) url: Url,
    requests: Arc<Mutex<Vec<RecordedRequest>>>,
}

impl TestServer {
    /// Answers by a function of the request and of the number of requests before it.
    pub(crate) fn start(answer: impl Fn(&RecordedRequest, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}/", listener.local_addr().expect("bound")).parse().expect("an address");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (seen, answer) = (Arc::clone(&requests), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
                std::thread::spawn(move || serve(stream, &seen, &*answer));
            }
        });
        Self { url, requests }
    }

    /// Answers each request with the next reply; status 500 after the last one.
    pub(crate) fn replying(replies: Vec<Reply>) -> Self {
        let none_left = || reply("500 No Reply Left", "");
        Self::start(move |_, before| replies.get(before).cloned().unwrap_or_else(none_left))
    }

    /// The requests so far.
    pub(crate) fn requests(&self) -> Vec<RecordedRequest> {
        self.requests.lock().expect("no panic while held").clone()
    }

    /// The paths of the requests so far.
    pub(crate) fn paths(&self) -> Vec<String> {
        self.requests().iter().map(|request| request.path().to_owned()).collect()
    }

    /// The address of a path.
    pub(crate) fn at(&self, path: &str) -> String {
        self.url.join(path).expect("a path").to_string()
    }
}

fn serve(
    mut stream: TcpStream,
    recorded: &Mutex<Vec<RecordedRequest>>,
    answer: &(impl Fn(&RecordedRequest, usize) -> Reply + ?Sized),
) {
    let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
    let Some(request) = read(&mut reader) else { return };
    let before = {
        let mut recorded = recorded.lock().expect("no panic while held");
        recorded.push(request.clone());
        recorded.len() - 1
    };
    let (head, body) = answer(&request, before);
    // A head may announce another length: the connection then ends too early.
    let length =
        if head.contains("content-length") { String::new() } else { format!("\r\ncontent-length: {}", body.len()) };
    let mut bytes = format!("HTTP/1.1 {head}{length}\r\nconnection: close\r\n\r\n").into_bytes();
    if request.method != "HEAD" {
        bytes.extend(body);
    }
    let _ = stream.write_all(&bytes);
}

fn read(reader: &mut impl std::io::BufRead) -> Option<RecordedRequest> {
    let mut lines = reader.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty());
    let first = lines.next()?;
    let mut parts = first.split(' ');
    let (method, target) = (parts.next()?.to_owned(), parts.next()?.to_owned());
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| {
            line.split_once(':').map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        })
        .collect();
    let mut body = vec![0; headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    let form = url::form_urlencoded::parse(&body).into_owned().collect();
    Some(RecordedRequest { method, target, headers, form })
}
