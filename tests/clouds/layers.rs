//! Layers in S3 over a connection that is cut at any time: the bucket stays valid, and a node is either complete or
//! unchanged.

use std::{fs, path::Path};

use crate::{
    cutting_proxy::CuttingProxy,
    store::{S3, STORE_URL},
    support::{CommandOutput, NodeTest, entries},
};

/// The number of cuts of each kind.
const CUTS: u64 = 20;
const SITE: &str = "databricks/python/lib/python3.11/site-packages";
/// The size of each file in bytes, so that two of them do not fit into one part.
const SIZE: usize = 3_000_000;

const PROFILE: &str = "schema = 1\nname = \"x\"\n[pip]\ninstaller = \"pip\"\npackages = [\"x\"]\n";

fn hex(bytes: &[u8]) -> String {
    nodeagent::digest::Digest::sha256(bytes).hex().to_owned()
}

/// A node with the profile and its lock. The addresses in the lock cannot be reached.
fn fresh(s3: &S3, proxy: &CuttingProxy) -> NodeTest {
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let lock = format!(
        "schema = 1\nserial = 1\nprofile = \"x\"\n[[files]]\npath = \"x.toml\"\nsha256 = \"{}\"\n[[runtimes]]\nos = \"debian \
         12\"\narch = \"{arch}\"\npython-version = \"3.11\"\nasks = [\"pip x\"]\n[[runtimes.python]]\nname = \"x\"\nversion = \
         \"1.0\"\nfile = \"x-1.0-py3-none-any.whl\"\nurl = \"http://127.0.0.1:{}/nobodys-bucket/x-1.0-py3-none-any.whl\"\nsha256 = \"{}\"\n",
        hex(PROFILE.as_bytes()),
        s3.port(),
        "a".repeat(64),
    );
    let node = s3.node().var("AWS_ENDPOINT_URL", &proxy.url()).python(&[("six", "1.16")]);
    node.debs(&[("bash", "5")]).work("x.toml", PROFILE).work("x.lock", &lock)
}

/// A node on which a run installed `x`.
fn installed(s3: &S3, proxy: &CuttingProxy) -> NodeTest {
    let mut node = fresh(s3, proxy);
    let folder = format!("{SITE}/x-1.0.dist-info");
    let mut record = vec!["x-1.0.dist-info/METADATA,,".to_owned(), "x-1.0.dist-info/RECORD,,".to_owned()];
    for name in ["a", "b", "c"] {
        let mut random = fastrand::Rng::with_seed(u64::from(name.as_bytes()[0]));
        let text: String = (0..SIZE).map(|_| random.alphanumeric()).collect();
        node = node.file(&format!("{SITE}/x/{name}.txt"), &text);
        record.push(format!("x/{name}.txt,,"));
    }
    let site = node.root().join(SITE).display().to_string();
    let receipt = format!("{{\"python\":{{{site:?}:{{\"shipped\":{{\"six\":\"1.16\"}}}}}}}}");
    node.file(&format!("{folder}/METADATA"), "Name: x\nVersion: 1.0\n\n")
        .file(&format!("{folder}/RECORD"), &record.join("\n"))
        .file("var/lib/nodeagent/receipt.json", &receipt)
}

fn bake(node: &NodeTest) -> CommandOutput {
    node.agent(&["store", "bake", "--profile", "x.toml", "--store", STORE_URL])
}

fn run(node: &NodeTest) -> CommandOutput {
    node.agent(&["run", "--profile", "x.toml", "--locked", "--store", STORE_URL])
}

fn is_sound(node: &NodeTest) {
    node.agent(&["store", "verify", "--shared", "--store", STORE_URL]).ended(0);
}

/// Every file of the environment with its digest.
fn files(node: &NodeTest) -> Vec<String> {
    fn below(folder: &Path, of: &Path, into: &mut Vec<String>) {
        for path in entries(folder) {
            if path.is_dir() {
                below(&path, of, into);
            } else {
                let bytes = fs::read(&path).expect("readable");
                into.push(format!("{} {}", path.strip_prefix(of).expect("below").display(), hex(&bytes)));
            }
        }
    }
    let (root, mut files) = (node.root().join("databricks"), Vec::new());
    below(&root, &root, &mut files);
    files
}

#[test]
#[expect(clippy::print_stderr, reason = "a failure must be repeatable")]
fn a_connection_lost_while_baking_or_restoring_does_no_harm() {
    let s3 = S3::start();
    let proxy = CuttingProxy::to(s3.port());
    let baker = installed(&s3, &proxy);
    proxy.mend();
    bake(&baker).ended(0);
    let whole = proxy.mend();
    assert!(whole > 6_000_000, "{whole} bytes passed");
    for cut in 1..=CUTS {
        s3.clear();
        let after = (whole * cut + fastrand::u64(..whole)) / (CUTS + 2);
        eprintln!("cut after {after} of {whole} bytes");
        proxy.cut_after(after);
        let output = bake(&baker);
        proxy.mend();
        assert!(output.all().contains("s3://"), "the warning names the store: {}", output.all());
        output.ended(1);
        is_sound(&baker);
    }
    bake(&baker).ended(0);
    is_sound(&baker);
    let wanted = files(&baker);

    let node = fresh(&s3, &proxy);
    let before = files(&node);
    proxy.mend();
    run(&node).ended(0);
    let whole = proxy.mend();
    assert_eq!(files(&node), wanted, "restored");
    assert!(whole > 6_000_000, "{whole} bytes passed");
    for cut in 1..=CUTS {
        let node = fresh(&s3, &proxy);
        let after = (whole * cut + fastrand::u64(..whole)) / (CUTS + 2);
        eprintln!("cut after {after} of {whole} bytes");
        proxy.cut_after(after);
        // There is no other source of the package.
        let output = run(&node).ended(2);
        proxy.mend();
        assert!(output.all().contains("nothing was changed"), "{}", output.all());
        assert_eq!(files(&node), before, "the node is as it was");
        run(&node).ended(0);
        assert_eq!(files(&node), wanted, "restored after a cut");
    }
    is_sound(&baker);
}
