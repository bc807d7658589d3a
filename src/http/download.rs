//! Downloads: whole texts in memory, and files that appear only when they are complete and verified.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use backon::{ExponentialBuilder, Retryable as _};
use futures::StreamExt as _;
use url::Url;

use super::{
    address::host_and_path,
    client::Client,
    error::{HttpError, HttpProblem},
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
    on_bytes: F,
}

impl<'w, F: Fn(u64)> Receiver<'w, F> {
    /// Begins a download. `on_bytes` receives the size of each piece.
    pub(super) fn new(wanted: &'w Download, on_bytes: F) -> Result<Self, HttpError> {
        let partial = PartialFile::create(&wanted.to, Attributes::mode(0o644))
            .map_err(|error| HttpError::new(&wanted.url, HttpProblem::Disk(error)))?;
        Ok(Self { wanted, partial, hasher: wanted.digest.as_ref().map(Digest::hasher), received: 0, on_bytes })
    }

    /// Adds a piece.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<(), HttpError> {
        let failed = |problem| Err(HttpError::new(&self.wanted.url, problem));
        self.received += bytes.len() as u64;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(bytes);
        }
        (self.on_bytes)(bytes.len() as u64);
        let limit = self.wanted.limit.unwrap_or(MAX_SIZE_WITHOUT_LENGTH);
        match self.wanted.size {
            Some(expected) if self.received > expected => {
                failed(HttpProblem::WrongSize { expected, received: self.received })
            }
            None if self.received > limit => failed(HttpProblem::TooLarge { limit }),
            _ => self.partial.write(bytes).or_else(|error| failed(HttpProblem::Disk(error))),
        }
    }

    /// Checks the size and the digest, and moves the file to its path.
    pub(super) fn finish(self) -> Result<(), HttpError> {
        let Self { wanted, partial, hasher, received, .. } = self;
        let failed = |problem| HttpError::new(&wanted.url, problem);
        if let Some(expected) = wanted.size.filter(|&size| size != received) {
            return Err(failed(HttpProblem::WrongSize { expected, received }));
        }
        if let (Some(expected), Some(hasher)) = (wanted.digest.clone(), hasher) {
            let received = hasher.finish();
            if received != expected {
                return Err(failed(HttpProblem::WrongDigest { expected, received }));
            }
        }
        partial.commit().map_err(|error| failed(HttpProblem::Disk(error)))
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
            self.stream(url, header, |bytes| {
                body.extend_from_slice(bytes);
                if body.len() > limit {
                    Err(HttpError::new(url, HttpProblem::TooLarge { limit: limit as u64 }))
                } else {
                    Ok(())
                }
            })
            .await?;
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
        self.stream(&wanted.url, header, |bytes| file.take(bytes)).await?;
        file.finish()
    }

    /// Sends one request and passes the body on in pieces.
    async fn stream(
        &self,
        url: &Url,
        header: Option<(&str, &str)>,
        mut sink: impl FnMut(&[u8]) -> Result<(), HttpError>,
    ) -> Result<(), HttpError> {
        let _slot = self.slots.acquire().await;
        if url.scheme() == "file" {
            return stream_file(url, sink).await;
        }
        tracing::debug!("asks GET {}", host_and_path(url));
        let answer = self.answer(url, header).await?;
        if !answer.status().is_success() {
            let error = HttpError::new(url, HttpProblem::Status(answer.status().as_u16()));
            return Err(HttpError { login: self.login(url).map(|login| login.name), ..error });
        }
        let mut body = answer.bytes_stream();
        while let Some(piece) = body.next().await {
            sink(&piece.map_err(|error| HttpError::from_reqwest(url, &error))?)?;
        }
        Ok(())
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
    use crate::test_server::{TestServer, ok};

    #[tokio::test]
    async fn a_download_can_set_the_user_agent() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let server = TestServer::start(|_, _| ok("{}"));
        let wanted =
            Download { url: server.url.clone(), to: temp.path().join("x"), size: None, limit: None, digest: None };
        Client::default().download_as(Some("R/4.2.2 R (4.2.2)"), &wanted, |_| ()).await.expect("downloaded");
        assert_eq!(server.requests()[0].header("user-agent"), "R/4.2.2 R (4.2.2)");
    }
}
