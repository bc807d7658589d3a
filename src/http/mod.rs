//! The only door to the network: whole texts, and downloads that appear only when they are complete and right.
//!
//! Transient failures are retried with exponential back-off and jitter; permanent ones are not. The run's deadline
//! ends a retry that would outlast it. `file:` addresses are served too, so that an index may be a plain folder.

mod address;
mod answer;
mod basic_auth;
mod bucket;
mod bucket_error;
mod call;
mod client;
mod connector;
mod download;
mod error;
mod logins;
mod redirect;
mod request;

pub use self::{
    address::without_credentials,
    answer::Answer,
    basic_auth::BasicAuth,
    bucket::{Bucket, BucketAccess, ListedObject, PutCondition, SmallObject, VersionTag},
    bucket_error::BucketError,
    client::Client,
    connector::{AwsKeys, KeySource},
    download::Download,
    error::{HttpError, HttpProblem},
    redirect::RedirectError,
    request::{Request, RetryPolicy},
};
pub use crate::redact::is_loopback;
