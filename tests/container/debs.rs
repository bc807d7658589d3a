//! Debian packages from files, apt sources with a key, and packages with debconf questions.

use crate::support::{Node, PROFILE, PROFILES, assert_same, port};

/// A key of the archive of Debian, and its fingerprint.
const KEY: &str = "/usr/share/keyrings/debian-archive-bookworm-automatic.gpg";
const FINGERPRINT: &str = "B8B8 0B5B 623E AB6A D877 5C45 B7C5 D7D6 3509 47F8";
/// A second one.
const OTHER_KEY: &str = "/usr/share/keyrings/debian-archive-bookworm-stable.gpg";
const OTHER_FINGERPRINT: &str = "4D64 FEC1 19C2 0290 67D6  E791 F8D2 585B 8783 D481";

#[test]
fn a_deb_file_is_installed_with_its_dependencies_and_debconf_answers() {
    let Some(node) = Node::fresh("debs") else { return };
    node.sh(&format!(
        "set -e; mkdir -p /tmp/deb/DEBIAN /tmp/deb/usr/share/ring; cd /tmp; echo data > deb/usr/share/ring/data
        printf 'Package: ringdeb\\nVersion: 1.2-3\\nArchitecture: all\\nDepends: jq, debconf\\nMaintainer: x <x@example.com>\\nDescription: for tests\\n' > deb/DEBIAN/control
        printf 'Template: ringdeb/agree\\nType: boolean\\nDefault: false\\nDescription: Do you agree?\\n' > deb/DEBIAN/templates
        printf '#!/bin/sh\\n. /usr/share/debconf/confmodule\\ndb_input critical ringdeb/agree || true\\ndb_go || true\\n' > deb/DEBIAN/config
        printf '#!/bin/sh\\n. /usr/share/debconf/confmodule\\ndb_get ringdeb/agree\\necho \"$RET\" > /etc/ring-agreed\\n[ \"$RET\" = true ]\\n' > deb/DEBIAN/postinst
        chmod 755 deb/DEBIAN/config deb/DEBIAN/postinst
        mkdir -p {PROFILES}/lib; dpkg-deb --build deb {PROFILES}/lib/ringdeb_1.2-3_all.deb > /dev/null"
    ));
    let debs = "[apt]\ndebs = [\"lib/ringdeb_1.2-3_all.deb\"]\n";
    node.profile(debs);
    node.run(&[]).exits(1).is_brief().prints("ringdeb").prints("ring.toml:4");
    node.profile(&format!(
        "{debs}debconf = [{{ package = \"ringdeb\", question = \"ringdeb/agree\", type = \"boolean\", value = true }}]\n"
    ));
    node.run(&[]).exits(0).prints("apt: done");
    assert_eq!(node.sh("cat /etc/ring-agreed"), "true\n");
    node.sh("jq --version && test -e /usr/share/ring/data");
    let ready = node.listing_but_log();
    node.run(&[]).exits(0).prints("nothing to do");
    assert_same(&ready, &node.listing_but_log(), "a second run changes nothing");

    // A lock has the file as an asset, and its dependencies as packages.
    node.exec(&[], &["nodeagent", "lock", "--profile", PROFILE]).exits(0);
    node.sh("grep -q '^path = \"lib/ringdeb_1.2-3_all.deb\"' /profiles/ring.lock && grep -q '^name = \"jq\"' /profiles/ring.lock");
    node.sh("dpkg --purge ringdeb jq");
    node.run(&["--locked"]).exits(0).prints("apt: done");
    node.sh("jq --version && test -e /usr/share/ring/data");

    // A file whose name says nothing is known by its content.
    node.sh(&format!("cd {PROFILES} && cp lib/ringdeb_1.2-3_all.deb lib/vendor.deb && rm ring.lock"));
    node.profile("[apt]\ndebs = [\"lib/vendor.deb\"]\n");
    node.run(&[]).exits(0).prints("nothing to do");
}

#[test]
fn an_apt_source_needs_the_key_with_its_fingerprint() {
    let Some(node) = Node::fresh("source") else { return };
    node.sh(&format!("mkdir -p {PROFILES}; cp {KEY} {PROFILES}/archive.gpg"));
    let mirror = node.sh("apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | head -n 1");
    let mirror = mirror.trim();
    let source = |fingerprint: &str| {
        format!(
            "[apt]\npackages = [\"jq\"]\n[[apt.sources]]\nname = \"ring\"\nuris = \"{mirror}\"\nsuites \
             = \"bookworm-backports\"\ncomponents = [\"main\"]\nkey = \"archive.gpg\"\nfingerprint = \"{fingerprint}\"\n"
        )
    };
    node.profile(&source(&"0123 4567 ".repeat(5)));
    let before = node.listing();
    node.run(&[])
        .exits(2)
        .is_brief()
        .prints("source `ring`")
        .prints("fingerprint")
        .prints("ring.toml:6")
        .prints("nothing was changed");
    assert_same(&before, &node.listing(), "a wrong key changes nothing");

    node.profile(&source(FINGERPRINT));
    node.run(&[]).exits(0);
    node.sh("ls /etc/apt/sources.list.d/ring.sources /var/lib/apt/lists/*bookworm-backports*Packages* && jq --version");
    let ready = node.listing_but_log();
    node.run(&[]).exits(0).prints("nothing to do");
    assert_same(&ready, &node.listing_but_log(), "a second run changes nothing");
}

#[test]
fn a_keyring_on_a_server_is_fetched_once_and_checked_key_by_key() {
    let Some(node) = Node::fresh("keyring") else { return };
    let port = port();
    node.sh(&format!("mkdir -p /srv/keys && cat {KEY} {OTHER_KEY} > /srv/keys/archive.gpg"));
    node.serve(&format!("python3 -m http.server --bind 127.0.0.1 --directory /srv/keys {port}"), port);
    let mirror = node.sh("apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | head -n 1");
    let mirror = mirror.trim();
    let source = |fingerprints: &[&str]| {
        format!(
            "[apt]\npackages = [\"jq\"]\n[[apt.sources]]\nname = \"ring\"\nuris = \"{mirror}\"\nsuites \
             = \"bookworm-backports\"\ncomponents = [\"main\"]\nkey = \"http://127.0.0.1:{port}/archive.gpg\"\n\
             fingerprint = {fingerprints:?}\n"
        )
    };
    node.profile(&source(&[FINGERPRINT]));
    let refused = node.run(&[]);
    refused
        .exits(2)
        .is_brief()
        .prints("is in a file with other keys")
        .prints("ring.toml:6")
        .prints("nothing was changed");
    node.sh("! ls /etc/apt/sources.list.d/ring.sources /etc/apt/keyrings/ring.gpg 2> /dev/null");

    node.profile(&source(&[FINGERPRINT, OTHER_FINGERPRINT]));
    node.run(&[]).exits(0);
    node.sh("cmp /srv/keys/archive.gpg /etc/apt/keyrings/ring.gpg && jq --version");
    node.sh("ls /var/lib/apt/lists/*bookworm-backports*Packages*");
    // The server no longer has the key.
    node.sh("rm /srv/keys/archive.gpg");
    let ready = node.listing_but_log();
    node.run(&[]).exits(0).prints("nothing to do");
    assert_same(&ready, &node.listing_but_log(), "a second run changes nothing and fetches nothing");
}
