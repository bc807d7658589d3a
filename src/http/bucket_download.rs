//! Downloads single objects of buckets. `object_store` retries failed requests.

use super::{
    bucket::Bucket,
    bucket_error::BucketError,
    download::{Download, Receiver, is_there},
    error::{HttpError, HttpProblem},
};

impl Bucket {
    /// Downloads the object whose address the bucket was opened with, checks its size and digest, and moves it to its
    /// path. `on_bytes` receives the size of each piece. A file that is already there with the right digest is kept.
    ///
    /// # Errors
    /// If the object does not exist, cannot be read, or is not the expected one.
    pub async fn download(&self, wanted: &Download, on_bytes: impl Fn(u64)) -> Result<(), HttpError> {
        if is_there(wanted) {
            return Ok(());
        }
        let mut file = Receiver::new(wanted, on_bytes)?;
        let mut failure = None;
        let read = self.read("", |_, bytes| {
            file.take(bytes).map_err(|error| {
                let text = error.problem.to_string();
                failure = Some(error);
                BucketError::Failed(text)
            })
        });
        let read: Result<bool, BucketError> = read.await;
        let failed = |problem| Err(failure.unwrap_or_else(|| HttpError::new(&wanted.url, problem)));
        match read {
            Ok(true) => file.finish(false),
            Ok(false) => failed(HttpProblem::Status(404)),
            Err(error) => failed(HttpProblem::Bucket(error)),
        }
    }
}
