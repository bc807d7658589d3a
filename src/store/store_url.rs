//! The address of a shared store, as a user writes it.

use std::{fmt, path::PathBuf, str::FromStr};

use url::Url;

/// The address of a shared store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreUrl {
    /// A folder that all nodes mount.
    Folder(PathBuf),
    /// A path in a bucket of S3 or Google, or in a container of Azure.
    Bucket(Url),
}

/// A text that is not the address of a shared store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a valid shared store: {why}")]
pub struct StoreUrlError {
    text: String,
    why: &'static str,
}

impl StoreUrlError {
    /// A hint for the user.
    pub fn hint(&self) -> String {
        "use a folder such as /Volumes/admin/tools/store, or an address such as s3://bucket/store, \
         abfss://container@account.dfs.core.windows.net/store or gs://bucket/store"
            .to_owned()
    }
}

impl FromStr for StoreUrl {
    type Err = StoreUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let failed = |why| Err(StoreUrlError { text: text.to_owned(), why });
        if let Some(path) = text.strip_prefix("dbfs:") {
            // The mount point on the nodes of a cluster.
            return Ok(Self::Folder(PathBuf::from(format!("/dbfs/{}", path.trim_start_matches('/')))));
        }
        if text.starts_with('/') {
            return Ok(Self::Folder(text.into()));
        }
        let Ok(url) = Url::parse(text) else { return failed("a folder must begin with `/`") };
        match url.scheme() {
            "s3" | "s3a" | "gs" | "az" | "abfs" | "abfss" => {}
            _ => return failed("an address must begin with `s3:`, `abfss:`, `az:` or `gs:`"),
        }
        if url.host_str().is_none_or(str::is_empty) {
            return failed("the bucket is missing");
        }
        if url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
            return failed("it must not contain a password, a query or a fragment");
        }
        Ok(Self::Bucket(url))
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "{}", path.display()),
            Self::Bucket(url) => write!(f, "{url}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_and_bucket_addresses_are_valid() {
        for (text, shown) in [
            ("/mnt/store", "/mnt/store"),
            ("dbfs:/FileStore/store", "/dbfs/FileStore/store"),
            ("s3://bucket/a/b", "s3://bucket/a/b"),
            ("abfss://c@account.dfs.core.windows.net/x", "abfss://c@account.dfs.core.windows.net/x"),
        ] {
            assert_eq!(text.parse::<StoreUrl>().map(|url| url.to_string()), Ok(shown.to_owned()));
        }
    }

    #[test]
    fn invalid_store_addresses_are_refused() {
        let (address, login) = ("an address must begin with", "it must not contain a password");
        for (text, why) in [
            ("store", "a folder must begin with `/`"),
            ("./store", "a folder must begin with `/`"),
            ("https://example.org/x", address),
            ("s3://", "the bucket is missing"),
            ("s3://key:secret@bucket/x", login),
            ("s3://b/x?a=1", login),
            ("gs://b/x#a", login),
        ] {
            let error = text.parse::<StoreUrl>().expect_err(text);
            assert!(error.to_string().contains(why) && error.hint().contains("s3://bucket/store"), "{error}");
        }
    }
}
