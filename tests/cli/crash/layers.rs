//! A layer of Python and R packages: made and published, and restored on another node. No package tool is needed.

use std::{fs, path::Path};

use nodeagent::digest::Digest;

use super::{
    disk::Disk,
    scenario::{Scenario, ensure},
};
use crate::{
    kills::{differences, state},
    support::{CommandOutput, NodeTest},
};

const PROFILE: &str = "[pip]\npackages = [\"nltk>=3\"]\n[r]\npackages = [\"later\"]\n";
const SITE: &str = "databricks/python/lib/python3.11/site-packages";
const LIBRARY: &str = "databricks/spark/R/lib";

/// A node without the packages.
fn node() -> NodeTest {
    let node = NodeTest::in_memory()
        .profile(PROFILE)
        .file("var/lib/.keep", "")
        .file("var/log/.keep", "")
        .file("var/cache/.keep", "")
        .file("etc/nodeagent.toml", "wait-for-disk = true\n")
        .python(&[("pip", "23.0.1")])
        .r(&[]);
    fs::create_dir_all(node.root().join(LIBRARY)).expect("made");
    fs::create_dir(node.beside("shared")).expect("made");
    let profile = fs::read_to_string(node.beside("desk/x.toml")).expect("there");
    let (digest, arch) =
        (Digest::sha256(profile.as_bytes()), if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" });
    let (profile, sha256) = (digest.hex(), "d".repeat(64));
    node.work(
        "x.lock",
        &format!(
            "schema = 1\nserial = 7\nprofile = \"x\"\n[[files]]\npath = \"x.toml\"\nsha256 = \"{profile}\"\n[[runtimes]]\n\
             os = \"debian 12\"\narch = \"{arch}\"\npython-version = \"3.11\"\nr-version = \"4.2.2\"\nasks = [\"pip \
             nltk>=3\", \"r later\"]\n[[runtimes.python]]\nname = \"nltk\"\nversion = \"3.9.1\"\nfile = \
             \"nltk-3.9.1-py3-none-any.whl\"\nurl = \"http://127.0.0.1:9/nltk-3.9.1-py3-none-any.whl\"\nsha256 = \
             \"{sha256}\"\n[[runtimes.r]]\nname = \"later\"\nversion = \"1.3.0\"\nurl = \
             \"http://127.0.0.1:9/later_1.3.0.tar.gz\"\nsha256 = \"{sha256}\"\n"
        ),
    )
}

/// A node with the packages.
fn installed() -> NodeTest {
    let mut node = node().r(&[("later", "1.3.0")]);
    let info = "nltk-3.9.1.dist-info";
    for (path, text) in [
        ("nltk/__init__.py", "import os\n"),
        ("nltk/corpus/data.py", "DATA = 1\n"),
        ("nltk/__pycache__/__init__.cpython-311.pyc", "code"),
        ("nltk/corpus/__pycache__/data.cpython-311.pyc", "code"),
        ("nltk-3.9.1.dist-info/METADATA", "Metadata-Version: 2.1\nName: nltk\nVersion: 3.9.1\n\n"),
        ("nltk-3.9.1.dist-info/INSTALLER", "pip\n"),
    ] {
        node = node.file(&format!("{SITE}/{path}"), text);
    }
    let record = format!(
        "nltk/__init__.py,,\nnltk/corpus/data.py,,\n../../../bin/nltk,,\n{info}/METADATA,,\n{info}/INSTALLER,,\n{info}/RECORD,,\n"
    );
    node.file(&format!("{SITE}/{info}/RECORD"), &record)
        .file("databricks/python/bin/nltk", "#!/databricks/python/bin/python3.11\n")
        .file(&format!("{LIBRARY}/later/INDEX"), "later  Later\n")
        .file(&format!("{LIBRARY}/later/help/AnIndex"), "later\tlater\n")
        .file(&format!("{LIBRARY}/later/R/later.rdb"), "functions")
}

fn store_arguments<'a>(arguments: &[&'a str], shared: &'a str) -> Vec<&'a str> {
    [arguments, &["--store", shared]].concat()
}

fn agent(node: &NodeTest, arguments: &[&str]) -> CommandOutput {
    let shared = node.beside("shared").display().to_string();
    node.agent(&store_arguments(arguments, &shared))
}

fn succeeds(node: &NodeTest, arguments: &[&str]) -> Result<String, String> {
    let output = agent(node, arguments);
    ensure(output.code == Some(0), || format!("{arguments:?}: {}", output.all())).map(|()| output.all())
}

fn record(node: NodeTest, arguments: &[&str]) -> Scenario {
    let shared = node.beside("shared").display().to_string();
    Scenario::record(node, &store_arguments(arguments, &shared))
}

const BAKE: [&str; 4] = ["store", "bake", "--profile", "x.toml"];
const RUN: [&str; 3] = ["run", "--profile", "x.toml"];

/// Copies the shared store of a node to another node.
fn share(from: &NodeTest, to: &NodeTest) {
    Disk::read(&from.beside("shared")).write(&to.beside("shared"));
}

#[test]
fn a_layer_is_restored_after_a_power_loss_at_any_instant() {
    let baked = installed();
    succeeds(&baked, &BAKE).expect("baked");
    let node = node();
    share(&baked, &node);
    let scenario = record(node, &RUN);
    let wanted = state(&scenario.node);
    assert!(wanted.contains_key(&Path::new(SITE).join("nltk/corpus/data.py")), "{:?}", wanted.keys());
    assert!(wanted.contains_key(&Path::new(LIBRARY).join("later/help/AnIndex")), "{:?}", wanted.keys());
    scenario.check(|node| {
        let said = succeeds(node, &RUN)?;
        let differences = differences(&wanted, &state(node));
        ensure(differences.is_empty(), || format!("{differences:?}: {said}"))?;
        let said = succeeds(node, &RUN)?;
        ensure(said.contains("nothing to do"), || said.clone())
    });
}

#[test]
fn a_layer_is_baked_after_a_power_loss_at_any_instant() {
    let (scenario, other) = (record(installed(), &BAKE), node());
    let fresh = Disk::read(&other.root());
    share(&scenario.node, &other);
    succeeds(&other, &RUN).expect("restored");
    let wanted = state(&other);
    scenario.check(|node| {
        succeeds(node, &BAKE)?;
        succeeds(node, &["store", "verify"])?;
        succeeds(node, &["store", "verify", "--shared"])?;
        // The published layer is complete.
        fresh.write(&other.root());
        share(node, &other);
        let said = succeeds(&other, &RUN)?;
        let differences = differences(&wanted, &state(&other));
        ensure(differences.is_empty(), || format!("{differences:?}: {said}"))
    });
}
