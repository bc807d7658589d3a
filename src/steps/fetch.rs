//! Downloads files for steps. A file with a known digest comes from the store if possible, else from its origin. The
//! store keeps the downloaded file for later runs and other nodes. Other nodes wait for it instead of downloading it as
//! well.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Context;
use crate::{
    cloud::open_bucket,
    digest::Digest,
    http::{Download, HttpError, HttpProblem, is_bucket},
    store::{FetchPermit, SingleFlight},
};

/// The number of concurrent downloads of a step. The HTTP client has its own limit for all steps.
const CONCURRENCY: usize = 12;
/// The same limit if most downloads may only wait for other nodes. The store then limits the requests.
const CONCURRENCY_WITH_WAITS: usize = 96;

impl Context {
    /// The number of concurrent downloads of a step.
    pub(crate) fn downloads_at_once(&self) -> usize {
        if self.store.is_shared() { CONCURRENCY_WITH_WAITS } else { CONCURRENCY }
    }

    /// The order in which files are fetched. Nodes that start together and share a store begin at different files. Each
    /// node then fetches some files for all, and two nodes rarely need the same file at the same time.
    pub(crate) fn in_order_of_fetching<T>(&self, mut files: Vec<T>) -> Vec<T> {
        if self.store.is_shared() {
            fastrand::shuffle(&mut files);
        }
        files
    }

    /// Downloads a file, checks size and digest, then moves it into place. `on_bytes` receives the size of each chunk.
    pub async fn fetch(&self, wanted: &Download, on_bytes: impl Fn(u64)) -> Result<(), HttpError> {
        self.fetch_as(None, wanted, on_bytes).await
    }

    /// Whether a file is fetched with a login or with the cloud identity of the node. Every user of a shared store
    /// could read such a file without them, so it stays on the node.
    fn needs_identity(&self, url: &url::Url) -> bool {
        self.http.has_login(url) || is_bucket(url)
    }

    /// Keeps a file that was fetched from one of these addresses in the store.
    pub(crate) async fn keep(&self, urls: &[url::Url], digest: &Digest, file: &std::path::Path) {
        if urls.iter().any(|url| self.needs_identity(url)) {
            self.store.keep_local(digest, file).await;
        } else {
            self.store.keep(digest, file, FetchPermit::default()).await;
        }
    }

    /// The same with another user agent, because some servers select the file by it.
    pub async fn fetch_as(
        &self,
        user_agent: Option<&str>,
        wanted: &Download,
        on_bytes: impl Fn(u64),
    ) -> Result<(), HttpError> {
        let digest = wanted.digest.as_ref().filter(|digest| matches!(digest, Digest::Sha256(_)));
        let ours = match digest {
            // Other nodes need not wait for a file that is not published or is local.
            Some(digest) if self.needs_identity(&wanted.url) || wanted.url.scheme() == "file" => {
                let found = self.store.object(digest, wanted.size, &wanted.to, &on_bytes).await;
                if found { SingleFlight::Served } else { SingleFlight::Fetch(FetchPermit::default()) }
            }
            Some(digest) => self.store.object_or_permit(digest, wanted.size, &wanted.to, &on_bytes).await,
            None => SingleFlight::Fetch(FetchPermit::default()),
        };
        let SingleFlight::Fetch(permit) = ours else { return Ok(()) };
        let received = AtomicU64::new(0);
        let counted = |bytes| {
            received.fetch_add(bytes, Ordering::Relaxed);
            on_bytes(bytes);
        };
        if is_bucket(&wanted.url) {
            let bucket = open_bucket(&self.clouds, &wanted.url).await;
            let bucket = bucket.map_err(|error| HttpError::new(&wanted.url, HttpProblem::Bucket(error)))?;
            bucket.download(wanted, counted).await?;
        } else {
            self.http.download_as(user_agent, wanted, counted).await?;
        }
        let received = received.into_inner();
        if received > 0 {
            self.store.came_from_origin(received);
        }
        if let Some(digest) = digest {
            if self.needs_identity(&wanted.url) {
                self.store.keep_local(digest, &wanted.to).await;
            } else {
                self.store.keep(digest, &wanted.to, permit).await;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead as _, BufReader, Write as _},
        path::Path,
        sync::Arc,
    };

    use super::*;
    use crate::{
        cloud::{ClientEnvironment, Clouds},
        exec::fake::FakeRunner,
        http::BasicAuth,
        redact::{Secret, UrlPrefix},
        report::event::Events,
        store::{Store, StoreLocations, StoreUrl},
    };

    fn context(temp: &Path) -> Context {
        let mut ctx = Context::for_tests(Arc::new(FakeRunner::new()), Events::default().of_step("x"));
        let clouds = Arc::new(Clouds::new(Arc::clone(&ctx.http), ClientEnvironment::default()));
        ctx.store = Store::open(&StoreLocations::below(temp), &clouds, Arc::new(drop));
        ctx
    }

    fn wanted(temp: &Path, to: &str, digest: Option<Digest>) -> Download {
        let url = url::Url::from_file_path(temp.join("origin")).expect("absolute");
        Download { url, to: temp.join(to), size: None, limit: None, digest }
    }

    #[tokio::test]
    async fn a_fetched_file_does_not_need_its_origin_again() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let origin = temp.path().join("origin");
        crate::fs::replace(&origin, b"hello", crate::fs::Attributes::default()).expect("written");
        let (ctx, digest) = (context(temp.path()), Some(Digest::sha256(b"hello")));
        ctx.fetch(&wanted(temp.path(), "a", digest.clone()), |_| ()).await.expect("fetched");
        crate::fs::remove(&origin).expect("removed");
        ctx.fetch(&wanted(temp.path(), "b", digest), |_| ()).await.expect("it is in the store");
        assert_eq!(std::fs::read(temp.path().join("b")).expect("there"), b"hello");
        let used = ctx.store.used();
        assert_eq!((used.origin.bytes, used.local.bytes), (5, 5));
        ctx.fetch(&wanted(temp.path(), "c", None), |_| ()).await.expect_err("without a digest nothing is known of it");
    }

    /// Serves one file for every request.
    fn server(body: &'static str) -> url::Url {
        let server = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}/x", server.local_addr().expect("bound")).parse().expect("an address");
        std::thread::spawn(move || {
            for stream in server.incoming() {
                let mut stream = stream.expect("a request");
                let lines = BufReader::new(stream.try_clone().expect("a second handle")).lines();
                lines.map_while(Result::ok).take_while(|line| !line.is_empty()).for_each(drop);
                write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()).expect("answered");
            }
        });
        url
    }

    #[tokio::test]
    async fn a_file_fetched_with_a_login_is_neither_published_nor_waited_for() {
        for logs_in in [false, true] {
            let temp = tempfile::tempdir().expect("a temporary folder");
            let shared = temp.path().join("shared");
            crate::fs::create_dirs(&shared, 0o755).expect("made");
            let mut ctx = context(temp.path());
            let places =
                StoreLocations { shared: Some(StoreUrl::Folder(shared.clone())), ..StoreLocations::below(temp.path()) };
            let clouds = Arc::new(Clouds::new(Arc::clone(&ctx.http), ClientEnvironment::default()));
            ctx.store = Store::open(&places, &clouds, Arc::new(drop));
            let url = server("hello");
            if logs_in {
                let prefix = UrlPrefix::parse(url.as_str()).expect("a URL prefix");
                ctx.http.set_logins(vec![BasicAuth::new(prefix, "me", &Secret::from("hunter2".to_owned()), "it")]);
            }
            let wanted = Download { url, ..wanted(temp.path(), "a", Some(Digest::sha256(b"hello"))) };
            ctx.fetch(&wanted, |_| ()).await.expect("fetched");
            ctx.store.settle(std::time::Duration::from_secs(20)).await;
            let made = |name: &str| shared.join("v1").join(name).exists();
            assert_eq!((made("leases"), made("objects")), (!logs_in, !logs_in));
        }
    }
}
