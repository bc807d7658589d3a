//! Parses the output of `apt-get --print-uris`: the files that a transaction needs.

use std::path::{Path, PathBuf};

use url::Url;

use crate::{digest::Digest, lock::LockedDeb};

/// One package file of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Archive {
    /// The file name in apt's archive folder. The colon of an epoch is written as `%3a`.
    pub(super) name: String,
    /// The download, if the agent can fetch and check the file. `None` leaves it to apt: for schemes other than HTTP,
    /// and for indexes without a secure digest.
    pub(super) ours: Option<Source>,
    /// The path, for a file of the node.
    pub(super) local: Option<PathBuf>,
}

/// The address, size and digest of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) url: Url,
    pub(super) size: u64,
    pub(super) digest: Digest,
}

impl Archive {
    /// The archive of a locked package.
    pub(super) fn of(deb: &LockedDeb) -> Self {
        let source = Source { url: deb.url.clone(), size: deb.size, digest: deb.sha256.clone() };
        Self { name: deb.file.clone(), ours: Some(source), local: None }
    }

    /// The package name, version and architecture that apt encodes in the file name.
    pub(super) fn parts(&self) -> Option<[String; 3]> {
        let mut parts =
            self.name.strip_suffix(".deb")?.splitn(3, '_').map(|part| part.replace("%3a", ":").replace("%5f", "_"));
        Some([parts.next()?, parts.next()?, parts.next()?])
    }
}

/// The archives in apt's output. Other lines are ignored.
pub(super) fn parse(text: &str) -> Vec<Archive> {
    text.lines().filter_map(archive).collect()
}

fn archive(line: &str) -> Option<Archive> {
    let (url, rest) = line.strip_prefix('\'')?.split_once("' ")?;
    let mut words = rest.split_ascii_whitespace();
    let name = words.next().filter(|name| is_file_name(name))?.to_owned();
    let size = words.next().and_then(|size| size.parse().ok());
    let digest = words.find_map(|word| word.strip_prefix("SHA256:")).and_then(|hex| hex.parse().ok());
    let url = Url::parse(url).ok();
    let local = url.as_ref().filter(|url| url.scheme() == "file").and_then(|url| url.to_file_path().ok());
    let url = url.filter(|url| matches!(url.scheme(), "http" | "https"));
    let ours = match (url, size, digest) {
        (Some(url), Some(size), Some(digest)) => Some(Source { url, size, digest }),
        _ => None,
    };
    Some(Archive { name, ours, local })
}

fn is_file_name(name: &str) -> bool {
    !name.contains('/') && !name.starts_with('.') && Path::new(name).extension().is_some_and(|kind| kind == "deb")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA: &str = "d2096d4edde128fedf6749be2dd204a5810210a6201126d99b8d412344f71056";

    #[test]
    fn address_name_size_and_digest_are_read_from_a_line() {
        let url = "http://archive.example/debian/pool/main/f/fonts-android/fonts-droid-fallback_6.0.1r16-1.1_all.deb";
        let archives = parse(&format!("'{url}' fonts-droid-fallback_1%3a6.0.1r16-1.1_all.deb 1806736 SHA256:{SHA}\n"));
        let source =
            Source { url: url.parse().expect("an address"), size: 1_806_736, digest: SHA.parse().expect("a SHA-256") };
        let name = "fonts-droid-fallback_1%3a6.0.1r16-1.1_all.deb".into();
        assert_eq!(archives, [Archive { name, ours: Some(source), local: None }]);
    }

    #[test]
    fn files_that_cannot_be_fetched_or_checked_are_left_to_apt() {
        let text = "'file:/srv/repo/./probe_2.0-1_all.deb' probe_1%3a2.0-1_all.deb 668 \
                    SHA256:d2096d4edde128fedf6749be2dd204a5810210a6201126d99b8d412344f71056\n\
                    'mirror+file:/etc/apt/mirrors/x/a.deb' a_1_all.deb 1 SHA256:00\n\
                    'http://x/jq_1.6_amd64.deb' jq_1.6_amd64.deb 64432 MD5Sum:7e359432d638eee2be29dfd20ddcd493\n\
                    'http://x/libjq1_1.6_amd64.deb' libjq1_1.6_amd64.deb 136460 \n";
        let archives = parse(text);
        assert_eq!(archives.len(), 4);
        assert!(archives.iter().all(|archive| archive.ours.is_none()), "{archives:?}");
    }

    #[test]
    fn the_path_of_a_local_file_is_decoded() {
        let archives = parse("'file:/tmp/d%20e/zz%2bx%253a%7e1.deb' zz_2.0-1_all.deb 648 \n");
        assert_eq!(archives[0].local.as_deref(), Some(Path::new("/tmp/d e/zz+x%3a~1.deb")));
    }

    #[test]
    fn lines_without_an_archive_are_ignored() {
        let text =
            "Reading package lists...\n'http://x/y' ../../etc/x.deb 1 SHA256:00\n'http://x' \n'http\n'' ' .deb 1";
        assert_eq!(parse(text), []);
    }
}
