//! Serials: numbers that only grow, so that an old signed file cannot replace a newer one.

use std::fmt::Write as _;

/// A signed file that is older than one seen before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OldSerial {
    /// The serial is missing.
    #[error("it has no `serial`; at least {least} is required")]
    Missing {
        /// The lowest accepted serial.
        least: u64,
        /// Whether this node has seen that serial; otherwise it comes from the configuration.
        seen: bool,
    },
    /// The serial is too low.
    #[error("its serial is {found}; at least {least} is required")]
    TooLow {
        /// The serial of the file.
        found: u64,
        /// The lowest accepted serial.
        least: u64,
        /// Whether this node has seen that serial; otherwise it comes from the configuration.
        seen: bool,
    },
    /// The file was removed.
    #[error("it is missing, but this node has seen serial {0} of it")]
    Gone(u64),
}

impl OldSerial {
    /// A hint for the user.
    pub fn hint(&self) -> String {
        let mut hint = "an older file was put back: restore the latest signed one".to_owned();
        match self {
            Self::Missing { seen, .. } | Self::TooLow { seen, .. } => {
                let why = if *seen { "this node has seen a later one" } else { "`minimum-serial` requires it" };
                let _ = write!(hint, " ({why}); to go back on purpose, raise its `serial` and sign it again");
            }
            Self::Gone(_) => hint.push_str(", or sign a new one"),
        }
        hint
    }
}

/// Compares a serial with the configured minimum and the highest serial seen.
pub(super) fn check(found: Option<u64>, minimum: u64, highest: Option<u64>) -> Result<(), OldSerial> {
    let seen = highest.is_some_and(|highest| highest >= minimum);
    let least = highest.unwrap_or(0).max(minimum);
    match found {
        Some(found) if found >= least => Ok(()),
        Some(found) => Err(OldSerial::TooLow { found, least, seen }),
        None if least == 0 => Ok(()),
        None => Err(OldSerial::Missing { least, seen }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hint_says_where_the_required_serial_comes_from() {
        for (old, origin) in [
            (OldSerial::Missing { least: 7, seen: true }, "this node has seen a later one"),
            (OldSerial::TooLow { found: 1, least: 7, seen: false }, "`minimum-serial` requires it"),
            (OldSerial::Gone(7), "or sign a new one"),
        ] {
            assert!(old.hint().contains(origin), "{old}");
        }
    }

    #[test]
    fn a_serial_may_not_decrease() {
        let too_low = |found, least, seen| Err(OldSerial::TooLow { found, least, seen });
        assert_eq!(check(None, 0, None), Ok(()), "no serial is required");
        assert_eq!(check(None, 0, Some(0)), Ok(()));
        assert_eq!(check(Some(7), 0, Some(7)), Ok(()), "the same file at the next run");
        assert_eq!(check(Some(8), 3, Some(7)), Ok(()));
        assert_eq!(check(Some(6), 3, Some(7)), too_low(6, 7, true));
        assert_eq!(check(Some(2), 3, None), too_low(2, 3, false));
        assert_eq!(check(Some(2), 3, Some(1)), too_low(2, 3, false), "the higher of both counts");
        assert_eq!(check(None, 3, None), Err(OldSerial::Missing { least: 3, seen: false }));
        assert_eq!(check(None, 0, Some(7)), Err(OldSerial::Missing { least: 7, seen: true }));
    }
}
