//! Package indexes and repositories without encryption: refused, unless a digest covers the content, or the node allows
//! the host.

use nodeagent::digest::Digest;

use crate::support::NodeTest;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const DIGEST: &str = "d2096d4edde128fedf6749be2dd204a5810210a6201126d99b8d412344f71056";
const READY: &str = "[pip]\npackages = [\"nltk>=3\"]\nindex-url = \"http://pypi.firm.example/simple/\"\n";

fn node(profile: &str) -> NodeTest {
    NodeTest::new().python(&[("nltk", "3.9.1")]).r(&[("later", "1.3.0")]).profile(profile)
}

fn plan(node: &NodeTest, status: i32) -> String {
    node.agent(&["plan", "--profile", "x.toml"]).ended(status).all()
}

#[test]
fn a_source_without_encryption_refuses_the_run() {
    let jar =
        "[jar]\nrepositories = [\"http://a.example/maven\"]\nfiles = [{ maven = \"a.b:c:1.0\" }]\nto = \"/srv\"\n";
    let git = "[git.\"/opt/x\"]\nurl = \"http://a.example/x.git\"\ntag = \"v1\"\n";
    for (profile, place, remedy) in [
        (READY, "x.toml:5)", ""),
        ("[pip]\nextra-index-urls = [\"https://b.example/\", \"http://a.example/simple\"]\n", "x.toml:4)", ""),
        ("[pip]\nfind-links = [\"http://a.example/links\"]\n", "x.toml:4)", ""),
        (
            "[pip]\npackages = [\"x @ http://a.example/x-1.0.tar.gz\"]\n",
            "x.toml:4)",
            "end the address with `#sha256=…`",
        ),
        ("[pip.venvs.\"/opt/v\"]\npackages = [\"x @ git+http://a.example/x.git@v1\"]\n", "x.toml:4)", "#sha256"),
        ("[r]\npackages = [\"later\"]\nrepos = [\"http://a.example/cran/\"]\n", "x.toml:5)", ""),
        (jar, "x.toml:4)", "add the `sha256` of each jar"),
        (git, "x.toml:3)", "name the `commit`"),
        (&format!("{git}optional = true\n"), "x.toml:3)", "name the `commit`"),
        (&git.replace("tag = \"v1\"", "branch = \"main\""), "x.toml:3)", "name the `commit`"),
        (
            &format!("{git}stage = \"post-start\"\n[post-start]\nready = {{ path = \"/x\", timeout = \"60s\" }}\n"),
            "x.toml:3)",
            "name the `commit`",
        ),
    ] {
        let node = node(profile).file("srv/.keep", "");
        let before = node.listing();
        let said = plan(&node, 2);
        assert!(said.contains("is not encrypted, and no digest covers its content"), "{profile}: {said}");
        assert!(
            said.contains(place) && said.contains(remedy) && said.contains("insecure-http = ["),
            "{profile}: {said}"
        );
        node.agent(&["run", "--profile", "x.toml", "--quiet"]).ended(2);
        assert_eq!(node.changes_since(&before), [""; 0], "{profile}");
    }
}

#[test]
fn the_message_names_the_line_and_the_remedy() {
    let node = node(READY);
    let output = node.agent(&["run", "--profile", "x.toml", "--quiet"]).ended(2);
    node.frozen(|| insta::assert_snapshot!(output.stderr));
}

#[test]
fn a_line_of_a_requirements_file_without_encryption_refuses_the_run() {
    let with = |text: &str| {
        node("[pip]\nrequirements = [\"r.txt\"]\n[pip.venvs.\"/opt/v\"]\nrequirements = [\"r.txt\"]\n")
            .work("r.txt", text)
    };
    for (line, host) in [
        ("--index-url http://pypi.firm.example/simple", "pypi.firm.example"),
        ("later @ http://a.example/later-1.0.tar.gz", "a.example"),
        ("-e git+http://a.example/later.git@main#egg=later", "a.example"),
    ] {
        let node = with(&format!("# one\n{line}\n"));
        let said = plan(&node, 2);
        assert!(said.contains("r.txt:2") && said.contains("is not encrypted"), "{line}: {said}");
        let node = node.file("etc/nodeagent.toml", &format!("insecure-http = [\"{host}\"]\n"));
        plan(&node, 0);
    }
    plan(&with(&format!("later @ http://a.example/later-1.0.tar.gz#sha256={DIGEST}\n")), 0);
}

#[test]
fn encrypted_local_and_pinned_sources_are_used() {
    let pip = "[pip]\npackages = [\"nltk>=3\"]\n";
    let r = "[r]\npackages = [\"later\"]\n";
    let git = format!("[git.\"/opt/x\"]\nurl = \"http://a.example/x.git\"\ncommit = \"{COMMIT}\"\n");
    let jar = format!(
        "[jar]\nrepositories = [\"http://a.example/maven\"]\nfiles = [{{ maven = \"a.b:c:1.0\", sha256 = \"{DIGEST}\" }}]\nto = \
         \"/srv\"\n"
    );
    for profile in [
        &format!(
            "{pip}index-url = \"https://a.example/simple/\"\nextra-index-urls = [\"http://127.0.0.1:9/simple\"]\n"
        ),
        &format!("{pip}find-links = [\"http://localhost/\", \"/srv/wheels\"]\n"),
        &format!("{r}repos = [\"http://[::1]:80/cran/\"]\n"),
        &git,
        &jar,
    ] {
        plan(&node(profile).file("srv/.keep", ""), 0);
    }
}

#[test]
fn the_node_file_allows_hosts_without_encryption() {
    let allowed = node(READY).file("etc/nodeagent.toml", "insecure-http = [\"PyPI.firm.example\"]\n");
    assert!(allowed.agent(&["run", "--profile", "x.toml"]).ended(0).all().contains("nothing to do"));
    plan(&node(READY).file("etc/nodeagent.toml", "insecure-http = [\"firm.example\"]\n"), 2);
    for wrong in ["http://pypi.firm.example", "pypi.firm.example:80", "pypi.firm.example/simple", "*.firm.example ", ""]
    {
        let node = node(READY).file("etc/nodeagent.toml", &format!("insecure-http = [\"{wrong}\"]\n"));
        let said = plan(&node, 2);
        let message = format!("`{wrong}` is not a host");
        assert!(said.contains(&message) && said.contains("etc/nodeagent.toml:1:18"), "{wrong}: {said}");
    }
}

#[test]
fn a_lock_covers_an_index_without_encryption() {
    let git = "[git.\"/opt/x\"]\nurl = \"http://a.example/x.git\"\ntag = \"v1\"\n";
    let profile = format!("{READY}{git}");
    let node = node(&profile);
    let text = format!("schema = 1\nname = \"x\"\n{profile}");
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let lock = format!(
        "schema = 1\nserial = 1\nprofile = \"x\"\n[[files]]\npath = \"x.toml\"\nsha256 = \"{}\"\n[[runtimes]]\nos = \"debian \
         12\"\narch = \"{arch}\"\npython-version = \"3.11\"\nasks = [\"git /opt/x tag v1 http://a.example/x.git\", \"pip index \
         http://pypi.firm.example/simple/\", \"pip nltk>=3\"]\n[[runtimes.python]]\nname = \"nltk\"\nversion = \
         \"3.9.1\"\nfile = \"nltk-3.9.1-py3-none-any.whl\"\nurl = \
         \"http://pypi.firm.example/nltk-3.9.1-py3-none-any.whl\"\nsha256 = \"{DIGEST}\"\n[[runtimes.git]]\nfolder = \
         \"/opt/x\"\nurl = \"http://a.example/x.git\"\nrevision = \"tag v1\"\ncommit = \"{COMMIT}\"\n",
        Digest::sha256(text.as_bytes()).hex()
    );
    let node = node.work("x.lock", &lock);
    let said = plan(&node, 0);
    assert!(said.contains("clone /opt/x"), "{said}");
    let said = node.agent(&["check", "x.toml"]).ended(0).stderr;
    assert!(!said.contains("not encrypted"), "{said}");
    node.agent(&["plan", "--profile", "x.toml", "--unlocked"]).ended(2);
    // The build of a source archive fetches its requirements from the index.
    let source = lock.replace("nltk-3.9.1-py3-none-any.whl", "nltk-3.9.1.tar.gz");
    let node = node.work("x.lock", &source);
    let said = plan(&node, 2);
    assert!(said.contains("`http://pypi.firm.example/simple/` is not encrypted"), "{said}");
    let node = node.work("x.lock", &lock);
    // A lock of an index without encryption would make its answers trusted.
    let said = node.agent(&["lock", "--profile", "./x.toml"]).ended(2).all();
    assert!(said.contains("is not encrypted"), "{said}");
}

#[test]
fn a_check_notes_sources_without_encryption() {
    let node = node(READY);
    let noted = "note: `http://pypi.firm.example/simple/` is not encrypted, and no digest covers its content \
                 (x.toml:5), so a run is refused; use https";
    let said = node.agent(&["check", "x.toml"]).ended(0).stderr;
    assert!(said.starts_with(noted), "{said}");
    let node = node.file("etc/nodeagent.toml", "insecure-http = [\"pypi.firm.example\"]\n");
    assert_eq!(node.agent(&["check", "x.toml"]).ended(0).stderr, "1 profile sound\n");
}
