//! The keystores of Java: `cacerts` of every JDK. Each is changed as a copy, which then replaces it at once, because
//! keytool does not write atomically.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use super::{
    action::ChangeKeystores,
    keytool::{self, Keytool},
};
use crate::{
    certificate::{Certificate, Fingerprint},
    digest::Digest,
    fs::{self, Attributes},
    inventory::{Vault, below},
    problem::Problem,
    redact::Secret,
    state::{KeystoreReceipt, Receipt},
    steps::{Context, scratch::ScratchFolder},
};

/// The homes of JDKs, as globs below the root.
const HOMES: [&str; 5] = ["usr/lib/jvm/*", "usr/java/*", "opt/java/*", "opt/*jdk*", "usr/local/*jdk*"];
/// The keystore in the home of a JDK, and in that of Java 8.
const KEYSTORES: [&str; 2] = ["lib/security/cacerts", "jre/lib/security/cacerts"];
/// keytool in a home.
const PROGRAMS: [&str; 2] = ["bin/keytool", "jre/bin/keytool"];

/// A keystore of the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Keystore {
    /// Its path on the node, without links.
    pub(super) path: PathBuf,
    /// The program that changes it, below the root.
    keytool: PathBuf,
    /// Its SHA-256, 64 hexadecimal digits. `None` if it cannot be read.
    sha256: Option<String>,
}

impl Keystore {
    /// Whether a profile has no work to do: the file is as nodeagent left it, with these certificates.
    pub(super) fn is_ready(
        &self,
        receipt: &Receipt,
        profile: &str,
        wanted: &BTreeSet<Fingerprint>,
        removed: &BTreeSet<Fingerprint>,
    ) -> bool {
        let Some(record) = receipt.keystores.get(&self.path) else { return wanted.is_empty() };
        let of_profile = record.of_profile(profile);
        let is_same = self.sha256.as_ref() == Some(&record.sha256) || wanted.is_empty();
        is_same && wanted.is_subset(&of_profile) && removed.is_disjoint(&of_profile)
    }
}

/// The keystores below a root, each once. A keystore without keytool cannot be changed and is left out. So is a JDK
/// that a user other than root can change: nodeagent would run the user's keytool as root.
pub(super) fn keystores(root: &Path, java_home: Option<&Path>) -> Vec<Keystore> {
    let folders = HOMES.iter().flat_map(|home| {
        let pattern = Path::new(&glob::Pattern::escape(&root.display().to_string())).join(home);
        glob::glob(&pattern.display().to_string()).into_iter().flatten().filter_map(Result::ok)
    });
    let homes: Vec<PathBuf> = java_home.map(|home| below(root, home)).into_iter().chain(folders).collect();
    let program = |home: &Path| {
        let mut programs = PROGRAMS.iter().map(|program| home.join(program));
        programs.find(|program| program.is_file() && fs::is_writable_only_by_root(root, program))
    };
    let any = homes.iter().find_map(|home| program(home));
    let mut found: BTreeMap<PathBuf, PathBuf> = BTreeMap::new();
    for home in &homes {
        for file in KEYSTORES.iter().filter_map(|name| std::fs::canonicalize(home.join(name)).ok()) {
            if !file.is_file() || !fs::is_writable_only_by_root(root, &file) {
                continue;
            }
            if let Some(program) = program(home).or_else(|| any.clone()) {
                found.entry(file).or_insert(program);
            }
        }
    }
    let real_root = std::fs::canonicalize(root).unwrap_or_else(|_| root.to_owned());
    let keystore = |(file, keytool): (PathBuf, PathBuf)| {
        let path = Path::new("/").join(file.strip_prefix(&real_root).ok()?);
        let sha256 = Digest::sha256_of_file(&file).ok().map(|digest| digest.hex().to_owned());
        Some(Keystore { path, keytool, sha256 })
    };
    found.into_iter().filter_map(keystore).collect()
}

/// Changes every keystore that differs.
pub(super) async fn change(ctx: &Context, action: &ChangeKeystores, vault: &Vault) -> Result<(), Problem> {
    let certificates = action.certificates.read()?;
    let wanted: BTreeSet<Fingerprint> = certificates.iter().map(Certificate::fingerprint).collect();
    let password = password(action, vault)?;
    // A package that this run installed may have brought a keystore.
    let found = keystores(&ctx.root, action.java_home.as_deref());
    if found.is_empty() && action.is_demanded {
        return Err(no_keystore());
    }
    for keystore in &found {
        let receipt = Receipt::read(&ctx.root);
        if !keystore.is_ready(&receipt, &action.profile, &wanted, &action.removed) {
            change_one(ctx, action, keystore, &certificates, password).await?;
        }
    }
    // The records of keystores that are gone, such as those of a removed JDK.
    let gone = |path: &Path| found.iter().all(|keystore| keystore.path != path);
    Ok(Receipt::update(&ctx.root, |receipt| {
        for (path, record) in &mut receipt.keystores {
            if gone(path) {
                record.forget(&action.profile, &action.removed);
            }
        }
        receipt.keystores.retain(|_, record| !record.certificates.is_empty());
    })?)
}

/// The problem of a node without a keystore.
pub(super) fn no_keystore() -> Problem {
    let hint = "install a JDK in an earlier section, or remove `java` from `to`";
    Problem::new("this node has no Java keystore with keytool").hint(hint.to_owned())
}

fn password<'v>(action: &ChangeKeystores, vault: &'v Vault) -> Result<Option<&'v Secret>, Problem> {
    let Some(secret) = &action.password else { return Ok(None) };
    let found = secret.from.as_ref().and_then(|from| vault.get(from)).and_then(Result::ok);
    found.map(Some).ok_or_else(|| Problem::new(format!("the secret `{}` is not available", secret.key)))
}

async fn change_one(
    ctx: &Context,
    action: &ChangeKeystores,
    keystore: &Keystore,
    certificates: &[Certificate],
    password: Option<&Secret>,
) -> Result<(), Problem> {
    let path = below(&ctx.root, &keystore.path);
    let unread = |error: std::io::Error| Problem::new(format!("`{}` could not be read: {error}", path.display()));
    let before = std::fs::read(&path).map_err(unread)?;
    let scratch = ScratchFolder::below(&action.scratch);
    let copy = scratch.path().join("cacerts");
    fs::create_dirs(scratch.path(), 0o700)?;
    fs::replace(&copy, &before, Attributes::mode(0o600))?;
    let keytool = Keytool { ctx, program: &keystore.keytool, keystore: &copy, password };
    let present = keytool.list().await?;
    let mut is_changed = false;
    for certificate in certificates {
        let fingerprint = certificate.fingerprint();
        if !present.values().any(|found| *found == fingerprint) {
            let file = scratch.path().join("certificate.pem");
            fs::replace(&file, certificate.pem().as_bytes(), Attributes::mode(0o600))?;
            keytool.import(&fingerprint, &file).await?;
            is_changed = true;
        }
    }
    let receipt = Receipt::read(&ctx.root);
    let record = receipt.keystores.get(&keystore.path).cloned().unwrap_or_default();
    let unused = |fingerprint: &Fingerprint| {
        action.removed.contains(fingerprint) && record.is_only_of(&action.profile, fingerprint)
    };
    for (alias, _) in present.iter().filter(|(alias, found)| keytool::is_own(alias) && unused(found)) {
        keytool.delete(alias).await?;
        is_changed = true;
    }
    let after = if is_changed { std::fs::read(&copy).map_err(unread)? } else { before };
    if is_changed {
        let now: BTreeSet<Fingerprint> = keytool.list().await?.into_values().collect();
        if let Some(missing) = certificates.iter().find(|certificate| !now.contains(&certificate.fingerprint())) {
            let message = format!("keytool did not import the certificate `{}`", missing.subject());
            return Err(Problem::new(message));
        }
    }
    let sha256 = Digest::sha256(&after).hex().to_owned();
    // Before the change: a killed run must know the certificates that it may have imported.
    note(ctx, keystore, |record| {
        for certificate in certificates {
            let profiles = record.certificates.entry(certificate.fingerprint()).or_default();
            profiles.insert(action.profile.clone());
        }
        record.sha256.clone_from(&sha256);
    })?;
    if is_changed {
        fs::replace(&path, &after, Attributes::default())?;
    }
    let now = Digest::sha256_of_file(&path).map_err(unread)?;
    if now.hex() != sha256 {
        return Err(Problem::new(format!("`{}` does not have the written content", keystore.path.display())));
    }
    note(ctx, keystore, |record| record.forget(&action.profile, &action.removed))
}

fn note(ctx: &Context, keystore: &Keystore, change: impl FnOnce(&mut KeystoreReceipt)) -> Result<(), Problem> {
    Ok(Receipt::update(&ctx.root, |receipt| {
        change(receipt.keystores.entry(keystore.path.clone()).or_default());
    })?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::fs::put;

    #[test]
    fn keystores_are_found_once_without_links() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let root = temp.path();
        put(&root.join("etc/ssl/certs/java/cacerts"), "shared");
        for jdk in ["java-17", "java-21"] {
            let home = root.join("usr/lib/jvm").join(jdk);
            put(&home.join("bin/keytool"), "");
            fs::create_dirs(&home.join("lib/security"), 0o755).expect("created");
            symlink("../../../../../../etc/ssl/certs/java/cacerts", home.join("lib/security/cacerts")).expect("linked");
        }
        symlink("java-21", root.join("usr/lib/jvm/default")).expect("linked");
        put(&root.join("opt/mine/jre/lib/security/cacerts"), "of Java 8");
        let found = |java_home: Option<&str>| {
            let found = keystores(root, java_home.map(Path::new));
            found.into_iter().map(|found| found.path.display().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(found(None), ["/etc/ssl/certs/java/cacerts"]);
        assert_eq!(
            found(Some("/opt/mine")),
            ["/etc/ssl/certs/java/cacerts", "/opt/mine/jre/lib/security/cacerts"],
            "keytool of another JDK changes it"
        );
    }

    #[test]
    fn a_keystore_is_ready_only_as_nodeagent_left_it() {
        let keystore = Keystore { path: "/x".into(), keytool: "/k".into(), sha256: Some("same".to_owned()) };
        let set = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<BTreeSet<_>>();
        let mut receipt = Receipt::default();
        let ready = |receipt: &Receipt, wanted: &[&str], removed: &[&str]| {
            keystore.is_ready(receipt, "p", &set(wanted), &set(removed))
        };
        assert!(ready(&receipt, &[], &[]) && !ready(&receipt, &["a"], &[]));
        let certificates = BTreeMap::from([("a".to_owned(), set(&["p"])), ("b".to_owned(), set(&["q"]))]);
        let record = KeystoreReceipt { sha256: "same".to_owned(), certificates };
        receipt.keystores.insert("/x".into(), record.clone());
        assert!(ready(&receipt, &["a"], &[]) && !ready(&receipt, &["a", "b"], &[]));
        assert!(!ready(&receipt, &[], &["a"]) && ready(&receipt, &[], &["b"]));
        receipt.keystores.insert("/x".into(), KeystoreReceipt { sha256: "other".to_owned(), ..record });
        assert!(!ready(&receipt, &["a"], &[]));
    }
}
