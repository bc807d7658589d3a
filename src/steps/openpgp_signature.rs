//! Verifies detached OpenPGP signatures with the program that apt uses: gpgv, or sqv of Debian 13.

use std::{collections::BTreeSet, path::Path};

use super::Context;
use crate::{
    exec::{Cmd, find_program},
    fs::{self, Attributes},
    openpgp,
    problem::Problem,
};

/// A file, its detached signature, and the keys that may have made it.
#[derive(Debug)]
pub(crate) struct OpenPgpSigned<'a> {
    /// The file.
    pub(crate) file: &'a Path,
    /// The signature, binary or armoured.
    pub(crate) signature: &'a Path,
    /// A file of public keys, binary or armoured.
    pub(crate) keys: &'a [u8],
    /// The fingerprints of these keys, as upper-case hexadecimal digits.
    pub(crate) fingerprints: &'a BTreeSet<String>,
    /// A folder for the keyring of the program. It must exist.
    pub(crate) scratch: &'a Path,
}

impl OpenPgpSigned<'_> {
    /// Verifies the signature. A key that expired after it signed is accepted; a revoked key is not.
    ///
    /// # Errors
    /// If the file of the keys has other keys, no signature is by one of them, or no program can verify signatures.
    pub(crate) async fn verify(&self, ctx: &Context) -> Result<(), Problem> {
        let keyring = self.scratch.join("keyring.gpg");
        fs::replace(&keyring, &self.keyring()?, Attributes::mode(0o644))?;
        let [folder, keyring, signature, file] =
            [self.scratch, &keyring, self.signature, self.file].map(|path| path.display().to_string());
        let (cmd, signers): (Cmd, fn(&str) -> BTreeSet<String>) = if find_program("gpgv").is_some() {
            let cmd = Cmd::new("gpgv").args(["--homedir", &folder, "--keyring", &keyring, "--status-fd", "1"]);
            (cmd.args(["--", &signature, &file]), signers_of_gpgv)
        } else if find_program("sqv").is_some() {
            (Cmd::new("sqv").args(["--keyring", &keyring, "--", &signature, &file]), signers_of_sqv)
        } else {
            let hint = "install `gpgv` on the image of the node, or use the `sha256` of the file".to_owned();
            return Err(Problem::new("no program on this node can verify an OpenPGP signature").hint(hint));
        };
        let done = ctx.runner.run(&cmd).await?;
        if signers(&done.stdout).is_disjoint(self.fingerprints) {
            let why = done.stderr.lines().map(str::trim).filter(|line| !line.is_empty());
            let problem = Problem::new("no valid signature by one of the keys");
            return Err(Problem { causes: why.map(str::to_owned).collect(), ..problem });
        }
        Ok(())
    }

    /// The keys as binary packets.
    fn keyring(&self) -> Result<Vec<u8>, Problem> {
        let unusable = |error: openpgp::KeyError| Problem::new("the key cannot be used").because(&error);
        let found: BTreeSet<String> = openpgp::fingerprints(self.keys).map_err(unusable)?.into_iter().collect();
        if found != *self.fingerprints {
            let list = |keys: &BTreeSet<String>| keys.iter().cloned().collect::<Vec<_>>().join(", ");
            let problem = Problem::new("the file of the key has other keys than `fingerprint` names");
            let causes = vec![format!("it has {}", list(&found)), format!("expected {}", list(self.fingerprints))];
            return Err(Problem { causes, ..problem });
        }
        openpgp::binary(self.keys).map(std::borrow::Cow::into_owned).map_err(unusable)
    }
}

/// The primary keys that made valid signatures, from the status lines of gpgv (`doc/DETAILS` of `GnuPG`).
fn signers_of_gpgv(status: &str) -> BTreeSet<String> {
    let mut signers = BTreeSet::new();
    let mut is_good = false;
    for line in status.lines().filter_map(|line| line.strip_prefix("[GNUPG:] ")) {
        let mut words = line.split_ascii_whitespace();
        match words.next() {
            Some("NEWSIG" | "REVKEYSIG" | "EXPSIG" | "BADSIG" | "ERRSIG") => is_good = false,
            Some("GOODSIG" | "EXPKEYSIG") => is_good = true,
            // The fingerprint of the primary key is the last of ten words.
            Some("VALIDSIG") if is_good => signers.extend(words.nth(9).map(str::to_owned)),
            _ => {}
        }
    }
    signers
}

/// The keys that made valid signatures: sqv prints the fingerprint of each on one line.
fn signers_of_sqv(stdout: &str) -> BTreeSet<String> {
    stdout.lines().map(|line| line.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRIMARY: &str = "CED38F8CCEA0D3CDFB913C81376D2E8DE12CFF79";

    /// The lines of gpgv 2.2.40 for a signature by a subkey.
    fn status(verdict: &str) -> String {
        format!(
            "[GNUPG:] NEWSIG ring@example.org\n[GNUPG:] KEY_CONSIDERED {PRIMARY} 0\n[GNUPG:] {verdict} 8BA83BFA3E813528 \
             Ring <ring@example.org>\n[GNUPG:] VALIDSIG 5B0EBC8BA711B6B7132B61F58BA83BFA3E813528 2026-11-30 1796052932 0 \
             4 0 22 8 00 {PRIMARY}\n"
        )
    }

    #[test]
    fn the_primary_key_of_each_good_signature_is_a_signer() {
        let signers = |status: &str| signers_of_gpgv(status).into_iter().collect::<Vec<_>>();
        assert_eq!(signers(&status("GOODSIG")), [PRIMARY]);
        assert_eq!(signers(&status("EXPKEYSIG")), [PRIMARY]);
        for verdict in ["REVKEYSIG", "EXPSIG", "BADSIG"] {
            assert_eq!(signers(&status(verdict)), [""; 0], "{verdict}");
        }
        let other = "[GNUPG:] NEWSIG\n[GNUPG:] ERRSIG 1B80A7C217E81DD9 22 8 00 1580515200 9 324B\n\
                     [GNUPG:] NO_PUBKEY 1B80A7C217E81DD9\n";
        assert_eq!(signers(&format!("{other}{}", status("GOODSIG"))), [PRIMARY]);
        assert_eq!(signers(&format!("{}{}", status("GOODSIG"), status("BADSIG"))), [PRIMARY]);
        assert_eq!(signers_of_sqv(&format!("{PRIMARY}\n")), BTreeSet::from([PRIMARY.to_owned()]));
    }
}
