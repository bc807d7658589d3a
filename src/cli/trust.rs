//! Whose word counts, from the options and the node's file.
//!
//! The node's file is the widest: keys on the command line choose among them and add none. Whoever may give a node its
//! options, but not write below /etc, cannot make it believe somebody else.

use std::path::Path;

use super::{CommandError, node_file::NodeFile};
use crate::{
    diagnostic::Diagnostic,
    fs::read_bounded,
    state::Serials,
    trust::{PublicKey, Trusted, TrustedKeys},
};

/// A public key is two lines.
const MOST_KEY: u64 = 4 << 10;

/// A key as it is written on the command line: itself, or the file of it.
pub(super) fn key(text: &str) -> Result<PublicKey, String> {
    let said = |error: crate::trust::BadKey| format!("{error}: {}", error.hint());
    // No file is called so, and a key that has a slip in it should be told so.
    if text.len() == 56 && text.starts_with("RW") && !Path::new(text).exists() {
        return PublicKey::parse(text).map_err(said);
    }
    let bytes = read_bounded(Path::new(text), MOST_KEY).map_err(|error| {
        format!("it is neither a key (56 characters that begin with `RW`) nor a file of one: {error}")
    })?;
    PublicKey::parse(&String::from_utf8_lossy(&bytes)).map_err(said)
}

/// What a command believes.
pub(super) fn trusted(given: &[PublicKey], node: &NodeFile, root: &Path) -> Result<Trusted, CommandError> {
    let foreign = given.iter().find(|key| !node.trusted_keys.is_empty() && !node.trusted_keys.contains(key));
    if let Some(key) = foreign {
        let message = format!("the key {} of `--trusted-key` is not among those of /etc/nodeagent.toml", key.id());
        let hint =
            "the node's file says whom the node trusts, and an option may only choose among them: add the key there";
        return Err(Diagnostic::nowhere(message).hint(hint).into());
    }
    let keys = TrustedKeys::new(if given.is_empty() { node.trusted_keys.clone() } else { given.to_vec() });
    if keys.is_empty() {
        if node.minimum_serial > 0 {
            let mistake =
                Diagnostic::nowhere("`minimum-serial` in /etc/nodeagent.toml says nothing without trusted keys");
            return Err(mistake.hint("add `trusted-keys`: a serial that nobody signed can be anything").into());
        }
        return Ok(Trusted::default());
    }
    let seen = Serials::read(root).map_err(|error| Diagnostic::nowhere(error.to_string()).hint(error.hint()))?;
    Ok(Trusted::new(keys, node.minimum_serial, seen.highest))
}
