//! The shared store keeps wheels that were built from source archives, and the byte code of wheels.

use crate::{
    shared::{LOCK, Shared, tasks},
    support::{CommandOutput, Node, PROFILE, assert_same, host},
};

const STORE: [&str; 3] = ["--locked", "--store", "/shared"];
const SITE: &str = "/databricks/python3/lib/python3.11/site-packages";
/// `docopt` has only a source archive in the index.
const PROFILE_TEXT: &str = "[pip]\npackages = [\"docopt==0.6.2\", \"humanize\"]\nsmoke = [\"docopt\", \"humanize\"]\n[wheel]\nfiles = \
                            [\"ringwheel-1.0-py3-none-any.whl\"]\n";

/// Compares the byte code of all modules in some folders with a fresh compilation, and prints the number of modules.
const SAME: &str = "import glob, importlib.util, marshal, sys
modules = [module for folder in sys.argv[1:] for module in glob.glob(folder + '/*.py')]
for module in modules:
    with open(importlib.util.cache_from_source(module), 'rb') as code, open(module, 'rb') as source:
        assert marshal.loads(code.read()[16:]) == compile(source.read(), module, 'exec', dont_inherit=True), module
print(len(modules))
";

/// The tasks of the last run without downloads, sorted by name.
fn sorted_tasks(node: &Node) -> Vec<String> {
    let mut tasks = tasks(node);
    tasks.sort();
    tasks
}

/// Every file of the runtime with name, type, mode, owner and target of a link, and its digest. Without the digests of
/// `.pyc` files, which contain the time of their module.
fn files(node: &Node) -> String {
    node.sh("cd /databricks && find . -printf '%P %y %m %u:%g %l\\n' | sort
        find . -type f -not -name '*.pyc' -print0 | sort -z | xargs -0 sha256sum")
}

/// The digests of all `.pyc` files of packages.
fn bytecode_path(node: &Node) -> String {
    node.sh(&format!("find {SITE} -name '*.pyc' -print0 | sort -z | xargs -0 sha256sum"))
}

/// The number of entries of a kind in the shared store.
fn entries(shared: &Shared, kind: &str) -> usize {
    let found = host("find").arg(shared.path().join("v1/entries").join(kind)).args(["-type", "f"]).output();
    String::from_utf8_lossy(&found.expect("find runs").stdout).lines().count()
}

#[test]
fn the_next_node_uses_built_wheels_and_byte_code() {
    let Some(shared) = Shared::new("kept") else { return };
    let one = shared.with_profile("kept-one", PROFILE_TEXT, None).expect("nodes are not skipped");
    one.exec(&[], &["nodeagent", "lock", "--profile", PROFILE]).exits(0);
    let lock = one.sh(&format!("cat {LOCK}"));
    assert!(lock.contains("docopt-0.6.2.tar.gz"), "{lock}");
    one.run(&STORE).exits(0);
    assert_eq!(sorted_tasks(&one), ["build docopt", "import", "install"]);
    assert_eq!((entries(&shared, "wheel"), entries(&shared, "byte-code")), (1, 3));

    let two = shared.with_profile("kept-two", PROFILE_TEXT, Some(&lock)).expect("nodes are not skipped");
    two.run(&STORE).exits(0);
    let taken = ["import", "install", "take docopt from the store", "unpack byte code of 3 wheels"];
    assert_eq!(sorted_tasks(&two), taken);
    assert_same(&files(&one), &files(&two), "nodes with own and with shared builds are equal");
    // Python accepts all of it, compiles nothing again, and would compile to the same code.
    let before = bytecode_path(&two);
    two.sh(&format!("/databricks/python3/bin/python -m compileall -q {SITE}/humanize {SITE}/docopt.py"));
    assert_same(&before, &bytecode_path(&two), "Python accepts the byte code");
    two.write("/tmp/same.py", SAME);
    let same = two.sh(&format!("/databricks/python3/bin/python /tmp/same.py {SITE}/humanize {SITE}"));
    assert!(same.trim().parse::<u32>().expect("a number") > 6, "{same}");
    two.sh("/databricks/python3/bin/python -c 'import docopt, humanize, ringwheel'");
    two.run(&STORE).exits(0).prints("nothing to do");
    two.is_tidy();

    // A damaged object is reported, and the node builds by itself.
    let objects = CommandOutput::of(host("find").arg(shared.path().join("v1/objects")).args(["-type", "f"]), "find");
    for object in objects.exits(0).stdout.lines() {
        let mut bytes = std::fs::read(object).expect("readable");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        nodeagent::fs::replace(object.as_ref(), &bytes, nodeagent::fs::Attributes::default()).expect("written");
    }
    let three = shared.with_profile("kept-three", PROFILE_TEXT, Some(&lock)).expect("nodes are not skipped");
    three.run(&STORE).exits(0).prints("is not used: its digest is");
    assert_eq!(sorted_tasks(&three), ["build docopt", "import", "install"]);
    assert_same(&files(&one), &files(&three), "nodes with own and with shared builds are equal");
    // Its builds replace the damaged objects that it has read. It did not read the byte code of docopt, because it
    // built docopt.
    let four = shared.with_profile("kept-four", PROFILE_TEXT, Some(&lock)).expect("nodes are not skipped");
    four.run(&STORE).exits(0);
    let again = sorted_tasks(&four);
    for task in ["take docopt from the store", "unpack byte code of 2 wheels"] {
        assert!(again.iter().any(|done| done == task), "{task}: {again:?}");
    }
}

#[test]
fn optional_entries_build_and_compile_nothing_twice() {
    let Some(shared) = Shared::new("ways") else { return };
    let text = "[pip]\npackages = [\"humanize\", { name = \"docopt==0.6.2\", optional = true }]\n";
    let node = |what: &str| {
        let node = shared.fresh(what, &[]).expect("nodes are not skipped");
        node.profile(text);
        node
    };
    let one = node("ways-one");
    one.exec(&[], &["nodeagent", "lock", "--profile", PROFILE]).exits(0);
    let lock = one.sh(&format!("cat {LOCK}"));
    one.run(&STORE).exits(0).never_prints("warning");
    // The entry that acts first installs the common dependencies.
    let done = |node: &Node| sorted_tasks(node).into_iter().filter(|task| task != "install").collect::<Vec<_>>();
    assert_eq!(done(&one), ["build docopt"]);
    let two = node("ways-two");
    two.write(LOCK, &lock);
    two.run(&STORE).exits(0).never_prints("warning");
    let (taken, of_one) = ("take docopt from the store", "unpack byte code of 1 wheel");
    let taken = [vec![taken, "unpack byte code of 2 wheels"], vec![taken, of_one, of_one]];
    assert!(taken.iter().any(|tasks| done(&two) == *tasks), "{:?}", done(&two));
    assert_same(&files(&one), &files(&two), "the nodes are equal");
}

#[test]
fn nodes_that_start_together_build_a_wheel_once() {
    let Some(shared) = Shared::new("wheels") else { return };
    let lock = {
        let one = shared.with_profile("wheels-lock", PROFILE_TEXT, None).expect("nodes are not skipped");
        one.exec(&[], &["nodeagent", "lock", "--profile", PROFILE]).exits(0);
        one.sh(&format!("cat {LOCK}"))
    };
    let nodes: Vec<Node> = ["wheels-one", "wheels-two"]
        .iter()
        .filter_map(|what| shared.with_profile(what, PROFILE_TEXT, Some(&lock)))
        .collect();
    let running: Vec<_> = nodes.iter().map(|node| node.begin_run(&STORE)).collect();
    for child in running {
        CommandOutput::wait(child, "nodeagent run").exits(0);
    }
    let all: Vec<String> = nodes.iter().flat_map(sorted_tasks).collect();
    let count = |what: &str| all.iter().filter(|task| *task == what).count();
    assert_eq!((count("build docopt"), count("take docopt from the store")), (1, 1), "{all:?}");
    assert_same(&files(&nodes[0]), &files(&nodes[1]), "the nodes are equal");
}
