//! Settings of the operating system on real nodes. Without further capabilities, a container permits neither mounts nor
//! swap nor another host name, and its `/proc/sys` is read-only.

use std::time::Instant;

use crate::support::{Node, PROFILE, assert_same, instants, kill, random_fractions};

/// Everything that every node permits.
const PERMITTED: &str = r#"
[system]
hosts = { "10.9.8.7" = ["db.ring", "db"], "fd00::7" = "db6.ring" }
timezone = "Europe/Berlin"
alternatives = { pager = "/bin/more" }
ldconfig = ["/opt/lib"]
"#;

/// Everything.
const ALL: &str = r#"
sysctl = { "kernel.msgmax" = 65536 }
hostname = "models-1"
swap = { "/disk/swapfile" = "8M" }

[system.mounts."/mnt/models"]
what = "models"
type = "tmpfs"
options = ["size=1m", "mode=0750"]
"#;

/// The state of the settings.
const STATE: &str = "
    cat /proc/sys/kernel/msgmax /proc/sys/kernel/hostname /etc/hostname /etc/timezone /etc/hosts /etc/fstab
    readlink /etc/localtime /etc/alternatives/pager; head -n 1 /var/lib/dpkg/alternatives/pager
    grep ' /mnt/models ' /proc/self/mounts; stat -c '%n %a' /mnt/models
    cat /etc/sysctl.d/nodeagent-ring.conf /etc/ld.so.conf.d/nodeagent-ring.conf; ldconfig -p | grep /opt/lib/
    grep -o ^/disk/swapfile /proc/swaps; stat -c '%n %a %s' /disk/* /disk/.[!.]*; true";

/// A folder with a library.
const LIBRARY: &str = "mkdir /opt/lib && cp /lib/*-linux-gnu/libz.so.1 /opt/lib/";

/// A node that permits everything. Swap is a matter of the whole machine, so `swapon` only writes to a copy of
/// `/proc/swaps`. `a_real_swap_file_and_bind_mount` has the real one.
fn capable() -> Option<Node> {
    let node = Node::in_docker("system", &["--capability", "SYS_ADMIN", "--disk", "/disk"])?;
    node.sh(&format!(
        "{LIBRARY}
        mount -o remount,rw /proc/sys
        head -n 1 /proc/swaps > /tmp/swaps && mount --bind /tmp/swaps /proc/swaps
        printf '#!/bin/sh\\nprintf \"%%s\\\\tfile\\\\t8188\\\\t0\\\\t-2\\\\n\" \"$1\" >> /tmp/swaps\\n' > /usr/local/sbin/swapon
        chmod 755 /usr/local/sbin/swapon"
    ));
    node.profile(&format!("{PERMITTED}{ALL}"));
    Some(node)
}

fn state(node: &Node) -> String {
    node.sh(&format!("exec 2> /dev/null\n{STATE}"))
}

#[test]
fn settings_are_made_repaired_and_taken_back() {
    let Some(node) = capable() else { return };
    let before = state(&node);
    let listing = node.listing_but_log();
    node.run(&["--dry-run"]).exits(0);
    assert_same(&listing, &node.listing_but_log(), "a dry run changes nothing");
    node.run(&[]).exits(0);
    let made = state(&node);
    for line in [
        "65536\nmodels-1\nmodels-1\nEurope/Berlin\n",
        "# >>> nodeagent ring >>>\n10.9.8.7\tdb.ring db\nfd00::7\tdb6.ring\n# <<< nodeagent ring <<<\n",
        "/disk/swapfile none swap sw 0 0\n",
        "models /mnt/models tmpfs size=1m,mode=0750 0 0\n",
        "/usr/share/zoneinfo/Europe/Berlin\n/bin/more\nmanual\n",
        "models /mnt/models tmpfs rw,relatime,size=1024k,mode=750",
        "=> /opt/lib/libz.so.1\n",
        "/disk/swapfile\n/disk/swapfile 600 8388608\n",
    ] {
        assert!(made.contains(line), "`{line}` is not in {made}");
    }
    assert_eq!(node.sh("getent hosts db; date -d @0 +%Z"), "10.9.8.7        db.ring db\nCET\n");
    assert!(node.sh("file -s /disk/swapfile 2> /dev/null || blkid /disk/swapfile").to_lowercase().contains("swap"));

    // A ready node stays as it is.
    let listing = node.listing_but_log();
    node.run(&[]).exits(0).prints("nothing to do");
    assert_same(&listing, &node.listing_but_log(), "nothing changes");

    // Drift is repaired.
    node.sh("echo 9000 > /proc/sys/kernel/msgmax; hostname other; umount /mnt/models; update-alternatives --auto pager
        ln -sf ../usr/share/zoneinfo/UTC /etc/localtime; chmod 644 /disk/swapfile; sed -i /models/d /etc/fstab
        grep -v -e nodeagent -e ^10.9.8.7 -e ^fd00::7 /etc/hosts > /tmp/hosts; cat /tmp/hosts > /etc/hosts
        head -n 1 /tmp/swaps > /tmp/none; cat /tmp/none > /tmp/swaps
        rm /etc/ld.so.conf.d/nodeagent-ring.conf; ldconfig");
    let plan = node.exec(&[], &["nodeagent", "plan", "--profile", PROFILE]);
    assert_eq!(plan.exits(0).stdout.matches("drifted").count(), 7, "{plan}");
    node.run(&[]).exits(0);
    assert_same(&made, &state(&node), "drift is repaired");
    node.run(&[]).exits(0).prints("nothing to do");
    // A library that is added later.
    node.sh("sleep 0.1; cp /lib/*-linux-gnu/libselinux.so.1 /opt/lib/; sleep 0.1");
    node.run(&[]).exits(0);
    assert!(node.sh("ldconfig -p").contains("/opt/lib/libselinux.so.1"));

    // Other options of the mount.
    node.profile(&format!("{PERMITTED}{ALL}").replace("size=1m", "size=2m"));
    node.run(&[]).exits(0);
    assert_eq!(
        node.sh("grep -c ' /mnt/models ' /proc/self/mounts; grep -o size=2048k /proc/self/mounts"),
        "1\nsize=2048k\n"
    );

    // Settings that the profile no longer names are taken back, except swap.
    node.profile("");
    node.run(&[]).exits(0).never_prints("warning");
    let after = state(&node);
    assert!(after.contains("/disk/swapfile none swap sw 0 0\n") && after.contains("/disk/swapfile 600"), "{after}");
    let without_swap = after.lines().filter(|line| !line.contains("/disk/swapfile")).collect::<Vec<_>>().join("\n");
    assert_same(before.trim_end(), &without_swap, "the state before comes back");
    node.run(&[]).exits(0).prints("nothing to do");

    // A setting that others changed stays.
    node.profile(&format!("{PERMITTED}{ALL}"));
    node.run(&[]).exits(0);
    node.sh("echo 9000 > /proc/sys/kernel/msgmax; umount /mnt/models; mount -t tmpfs mine /mnt/models; hostname mine");
    node.profile("");
    let output = node.run(&[]);
    output.exits(0).prints("the mount at `/mnt/models` was changed since nodeagent set it, so it stays");
    output.prints("the value of `kernel/msgmax` was changed").prints("the host name was changed");
    assert_eq!(
        node.sh("cat /proc/sys/kernel/msgmax; hostname; grep -c '^mine /mnt/models' /proc/self/mounts"),
        "9000\nmine\n1\n"
    );
    node.is_tidy();
}

#[test]
fn settings_that_a_container_does_not_permit_are_refused() {
    let Some(node) = Node::in_docker("system", &[]) else { return };
    node.sh(LIBRARY);
    let listing = node.listing_but_log();
    for (section, reason) in [
        (
            "sysctl = { \"kernel.msgmax\" = 65536 }",
            "this node does not permit `kernel.msgmax` to be set: Read-only file system",
        ),
        ("hostname = \"models-1\"", "this node does not permit another host name: nodeagent has no CAP_SYS_ADMIN"),
        ("swap = { \"/swapfile\" = \"8M\" }", "this node does not permit swap: nodeagent has no CAP_SYS_ADMIN"),
        (
            "mounts.\"/mnt/models\" = { what = \"models\", type = \"tmpfs\" }",
            "this node does not permit mounts: nodeagent has no CAP_SYS_ADMIN",
        ),
    ] {
        node.profile(&format!("{PERMITTED}{section}\n"));
        node.run(&[]).exits(2).prints(reason);
    }
    assert_same(&listing, &node.listing_but_log(), "a refused run changes nothing");

    // The rest is permitted, and a value that is right already, too. An optional mount fails alone.
    let right = node.sh("cat /proc/sys/kernel/msgmax").trim().to_owned();
    let before = state(&node);
    node.profile(&format!(
        "{PERMITTED}sysctl = {{ \"kernel.msgmax\" = {right} }}\n\
         mounts.\"/mnt/models\" = {{ what = \"models\", type = \"tmpfs\", optional = true }}\n"
    ));
    node.run(&[]).prints("this node does not permit mounts");
    let made = state(&node);
    for line in ["10.9.8.7\tdb.ring db\n", "zoneinfo/Europe/Berlin\n/bin/more\nmanual\n", "=> /opt/lib/libz.so.1\n"] {
        assert!(made.contains(line), "`{line}` is not in {made}");
    }
    assert!(made.contains(&format!("kernel.msgmax = {right}\n")), "{made}");
    node.profile("");
    node.run(&[]).exits(0);
    assert_same(&before, &state(&node), "the state before comes back");
    node.is_tidy();
}

#[test]
fn settings_of_a_run_killed_at_any_instant_are_completed_by_the_next() {
    let Some(node) = capable() else { return };
    let began = Instant::now();
    node.run(&[]).exits(0);
    let mut seconds = began.elapsed().as_secs_f64();
    let of_docker = |node: &Node, text: &str| {
        let address = node.sh("hostname -I");
        text.replace(address.trim(), "ADDRESS")
            .lines()
            .filter(|line| !line.starts_with("ADDRESS"))
            .collect::<Vec<_>>()
            .join("\n")
    };
    let wanted = of_docker(&node, &state(&node));
    drop(node);
    for fraction in random_fractions(instants()) {
        let fresh = || capable().expect("nodes are not skipped");
        let (node, killed) = kill(&mut seconds, fraction, &["nodeagent", "run", "--profile", PROFILE], fresh);
        let next = node.run(&[]);
        next.exits(0);
        let found = of_docker(&node, &state(&node));
        assert_same(&wanted, &found, &format!("the next run completes the settings;\n{killed}\n{next}\n"));
        node.is_tidy();
        node.run(&[]).exits(0).prints("nothing to do");
    }
}

/// Ends the swap of a node. The kernel of the machine would keep it after the node.
struct Swap<'a>(&'a Node);

impl Drop for Swap<'_> {
    fn drop(&mut self) {
        self.0.exec(&[], &["swapoff", "/disk/real-swapfile"]);
    }
}

#[test]
fn a_real_swap_file_and_bind_mount_are_used_by_the_kernel() {
    let Some(node) = Node::in_docker("swap", &["--capability", "SYS_ADMIN", "--disk", "/disk"]) else { return };
    node.sh("mkdir /disk/data && echo data > /disk/data/file");
    node.profile(
        "[system]\nswap = { \"/disk/real-swapfile\" = \"8M\" }\n[system.mounts.\"/mnt/data\"]\nwhat = \"/disk/data\"\n\
         type = \"none\"\noptions = [\"bind\", \"ro\"]\n",
    );
    let _swap = Swap(&node);
    node.run(&[]).exits(0);
    let used = "awk '$1 == \"/disk/real-swapfile\" { print $2, $3 }' /proc/swaps; cat /mnt/data/file
        touch /mnt/data/new 2> /dev/null || echo read-only";
    assert_eq!(node.sh(used), "file 8188\ndata\nread-only\n");
    node.run(&[]).exits(0).prints("nothing to do");

    // After a start of the machine, fstab alone brings both back. A run has nothing to do then.
    node.sh("umount /mnt/data; swapoff /disk/real-swapfile; mount --all; swapon --all");
    assert_eq!(node.sh(used), "file 8188\ndata\nread-only\n");
    node.run(&[]).exits(0).prints("nothing to do");

    // Drift is repaired.
    node.sh("umount /mnt/data; swapoff /disk/real-swapfile");
    node.run(&[]).exits(0);
    assert_eq!(node.sh(used), "file 8188\ndata\nread-only\n");

    // The mount is taken back, and the swap stays.
    node.profile("");
    node.run(&[]).exits(0).never_prints("warning");
    assert_eq!(
        node.sh("grep -c /mnt/data /proc/self/mounts /etc/fstab || true"),
        "/proc/self/mounts:0\n/etc/fstab:0\n"
    );
    assert_eq!(node.sh("grep -c ^/disk/real-swapfile /proc/swaps /etc/fstab"), "/proc/swaps:1\n/etc/fstab:1\n");
    node.is_tidy();
}
