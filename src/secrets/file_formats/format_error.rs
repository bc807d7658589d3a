//! Values that a file format cannot represent.

/// A format cannot represent a value: its readers would see another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct FormatError {
    pub(super) what: &'static str,
    /// A hint for the operator.
    pub hint: &'static str,
}

pub(super) const LINE_BREAK: FormatError = FormatError {
    what: "it contains a line break, and a line of this format cannot",
    hint: "store the secret without it (`printf %s` adds none), or deliver it with `file`",
};
pub(super) const NUL: FormatError = FormatError {
    what: "it contains a zero byte, and text cannot",
    hint: "deliver it with `file`, which accepts any bytes",
};

/// Checks that a value has no line break and no zero byte.
pub(super) fn check_one_line(value: &[u8]) -> Result<(), FormatError> {
    if value.contains(&0) {
        return Err(NUL);
    }
    if value.iter().any(|byte| matches!(byte, b'\n' | b'\r')) { Err(LINE_BREAK) } else { Ok(()) }
}
