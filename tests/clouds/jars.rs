//! Jars of a Maven repository and of another server, with a Java that loads a class from them.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex},
};

use nodeagent::digest::Digest;

use crate::{
    http_server::{TestServer, reply},
    support::{NodeTest, put},
};

const MAVEN: &str = "/maven/org/example/greeting_2.12/1.0/greeting_2.12-1.0.jar";
const SHIPPED: &str = "databricks/jars/----x--greeting_2.12--0.9.jar";

/// Runs a program of the JDK.
#[expect(clippy::disallowed_methods, reason = "the test runs the JDK, not the code under test")]
fn jdk(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().expect("a JDK is installed");
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8").trim().to_owned()
}

/// A jar with a class that prints a text.
fn jar(folder: &Path, class: &str, text: &str) -> PathBuf {
    let (source, classes) = (folder.join(format!("{text}/{class}.java")), folder.join(format!("{text}/classes")));
    let main = format!("public static void main(String[] a) {{ System.out.println(\"{text}\"); }}");
    std::fs::create_dir_all(&classes).expect("made");
    put(&source, &format!("public class {class} {{ {main} }}\n"));
    let shown = |path: &Path| path.to_str().expect("UTF-8").to_owned();
    jdk("javac", &["-d", &shown(&classes), &shown(&source)]);
    let file = folder.join(format!("{text}.jar"));
    jdk("jar", &["--create", "--file", &shown(&file), "-C", &shown(&classes), "."]);
    file
}

/// Writes a jar of the node.
#[expect(clippy::disallowed_methods, reason = "a test prepares its files without the code under test")]
fn put_jar(path: &Path, jar: &[u8]) {
    std::fs::write(path, jar).expect("written");
}

/// The text that a class prints, with all jars of the node on the class path.
fn printed(node: &NodeTest, class: &str) -> String {
    let jars = node.root().join("databricks/jars").join("*");
    jdk("java", &["-cp", jars.to_str().expect("UTF-8"), class])
}

fn run(node: &NodeTest) -> String {
    node.agent(&["run", "--profile", "x.toml"]).ended(0).all()
}

#[test]
fn java_loads_classes_from_jars_of_servers_and_a_replaced_jar_returns() {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let [new, other, old] = ["new", "other", "old"].map(|text| {
        let class = if text == "other" { "Other" } else { "Greeting" };
        std::fs::read(jar(temp.path(), class, text)).expect("made")
    });
    let greeting = Arc::new(Mutex::new(new.clone()));
    let (in_repository, addressed) = (Arc::clone(&greeting), other.clone());
    let server = TestServer::start(move |request, _| {
        let jar = in_repository.lock().expect("no panic while held").clone();
        match request.path() {
            MAVEN => ("200 OK".to_owned(), jar),
            "/dl/other.jar" => ("200 OK".to_owned(), addressed.clone()),
            path if path == format!("{MAVEN}.sha256") => reply("200 OK", Digest::sha256(&jar).hex()),
            _ => reply("404 Not Found", ""),
        }
    });
    let profile = format!(
        "[jar]\nrepositories = [\"{}\"]\nfiles = [\n    \
         {{ maven = \"org.example:greeting_2.12:1.0\", replaces = \"*--greeting_2.12--*.jar\" }},\n    \
         {{ url = [\"{}\", \"{}\"], sha256 = \"{}\", as = \"other-2.jar\" }},\n]\n",
        server.at("/maven"),
        server.at("/gone/other.jar"),
        server.at("/dl/other.jar"),
        Digest::sha256(&other).hex(),
    );
    let node = NodeTest::new().profile(&profile).file(SHIPPED, "");
    put_jar(&node.root().join(SHIPPED), &old);
    assert_eq!(printed(&node, "Greeting"), "old");
    run(&node);
    assert_eq!((printed(&node, "Greeting"), printed(&node, "Other")), ("new".to_owned(), "other".to_owned()));
    assert!(!node.root().join(SHIPPED).exists());
    let asked = server.requests().len();
    assert!(run(&node).contains("nothing to do"));
    assert_eq!(server.requests().len(), asked, "a ready node sends no request");

    // The lock has the digest. The server then serves another file, and the node has lost the jar.
    node.agent(&["lock", "--profile", "x.toml"]).ended(0);
    let lock = std::fs::read_to_string(node.beside("desk/x.lock")).expect("written");
    assert!(lock.contains(Digest::sha256(&new).hex()), "{lock}");
    *greeting.lock().expect("no panic while held") = old.clone();
    std::fs::remove_file(node.root().join("databricks/jars/greeting_2.12-1.0.jar")).expect("it was there");
    run(&node);
    assert_eq!(printed(&node, "Greeting"), "new", "the locked jar comes from the store");

    std::fs::remove_file(node.beside("desk/x.lock")).expect("it was there");
    let node = node.profile("");
    run(&node);
    assert_eq!(printed(&node, "Greeting"), "old");
    assert!(!node.root().join("databricks/jars/other-2.jar").exists());
}
