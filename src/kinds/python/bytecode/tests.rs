//! Tests byte code of nodes that share a store.

use std::{
    fmt::Write as _,
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, UNIX_EPOCH},
};

use super::*;
use crate::{
    cloud::{ClientEnvironment, Clouds},
    digest::Digest,
    exec::{Finished, fake::FakeRunner},
    facts::python::bytecode_path,
    kinds::python::Wheel as WheelFile,
    lock::LockedDistribution,
    report::event::{Event, EventKind, Events, Observer},
    store::{Store, StoreLocations, StoreUrl},
};

const SITE: &str = "lib/python3.11/site-packages";
/// The header of valid byte code for a module.
fn counting(module: &Path) -> [u8; 16] {
    let found = module.metadata().expect("a module");
    let time = found.modified().expect("a time").duration_since(UNIX_EPOCH).expect("later").as_secs();
    let (time, size) = (u32::try_from(time).expect("before 2106"), u32::try_from(found.len()).expect("short"));
    let words = [0xa7_0d_0d_0a_u32.swap_bytes(), 0, time, size];
    words.map(u32::to_le_bytes).concat().try_into().expect("sixteen bytes")
}

/// Records finished tasks and warnings.
#[derive(Clone, Default)]
struct RecordedEvents(Arc<Mutex<Vec<String>>>);

impl Observer for RecordedEvents {
    fn observe(&mut self, event: &Event) {
        self.0.lock().expect("no panic while held").push(match &event.kind {
            EventKind::TaskFinished { task, .. } => task.clone(),
            EventKind::Warning { text } => format!("warning: {text}"),
            _ => return,
        });
    }
}

/// Nodes that share a folder. They use the same path one after another, because byte code contains its path.
struct Cluster {
    temp: tempfile::TempDir,
    recorded: RecordedEvents,
    compiled: Arc<Mutex<Vec<String>>>,
}

impl Cluster {
    fn new() -> Self {
        let cluster = Self {
            temp: tempfile::tempdir().expect("a temporary folder"),
            recorded: RecordedEvents::default(),
            compiled: Arc::default(),
        };
        fs::create_dirs(&cluster.path("shared"), 0o755).expect("created");
        cluster
    }

    fn path(&self, name: &str) -> PathBuf {
        self.temp.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::replace(&self.path(&format!("node/{name}")), bytes, Attributes::mode(0o644)).expect("written");
    }

    /// A fresh node with an empty environment and its own cache folder.
    fn fresh(&self, cache: &str) -> Context {
        fs::remove_tree(&self.path("node")).expect("removed");
        self.write("bin/python3.11", b"the interpreter");
        fs::create_dirs(&self.path("node").join(SITE), 0o755).expect("created");
        self.recorded.0.lock().expect("no panic while held").clear();
        self.compiled.lock().expect("no panic while held").clear();
        let compiled = Arc::clone(&self.compiled);
        let runner = FakeRunner::new().answer(move |cmd| {
            let names = std::fs::read_to_string(cmd.args.get(2)?).ok()?;
            for name in names.lines() {
                let module = Path::new(name);
                let code = bytecode_path(module, "cpython-311").expect("a module");
                let text = [&counting(module)[..], b"compiled"].concat();
                fs::replace(&code, &text, Attributes::mode(0o644)).expect("written");
                compiled.lock().expect("no panic while held").push(name.to_owned());
            }
            Some(Finished::default())
        });
        let mut ctx =
            Context::for_tests(Arc::new(runner), Events::new(vec![Box::new(self.recorded.clone())]).of_step("pip"));
        ctx.root = self.path("node");
        ctx.cache = self.path(cache);
        ctx.logs = self.path("logs");
        let clouds = Arc::new(Clouds::new(Arc::default(), ClientEnvironment::default()));
        let places = StoreLocations {
            shared: Some(StoreUrl::Folder(self.path("shared"))),
            ..StoreLocations::below(&self.path(cache))
        };
        let recorded = self.recorded.clone();
        let warn = move |text: String| recorded.0.lock().expect("no panic while held").push(format!("warning: {text}"));
        ctx.store = Store::open(&places, &clouds, Arc::new(warn));
        ctx
    }

    /// `x` of the lock with two modules, and `y` of a file of the profile with one.
    fn wanted(&self) -> PythonInstall {
        let mut wanted = super::super::guard::tests::wanted();
        wanted.interpreter = self.path("node/bin/python3.11");
        wanted.site_packages = self.path("node").join(SITE);
        wanted.compile = true;
        wanted.locked = Some(vec![LockedDistribution {
            name: "x".into(),
            version: "1".into(),
            file: "x-1-py3-none-any.whl".into(),
            url: "https://pypi.example/x-1-py3-none-any.whl".parse().expect("an address"),
            sha256: Digest::sha256(b"x"),
            only_for: std::collections::BTreeSet::new(),
        }]);
        wanted.wheels = vec![WheelFile {
            path: "y-1-py3-none-any.whl".into(),
            name: "y".into(),
            version: "1".into(),
            sha256: Some(Digest::sha256(b"y").hex().to_owned()),
            deps: true,
            origin: crate::diagnostic::Origin { file: "x.toml".into(), line: 1, column: 1 },
        }];
        wanted
    }

    /// Acts as the installer. Each source gets its own time.
    fn install(&self, compile: bool) {
        for (name, modules) in [("x", &["x/a", "x/b"][..]), ("y", &["y"])] {
            let mut record = String::new();
            for module in modules {
                self.write(&format!("{SITE}/{module}.py"), b"hello");
                let _ = writeln!(record, "{module}.py,,5");
                if compile {
                    let header = counting(&self.path("node").join(format!("{SITE}/{module}.py")));
                    self.write(&Self::code(module), &[&header[..], module.as_bytes()].concat());
                }
            }
            self.write(
                &format!("{SITE}/{name}-1.dist-info/METADATA"),
                format!("Name: {name}\nVersion: 1\n\n").as_bytes(),
            );
            self.write(&format!("{SITE}/{name}-1.dist-info/RECORD"), record.as_bytes());
        }
    }

    /// The path of a module's byte code.
    fn code(module: &str) -> String {
        let path = bytecode_path(Path::new(&format!("{module}.py")), "cpython-311").expect("a module");
        format!("{SITE}/{}", path.display())
    }

    fn has(&self, module: &str) -> bool {
        let Ok(bytes) = std::fs::read(self.path("node").join(Self::code(module))) else { return false };
        let source = self.path("node").join(format!("{SITE}/{module}.py")).metadata().expect("there");
        let time = source.modified().expect("a time").duration_since(UNIX_EPOCH).expect("later").as_secs();
        assert_eq!(bytes[8..12], time.to_le_bytes()[..4], "it counts for the source that is here");
        bytes.ends_with(module.as_bytes())
    }

    fn take_events(&self) -> Vec<String> {
        std::mem::take(&mut *self.recorded.0.lock().expect("no panic while held"))
    }

    fn compiled(&self) -> Vec<String> {
        let below = format!("{}/", self.path("node").join(SITE).display());
        let compiled = self.compiled.lock().expect("no panic while held");
        compiled.iter().map(|path| path.replace(&below, "")).collect()
    }

    /// The first node, which compiles and publishes.
    async fn first(&self) {
        let (ctx, wanted) = (self.fresh("one"), self.wanted());
        let code = load(&ctx, &wanted).await;
        assert!(!code.has_any(), "nothing was compiled yet");
        self.install(true);
        code.keep(&ctx, &wanted);
        ctx.store.settle(Duration::from_secs(20)).await;
        assert_eq!(self.take_events(), Vec::<String>::new());
    }

    /// Another node. Returns whether it found byte code, and the recorded events.
    async fn another(&self, cache: &str) -> (bool, Vec<String>) {
        let (ctx, wanted) = (self.fresh(cache), self.wanted());
        let mut code = load(&ctx, &wanted).await;
        let is_any = code.has_any();
        self.install(!is_any);
        if is_any {
            code.complete(&ctx, &wanted, &["x".to_owned(), "y".to_owned()]).await;
        }
        code.keep(&ctx, &wanted);
        ctx.store.settle(Duration::from_secs(20)).await;
        let left = std::fs::read_dir(super::cache(&ctx).join("byte-code")).into_iter().flatten().count();
        assert_eq!(left, 0, "the store has it");
        (is_any, self.take_events())
    }

    fn entries(&self) -> Vec<PathBuf> {
        self.grouped("shared/v1/entries/byte-code")
    }

    fn objects(&self) -> Vec<PathBuf> {
        self.grouped("shared/v1/objects")
    }

    /// The files below a folder, sorted.
    fn grouped(&self, folder: &str) -> Vec<PathBuf> {
        let within =
            |folder: &Path| std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let mut files: Vec<PathBuf> =
            within(&self.path(folder)).flat_map(|group| within(&group).collect::<Vec<_>>()).collect();
        files.sort();
        files
    }
}

async fn load(ctx: &Context, wanted: &PythonInstall) -> ByteCode {
    let config = super::super::index::PipConfig::of(ctx, wanted);
    let wheels = super::super::locked::wheels(ctx, &config, wanted, wanted.locked.as_deref().expect("a lock"));
    let env = PythonEnv::read(&wanted.interpreter).expect("an environment");
    let interpreter = Interpreter::read(ctx, &env).await;
    ByteCode::load(ctx, wanted, interpreter.as_ref(), wheels).await
}

#[tokio::test]
async fn the_next_node_uses_the_compiled_byte_code() {
    let cluster = Cluster::new();
    cluster.first().await;
    assert_eq!((cluster.entries().len(), cluster.objects().len()), (2, 2));
    for cache in ["two", "two", "one"] {
        assert_eq!(cluster.another(cache).await, (true, vec!["unpack byte code of 2 wheels".to_owned()]));
        assert!(["x/a", "x/b", "y"].iter().all(|module| cluster.has(module)));
        assert!(cluster.compiled().is_empty());
    }
    assert_eq!(cluster.objects().len(), 2, "it is not stored again");
}

#[tokio::test]
async fn nodes_that_compile_simultaneously_store_the_same_objects() {
    let cluster = Cluster::new();
    cluster.first().await;
    let before = cluster.objects();
    // The entries of the other node are not visible yet.
    cluster.entries().iter().for_each(|entry| fs::remove(entry).expect("removed"));
    let (is_any, _) = cluster.another("two").await;
    assert!(!is_any);
    assert_eq!((cluster.entries().len(), cluster.objects()), (2, before));
}

#[tokio::test]
async fn unusable_byte_code_is_reported_compiled_and_replaced() {
    let cluster = Cluster::new();
    cluster.first().await;
    // One entry points to the object of another wheel.
    let entries = cluster.entries();
    let read = |path: &PathBuf| std::fs::read(path).expect("readable");
    fs::replace(&entries[0], &read(&entries[1]), Attributes::default()).expect("written");
    let (is_any, said) = cluster.another("two").await;
    let [told, unpacked, compiled] = &said[..] else { panic!("{said:?}") };
    assert!(is_any && told.contains("in the store is not used") && told.contains("it belongs to no module"), "{told}");
    assert_eq!((unpacked.as_str(), compiled.as_str()), ("unpack byte code of 1 wheel", "compile"));
    let rest = cluster.compiled();
    assert!(rest == ["x/a.py", "x/b.py"] || rest == ["y.py"], "{rest:?}");
    assert_eq!(cluster.another("three").await, (true, vec!["unpack byte code of 2 wheels".to_owned()]), "replaced");
}

#[tokio::test]
async fn a_changed_object_is_not_used() {
    let cluster = Cluster::new();
    cluster.first().await;
    for entry in cluster.entries() {
        let text = std::fs::read_to_string(entry).expect("readable");
        let sha256 = &text.split_once("\"sha256\":\"").expect("an object").1[..64];
        let object = cluster.path("shared/v1/objects").join(&sha256[..2]).join(sha256);
        let mut bytes = std::fs::read(&object).expect("readable");
        bytes[20] ^= 1;
        fs::replace(&object, &bytes, Attributes::default()).expect("written");
    }
    let (is_any, said) = cluster.another("two").await;
    assert!(!is_any && said.iter().any(|text| text.contains("is not used: its digest is")), "{said:?}");
}

#[tokio::test]
async fn other_interpreters_and_wheels_have_other_keys() {
    let cluster = Cluster::new();
    cluster.first().await;
    let found = async |change: fn(&Cluster, &mut PythonInstall)| {
        let (ctx, mut wanted) = (cluster.fresh("two"), cluster.wanted());
        change(&cluster, &mut wanted);
        let code = load(&ctx, &wanted).await;
        code.wheels.values().filter(|wheel| matches!(wheel.found, StoredByteCode::Archive(_))).count()
    };
    assert_eq!(found(|_, _| ()).await, 2);
    assert_eq!(found(|cluster, _| cluster.write("bin/python3.11", b"patched")).await, 0);
    assert_eq!(found(|_, wanted| wanted.wheels[0].sha256 = Some(Digest::sha256(b"z").hex().to_owned())).await, 1);
    assert_eq!(found(|_, wanted| wanted.wheels[0].sha256 = None).await, 1, "the wheel has no digest");
    assert_eq!(found(|_, wanted| wanted.compile = false).await, 0);
}
