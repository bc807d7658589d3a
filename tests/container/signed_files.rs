//! Files on a server with a signature: a Debian package and an archive, with and without a lock.

use crate::support::{Node, PROFILE, assert_same, port};

#[test]
fn signed_files_are_verified_before_the_first_change_and_locked() {
    let Some(node) = Node::fresh("signed") else { return };
    let port = port();
    node.sh(
        "set -e; mkdir -p /srv/signed /tmp/deb/DEBIAN /tmp/deb/usr/share/ring /tmp/tree/inner; cd /tmp
        echo data > deb/usr/share/ring/data; echo inside > tree/inner/file
        printf 'Package: ringsigned\\nVersion: 1.0\\nArchitecture: all\\nMaintainer: x <x@example.com>\\nDescription: for tests\\n' > deb/DEBIAN/control
        dpkg-deb --build deb /srv/signed/ringsigned_1.0_all.deb > /dev/null
        tar -C tree -czf /srv/signed/tree.tar.gz inner
        nodeagent sign --generate /tmp/key --no-password > /dev/null
        nodeagent sign --key /tmp/key /srv/signed/ringsigned_1.0_all.deb /srv/signed/tree.tar.gz > /dev/null",
    );
    node.serve(&format!("python3 -m http.server --bind 127.0.0.1 --directory /srv/signed {port}"), port);
    let key = node.sh("tail -n 1 /tmp/key.pub");
    let signed = |name: &str| {
        format!("{{ url = \"http://127.0.0.1:{port}/{name}\", signed-by = {{ key = \"{}\" }} }}", key.trim())
    };
    let files = format!("[files]\n\"/opt/tree/\" = {{ from = {}, unpack = true }}\n", signed("tree.tar.gz"));
    node.profile(&format!("[apt]\ndebs = [{}]\n{files}", signed("ringsigned_1.0_all.deb")));
    // A file that was changed after signing.
    node.sh("cp /srv/signed/tree.tar.gz /tmp/good && echo >> /srv/signed/tree.tar.gz");
    let before = node.listing();
    let refused = node.run(&[]);
    refused.exits(2).is_brief().prints("tree.tar.gz` is not signed by").prints("nothing was changed");
    assert_same(&before, &node.listing(), "a wrong signature changes nothing");

    node.sh("cp /tmp/good /srv/signed/tree.tar.gz");
    node.run(&[]).exits(0);
    node.sh("test -e /usr/share/ring/data && grep -q inside /opt/tree/inner/file");
    // A ready node needs neither the files nor the signatures.
    node.sh("mv /srv/signed /srv/gone && mkdir /srv/signed");
    let ready = node.listing_but_log();
    node.run(&[]).exits(0).prints("nothing to do");
    assert_same(&ready, &node.listing_but_log(), "a second run changes nothing and fetches nothing");

    // The lock has the digest, which is enough without the cache.
    node.sh("rmdir /srv/signed && mv /srv/gone /srv/signed");
    node.exec(&[], &["nodeagent", "lock", "--profile", PROFILE]).exits(0);
    let lock = node.sh("cat /profiles/ring.lock");
    assert!(lock.contains("/tree.tar.gz\"") && lock.contains("/ringsigned_1.0_all.deb\""), "{lock}");
    node.sh("rm -r /srv/signed /var/cache/nodeagent");
    node.run(&["--locked"]).exits(0).prints("nothing to do");
}
