//! Trusted keys: signed files are used, all others are refused. Each row of the table of attacks names the check that
//! detects it. Attacks on a signature are in `src/trust/trusted/tests.rs`, attacks on an archive in
//! `src/fs/unpack/tests.rs`.

mod kinds;
mod locks;

use std::{fs, os::unix::fs::symlink};

use nodeagent::{
    digest::Digest,
    trust::{Prehash, SecretKey, beside, trusted_comment},
};

use crate::support::{CommandOutput, NodeTest, put};

const FAMILY: &str = "Family/init_scripts/family.toml";
const PARENT: &str = "Family/init_scripts/parent.toml";
const OTHER: &str = "Family/init_scripts/nightly.toml";
const PROMPT: &str = "Family/init_scripts/prompt.sh";
const DEB: &str = "Family/lib/driver_1.0_amd64.deb";
const ACCESS: &str = "Admin/init_scripts/access.toml";

const PROFILE: &str = "schema = 1\nname = \"family\"\nbusiness-unit = \"Family\"\nextends = [\"parent\"]\n\
    [shell]\nbashrc = { file = \"prompt.sh\" }\n[apt]\ndebs = [{ path = \"lib/driver_1.0_amd64.deb\", sha256 = \"DIGEST\" }]\n";

/// A node that trusts one key, and a file store in which every file is signed with it.
struct Case {
    node: NodeTest,
    key: SecretKey,
}

impl Case {
    fn new() -> Self {
        let profile = PROFILE.replace("DIGEST", Digest::sha256(b"a deb").hex());
        let node = NodeTest::new()
            .var("DB_CLUSTER_NAME", "Prod-Operational-Family-15.4-nightly-1")
            .store(FAMILY, &profile)
            .store(PARENT, "schema = 1\nname = \"parent\"\n[vars]\nx = \"1\"\n")
            .store(OTHER, "schema = 1\nname = \"nightly\"\n")
            .store(PROMPT, "PS1=family\n")
            .store(DEB, "a deb")
            .store(ACCESS, "schema = 1\nserial = 3\n");
        let case = Self { node, key: SecretKey::generate().expect("random numbers") };
        for file in [FAMILY, PARENT, OTHER, PROMPT, ACCESS] {
            case.sign(file);
        }
        let line = format!("trusted-keys = [\"{}\"]\n", case.key.public());
        put(&case.node.root().join("etc/nodeagent.toml"), &line);
        case
    }

    fn path(&self, file: &str) -> std::path::PathBuf {
        self.node.beside("store").join(file)
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.path(file)).expect("it is there")
    }

    fn write(&self, file: &str, text: &str) {
        put_new(&self.path(file), text);
    }

    fn change(&self, file: &str, from: &str, to: &str) {
        let text = self.read(file);
        assert!(text.contains(from), "{file} has no `{from}`");
        self.write(file, &text.replace(from, to));
    }

    fn sign(&self, file: &str) {
        self.sign_as(&self.key, file, file.rsplit('/').next().expect("a name"));
    }

    fn sign_as(&self, key: &SecretKey, file: &str, name: &str) {
        let bytes = fs::read(self.path(file)).expect("it is there");
        let signature = key.sign(&Prehash::of(&bytes), &trusted_comment(1_700_000_000, name, None)).expect("it signs");
        put_new(&beside(&self.path(file)), &signature.to_file());
    }

    fn copy(&self, from: &str, to: &str) {
        self.write(to, &self.read(from));
        let (from, to) = (beside(&self.path(from)), beside(&self.path(to)));
        put_new(&to, &fs::read_to_string(from).expect("a signature"));
    }

    /// Runs plan, dry run and run. All three must print the same and change nothing.
    fn refused(&self, profile: &str) -> CommandOutput {
        let before = self.node.listing();
        let planned = self.node.agent(&["plan", "--profile", profile]).ended(2);
        self.node.agent(&["run", "--dry-run", "--profile", profile]).ended(2);
        assert_eq!(self.node.listing(), before, "planning changes nothing at all");
        self.node.agent(&["run", "--profile", profile, "--quiet"]).ended(2);
        assert_eq!(self.node.changes_since(&before), [""; 0]);
        planned
    }
}

fn put_new(path: &std::path::Path, text: &str) {
    fs::create_dir_all(path.parent().expect("a file lies in a folder")).expect("the folder can be made");
    put(path, text);
}

#[test]
fn a_certificate_of_a_folder_must_be_signed() {
    let case = Case::new();
    case.change(FAMILY, "[shell]\n", "[cert]\nfiles = [\"certs/\"]\n[shell]\n");
    case.sign(FAMILY);
    let file = "Family/init_scripts/certs/root.pem";
    case.write(file, include_str!("../fixtures/certificates/root.pem"));
    let refused = case.refused("family").all();
    assert!(refused.contains("certs/root.pem` is not trusted"), "{refused}");
    case.sign(file);
    let planned = case.node.agent(&["plan", "--profile", "family"]).ended(0).all();
    assert!(planned.contains("cert: certs/root.pem"), "{planned}");
}

#[test]
fn signed_files_and_files_with_a_signed_digest_are_used() {
    let case = Case::new();
    let output = case.node.agent(&["plan", "--profile", "family"]).ended(0);
    assert!(
        output.stdout.contains("PS1=family") && output.stdout.contains("driver_1.0_amd64.deb"),
        "{}",
        output.stdout
    );
    case.node.agent(&["check", "family", "nightly", "--assets"]).ended(0);
    let key = case.key.public().to_string();
    case.node.agent(&["check", "family", "--trusted-key", &key]).ended(0);
    // Built-in profiles are as trusted as the binary.
    case.node.agent(&["check", "starter", "--root", "/nowhere"]).ended(0);
}

type Attack = fn(&Case);

/// Attacks by a user who can write to the file store, each with the message of the check that detects it.
const ATTACKS: [(&str, Attack, &str); 27] = [
    // Signatures.
    (
        "a changed profile",
        |case| case.change(FAMILY, "\"parent\"", "\"Parent\""),
        "family.toml` is not trusted: its content does not match its signature",
    ),
    (
        "an unsigned profile",
        |case| fs::remove_file(beside(&case.path(FAMILY))).expect("gone"),
        "family.toml` is not trusted: it has no signature",
    ),
    ("an empty signature", |case| put(&beside(&case.path(FAMILY)), ""), "does not have the four lines"),
    (
        "another key",
        |case| case.sign_as(&SecretKey::generate().expect("random"), FAMILY, "family.toml"),
        "which is not trusted",
    ),
    ("two signed files exchanged", |case| case.copy(OTHER, FAMILY), "its signature is for `nightly.toml`"),
    (
        "a signature for another unit's place",
        |case| case.sign_as(&case.key, FAMILY, "Criminal/init_scripts/family.toml"),
        "its signature is for `Criminal/init_scripts/family.toml`",
    ),
    (
        "line ends",
        |case| case.write(FAMILY, &case.read(FAMILY).replace('\n', "\r\n")),
        "its line ends are not those that were signed",
    ),
    (
        "a byte order mark",
        |case| case.write(FAMILY, &format!("\u{feff}{}", case.read(FAMILY))),
        "its content does not match its signature",
    ),
    (
        "a line at the end",
        |case| case.write(FAMILY, &format!("{}\n", case.read(FAMILY))),
        "its content does not match its signature",
    ),
    // Parent profiles.
    (
        "a changed parent",
        |case| case.change(PARENT, "\"1\"", "\"2\""),
        "parent.toml` is not trusted: its content does not match its signature",
    ),
    (
        "an unsigned parent",
        |case| fs::remove_file(beside(&case.path(PARENT))).expect("gone"),
        "parent.toml` is not trusted: it has no signature",
    ),
    (
        "an unsigned file in front of the signed one",
        |case| {
            fs::rename(case.path(PARENT), case.path("Admin/init_scripts/parent.toml")).expect("moved");
            case.sign("Admin/init_scripts/parent.toml");
            case.write(PARENT, "schema = 1\nname = \"parent\"\n");
            fs::remove_file(beside(&case.path(PARENT))).expect("gone");
        },
        "Family/init_scripts/parent.toml` is not trusted: it has no signature",
    ),
    // Files that are too large, or links to other files.
    ("a huge signature", |case| put(&beside(&case.path(FAMILY)), &"x".repeat(1 << 20)), "it has more than 16384 bytes"),
    (
        "an endless signature",
        |case| link(case, "/dev/zero", "Family/init_scripts/family.toml.minisig"),
        "it is not a regular file",
    ),
    (
        "a signature that keeps its reader waiting",
        |case| pipe(case, "Family/init_scripts/family.toml.minisig"),
        "it is not a regular file",
    ),
    ("an endless profile", |case| link(case, "/dev/zero", FAMILY), "it is not a regular file"),
    ("a profile that keeps its reader waiting", |case| pipe(case, FAMILY), "it is not a regular file"),
    ("a huge profile", |case| case.write(FAMILY, &"#".repeat((8 << 20) + 1)), "it has more than 8388608 bytes"),
    ("a link to a file outside", |case| link(case, "/etc/passwd", FAMILY), "its content does not match its signature"),
    // Assets.
    (
        "a changed asset",
        |case| case.write(PROMPT, "PS1=evil\n"),
        "prompt.sh` is not trusted: its content does not match its signature",
    ),
    (
        "an asset without signature or digest",
        |case| fs::remove_file(beside(&case.path(PROMPT))).expect("gone"),
        "prompt.sh` is not trusted: it has no signature, and no signed file contains its digest",
    ),
    (
        "a link to an asset outside",
        |case| link(case, "/etc/hostname", PROMPT),
        "prompt.sh` is not trusted: its content does not match its signature",
    ),
    (
        "a way up in an asset's name",
        |case| {
            case.change(FAMILY, "prompt.sh", "../../Criminal/init_scripts/prompt.sh");
            case.sign(FAMILY);
        },
        "is not a path in the file store",
    ),
    // The access file.
    (
        "a changed access file",
        |case| case.change(ACCESS, "3", "4"),
        "access.toml` is not trusted: its content does not match its signature",
    ),
    (
        "an unsigned access file",
        |case| fs::remove_file(beside(&case.path(ACCESS))).expect("gone"),
        "access.toml` is not trusted: it has no signature",
    ),
    ("an access file from elsewhere", |case| case.copy(FAMILY, ACCESS), "its signature is for `family.toml`"),
    // Names with another case.
    (
        "a signature of a name in another case",
        |case| case.sign_as(&case.key, FAMILY, "Family.toml"),
        "its signature is for `Family.toml`",
    ),
];

#[test]
fn each_attack_on_the_file_store_is_refused_by_its_check() {
    for (attack, commit, check) in ATTACKS {
        let case = Case::new();
        commit(&case);
        let output = case.refused("family");
        assert!(output.stderr.contains(check), "{attack}: {}", output.stderr);
        assert!(output.stderr.contains("hint: "), "{attack} leaves people alone: {}", output.stderr);
    }
}

fn link(case: &Case, to: &str, from: &str) {
    fs::remove_file(case.path(from)).expect("gone");
    symlink(to, case.path(from)).expect("linked");
}

fn pipe(case: &Case, path: &str) {
    fs::remove_file(case.path(path)).expect("gone");
    nix::unistd::mkfifo(&case.path(path), nix::sys::stat::Mode::S_IRUSR).expect("a pipe");
}

#[test]
fn every_changed_byte_of_a_profile_is_refused_by_the_whole_program() {
    let case = Case::new();
    let text = case.read(OTHER);
    for at in 0..text.len() {
        let mut bytes = text.clone().into_bytes();
        bytes[at] ^= 1;
        put(&case.path(OTHER), &String::from_utf8(bytes).expect("ASCII stays ASCII"));
        let output = case.node.agent(&["check", "nightly"]).ended(2);
        assert!(output.stderr.contains("does not match its signature"), "byte {at}: {}", output.stderr);
    }
}

#[test]
fn an_asset_changed_after_the_plan_is_refused() {
    let case = Case::new();
    case.write(DEB, "another");
    // The plan has the digest of the asset, and the copy that is used is compared with it.
    let output = case.node.agent(&["check", "family", "--assets"]).ended(2);
    assert!(output.stderr.contains("the profile has sha256:"), "{}", output.stderr);
}

#[test]
fn packages_without_a_digest_are_refused_except_apt() {
    let case = Case::new();
    let body = "schema = 1\nname = \"nightly\"\n[apt]\npackages = [\"jq\"]\n[pip]\npackages = [\"nltk\", \"spacy\"]\n\
                requirements = [{ path = \"more.txt\", optional = true }]\n[r]\npackages = [\"plumber\"]\n";
    case.write(OTHER, body);
    case.sign(OTHER);
    let output = case.refused("nightly");
    case.node.frozen(|| insta::assert_snapshot!("by_name", output.stderr));
    case.write(OTHER, "schema = 1\nname = \"nightly\"\n[apt]\npackages = [\"jq\"]\n");
    case.sign(OTHER);
    case.node.agent(&["plan", "--profile", "nightly"]).ended(0);
}

#[test]
fn an_untrusted_optional_file_refuses_the_run() {
    let case = Case::new();
    let body = "schema = 1\nname = \"nightly\"\nbusiness-unit = \"Family\"\n[apt]\ndebs = [{ path = \"lib/driver_1.0_amd64.deb\", optional = true }]\n";
    case.write(OTHER, body);
    case.sign(OTHER);
    let output = case.refused("nightly");
    assert!(output.stderr.contains("no signed file contains its digest"), "{}", output.stderr);
    case.sign(DEB);
    case.node.agent(&["plan", "--profile", "nightly"]).ended(0);
}

#[test]
fn an_unsigned_template_is_refused() {
    let case = Case::new();
    let body = "schema = 1\nname = \"nightly\"\n[secrets]\nsource = \"env\"\nscope = \"family\"\n\
                [[secrets.templates]]\ntemplate = \"t.txt\"\nfile = \"/run/t\"\n";
    case.write(OTHER, body);
    case.sign(OTHER);
    case.write("Family/init_scripts/t.txt", "x ${secret.token}\n");
    let output = case.node.agent(&["check", "nightly"]).ended(2);
    assert!(output.stderr.contains("t.txt` is not trusted"), "{}", output.stderr);
    case.sign("Family/init_scripts/t.txt");
    case.node.agent(&["check", "nightly"]).ended(0);
}

#[test]
fn a_run_writes_the_signed_content() {
    let case = Case::new();
    let body = "schema = 1\nname = \"nightly\"\n[shell]\nbashrc = { file = \"prompt.sh\" }\n";
    case.write(OTHER, body);
    case.sign(OTHER);
    case.node.agent(&["run", "--profile", "nightly", "--quiet"]).ended(0);
    assert!(case.node.read("root/.bashrc").contains("PS1=family"));
}

#[test]
fn an_unsigned_ca_file_of_a_database_is_refused() {
    let case = Case::new();
    let body = "schema = 1\nserial = 4\n[[databases]]\nname = \"analytics\"\nhost = \"db.example\"\nca = \"ca.pem\"\n\
                [[databases.users]]\nname = \"reader\"\n\
                secret = { source = \"env\", scope = \"family\", key = \"nowhere\" }\n\
                [[grants]]\nwho = [\"local:root\"]\nconnect = [\"analytics:reader\"]\n";
    case.write(ACCESS, body);
    case.sign(ACCESS);
    case.write("Admin/init_scripts/ca.pem", "authorities\n");
    let query = || case.node.agent(&["db", "query", "analytics", "--as", "reader", "-c", "select 1"]).ended(2);
    let output = query();
    assert!(output.stderr.contains("ca.pem` is not trusted"), "{}", output.stderr);
    case.sign("Admin/init_scripts/ca.pem");
    // The next missing file.
    let output = query();
    assert!(
        output.stderr.contains("the password of `reader` for `analytics` could not be fetched"),
        "{}",
        output.stderr
    );
}

#[test]
fn an_older_access_file_is_refused() {
    let case = Case::new();
    case.write(OTHER, "schema = 1\nname = \"nightly\"\n");
    case.sign(OTHER);
    let run = || case.node.agent(&["run", "--profile", "nightly", "--quiet"]);
    run().ended(0);
    assert!(case.node.read("var/lib/nodeagent/serials.json").contains("\"access\": 3"));
    let before = case.node.listing();
    run().ended(0);
    let changed = case.node.changes_since(&before);
    assert!(changed.iter().all(|line| !line.contains("serials")), "a second run remembers nothing new: {changed:?}");
    for (older, check) in [
        ("schema = 1\nserial = 2\n", "its serial is 2; at least 3 is required"),
        ("schema = 1\n", "it has no `serial`; at least 3 is required"),
    ] {
        case.write(ACCESS, older);
        case.sign(ACCESS);
        let output = case.refused("nightly");
        assert!(
            output.stderr.contains(check) && output.stderr.contains("this node has seen a later one"),
            "{}",
            output.stderr
        );
    }
    fs::remove_file(case.path(ACCESS)).expect("gone");
    let output = case.refused("nightly");
    assert!(output.stderr.contains("it is missing, but this node has seen serial 3 of it"), "{}", output.stderr);
    case.write(ACCESS, "schema = 1\nserial = 4\n");
    case.sign(ACCESS);
    run().ended(0);
    assert!(case.node.read("var/lib/nodeagent/serials.json").contains("\"access\": 4"));
}

#[test]
fn minimum_serial_applies_on_a_new_node() {
    let case = Case::new();
    let file = case.node.root().join("etc/nodeagent.toml");
    let keys = fs::read_to_string(&file).expect("there");
    put(&file, &format!("{keys}minimum-serial = 4\n"));
    let output = case.refused("family");
    assert!(output.stderr.contains("its serial is 3; at least 4") && output.stderr.contains("minimum-serial"));
    put(&file, &format!("{keys}minimum-serial = 3\naccess = \"required\"\n"));
    case.node.agent(&["plan", "--profile", "family"]).ended(0);
    fs::remove_file(case.path(ACCESS)).expect("gone");
    let output = case.refused("family");
    assert!(output.stderr.contains("this node requires one"), "{}", output.stderr);
}

#[test]
fn trusted_key_cannot_add_keys_to_the_nodes_file() {
    let case = Case::new();
    let unknown_key = SecretKey::generate().expect("random").public().to_string();
    let output = case.node.agent(&["plan", "--profile", "family", "--trusted-key", &unknown_key]).ended(2);
    assert!(output.stderr.contains("of `--trusted-key` is not in /etc/nodeagent.toml"), "{}", output.stderr);
    // Without the node's file, the option alone sets the trusted keys.
    fs::remove_file(case.node.root().join("etc/nodeagent.toml")).expect("gone");
    let output = case.node.agent(&["plan", "--profile", "family", "--trusted-key", &unknown_key]).ended(2);
    assert!(output.stderr.contains("which is not trusted"), "{}", output.stderr);
    let file = case.node.beside("k.pub");
    put(&file, &case.key.public().to_file());
    case.node.agent(&["plan", "--profile", "family", "--trusted-key", &file.display().to_string()]).ended(0);
    let output = case.node.agent(&["plan", "--profile", "family", "--trusted-key", "RWQbroken"]).ended(2);
    assert!(output.stderr.contains("neither a key"), "{}", output.stderr);
}

#[test]
fn mistakes_in_the_nodes_file_are_reported_with_their_location() {
    let case = Case::new();
    let key = case.key.public().to_string();
    for (name, text) in [
        ("a_slip_in_a_key", "trusted-keys = [\"RWQf6LRCGA9i5\"]\n".to_owned()),
        ("no_key", "trusted-keys = []\n".to_owned()),
        ("a_negative_serial", format!("trusted-keys = [\"{key}\"]\nminimum-serial = -1\n")),
        ("a_serial_without_keys", "minimum-serial = 1\n".to_owned()),
    ] {
        put(&case.node.root().join("etc/nodeagent.toml"), &text);
        let output = case.node.agent(&["plan", "--profile", "family"]).ended(2);
        case.node.frozen(|| insta::assert_snapshot!(name, output.stderr.replace(&key, "[KEY]")));
    }
    fs::remove_file(case.node.root().join("etc/nodeagent.toml")).expect("gone");
    fs::create_dir(case.node.root().join("etc/nodeagent.toml")).expect("made");
    let output = case.node.agent(&["plan", "--profile", "family"]).ended(2);
    assert!(output.stderr.contains("could not be read"), "an unreadable file may contain keys: {}", output.stderr);
}

#[test]
fn without_trusted_keys_no_signature_is_required() {
    let case = Case::new();
    fs::remove_file(case.node.root().join("etc/nodeagent.toml")).expect("gone");
    for file in [FAMILY, PARENT, PROMPT, ACCESS] {
        put(&beside(&case.path(file)), "no signature");
    }
    case.node.agent(&["plan", "--profile", "family"]).ended(0);
}
