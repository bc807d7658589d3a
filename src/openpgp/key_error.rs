//! The error of a key file.

/// Why a key file is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeyError {
    /// The file is not OpenPGP, or is damaged.
    #[error("the file is not a whole OpenPGP key: {0}")]
    Malformed(&'static str),
    /// The file contains a packet that a public key does not need.
    #[error("the file has a packet that a public key does not need (tag {0})")]
    Needless(u8),
    /// The file contains a secret key, which must never be on a node.
    #[error("the file holds a secret key")]
    Secret,
    /// The file contains no key.
    #[error("the file holds no key")]
    Empty,
}

impl KeyError {
    /// The remedy.
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            Self::Secret => "export it with `gpg --export`, not `--export-secret-keys`",
            Self::Malformed(_) | Self::Needless(_) => {
                "import the file with `gpg --import FILE`, and export the key with `gpg --export FINGERPRINT`"
            }
            Self::Empty => "name the file that the owner of the key publishes",
        }
    }
}
