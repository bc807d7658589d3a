//! A node that must trust a new authority before it can download anything from a server: in one run the profile adds
//! the authority and uses the server. Afterwards curl, Python, R and Java trust it.

use std::time::Instant;

use crate::{
    free_port::free_port,
    support::{Node, PROFILE, PROFILES, SITE, assert_same, instants, kill, port, random_fractions, wheel},
};

/// Makes an authority and the certificate of the server, and serves a folder over TLS.
const AUTHORITY: &str = r#"
set -e; umask 022; mkdir -p /srv/tls /srv/www /profiles/certs; cd /srv/tls
openssl req -x509 -newkey rsa:2048 -nodes -days 30 -keyout ca.key -out /profiles/certs/ring.pem -subj "/O=Ring/CN=Ring Root" 2> /dev/null
openssl req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj "/CN=localhost" 2> /dev/null
echo "subjectAltName=DNS:localhost,IP:127.0.0.1" > names
openssl x509 -req -in server.csr -CA /profiles/certs/ring.pem -CAkey ca.key -days 30 -extfile names -out server.pem 2> /dev/null
"#;

const SERVER: &str = r"
import functools, http.server, ssl, sys
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory='/srv/www')
server = http.server.ThreadingHTTPServer(('127.0.0.1', int(sys.argv[1])), handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain('/srv/tls/server.pem', '/srv/tls/server.key')
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
";

/// Publishes a file, a Python distribution and a Debian package.
const PACKAGES: &str = r#"
set -e; mkdir -p /srv/www/deb /tmp/deb/DEBIAN; cd /srv/www/deb
printf 'a tool\n' > /srv/www/tool.txt
printf 'Package: inhouse-tls\nVersion: 1.0\nArchitecture: all\nMaintainer: x <x@example.com>\nDescription: for tests\n' > /tmp/deb/DEBIAN/control
dpkg-deb --build /tmp/deb inhouse-tls_1.0_all.deb > /dev/null
{ cat /tmp/deb/DEBIAN/control; printf 'Filename: ./inhouse-tls_1.0_all.deb\nSize: %s\nSHA256: %s\n' \
    "$(stat -c %s *.deb)" "$(sha256sum *.deb | cut -d ' ' -f 1)"; } > Packages
"#;

/// Opens an address with the keystore of the JDK.
const JAVA: &str = r"
public class Fetch {
    public static void main(String[] args) throws Exception {
        System.out.write(new java.net.URL(args[0]).openStream().readAllBytes());
        System.out.flush();
    }
}
";

const OWN: &str = "ls /usr/local/share/ca-certificates /etc/ssl/certs | grep nodeagent || true";

/// The password of a keystore.
const PASSWORD: &str = "of-the-ring-4712";

fn address(path: &str) -> String {
    format!("https://localhost:{}/{path}", port())
}

/// A node with a server whose authority it does not trust.
fn fresh(what: &str) -> Option<Node> {
    let node = Node::with(what, &["--env", &format!("RING_KEYSTORE={PASSWORD}")])?;
    node.sh(AUTHORITY);
    node.write("/srv/tls/server.py", SERVER);
    node.sh(PACKAGES);
    for (name, file) in [("inhouse-tls", "inhouse_tls"), ("inhouse-late", "inhouse_late")] {
        node.write(&format!("/srv/www/simple/{name}/{file}-1.0-py3-none-any.whl"), wheel(file, "1.0", &[]));
    }
    node.serve(&format!("python3 /srv/tls/server.py {}", port()), port());
    Some(node)
}

/// The profile that downloads everything from the server, without its authority.
fn downloads(node: &Node, packages: &str) -> String {
    let digest = node.sh("sha256sum /srv/www/tool.txt | cut -d ' ' -f 1");
    format!(
        "[files.\"/opt/ring/tool.txt\"]\nfrom = {{ url = \"{}\", sha256 = \"{}\" }}\n[pip]\nindex-url = \"{}\"\npackages = [{packages}]\n",
        address("tool.txt"),
        digest.trim(),
        address("simple/")
    )
}

/// Whether curl, Python's requests and R trust the server, without any variable.
fn trusting(node: &Node) -> [bool; 3] {
    let url = address("tool.txt");
    let python = format!("import requests; print(requests.get('{url}').text, end='')");
    let r = format!("cat(readLines(url('{url}', method = 'libcurl')), sep = '\\n')");
    let commands: [&[&str]; 3] =
        [&["curl", "-fsS", &url], &["/databricks/python/bin/python", "-c", &python], &["Rscript", "-e", &r]];
    commands.map(|command| {
        let output = node.exec(&[], &[&["env", "-i", "PATH=/usr/bin:/bin"], command].concat());
        output.code == 0 && output.stdout == "a tool\n"
    })
}

fn java_trusts(node: &Node) -> bool {
    let url = address("tool.txt");
    let output =
        node.exec(&[], &["env", "-i", "/usr/lib/jvm/ring/bin/java", "-Xshare:auto", "/srv/tls/Fetch.java", &url]);
    output.code == 0 && output.stdout == "a tool\n"
}

/// Waits until the programs of a killed run have ended. The hooks of Debian's packages write a keystore in place.
fn wait_for_orphans(node: &Node) {
    node.sh("for try in $(seq 300); do
            pgrep -f '[u]pdate-ca-certificates|[j]ks-keystore|[k]eytool|[c]a-certificates-java' > /dev/null || break
            sleep 0.1
        done");
}

/// The aliases of nodeagent in the keystores of Java.
fn aliases(node: &Node) -> String {
    node.sh("for store in $(readlink -f /usr/lib/jvm/*/lib/security/cacerts | sort -u); do /usr/lib/jvm/ring/bin/keytool -list \
             -storepass changeit -keystore $store 2> /dev/null | grep -o '^[^,]*nodeagent[^,]*' || true; done")
}

#[test]
fn one_run_adds_an_authority_and_downloads_from_its_server() {
    let Some(node) = fresh("cert") else { return };
    let source = format!("deb [trusted=yes] {} ./\n", address("deb"));
    let pip = downloads(&node, "\"inhouse-tls\"");
    let apt = "[apt]\npackages = [\"inhouse-tls\"]\n";
    let cert = "[cert]\nfiles = [\"certs/\"]\n";
    node.write("/etc/apt/sources.list.d/ring.list", source);
    assert_eq!(trusting(&node), [false; 3]);

    // Without the authority nothing can be fetched, and nothing changes.
    let before = node.listing();
    node.profile(&pip);
    node.run(&[]).exits(2);
    // With it, packages are resolved before anything is changed: a name that does not exist refuses the run.
    node.profile(&format!("{cert}{}", downloads(&node, "\"inhouse-none\"")));
    node.run(&[]).exits(2).prints("inhouse-none");
    node.profile(&format!("{cert}{pip}"));
    let planned = node.run(&["--dry-run"]).exits(0).stdout.clone();
    assert!(planned.contains("trust ring.pem") && planned.contains("CN=Ring Root,O=Ring, SHA-256"), "{planned}");
    assert_same(&before, &node.listing(), "refused runs and plans change nothing");

    node.profile(&format!("{cert}{apt}{pip}"));
    node.run(&[]).exits(0);
    assert_eq!(node.sh("cat /opt/ring/tool.txt; dpkg-query -W -f '${Version}' inhouse-tls"), "a tool\n1.0");
    node.sh("/databricks/python/bin/python -c 'import inhouse_tls'");
    assert_eq!(trusting(&node), [true; 3]);
    assert_eq!(node.sh("bash -lc 'echo $SSL_CERT_FILE'"), "/etc/ssl/certs/ca-certificates.crt\n");
    let listing = node.listing();
    node.run(&[]).exits(0).prints("nothing to do");
    assert_same(&listing, &node.listing(), "nothing changes");

    // pip, and a version of certifi that replaces the file in the same run.
    node.profile(&format!("{cert}{apt}{}installer = \"pip\"\n", downloads(&node, "\"inhouse-tls\", \"inhouse-late\"")));
    node.sh(&format!("cp {SITE}/certifi/cacert.pem /tmp/cacert.pem; sed -i '/>>> nodeagent/,/<<< nodeagent/d' {SITE}/certifi/cacert.pem"));
    node.run(&[]).exits(0).prints("pip: done");
    node.sh(&format!("cmp /tmp/cacert.pem {SITE}/certifi/cacert.pem"));
    node.run(&[]).exits(0).prints("nothing to do");

    // Damage is repaired.
    for damage in [
        "rm /usr/local/share/ca-certificates/nodeagent-*; update-ca-certificates --fresh > /dev/null",
        "echo > /etc/ssl/certs/ca-certificates.crt",
        &format!("sed -i '/>>> nodeagent/,/<<< nodeagent/d' {SITE}/certifi/cacert.pem"),
    ] {
        node.sh(damage);
        assert_ne!(trusting(&node), [true; 3], "{damage}");
        node.run(&[]).exits(0);
        assert_eq!(trusting(&node), [true; 3], "{damage}");
        node.run(&[]).exits(0).prints("nothing to do");
    }

    // Without the section nothing of it is left.
    node.sh("rm /etc/apt/sources.list.d/ring.list");
    node.profile("[vars]\nx = 1\n");
    node.run(&[]).exits(0);
    assert_eq!(trusting(&node), [false; 3]);
    assert_eq!(node.sh(OWN), "");
    assert_eq!(node.sh("ls /etc/profile.d | grep nodeagent || true"), "");
    node.run(&[]).exits(0).prints("nothing to do");

    // An authority on another server. After its files are known, that server is no longer needed.
    let other = free_port();
    let server = format!("python3 -m http.server --directory {PROFILES}/certs {other}");
    node.serve(&format!("sh -c 'echo $$ > /srv/other.pid; exec {server}'"), other);
    let digest = node.sh(&format!("sha256sum {PROFILES}/certs/ring.pem | cut -d ' ' -f 1"));
    let file = format!("{{ url = \"http://127.0.0.1:{other}/ring.pem\", sha256 = \"{}\" }}", digest.trim());
    node.sh("rm -rf /opt/ring /var/cache/nodeagent");
    node.profile(&format!("[cert]\nfiles = [{file}]\n{pip}"));
    node.run(&[]).exits(0);
    assert_eq!((node.sh("cat /opt/ring/tool.txt").as_str(), trusting(&node)), ("a tool\n", [true; 3]));
    node.sh("rm -rf /var/cache/nodeagent; kill $(cat /srv/other.pid)");
    node.run(&[]).exits(0).prints("nothing to do");
    node.is_tidy();
}

#[test]
fn java_trusts_an_authority_also_after_kills_at_any_instant() {
    let Some(node) = fresh("cert-java") else { return };
    node.write("/srv/tls/Fetch.java", JAVA);
    let profile = |cert: &str| {
        let apt = "[apt]\npackages = [\"openjdk-17-jdk-headless\"]\n";
        node.profile(&format!("{apt}{cert}"));
    };
    let cert = "[cert]\nfiles = [\"certs/ring.pem\"]\n";
    node.sh("mkdir -p /usr/lib/jvm; ln -s java-17-openjdk-$(dpkg --print-architecture) /usr/lib/jvm/ring");
    // The same run installs the JDK.
    profile(cert);
    node.run(&["--deadline", "15m"]).exits(0).prints("cert:java: done");
    assert!(java_trusts(&node));
    node.run(&[]).exits(0).prints("nothing to do");
    // A JDK that Debian does not manage.
    node.sh("mkdir -p /opt/other-jdk/lib/security; ln -s /usr/lib/jvm/ring/bin /opt/other-jdk/bin
        openssl x509 -in /etc/ssl/certs/ca-certificates.crt -out /tmp/one.pem
        /usr/lib/jvm/ring/bin/keytool -importcert -noprompt -alias one -file /tmp/one.pem -storepass changeit -keystore /opt/other-jdk/lib/security/cacerts 2> /dev/null");
    let other = "/usr/lib/jvm/ring/bin/keytool -list -storepass changeit -keystore /opt/other-jdk/lib/security/cacerts 2> /dev/null | grep -c nodeagent || true";
    node.run(&[]).exits(0);
    assert_eq!(node.sh(other), "1\n");
    node.run(&[]).exits(0).prints("nothing to do");

    // A keystore that others changed is repaired.
    let alias = aliases(&node);
    let alias = alias.lines().next().expect("an alias");
    let shared = "$(readlink -f /usr/lib/jvm/ring/lib/security/cacerts)";
    node.sh(&format!(
        "/usr/lib/jvm/ring/bin/keytool -delete -alias '{alias}' -storepass changeit -keystore {shared} 2> /dev/null"
    ));
    assert!(!java_trusts(&node));
    node.run(&[]).exits(0);
    assert!(java_trusts(&node));
    node.run(&[]).exits(0).prints("nothing to do");

    // A wrong password fails the step, and the keystore stays.
    node.sh("/usr/lib/jvm/ring/bin/keytool -storepasswd -storepass changeit -new of-the-ring-4712 -keystore /opt/other-jdk/lib/security/cacerts 2> /dev/null");
    let store = "sha256sum /opt/other-jdk/lib/security/cacerts";
    let kept = node.sh(store);
    node.run(&[]).exits(1).prints("java-password");
    assert_eq!(node.sh(store), kept);
    // keytool records its arguments and its environment.
    node.sh("rm /opt/other-jdk/bin; mkdir /opt/other-jdk/bin
        printf '#!/bin/sh\\n{ echo \"$@\"; env; } >> /tmp/seen\\nexec /usr/lib/jvm/ring/bin/keytool \"$@\"\\n' > /opt/other-jdk/bin/keytool
        chmod 755 /opt/other-jdk/bin/keytool");
    let secret = "java-password = { secret = \"keystore\" }\n[secrets]\nsource = \"env\"\nscope = \"ring\"\n";
    profile(&format!("{cert}{secret}"));
    node.run(&[]).exits(0).never_prints(PASSWORD);
    assert_eq!(node.sh(store), kept, "the certificate was there");
    let seen = node.sh("cat /tmp/seen");
    assert!(seen.contains("-keystore") && !seen.contains(PASSWORD), "{seen}");
    node.run(&[]).exits(0).prints("nothing to do");
    assert_eq!(
        node.sh(&format!("grep -rl {PASSWORD} /var/log/nodeagent /var/lib/nodeagent /var/cache/nodeagent || true")),
        ""
    );
    profile(cert);
    node.sh("rm -r /opt/other-jdk");
    node.run(&[]).exits(0);

    let state = || {
        node.sh(&format!(
            "{OWN}; sha256sum /etc/ssl/certs/ca-certificates.crt {SITE}/certifi/cacert.pem; ls -l /etc/ssl/certs | awk '{{print $9, $11}}'
            cat /etc/profile.d/nodeagent-variables.sh"
        ))
    };
    let wanted = state();
    let without = || {
        profile("");
        node.run(&[]).exits(0);
        assert!(!java_trusts(&node) && aliases(&node).is_empty() && node.sh(OWN).is_empty(), "all was taken back");
        profile(cert);
        &node
    };
    without();
    let began = Instant::now();
    node.run(&[]).exits(0);
    let mut seconds = began.elapsed().as_secs_f64();
    assert_same(&wanted, &state(), "a second start makes the same node");
    // Each round starts keytool many times. The aliases in a keystore depend on the instant: a hook of Debian's
    // packages may have imported the certificate before nodeagent does.
    let rounds = instants().div_ceil(3);
    for fraction in random_fractions(rounds) {
        let (_, killed) = kill(&mut seconds, fraction, &["nodeagent", "run", "--profile", PROFILE], without);
        wait_for_orphans(&node);
        let next = node.run(&[]);
        next.exits(0);
        assert_same(&wanted, &state(), &format!("the next run completes the node;\n{killed}\n{next}\n"));
        assert!(java_trusts(&node) && trusting(&node) == [true; 3]);
        node.run(&[]).exits(0).prints("nothing to do");
        node.is_tidy();
    }
    // A run that takes back is killed, too.
    for fraction in random_fractions(rounds) {
        let (_, killed) = kill(&mut seconds, fraction, &["nodeagent", "run", "--profile", PROFILE], || {
            profile(cert);
            node.run(&[]).exits(0);
            profile("");
            &node
        });
        wait_for_orphans(&node);
        node.run(&[]).exits(0);
        let left = aliases(&node) + &node.sh(OWN);
        assert_eq!(left, "", "the next run takes everything back;\n{killed}");
        assert_eq!(trusting(&node), [false; 3]);
        node.run(&[]).exits(0).prints("nothing to do");
    }
    assert_eq!(node.sh(&format!("ls {PROFILES}/certs")), "ring.pem\n");
}
