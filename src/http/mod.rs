//! HTTP. No other module opens network connections.
//!
//! Transient errors are retried with exponential back-off and jitter, permanent errors are not. The deadline of the run
//! also ends retries. `file:` addresses are supported too, so that a package index can be a plain folder.

mod address;
mod answer;
mod basic_auth;
mod bucket;
mod bucket_download;
mod bucket_error;
mod call;
mod client;
mod connector;
mod dns;
mod download;
mod error;
mod logins;
mod pace;
mod port;
#[cfg(any(test, fuzzing))]
mod prepared;
#[cfg(any(test, fuzzing))]
mod prepared_answers;
mod proxies;
mod redirect;
mod request;
mod web_page;

#[cfg(any(test, fuzzing))]
pub use self::prepared_answers::PreparedAnswer;
pub use self::{
    address::{is_bucket, without_credentials},
    answer::Answer,
    basic_auth::BasicAuth,
    bucket::{Bucket, BucketAccess, ListedObject, PutCondition, SmallObject, VersionTag},
    bucket_error::BucketError,
    client::Client,
    connector::{AwsKeys, KeySource},
    download::Download,
    error::{CLOCK_HINT, HttpError, HttpProblem, WEB_PAGE_HINT},
    port::accepts_connections,
    redirect::RedirectError,
    request::{Request, RetryPolicy},
    web_page::is_web_page,
};
pub use crate::redact::is_loopback;
