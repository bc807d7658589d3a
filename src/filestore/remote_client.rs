//! Requests to each kind of file store: list a folder, read a piece of a file.
//!
//! <https://docs.databricks.com/api/workspace/dbfs>, `…/files`, `…/workspace`; HTTP range requests for web servers.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::de::DeserializeOwned;
use url::Url;

use super::{
    FileStoreAddress, FileStoreError,
    http_range::{as_date, is_strong, malformed, part_of, ranged},
    remote_entry::{DbfsFile, DbfsFolder, DbfsPage, RemoteEntry, VolumePage, WorkspaceFolder},
};
use crate::{
    cloud::{CloudError, CloudErrorKind, Clouds, PageLimit},
    http::{Answer, Request, RetryPolicy},
};

/// The largest piece that DBFS returns, in bytes.
const DBFS_PAGE: u64 = 1 << 20;
/// The size of a piece for the other file stores, in bytes.
const PIECE: u64 = 4 << 20;
/// The largest file that the workspace API exports, in bytes.
const WORKSPACE_MAX_BYTES: u64 = 10 << 20;
/// The largest file that is fetched, in bytes. A server may announce any size.
const MAX_BYTES: u64 = 64 << 30;
/// The largest file from a web server that does not announce sizes, in bytes.
const UNKNOWN_SIZE_MAX_BYTES: usize = 64 << 20;
/// The time limit of one request: a piece over a slow connection.
const TIMEOUT: Duration = Duration::from_secs(120);
/// The retry policy for web servers, the same as that of the official Databricks clients.
const PATIENT: RetryPolicy = RetryPolicy {
    budget: Duration::from_secs(45),
    statuses: &[429, 500, 502, 503, 504],
    first: Duration::from_millis(300),
};

/// A client for one remote file store.
pub(super) struct RemoteClient {
    pub(super) address: FileStoreAddress,
    pub(super) clouds: Arc<Clouds>,
}

impl RemoteClient {
    /// The size of a piece, in bytes.
    pub(super) fn piece(&self) -> u64 {
        match self.address {
            FileStoreAddress::Dbfs(_) => DBFS_PAGE,
            FileStoreAddress::Workspace(_) => WORKSPACE_MAX_BYTES,
            FileStoreAddress::Volume(_) | FileStoreAddress::Web(_) => PIECE,
        }
    }

    /// The largest file that is read, in bytes.
    pub(super) fn largest(&self) -> u64 {
        match self.address {
            FileStoreAddress::Workspace(_) => WORKSPACE_MAX_BYTES,
            FileStoreAddress::Dbfs(_) | FileStoreAddress::Volume(_) | FileStoreAddress::Web(_) => MAX_BYTES,
        }
    }

    /// Lists a folder. A missing folder is empty. Returns `None` if this kind of file store cannot list.
    pub(super) async fn list(&self, folder: &str) -> Result<Option<Vec<RemoteEntry>>, FileStoreError> {
        match self.list_shown(folder).await {
            // A missing file store is an error and not an empty listing: its access file might refuse the run.
            Err(error) if error.is_absent() && !folder.is_empty() => Ok(Some(Vec::new())),
            listed => listed,
        }
    }

    /// Like `list`, but a missing folder is an error.
    pub(super) async fn list_shown(&self, folder: &str) -> Result<Option<Vec<RemoteEntry>>, FileStoreError> {
        let listed = match &self.address {
            FileStoreAddress::Dbfs(root) => self.list_dbfs(&below(root, folder)).await,
            FileStoreAddress::Volume(root) => self.list_volume(&below(root, folder)).await,
            FileStoreAddress::Workspace(root) => self.list_workspace(&below(root, folder)).await,
            FileStoreAddress::Web(_) => return Ok(None),
        };
        listed.map(Some).map_err(FileStoreError::refused(self.address.shown(folder)))
    }

    /// The metadata of one file: for file stores that cannot list, and to detect changes.
    pub(super) async fn look(&self, file: &str) -> Result<Option<RemoteEntry>, FileStoreError> {
        let found = match &self.address {
            FileStoreAddress::Web(root) => self.look_at_web(root, file).await,
            FileStoreAddress::Dbfs(root) => {
                let query = [("path", &*below(root, file))];
                self.json("/api/2.0/dbfs/get-status", &query).await.map(|found: DbfsFile| RemoteEntry::from(found))
            }
            FileStoreAddress::Volume(_) | FileStoreAddress::Workspace(_) => {
                let (folder, name) = file.rsplit_once('/').unwrap_or(("", file));
                let listed = self.list(folder).await?.unwrap_or_default();
                return Ok(listed.into_iter().find(|entry| entry.name == name));
            }
        };
        match found {
            Err(error) if error.kind == CloudErrorKind::Absent => Ok(None),
            found => found.map(Some).map_err(FileStoreError::refused(self.address.shown(file))),
        }
    }

    /// Reads `length` bytes of a file from an offset, or the whole file if its size is unknown.
    pub(super) async fn read(
        &self,
        file: &str,
        entry: &RemoteEntry,
        from: u64,
        length: u64,
    ) -> Result<Vec<u8>, FileStoreError> {
        let part = match entry.size {
            Some(_) if length == 0 => return Ok(Vec::new()),
            Some(size) if (from, length) != (0, size) => Some((from, length)),
            _ => None,
        };
        let bytes = match &self.address {
            FileStoreAddress::Dbfs(root) => self.read_dbfs(&below(root, file), from, length).await,
            FileStoreAddress::Volume(root) => self.read_volume(&below(root, file), entry, part).await,
            FileStoreAddress::Workspace(root) => self.read_workspace(&below(root, file)).await,
            FileStoreAddress::Web(root) => self.read_web(root, file, entry, part).await,
        };
        let bytes = bytes.map_err(|error| match error.kind {
            CloudErrorKind::Changed => FileStoreError::Changed(self.address.shown(file)),
            _ => FileStoreError::refused(self.address.shown(file))(error),
        })?;
        let (expected, received) = (entry.size.map_or(bytes.len() as u64, |_| length), bytes.len() as u64);
        if expected == received {
            Ok(bytes)
        } else {
            Err(FileStoreError::WrongSize { what: self.address.shown(file), expected, received })
        }
    }

    async fn list_dbfs(&self, folder: &str) -> Result<Vec<RemoteEntry>, CloudError> {
        let found: DbfsFolder = self.json("/api/2.0/dbfs/list", &[("path", folder)]).await?;
        Ok(found.files.into_iter().map(RemoteEntry::from).collect())
    }

    async fn read_dbfs(&self, file: &str, from: u64, length: u64) -> Result<Vec<u8>, CloudError> {
        let (from, length) = (from.to_string(), length.min(DBFS_PAGE).to_string());
        let query = [("path", file), ("offset", &from), ("length", &length)];
        let page: DbfsPage = self.json("/api/2.0/dbfs/read", &query).await?;
        STANDARD.decode(page.data).map_err(|_| malformed("a page of DBFS is not base64"))
    }

    async fn list_volume(&self, folder: &str) -> Result<Vec<RemoteEntry>, CloudError> {
        let mut entries = Vec::new();
        let (mut token, mut pages) = (String::new(), PageLimit::default());
        loop {
            pages.next_page()?;
            let query = [("page_token", token.as_str())];
            let query = if token.is_empty() { &query[..0] } else { &query[..] };
            let page: VolumePage = self.json(&format!("/api/2.0/fs/directories{folder}"), query).await?;
            entries.extend(page.contents.into_iter().map(RemoteEntry::from));
            match page.next_page_token.filter(|next| !next.is_empty() && *next != token) {
                Some(next) => token = next,
                None => return Ok(entries),
            }
        }
    }

    async fn read_volume(
        &self,
        file: &str,
        entry: &RemoteEntry,
        part: Option<(u64, u64)>,
    ) -> Result<Vec<u8>, CloudError> {
        let workspace = self.clouds.databricks().await?;
        let url = workspace.url(&format!("/api/2.0/fs/files{file}"), &[]);
        let mut request = Request::get(url).header("accept", "application/octet-stream").timeout(TIMEOUT);
        if let Some(date) = entry.version.as_deref().and_then(as_date) {
            request = request.header("if-unmodified-since", &date);
        }
        let answer = workspace.send(ranged(request, part)).await;
        // The condition above is the only one of the request.
        let is_changed = |error: &CloudError| error.detail.as_ref().is_some_and(|detail| detail.contains("modified"));
        match answer {
            Err(error) if error.kind == CloudErrorKind::Invalid && is_changed(&error) => Err(changed()),
            answer => part_of(answer?, part),
        }
    }

    async fn list_workspace(&self, folder: &str) -> Result<Vec<RemoteEntry>, CloudError> {
        let found: WorkspaceFolder = self.json("/api/2.0/workspace/list", &[("path", inner(folder))]).await?;
        Ok(found.objects.iter().filter_map(RemoteEntry::of_workspace).collect())
    }

    /// The workspace API has no range requests, and a size limit.
    async fn read_workspace(&self, path: &str) -> Result<Vec<u8>, CloudError> {
        let query = [("path", inner(path)), ("format", "AUTO"), ("direct_download", "true")];
        let workspace = self.clouds.databricks().await?;
        // The address has the name of the file in its query, so it does not show whether a page is requested.
        let request = Request::get(workspace.url("/api/2.0/workspace/export", &query)).timeout(TIMEOUT).any_content();
        Ok(workspace.send(request).await?.into_body())
    }

    async fn look_at_web(&self, root: &Url, file: &str) -> Result<RemoteEntry, CloudError> {
        let answer = self.web(Request::head(web(root, file))).await?;
        let size = answer.header("content-length").and_then(|size| size.parse().ok());
        let has_ranges = answer.header("accept-ranges").is_some_and(|kind| kind.contains("bytes"));
        let version = answer.header("etag").or_else(|| answer.header("last-modified")).map(str::to_owned);
        let name = file.rsplit('/').next().unwrap_or(file).to_owned();
        // Without a strong version, a change between two pieces would go unnoticed, so the file is fetched whole,
        // whatever its size. A server without range requests sends it whole anyway.
        let comes_in_pieces = has_ranges && version.as_deref().is_some_and(|version| is_strong(version, &answer));
        Ok(RemoteEntry { name, is_folder: false, size: size.filter(|&size| comes_in_pieces || size <= PIECE), version })
    }

    async fn read_web(
        &self,
        root: &Url,
        file: &str,
        entry: &RemoteEntry,
        part: Option<(u64, u64)>,
    ) -> Result<Vec<u8>, CloudError> {
        let mut request = Request::get(web(root, file)).timeout(TIMEOUT);
        if entry.size.is_none() {
            request = request.limit(UNKNOWN_SIZE_MAX_BYTES);
        }
        // `If-Match` allows strong ETags only. For a weak one there is no condition, and the file is compared again at
        // the end.
        match entry.version.as_deref() {
            Some(tag) if tag.starts_with('"') => request = request.header("if-match", tag),
            Some(date) if !date.starts_with("W/") => request = request.header("if-unmodified-since", date),
            _ => {}
        }
        part_of(self.web(ranged(request, part)).await?, part)
    }

    /// Sends a request to a web server. Redirects are not followed, because the operator chose the address.
    async fn web(&self, request: Request) -> Result<Answer, CloudError> {
        let request = request.retrying(PATIENT);
        let answer = self.clouds.http.call(&request).await;
        let answer = answer.map_err(|error| CloudError::unanswered("the file store", &error))?;
        let kind = match answer.status {
            200..=299 => return Ok(answer),
            300..=399 => {
                // The query may contain a credential.
                let to = answer.header("location").and_then(|to| to.split('?').next()).unwrap_or_default();
                let error = CloudError::new(
                    CloudErrorKind::Invalid,
                    "the server answered with a redirect, which is not followed",
                );
                return Err(error.detail(&format!("to {to}")).hint("use the address that it leads to"));
            }
            401 | 403 => CloudErrorKind::Denied,
            404 | 410 => CloudErrorKind::Absent,
            412 => return Err(changed()),
            429 => CloudErrorKind::Limited,
            500.. => CloudErrorKind::Unreachable,
            _ => CloudErrorKind::Invalid,
        };
        Err(CloudError::new(kind, format!("the server answered with status {}", answer.status)))
    }

    async fn json<T: DeserializeOwned>(&self, path: &str, query: &[(&str, &str)]) -> Result<T, CloudError> {
        self.clouds.databricks().await?.get(path, query).await
    }
}

fn changed() -> CloudError {
    CloudError::new(CloudErrorKind::Changed, "the file changed while it was read")
}

/// A path in a file store. An empty path is the file store itself.
fn below(root: &str, path: &str) -> String {
    match (root, path) {
        ("", "") => "/".to_owned(),
        (root, "") => root.to_owned(),
        (root, path) => format!("{root}/{path}"),
    }
}

/// The path in the workspace API: without `/Workspace`.
fn inner(path: &str) -> &str {
    path.strip_prefix("/Workspace").filter(|rest| !rest.is_empty()).unwrap_or("/")
}

fn web(root: &Url, file: &str) -> Url {
    let mut url = root.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(file.split('/'));
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_joined_with_exactly_one_slash() {
        assert_eq!([below("", ""), below("/a", ""), below("/a", "b/c"), below("", "b")], ["/", "/a", "/a/b/c", "/b"]);
        assert_eq!([inner("/Workspace/Shared/x"), inner("/Workspace")], ["/Shared/x", "/"]);
        let root = Url::parse("https://h/store/").expect("an address");
        assert_eq!(web(&root, "a b/c%2F.toml").as_str(), "https://h/store/a%20b/c%252F.toml");
    }
}
