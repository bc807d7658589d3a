//! A shared place in an object store: one PUT an object, or parts that appear together.

use std::sync::Arc;

use futures::FutureExt as _;
use tokio::sync::OnceCell;
use url::Url;

use super::{
    backend::{Content, Held, Version, Write},
    entry,
    patience::Pulse,
    receive::Receiver,
    trouble::Trouble,
};
use crate::{
    cloud::Clouds,
    digest::Digest,
    fs::Opened,
    http::{Access, Objects, ObjectsError, When},
};

/// Settings by which the library would start `az` by itself, with all that is in the environment.
const STARTS_A_PROGRAM: [&str; 2] = ["AZURE_USE_AZURE_CLI", "AZURE_CREDENTIAL_TYPE"];

/// A bucket, opened at its first use.
pub(super) struct BucketPlace {
    url: Url,
    clouds: Option<Arc<Clouds>>,
    opened: OnceCell<Objects>,
}

impl BucketPlace {
    pub(super) fn new(url: Url, clouds: Arc<Clouds>) -> Self {
        Self { url, clouds: Some(clouds), opened: OnceCell::new() }
    }

    #[cfg(test)]
    pub(super) fn of(objects: Objects) -> Self {
        let url = Url::parse("s3://test/below").expect("an address");
        Self { url, clouds: None, opened: OnceCell::new_with(Some(objects)) }
    }

    pub(super) async fn objects(&self) -> Result<&Objects, Trouble> {
        self.opened.get_or_try_init(|| self.open()).await
    }

    async fn open(&self) -> Result<Objects, Trouble> {
        let clouds = self.clouds.as_ref().expect("a bucket that is not open yet has clouds to ask");
        let access = match self.url.scheme() {
            "s3" | "s3a" => s3(clouds).await?,
            scheme => {
                let prefix = if scheme == "gs" { "GOOGLE_" } else { "AZURE_" };
                let variables = clouds.surroundings.variables.iter();
                let settings = variables.filter(|(name, value)| {
                    name.starts_with(prefix) && !value.is_empty() && !STARTS_A_PROGRAM.contains(&name.as_str())
                });
                Access::Settings(settings.map(|(name, value)| (name.clone(), value.clone())).collect())
            }
        };
        Ok(Objects::open(&clouds.http, &self.url, access)?)
    }

    pub(super) async fn size(&self, name: &str) -> Result<Option<u64>, Trouble> {
        Ok(self.objects().await?.size(name).await?)
    }

    pub(super) async fn read(&self, name: &str, to: Receiver, pulse: &Pulse) -> Result<Option<Receiver>, Trouble> {
        let objects = self.objects().await?;
        let (mut to, mut is_announced) = (to, false);
        let taken = objects
            .read(name, |size, bytes| {
                if !is_announced {
                    is_announced = true;
                    to.announce(size)?;
                }
                pulse.moved(bytes.len());
                to.take(bytes)
            })
            .await?;
        Ok(taken.then_some(to))
    }

    pub(super) async fn content(&self, name: &str) -> Result<Option<Content>, Trouble> {
        let found = self.objects().await?.small(name, entry::MOST_BYTES).await?;
        Ok(found.map(|small| {
            let version = small.tag.map_or_else(|| Version::Bytes(small.bytes.clone()), Version::Tag);
            Content { bytes: small.bytes, version, modified: small.modified }
        }))
    }

    pub(super) async fn publish(
        &self,
        name: &str,
        from: Opened,
        digest: &Digest,
        pulse: &Pulse,
    ) -> Result<(), Trouble> {
        let mut hasher = Some(digest.hasher());
        let check = |piece: Option<&[u8]>| {
            if let (Some(bytes), Some(hasher)) = (piece, &mut hasher) {
                hasher.update(bytes);
                pulse.moved(bytes.len());
            } else if hasher.take().is_some_and(|hasher| hasher.finish() != *digest) {
                return Err(Trouble::Refused("it was damaged on this node".to_owned()));
            }
            Ok(())
        };
        self.objects().await?.write(name, from.file, from.size, check).await
    }

    pub(super) async fn write(&self, name: &str, bytes: &[u8], how: Write) -> Result<bool, Trouble> {
        let when = match how {
            Write::Always => When::Always,
            Write::IfAbsent => When::Absent,
            Write::InPlaceOf(Version::Tag(tag)) => When::Is(tag),
            Write::InPlaceOf(Version::Bytes(_)) => return Ok(false),
        };
        self.objects().await?.put(name, bytes.to_vec(), when).await.map_err(Trouble::from)
    }

    pub(super) async fn remove(&self, name: &str) -> Result<(), Trouble> {
        self.objects().await?.remove(name).await.map_err(Trouble::from)
    }

    pub(super) async fn list(&self, folder: &str) -> Result<Vec<Held>, Trouble> {
        let listed = self.objects().await?.list(folder).await?;
        let held = listed.into_iter();
        Ok(held
            .map(|found| Held { name: found.name, size: found.size, modified: found.modified, is_plain: true })
            .collect())
    }
}

impl From<ObjectsError> for Trouble {
    fn from(error: ObjectsError) -> Self {
        match error {
            ObjectsError::Denied(_) => Self::Closed(error.to_string()),
            error => Self::Place(error.to_string()),
        }
    }
}

/// Who we are at S3, and where that is: by the same chain as for secrets.
async fn s3(clouds: &Arc<Clouds>) -> Result<Access, Trouble> {
    let said = |error: crate::cloud::CloudError| Trouble::Place(error.to_string());
    let account = clouds.aws().await.map_err(said)?;
    let region = account.region(None).await.map_err(said)?;
    let endpoint = account.s3_endpoint().map(str::to_owned);
    let clouds = Arc::clone(clouds);
    let keys = Arc::new(move || {
        let clouds = Arc::clone(&clouds);
        async move {
            let account = clouds.aws().await.map_err(|error| error.to_string())?;
            account.keys().await.map_err(|error| error.to_string())
        }
        .boxed()
    });
    Ok(Access::S3 { region, endpoint, keys: keys as crate::http::KeySource })
}
