//! Python: text files from other systems, equal results of two installers, and configuration that the same run writes.

use crate::support::{Node, PROFILE, PROFILES, SITE, assert_same, port, wheel};

#[test]
fn carriage_returns_and_byte_order_marks_are_accepted() {
    let Some(node) = Node::fresh("crlf") else { return };
    for (installer, package) in [("auto", "humanize"), ("pip", "tomli")] {
        node.write(
            &format!("{PROFILES}/requirements.txt"),
            format!("\u{feff}six>=1.16 # kept\r\n\r\n# a comment\r\n{package} ; python_version >= \"3.8\"\r\n"),
        );
        node.write(&format!("{PROFILES}/prompt.sh"), "\u{feff}PS1='ring> '\r\nexport RING=1\r\n");
        node.write(
            PROFILE,
            format!(
                "\u{feff}schema = 1\r\nname = \"ring\"\r\n[pip]\r\ninstaller = \"{installer}\"\r\nrequirements = \
                 [\"requirements.txt\"]\r\n[shell]\r\nbashrc = \"prompt.sh\"\r\n"
            ),
        );
        node.run(&[]).exits(0).prints("pip: done");
        node.run(&[]).exits(0).prints("nothing to do");
        node.sh(&format!("/databricks/python/bin/python -c 'import {package}'"));
    }
    // To a shell, a carriage return is part of the value.
    assert_eq!(node.sh("RING=; set +u; . /root/.bashrc; printf %s \"$RING\" | od -An -c").trim(), "1");
}

#[test]
fn both_installers_make_the_same_environment() {
    let made = |installer: &str| {
        let node = Node::fresh(&format!("with-{installer}"))?;
        node.write(
            &format!("{PROFILES}/requirements.txt"),
            "-c limits.txt\npython-slugify\ncolorama; sys_platform == 'linux'\n",
        );
        node.write(&format!("{PROFILES}/limits.txt"), "python-slugify<8\ntext-unidecode==1.3\n");
        node.profile(&format!(
            "[pip]\npackages = [\"humanize\", \"requests>=2.30\"]\nrequirements = [\"requirements.txt\"]\ninstaller = \
             \"{installer}\"\n"
        ));
        node.run(&[]).exits(0);
        node.run(&[]).exits(0).prints("nothing to do");
        node.sh("/databricks/python/bin/python -m pip check");
        Some(node.sh(&format!(
            "ls -d {SITE}/*.dist-info; find {SITE}/slugify {SITE}/humanize {SITE}/colorama -name '*.py*' | sort"
        )))
    };
    let (Some(with_uv), Some(with_pip)) = (made("auto"), made("pip")) else { return };
    assert!(with_uv.contains("python_slugify-7"), "the constraint is respected: {with_uv}");
    assert!(with_uv.contains("__pycache__/slugify.cpython-311.pyc"), "modules are compiled: {with_uv}");
    assert_same(&with_uv, &with_pip, "uv and pip make the same environment");
}

/// Publishes the distribution `inhouse-NAME` in an index of its own, and returns the address of the index.
fn index(node: &Node, name: &str) -> String {
    let wheel = wheel(&format!("inhouse_{name}"), "1.0", &[]);
    node.write(&format!("/srv/late/{name}/inhouse-{name}/inhouse_{name}-1.0-py3-none-any.whl"), wheel);
    format!("http://127.0.0.1:{}/{name}/", port())
}

/// Publishes the Debian package `inhouse-deb` in a repository, and returns a configuration of apt that names it.
fn apt_conf(node: &Node) -> String {
    node.sh(
        "set -e; mkdir -p /srv/late/deb /tmp/deb/DEBIAN; cd /srv/late/deb
        printf 'Package: inhouse-deb\\nVersion: 1.0\\nArchitecture: all\\nMaintainer: x <x@example.com>\\nDescription: for tests\\n' > /tmp/deb/DEBIAN/control
        dpkg-deb --build /tmp/deb inhouse-deb_1.0_all.deb > /dev/null
        { cat /tmp/deb/DEBIAN/control; printf 'Filename: ./inhouse-deb_1.0_all.deb\\nSize: %s\\nSHA256: %s\\n' \
            \"$(stat -c %s *.deb)\" \"$(sha256sum *.deb | cut -d ' ' -f 1)\"; } > Packages",
    );
    let source = format!("deb [trusted=yes] http://127.0.0.1:{}/deb ./\n", port());
    node.write("/srv/late/sources/inhouse.list", source);
    "Dir::Etc::sourceparts \"/srv/late/sources\";\n".to_owned()
}

#[test]
fn a_step_uses_the_configuration_that_the_same_run_writes() {
    let Some(node) = Node::fresh("late") else { return };
    let profile = |file: &str, text: &str, installer: &str, package: &str, more: &str| {
        node.profile(&format!(
            "[files.\"{file}\"]\ntext = {text:?}\n[pip]\ninstaller = \"{installer}\"\npackages = [\"{package}\"]\n{more}"
        ));
    };
    let conf = apt_conf(&node);
    let apt =
        format!("[files.\"/etc/apt/apt.conf.d/80inhouse\"]\ntext = {conf:?}\n[apt]\npackages = [\"inhouse-deb\"]\n");
    let of_uv = format!("[[index]]\nurl = \"{}\"\ndefault = true\n", index(&node, "uv"));
    let of_pip = |name: &str| format!("[global]\nindex-url = {}\n", index(&node, name));
    let cases = [
        ("uv", "/etc/uv/uv.toml", of_uv, "auto", apt.as_str()),
        // uv does not read pip's configuration itself.
        ("both", "/etc/pip.conf", of_pip("both"), "auto", ""),
        ("pip", "/etc/pip.conf", of_pip("pip"), "pip", ""),
    ];
    node.serve(&format!("python3 -m http.server --directory /srv/late {}", port()), port());
    for (name, file, text, installer, more) in &cases {
        profile(file, text, installer, &format!("inhouse-{name}"), more);
        node.run(&[]).exits(0).prints("pip: done");
        node.sh(&format!("/databricks/python/bin/python -c 'import inhouse_{name}'"));
        node.run(&[]).exits(0).prints("nothing to do");
    }
    assert_eq!(node.sh("dpkg-query -W -f '${Version}' inhouse-deb"), "1.0");
    // The step resolves after the file is written, so it can no longer refuse the run.
    profile("/etc/pip.conf", &of_pip("other"), "pip", "inhouse-nowhere", "");
    node.run(&[]).exits(1).is_brief().prints("inhouse-nowhere");
    assert!(node.sh("cat /etc/pip.conf").contains("/other/"));
}

#[test]
fn absent_packages_are_removed_and_others_are_protected() {
    let Some(node) = Node::fresh("absent") else { return };
    let links = "/srv/links";
    node.write(&format!("{links}/inhouse_links-1.0rc1-py3-none-any.whl"), wheel("inhouse_links", "1.0rc1", &[]));
    let pip = format!("find-links = [\"{links}\"]\nno-index = true\nprereleases = true\n");
    for installer in ["auto", "pip"] {
        let pip = format!("[pip]\ninstaller = \"{installer}\"\n{pip}");
        node.profile(&format!("[apt]\npackages = [\"jq\"]\n{pip}packages = [\"inhouse-links\"]\n"));
        node.run(&[]).exits(0);
        node.sh("jq --version; /databricks/python/bin/python -c 'import inhouse_links'");
        node.profile(&format!("[apt]\nabsent = [\"jq\"]\n{pip}absent = [\"Inhouse_Links\", \"never-there\"]\n"));
        let planned = node.run(&["--dry-run"]).exits(0).stdout.clone();
        assert!(planned.contains("remove jq") && planned.contains("remove inhouse-links"), "{planned}");
        node.sh("jq --version");
        node.run(&[]).exits(0);
        node.run(&[]).exits(0).prints("nothing to do");
        node.sh("! command -v jq; ! /databricks/python/bin/python -c 'import inhouse_links'");
    }
    // `jq` left its library, which the runtime does not ship.
    node.profile("[apt]\nabsent = [\"libonig5\"]\n");
    node.run(&[]).exits(2).is_brief().prints("removing `libonig5` would also remove `libjq1`");
    node.profile("[apt]\nabsent = [\"libonig5\"]\nallow-change = [\"libjq1\"]\n[pip]\nabsent = [\"numpy\"]\n");
    node.run(&[]).exits(2).is_brief().prints("the runtime ships `numpy`").prints("allow-change");
    node.profile("[apt]\nabsent = [\"libonig5\"]\nallow-change = [\"libjq1\"]\n");
    node.run(&[]).exits(0);
    node.sh("! dpkg-query -W libjq1");
    node.profile("[apt]\nabsent = [\"bash\"]\nallow-change = [\"bash\"]\n");
    node.run(&[]).exits(2).is_brief().prints("packages that the node cannot work without");
    node.profile("[apt]\nabsent = [\"curl\"]\n");
    node.run(&[]).exits(2).is_brief().prints("the runtime ships `curl`");
}
