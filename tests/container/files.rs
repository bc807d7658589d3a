//! `[files]` on a node: all forms with owners, a file that is a mount, drift, and items that are taken back.

use crate::support::{Node, PROFILES, assert_same};

const TOKEN: &str = "of-the-ring-9090";
const FILES: &str = r#"
[apt]
packages = ["jq"]
[secrets]
source = "env"
scope = "ring"
[files]
"/etc/ring/copied.conf" = "lib/copied.conf"
"/etc/ring/{one,two}.conf" = { text = "${profile.name}", owner = "analyst:root", mode = "u=rw,go=" }
"/etc/ring/template.conf" = { from = "lib/template.conf", template = true, owner = "analyst" }
"/usr/local/bin/ring" = { link = "/usr/bin/jq" }
"/srv/ring/" = { dir = true, mode = "2770", owner = "analyst" }
"/srv/old*" = { absent = true }
"/srv/tree" = { absent = true, recursive = true }
"/srv/shared" = { mode = "a+rX", owner = "analyst", recursive = true }
"~analyst/.ring" = { text = "mine", owner = "analyst" }
"/etc/motd" = { text = "never written", keep = true }

[files."/etc/resolv.conf"]
lines = ["options timeout:7"]

[files."/etc/ring/server.cnf"]
set = { top = "${secret.token}", mysqld = { bind-address = "10.0.0.1", extra = true } }
lines = [{ line = "max=9", match = "^#?max=" }]
replace = [{ regex = '^(log=.*?)(, ring)?$', with = "$1, ring" }]
block = { text = "inner=1", name = "ring", above = '^\[mysqld\]' }
"#;
const SERVER: &str = "[client]\nport=1\n\n[mysqld]\nbind-address = 127.0.0.1\n#max=1\nlog=info";

#[test]
fn every_form_is_made_repaired_and_taken_back() {
    let Some(node) = Node::with("files", &["--env", &format!("RING_TOKEN={TOKEN}")]) else { return };
    node.write(&format!("{PROFILES}/lib/copied.conf"), b"\xe9 binary\n");
    node.write(&format!("{PROFILES}/lib/template.conf"), "token=${secret.token}\n");
    node.write("/etc/ring/server.cnf", SERVER);
    node.write("/etc/ring/copied.conf", "of the image\n");
    node.sh("mkdir -p /srv/tree/a /srv/shared/b; touch /srv/old1 /srv/old2 /srv/tree/a/x /srv/shared/b/y
        chmod 600 /srv/shared/b/y; chmod 640 /etc/ring/copied.conf; chown daemon /etc/ring/copied.conf
        grep -q ' /etc/resolv.conf ' /proc/self/mountinfo");
    node.profile(FILES);
    let state = || {
        node.sh("cd /etc/ring && stat -c '%n %a %U:%G' * /etc/resolv.conf; cat server.cnf copied.conf /etc/resolv.conf | md5sum")
    };
    let before = state();

    node.run(&[]).exits(0).never_prints(TOKEN);
    is_as_wanted(&node);
    let ready = node.listing_but_log();
    node.run(&[]).exits(0).prints("nothing to do");
    assert_same(&ready, &node.listing_but_log(), "a second run changes nothing");
    let holders = node.sh(&format!("grep -rls {TOKEN} /etc /srv /var /run /tmp /home /root 2> /dev/null | sort"));
    assert_eq!(holders, "/etc/ring/server.cnf\n/etc/ring/template.conf\n");

    node.sh("cd /etc/ring; echo x > one.conf; sed -i 's/10.0.0.1/10.0.0.2/' server.cnf; chown root template.conf
        echo x > copied.conf; rm /usr/local/bin/ring; chmod 700 /srv/ring; touch /srv/old9; chmod 600 /srv/shared/b/y
        grep -v timeout:7 /etc/resolv.conf > /tmp/resolv; cat /tmp/resolv > /etc/resolv.conf");
    let planned = node.run(&["--dry-run"]);
    assert_eq!(planned.stdout.matches("(drifted)").count(), 8, "{planned}");
    node.run(&[]).exits(0).never_prints(TOKEN);
    is_as_wanted(&node);

    node.profile("[apt]\npackages = [\"jq\"]\n");
    node.run(&[]).exits(0).never_prints("warning");
    assert_same(&before, &state(), "all files are as before");
    node.sh("for path in /usr/local/bin/ring /srv/ring ~analyst/.ring; do test ! -e $path; done");
    node.run(&[]).exits(0).prints("nothing to do");
    node.is_tidy();
}

fn is_as_wanted(node: &Node) {
    node.sh(&format!(
        "set -ex
        cd /etc/ring
        test \"$(stat -c '%a %U:%G' one.conf two.conf | sort -u)\" = '600 analyst:root'
        test \"$(stat -c '%a %U' template.conf)\" = '600 analyst'
        test \"$(cat template.conf)\" = token={TOKEN}
        test \"$(cat one.conf)\" = \"$(cat two.conf)\"
        printf '\\351 binary\\n' | cmp - copied.conf
        test \"$(stat -c '%a %U' copied.conf)\" = '640 daemon'
        /usr/local/bin/ring --version
        test \"$(stat -c '%a %U' /srv/ring)\" = '2770 analyst'
        test ! -e /srv/old1; test ! -e /srv/old9; test ! -e /srv/tree
        test \"$(stat -c '%a %U' /srv/shared/b/y)\" = '644 analyst'
        test \"$(stat -c '%U' ~analyst/.ring)\" = analyst
        ! grep -q never /etc/motd
        grep -qx 'options timeout:7' /etc/resolv.conf
        test \"$(stat -c %a server.cnf)\" = 600
        cat > /tmp/wanted <<'END'
top={TOKEN}
[client]
port=1

# >>> nodeagent ring >>>
inner=1
# <<< nodeagent ring <<<
[mysqld]
bind-address = 10.0.0.1
max=9
log=info, ring
extra=true
END
        diff /tmp/wanted server.cnf; rm /tmp/wanted"
    ));
}

#[test]
fn archives_of_real_programs_are_unpacked() {
    let Some(node) = Node::with("archives", &[]) else { return };
    node.sh(&format!(
        "set -e; mkdir -p {PROFILES}/lib /tmp/tree/tool/bin; cd /tmp/tree
        printf '#!/bin/sh\\necho ring\\n' > tool/bin/ring; chmod 755 tool/bin/ring; ln -s ring tool/bin/r
        head -c 300000 /dev/urandom > tool/data
        for format in tar gztar bztar xztar zip; do
            python3 -c \"import shutil, sys; shutil.make_archive('{PROFILES}/lib/' + sys.argv[1], sys.argv[1])\" $format
        done
        mkdir -p /tmp/deb/DEBIAN; cp -a tool /tmp/deb/
        printf 'Package: ring\\nVersion: 1\\nArchitecture: all\\nMaintainer: x <x@x>\\nDescription: x\\n' > /tmp/deb/DEBIAN/control
        dpkg-deb --build /tmp/deb {PROFILES}/lib/ring.deb > /dev/null
        gzip -c tool/data > {PROFILES}/lib/data.gz"
    ));
    let names = ["tar.tar", "gztar.tar.gz", "bztar.tar.bz2", "xztar.tar.xz", "zip.zip", "ring.deb"];
    let entries: String = names
        .map(|name| {
            format!("\"/opt/{name}/\" = {{ from = \"lib/{name}\", unpack = {{ strip = 1 }}, owner = \"analyst\" }}\n")
        })
        .concat();
    node.profile(&format!("[files]\n{entries}\"/opt/data\" = {{ from = \"lib/data.gz\", unpack = true }}\n"));
    node.run(&[]).exits(0);
    for name in names {
        // The writer of zip archives in Python follows links.
        let link = if name == "zip.zip" { "" } else { "test \"$(readlink bin/r)\" = ring;" };
        node.sh(&format!(
            "set -e; cd /opt/{name}; cmp data /tmp/tree/tool/data; {link} test \"$(bin/ring)\" = ring
            test \"$(stat -c '%U %a' bin/ring)\" = 'analyst 755'"
        ));
    }
    node.sh("cmp /opt/data /tmp/tree/tool/data");
    let ready = node.listing_but_log();
    node.run(&[]).exits(0).prints("nothing to do");
    assert_same(&ready, &node.listing_but_log(), "a second run changes nothing");
    node.profile("");
    node.run(&[]).exits(0).never_prints("warning");
    node.sh("for path in /opt/data /opt/*tar* /opt/zip.zip /opt/ring.deb; do test ! -e $path; done");
    node.is_tidy();
}
