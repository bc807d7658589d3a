//! Tests the whole step with a fake runner and repositories that are folders.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::future::BoxFuture;
use url::Url;

use super::{
    action::{RInstall, RInstalled},
    archive::tests::packed,
    library_install::{Prepared, act, prepare},
};
use crate::{
    exec::{Cmd, ExecError, Finished, LineWatcher, Runner, fake::FakeRunner},
    fs::{self, Attributes, replace},
    kinds::r::RPackage,
    problem::Problem,
    report::event::Events,
    steps::Context,
};

/// A node with an empty library, a repository in a folder, and a fake R.
pub(super) struct Node {
    temp: tempfile::TempDir,
    index: String,
}

const BUILT: &str = "Built: R 4.2.2; ; 2023-01-21 11:51:38 UTC; unix\n";

impl Node {
    pub(super) fn new() -> Self {
        let node = Self { temp: tempfile::tempdir().expect("a temporary folder"), index: String::new() };
        fs::create_dirs(&node.path("logs"), 0o755).expect("created");
        node
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.temp.path().join(name)
    }

    pub(super) fn write(&self, path: &str, bytes: &[u8]) {
        replace(&self.path(path), bytes, Attributes::default()).expect("written");
    }

    pub(super) fn serves(self, name: &str, needs: &str) -> Self {
        self.serves_stanza(&format!("Package: {name}\nVersion: 1.0\nImports: {needs}\nNeedsCompilation: no\n"))
    }

    fn serves_stanza(mut self, stanza: &str) -> Self {
        let name = stanza.lines().next().and_then(|line| line.strip_prefix("Package: ")).expect("a name");
        let archive = packed(&[(&format!("{name}/DESCRIPTION"), stanza), (&format!("{name}/INDEX"), "")]);
        self.write(&format!("repo/src/contrib/{name}_1.0.tar.gz"), &archive);
        self.index.push_str(stanza);
        self.index.push('\n');
        self.write("repo/src/contrib/PACKAGES", self.index.as_bytes());
        self
    }

    pub(super) fn wants(&self, names: &[&str]) -> RInstall {
        RInstall {
            program: "R".into(),
            r_version: "4.2.2".into(),
            library: self.path("lib"),
            installed: BTreeMap::new(),
            repos: vec![Url::from_directory_path(self.path("repo")).expect("absolute")],
            packages: names.iter().map(|name| RPackage::named(name, None)).collect(),
            git: Vec::new(),
            archives: Vec::new(),
            locked: None,
            layer: None,
        }
    }

    pub(super) fn context(&self, runner: Arc<dyn Runner>) -> Context {
        Context {
            root: self.path("root"),
            cache: self.path("cache"),
            logs: self.path("logs"),
            cores: 1,
            ..Context::for_tests(runner, Events::default().of_step("r"))
        }
    }

    /// Prepares and acts. Returns the packages that R was asked to build, in order.
    async fn run(&self, wanted: &RInstall, runner: FakeRunner) -> (Result<(), Problem>, Vec<String>) {
        let runner = Arc::new(runner);
        let ctx = self.context(runner.clone());
        let result = match prepare(&ctx, wanted).await {
            Ok(prepared) => act(&ctx, wanted, prepared).await,
            Err(error) => Err(error),
        };
        (result, runner.seen().iter().map(package).collect())
    }

    pub(super) fn in_library(&self) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(self.path("lib"))
            .expect("the library is there")
            .map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

/// The package that a command builds.
pub(super) fn package(cmd: &Cmd) -> String {
    let archive = Path::new(cmd.args.last().expect("an archive")).file_name().expect("a file").to_string_lossy();
    archive.split('_').next().expect("a name").to_owned()
}

/// An R that installs all packages except the named ones and reports their failure.
pub(super) fn r_that_fails(failing: &'static [&'static str], said: &'static str) -> FakeRunner {
    FakeRunner::new().answer(move |cmd| {
        let (name, library) = (package(cmd), Path::new(&cmd.args[4]));
        if failing.contains(&name.as_str()) {
            return Some(Finished { code: 1, stdout: String::new(), stderr: said.into() });
        }
        let text = format!("Package: {name}\nVersion: 1.0\n{BUILT}");
        replace(&library.join(&name).join("DESCRIPTION"), text.as_bytes(), Attributes::default()).expect("written");
        Some(Finished::default())
    })
}

#[tokio::test]
async fn packages_are_built_in_dependency_order() {
    let node = Node::new().serves("a", "b, c").serves("b", "c").serves("c", "");
    let (result, built) = node.run(&node.wants(&["a"]), r_that_fails(&[], "")).await;
    assert_eq!(result, Ok(()));
    assert_eq!(built, ["c", "b", "a"]);
    assert_eq!(node.in_library(), ["a", "b", "c"]);
}

#[tokio::test]
async fn a_failed_package_blocks_only_its_dependents() {
    let node = Node::new().serves("a", "b").serves("b", "").serves("c", "");
    let said = "b.c:1:10: fatal error: sodium.h: No such file or directory\nERROR: compilation failed for package 'b'";
    let (result, built) = node.run(&node.wants(&["a", "c"]), r_that_fails(&["b"], said)).await;
    let error = result.expect_err("b fails");
    assert_eq!(error.message, "R package `b` could not be built");
    assert_eq!(
        error.causes,
        [
            "b.c:1:10: fatal error: sodium.h: No such file or directory",
            "ERROR: compilation failed for package 'b'",
            "not installed because of it: a"
        ]
    );
    assert_eq!(error.hint.as_deref(), Some("add \"libsodium-dev\" to `packages` under `[apt]`"));
    assert_eq!(built, ["b", "c"]);
    assert_eq!(node.in_library(), ["c"]);
}

#[tokio::test]
async fn exit_0_without_the_package_is_a_failure() {
    let node = Node::new().serves("a", "");
    let liar = FakeRunner::new().answer(|_| Some(Finished::default()));
    let (result, _) = node.run(&node.wants(&["a"]), liar).await;
    assert!(result.is_err_and(|error| error.causes[0].contains("is missing")));
}

#[tokio::test]
async fn leftovers_of_a_failed_build_are_removed() {
    let node = Node::new().serves("a", "");
    let litter = FakeRunner::new().answer(|cmd| {
        let library = Path::new(&cmd.args[4]);
        for left in ["00LOCK-a/00new/a/DESCRIPTION", "a/R/a"] {
            replace(&library.join(left), b"Package: a\nVersion: 1.0\n", Attributes::default()).expect("written");
        }
        Some(Finished { code: 1, ..Finished::default() })
    });
    let (result, _) = node.run(&node.wants(&["a"]), litter).await;
    assert!(result.is_err());
    assert_eq!(node.in_library(), Vec::<String>::new());
}

#[tokio::test]
async fn a_lock_of_another_process_is_reported_and_kept() {
    let node = Node::new().serves("a", "");
    node.write("lib/00LOCK-a/x", b"");
    let (result, built) = node.run(&node.wants(&["a"]), r_that_fails(&[], "")).await;
    let hint = result.expect_err("locked").hint.expect("a hint");
    assert!(hint.contains("lib/00LOCK-a"), "{hint}");
    assert_eq!((built.len(), node.in_library()), (0, vec!["00LOCK-a".to_owned()]));
}

#[tokio::test]
async fn binaries_are_unpacked_without_r_and_replace_older_ones() {
    let node = Node::new().serves_stanza(&format!("Package: a\nVersion: 1.0\n{BUILT}"));
    node.write("lib/a/DESCRIPTION", format!("Package: a\nVersion: 0.9\n{BUILT}").as_bytes());
    node.write("lib/a/old", b"");
    let (result, built) = node.run(&node.wants(&["a"]), FakeRunner::new()).await;
    assert_eq!((result, built.len()), (Ok(()), 0));
    assert_eq!(node.in_library(), ["a"]);
    assert!(!node.path("lib/a/old").exists());
}

#[tokio::test]
async fn a_binary_that_the_index_lists_as_source_is_unpacked() {
    let node = Node::new().serves_stanza(&format!("Package: a\nVersion: 1.0\n{BUILT}"));
    node.write("repo/src/contrib/PACKAGES", b"Package: a\nVersion: 1.0\n");
    let (result, built) = node.run(&node.wants(&["a"]), FakeRunner::new()).await;
    assert_eq!((result, built.len()), (Ok(()), 0));
}

#[tokio::test]
async fn a_binary_for_another_r_is_refused() {
    let node = Node::new().serves_stanza("Package: a\nVersion: 1.0\nBuilt: R 4.3.1; ; 2024-01-01 00:00:00 UTC; unix\n");
    node.write("repo/src/contrib/PACKAGES", b"Package: a\nVersion: 1.0\n");
    let error = node.run(&node.wants(&["a"]), FakeRunner::new()).await.0.expect_err("another R");
    assert!(error.causes[0].ends_with("it is a binary for R 4.3.1, this is R 4.2.2"), "{error:?}");
    assert!(!node.path("lib").exists(), "nothing was changed");
}

#[tokio::test]
async fn an_archive_with_a_wrong_digest_is_an_error_and_nothing_is_installed() {
    let node = Node::new().serves("a", "");
    let wrong = format!("Package: a\nVersion: 1.0\nMD5sum: {}\n", "0".repeat(32));
    node.write("repo/src/contrib/PACKAGES", wrong.as_bytes());
    let error = node.run(&node.wants(&["a"]), FakeRunner::new()).await.0.expect_err("another digest");
    assert!(error.causes.iter().any(|cause| cause.contains("md5:0000")), "{error:?}");
    assert!(!node.path("lib").exists());
}

#[tokio::test]
async fn an_unreachable_repository_is_a_warning_if_others_have_the_packages() {
    let node = Node::new().serves("a", "");
    let mut wanted = node.wants(&["a"]);
    wanted.repos.insert(0, Url::from_directory_path(node.path("dead")).expect("absolute"));
    assert_eq!(node.run(&wanted, r_that_fails(&[], "")).await.0, Ok(()));
    wanted.packages[0].name = "aa".into();
    let error = node.run(&wanted, r_that_fails(&[], "")).await.0.expect_err("no repository has it");
    assert!(error.hint.as_deref().is_some_and(|hint| hint.starts_with("did you mean `a`?; ")), "{error:?}");
    assert!(error.causes.iter().any(|cause| cause.contains("/dead/` cannot be used")), "{error:?}");
}

#[tokio::test]
async fn a_pinned_version_is_found_in_the_archive_of_a_repository() {
    let node = Node::new().serves("a", "");
    let old = packed(&[("a/DESCRIPTION", &format!("Package: a\nVersion: 0.5\n{BUILT}"))]);
    node.write("repo/src/contrib/Archive/a/a_0.5.tar.gz", &old);
    let mut wanted = node.wants(&["a"]);
    wanted.packages[0].version = Some("0.5".into());
    assert_eq!(node.run(&wanted, FakeRunner::new()).await.0, Ok(()));
    wanted.packages[0].version = Some("0.4".into());
    let error = node.run(&wanted, FakeRunner::new()).await.0.expect_err("there never was one");
    assert_eq!(error.message, "R package `a` 0.4 is in none of the repositories");
    assert_eq!(error.hint.as_deref(), Some("the repositories have a 1.0"));
}

#[tokio::test]
async fn local_archives_need_no_repository() {
    let node = Node::new();
    node.write("a.tar.gz", &packed(&[("a/DESCRIPTION", &format!("Package: a\nVersion: 1.0\n{BUILT}"))]));
    let mut wanted = node.wants(&[]);
    wanted.archives.push(node.path("a.tar.gz"));
    let ctx = node.context(Arc::new(FakeRunner::new()));
    let prepared = prepare(&ctx, &wanted).await.expect("prepared");
    assert_eq!(prepared.package_names(), ["a"]);
    assert!(matches!(&prepared, Prepared::Packages(packages) if packages.work[0].from.starts_with('/')));
    assert_eq!(act(&ctx, &wanted, prepared).await, Ok(()));
    node.write("a.tar.gz", b"<html>");
    assert!(prepare(&ctx, &wanted).await.is_err_and(|error| error.refused));
}

/// An R that takes some time and counts its simultaneous builds.
#[derive(Default)]
struct SlowR {
    now: AtomicUsize,
    most: AtomicUsize,
    never_ends: bool,
}

impl Runner for SlowR {
    fn watch<'a>(&'a self, cmd: &'a Cmd, _: Option<LineWatcher>) -> BoxFuture<'a, Result<Finished, ExecError>> {
        Box::pin(async move {
            let (name, library) = (package(cmd), Path::new(&cmd.args[4]));
            self.most.fetch_max(self.now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            let lock = library.join(format!("00LOCK-{name}"));
            replace(&lock.join("00new/x"), b"", Attributes::default()).expect("written");
            replace(&library.join(&name).join("R/half"), b"", Attributes::default()).expect("written");
            tokio::time::sleep(Duration::from_millis(if self.never_ends { 60_000 } else { 50 })).await;
            let text = format!("Package: {name}\nVersion: 1.0\n{BUILT}");
            replace(&library.join(&name).join("DESCRIPTION"), text.as_bytes(), Attributes::default()).expect("written");
            fs::remove_tree(&lock).expect("removed");
            self.now.fetch_sub(1, Ordering::SeqCst);
            Ok(Finished::default())
        })
    }
}

#[tokio::test]
async fn independent_packages_are_built_in_parallel_within_the_slots() {
    let node = Node::new().serves("a", "").serves("b", "").serves("c", "").serves("d", "");
    for shared in [false, true] {
        let r = Arc::new(SlowR::default());
        let mut ctx = node.context(r.clone());
        ctx.cores = 2;
        ctx.build_slots = shared.then(|| jobserver::Client::new(2).expect("a pool"));
        let wanted = node.wants(&["a", "b", "c", "d"]);
        let prepared = prepare(&ctx, &wanted).await.expect("prepared");
        assert_eq!(act(&ctx, &wanted, prepared).await, Ok(()));
        assert_eq!(r.most.load(Ordering::SeqCst), 2);
    }
}

#[tokio::test]
async fn a_cancelled_build_leaves_no_files() {
    let node = Node::new().serves("a", "");
    let ctx = node.context(Arc::new(SlowR { never_ends: true, ..SlowR::default() }));
    let wanted = node.wants(&["a"]);
    let prepared = prepare(&ctx, &wanted).await.expect("prepared");
    let given_up = tokio::time::timeout(Duration::from_millis(100), act(&ctx, &wanted, prepared)).await;
    assert!(given_up.is_err());
    assert_eq!(node.in_library(), Vec::<String>::new());
}

#[tokio::test]
async fn builds_run_in_a_controlled_environment() {
    let node = Node::new().serves("a", "");
    let runner = Arc::new(r_that_fails(&[], ""));
    let ctx = node.context(runner.clone());
    let mut wanted = node.wants(&["a"]);
    let site = RInstalled { version: "1.0".into(), library: "/site".into(), base: false, commit: None };
    wanted.installed.insert("other".into(), site);
    let prepared = prepare(&ctx, &wanted).await.expect("prepared");
    assert_eq!(act(&ctx, &wanted, prepared).await, Ok(()));
    let cmd = runner.seen().pop().expect("one build");
    let library = wanted.library.display().to_string();
    assert_eq!(cmd.args[..5], ["CMD", "INSTALL", "--pkglock", "-l", &library]);
    assert_eq!(cmd.env["R_LIBS"], format!("{library}:/site"));
    assert_eq!((cmd.env["R_ENVIRON_USER"].as_str(), cmd.env["R_PROFILE_USER"].as_str()), ("", ""));
    assert!(cmd.shares_build_slots && cmd.log == Some(node.path("logs/r-a.log")));
}
