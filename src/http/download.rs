//! Downloads: whole texts in memory, and files that appear only when they are complete and verified.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use backon::{ExponentialBuilder, Retryable as _};
use futures::StreamExt as _;
use url::Url;

use super::{
    address::host_and_path,
    client::Client,
    error::{HttpError, HttpProblem},
    pace::{Pace, TooSlow},
    web_page::{START, is_announced, is_web_page},
};
use crate::{
    digest::{Digest, Hasher},
    fs::{Attributes, PartialFile},
};

const MAX_RETRIES: usize = 4;
/// The largest download of unknown size, in bytes. Without a limit, an endless one would fill the disk.
const MAX_SIZE_WITHOUT_LENGTH: u64 = 4 << 30;

/// A file to download.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Download {
    /// The address.
    pub url: Url,
    /// The target path. The file appears there only complete and verified.
    pub to: PathBuf,
    /// Its size in bytes, if the index has it.
    pub size: Option<u64>,
    /// The most bytes to receive if `size` is unknown. `None` for files that may be large.
    pub limit: Option<u64>,
    /// Its digest, if the index has it.
    pub digest: Option<Digest>,
}

/// A download in progress. Its file appears only when it is complete and verified.
pub(super) struct Receiver<'w, F> {
    wanted: &'w Download,
    partial: PartialFile,
    hasher: Option<Hasher>,
    received: u64,
    /// The first bytes, to recognise a web page.
    start: Vec<u8>,
    on_bytes: F,
}

impl<'w, F: Fn(u64)> Receiver<'w, F> {
    /// Begins a download. `on_bytes` receives the size of each piece.
    pub(super) fn new(wanted: &'w Download, on_bytes: F) -> Result<Self, HttpError> {
        let partial = PartialFile::create(&wanted.to, Attributes::mode(0o644))
            .map_err(|error| HttpError::new(&wanted.url, HttpProblem::Disk(error)))?;
        Ok(Self {
            wanted,
            partial,
            hasher: wanted.digest.as_ref().map(Digest::hasher),
            received: 0,
            start: Vec::new(),
            on_bytes,
        })
    }

    /// Adds a piece.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<(), HttpError> {
        self.received += bytes.len() as u64;
        self.start.extend_from_slice(&bytes[..bytes.len().min(START - self.start.len())]);
        if let Some(hasher) = &mut self.hasher {
            hasher.update(bytes);
        }
        (self.on_bytes)(bytes.len() as u64);
        let limit = self.wanted.limit.unwrap_or(MAX_SIZE_WITHOUT_LENGTH);
        match self.wanted.size {
            Some(expected) if self.received > expected => {
                Err(self.unexpected(HttpProblem::WrongSize { expected, received: self.received }))
            }
            None if self.received > limit => Err(self.unexpected(HttpProblem::TooLarge { limit })),
            _ => {
                let failed = |error| HttpError::new(&self.wanted.url, HttpProblem::Disk(error));
                self.partial.write(bytes).map_err(failed)
            }
        }
    }

    /// The error of content that is not the expected one. A web page explains the difference.
    fn unexpected(&self, problem: HttpProblem) -> HttpError {
        let problem = if is_web_page(&self.start) { HttpProblem::WebPage } else { problem };
        HttpError::new(&self.wanted.url, problem)
    }

    /// Checks the size and the digest, and moves the file to its path. `page`: whether the server calls the file a web
    /// page that was not requested. With an expected digest, only the digest counts.
    pub(super) fn finish(mut self, page: bool) -> Result<(), HttpError> {
        let received = self.received;
        if page && self.wanted.digest.is_none() && is_web_page(&self.start) {
            return Err(HttpError::new(&self.wanted.url, HttpProblem::WebPage));
        }
        if let Some(expected) = self.wanted.size.filter(|&size| size != received) {
            return Err(self.unexpected(HttpProblem::WrongSize { expected, received }));
        }
        if let (Some(expected), Some(hasher)) = (self.wanted.digest.clone(), self.hasher.take()) {
            let received = hasher.finish();
            if received != expected {
                return Err(self.unexpected(HttpProblem::WrongDigest { expected, received }));
            }
        }
        let failed = |error| HttpError::new(&self.wanted.url, HttpProblem::Disk(error));
        self.partial.commit().map_err(failed)
    }
}

impl Client {
    /// The whole body of an answer of at most `limit` bytes.
    pub async fn bytes(&self, url: &Url, limit: usize) -> Result<Vec<u8>, HttpError> {
        self.accepting(url, None, limit).await
    }

    /// Like [`Client::bytes`], with an `Accept` header.
    pub async fn accepting(&self, url: &Url, accept: Option<&str>, limit: usize) -> Result<Vec<u8>, HttpError> {
        let header = accept.map(|kind| ("accept", kind));
        let once = || async {
            let mut body = Vec::new();
            let taken = |bytes: &[u8]| {
                body.extend_from_slice(bytes);
                if body.len() > limit {
                    Err(HttpError::new(url, HttpProblem::TooLarge { limit: limit as u64 }))
                } else {
                    Ok(())
                }
            };
            let page = self.stream(url, header, taken).await?;
            // A caller with an `Accept` header checks the content itself.
            if page && accept.is_none() && is_web_page(&body) {
                return Err(HttpError::new(url, HttpProblem::WebPage));
            }
            Ok(body)
        };
        once.retry(retries()).when(HttpError::is_transient).await
    }

    /// Downloads a file, checks its size and digest, and moves it to its path. `on_bytes` receives the size of each
    /// piece.
    ///
    /// A file that is already there with the right digest is kept.
    pub async fn download(&self, wanted: &Download, on_bytes: impl Fn(u64)) -> Result<(), HttpError> {
        self.download_as(None, wanted, on_bytes).await
    }

    /// Like [`Client::download`], with another user agent: some servers choose the content by it.
    pub async fn download_as(
        &self,
        user_agent: Option<&str>,
        wanted: &Download,
        on_bytes: impl Fn(u64),
    ) -> Result<(), HttpError> {
        if is_there(wanted) {
            return Ok(());
        }
        let header = user_agent.map(|name| ("user-agent", name));
        let once = || self.download_once(header, wanted, &on_bytes);
        // Reading a local file again would give the same result.
        once.retry(retries()).when(|error| error.is_transient() && wanted.url.scheme() != "file").await
    }

    async fn download_once(
        &self,
        header: Option<(&str, &str)>,
        wanted: &Download,
        on_bytes: impl Fn(u64),
    ) -> Result<(), HttpError> {
        let mut file = Receiver::new(wanted, on_bytes)?;
        let page = self.stream(&wanted.url, header, |bytes| file.take(bytes)).await?;
        file.finish(page)
    }

    /// Sends one request and passes the body on in pieces. Returns whether the server calls the content a web page that
    /// was not requested.
    async fn stream(
        &self,
        url: &Url,
        header: Option<(&str, &str)>,
        mut sink: impl FnMut(&[u8]) -> Result<(), HttpError>,
    ) -> Result<bool, HttpError> {
        let _slot = self.slots.acquire().await;
        if url.scheme() == "file" {
            return stream_file(url, sink).await.map(|()| false);
        }
        tracing::debug!("asks GET {}", host_and_path(url));
        let answer = self.answer(url, header).await?;
        if !answer.status().is_success() {
            let error = HttpError::new(url, HttpProblem::Status(answer.status().as_u16()));
            return Err(HttpError { login: self.login(url).map(|login| login.name), ..error });
        }
        let page = is_announced(url, answer.headers());
        let (mut pieces, mut tempo, mut received) = (answer.bytes_stream(), Pace::start(Instant::now()), 0);
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|error| HttpError::while_reading(url, received, &error))?;
            received += piece.len() as u64;
            sink(&piece)?;
            tempo
                .add(piece.len(), Instant::now())
                .map_err(|TooSlow { bytes, seconds }| HttpError::new(url, HttpProblem::TooSlow { bytes, seconds }))?;
        }
        Ok(page)
    }
}

pub(super) fn is_there(wanted: &Download) -> bool {
    let Some(expected) = &wanted.digest else { return false };
    expected.of_file(&wanted.to).is_ok_and(|found| found == *expected)
}

async fn stream_file(url: &Url, mut sink: impl FnMut(&[u8]) -> Result<(), HttpError>) -> Result<(), HttpError> {
    let unreadable = |error: std::io::Error| HttpError::new(url, HttpProblem::File(error.to_string()));
    let path = url.to_file_path().map_err(|()| unreadable(std::io::ErrorKind::InvalidFilename.into()))?;
    let mut file = tokio::fs::File::open(Path::new(&path)).await.map_err(unreadable)?;
    let mut buffer = vec![0; 64 << 10];
    loop {
        match tokio::io::AsyncReadExt::read(&mut file, &mut buffer).await.map_err(unreadable)? {
            0 => return Ok(()),
            count => sink(&buffer[..count])?,
        }
    }
}

fn retries() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(300))
        .with_max_delay(Duration::from_secs(10))
        .with_max_times(MAX_RETRIES)
        .with_jitter()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_server::{TestServer, ok, reply};

    fn wanted(url: &Url, folder: &Path, digest: Option<Digest>) -> Download {
        Download { url: url.clone(), to: folder.join("x"), size: None, limit: None, digest }
    }

    #[tokio::test]
    async fn a_web_page_in_place_of_a_file_is_named_and_not_stored() {
        const PAGE: &str = "<!doctype html><title>Guest network</title>";
        let temp = tempfile::tempdir().expect("a temporary folder");
        let portal = TestServer::start(|_, _| reply("200 OK\r\ncontent-type: text/html", PAGE));
        let (client, url) = (Client::default(), portal.url.join("x.whl").expect("a path"));
        for digest in [None, Some(Digest::sha256(b"the file"))] {
            let error = client.download(&wanted(&url, temp.path(), digest), |_| ()).await.expect_err("a web page");
            assert!(matches!(error.problem, HttpProblem::WebPage), "{error:?}");
        }
        let error = client.bytes(&url, 1000).await.expect_err("a web page");
        assert!(matches!(error.problem, HttpProblem::WebPage), "{error:?}");
        assert_eq!(portal.requests().len(), 3, "a portal is not asked again");
        assert!(!temp.path().join("x").exists());
        // A page that is requested by its name or its digest is a file like any other.
        let page = portal.url.join("help.html").expect("a path");
        client.download(&wanted(&page, temp.path(), None), |_| ()).await.expect("a page");
        client
            .download(&wanted(&url, temp.path(), Some(Digest::sha256(PAGE.as_bytes()))), |_| ())
            .await
            .expect("a page");
    }

    #[tokio::test]
    async fn an_answer_that_is_cut_off_is_retried_and_named() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let cut = |_: &_, before: usize| {
            let length = if before < 5 { "\r\ncontent-length: 100" } else { "" };
            reply(&format!("200 OK{length}"), "part")
        };
        let server = TestServer::start(cut);
        let wanted = wanted(&server.url, temp.path(), None);
        let error = Client::default().download(&wanted, |_| ()).await.expect_err("cut off");
        assert!(matches!(error.problem, HttpProblem::CutOff { received: 4, .. }), "{error:?}");
        assert_eq!(server.requests().len(), 5);
        assert!(std::fs::read_dir(temp.path()).expect("readable").next().is_none(), "no part stays");
        Client::default().download(&wanted, |_| ()).await.expect("the whole answer");
    }

    #[tokio::test]
    async fn a_download_can_set_the_user_agent() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let server = TestServer::start(|_, _| ok("{}"));
        let wanted = wanted(&server.url, temp.path(), None);
        Client::default().download_as(Some("R/4.2.2 R (4.2.2)"), &wanted, |_| ()).await.expect("downloaded");
        assert_eq!(server.requests()[0].header("user-agent"), "R/4.2.2 R (4.2.2)");
    }
}
