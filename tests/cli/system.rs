//! Settings of the operating system on a fake node. Real nodes are in `tests/container`.

use crate::support::NodeTest;

const CAPABLE: &str = "CapEff:\t000001ffffffffff\n";
const MOUNTS: &str = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n23 22 0:40 / /run rw shared:5 - tmpfs tmpfs rw\n\
                      24 22 0:41 / /mnt/used rw - nfs4 server:/x rw\n";
const EDITOR: &str = "auto\n/usr/bin/editor\n\n/bin/nano\n40\n/usr/bin/vim.basic\n30\n\n";
const VALUES: &str = "[system]\nsysctl = { \"vm.swappiness\" = 10, \"net.ipv4.tcp_rmem\" = \"4096 131072 6291456\" }\n\
                      hosts = { \"10.0.0.7\" = [\"db.firm.example\", \"db\"] }\n";

fn node(profile: &str) -> NodeTest {
    NodeTest::new()
        .profile(profile)
        .file("proc/self/status", CAPABLE)
        .file("proc/self/mountinfo", MOUNTS)
        .file("proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n/old file 1020 0 -2\n")
        .file("proc/sys/vm/swappiness", "60\n")
        .file("proc/sys/net/ipv4/tcp_rmem", "4096\t131072\t6291456\n")
        .file("proc/sys/kernel/hostname", "models-1\n")
        .file("etc/hosts", "127.0.0.1\tlocalhost\n")
        .file("var/lib/dpkg/alternatives/editor", EDITOR)
}

fn ended(node: &NodeTest, command: &str, code: i32) -> String {
    node.agent(&[command, "--profile", "./x.toml"]).ended(code).all()
}

#[test]
fn values_and_hosts_are_set_repaired_and_taken_back() {
    let node = node(VALUES);
    let before = node.listing();
    let said = ended(&node, "plan", 0);
    for line in ["vm.swappiness: 60 becomes 10", "+10.0.0.7\tdb.firm.example db", "+vm.swappiness = 10", "(missing)"] {
        assert!(said.contains(line), "`{line}` is not in {said}");
    }
    assert!(!said.contains("tcp_rmem: "), "{said}");
    assert_eq!(node.changes_since(&before), Vec::<String>::new());
    ended(&node, "run", 0);
    let file = "# Written by nodeagent from [system].\nnet.ipv4.tcp_rmem = 4096 131072 6291456\nvm.swappiness = 10\n";
    assert_eq!(
        (node.read("proc/sys/vm/swappiness").as_str(), node.read("etc/sysctl.d/nodeagent-x.conf").as_str()),
        ("10", file)
    );
    let hosts = "# >>> nodeagent x >>>\n10.0.0.7\tdb.firm.example db\n# <<< nodeagent x <<<\n127.0.0.1\tlocalhost\n";
    assert_eq!(node.read("etc/hosts"), hosts);
    assert!(ended(&node, "run", 0).contains("nothing to do"));

    // Drift is named and repaired. A change of the profile is no drift.
    let node = node.file("proc/sys/vm/swappiness", "30\n");
    assert!(ended(&node, "plan", 0).contains("(drifted)"));
    ended(&node, "run", 0);
    assert_eq!(node.read("proc/sys/vm/swappiness"), "10");
    let node = node.profile(&VALUES.replace("= 10,", "= 20,"));
    let said = ended(&node, "plan", 0);
    assert!(said.contains("10 becomes 20") && !said.contains("drifted"), "{said}");
    ended(&node, "run", 0);

    // The state before the first run comes back.
    let node = node.profile("");
    assert!(ended(&node, "plan", 0).contains("20 becomes 60"));
    ended(&node, "run", 0);
    assert_eq!(
        (node.read("proc/sys/vm/swappiness").as_str(), node.read("etc/hosts").as_str()),
        ("60", "127.0.0.1\tlocalhost\n")
    );
    assert!(!node.root().join("etc/sysctl.d/nodeagent-x.conf").exists());
    assert!(ended(&node, "plan", 0).contains("nothing to do"));
}

#[test]
fn a_value_that_others_changed_stays_with_a_warning() {
    let node = node(VALUES);
    ended(&node, "run", 0);
    let node = node.profile("").file("proc/sys/vm/swappiness", "30\n");
    let said = ended(&node, "run", 0);
    assert!(said.contains("the value of `vm/swappiness` was changed since nodeagent set it, so it stays"), "{said}");
    assert_eq!(node.read("proc/sys/vm/swappiness"), "30\n");
    assert!(ended(&node, "plan", 0).contains("nothing to do"), "the warning comes once");
}

#[test]
fn a_host_name_that_is_right_needs_no_capability() {
    let right = "[system]\nhostname = \"models-1\"\n";
    let node = node(right).file("proc/self/status", "CapEff:\t00000000a80425fb\n");
    ended(&node, "run", 0);
    assert_eq!(node.read("etc/hostname"), "models-1\n");
    let node = node.profile("[system]\nhostname = \"other\"\n");
    assert!(ended(&node, "run", 2).contains("this node does not permit another host name"));
    let capable = node.file("proc/self/status", CAPABLE);
    assert!(ended(&capable, "plan", 0).contains("the host name models-1 becomes other"));
}

fn mount(point: &str) -> String {
    format!("[system.mounts.\"{point}\"]\nwhat = \"models\"\ntype = \"tmpfs\"\noptions = \"size=1m\"\n")
}

#[test]
fn settings_that_the_node_does_not_permit_refuse_the_run() {
    let swap = |path: &str, size: &str| format!("[system]\nswap = {{ \"{path}\" = \"{size}\" }}\n");
    for (profile, reason) in [
        (
            "[system]\nsysctl = { \"vm.unknown\" = 1 }\n".to_owned(),
            "the kernel of this node has no setting `vm.unknown`",
        ),
        ("[system]\ntimezone = \"Europe/Berlin\"\n".to_owned(), "this node has no time zone `Europe/Berlin`"),
        (
            "[system]\nalternatives = { editor = \"/bin/ed\" }\n".to_owned(),
            "the choices of this node are `/bin/nano`, `/usr/bin/vim.basic`",
        ),
        (
            "[system]\nalternatives = { pager = \"/bin/more\" }\n".to_owned(),
            "`/bin/more` is not a choice of the alternatives `pager`",
        ),
        ("[system]\nldconfig = [\"/opt/lib\"]\n".to_owned(), "there is no folder `/opt/lib` on this node"),
        (mount("/mnt/full"), "`/mnt/full` has content, which a mount would hide"),
        (mount("/mnt/used"), "`server:/x` at `/mnt/used` is mounted already"),
        (mount("/mnt/listed"), "`/etc/fstab` has another line for `/mnt/listed`"),
        (swap("/run/swapfile", "8M"), "its file system is tmpfs"),
        (swap("/old", "8M"), "`/old` is in use as swap with 1048576 bytes, not 8388608"),
        (swap("/notes", "8M"), "`/notes` exists and is not a swap file"),
        (swap("/swapfile", "4096T"), "`/swapfile` needs 4503599627370496 bytes, and its disk has"),
    ] {
        let old = "0".repeat(1 << 20);
        let node = node(&profile)
            .file("mnt/full/x", "")
            .file("notes", "mine\n")
            .file("old", &old)
            .file("etc/fstab", "server:/y /mnt/listed nfs defaults 0 0\n");
        let before = node.listing();
        let said = ended(&node, "run", 2);
        assert!(said.contains(reason), "`{reason}` is not in {said}");
        assert_eq!(node.changes_since(&before), Vec::<String>::new(), "{profile}");
    }
}

#[test]
fn mounts_and_swap_need_a_capability() {
    for (profile, words) in [
        (mount("/mnt/models"), "this node does not permit mounts: nodeagent has no CAP_SYS_ADMIN"),
        ("[system]\nswap = { \"/swapfile\" = \"8M\" }\n".to_owned(), "this node does not permit swap"),
    ] {
        let node = node(&profile).file("proc/self/status", "CapEff:\t00000000a80425fb\n");
        assert!(ended(&node, "run", 2).contains(words));
        ended(&node.file("proc/self/status", CAPABLE), "plan", 0);
    }
}

#[test]
fn a_mount_that_exists_needs_only_its_line() {
    let profile = "[system.mounts.\"/mnt/used\"]\nwhat = \"server:/x\"\ntype = \"nfs\"\n";
    let node = node(profile).file("proc/self/status", "CapEff:\t00000000a80425fb\n");
    ended(&node, "run", 0);
    let block =
        "# >>> nodeagent x /mnt/used >>>\nserver:/x /mnt/used nfs defaults 0 0\n# <<< nodeagent x /mnt/used <<<\n";
    assert_eq!(node.read("etc/fstab"), block);
    assert!(ended(&node, "run", 0).contains("nothing to do"));
    // The mount is not the work of nodeagent, so it stays.
    let node = node.profile("");
    ended(&node, "run", 0);
    assert_eq!(node.read("etc/fstab"), "");
}

#[test]
fn settings_come_in_their_phases() {
    let profile = format!(
        "[apt]\npackages = [\"jq\"]\n[system]\nhosts = {{ \"10.0.0.7\" = \"db\" }}\nldconfig = [\"/opt/lib\"]\n\
         alternatives = {{ editor = \"/usr/bin/vim.basic\" }}\n[installers.x]\ncommand = [\"/bin/x\"]\ncreates = \"/opt/lib/x.so\"\n{}",
        mount("/mnt/models")
    );
    let node = node(&profile).debs(&[("bash", "5.2")]).file("bin/x", "");
    let plan = node.agent(&["plan", "--json", "--profile", "./x.toml"]).ended(0).json();
    let needs = |id: &str| {
        let steps = plan["steps"].as_array().expect("steps");
        let step = steps.iter().find(|step| step["id"] == id).unwrap_or_else(|| panic!("{id} is not in {plan:#}"));
        let needs =
            step["needs"].as_array().expect("a list").iter().map(|need| need.as_str().expect("an id").to_owned());
        needs.collect::<Vec<_>>()
    };
    assert_eq!(needs("system:hosts"), Vec::<String>::new());
    assert!(needs("apt").contains(&"system:hosts".to_owned()));
    for id in ["system:mounts:/mnt/models", "system:alternatives:editor"] {
        assert!(needs(id).contains(&"apt".to_owned()) && needs("installers:x").contains(&id.to_owned()), "{id}");
    }
    assert!(needs("system:ldconfig").contains(&"installers:x".to_owned()));
}
