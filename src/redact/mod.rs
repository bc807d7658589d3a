//! Secret values: a type that cannot be printed by accident, and redaction of all texts that leave the process, for all
//! usual encodings of a value.
//!
//! A [`Secret`] is registered when it is created, and redacted until [`forget`]. Values with fewer than
//! [`MIN_LENGTH`] bytes, without blanks, are not redacted, because they occur in ordinary text.

mod credential_names;
mod encodings;
mod environment;
mod excerpt;
mod needle;
mod parts;
mod process;
mod registry;
mod search;
mod secret;
mod stream;
#[cfg(test)]
mod tests;
mod text;
mod toml_values;
mod unescape;
mod url_prefix;

pub use credential_names::{holds_credential, suggests_credential};
pub use environment::learn_environment;
pub use excerpt::{first_line, last_lines, one_line};
pub use process::keep_memory_private;
pub use registry::forget;
pub use secret::Secret;
pub use stream::Stream;
pub use text::text;
pub use toml_values::{HIDDEN, Hide, hidden_values, without_ranges};
pub use url_prefix::{UrlPrefix, UrlPrefixError, is_loopback};

/// The replacement for a secret value.
pub const REDACTED: &str = "[redacted]";

/// The shortest value that is redacted, in bytes.
pub const MIN_LENGTH: usize = needle::HEAD;
