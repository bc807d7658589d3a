//! Faults of the network and of the node: docs/reliability.md lists them with the promised behaviour. Faults that need
//! a real node are in `tests/container/faults.rs`.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    os::unix::fs::{PermissionsExt as _, symlink},
    sync::Arc,
    thread,
    time::Duration,
};

use nix::{sys::stat::Mode, unistd::mkfifo};
use tokio_rustls::rustls::{
    ServerConfig, ServerConnection, Stream,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};

use crate::{
    http_server::{TestServer, reply},
    support::{CommandOutput, NodeTest, project},
};

const RUN: [&str; 3] = ["run", "--profile", "x.toml"];
const DIGEST: &str = "d2096d4edde128fedf6749be2dd204a5810210a6201126d99b8d412344f71056";
const PAGE: &str =
    "<!DOCTYPE html>\n<html><head><title>Guest network</title></head><body>Accept the terms</body></html>";

/// Asserts that a failure names the cause, a remedy and the profile line, and that nothing was installed.
fn names(output: &CommandOutput, node: &NodeTest, words: &[&str]) {
    for words in words {
        assert!(output.stderr.contains(words), "`{words}` is not in {}", output.stderr);
    }
    assert!(!node.root().join("opt").exists(), "a file of the profile was written");
}

/// A profile with a file of this address.
fn tool_from(url: &str) -> String {
    format!("[files.\"/opt/tool\"]\nfrom = {{ url = \"{url}\", sha256 = \"{DIGEST}\" }}\n")
}

fn portal() -> TestServer {
    TestServer::start(|_, _| reply("200 OK\r\ncontent-type: text/html; charset=utf-8", PAGE))
}

#[test]
fn a_captive_portal_is_named_for_every_kind_of_file() {
    let portal = portal();
    for (what, body, status) in [
        ("a file with a digest", "[files.\"/opt/tool\"]\nfrom = { url = \"URL/tool.tar\", sha256 = \"DIGEST\" }\n", 2),
        ("a wheel", "[wheel]\nfiles = [{ url = \"URL/six-1.16.0-py3-none-any.whl\", sha256 = \"DIGEST\" }]\n", 2),
        ("a jar", "[jar]\nto = \"/srv\"\nfiles = [{ url = \"URL/a.jar\", sha256 = \"DIGEST\" }]\n", 2),
        (
            "a Maven repository",
            "[jar]\nto = \"/srv\"\nrepositories = [\"URL/\"]\nfiles = [{ maven = \"a.b:c:1.0\" }]\n",
            2,
        ),
        ("requirements", "[pip]\nrequirements = [{ url = \"URL/r.txt\", sha256 = \"DIGEST\" }]\n", 2),
        ("an R repository", "[r]\nrepos = [\"URL/\"]\npackages = [\"tinyr\"]\n", 1),
        ("a deb", "[apt]\ndebs = [{ url = \"URL/x_1_all.deb\", sha256 = \"DIGEST\" }]\n", 2),
    ] {
        let body = body.replace("URL", portal.url.as_str().trim_end_matches('/')).replace("DIGEST", DIGEST);
        let node = NodeTest::new().python(&[]).r(&[]).file("srv/.keep", "").profile(&body);
        let output = node.agent(&RUN);
        assert_eq!(output.code, Some(status), "{what}: {}", output.stderr);
        let address = portal.url.as_str();
        names(&output, &node, &["web page", address, "x.toml:", "hint: ", "captive portal", "HTTPS_PROXY"]);
    }
    // No request was repeated: a portal does not disappear within seconds.
    let mut paths = portal.paths();
    paths.sort();
    let all = paths.len();
    paths.dedup();
    assert_eq!(all, paths.len(), "{paths:?}");
}

#[test]
fn a_captive_portal_is_no_file_store() {
    let portal = portal();
    let node = NodeTest::new().profile("[files.\"/opt/x\"]\ntext = \"x\"\n");
    let output = node.agent_without_store(&["run", "--filestore", portal.url.as_str(), "--profile", "family"]).ended(2);
    names(&output, &node, &["web page", "captive portal"]);
    let node = node.var("DATABRICKS_HOST", portal.url.as_str()).var("DATABRICKS_TOKEN", "dapi-x");
    for store in ["dbfs:/FileStore", "/Volumes/main/ops/store", "/Workspace/Shared"] {
        let output = node.agent_without_store(&["run", "--filestore", store, "--profile", "family"]).ended(2);
        names(&output, &node, &["web page", "captive portal"]);
    }
}

#[test]
fn an_answer_that_a_proxy_cuts_off_is_tried_again_and_never_used() {
    let part = "x".repeat(1 << 20);
    let proxy = TestServer::start(move |_, _| reply("200 OK\r\ncontent-length: 3000000", &part));
    let body = tool_from(&proxy.at("tool.bin"));
    let node = NodeTest::new().profile(&body);
    let output = node.agent(&RUN).ended(2);
    names(&output, &node, &["connection ended after 1048576 bytes", "x.toml:", "hint: ", "limit the size of answers"]);
    assert_eq!(proxy.requests().len(), 5);
    assert!(node.files_with(&"x".repeat(100)).is_empty(), "a part is kept");
}

/// Answers every request by a function of the connection, until the process ends.
fn raw_server(answer: impl Fn(TcpStream) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let answer = Arc::clone(&answer);
            thread::spawn(move || answer(stream));
        }
    });
    format!("127.0.0.1:{port}")
}

#[test]
fn a_server_that_sends_a_byte_at_a_time_does_not_outlast_the_deadline() {
    let server = raw_server(|mut stream| {
        let lines = BufReader::new(stream.try_clone().expect("a handle")).lines();
        lines.map_while(Result::ok).take_while(|line| !line.is_empty()).for_each(drop);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n");
        while stream.write_all(b"x").is_ok() {
            thread::sleep(Duration::from_millis(100));
        }
    });
    let body = tool_from(&format!("http://{server}/tool"));
    let node = NodeTest::new().profile(&body);
    let output = node.agent(&["run", "--profile", "x.toml", "--deadline", "2s"]).ended(4);
    names(&output, &node, &["the deadline passed after", "not started"]);
}

/// Serves TLS with a certificate of this name. Ends each connection after the handshake.
fn tls_server(certificate: &str) -> String {
    let folder = project().join("tests/fixtures/certificates/clock");
    let chain = CertificateDer::pem_file_iter(folder.join(certificate)).expect("readable");
    let chain = chain.collect::<Result<Vec<_>, _>>().expect("certificates");
    let key = PrivateKeyDer::from_pem_file(folder.join("server.key.pem")).expect("a key");
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).expect("a pair");
    let config = Arc::new(config);
    raw_server(move |mut stream| {
        let mut tls = ServerConnection::new(Arc::clone(&config)).expect("a configuration");
        let _ = Stream::new(&mut tls, &mut stream).read(&mut [0; 1024]);
    })
}

#[test]
fn a_certificate_of_another_time_names_the_clock() {
    let root = project().join("tests/fixtures/certificates/clock/root.pem").display().to_string();
    for (certificate, validity) in [("earlier.pem", "until 2003-01-01"), ("later.pem", "from 2090-01-01")] {
        let server = tls_server(certificate);
        let body = tool_from(&format!("https://{server}/tool"));
        let node = NodeTest::new().profile(&body).var("SSL_CERT_FILE", &root);
        let output = node.agent(&RUN).ended(2);
        let valid = format!("certificate is valid {validity}");
        names(&output, &node, &[&valid, "the node's clock says 20", "hint: ", "`date -u`", "x.toml:"]);
    }
}

#[test]
fn a_file_that_never_answers_does_not_hold_the_run() {
    let node = NodeTest::new().profile("");
    // Opening a pipe without a writer does not return, as a call to a file system that hangs.
    let file = node.root().join("etc/os-release");
    fs::remove_file(&file).expect("removed");
    mkfifo(&file, Mode::S_IRUSR | Mode::S_IWUSR).expect("made");
    let output = node.agent(&["run", "--profile", "./x.toml", "--deadline", "1s"]).ended(4);
    for words in ["the deadline passed after", "did not answer", "hint: ", "no step was started", "report: "] {
        assert!(output.stderr.contains(words), "`{words}` is not in {}", output.stderr);
    }
    let shown = node.agent(&["report", "show"]).ended(0);
    assert!(shown.stdout.contains("deadline passed"), "{}", shown.stdout);
}

#[test]
fn a_file_of_the_file_store_that_cannot_be_read_does_not_hold_the_run() {
    let node = NodeTest::new().profile("[files]\n\"/opt/x\" = { from = \"x.bin\" }\n\"/opt/y\" = { text = \"y\" }\n");
    mkfifo(&node.beside("desk/x.bin"), Mode::S_IRUSR | Mode::S_IWUSR).expect("made");
    let output = node.agent(&["run", "--profile", "./x.toml", "--deadline", "1s"]);
    // A pipe is no file, which may be found before it is opened.
    assert!(matches!(output.code, Some(2 | 4)), "{}", output.stderr);
    names(&output, &node, &["x.bin"]);
}

#[test]
fn a_killed_program_is_named_with_the_probable_reason() {
    for command in ["kill -9 $$", "bash -c 'kill -9 $$'; exit $?"] {
        let node = NodeTest::new().profile(&format!("[hooks.x]\ncommand = [\"bash\", \"-c\", {command:?}]\n"));
        let output = node.agent(&RUN).ended(1);
        names(&output, &node, &["x.toml:", "hint: the program was killed, most often", "memory"]);
    }
}

const PROMPT: &str = "[shell]\nbashrc = { text = \"PS1='> '\" }\n";

#[test]
fn a_bashrc_that_is_empty_read_only_or_a_link_gets_its_block() {
    let block = "# >>> nodeagent >>>";
    let empty = NodeTest::new().file("root/.bashrc", "").profile(PROMPT);
    empty.agent(&RUN).ended(0);
    assert!(empty.read("root/.bashrc").starts_with(block));

    // Root can replace a file without write permission. Its mode stays.
    let locked = NodeTest::new().file_of_mode("root/.bashrc", "alias x=y\n", 0o444).profile(PROMPT);
    locked.agent(&RUN).ended(0);
    assert!(locked.read("root/.bashrc").starts_with("alias x=y\n") && locked.mode("root/.bashrc") == 0o444);

    // The target of a link of root changes, and the link stays.
    let linked = NodeTest::new().file("root/dotfiles/bashrc", "alias x=y\n").profile(PROMPT);
    symlink("dotfiles/bashrc", linked.root().join("root/.bashrc")).expect("linked");
    linked.agent(&RUN).ended(0);
    assert!(linked.root().join("root/.bashrc").is_symlink());
    let text = linked.read("root/dotfiles/bashrc");
    assert!(text.starts_with("alias x=y\n") && text.contains(block), "{text}");
    for node in [empty, locked, linked] {
        let before = node.listing();
        let again = node.agent(&RUN).ended(0);
        assert!(again.stderr.contains("nothing to do"), "{}", again.stderr);
        assert_eq!(node.changes_since(&before), [""; 0]);
    }
}

#[test]
fn a_link_to_nothing_gets_its_target() {
    let node = NodeTest::new().profile(PROMPT);
    symlink("dotfiles/bashrc", node.root().join("root/.bashrc")).expect("linked");
    node.agent(&RUN).ended(0);
    assert!(node.read("root/dotfiles/bashrc").contains("nodeagent") && node.root().join("root/.bashrc").is_symlink());
}

#[test]
fn a_profile_folder_that_cannot_be_read_ends_the_search() {
    // Neither the profile of another tree nor a built-in one replaces a profile that may be there.
    for closed in ["Family/init_scripts", "Family", ""] {
        let node = NodeTest::new()
            .store("Family/init_scripts/family.toml", "schema = 1\nname = \"family\"\n")
            .store("Admin/init_scripts/family.toml", "schema = 1\nname = \"family\"\n");
        let store = node.beside("store");
        fs::set_permissions(store.join(closed), fs::Permissions::from_mode(0o700)).expect("the test owns the folder");
        let store = store.display().to_string();
        let root = node.root().display().to_string();
        let plan = ["--root", &root, "--filestore", &store, "plan", "--profile", "family"];
        let Some(output) = node.agent_as_unprivileged_user(&plan) else { return };
        let output = output.ended(2);
        for words in ["Permission denied", "store", "hint: "] {
            assert!(output.stderr.contains(words), "`{closed}`: `{words}` is not in {}", output.stderr);
        }
    }
}
