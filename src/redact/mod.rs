//! Secret values: a type that cannot be printed by accident, and redaction of all texts that leave the process, for all
//! usual encodings of a value.
//!
//! A [`Secret`] is registered when it is created, and redacted until [`forget`]. Values shorter than [`MIN_LENGTH`]
//! bytes are not redacted, because they occur in ordinary text.

mod encodings;
mod environment;
mod process;
mod registry;
mod search;
mod secret;
mod stream;
mod text;
mod url_prefix;

pub use environment::{holds_credential, learn_environment, suggests_credential};
pub use process::keep_memory_private;
pub use registry::forget;
pub use secret::Secret;
pub use stream::Stream;
pub use text::text;
pub use url_prefix::{UrlPrefix, UrlPrefixError, is_loopback};

/// The replacement for a secret value.
pub const REDACTED: &str = "[redacted]";

/// The shortest value that is redacted, in bytes.
pub const MIN_LENGTH: usize = encodings::HEAD;
