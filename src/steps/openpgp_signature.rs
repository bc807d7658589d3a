//! Verifies detached OpenPGP signatures with the program that apt uses: gpgv, or sqv of Debian 13.

use std::{collections::BTreeSet, path::Path};

use super::{Context, scratch::ScratchFolder};
use crate::{
    exec::{Cmd, find_program},
    fs::{self, Attributes},
    openpgp::KeyRing,
    problem::Problem,
};

/// The algorithms SHA-256, SHA-384, SHA-512 and SHA-224 (RFC 9580, section 9.5). gpgv accepts SHA-1, too; sqv does not.
const STRONG_HASHES: [&str; 4] = ["8", "9", "10", "11"];
/// The class of a signature of the bytes. A signature of a text is valid for other line ends, too.
const BINARY: &str = "00";

/// Keys that verify signatures, and the program that does it.
#[derive(Debug)]
pub(crate) struct OpenPgpKeys {
    keys: KeyRing,
    program: Program,
}

#[derive(Debug, Clone, Copy)]
enum Program {
    Gpgv,
    Sqv,
}

impl OpenPgpKeys {
    /// The keys of a file, binary or armoured. It must have exactly the keys with these fingerprints.
    ///
    /// # Errors
    /// If the file is no key, it has other keys, or this node has no program that verifies signatures.
    pub(crate) fn new(file: &[u8], fingerprints: &BTreeSet<String>) -> Result<Self, Problem> {
        let keys = KeyRing::parse(file).map_err(|error| {
            Problem::new("it is no OpenPGP key that can be used").because(&error).hint(error.hint().to_owned())
        })?;
        if keys.fingerprints() != fingerprints {
            let list = |keys: &BTreeSet<String>| keys.iter().cloned().collect::<Vec<_>>().join(", ");
            let hint =
                "compare `gpg --show-keys FILE` with `fingerprint`; name the fingerprint of every key in the file";
            let problem = Problem::new("it has other keys than `fingerprint` names").hint(hint.to_owned());
            return Err(problem
                .cause(format!("it has {}", list(keys.fingerprints())))
                .cause(format!("expected {}", list(fingerprints))));
        }
        let is_there = |name: &str| find_program(name).is_some();
        let program = match () {
            () if is_there("gpgv") => Program::Gpgv,
            () if is_there("sqv") => Program::Sqv,
            () => {
                let hint = "install `gpgv` on the image of the node, or use the `sha256` of the file".to_owned();
                return Err(Problem::new("this node has no program that verifies OpenPGP signatures").hint(hint));
            }
        };
        Ok(Self { keys, program })
    }

    /// The fingerprints of the keys.
    pub(crate) fn fingerprints(&self) -> &BTreeSet<String> {
        self.keys.fingerprints()
    }

    /// Verifies a detached signature of a file. The signature may be binary or armoured. A signature by an expired key
    /// is accepted, one by a revoked key is not.
    ///
    /// # Errors
    /// If no signature by one of the keys is valid.
    pub(crate) async fn verify(&self, ctx: &Context, file: &Path, signature: &[u8]) -> Result<(), Problem> {
        let scratch = ScratchFolder::below(&ctx.cache.join("openpgp"));
        fs::create_dirs(scratch.path(), 0o700)?;
        let write = |name: &str, bytes: &[u8]| {
            let path = scratch.path().join(name);
            fs::replace(&path, bytes, Attributes::mode(0o600)).map(|()| path.display().to_string())
        };
        let (keyring, signature) = (write("keyring.gpg", self.keys.packets())?, write("signature", signature)?);
        let (folder, file) = (scratch.path().display().to_string(), file.display().to_string());
        let cmd = match self.program {
            Program::Gpgv => Cmd::new("gpgv").args([
                "--homedir",
                &folder,
                "--keyring",
                &keyring,
                "--status-fd",
                "1",
                "--",
                &signature,
                &file,
            ]),
            Program::Sqv => Cmd::new("sqv").args(["--keyring", &keyring, "--", &signature, &file]),
        };
        let done = ctx.runner.run(&cmd).await?;
        let signers = match self.program {
            Program::Gpgv => signers_of_gpgv(&done.stdout),
            Program::Sqv => signers_of_sqv(&done.stdout),
        };
        if !signers.is_disjoint(self.keys.fingerprints()) {
            return Ok(());
        }
        let lines = done.stderr.lines().map(str::trim).filter(|line| !line.is_empty());
        Err(Problem {
            causes: lines.map(str::to_owned).collect(),
            ..Problem::new("no signature by one of the keys is valid")
        })
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
            Some("VALIDSIG") if is_good => {
                // The last words are the hash algorithm, the class, and the fingerprint of the primary key.
                let words: Vec<&str> = words.skip(7).collect();
                if let [hash, BINARY, primary, ..] = words[..]
                    && STRONG_HASHES.contains(&hash)
                {
                    signers.insert(primary.to_owned());
                }
            }
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
        let weak = status("GOODSIG").replace(" 22 8 00 ", " 22 2 00 ");
        let text = status("GOODSIG").replace(" 22 8 00 ", " 22 8 01 ");
        assert_eq!((signers(&weak), signers(&text)), (Vec::new(), Vec::new()), "SHA-1, and a signature of a text");
        let other = "[GNUPG:] NEWSIG\n[GNUPG:] ERRSIG 1B80A7C217E81DD9 22 8 00 1580515200 9 324B\n\
                     [GNUPG:] NO_PUBKEY 1B80A7C217E81DD9\n";
        assert_eq!(signers(&format!("{other}{}", status("GOODSIG"))), [PRIMARY]);
        assert_eq!(signers(&format!("{}{}", status("GOODSIG"), status("BADSIG"))), [PRIMARY]);
        assert_eq!(signers_of_sqv(&format!("{PRIMARY}\n")), BTreeSet::from([PRIMARY.to_owned()]));
    }
}
