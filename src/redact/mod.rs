//! What nobody may see: values that cannot be printed by accident, and a sieve that takes them out of every text that
//! leaves the process, however they are written there.
//!
//! The sieve knows each [`Secret`] from its creation until [`forget`]. Values shorter than [`SHORTEST`] bytes are not
//! searched for: half of every text would be taken for one.

mod encodings;
mod environment;
mod process;
mod registry;
mod search;
mod secret;
mod stream;
mod text;
mod url_prefix;

pub use environment::{holds_credential, learn_environment};
pub use process::keep_memory_private;
pub use registry::forget;
pub use secret::Secret;
pub use stream::Stream;
pub use text::text;
pub use url_prefix::{UrlPrefix, UrlPrefixError, is_loopback};

/// What stands in the place of a value.
pub const REDACTED: &str = "[redacted]";

/// The shortest value that is searched for, in bytes.
pub const SHORTEST: usize = encodings::HEAD;
