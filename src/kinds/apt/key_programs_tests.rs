//! The programs that verify packages trust no other key than those that were compared with the fingerprints.

use std::{collections::BTreeSet, path::Path, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::{
    exec::{Cmd, Finished, Runner as _, SystemRunner, find_program},
    fs::{self, Attributes},
    openpgp::KeyRing,
};

const RING: &str = include_str!("../../../tests/fixtures/openpgp/ring.asc");
const RING_FINGERPRINT: &str = "CED38F8CCEA0D3CDFB913C81376D2E8DE12CFF79";
const OTHER: &str = include_str!("../../../tests/fixtures/openpgp/other.asc");
const OTHER_FINGERPRINT: &str = "2E064316CE4B0C233F4E47534EE853A6BF3D54DD";
const HELLO: &str = "hello.txt";
const BY_RING: &str = "hello.txt.asc";
const BY_OTHER: &str = "hello.txt.other.asc";

fn decoded(key: &str) -> Vec<u8> {
    KeyRing::parse(key.as_bytes()).expect("a key").packets().to_vec()
}

/// The length of the header of a packet with less than 256 bytes.
const HEADER: usize = 2;

/// The packets of a key of the fixtures, with their headers.
fn packets(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    while let Some(&length) = bytes.get(1) {
        let (packet, rest) = bytes.split_at(HEADER + usize::from(length));
        found.push(packet.to_vec());
        bytes = rest;
    }
    found
}

/// A packet under another tag, with a header of the new format.
fn retagged(packet: &[u8], tag: u8) -> Vec<u8> {
    let body = &packet[HEADER..];
    let length = u32::try_from(body.len()).expect("short").to_be_bytes();
    [&[0xc0 | tag, 0xff], &length[..], body].concat()
}

/// A file that a writer of the key file may try: packets of both keys in any order, damaged, hidden in packets that
/// programs skip, or in parts of the armour that programs read in different ways.
fn forged(random: &mut fastrand::Rng) -> Vec<u8> {
    let (ring, other) = (packets(&decoded(RING)), packets(&decoded(OTHER)));
    let mut forged = ring.clone();
    for _ in 0..random.usize(0..3) {
        let packet = random.choice(&other).expect("not empty").clone();
        let packet = match random.u8(..6) {
            0 => packet,
            // A subkey, a user, or a packet that programs skip.
            1 => retagged(&packet, 14),
            2 => retagged(&packet, 13),
            _ => retagged(&packet, *random.choice(&[2, 10, 12, 17, 21, 60]).expect("not empty")),
        };
        forged.insert(random.usize(..=forged.len()), packet);
    }
    if random.bool() {
        forged.push(random.choice(&ring).expect("not empty").clone());
    }
    let mut bytes = forged.concat();
    if random.bool() {
        let place = random.usize(..bytes.len());
        bytes[place] ^= 1 << random.u8(..8);
    }
    if random.bool() {
        return bytes;
    }
    let (own, others) = (STANDARD.encode(&bytes), STANDARD.encode(decoded(OTHER)));
    let (begin, end) = ("-----BEGIN PGP PUBLIC KEY BLOCK-----", "-----END PGP PUBLIC KEY BLOCK-----");
    match random.u8(..6) {
        0 => format!("{begin}\n{own}\n\n{others}\n{end}\n"),
        1 => format!("{begin}\nComment: {others}\n\n{own}\n{end}\n"),
        2 => format!("{begin}\n\n{own}\n{end}\n{others}\n"),
        3 => format!("{begin}\n\n{own}\n=AAAA\n{others}\n{end}\n"),
        4 => format!("{begin}\n\n{own}\n{end}\n{begin}\n\n{others}\n{end}\n"),
        _ => format!("{begin}\n\n{own}\n{end}\n"),
    }
    .into_bytes()
}

async fn run(folder: &Path, program: &str, args: &[&str]) -> Finished {
    let cmd = Cmd::new(program).args(args.iter().copied()).cwd(folder).timeout(Some(Duration::from_secs(60)));
    SystemRunner::new(None, []).run(&cmd).await.expect("`scripts/clients` installs it")
}

/// The primary keys of a keyring, as gpg lists them.
async fn listed(folder: &Path) -> BTreeSet<String> {
    let options = ["--homedir", ".", "--no-default-keyring", "--keyring", "./keyring.gpg", "--with-colons"];
    let listed = run(folder, "gpg", &[&options[..], &["--list-keys"]].concat()).await.stdout;
    let mut lines = listed.lines();
    let mut found = BTreeSet::new();
    while lines.by_ref().any(|line| line.starts_with("pub:")) {
        let line = lines.find(|line| line.starts_with("fpr:")).expect("a fingerprint");
        found.extend(line.split(':').nth(9).map(str::to_owned));
    }
    found
}

/// The programs that accept a signature of `hello.txt`.
async fn accepting(folder: &Path, signature: &str) -> Vec<&'static str> {
    let mut accepting = Vec::new();
    if run(folder, "gpgv", &["--homedir", ".", "--keyring", "./keyring.gpg", signature, HELLO]).await.code == 0 {
        accepting.push("gpgv");
    }
    // Debian has it since version 12, and apt uses it since version 13.
    if find_program("sqv").is_some()
        && run(folder, "sqv", &["--keyring", "keyring.gpg", signature, HELLO]).await.code == 0
    {
        accepting.push("sqv");
    }
    // apt used it up to Debian 12.
    if find_program("apt-key").is_some()
        && run(folder, "apt-key", &["--quiet", "--keyring", "keyring.gpg", "verify", signature, HELLO]).await.code == 0
    {
        accepting.push("apt-key");
    }
    accepting
}

#[tokio::test]
async fn programs_trust_no_key_of_a_forged_file_that_was_not_compared() {
    let seed = fastrand::u64(..);
    let random = &mut fastrand::Rng::with_seed(seed);
    let temp = tempfile::tempdir().expect("a temporary folder");
    let folder = temp.path();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/openpgp");
    for name in [HELLO, BY_RING, BY_OTHER] {
        let bytes = std::fs::read(fixtures.join(name)).expect("a fixture");
        fs::replace(&folder.join(name), &bytes, Attributes::mode(0o600)).expect("written");
    }
    let write =
        |bytes: &[u8]| fs::replace(&folder.join("keyring.gpg"), bytes, Attributes::mode(0o600)).expect("written");
    // The programs accept what they should, so that a refusal below has a meaning.
    write(KeyRing::parse(RING.as_bytes()).expect("a key").packets());
    let all = accepting(folder, BY_RING).await;
    assert!(all.contains(&"gpgv"), "{all:?}");
    write(KeyRing::parse(OTHER.as_bytes()).expect("a key").packets());
    assert_eq!(accepting(folder, BY_OTHER).await, all);
    assert_eq!(listed(folder).await, BTreeSet::from([OTHER_FINGERPRINT.to_owned()]));

    let pinned = BTreeSet::from([RING_FINGERPRINT.to_owned()]);
    let mut written = BTreeSet::new();
    for _ in 0..20_000 {
        if let Ok(ring) = KeyRing::parse(&forged(random))
            && *ring.fingerprints() == pinned
        {
            written.insert(ring.packets().to_vec());
        }
        if written.len() == 60 {
            break;
        }
    }
    assert!(written.len() >= 40, "only {} forged files were accepted (seed {seed})", written.len());
    for packets in written {
        write(&packets);
        assert!(listed(folder).await.is_subset(&pinned), "seed {seed}");
        assert_eq!(accepting(folder, BY_OTHER).await, [""; 0], "seed {seed}");
    }
}
