//! HTTP range requests, and the versions that make them safe.

use jiff::{Timestamp, fmt::rfc2822};

use crate::{
    cloud::{CloudError, CloudErrorKind},
    http::{Answer, Request},
};

pub(super) fn malformed(message: &str) -> CloudError {
    CloudError::new(CloudErrorKind::Malformed, message)
}

pub(super) fn ranged(request: Request, part: Option<(u64, u64)>) -> Request {
    match part {
        Some((from, length)) => request.header("range", &format!("bytes={from}-{}", from + length - 1)),
        None => request,
    }
}

/// Whether the version identifies the content (RFC 9110, 8.8.1 and 8.8.2.2): a strong `ETag`, or a modification time in
/// the past at the time of the answer.
pub(super) fn is_strong(version: &str, answer: &Answer) -> bool {
    let date = |text: &str| rfc2822::parse(text).ok().map(|date| date.timestamp());
    match (date(version), answer.header("date").and_then(date)) {
        (Some(modified), Some(now)) => modified < now,
        (Some(_), None) => false,
        (None, _) => version.starts_with('"'),
    }
}

/// The body of an answer, which must be the requested range. A server may send the whole file instead.
pub(super) fn part_of(answer: Answer, part: Option<(u64, u64)>) -> Result<Vec<u8>, CloudError> {
    let Some((from, _)) = part else { return Ok(answer.into_body()) };
    let begins =
        answer.header("content-range").and_then(|range| range.strip_prefix("bytes ")?.split('-').next()?.parse().ok());
    if answer.status == 206 && begins == Some(from) {
        Ok(answer.into_body())
    } else {
        Err(malformed("the server did not send the requested part of the file"))
    }
}

/// The modification time as an HTTP date, in whole seconds.
pub(super) fn as_date(milliseconds: &str) -> Option<String> {
    let time = Timestamp::from_millisecond(milliseconds.parse().ok()?).ok()?;
    rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&time).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_an_http_date() {
        assert_eq!(as_date("1760000000999").as_deref(), Some("Thu, 09 Oct 2025 08:53:20 GMT"));
        assert_eq!(as_date("\"a-tag\""), None);
    }
}
