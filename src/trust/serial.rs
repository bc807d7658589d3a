//! Serials: numbers that only grow, so that an old signed file cannot replace a newer one.

use std::fmt::Write as _;

/// A signed file that is older than one seen before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OldSerial {
    /// The serial is missing.
    #[error("it has no `serial`, and one of at least {least} is needed")]
    Missing {
        /// The lowest accepted serial.
        least: u64,
        /// Whether this node has seen that serial; otherwise it comes from the configuration.
        seen: bool,
    },
    /// The serial is too low.
    #[error("its serial is {found}, and one of at least {least} is needed")]
    TooLow {
        /// The serial of the file.
        found: u64,
        /// The lowest accepted serial.
        least: u64,
        /// Whether this node has seen that serial; otherwise it comes from the configuration.
        seen: bool,
    },
    /// The file was removed.
    #[error("it is not there, and this node has seen one with serial {0}")]
    Gone(u64),
}

impl OldSerial {
    /// A hint for the user.
    pub fn hint(&self) -> String {
        let mut hint = "somebody put an older file back: restore the latest signed one".to_owned();
        match self {
            Self::Missing { seen, .. } | Self::TooLow { seen, .. } => {
                let why = if *seen { "this node has seen a later one" } else { "`minimum-serial` says so" };
                let _ = write!(hint, " ({why}); after a deliberate step back raise its `serial` and sign it again");
            }
            Self::Gone(_) => hint.push_str(", or sign one that grants what you want"),
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
    fn a_serial_may_stay_or_grow_and_never_fall() {
        let too_low = |found, least, seen| Err(OldSerial::TooLow { found, least, seen });
        assert_eq!(check(None, 0, None), Ok(()), "nobody asked for one");
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
