//! Certificates: in certifi and in the system's store, repaired, taken back, and refused before anything is changed.

use std::{fs, os::unix::fs::PermissionsExt as _};

use crate::support::{NodeTest, put};

const ROOT: &str = include_str!("../fixtures/certificates/root.pem");
const SECOND: &str = include_str!("../fixtures/certificates/second.pem");
const LEAF: &str = include_str!("../fixtures/certificates/leaf.pem");
const EXPIRED: &str = include_str!("../fixtures/certificates/expired.pem");
/// certifi of the runtime's environment.
const CERTIFI: &str = "databricks/python/lib/python3.11/site-packages/certifi/cacert.pem";
/// The file of `ROOT` in the system's store.
const OWN: &str = "usr/local/share/ca-certificates/nodeagent-e389a7da0d07cf7c.crt";
/// The folders of the agent.
const OWN_FOLDERS: [&str; 3] = ["node/var/cache", "node/var/lib", "node/var/log"];
const BUNDLE: &str = "etc/ssl/certs/ca-certificates.crt";

fn node(profile: &str) -> NodeTest {
    NodeTest::new()
        .profile(profile)
        .python(&[("certifi", "2024.1.1")])
        .file(CERTIFI, "# Issuer: others\n")
        .store("Admin/certs/root.pem", ROOT)
        .store("Admin/certs/partners/second.crt", SECOND)
        .store("Admin/certs/partners/second.crt.minisig", "a signature")
        .store("Admin/certs/partners/README", "no certificate")
        .store("Admin/certs/leaf.pem", LEAF)
        .store("Admin/certs/expired.pem", EXPIRED)
        .store(
            "Admin/certs/key.pem",
            &format!("{ROOT}-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n"),
        )
        .store("Admin/certs/text.pem", "hello\n")
}

/// The node with a system's store, whose program joins the files like the real one.
fn with_store(node: NodeTest) -> NodeTest {
    let root = node.root().display().to_string();
    let program = node.beside("bin/update-ca-certificates");
    fs::create_dir_all(program.parent().expect("a folder")).expect("created");
    put(
        &program,
        &format!(
            "#!/bin/sh\necho \"$@\" >> {root}/calls\ncat {root}/etc/ssl/others.crt {root}/usr/local/share/ca-certificates/*.crt \
             > {root}/{BUNDLE} 2> /dev/null\nexit 0\n"
        ),
    );
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("executable");
    let path = format!("{}:/usr/bin:/bin", node.beside("bin").display());
    node.file("usr/sbin/update-ca-certificates", "")
        .file("usr/local/share/ca-certificates/mine.txt", "")
        .file("etc/ssl/others.crt", SECOND)
        .file(BUNDLE, SECOND)
        .search_path(&path)
}

fn agent(node: &NodeTest, command: &str, status: i32) -> String {
    node.agent(&[command, "--profile", "x.toml"]).ended(status).all()
}

fn block(certificates: &str) -> String {
    format!("# Issuer: others\n# >>> nodeagent x >>>\n{certificates}# <<< nodeagent x <<<\n")
}

#[test]
fn certifi_gets_a_block_that_is_repaired_and_taken_back() {
    let node = node("[cert]\nfiles = [\"certs/root.pem\", \"certs/partners/\"]\n");
    let planned = agent(&node, "plan", 0);
    assert!(planned.contains("CN=Firm Second Root,O=Firm, SHA-256 a4afd482"), "{planned}");
    assert_eq!(node.read(CERTIFI), "# Issuer: others\n", "a plan changes nothing");
    agent(&node, "run", 0);
    let whole = block(&format!("{ROOT}{SECOND}"));
    assert_eq!(node.read(CERTIFI), whole);
    let again = agent(&node, "plan", 0);
    assert!(again.contains("nothing to do"), "{again}");
    // Another version of certifi replaced the file.
    let node = node.file(CERTIFI, "# Issuer: others\n");
    agent(&node, "run", 0);
    assert_eq!(node.read(CERTIFI), whole);
    let node = node.profile("[cert]\nfiles = [\"certs/root.pem\"]\n");
    agent(&node, "run", 0);
    assert_eq!(node.read(CERTIFI), block(ROOT));
    let node = node.profile("");
    agent(&node, "run", 0);
    assert_eq!(node.read(CERTIFI), "# Issuer: others\n");
}

#[test]
fn the_systems_store_gets_files_that_are_repaired_and_taken_back() {
    let mut node = with_store(node("[cert]\nfiles = [\"certs/root.pem\"]\nto = [\"os\"]\nvariables = false\n"));
    agent(&node, "run", 0);
    assert_eq!(node.read(OWN), ROOT);
    assert_eq!(node.read(BUNDLE), format!("{SECOND}{ROOT}"));
    assert_eq!(node.read(CERTIFI), "# Issuer: others\n", "`to` does not name it");
    let again = agent(&node, "plan", 0);
    assert!(again.contains("nothing to do"), "{again}");
    for damaged in [OWN, BUNDLE] {
        node = node.file(damaged, SECOND);
        let planned = agent(&node, "plan", 0);
        assert!(planned.contains("trust root.pem"), "{planned}");
        agent(&node, "run", 0);
        assert_eq!((node.read(OWN).as_str(), node.read(BUNDLE)), (ROOT, format!("{SECOND}{ROOT}")));
    }
    let node = node.profile("");
    agent(&node, "run", 0);
    assert!(!node.root().join(OWN).exists());
    assert_eq!(node.read(BUNDLE), SECOND);
    assert!(node.read("calls").ends_with("--fresh --hooksdir /etc/ca-certificates/update.d\n"));
    let again = agent(&node, "plan", 0);
    assert!(again.contains("nothing to do"), "{again}");
}

#[test]
fn the_fuse_daemon_of_dbfs_is_restarted_only_for_a_new_certificate() {
    const RESTART: &str = "databricks/spark/scripts/restart_dbfs_fuse_daemon.sh";
    let node = with_store(node("[cert]\nfiles = [\"certs/root.pem\"]\nto = [\"os\"]\nvariables = false\n"));
    let restarts = node.root().join("restarts").display().to_string();
    let node = node.file_of_mode(RESTART, &format!("#!/bin/sh\necho again >> {restarts}\n"), 0o755);
    agent(&node, "run", 0);
    assert_eq!(node.read("restarts"), "again\n");
    // The certificate is in the bundle already, only nodeagent's file is missing.
    fs::remove_file(node.root().join(OWN)).expect("it is there");
    agent(&node, "run", 0);
    assert_eq!(node.read("restarts"), "again\n");
    let node = node.file_of_mode(RESTART, "#!/bin/sh\nexit 3\n", 0o755).file(BUNDLE, SECOND);
    let said = agent(&node, "run", 0);
    assert!(said.contains("the DBFS FUSE daemon was not restarted") && said.contains("exited with 3"), "{said}");
    let node = node.file_of_mode(RESTART, "#!/bin/sh\nexit 0\n", 0o777).file(BUNDLE, SECOND);
    let said = agent(&node, "run", 0);
    assert!(said.contains("a user other than root can change"), "{said}");
}

#[test]
fn the_variables_of_tls_libraries_name_the_bundle_unless_the_profile_sets_them() {
    let cert = "[cert]\nfiles = [\"certs/root.pem\"]\n";
    let login = "etc/profile.d/nodeagent-variables.sh";
    let node = with_store(node(cert)).file("etc/profile.d/others.sh", "");
    agent(&node, "run", 0);
    let lines = node.read(login);
    for name in ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"] {
        assert!(lines.contains(&format!("export {name}='/etc/ssl/certs/ca-certificates.crt'\n")), "{lines}");
    }
    let node = node.profile(&format!(
        "{cert}[env.variables]\nSSL_CERT_FILE = \"/etc/firm.pem\"\nCURL_CA_BUNDLE = {{ absent = true }}\n"
    ));
    agent(&node, "run", 0);
    let lines = node.read(login);
    assert!(
        lines.contains("export SSL_CERT_FILE='/etc/firm.pem'\n") && lines.contains("unset CURL_CA_BUNDLE\n"),
        "{lines}"
    );
    assert!(lines.contains("REQUESTS_CA_BUNDLE"), "{lines}");
    let node = node.profile(&format!("{cert}variables = false\n"));
    agent(&node, "run", 0);
    assert!(!node.root().join(login).exists());
}

#[test]
fn a_file_that_cannot_be_trusted_refuses_the_run() {
    let refused = |files: &str, message: &str| {
        let node = node(&format!("[cert]\nfiles = [{files}]\n"));
        let before = node.listing();
        let said = agent(&node, "run", 2);
        assert!(said.contains(message), "{said}");
        let changes = node.changes_since(&before);
        assert!(changes.iter().all(|change| OWN_FOLDERS.iter().any(|own| change.starts_with(own))), "{changes:?}");
    };
    refused("\"certs/key.pem\"", "it holds a private key or a keystore");
    refused("\"certs/leaf.pem\"", "the certificate `CN=leaf.firm.example,O=Firm` is not a CA certificate");
    refused("\"certs/expired.pem\"", "the certificate `CN=Firm Old Root,O=Firm` expired on 2021-01-01");
    refused("\"certs/text.pem\"", "it is neither PEM nor DER");
    refused("\"certs/none.pem\"", "the file `certs/none.pem` is not in the file store");
    refused("\"certs/none/\"", "the file `certs/none/` is not in the file store");
    refused("\"https://127.0.0.1:9/root.pem\"", "`https://127.0.0.1:9/root.pem` has no digest");
    let digest = "5".repeat(64);
    refused(
        &format!("{{ path = \"certs/root.pem\", sha256 = \"{digest}\" }}"),
        "does not have the digest that the profile says",
    );
    let address = format!("{{ url = \"https://127.0.0.1:9/root.pem\", sha256 = \"{digest}\" }}");
    refused(&address, "`https://127.0.0.1:9/root.pem` could not be fetched");
}

#[test]
fn an_optional_file_that_cannot_be_trusted_fails_alone() {
    let files = "[\"certs/root.pem\", { path = \"certs/expired.pem\", optional = true }]";
    let node = node(&format!("[cert]\nfiles = {files}\n"));
    let said = agent(&node, "run", 0);
    assert!(said.contains("expired on 2021-01-01"), "{said}");
    assert_eq!(node.read(CERTIFI), block(ROOT));
}

#[test]
fn a_store_that_the_profile_names_must_exist() {
    for (to, message) in
        [("os", "this node has no store of certificates"), ("java", "this node has no Java keystore with keytool")]
    {
        let node = node(&format!("[cert]\nfiles = [\"certs/root.pem\"]\nto = [\"{to}\"]\n"));
        let said = agent(&node, "run", 2);
        assert!(said.contains(message), "{said}");
    }
    let node =
        node("[cert]\nfiles = [\"certs/root.pem\"]\nto = [\"python\"]\n[pip]\npython = \"/opt/none/bin/python\"\n");
    let said = agent(&node, "run", 2);
    assert!(said.contains("there is no Python environment of `/opt/none/bin/python`"), "{said}");
}
