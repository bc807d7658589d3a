//! The trust settings, from the options and the node's file.
//!
//! `--trusted-key` chooses among the keys in /etc/nodeagent.toml and cannot add any. A user who can set options but
//! cannot write below /etc therefore cannot make the node trust another key.

use std::path::Path;

use super::{CommandError, node_file::NodeFile};
use crate::{
    diagnostic::Diagnostic,
    fs::read_bounded,
    state::Serials,
    trust::{MOST_KEY, PublicKey, Trusted, TrustedKeys},
};

/// A key on the command line: the key itself, or a file with it.
pub(super) fn key(text: &str) -> Result<PublicKey, String> {
    let describe = |error: crate::trust::BadKey| format!("{error}: {}", error.hint());
    // No file has such a name, so the text is a key. The error then explains why it is not a valid key.
    if text.len() == 56 && text.starts_with("RW") && !Path::new(text).exists() {
        return PublicKey::parse(text).map_err(describe);
    }
    let bytes = read_bounded(Path::new(text), MOST_KEY).map_err(|error| {
        format!("it is neither a key (56 characters that begin with `RW`) nor a file with a key: {error}")
    })?;
    PublicKey::parse(&String::from_utf8_lossy(&bytes)).map_err(describe)
}

/// The trust settings of a command.
pub(super) fn trusted(keys: &[PublicKey], node: &NodeFile, root: &Path) -> Result<Trusted, CommandError> {
    let foreign = keys.iter().find(|key| !node.trusted_keys.is_empty() && !node.trusted_keys.contains(key));
    if let Some(key) = foreign {
        let message = format!("the key {} of `--trusted-key` is not in /etc/nodeagent.toml", key.id());
        let hint = "`--trusted-key` can only choose among the keys in that file: add the key there";
        return Err(Diagnostic::nowhere(message).hint(hint).into());
    }
    let trusted = TrustedKeys::new(if keys.is_empty() { node.trusted_keys.clone() } else { keys.to_vec() });
    if trusted.is_empty() {
        if node.minimum_serial > 0 {
            let mistake =
                Diagnostic::nowhere("`minimum-serial` in /etc/nodeagent.toml has no effect without trusted keys");
            return Err(mistake.hint("add `trusted-keys`: only a signed serial can be relied on").into());
        }
        return Ok(Trusted::default());
    }
    let seen = Serials::read(root).map_err(|error| Diagnostic::nowhere(error.to_string()).hint(error.hint()))?;
    Ok(Trusted::new(trusted, node.minimum_serial, seen.highest))
}
