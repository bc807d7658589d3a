//! A text that is searched for: a secret value, a part of it, or an encoding.

use secrecy::zeroize::Zeroizing;

/// The number of first bytes of a needle that are looked up, and so the shortest needle.
pub(super) const HEAD: usize = 4;

/// The bytes of a needle. They are wiped.
pub(super) type Needle = Zeroizing<Vec<u8>>;

pub(super) fn copy(bytes: &[u8]) -> Needle {
    Zeroizing::new(bytes.to_vec())
}
