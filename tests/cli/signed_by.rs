//! Files on a server of loopback that a minisign key authenticates.

use std::sync::{Arc, Mutex};

use nodeagent::{
    digest::Digest,
    trust::{Prehash, SecretKey, beside, trusted_comment},
};

use crate::{
    http_server::{RecordedRequest, Reply, TestServer, reply},
    stages,
    support::{NodeTest, put},
};

/// The files of a server, by their paths.
type Files = Arc<Mutex<Vec<(String, String)>>>;

/// A server of files that a key signs.
struct Signer {
    key: SecretKey,
    files: Files,
    server: TestServer,
}

impl Signer {
    fn new() -> Self {
        Self::answering(|_| None)
    }

    /// A server that answers some requests in another way.
    fn answering(other: impl Fn(&RecordedRequest) -> Option<Reply> + Send + Sync + 'static) -> Self {
        let files = Files::default();
        let shared = Arc::clone(&files);
        let server = TestServer::start(move |request, _| {
            if let Some(other) = other(request) {
                return other;
            }
            let files = shared.lock().expect("no panic while held");
            match files.iter().rev().find(|(path, _)| path == request.path()) {
                Some((_, text)) => reply("200 OK", text),
                None => reply("404 Not Found", ""),
            }
        });
        Self { key: SecretKey::generate().expect("random numbers"), files, server }
    }

    fn serve(&self, path: &str, text: &str) {
        self.files.lock().expect("no panic while held").push((path.to_owned(), text.to_owned()));
    }

    /// The signature of a text under a file name.
    fn signature(&self, name: &str, text: &str) -> String {
        let hash = Prehash::of(text.as_bytes());
        let comment = trusted_comment(1_700_000_000, name, None);
        self.key.sign(&hash, &comment).expect("it signs").to_file()
    }

    fn publish(&self, name: &str, text: &str) {
        self.serve(&format!("/{name}"), text);
        self.serve(&format!("/{name}.minisig"), &self.signature(name, text));
    }

    /// A profile that copies the file `a.txt` of the server. `signed` has the keys of `signed-by`.
    fn profile(&self, signed: &str) -> String {
        self.profile_of(&["/a.txt"], signed)
    }

    /// A profile that copies a file with these paths on the server.
    fn profile_of(&self, paths: &[&str], signed: &str) -> String {
        format!("[files]\n\"/etc/a\" = {{ from = {} }}\n", self.asset(paths, signed))
    }

    /// A file with these paths on the server.
    fn asset(&self, paths: &[&str], signed: &str) -> String {
        let urls: Vec<String> = paths.iter().map(|path| self.server.at(path)).collect();
        format!("{{ url = {urls:?}, signed-by = {{ {signed} }} }}")
    }

    fn key(&self) -> String {
        format!("key = \"{}\"", self.key.public())
    }
}

fn agent(node: &NodeTest, command: &str, status: i32) -> String {
    node.agent(&[command, "--profile", "x.toml"]).ended(status).all()
}

#[test]
fn a_signed_file_is_verified_once_and_a_ready_node_sends_no_request() {
    let signer = Signer::new();
    signer.publish("a.txt", "one");
    let node = NodeTest::new().debs(&[]).profile(&signer.profile(&signer.key()));
    let planned = agent(&node, "plan", 0);
    assert!(planned.contains("/etc/a") && !planned.contains("nothing to do"), "{planned}");
    assert_eq!(signer.server.paths(), [""; 0], "a plan fetches nothing");
    agent(&node, "run", 0);
    assert_eq!(node.read("etc/a"), "one");
    let requests = signer.server.paths();
    assert_eq!(requests, ["/a.txt", "/a.txt.minisig"]);
    let ready = node.listing();
    assert!(agent(&node, "run", 0).contains("nothing to do"));
    assert!(agent(&node, "plan", 0).contains("nothing to do"));
    assert_eq!(node.changes_since(&ready), [""; 0]);
    // A damaged file is repaired from the verified copy.
    let node = node.file("etc/a", "damaged");
    agent(&node, "run", 0);
    assert_eq!(node.read("etc/a"), "one");
    assert_eq!(signer.server.paths(), requests, "a ready node needs no server");
    // Without the cache, the file is verified again. It is in place already.
    std::fs::remove_dir_all(node.root().join("var/cache/nodeagent")).expect("there");
    assert!(agent(&node, "run", 0).contains("nothing to do"));
    assert_eq!(signer.server.paths().len(), 4);
}

#[test]
fn a_newer_file_at_the_same_address_is_used_after_the_record_of_the_old_one_is_removed() {
    let signer = Signer::new();
    signer.publish("a.txt", "one");
    let node = NodeTest::new().debs(&[]).profile(&signer.profile(&signer.key()));
    agent(&node, "run", 0);
    signer.publish("a.txt", "two");
    let said = agent(&node, "run", 0);
    assert!(said.contains("nothing to do") && node.read("etc/a") == "one", "{said}");
    std::fs::remove_dir_all(node.root().join("var/cache/nodeagent/assets/signed")).expect("there");
    agent(&node, "run", 0);
    assert_eq!(node.read("etc/a"), "two");
}

#[test]
fn a_key_and_a_signature_may_be_files() {
    let signer = Signer::new();
    signer.serve("/a.txt", "one");
    let keys = "key = \"keys/a.pub\", signature = { path = \"a.sig\" }";
    let node = NodeTest::new()
        .debs(&[])
        .work("keys/a.pub", &signer.key.public().to_file())
        .work("a.sig", &signer.signature("a.txt", "one"))
        .profile(&signer.profile(keys));
    agent(&node, "run", 0);
    assert_eq!(node.read("etc/a"), "one");
    let other = SecretKey::generate().expect("random numbers").public();
    let node = node.work("keys/a.pub", &other.to_file());
    let said = agent(&node, "run", 2);
    assert!(said.contains("is not signed by `keys/a.pub`") && said.contains("which is not trusted"), "{said}");
}

#[test]
fn a_file_without_a_valid_signature_refuses_the_run() {
    type Publish = fn(&Signer);
    let cases: [(&str, Publish); 5] = [
        ("its content does not match its signature", |signer| {
            signer.publish("a.txt", "one");
            signer.serve("/a.txt", "changed");
        }),
        ("which is not trusted", |signer| {
            let other = Signer::new();
            signer.serve("/a.txt", "one");
            signer.serve("/a.txt.minisig", &other.signature("a.txt", "one"));
        }),
        ("its signature is for `b.txt`", |signer| {
            signer.serve("/a.txt", "one");
            signer.serve("/a.txt.minisig", &signer.signature("b.txt", "one"));
        }),
        ("its signature is invalid", |signer| {
            signer.serve("/a.txt", "one");
            signer.serve("/a.txt.minisig", "hello");
        }),
        ("the signature of", |signer| signer.serve("/a.txt", "one")),
    ];
    for (why, publish) in cases {
        let signer = Signer::new();
        publish(&signer);
        let node = NodeTest::new().debs(&[]).profile(&signer.profile(&signer.key()));
        let said = agent(&node, "run", 2);
        assert!(said.contains(why) && said.contains("x.toml:4"), "{said}");
        assert!(!node.root().join("etc/a").exists());
    }
}

#[test]
fn a_mirror_without_a_validly_signed_file_is_followed_by_the_next_one() {
    let signer = Signer::new();
    signer.publish("wrong/a.txt", "one");
    signer.serve("/wrong/a.txt", "changed");
    signer.serve("/unsigned/a.txt", "one");
    let mut mirrors = vec!["/wrong/a.txt", "/unsigned/a.txt", "/gone/a.txt"];
    let node = NodeTest::new().debs(&[]).profile(&signer.profile_of(&mirrors, &signer.key()));
    let said = agent(&node, "run", 2);
    for (path, why) in [
        ("/wrong/a.txt", "its content does not match its signature"),
        ("/unsigned/a.txt", "the server answered with status 404"),
        ("/gone/a.txt", "the server answered with status 404"),
    ] {
        let mirror = format!("`{}`: ", signer.server.at(path));
        assert!(said.lines().any(|line| line.contains(&mirror) && line.contains(why)), "{path}: {said}");
    }
    assert!(said.contains("x.toml:4") && !node.root().join("etc/a").exists(), "{said}");
    signer.serve("/good/a.txt", "one");
    signer.serve("/good/a.txt.minisig", &signer.signature("a.txt", "one"));
    mirrors.push("/good/a.txt");
    let node = node.profile(&signer.profile_of(&mirrors, &signer.key()));
    agent(&node, "run", 0);
    assert_eq!(node.read("etc/a"), "one");
}

#[test]
fn a_mirror_of_the_signature_may_have_a_signature_of_another_version() {
    let signer = Signer::new();
    signer.serve("/a.txt", "two");
    signer.serve("/old.sig", &signer.signature("a.txt", "one"));
    signer.serve("/new.sig", &signer.signature("a.txt", "two"));
    let urls = ["/gone.sig", "/old.sig", "/new.sig"].map(|path| signer.server.at(path));
    let keys = format!("{}, signature = {{ url = {urls:?} }}", signer.key());
    let node = NodeTest::new().debs(&[]).profile(&signer.profile(&keys));
    agent(&node, "run", 0);
    assert_eq!(node.read("etc/a"), "two");
}

#[test]
fn the_digest_of_a_signature_is_checked() {
    let signer = Signer::new();
    let signature = signer.signature("a.txt", "one");
    signer.serve("/a.txt", "one");
    signer.serve("/a.sig", &signature);
    let at = signer.server.at("/a.sig");
    for from in ["path = \"a.sig\"".to_owned(), format!("url = \"{at}\"")] {
        let node = NodeTest::new().debs(&[]).work("a.sig", &signature);
        let signed_by = |digest: &Digest| {
            let keys = format!("{}, signature = {{ {from}, sha256 = \"{}\" }}", signer.key(), digest.hex());
            signer.profile(&keys)
        };
        let node = node.profile(&signed_by(&Digest::sha256(b"another")));
        let said = agent(&node, "run", 2);
        assert!(said.contains("a.sig` does not have the digest that the profile says"), "{said}");
        assert!(!node.root().join("etc/a").exists());
        let node = node.profile(&signed_by(&Digest::sha256(signature.as_bytes())));
        agent(&node, "run", 0);
        assert_eq!(node.read("etc/a"), "one");
        // A file that was verified by another signature is verified again.
        let node = node.profile(&signed_by(&Digest::sha256(b"another")));
        agent(&node, "run", 2);
    }
}

#[test]
fn a_signed_file_may_have_the_ending_of_a_signature() {
    let signer = Signer::new();
    signer.publish("a.minisig", "one");
    let node = NodeTest::new().debs(&[]).profile(&signer.profile_of(&["/a.minisig"], &signer.key()));
    agent(&node, "run", 0);
    assert_eq!(node.read("etc/a"), "one");
}

#[test]
fn signatures_and_keys_on_servers_have_a_size_limit() {
    let signer = Signer::new();
    signer.publish("a.txt", "one");
    let long = "x".repeat(20 << 10);
    signer.serve("/long", &long);
    let at = signer.server.at("/long");
    let signature = format!("{}, signature = \"{at}\"", signer.key());
    let key = format!("key = {{ url = \"{at}\", sha256 = \"{}\" }}", Digest::sha256(long.as_bytes()).hex());
    for (keys, limit) in [(signature, 16 << 10), (key, 4 << 10)] {
        let node = NodeTest::new().debs(&[]).profile(&signer.profile(&keys));
        let said = agent(&node, "run", 2);
        assert!(said.contains(&format!("the answer is larger than {limit} bytes")), "{said}");
    }
}

#[test]
fn an_optional_file_that_is_not_served_fails_only_its_entry() {
    let signer = Signer::new();
    let from = signer.asset(&["/a.txt"], &signer.key());
    let profile =
        format!("[files]\n\"/etc/a\" = {{ from = {from}, optional = true }}\n\"/etc/b\" = {{ text = \"b\" }}\n");
    let node = NodeTest::new().debs(&[]).profile(&profile);
    let said = agent(&node, "run", 0);
    assert!(said.contains("could not be fetched") && said.contains("status 404"), "{said}");
    assert_eq!(node.read("etc/b"), "b\n");
    assert_eq!(signer.server.paths(), ["/a.txt"], "the step does not fetch it again");
    // A file that was replaced is refused, even if its entry is optional.
    signer.publish("a.txt", "one");
    signer.serve("/a.txt", "changed");
    let said = agent(&node, "run", 2);
    assert!(said.contains("its content does not match its signature"), "{said}");
}

#[test]
fn an_optional_file_that_is_not_served_fails_only_its_entry_in_the_post_start_stage() {
    let signer = Signer::new();
    let from = signer.asset(&["/a.txt"], &signer.key());
    let with_digest =
        format!("{{ url = \"{}\", sha256 = \"{}\" }}", signer.server.at("/c.txt"), Digest::sha256(b"three").hex());
    let later = "stage = \"post-start\"";
    let profile = format!(
        "[files]\n\"/etc/a\" = {{ from = {from}, {later}, optional = true }}\n\"/etc/b\" = {{ text = \"two\", {later} \
         }}\n\"/etc/c\" = {{ from = {with_digest}, {later}, optional = true }}\n[post-start]\nready = {{ path = \
         \"/tmp/ready\" }}\n"
    );
    let node = NodeTest::new().debs(&[]).profile(&profile);
    let said = node.agent(&["run", "--profile", "./x.toml"]).ended(0).all();
    for name in ["/a.txt", "/c.txt"] {
        let name = format!("`{}` could not be fetched", signer.server.at(name));
        assert!(said.contains(&name), "{name}: {said}");
    }
    // The stage fetches a file with a digest again. A signature is verified during the launch only.
    signer.publish("a.txt", "one");
    signer.serve("/c.txt", "three");
    let node = node.file("tmp/ready", "");
    let report = stages::ended(&node, 1).remove(0);
    assert_eq!(report["outcome"], "degraded", "{report:#}");
    let why = report["steps"][0]["failure"]["message"].as_str().expect("a failure");
    assert!(why.contains("was not verified"), "{report:#}");
    assert!(!node.root().join("etc/a").exists());
    assert_eq!((node.read("etc/b"), node.read("etc/c")), ("two\n".to_owned(), "three".to_owned()));
    // The next launch verifies it.
    node.agent(&["run", "--profile", "./x.toml"]).ended(0);
    assert_eq!(stages::ended(&node, 2)[1]["outcome"], "done");
    assert_eq!(node.read("etc/a"), "one");
}

/// A signer whose server needs a login below `/team/`, and the start of a profile with that login.
fn with_login(node: NodeTest) -> (Signer, NodeTest, String) {
    // `reader:open sesame` in base64.
    const LOGIN: &str = "Basic cmVhZGVyOm9wZW4gc2VzYW1l";
    let signer = Signer::answering(|request| {
        let is_refused = request.path().starts_with("/team/") && request.header("authorization") != LOGIN;
        is_refused.then(|| reply("401 Unauthorized", ""))
    });
    let secrets = node.beside("secrets");
    std::fs::create_dir_all(secrets.join("family")).expect("a folder");
    put(&secrets.join("family/token"), "open sesame");
    let head = format!(
        "[secrets]\nsource = \"file\"\nscope = \"family\"\npath = \"{}\"\n[[logins]]\nurl = \"{}\"\nuser = \
         \"reader\"\nkey = \"token\"\n",
        secrets.display(),
        signer.server.at("/team/")
    );
    (signer, node, head)
}

#[test]
fn a_signed_file_that_no_step_needs_is_not_fetched() {
    let (signer, node, head) = with_login(NodeTest::new().debs(&[]).file("opt/x", ""));
    let from = signer.asset(&["/team/x.sh"], &signer.key());
    let rest = "[files]\n\"/etc/b\" = { text = \"b\" }\n";
    let node = node.profile(&format!("{head}[installers.x]\nfrom = {from}\ncreates = \"/opt/x\"\n{rest}"));
    agent(&node, "run", 0);
    assert_eq!(node.read("etc/b"), "b\n");
    assert_eq!(signer.server.paths(), [""; 0]);
}

#[test]
fn a_login_for_the_address_of_a_signature_is_sent_although_it_matches_another_section() {
    let node = NodeTest::new().debs(&[]).python(&[("w", "1.0")]);
    let (signer, node, head) = with_login(node);
    signer.serve("/a.txt", "one");
    signer.serve("/team/a.sig", &signer.signature("a.txt", "one"));
    let wheel = format!(
        "[wheel]\nfiles = [{{ url = \"{}\", sha256 = \"{}\" }}]\n",
        signer.server.at("/team/w-1.0-py3-none-any.whl"),
        Digest::sha256(b"w").hex()
    );
    let keys = format!("{}, signature = \"{}\"", signer.key(), signer.server.at("/team/a.sig"));
    let node = node.profile(&format!("{head}{wheel}{}", signer.profile(&keys)));
    agent(&node, "run", 0);
    assert_eq!(node.read("etc/a"), "one");
}

#[test]
fn the_file_of_a_hook_is_fetched_with_its_login() {
    let (signer, node, head) = with_login(NodeTest::new().debs(&[]));
    signer.serve("/team/x.sh", "true\n");
    signer.serve("/team/x.sh.minisig", &signer.signature("x.sh", "true\n"));
    let from = signer.asset(&["/team/x.sh"], &signer.key());
    let program = format!("from = {from}\ninterpreter = [\"sh\"]\n");
    let node = node
        .file("etc/passwd", "root:x:0:0:root:/root:/bin/bash\n")
        .file("etc/group", "root:x:0:\n")
        .profile(&format!("{head}[hooks.x]\n{program}"));
    agent(&node, "run", 0);
    assert_eq!(signer.server.paths(), ["/team/x.sh", "/team/x.sh.minisig"]);
}

#[test]
fn with_trusted_keys_the_key_of_a_signature_must_be_signed() {
    let signer = Signer::new();
    signer.publish("a.txt", "one");
    let trusted = SecretKey::generate().expect("random numbers");
    let node = NodeTest::new().debs(&[]);
    put(&node.root().join("etc/nodeagent.toml"), &format!("trusted-keys = [\"{}\"]\n", trusted.public()));
    let sign = |path: &std::path::Path, name: &str| {
        let hash = Prehash::of(&std::fs::read(path).expect("there"));
        let comment = trusted_comment(1_700_000_000, name, None);
        put(&beside(path), &trusted.sign(&hash, &comment).expect("it signs").to_file());
    };
    let node = node.profile(&signer.profile(&signer.key()));
    sign(&node.beside("desk/x.toml"), "x.toml");
    agent(&node, "run", 0);
    assert_eq!(node.read("etc/a"), "one");
    let key = node.beside("desk/keys/a.pub");
    let node = node
        .work("keys/a.pub", &signer.key.public().to_file())
        .profile(&signer.profile("key = \"keys/a.pub\""))
        .file("etc/a", "another");
    sign(&node.beside("desk/x.toml"), "x.toml");
    let said = agent(&node, "run", 2);
    assert!(said.contains("keys/a.pub` is not trusted: it has no signature"), "{said}");
    sign(&key, "a.pub");
    agent(&node, "run", 0);
    assert_eq!(node.read("etc/a"), "one");
}

/// The keys and signatures of the fixtures, and the fingerprints of the keys.
const RING: &str = include_str!("../fixtures/openpgp/ring.asc");
const RING_FINGERPRINT: &str = "CED3 8F8C CEA0 D3CD FB91  3C81 376D 2E8D E12C FF79";
const OTHER: &str = include_str!("../fixtures/openpgp/other.asc");
const HELLO: &str = include_str!("../fixtures/openpgp/hello.txt");
const SIGNED_BY_RING: &str = include_str!("../fixtures/openpgp/hello.txt.asc");
const SIGNED_BY_OTHER: &str = include_str!("../fixtures/openpgp/hello.txt.other.asc");

#[test]
fn an_openpgp_key_with_its_fingerprint_verifies_a_file() {
    let signer = Signer::new();
    signer.serve("/a.txt", HELLO);
    signer.serve("/a.txt.asc", SIGNED_BY_RING);
    signer.serve("/ring.asc", RING);
    let on_server = format!("key = {{ url = \"{}\" }}", signer.server.at("/ring.asc"));
    for key in ["key = \"keys/ring.asc\"", &on_server] {
        let profile = signer.profile(&format!("{key}, fingerprint = \"{RING_FINGERPRINT}\""));
        let node = NodeTest::new().debs(&[]).work("keys/ring.asc", RING).profile(&profile);
        agent(&node, "run", 0);
        assert_eq!(node.read("etc/a"), HELLO);
        let requests = signer.server.paths().len();
        assert!(agent(&node, "run", 0).contains("nothing to do"));
        assert_eq!(signer.server.paths().len(), requests, "a ready node sends no request");
        let shown = node.agent(&["check", "x.toml", "--show"]).ended(0).stdout;
        assert!(shown.contains("fingerprint = [\"CED38F8CCEA0D3CDFB913C81376D2E8DE12CFF79\"]"), "{shown}");
    }
}

#[test]
fn a_file_without_a_valid_openpgp_signature_refuses_the_run() {
    let cases = [
        (RING, HELLO, SIGNED_BY_OTHER, "no signature by one of the keys is valid"),
        (RING, "changed", SIGNED_BY_RING, "no signature by one of the keys is valid"),
        (RING, HELLO, "no signature", "no signature by one of the keys is valid"),
        (OTHER, HELLO, SIGNED_BY_OTHER, "it has 2E064316CE4B0C233F4E47534EE853A6BF3D54DD"),
        (HELLO, HELLO, SIGNED_BY_RING, "it is no OpenPGP key that can be used"),
    ];
    for (key, text, signature, reason) in cases {
        let signer = Signer::new();
        signer.serve("/a.txt", text);
        signer.serve("/a.txt.asc", signature);
        let profile = signer.profile(&format!("key = \"ring.asc\", fingerprint = \"{RING_FINGERPRINT}\""));
        let node = NodeTest::new().debs(&[]).work("ring.asc", key).profile(&profile);
        let said = agent(&node, "run", 2);
        assert!(said.contains("`ring.asc`") && said.contains(reason), "{reason}: {said}");
        assert!(!node.root().join("etc/a").exists());
    }
}
