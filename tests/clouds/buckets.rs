//! Shared stores in Azure and Google: servers of the test suite, which the official clients check and read.

use std::{
    collections::BTreeMap,
    io::Write as _,
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use nodeagent::{
    cloud::{ClientEnvironment, Clouds},
    digest::Digest,
    http,
    store::{Key, Lease, Store, StoreLocations},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    bucket_assets::{
        CONTENT, a_folder_is_locked_and_its_objects_are_fetched, an_object_is_fetched_as_a_file_of_a_profile,
    },
    free_port::free_port,
    nodes::Cluster,
    origin::Pace,
    server::{Server, client},
    store::{LOCAL, keep, object},
    support::{CommandOutput, NodeTest},
};

/// `marker-of-the-key-of-the-account` in base64, as Azure shows keys.
const KEY: &str = "bWFya2VyLW9mLXRoZS1rZXktb2YtdGhlLWFjY291bnQ=";
const ANOTHER_KEY: &str = "bWFya2VyLW9mLWFub3RoZXIta2V5";

/// The shortest time that a node waits for a lease of another node.
const LEASE: Duration = Duration::from_secs(12);

/// An object store with the bucket `tools`.
struct Bucket {
    server: Server,
    script: &'static str,
    url: &'static str,
    /// Environment variables with an identity for the official client and for a node.
    variables: BTreeMap<&'static str, String>,
    folder: TempDir,
}

impl Bucket {
    fn azure() -> Self {
        Self::start("fake_blobs.py", "abfss://tools@lawfirm.dfs.core.windows.net/a/store", |url, _| {
            [
                ("AZURE_STORAGE_ACCOUNT_NAME", "lawfirm".to_owned()),
                ("AZURE_STORAGE_ACCOUNT_KEY", KEY.to_owned()),
                ("AZURE_STORAGE_ENDPOINT", format!("{url}/lawfirm")),
            ]
            .into()
        })
    }

    fn google() -> Self {
        Self::start("fake_gcs.py", "gs://tools/a/store", |url, folder| {
            [("GOOGLE_APPLICATION_CREDENTIALS", format!("{folder}/account.json")), ("GOOGLE_BASE_URL", url.to_owned())]
                .into()
        })
    }

    fn start(
        script: &'static str,
        url: &'static str,
        variables: impl FnOnce(&str, &str) -> BTreeMap<&'static str, String>,
    ) -> Self {
        let (port, folder) = (free_port(), tempfile::tempdir().expect("a temporary folder"));
        let folder_name = folder.path().display().to_string();
        let variables = variables(&format!("http://127.0.0.1:{port}"), &folder_name);
        let mut python = client("python");
        python.arg(path_of(script)).args(["serve", &port.to_string(), &folder_name]).envs(&variables);
        let bucket = Self { server: Server::start(python, port), script, url, variables, folder };
        bucket.official(&["create", "tools"], b"");
        bucket
    }

    /// The output of the official client.
    fn official(&self, words: &[&str], input: &[u8]) -> String {
        let mut python = client("python");
        python.arg(path_of(self.script)).args(words).envs(&self.variables);
        let piped = python.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut python = piped.spawn().expect("Python runs");
        // A program that ends early does not read its input. Its status tells.
        let _ = python.stdin.take().expect("it is piped").write_all(input);
        let output = python.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text").trim().to_owned()
    }

    /// The names in the bucket with the SHA-256 of their objects, from the official client.
    fn seen(&self) -> BTreeMap<String, String> {
        serde_json::from_str(&self.official(&["list", "tools"], b"")).expect("JSON")
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        self.official(&["put", "tools", &format!("a/store/{name}")], bytes);
    }

    fn node(&self) -> NodeTest {
        self.variables.iter().fold(NodeTest::new(), |node, (name, value)| node.var(name, value))
    }

    fn agent(&self, node: &NodeTest, arguments: &[&str]) -> CommandOutput {
        agent(node, &[arguments, &["--store", self.url]].concat())
    }

    /// A store of this process, and its warnings.
    fn store(&self, url: &str) -> (Store, Arc<Mutex<Vec<String>>>) {
        let variables = self.variables.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let environment = ClientEnvironment { variables, home: None };
        let clouds = Arc::new(Clouds::new(Arc::new(http::Client::default()), environment));
        let warnings = Arc::new(Mutex::new(Vec::new()));
        let output = Arc::clone(&warnings);
        let local = tempfile::tempdir_in(self.folder.path()).expect("a folder").keep();
        let places = StoreLocations { local, limit: u64::MAX, shared: Some(url.parse().expect("an address")) };
        let store =
            Store::open(&places, &clouds, Arc::new(move |warning: String| output.lock().expect("sound").push(warning)));
        (store, warnings)
    }
}

fn path_of(script: &str) -> String {
    format!("{}/tests/clouds/{script}", env!("CARGO_MANIFEST_DIR"))
}

fn agent(node: &NodeTest, arguments: &[&str]) -> CommandOutput {
    let output = node.agent_without_store(&[&["-vv", "store"], arguments].concat());
    says_no_credential(&output.all());
    output
}

/// Checks that a text contains no credential.
fn says_no_credential(text: &str) {
    for secret in ["marker-of-", KEY, ANOTHER_KEY, "sig=", "PRIVATE KEY", "Bearer ", "eyJ"] {
        assert!(!text.contains(secret), "`{secret}` is in {text}");
    }
}

#[test]
fn the_official_clients_accept_the_test_servers() {
    let output: Value = serde_json::from_str(&Bucket::azure().official(&["agree"], b"")).expect("JSON");
    let refused = json!({
        "nowhere": "ContainerNotFound", "there": "BlobAlreadyExists", "stale": "ConditionNotMet", "gone": "BlobNotFound",
        "stranger": "AuthenticationFailed",
    });
    assert_eq!(output, refused);
    let output: Value = serde_json::from_str(&Bucket::google().official(&["agree"], b"")).expect("JSON");
    let refused = json!({
        "nowhere": "NotFound", "there": "PreconditionFailed", "stale": "PreconditionFailed", "gone": "NotFound",
        "stranger": "RefreshError",
    });
    assert_eq!(output, refused);
}

#[test]
fn objects_in_an_azure_container_are_shared_and_readable_by_the_official_client() {
    check_sharing_of_objects(&Bucket::azure());
}

#[test]
fn objects_in_a_google_bucket_are_shared_and_readable_by_the_official_client() {
    check_sharing_of_objects(&Bucket::google());
}

#[test]
fn a_profile_names_a_file_in_an_azure_container() {
    let bucket = Bucket::azure();
    bucket.put("conf/x.conf", CONTENT);
    an_object_is_fetched_as_a_file_of_a_profile(|| bucket.node(), &format!("{}/conf/x.conf", bucket.url));
}

#[test]
fn a_profile_names_a_file_in_a_google_bucket() {
    let bucket = Bucket::google();
    bucket.put("conf/x.conf", CONTENT);
    an_object_is_fetched_as_a_file_of_a_profile(|| bucket.node(), &format!("{}/conf/x.conf", bucket.url));
}

#[test]
fn a_profile_names_a_folder_in_an_azure_container() {
    check_folder(&Bucket::azure());
}

#[test]
fn a_profile_names_a_folder_in_a_google_bucket() {
    check_folder(&Bucket::google());
}

fn check_folder(bucket: &Bucket) {
    let put = |name: &str, bytes: &[u8]| bucket.put(&format!("folder/{name}"), bytes);
    a_folder_is_locked_and_its_objects_are_fetched(|| bucket.node(), &format!("{}/folder/", bucket.url), put);
}

fn check_sharing_of_objects(bucket: &Bucket) {
    let (one, two) = (bucket.node(), bucket.node());
    let large: Vec<u8> = (0..5_500_000_u32).map(|index| (index % 251) as u8).collect();
    for bytes in [&b"hello"[..], b"", &large] {
        keep(&one, bytes);
    }
    let all = json!({ "objects": 3, "bytes": 5_500_005 });
    let pushed = bucket.agent(&one, &["push", "--json"]).ended(0).json();
    assert_eq!((&pushed["objects"], &pushed["failed"]), (&all, &json!(0)));
    assert_eq!(bucket.agent(&one, &["push", "--json"]).ended(0).json()["objects"]["objects"], 0, "all is there");
    let named = [&b"hello"[..], b"", &large]
        .map(|bytes| (format!("a/store/{}", object(bytes)), Digest::sha256(bytes).hex().to_owned()));
    assert_eq!(bucket.seen(), named.into());
    assert_eq!(bucket.agent(&two, &["pull", "--json"]).ended(0).json()["objects"], all);
    assert!(std::fs::read(two.root().join(LOCAL).join(object(&large))).expect("there") == large);
    let stat = bucket.agent(&two, &["stat", "--json"]).ended(0).json();
    assert_eq!((&stat["shared"]["objects"], &stat["shared"]["place"]), (&all, &json!(bucket.url)));
    assert_eq!(bucket.agent(&two, &["verify", "--shared", "--json"]).ended(0).json()["sound"], all);
    // Another client overwrites an object.
    let name = object(b"hello");
    bucket.put(&name, b"hellp");
    let three = bucket.node();
    let output = bucket.agent(&three, &["pull"]).ended(1);
    assert!(output.stderr.contains("the file `2cf24dba5fb0` in the shared store"), "{}", output.stderr);
    assert!(output.stderr.contains("is not used: its digest is sha256:"), "{}", output.stderr);
    assert_eq!(bucket.agent(&three, &["verify", "--shared", "--json"]).ended(1).json()["damaged"], json!([name]));
    assert_eq!(bucket.agent(&one, &["push", "--json"]).ended(0).json()["objects"]["objects"], 1, "it is replaced");
    let removed = bucket.agent(&one, &["gc", "--shared", "--limit", "0 B", "--json"]).ended(0).json();
    assert_eq!(removed["objects"]["objects"], 3);
    assert_eq!(bucket.seen(), BTreeMap::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_hold_leases_in_an_azure_container() {
    nodes_hold_leases(&Bucket::azure()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_hold_leases_in_a_google_bucket() {
    nodes_hold_leases(&Bucket::google()).await;
}

async fn nodes_hold_leases(bucket: &Bucket) {
    let (one, warnings) = bucket.store(bucket.url);
    let (two, three) = (bucket.store(bucket.url).0, bucket.store(bucket.url).0);
    let (key, short) = (Key::of_object(&Digest::sha256(b"x")), Duration::from_secs(6));
    let lease = one.lease(&key, short).await;
    assert!(matches!(lease, Lease::Taken(_)));
    let seen = bucket.seen();
    assert_eq!(seen.into_keys().collect::<Vec<_>>(), [format!("a/store/v1/leases/{}", key.hex())]);
    assert!(matches!(two.lease(&key, short).await, Lease::Held { .. }));
    assert!(two.is_leased(&key, short).await);
    tokio::time::sleep(short + Duration::from_secs(1)).await;
    assert!(matches!(two.lease(&key, short).await, Lease::Held { .. }), "it was renewed");
    drop(lease);
    one.settle(Duration::from_secs(30)).await;
    assert_eq!(bucket.seen(), BTreeMap::new(), "it was given back");
    let count_taken = |leases: &[Lease]| leases.iter().filter(|lease| matches!(lease, Lease::Taken(_))).count();
    let all = [&one, &two, &three];
    let leases = futures::future::join_all(all.map(|store| store.lease(&key, short))).await;
    assert_eq!(count_taken(&leases), 1, "exactly one takes a free lease");
    // The holder was killed.
    let other = Key::of_object(&Digest::sha256(b"y"));
    let dead = br#"{"holder":"dead-1-1","expires":"2026-01-01T00:00:00Z"}"#;
    bucket.put(&format!("v1/leases/{}", other.hex()), dead);
    let leases = futures::future::join_all(all.map(|store| store.lease(&other, short))).await;
    assert_eq!(count_taken(&leases), 1, "exactly one takes an expired lease");
    assert!(warnings.lock().expect("sound").is_empty(), "{warnings:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_permission_to_remove_an_azure_container_is_still_read() {
    let mut bucket = Bucket::azure();
    let sas = bucket.official(&["sas", "tools", "rwl"], b"");
    bucket.put(&object(b"hello"), b"hello");
    let (may, _) = (bucket.variables.clone(), bucket.variables.remove("AZURE_STORAGE_ACCOUNT_KEY"));
    bucket.variables.insert("AZURE_STORAGE_SAS_TOKEN", sas);
    let (store, warnings) = bucket.store(bucket.url);
    bucket.variables = may;
    let digest = Digest::sha256(b"hello");
    drop(store.lease(&Key::of_object(&digest), Duration::from_secs(3)).await);
    store.settle(Duration::from_secs(30)).await;
    assert!(store.object(&digest, Some(5), &bucket.folder.path().join("to"), |_| ()).await);
    let warning = format!("nothing is published to the shared store `{}`: access denied: 403 Forbidden", bucket.url);
    assert_eq!(*warnings.lock().expect("sound"), [warning]);
}

#[test]
fn a_missing_azure_container_is_one_warning() {
    is_not_there(&Bucket::azure(), "az://nobodys/a/store", "404 Not Found ContainerNotFound");
}

#[test]
fn a_missing_google_bucket_is_one_warning() {
    is_not_there(&Bucket::google(), "gs://nobodys/a/store", "404 Not Found NoSuchBucket");
}

fn is_not_there(bucket: &Bucket, url: &str, why: &str) {
    let node = bucket.node();
    keep(&node, b"hello");
    let output = agent(&node, &["push", "--store", url]).ended(1);
    assert_eq!(warnings(&output.stderr), [format!("the shared store `{url}` is not used any more: {why}")]);
    // Without a writable store, no lease can exist and no node waits.
    let output = run_with(url, &bucket.variables);
    assert_eq!(warnings(&output), [format!("the shared store `{url}` is not used any more: {why}")]);
}

#[test]
fn a_wrong_azure_key_is_one_warning() {
    let bucket = Bucket::azure();
    let mut variables = bucket.variables.clone();
    variables.insert("AZURE_STORAGE_ACCOUNT_KEY", ANOTHER_KEY.to_owned());
    is_wrong(&bucket, &variables, "access denied: 403 Forbidden AuthenticationFailed");
    variables.insert("AZURE_STORAGE_ACCOUNT_KEY", "marker-of-no-key".to_owned());
    is_wrong(&bucket, &variables, "Invalid Access Key: Invalid symbol 45, offset 6.");
    variables.remove("AZURE_STORAGE_ACCOUNT_KEY");
    variables.insert("AZURE_STORAGE_SAS_TOKEN", format!("{}x", bucket.official(&["sas", "tools", "rwdl"], b"")));
    is_wrong(&bucket, &variables, "access denied: 403 Forbidden AuthenticationFailed");
}

#[test]
fn a_wrong_google_key_is_one_warning() {
    let bucket = Bucket::google();
    let mut variables = bucket.variables.clone();
    let folder = bucket.folder.path().display();
    variables.insert("GOOGLE_APPLICATION_CREDENTIALS", format!("{folder}/stranger.json"));
    is_wrong(&bucket, &variables, "access denied: 401 Unauthorized AuthenticationRequired");
    variables.insert("GOOGLE_APPLICATION_CREDENTIALS", format!("{folder}/absent.json"));
    let why = format!(
        "Unable to open service account file from {folder}/absent.json: No such file or directory (os error 2)"
    );
    is_wrong(&bucket, &variables, &why);
}

fn is_wrong(bucket: &Bucket, variables: &BTreeMap<&'static str, String>, why: &str) {
    let node = variables.iter().fold(NodeTest::new(), |node, (name, value)| node.var(name, value));
    let output = bucket.agent(&node, &["pull"]).ended(1);
    let warning = format!("the shared store `{}` is not used any more: {why}", bucket.url);
    assert_eq!(warnings(&output.stderr), [warning.as_str()]);
    assert_eq!(warnings(&run_with(bucket.url, variables)), [warning]);
}

fn warnings(output: &str) -> Vec<&str> {
    output.lines().filter_map(|line| line.split_once("warning: ")).map(|(_, warning)| warning).collect()
}

/// Runs a profile that fetches packages, with this shared store. Must succeed; returns the output.
fn run_with(url: &str, variables: &BTreeMap<&'static str, String>) -> String {
    let packages = [("one".to_owned(), 200_000), ("two".to_owned(), 300_000)];
    let quick = Pace { latency: Duration::from_millis(1), connection: 64 << 20, line: 64 << 20 };
    let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let cluster = Cluster::new(1, &packages, quick).sharing(url, &variables);
    let began = std::time::Instant::now();
    let ended = cluster.start(0).wait().expect("it is our child");
    let output = cluster.stderr(0);
    assert!(ended.success(), "{output}");
    assert!(began.elapsed() < LEASE, "{:?}: {output}", began.elapsed());
    says_no_credential(&output);
    output
}

#[test]
fn an_azure_node_can_use_its_identity_or_a_sas_token() {
    let bucket = Bucket::azure();
    bucket.put(&object(b"hello"), b"hello");
    let endpoint = bucket.variables["AZURE_STORAGE_ENDPOINT"].as_str();
    let metadata = format!("{}/metadata/identity/oauth2/token", bucket.server.url());
    let sas = bucket.official(&["sas", "tools", "rwdl"], b"");
    for (name, value) in [("AZURE_MSI_ENDPOINT", &metadata), ("AZURE_STORAGE_SAS_TOKEN", &sas)] {
        let node = NodeTest::new().var("AZURE_STORAGE_ENDPOINT", endpoint).var(name, value);
        // nodeagent starts no other program to get an identity.
        let node = node.var("AZURE_USE_AZURE_CLI", "true").var("AZURE_CREDENTIAL_TYPE", "azure_cli");
        let pulled = bucket.agent(&node, &["pull", "--json"]).ended(0).json();
        assert_eq!(pulled["objects"], json!({ "objects": 1, "bytes": 5 }));
        let removed = bucket.agent(&node, &["gc", "--shared", "--limit", "0 B", "--json"]).ended(0).json();
        assert_eq!((&removed["objects"]["objects"], bucket.seen().len()), (&json!(1), 0));
        // The other form of the address takes the account from a variable.
        let node = node.var("AZURE_STORAGE_ACCOUNT_NAME", "lawfirm");
        let pushed = agent(&node, &["push", "--json", "--store", "az://tools/a/store"]).ended(0).json();
        assert_eq!(pushed["objects"], json!({ "objects": 1, "bytes": 5 }));
        assert_eq!(bucket.seen().len(), 1);
    }
}

#[test]
fn a_google_node_can_use_its_service_account() {
    let bucket = Bucket::google();
    bucket.put(&object(b"hello"), b"hello");
    let host = format!("127.0.0.1:{}", bucket.server.port);
    let node = NodeTest::new().var("GOOGLE_BASE_URL", &bucket.server.url()).var("GCE_METADATA_HOST", &host);
    let pulled = bucket.agent(&node, &["pull", "--json"]).ended(0).json();
    assert_eq!(pulled["objects"], json!({ "objects": 1, "bytes": 5 }));
    assert_eq!(bucket.agent(&node, &["verify", "--shared", "--json"]).ended(0).json()["sound"]["objects"], 1);
}
