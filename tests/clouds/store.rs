//! A shared store in S3: moto is the server, and boto3 checks the bucket.

use std::{fs, path::Path, process::Output, sync::Arc, time::Duration};

use nodeagent::{
    cloud::{ClientEnvironment, Clouds},
    digest::Digest,
    http,
    store::{Key, Lease, Store, StoreLocations},
};
use serde_json::json;

use crate::{
    bucket_assets::{
        CONTENT, a_folder_is_locked_and_its_objects_are_fetched, an_object_is_fetched_as_a_file_of_a_profile,
    },
    free_port::free_port,
    nodes::{Cluster, Took, typical_packages},
    origin::Pace,
    server::{Server, client},
    support::{CommandOutput, NodeTest},
};

pub(crate) const LOCAL: &str = "var/cache/nodeagent/store";
pub(crate) const STORE_URL: &str = "s3://lawfirm-tools/a/store";
const KEYS: [(&str, &str); 4] = [
    ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"),
    ("AWS_SECRET_ACCESS_KEY", "marker-of-the-secret-key"),
    ("AWS_REGION", "ap-southeast-2"),
    ("AWS_EC2_METADATA_DISABLED", "true"),
];

/// An S3 server with one bucket.
pub(crate) struct S3(Server);

impl S3 {
    pub(crate) fn start() -> Self {
        let port = free_port();
        let mut moto = client("moto_server");
        moto.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        let s3 = Self(Server::start(moto, port));
        s3.python(
            "s3.create_bucket(Bucket='lawfirm-tools', \
             CreateBucketConfiguration={'LocationConstraint': 'ap-southeast-2'})",
        );
        s3
    }

    /// Runs a script with the official client and returns its output.
    fn python(&self, script: &str) -> String {
        let head = "import boto3, hashlib, json\ns3 = boto3.client('s3')\nbucket = 'lawfirm-tools'\n";
        let mut python = client("python");
        python.args(["-c", &format!("{head}{script}")]).envs(KEYS).env("AWS_ENDPOINT_URL", self.0.url());
        let Output { status, stdout, stderr } = python.output().expect("Python runs");
        assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
        String::from_utf8(stdout).expect("text").trim().to_owned()
    }

    pub(crate) fn port(&self) -> u16 {
        self.0.port
    }

    /// Empties the bucket.
    pub(crate) fn clear(&self) {
        self.python(
            "for o in s3.list_objects_v2(Bucket=bucket).get('Contents', []):\n    \
             s3.delete_object(Bucket=bucket, Key=o['Key'])",
        );
    }

    pub(crate) fn node(&self) -> NodeTest {
        KEYS.iter()
            .fold(NodeTest::new(), |node, (name, value)| node.var(name, value))
            .var("AWS_ENDPOINT_URL", &self.0.url())
    }

    fn store(&self, local: &Path) -> Store {
        let url = self.0.url();
        let own = KEYS.iter().copied().chain([("AWS_ENDPOINT_URL", url.as_str())]);
        let variables = own.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let environment = ClientEnvironment { variables, home: None };
        let clouds = Arc::new(Clouds::new(Arc::new(http::Client::default()), environment));
        let shared = Some(STORE_URL.parse().expect("an address"));
        let places = StoreLocations { local: local.to_owned(), limit: u64::MAX, shared };
        Store::open(&places, &clouds, Arc::new(|warning: String| panic!("{warning}")))
    }
}

pub(crate) fn object(bytes: &[u8]) -> String {
    let hex = Digest::sha256(bytes).hex().to_owned();
    format!("v1/objects/{}/{hex}", &hex[..2])
}

#[expect(clippy::disallowed_methods, reason = "a test prepares its files without the code under test")]
pub(crate) fn keep(node: &NodeTest, bytes: &[u8]) {
    let path = node.root().join(LOCAL).join(object(bytes));
    fs::create_dir_all(path.parent().expect("a folder")).expect("it can be made");
    fs::write(path, bytes).expect("it can be written");
}

fn agent(node: &NodeTest, arguments: &[&str]) -> CommandOutput {
    let output = node.agent_without_store(&[&["store"], arguments, &["--store", STORE_URL]].concat());
    assert!(!output.all().contains("marker-of-the-secret-key"), "{}", output.all());
    output
}

#[test]
fn a_profile_names_a_file_in_an_s3_bucket() {
    let s3 = S3::start();
    let content = CONTENT.escape_ascii();
    s3.python(&format!("s3.put_object(Bucket=bucket, Key='conf/x.conf', Body=b'{content}')"));
    an_object_is_fetched_as_a_file_of_a_profile(|| s3.node(), "s3://lawfirm-tools/conf/x.conf");
}

#[test]
fn a_profile_names_a_folder_in_an_s3_bucket() {
    let s3 = S3::start();
    let put = |name: &str, bytes: &[u8]| {
        let content = bytes.escape_ascii();
        s3.python(&format!("s3.put_object(Bucket=bucket, Key='conf/{name}', Body=b'{content}')"));
    };
    // The console of AWS makes such objects for folders.
    put("", b"");
    put("sub/", b"");
    a_folder_is_locked_and_its_objects_are_fetched(|| s3.node(), "s3://lawfirm-tools/conf/", put);
}

#[test]
fn a_folder_in_an_s3_bucket_is_listed_in_pages_and_its_names_and_their_number_are_checked() {
    let s3 = S3::start();
    let lock = || {
        let node = s3.node().profile("[files]\n\"/etc/x/\" = \"s3://lawfirm-tools/conf/\"\n");
        let said = node.agent(&["lock", "--profile", "./x.toml"]);
        (said, std::fs::read_to_string(node.beside("desk/x.lock")).unwrap_or_default())
    };
    // Only the files that an entry uses are in the lock.
    s3.python("for n in ['README', 'a.txt', 'a.deb']:\n    s3.put_object(Bucket=bucket, Key='certs/' + n, Body=b'x')");
    let node = s3.node().profile("[cert]\nfiles = [\"s3://lawfirm-tools/certs/\"]\n");
    let said = node.agent(&["lock", "--profile", "./x.toml"]).ended(2).stderr;
    assert!(said.contains("the folder `s3://lawfirm-tools/certs/` has no files that its entry can use"), "{said}");
    s3.clear();
    // A page has at most 1000 objects, so the last one is on the second page.
    s3.python("for n in range(1001):\n    s3.put_object(Bucket=bucket, Key=f'conf/{n}.conf', Body=b'x')");
    let (said, text) = lock();
    let said = said.ended(2).stderr;
    assert!(said.contains("the folder `s3://lawfirm-tools/conf/` has more than 1000 files"), "{said}");
    assert_eq!(text, "");
    s3.clear();
    for name in ["a\u{1b}[2J", "a\u{202e}b", "a\\\\b"] {
        s3.python(&format!("s3.put_object(Bucket=bucket, Key='conf/{name}', Body=b'x')"));
        let (said, text) = lock();
        let said = said.ended(2).stderr;
        assert!(said.contains("could not be listed") || said.contains("a name that cannot be used"), "{said}");
        assert_eq!(text, "");
        s3.clear();
    }
}

#[test]
fn objects_in_an_s3_bucket_are_shared_and_readable_by_the_official_client() {
    let s3 = S3::start();
    let (one, two) = (s3.node(), s3.node());
    let large: Vec<u8> = (0..12_000_000_u32).map(|index| (index % 251) as u8).collect();
    for bytes in [&b"hello"[..], b"", &large] {
        keep(&one, bytes);
    }
    let pushed = agent(&one, &["push", "--json"]).ended(0).json();
    assert_eq!((&pushed["objects"], &pushed["failed"]), (&json!({ "objects": 3, "bytes": 12_000_005 }), &json!(0)));
    assert_eq!(agent(&one, &["push", "--json"]).ended(0).json()["objects"]["objects"], 0, "all is there");
    let seen = s3.python(
        "for o in s3.list_objects_v2(Bucket=bucket)['Contents']:\n    \
         body = s3.get_object(Bucket=bucket, Key=o['Key'])['Body'].read()\n    \
         print(o['Key'] == 'a/store/v1/objects/%s/%s' % ((h := hashlib.sha256(body).hexdigest())[:2], h))",
    );
    assert_eq!(seen, "True\nTrue\nTrue");
    let pulled = agent(&two, &["pull", "--json"]).ended(0).json();
    assert_eq!(pulled["objects"], json!({ "objects": 3, "bytes": 12_000_005 }));
    assert!(fs::read(two.root().join(LOCAL).join(object(&large))).expect("there") == large);
    for options in [&["verify", "--json"][..], &["verify", "--shared", "--json"]] {
        assert_eq!(agent(&two, options).ended(0).json()["sound"]["objects"], 3);
    }
    // Another client overwrites an object.
    let name = object(b"hello");
    s3.python(&format!("s3.put_object(Bucket=bucket, Key='a/store/{name}', Body=b'hellp')"));
    let three = s3.node();
    let output = agent(&three, &["pull"]).ended(1);
    assert!(output.stderr.contains("the file `2cf24dba5fb0` in the shared store"), "{}", output.stderr);
    assert!(output.stderr.contains("is not used: its digest is sha256:"), "{}", output.stderr);
    assert_eq!(agent(&three, &["verify", "--shared", "--json"]).ended(1).json()["damaged"], json!([name]));
    assert_eq!(agent(&one, &["push", "--json"]).ended(0).json()["objects"]["objects"], 1, "it is replaced");
    let removed = agent(&one, &["gc", "--shared", "--limit", "0 B", "--json"]).ended(0).json();
    assert_eq!(removed["objects"]["objects"], 3);
    assert_eq!(s3.python("print(s3.list_objects_v2(Bucket=bucket)['KeyCount'])"), "0");
}

#[test]
fn a_missing_or_silent_s3_bucket_is_one_warning() {
    let s3 = S3::start();
    let node = s3.node();
    keep(&node, b"hello");
    let output = node.agent_without_store(&["store", "push", "--store", "s3://nobodys-bucket/x"]).ended(1);
    assert!(
        output.stderr.contains("the shared store `s3://nobodys-bucket/x` is not used any more"),
        "{}",
        output.stderr
    );
    let node = node.var("AWS_ENDPOINT_URL", "http://127.0.0.1:1");
    let output = agent(&node, &["push"]).ended(1);
    assert_eq!(output.stderr.matches("warning: ").count(), 1, "{}", output.stderr);
    // Keys are not sent in plain text to another machine.
    let node = node.var("AWS_ENDPOINT_URL", "http://192.0.2.1:9000");
    let output = agent(&node, &["push"]).ended(1);
    assert!(output.stderr.contains("a credential is not sent over plain http"), "{}", output.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_hold_leases_in_an_s3_bucket() {
    let s3 = S3::start();
    let temp = tempfile::tempdir().expect("a temporary folder");
    let (one, two) = (s3.store(&temp.path().join("one")), s3.store(&temp.path().join("two")));
    let file = temp.path().join("file");
    nodeagent::fs::replace(&file, &vec![7; 3_000_000], nodeagent::fs::Attributes::mode(0o644)).expect("written");
    let object = one.add(&file).await.expect("added");
    one.settle(Duration::from_secs(30)).await;
    assert!(two.object(&object.digest, Some(object.size), &temp.path().join("to"), |_| ()).await);
    assert_eq!((two.used().shared.objects, two.used().shared.bytes), (1, 3_000_000));
    let (key, short) = (Key::of_object(&object.digest), Duration::from_secs(3));
    let lease = one.lease(&key, short).await;
    assert!(matches!(lease, Lease::Taken(_)));
    assert!(matches!(two.lease(&key, short).await, Lease::Held { .. }));
    tokio::time::sleep(short + Duration::from_secs(1)).await;
    assert!(matches!(two.lease(&key, short).await, Lease::Held { .. }), "it was renewed");
    drop(lease);
    one.settle(Duration::from_secs(30)).await;
    let leases = [s3.store(&temp.path().join("a")), s3.store(&temp.path().join("b")), two];
    let leases = futures::future::join_all(leases.iter().map(|store| store.lease(&key, short))).await;
    assert_eq!(leases.iter().filter(|lease| matches!(lease, Lease::Taken(_))).count(), 1);
}

#[test]
fn nodes_that_start_together_fetch_each_file_once() {
    const NODES: usize = 5;
    let s3 = S3::start();
    let url = s3.0.url();
    let variables = KEYS.iter().copied().chain([("AWS_ENDPOINT_URL", url.as_str())]).collect::<Vec<_>>();
    let packages = typical_packages(20, 7_000_000);
    let whole: u64 = packages.iter().map(|(_, size)| *size as u64).sum();
    let pace = Pace { latency: Duration::from_millis(20), connection: 4 << 20, line: 16 << 20 };
    let cluster = Cluster::new(NODES, &packages, pace).sharing(STORE_URL, &variables);
    let took = cluster.run(0..NODES);
    let requested = cluster.origin.requested();
    assert!(
        requested.bytes * 10 <= whole * 11,
        "{requested:?} for {whole} bytes, again: {:?}",
        cluster.origin.requested_again()
    );
    assert_eq!(took, Took { local: 0, shared: whole * NODES as u64 - requested.bytes, origin: requested.bytes });
    let leases = "print(s3.list_objects_v2(Bucket=bucket, Prefix='a/store/v1/leases')['KeyCount'])";
    assert_eq!(s3.python(leases), "0", "all were given back");
}
