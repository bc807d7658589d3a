//! Tests the whole step against a fake root file system and a scripted apt.

use std::{
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::{
    action::AptInstall,
    checked::DebconfAnswer,
    source_keys, sources,
    transaction::{act, prepare},
};
use crate::{
    diagnostic::Origin,
    exec::{Cmd, Finished, fake::FakeRunner},
    fs::{self, Attributes},
    kinds::apt::{AptKey, AptPackage, AptSource, AptSources, KeyContent},
    openpgp,
    problem::Problem,
    report::event::{Event, EventKind, Events, Observer},
    steps::Context,
};

const STATUS: &str = "var/lib/dpkg/status";
const EMPTY: &str = "Package: dpkg\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.21\n\n";
const WITH_JQ: &str = "Package: jq\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.6\n\n";
const UNKNOWN: &str = "E: Unable to locate package jq\n";

/// Records the warnings.
struct Warnings(Arc<Mutex<Vec<String>>>);

impl Observer for Warnings {
    fn observe(&mut self, event: &Event) {
        if let EventKind::Warning { text } = &event.kind {
            self.0.lock().expect("no panic while held").push(text.clone());
        }
    }
}

struct Node {
    folder: tempfile::TempDir,
    runner: Arc<FakeRunner>,
    warnings: Arc<Mutex<Vec<String>>>,
    ctx: Context,
}

impl Node {
    /// A node whose programs answer from a function of the command's verb and the number of earlier calls.
    fn new(status: &str, answer: impl Fn(&Path, &str, usize) -> Finished + Send + Sync + 'static) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = folder.path().to_owned();
        write(&root.join(STATUS), status);
        let counts: [AtomicUsize; VERBS.len()] = Default::default();
        let inner = root.clone();
        let runner = Arc::new(FakeRunner::new().answer(move |cmd| {
            let verb = verb(cmd);
            let place = VERBS.iter().position(|known| *known == verb).expect("every verb is listed");
            Some(answer(&inner, verb, counts[place].fetch_add(1, Ordering::Relaxed)))
        }));
        let warnings = Arc::default();
        let progress = Events::new(vec![Box::new(Warnings(Arc::clone(&warnings)))]).of_step("apt");
        let ctx = Context {
            cache: root.join("cache"),
            logs: root.join("logs"),
            root,
            ..Context::for_tests(Arc::<FakeRunner>::clone(&runner), progress)
        };
        Self { folder, runner, warnings, ctx }
    }

    async fn run(&self, wanted: &AptInstall) -> Result<(), Problem> {
        act(&self.ctx, wanted, prepare(&self.ctx, wanted).await?).await
    }

    fn verbs(&self) -> Vec<&'static str> {
        self.runner.seen().iter().map(verb).filter(|verb| *verb != "settings").collect()
    }
}

const VERBS: [&str; 8] = ["settings", "print", "update", "install", "fix", "configure", "answers", "look up"];

fn verb(cmd: &Cmd) -> &'static str {
    let has = |word: &str| cmd.args.iter().any(|arg| arg == word);
    match cmd.program.as_str() {
        "apt-config" => "settings",
        "apt-get" if has("--print-uris") => "print",
        "apt-get" if has("update") => "update",
        "apt-get" if has("--fix-broken") => "fix",
        "apt-get" => "install",
        "dpkg" => "configure",
        "debconf-set-selections" => "answers",
        _ => "look up",
    }
}

fn write(path: &Path, text: &str) {
    fs::replace(path, text.as_bytes(), Attributes::default()).expect("it can be written");
}

fn jq() -> AptInstall {
    let packages = vec![AptPackage { name: "jq".into(), version: None }];
    AptInstall { packages, ..AptInstall::default() }
}

fn exits(code: i32, stderr: &str) -> Finished {
    Finished { code, stdout: String::new(), stderr: stderr.into() }
}

fn installs(root: &Path) -> Finished {
    write(&root.join(STATUS), &format!("{EMPTY}{WITH_JQ}"));
    exits(0, "")
}

#[tokio::test]
async fn lists_that_have_the_package_are_not_updated() {
    let node = Node::new(EMPTY, |root, verb, _| if verb == "install" { installs(root) } else { exits(0, "") });
    node.run(&jq()).await.expect("jq comes");
    assert_eq!(node.verbs(), ["print", "install"]);
}

#[tokio::test]
async fn lists_without_the_package_are_updated_once_and_given_to_the_node() {
    let node = Node::new(EMPTY, |root, verb, before| match (verb, before) {
        ("print", 0) => exits(100, UNKNOWN),
        ("update", _) => {
            write(&root.join("cache/apt-lists/lists/example_Packages"), "Package: jq\n");
            exits(0, "")
        }
        ("install", _) => installs(root),
        _ => exits(0, ""),
    });
    let on_node = node.ctx.on_node("/var/lib/apt/lists/example_Packages");
    let prepared = prepare(&node.ctx, &jq()).await.expect("apt answers");
    assert!(!on_node.exists(), "preparing changes nothing on the node");
    act(&node.ctx, &jq(), prepared).await.expect("jq comes");
    assert_eq!(node.verbs(), ["print", "update", "print", "install"]);
    assert!(on_node.is_file());
}

#[tokio::test]
async fn steps_of_a_run_share_one_update() {
    let node = Node::new(EMPTY, |_, verb, before| match (verb, before) {
        ("print", 0 | 2) => exits(100, UNKNOWN),
        _ => exits(0, ""),
    });
    let wanted = jq();
    let (one, other) = tokio::join!(prepare(&node.ctx, &wanted), prepare(&node.ctx, &wanted));
    one.and(other).expect("both are prepared");
    assert_eq!(node.verbs().iter().filter(|verb| **verb == "update").count(), 1);
}

#[tokio::test]
async fn an_unknown_package_refuses_the_run_before_anything_is_changed() {
    let node = Node::new(EMPTY, |_, verb, _| if verb == "print" { exits(100, UNKNOWN) } else { exits(0, "") });
    let error = prepare(&node.ctx, &jq()).await.expect_err("unknown");
    assert!(error.refused);
    assert_eq!(error.causes, ["E: Unable to locate package jq"]);
    assert!(error.hint.expect("a hint").contains("no apt source of this node offers `jq`"));
    assert_eq!(node.verbs(), ["print", "update", "print", "look up"]);
    assert!(!node.ctx.on_node("/var/lib/apt").exists());
}

#[tokio::test]
async fn a_package_that_an_unreachable_source_may_offer_does_not_refuse_the_run() {
    let node = Node::new(EMPTY, |_, verb, _| match verb {
        "print" => exits(100, UNKNOWN),
        "update" => exits(0, "W: Failed to fetch http://dead.invalid/InRelease  404  Not Found\n"),
        _ => exits(0, ""),
    });
    let prepared = prepare(&node.ctx, &jq()).await.expect("it may be known later");
    let error = act(&node.ctx, &jq(), prepared).await.expect_err("it is not");
    assert!(error.hint.expect("a hint").starts_with("not every package source could be read"));
    assert_eq!(node.verbs(), ["print", "update", "print", "update", "print", "look up"]);
}

#[tokio::test]
async fn packages_of_an_added_source_are_resolved_before_the_source_is_written() {
    let node = Node::new(EMPTY, |root, verb, _| if verb == "install" { installs(root) } else { exits(0, "") });
    let wanted = AptInstall { added: Some(source(openpgp::tests::FINGERPRINT)), ..jq() };
    prepare(&node.ctx, &wanted).await.expect("apt answers");
    assert_eq!(node.verbs(), ["update", "print"]);
    let stanza = std::fs::read_to_string(node.ctx.cache.join("apt-lists/sources/example.sources")).expect("written");
    assert!(stanza.starts_with("Types: deb\n"), "{stanza}");
    assert!(!node.ctx.on_node("/etc").exists());
}

#[tokio::test]
async fn an_unreachable_source_is_a_warning_if_others_are_sufficient() {
    let node = Node::new(EMPTY, |root, verb, before| match (verb, before) {
        ("print", 0) => exits(100, UNKNOWN),
        ("update", _) => {
            exits(0, "W: Failed to fetch http://dead.invalid/InRelease  Could not resolve 'dead.invalid'\n")
        }
        ("install", _) => installs(root),
        _ => exits(0, ""),
    });
    node.run(&jq()).await.expect("jq comes from elsewhere");
    let warnings = node.warnings.lock().expect("no panic while held");
    assert_eq!(*warnings, ["apt: Failed to fetch http://dead.invalid/InRelease  Could not resolve 'dead.invalid'"]);
}

#[tokio::test]
async fn exit_0_without_the_package_is_a_failure() {
    let node = Node::new(EMPTY, |_, _, _| exits(0, ""));
    let error = node.run(&jq()).await.expect_err("nothing came");
    assert_eq!(error.causes, ["`jq` is not installed"]);
}

#[tokio::test]
async fn a_failed_command_with_the_package_installed_is_only_a_warning() {
    let node = Node::new(EMPTY, |root, verb, _| match verb {
        "install" => Finished { code: 100, ..installs(root) },
        _ => exits(0, ""),
    });
    node.run(&jq()).await.expect("jq is there");
    assert_eq!(node.warnings.lock().expect("no panic while held").len(), 1);
}

#[tokio::test]
async fn after_a_killed_dpkg_the_node_is_repaired_and_the_transaction_recomputed() {
    let unpacked = format!("{EMPTY}Package: less\nStatus: install ok unpacked\nVersion: 1\nArchitecture: amd64\n\n");
    let node = Node::new(&unpacked, |root, verb, _| match verb {
        // A different length changes the file, whatever the resolution of its time.
        "configure" => {
            write(&root.join(STATUS), &format!("{EMPTY}\n"));
            exits(0, "")
        }
        "install" => installs(root),
        _ => exits(0, ""),
    });
    node.run(&jq()).await.expect("jq comes");
    assert_eq!(node.verbs(), ["print", "configure", "print", "install"]);
}

#[tokio::test]
async fn a_lock_taken_by_another_process_is_waited_for() {
    let node = Node::new(EMPTY, |root, verb, before| match (verb, before) {
        ("install", 0) => {
            exits(100, "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 403 (apt-get)\n")
        }
        ("install", _) => installs(root),
        _ => exits(0, ""),
    });
    node.run(&jq()).await.expect("jq comes at last");
    assert_eq!(node.verbs(), ["print", "install", "install"]);
}

#[tokio::test]
async fn packages_installed_by_another_process_are_not_installed_again() {
    let node = Node::new(EMPTY, |_, _, _| exits(0, ""));
    let prepared = prepare(&node.ctx, &jq()).await.expect("apt answers");
    installs(&node.ctx.root);
    act(&node.ctx, &jq(), prepared).await.expect("jq is there");
    assert_eq!(node.verbs(), ["print"]);
}

#[tokio::test]
async fn debconf_answers_are_set_before_the_installation() {
    let mut wanted = jq();
    let (package, question) = ("jq".into(), "jq/licence".into());
    wanted.debconf.push(DebconfAnswer { package, question, kind: "boolean".into(), value: "true".into() });
    let node = Node::new(EMPTY, |root, verb, _| if verb == "install" { installs(root) } else { exits(0, "") });
    node.run(&wanted).await.expect("jq comes");
    assert_eq!(node.verbs(), ["print", "answers", "install"]);
}

#[tokio::test]
async fn an_archive_not_checked_in_this_run_is_never_given_to_apt() {
    let node = Node::new(EMPTY, |root, verb, _| match verb {
        "install" => {
            assert!(!root.join("cache/apt/archives/planted_1_all.deb").exists());
            installs(root)
        }
        _ => exits(0, ""),
    });
    write(&node.ctx.cache.join("apt/archives/planted_1_all.deb"), "planted");
    node.run(&jq()).await.expect("jq comes");
}

#[tokio::test]
async fn a_file_that_is_not_a_package_is_refused() {
    let node = Node::new(EMPTY, |_, _, _| exits(0, ""));
    let file = node.ctx.cache.join("x.deb");
    write(&file, "not an archive");
    let wanted = AptInstall { debs: vec![file], ..jq() };
    assert!(prepare(&node.ctx, &wanted).await.expect_err("no package").refused);
}

/// A source whose key file must have keys with these fingerprints.
fn source_with(content: KeyContent, fingerprints: &[&str]) -> AptSources {
    let key = AptKey {
        content,
        fingerprints: fingerprints.iter().map(|&fingerprint| fingerprint.to_owned()).collect(),
        origin: Origin { file: "x.toml".into(), line: 3, column: 1 },
    };
    let stanza = "Types: deb\nURIs: https://example.org\nSuites: ./\n".into();
    AptSources { sources: vec![AptSource { name: "example".into(), stanza, key }], fetch_lists: true }
}

fn source(fingerprint: &str) -> AptSources {
    source_with(KeyContent::Known(openpgp::tests::KEY.into()), &[fingerprint])
}

#[tokio::test]
async fn a_source_is_written_once_and_only_its_lists_are_updated() {
    let node = Node::new(EMPTY, |_, _, _| exits(0, ""));
    let wanted = source(openpgp::tests::FINGERPRINT);
    sources::act(&node.ctx, &wanted).await.expect("it is written");
    let file = node.folder.path().join("etc/apt/sources.list.d/example.sources");
    let written = || std::fs::metadata(&file).and_then(|found| found.modified()).expect("it is there");
    let first = written();
    assert!(node.folder.path().join("etc/apt/keyrings/example.gpg").is_file());
    let update = node.runner.seen().remove(0);
    assert!(update.args.contains(&"Dir::Etc::sourcelist=/dev/null".to_owned()), "{update}");
    sources::act(&node.ctx, &wanted).await.expect("nothing to write");
    assert_eq!(written(), first);
}

#[tokio::test]
async fn a_wrong_fingerprint_is_refused_and_nothing_is_written() {
    let node = Node::new(EMPTY, |_, _, _| exits(0, ""));
    let wanted = source("0123456789ABCDEF0123456789ABCDEF01234567");
    for error in [
        source_keys::read(&wanted).expect_err("another key"),
        sources::act(&node.ctx, &wanted).await.expect_err("another key"),
    ] {
        assert!(error.refused);
        assert_eq!(error.message, "the key of apt source `example` does not have the fingerprint in the profile");
        assert_eq!(error.causes[1], format!("found {}", openpgp::tests::FINGERPRINT));
    }
    assert!(!node.folder.path().join("etc").exists());
    assert_eq!(node.verbs(), Vec::<&str>::new());
}

#[test]
fn the_keys_of_a_file_and_the_fingerprints_must_be_the_same() {
    let both = [openpgp::tests::FINGERPRINT, openpgp::tests::OTHER_FINGERPRINT];
    let files = [openpgp::tests::KEY.to_owned(), [openpgp::tests::KEY, openpgp::tests::OTHER].concat()];
    for (file, fingerprints, expected) in [
        (&files[1], &both[..1], Some("is in a file with other keys, which apt would trust, too")),
        (&files[0], &both[..], Some("is in a file that does not contain all keys of `fingerprint`")),
        (&files[0], &both[1..], Some("does not have the fingerprint in the profile")),
        (&files[0], &both[..1], None),
        (&files[1], &both[..], None),
    ] {
        let wanted = source_with(KeyContent::Known(file.clone().into_bytes()), fingerprints);
        let expected = expected.map(|why| format!("the key of apt source `example` {why}"));
        assert_eq!(source_keys::read(&wanted).err().map(|error| error.message), expected);
    }
}

#[tokio::test]
async fn a_staged_key_is_checked_again() {
    let node = Node::new(EMPTY, |_, _, _| exits(0, ""));
    let staged = node.ctx.cache.join("key");
    let wanted = source_with(KeyContent::Staged(staged.clone()), &[openpgp::tests::FINGERPRINT]);
    write(&staged, openpgp::tests::KEY);
    sources::act(&node.ctx, &wanted).await.expect("it is written");
    let stanza = std::fs::read_to_string(node.ctx.on_node("/etc/apt/sources.list.d/example.sources")).expect("written");
    assert!(stanza.ends_with("\nSigned-By: /etc/apt/keyrings/example.gpg\n"), "{stanza}");
    write(&staged, openpgp::tests::OTHER);
    assert!(sources::act(&node.ctx, &wanted).await.expect_err("it was exchanged").refused);
}
