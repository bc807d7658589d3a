//! Faults of a real node: docs/reliability.md lists them with the promised behaviour. Faults that need no real node are
//! in `tests/cli/faults.rs`, and full disks, kills and locks in the files of their names.

use crate::{
    failures::slow_package,
    support::{LIBRARY, Node, PROFILE, PROFILES, R, SITE, port},
};

/// A captive portal: it answers every request with its page.
const PORTAL: &str = "\
import http.server, sys
class Portal(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        page = b'<!DOCTYPE html><html><head><title>Guest network</title></head><body>Accept the terms</body></html>'
        self.send_response(200)
        self.send_header('Content-Type', 'text/html')
        self.send_header('Content-Length', str(len(page)))
        self.end_headers()
        if self.command == 'GET':
            self.wfile.write(page)
    do_HEAD = do_GET
http.server.ThreadingHTTPServer(('127.0.0.1', int(sys.argv[1])), Portal).serve_forever()
";

#[test]
fn a_captive_portal_is_named_by_apt_pip_and_r() {
    let Some(node) = Node::fresh("portal") else { return };
    let port = port();
    node.write("/root/portal.py", PORTAL);
    node.serve(&format!("python3 /root/portal.py {port}"), port);
    let index = format!("index-url = \"http://127.0.0.1:{port}/simple/\"\n");
    for (sections, address) in [
        (format!("[pip]\npackages = [\"humanize\"]\n{index}"), "/simple/humanize/"),
        (format!("[pip]\npackages = [\"humanize\"]\ninstaller = \"pip\"\n{index}"), "/simple/humanize/"),
        (format!("[r]\nrepos = [\"http://127.0.0.1:{port}/\"]\npackages = [\"tinyc\"]\n"), "/src/contrib/PACKAGES.gz"),
    ] {
        node.profile(&sections);
        let output = node.run(&[]);
        output.exits(1).is_brief().prints("web page").prints(address).prints("ring.toml:").prints("captive portal");
        output.never_prints("no index has");
    }
    // The node's only source of apt packages is the portal.
    node.sh(&format!(
        "rm -rf /etc/apt/sources.list.d/* /var/lib/apt/lists/*
         echo 'deb http://127.0.0.1:{port}/debian bookworm main' > /etc/apt/sources.list"
    ));
    node.profile("[apt]\npackages = [\"jq\"]\n");
    let output = node.run(&[]);
    output.exits(1).is_brief().prints(&format!("127.0.0.1:{port}/debian")).prints("captive portal");
    node.has_no("jq");
    assert_eq!(node.sh(&format!("ls -A {LIBRARY}; ls -d {SITE}/humanize* 2> /dev/null || true")), "");
    node.is_tidy();
}

/// Answers every DNS query for an address after some seconds.
const SLOW_DNS: &str = "\
import socket, sys, threading
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(('127.0.0.1', 53))
def answer(query, client):
    end = query.index(b'\\0', 12) + 5
    is_address = query[end - 4 : end - 2] == b'\\0\\1'
    record = b'\\xc0\\x0c\\0\\1\\0\\1\\0\\0\\0\\x3c\\0\\4\\x7f\\0\\0\\1' if is_address else b''
    head = query[:2] + b'\\x81\\x80\\0\\1' + (b'\\0\\1' if is_address else b'\\0\\0') + b'\\0\\0\\0\\0'
    server.sendto(head + query[12:end] + record, client)
while True:
    query, client = server.recvfrom(512)
    threading.Timer(float(sys.argv[1]), answer, (query, client)).start()
";

#[test]
fn names_that_dns_resolves_after_8_seconds_are_used() {
    // Nodes of the other engine share the file of the resolver with this machine.
    let Some(node) = Node::in_docker("dns", &[]) else { return };
    let port = port();
    node.sh("mkdir -p /srv/www; echo hello > /srv/www/tool");
    let digest = node.sh("sha256sum /srv/www/tool").split(' ').next().unwrap_or_default().to_owned();
    node.serve(&format!("python3 -m http.server --bind 127.0.0.1 --directory /srv/www {port}"), port);
    node.write("/root/dns.py", SLOW_DNS);
    node.sh("setsid python3 /root/dns.py 8 > /dev/null 2>&1 < /dev/null & true");
    node.sh("echo 'nameserver 127.0.0.1' > /etc/resolv.conf");
    node.write("/etc/nodeagent.toml", "insecure-http = [\"slow.example\"]\n");
    node.profile(&format!(
        "[files.\"/opt/tool\"]\nfrom = {{ url = \"http://slow.example:{port}/tool\", sha256 = \"{digest}\" }}\n"
    ));
    node.run(&["--deadline", "60s"]).exits(0);
    assert_eq!(node.sh("cat /opt/tool"), "hello\n");
}

#[test]
fn a_clock_of_another_year_is_named_for_apt() {
    let Some(node) = Node::fresh("clock") else { return };
    // The lists of the source of this node say how long they are valid.
    node.sh(
        "set -e; mkdir -p /srv/apt/dists/ring/main/binary-all; cd /srv/apt/dists/ring
         touch main/binary-all/Packages
         digest() { sha256sum \"$1\" | cut -d' ' -f1; }
         for way in past future; do
             mkdir -p /srv/apt-$way; cp -r /srv/apt/dists /srv/apt-$way/
             [ $way = past ] && offset='-2 years' until='-1 years' || { offset='+2 years'; until='+3 years'; }
             printf 'Origin: ring\\nSuite: ring\\nCodename: ring\\nArchitectures: all\\nComponents: main\\nDate: %s\\nValid-Until: %s\\nSHA256:\\n %s 0 main/binary-all/Packages\\n' \
                 \"$(LC_ALL=C date -Ru -d \"$offset\" | sed s/+0000/UTC/)\" \"$(LC_ALL=C date -Ru -d \"$until\" | sed s/+0000/UTC/)\" \
                 \"$(digest main/binary-all/Packages)\" > /srv/apt-$way/dists/ring/Release
         done",
    );
    for way in ["past", "future"] {
        node.sh(&format!(
            "rm -rf /etc/apt/sources.list.d/* /var/lib/apt/lists/*
             echo 'deb [trusted=yes] file:/srv/apt-{way} ring main' > /etc/apt/sources.list"
        ));
        node.profile("[apt]\npackages = [\"jq\"]\n");
        node.run(&[]).exits(1).is_brief().prints("Release").prints("ring.toml:4").prints("date -u");
        node.has_no("jq");
    }
}

/// A FUSE file system that answers the first request, which begins the connection, and no other.
const HANGING: &str = "\
import ctypes, os, struct, sys
device = os.open('/dev/fuse', os.O_RDWR)
options = f'fd={device},rootmode=40755,user_id=0,group_id=0,allow_other'.encode()
libc = ctypes.CDLL(None, use_errno=True)
if libc.mount(b'ring', sys.argv[1].encode(), b'fuse.ring', 0, options) != 0:
    sys.exit(os.strerror(ctypes.get_errno()))
unique = struct.unpack_from('<IIQ', os.read(device, 1 << 20))[2]
answer = struct.pack('<IIIIHHIIHHI7I', 7, 31, 0, 0, 0, 0, 1 << 16, 1, 0, 0, *[0] * 8)
os.write(device, struct.pack('<IiQ', 16 + len(answer), 0, unique) + answer)
while True:
    os.read(device, 1 << 20)
";

#[test]
fn faults_of_the_file_systems_of_a_node() {
    let Some(node) = Node::in_docker("mounts", &["--capability", "SYS_ADMIN", "--device", "/dev/fuse"]) else { return };
    node.write("/root/hanging.py", HANGING);
    let hang = |folder: &str| {
        node.sh(&format!(
            "mkdir -p {folder}; setsid python3 /root/hanging.py {folder} > /dev/null 2>&1 < /dev/null &
             for i in {{1..100}}; do grep -q ' {folder} fuse' /proc/mounts && exit 0; sleep 0.1; done; exit 1"
        ));
    };

    // A file store that hangs, and so does the target of the report.
    hang("/hanging");
    node.profile("[env.variables]\nRING = \"1\"\n");
    let stored = ["--filestore", "/hanging/FileStore", "--report-to", "/hanging/reports", "--deadline", "2s"];
    let output = node.run(&stored);
    output
        .exits(4)
        .is_brief()
        .prints("the deadline passed after")
        .prints("file store `/hanging/FileStore` did not answer");
    output.prints("hint: ").prints("`/hanging/reports` does not answer").prints("no step was started");
    // A run without an entry on it works, and its report is only not copied.
    node.run(&["--report-to", "/hanging/reports"]).exits(0).prints("warning: the report was not copied");
    // A daemon that is stopped: a thread of the run hangs in a call.
    hang("/stopped");
    node.sh("pkill -STOP -f 'hanging.py /stoppe[d]'");
    node.profile("[files]\n\"/stopped/x\" = { text = \"x\" }\n");
    let output = node.run(&["--deadline", "2s"]);
    output.exits(4).is_brief().prints("the deadline passed after").prints("a file system, does not answer");

    // The death of the daemons ends the calls.
    node.sh("pkill -KILL -f 'hanging.p[y]'; umount -l /hanging /stopped");

    // No free inodes: nothing partial stays, and the hint says how to see it.
    node.sh("mkdir /few; mount -t tmpfs -o nr_inodes=4,size=20m few /few");
    node.profile("[files]\n\"/few/x\" = { text = \"x\" }\n\"/few/a/b/c/d/e\" = { text = \"x\" }\n");
    node.run(&[]).exits(1).is_brief().prints("No space left").prints("ring.toml:").prints("no free inodes (`df -i`)");
    assert_eq!(node.sh("find /few -type f"), "");

    // 20 MB of free disk: a larger file is refused or fails by name, and a smaller one fits.
    node.sh("mkdir /small; mount -t tmpfs -o size=20m small /small; dd if=/dev/zero of=/profiles/big bs=1M count=30 2> /dev/null");
    node.profile("[files]\n\"/small/big\" = { from = \"big\" }\n\"/small/x\" = { text = \"x\" }\n");
    node.run(&["--keep-going"]).exits(1).is_brief().prints("/small/big").prints("hint: the disk is full");
    assert_eq!(node.sh("ls -A /small"), "x\n");

    // A `.bashrc` that is a mount cannot be replaced, only written; read-only, it fails by name.
    node.sh("echo '# mine' > /root/own; touch /root/.bashrc; mount --bind /root/own /root/.bashrc");
    node.profile("[shell]\nbashrc = { text = \"RING=1\" }\n");
    node.run(&[]).exits(0);
    assert!(node.sh("cat /root/.bashrc").starts_with("# mine\n"));
    node.profile("[shell]\nbashrc = { text = \"RING=2\" }\n");
    node.sh("mount -o remount,ro,bind /root/.bashrc");
    node.run(&[]).exits(1).is_brief().prints("/root/.bashrc").prints("mounted read-only").prints("ring.toml:4");
    node.sh("umount /root/.bashrc");

    // No program may be executed below /tmp: builds, scripts and maintainer scripts do not need it.
    node.sh("mount -t tmpfs -o noexec,nosuid noexec /tmp");
    node.profile(&format!(
        "[apt]\npackages = [\"jq\"]\n{R}packages = [\"tinyc\"]\n[hooks.ring]\ntext = \"jq --version\"\n"
    ));
    node.run(&[]).exits(0);
    node.run(&[]).exits(0).prints("nothing to do");
    node.is_tidy();
}

#[test]
fn a_killed_compiler_and_an_interrupted_dpkg_are_named_and_repaired() {
    let Some(node) = Node::fresh("oom") else { return };
    // What the kernel does to a compiler that uses too much memory.
    node.sh("set -e; compiler=$(gcc -print-prog-name=cc1); mv $compiler $compiler.real
         printf '#!/bin/sh\\nif [ -e /root/oom ]; then kill -9 $$; fi\\nexec %s.real \"$@\"\\n' $compiler > $compiler
         chmod 755 $compiler; touch /root/oom");
    node.profile(&format!("{R}packages = [\"tinyc\", \"tinypure\"]\n"));
    let output = node.run(&[]);
    output.exits(1).is_brief().prints("Killed signal terminated program").prints("ring.toml:5");
    output.prints("hint: the program was killed, most often by the kernel because memory ran out");
    assert_eq!(node.sh(&format!("ls -A {LIBRARY}")), "tinypure\n", "independent packages are installed");
    // R itself is killed.
    slow_package(&node);
    node.sh("touch /tmp/slow");
    node.profile(&format!("{R}sources = [\"slowr_1.0.tar.gz\"]\n"));
    let run = node.begin_run(&[]);
    node.sh("for i in {1..300}; do pgrep -f 'sleep 61[7]' > /dev/null && break; sleep 0.1; done
         pkill -KILL -f 'bin/exec/R .*slow[r]' || pkill -KILL -f 'R CMD INSTALL.*slow[r]'");
    let output = crate::support::CommandOutput::wait(run, "the run whose R is killed");
    output.exits(1).is_brief().prints("slowr").prints("hint: ");
    node.sh("rm /tmp/slow /root/oom; pkill -f 'sleep 61[7]' || true");
    node.profile(&format!("{R}packages = [\"tinyc\"]\nsources = [\"slowr_1.0.tar.gz\"]\n"));
    node.run(&[]).exits(0);

    // A package that is unpacked and not configured, and lock files that nobody holds.
    node.sh(
        "set -e; cd /root; apt-get download jq libjq1 libonig5 > /dev/null 2>&1 || { apt-get update > /dev/null; apt-get download jq libjq1 libonig5 > /dev/null 2>&1; }
         dpkg --unpack jq_*.deb > /dev/null
         touch /var/lib/dpkg/lock /var/lib/dpkg/lock-frontend /var/lib/apt/lists/lock /var/cache/apt/archives/lock",
    );
    assert_eq!(node.sh("dpkg-query -W -f '${db:Status-Status}' jq"), "unpacked");
    node.profile("[apt]\npackages = [\"tree\"]\n");
    node.run(&[]).exits(0).prints("apt: done");
    assert_eq!(node.sh("dpkg-query -W -f '${db:Status-Status}' jq tree; dpkg --audit"), "installedinstalled");
    node.exec(&[], &["nodeagent", "run", "--profile", PROFILE]).exits(0).prints("nothing to do");
    assert_eq!(node.sh(&format!("ls {PROFILES}")), "ring.toml\nslowr_1.0.tar.gz\n");
}
