//! Addresses of file stores.

use std::{fmt, path::PathBuf};

use url::Url;

use crate::http::is_loopback;

/// The address of a file store that is not a local folder. The platform may mount it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileStoreAddress {
    /// `dbfs:/…`: the path without the scheme.
    Dbfs(String),
    /// `/Volumes/CATALOG/SCHEMA/VOLUME…`.
    Volume(String),
    /// `/Workspace/…`.
    Workspace(String),
    /// A folder of a web server.
    Web(Url),
}

/// A text that looks like the address of a file store but is not valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` {why}")]
pub struct AddressError {
    text: String,
    why: &'static str,
    /// A hint for the user.
    pub hint: &'static str,
}

impl FileStoreAddress {
    /// Parses an address. Returns `None` for a local folder.
    ///
    /// # Errors
    /// When the text has a scheme or begins like a Volume, and does not name a folder there.
    pub fn parse(text: &str) -> Result<Option<Self>, AddressError> {
        let wrong = |why, hint| Err(AddressError { text: text.to_owned(), why, hint });
        if text.starts_with("https://") || text.starts_with("http://") {
            return Self::web(text).map(Some);
        }
        let path = match text.strip_prefix("dbfs:") {
            Some(path) => path,
            None if text.contains(":/") => {
                return wrong(
                    "is not a supported file store",
                    "use a folder, `dbfs:/…`, `/Volumes/…`, `/Workspace/…` or `https://…`",
                );
            }
            None => text,
        };
        let is_below =
            |folder: &str| path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let is_local = path.len() == text.len() && !is_below("/Volumes") && !is_below("/Workspace");
        if is_local {
            return Ok(None);
        }
        if !path.starts_with('/') || path.split('/').any(|part| part == "..") {
            return wrong("is not an absolute path", "start it with `dbfs:/` and do not use `..`");
        }
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let path = if parts.is_empty() { String::new() } else { format!("/{}", parts.join("/")) };
        if is_below("/Volumes") {
            if path.split('/').count() < 5 {
                return wrong("is not a folder in a Volume", "write it as `/Volumes/CATALOG/SCHEMA/VOLUME/…`");
            }
            return Ok(Some(Self::Volume(path)));
        }
        Ok(Some(if is_below("/Workspace") { Self::Workspace(path) } else { Self::Dbfs(path) }))
    }

    fn web(text: &str) -> Result<Self, AddressError> {
        let wrong = |why, hint| Err(AddressError { text: text.to_owned(), why, hint });
        let Ok(mut url) = Url::parse(text) else {
            return wrong("is not an address", "write it as `https://HOST/FOLDER`");
        };
        if url.password().is_some() || !url.username().is_empty() {
            let shown = format!("{}://…@{}", url.scheme(), url.host_str().unwrap_or_default());
            let why = "holds a user name or password";
            return Err(AddressError { text: shown, why, hint: "remove them: addresses appear in reports" });
        }
        if url.query().is_some() || url.fragment().is_some() {
            return wrong("has a query", "use the address of a folder, without a query");
        }
        if url.scheme() == "http" && !is_loopback(&url) {
            return wrong("uses plain http, so anyone on the network could change the files", "use https");
        }
        let folder = format!("{}/", url.path().trim_end_matches('/'));
        url.set_path(&folder);
        Ok(Self::Web(url))
    }

    /// The folder at which the platform mounts it.
    pub fn mounted(&self) -> Option<PathBuf> {
        match self {
            Self::Dbfs(path) => Some(format!("/dbfs{path}").into()),
            Self::Volume(path) | Self::Workspace(path) => Some(path.into()),
            Self::Web(_) => None,
        }
    }

    /// The address of a file in the store.
    pub fn shown(&self, file: &str) -> String {
        if file.is_empty() { self.to_string() } else { format!("{}/{file}", self.to_string().trim_end_matches('/')) }
    }
}

impl fmt::Display for FileStoreAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dbfs(path) => write!(f, "dbfs:{}", if path.is_empty() { "/" } else { path }),
            Self::Volume(path) | Self::Workspace(path) => f.write_str(path),
            Self::Web(url) => f.write_str(url.as_str().trim_end_matches('/')),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> String {
        match FileStoreAddress::parse(text) {
            Ok(Some(address)) => format!("{address:?} {address}"),
            Ok(None) => "a folder".into(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn the_prefix_decides_the_kind_of_address() {
        assert_eq!(parsed("dbfs:/FileStore//x/"), "Dbfs(\"/FileStore/x\") dbfs:/FileStore/x");
        assert_eq!(parsed("dbfs:/Volumes/a/b/c"), "Volume(\"/Volumes/a/b/c\") /Volumes/a/b/c");
        assert_eq!(parsed("/Workspace/Shared"), "Workspace(\"/Workspace/Shared\") /Workspace/Shared");
        for local in ["/dbfs/FileStore", "store", "/VolumesOfMine", "./Volumes/a"] {
            assert_eq!(parsed(local), "a folder");
        }
        let web = FileStoreAddress::parse("https://files.example.org/store").expect("sound").expect("not a folder");
        assert_eq!(web.shown("Admin/x"), "https://files.example.org/store/Admin/x");
    }

    #[test]
    fn invalid_addresses_are_refused_with_a_reason() {
        assert!(parsed("s3://bucket/x").contains("is not a supported file store"));
        assert!(parsed("/Volumes/a/b").contains("not a folder in a Volume"));
        assert!(parsed("dbfs:/a/../b").contains("is not an absolute path"));
        assert!(parsed("dbfs:a").contains("is not an absolute path"));
        assert!(parsed("http://files.example.org/").contains("uses plain http"));
        assert!(parsed("https://h/x?sig=1").contains("has a query"));
        assert_eq!(parsed("https://u:secret@h/x"), "`https://…@h` holds a user name or password");
    }

    #[test]
    fn the_platform_mounts_all_kinds_except_web_servers() {
        let mounted = |text: &str| FileStoreAddress::parse(text).expect("sound").expect("no folder").mounted();
        assert_eq!(mounted("dbfs:/FileStore"), Some("/dbfs/FileStore".into()));
        assert_eq!(mounted("/Volumes/a/b/c"), Some("/Volumes/a/b/c".into()));
        assert_eq!(mounted("http://127.0.0.1:1/"), None);
    }
}
