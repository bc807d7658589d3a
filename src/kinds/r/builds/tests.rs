//! Tests the step with a store: the builds that it uses, those that it refuses, and waiting for other nodes.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use super::*;
use crate::{
    cloud::{ClientEnvironment, Clouds},
    exec::fake::FakeRunner,
    kinds::r::{
        library_install::{Prepared, act, prepare_packages},
        tests::{Node, package, r_that_fails},
    },
    report::event::{Event, EventKind, Events, Observer},
    store::{StoreLocations, StoreUrl},
};

/// Records finished tasks and warnings.
#[derive(Clone, Default)]
struct RecordedEvents(Arc<Mutex<Vec<String>>>);

impl Observer for RecordedEvents {
    fn observe(&mut self, event: &Event) {
        let said = match &event.kind {
            EventKind::TaskFinished { task, succeeded: true, .. } if !task.starts_with("download") => task.clone(),
            EventKind::Warning { text } => format!("warning: {text}"),
            _ => return,
        };
        self.0.lock().expect("no test panics while holding it").push(said);
    }
}

impl RecordedEvents {
    fn all(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().expect("no test panics while holding it"))
    }
}

/// A node that shares a folder with other nodes, and its library.
struct Sharing {
    node: Node,
    recorded: RecordedEvents,
}

impl Sharing {
    fn new(node: Node) -> Self {
        fs::create_dirs(&node.path("shared"), 0o755).expect("created");
        Self { node, recorded: RecordedEvents::default() }
    }

    /// A local store and the shared one. Each name stands for another node.
    fn store(&self, name: &str) -> Store {
        let clouds = Arc::new(Clouds::new(Arc::default(), ClientEnvironment::default()));
        let shared = Some(StoreUrl::Folder(self.node.path("shared")));
        let recorded = self.recorded.clone();
        let warn = move |text: String| recorded.0.lock().expect("no panic while held").push(format!("warning: {text}"));
        Store::open(&StoreLocations { shared, ..StoreLocations::below(&self.node.path(name)) }, &clouds, Arc::new(warn))
    }

    fn context(&self, name: &str, r: FakeRunner) -> (Context, Arc<FakeRunner>) {
        let runner = Arc::new(r);
        let mut ctx = self.node.context(runner.clone());
        ctx.cache = self.node.path(name);
        ctx.store = self.store(name);
        ctx.progress = Events::new(vec![Box::new(self.recorded.clone())]).of_step("r");
        (ctx, runner)
    }

    /// Installs packages on a fresh node of this name. Returns the packages that R was asked to build.
    async fn installs(&self, name: &str, packages: &[&str]) -> Vec<String> {
        fs::remove_tree(&self.node.path("lib")).expect("removed");
        self.recorded.all();
        let (ctx, runner) = self.context(name, r_that_fails(&[], ""));
        let wanted = self.node.wants(packages);
        let prepared = prepare_packages(&ctx, &wanted).await.expect("prepared");
        assert_eq!(act(&ctx, &wanted, Prepared::Packages(prepared)).await, Ok(()));
        ctx.store.settle(Duration::from_secs(20)).await;
        runner.seen().iter().map(package).collect()
    }

    /// The keys that a node computes for builds of packages.
    async fn builds(&self, name: &str, packages: &[&str]) -> Builds {
        let (ctx, _) = self.context(name, FakeRunner::new());
        let wanted = self.node.wants(packages);
        let prepared = prepare_packages(&ctx, &wanted).await.expect("prepared");
        let environment = BuildEnvironment::new(&ctx, &wanted).expect("writable");
        let r = crate::kinds::r::selection::checked_version(&wanted).expect("a version");
        Builds::new(&ctx, &wanted, &environment, &prepared.work, &r).await.expect("there is a store")
    }

    fn files(&self, folder: &str) -> Vec<PathBuf> {
        fn below(folder: &Path, found: &mut Vec<PathBuf>) {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                match entry.path() {
                    path if path.is_dir() => below(&path, found),
                    path => found.push(path),
                }
            }
        }
        let mut found = Vec::new();
        below(&self.node.path(folder), &mut found);
        found
    }

    /// Changes the only entry of the shared store.
    fn changes_entry(&self, change: impl Fn(&mut Value)) {
        let entries = self.files("shared/v1/entries/r-build");
        let [path] = &entries[..] else { panic!("one entry: {entries:?}") };
        let mut entry = serde_json::from_slice(&std::fs::read(path).expect("readable")).expect("JSON");
        change(&mut entry);
        fs::replace(path, entry.to_string().as_bytes(), Attributes::default()).expect("written");
    }
}

#[tokio::test]
async fn the_next_node_unpacks_the_build_of_the_first() {
    let cluster = Sharing::new(Node::new().serves("a", "b").serves("b", ""));
    assert_eq!(cluster.installs("one", &["a"]).await, ["b", "a"]);
    assert_eq!(cluster.recorded.all(), ["build b", "build a"]);
    assert_eq!(cluster.files("shared/v1/leases"), Vec::<PathBuf>::new(), "all leases are released");
    let built = std::fs::read(cluster.node.path("lib/a/DESCRIPTION")).expect("there");
    for again in ["two", "two", "one"] {
        assert_eq!(cluster.installs(again, &["a"]).await, Vec::<String>::new());
        assert_eq!(cluster.recorded.all(), ["unpack b from the store", "unpack a from the store"]);
        assert_eq!(std::fs::read(cluster.node.path("lib/a/DESCRIPTION")).expect("there"), built);
        assert_eq!(cluster.node.in_library(), ["a", "b"]);
        assert_eq!(cluster.files(&format!("{again}/r/built")), Vec::<PathBuf>::new(), "the store has them");
    }
}

#[tokio::test]
async fn an_unusable_build_is_replaced_by_a_usable_one() {
    let cluster = Sharing::new(Node::new().serves("a", ""));
    cluster.installs("one", &["a"]).await;
    cluster.changes_entry(|entry| entry["facts"]["links"]["packages"] = serde_json::json!({"libcurl4:amd64": "7.88"}));
    assert_eq!(cluster.installs("two", &["a"]).await, ["a"], "this node has no libcurl4");
    assert_eq!(cluster.recorded.all(), ["build a"]);
    assert_eq!(cluster.installs("three", &["a"]).await, Vec::<String>::new());
    // An entry without the fact is not usable either.
    cluster.changes_entry(|entry| entry["facts"] = serde_json::json!({}));
    assert_eq!(cluster.installs("four", &["a"]).await, ["a"]);
}

#[tokio::test]
async fn a_damaged_build_is_reported_and_the_package_built() {
    let cluster = Sharing::new(Node::new().serves("a", ""));
    cluster.installs("one", &["a"]).await;
    let objects = || cluster.files("shared/v1/objects");
    let [object] = &objects()[..] else { panic!("one object: {:?}", objects()) };
    fs::replace(object, b"broken", Attributes::default()).expect("written");
    assert_eq!(cluster.installs("two", &["a"]).await, ["a"]);
    let recorded = cluster.recorded.all();
    assert!(
        recorded[0].starts_with("warning: ") && recorded[0].contains("is not used: it has 6 bytes"),
        "{recorded:?}"
    );
    assert_eq!(cluster.installs("three", &["a"]).await, Vec::<String>::new(), "the build of node two is used");

    // An object with a correct digest but other content.
    let other = cluster.node.path("other");
    fs::replace(&other, b"no archive at all", Attributes::default()).expect("written");
    let store = cluster.store("wrong");
    let object = store.add(&other).await.expect("added");
    store.settle(Duration::from_secs(20)).await;
    cluster.changes_entry(|entry| {
        entry["objects"][0]["sha256"] = object.digest.hex().into();
        entry["objects"][0]["size"] = object.size.into();
    });
    assert_eq!(cluster.installs("four", &["a"]).await, ["a"]);
    let recorded = cluster.recorded.all();
    assert!(
        recorded[0].contains("the build of `a` in the store cannot be used: it is not a package archive"),
        "{recorded:?}"
    );
    assert_eq!(recorded.last().map(String::as_str), Some("build a"));
}

#[tokio::test]
async fn other_packages_are_built_while_another_node_builds_one() {
    let cluster = Sharing::new(Node::new().serves("a", "").serves("b", ""));
    let builds = cluster.builds("other", &["a", "b"]).await;
    let other = cluster.store("other");
    let held = other.lease(&builds.0.known["a"].key, LEASE).await;
    let started = Instant::now();
    let given_back = async {
        // Not before `b` is installed, which is the point of the test.
        while !cluster.node.path("lib/b").exists() && started.elapsed() < Duration::from_secs(20) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(!cluster.node.path("lib/a").exists(), "another node is building it");
        drop(held);
        other.settle(Duration::from_secs(20)).await;
    };
    let (built, ()) = tokio::join!(cluster.installs("one", &["a", "b"]), given_back);
    assert_eq!(built, ["b", "a"]);
    let recorded = cluster.recorded.all();
    assert_eq!(recorded, ["build b", "wait for a, which another node builds", "build a"]);
}

#[tokio::test]
async fn the_wait_is_limited_by_the_build_time() {
    let cluster = Sharing::new(Node::new().serves("a", ""));
    let builds = cluster.builds("other", &["a"]).await;
    let other = cluster.store("other");
    let _held = other.lease(&builds.0.known["a"].key, LEASE).await;
    assert!(matches!(builds.source_of("a", true).await, BuildSource::Elsewhere));
    assert!(matches!(builds.source_of("a", false).await, BuildSource::Build(None)), "its wait budget is exhausted");
    // An exhausted budget means no wait.
    let over = WaitBudget::until(Instant::now());
    builds.wait("a", &over).await;
    assert!(over.is_exhausted());
}

fn work(name: &str, requires: &[&str]) -> PackageInstall {
    PackageInstall {
        name: name.into(),
        version: "1.0".into(),
        commit: None,
        archive: PathBuf::new(),
        bytes: 0,
        source: true,
        compiled: false,
        templates: false,
        needs: std::collections::BTreeSet::default(),
        requires: requires.iter().map(|&name| name.to_owned()).collect(),
        from: String::new(),
        url: None,
    }
}

fn common() -> KeyInputs {
    KeyInputs {
        r: "4.2.2".into(),
        platform: "x86_64-pc-linux-gnu".into(),
        os: "debian 12".into(),
        library: "/lib".into(),
        source: String::new(),
        needs: BTreeMap::new(),
        tools: None,
    }
}

fn keys(wanted: &RInstall, work: &[PackageInstall], digests: [&str; 2]) -> Vec<Key> {
    let known = known(&common(), wanted, work, &digests.map(str::to_owned), |_| false);
    known.into_values().map(|known| known.key).collect()
}

#[test]
fn the_key_of_a_build_contains_the_keys_of_its_dependencies() {
    let node = Node::new();
    let all = [work("a", &[]), work("b", &["a", "stats", "there"])];
    let mut wanted = node.wants(&[]);
    let first = keys(&wanted, &all, ["01", "02"]);
    assert_eq!(first, keys(&wanted, &all, ["01", "02"]));
    let other_need = keys(&wanted, &all, ["03", "02"]);
    assert!(first[0] != other_need[0] && first[1] != other_need[1]);
    let unpacked = [PackageInstall { source: false, ..work("a", &[]) }, all[1].clone()];
    assert_ne!(keys(&wanted, &unpacked, ["01", "02"]), first[1..]);
    // Installed packages count with their version, except R's own.
    let there =
        |base| crate::kinds::r::RInstalled { version: "1.0".into(), library: "/site".into(), base, commit: None };
    wanted.installed.insert("stats".into(), there(true));
    assert_eq!(keys(&wanted, &all, ["01", "02"]), first);
    wanted.installed.insert("there".into(), there(false));
    assert_ne!(keys(&wanted, &all, ["01", "02"])[1], first[1]);
}

#[test]
fn builds_with_private_dependencies_are_private() {
    let node = Node::new();
    let all = [work("a", &[]), work("b", &["a"]), work("c", &[])];
    let digests = ["01", "02", "03"].map(str::to_owned);
    let known = known(&common(), &node.wants(&[]), &all, &digests, |one| one.name == "a");
    let reach: Vec<Visibility> = known.values().map(|known| known.reach).collect();
    assert_eq!(reach, [Visibility::NodeOnly, Visibility::NodeOnly, Visibility::Shared]);
}

#[tokio::test]
async fn with_trusted_keys_builds_of_other_nodes_are_not_used() {
    let cluster = Sharing::new(Node::new().serves("a", ""));
    cluster.installs("first", &["a"]).await;
    let key = crate::trust::SecretKey::generate().expect("random numbers").public();
    let keys = crate::trust::TrustedKeys::new(vec![key]);
    let trusted = crate::trust::Trusted::new(keys, 0, BTreeMap::new());
    let (mut ctx, _) = cluster.context("second", FakeRunner::new());
    let wanted = cluster.node.wants(&["a"]);
    let prepared = prepare_packages(&ctx, &wanted).await.expect("prepared");
    let environment = BuildEnvironment::new(&ctx, &wanted).expect("writable");
    let r = crate::kinds::r::selection::checked_version(&wanted).expect("a version");
    let open = Builds::new(&ctx, &wanted, &environment, &prepared.work, &r).await.expect("there is a store");
    assert!(matches!(open.source_of("a", true).await, BuildSource::FromStore(_)));
    ctx.filestore = ctx.filestore.trusting(Arc::new(trusted));
    ctx.store = cluster.store("third");
    let closed = Builds::new(&ctx, &wanted, &environment, &prepared.work, &r).await.expect("there is a store");
    assert!(matches!(closed.source_of("a", true).await, BuildSource::Build(None)));
}
