//! Python: virtual environments of a profile, packages without their dependencies, requirements files on servers.

use crate::{
    shared::LOCK,
    support::{Node, PROFILE, SITE, assert_same, port},
};

/// The environment. Its `packaging` is older than that of the runtime.
const VENV: &str = "[pip.venvs.\"/opt/tool\"]
packages = [\"packaging<24\", \"tabulate\", { name = \"python-slugify\", deps = false }]
[installers.table]
command = [\"/opt/tool/bin/tabulate\", \"--output\", \"/opt/table\", \"/etc/hostname\"]
creates = \"/opt/table\"
";

/// The versions of two distributions in an environment.
fn versions(node: &Node, python: &str) -> String {
    let script = "import importlib.metadata as m; print(m.version('packaging'), m.version('python-slugify'))";
    node.sh(&format!("{python} -c \"{script}\"")).trim().to_owned()
}

#[test]
fn a_virtual_environment_is_made_repaired_and_locked() {
    for installer in ["auto", "pip"] {
        let Some(node) = Node::fresh(&format!("venv-{installer}")) else { return };
        node.profile(&format!("[pip]\ninstaller = \"{installer}\"\n{VENV}"));
        let planned = node.run(&["--dry-run"]).exits(0).stdout.clone();
        let made = if installer == "pip" { "-m venv /opt/tool" } else { "uv venv --python" };
        assert!(planned.contains(made) && planned.contains("--no-deps"), "{planned}");
        node.sh("! test -e /opt/tool");
        node.run(&[]).exits(0);
        // The installer waited for the program of the environment.
        node.sh("test -s /opt/table; /opt/tool/bin/tabulate --help > /dev/null");
        assert!(versions(&node, "/opt/tool/bin/python").starts_with("23."), "the guard does not apply");
        node.sh(&format!(
            "! /opt/tool/bin/python -c 'import text_unidecode'; test -d {SITE}/packaging-24.2.dist-info
            ! test -e {SITE}/tabulate.py"
        ));
        let before = node.sh("find /opt/tool -printf '%p %y %s %T@\\n' | sort");
        node.run(&[]).exits(0).prints("nothing to do");
        assert_same(&before, &node.sh("find /opt/tool -printf '%p %y %s %T@\\n' | sort"), "a ready node");

        node.sh("rm -r /opt/tool/lib/python3*/site-packages/tabulate-*.dist-info");
        node.run(&[]).exits(0);
        node.sh("/opt/tool/bin/tabulate --help > /dev/null");
        node.run(&[]).exits(0).prints("nothing to do");
        // nodeagent made the environment, so it makes it again.
        node.sh("rm /opt/tool/bin/python*");
        node.run(&[]).exits(0);
        node.sh("/opt/tool/bin/tabulate --help > /dev/null");

        node.exec(&[], &["nodeagent", "lock", "--profile", PROFILE]).exits(0);
        node.run(&["--locked"]).exits(0);
        node.sh("rm -r /opt/tool");
        node.run(&["--locked"]).exits(0);
        assert!(versions(&node, "/opt/tool/bin/python").starts_with("23."), "as locked");
        node.run(&["--locked"]).exits(0).prints("nothing to do");
        node.is_tidy();

        // Environments are not taken back.
        node.sh(&format!("rm {LOCK}"));
        node.profile("[apt]\n");
        node.run(&[]).exits(0);
        node.sh("/opt/tool/bin/tabulate --help > /dev/null; rm /opt/tool/pyvenv.cfg");
        node.profile(VENV);
        node.run(&[]).exits(2).is_brief().prints("has files and is not a virtual environment");
    }
}

#[test]
fn dependencies_are_left_out_and_a_file_of_requirements_comes_from_a_server() {
    let Some(node) = Node::fresh("no-deps") else { return };
    let port = port();
    node.write("/srv/files/requirements.txt", "humanize\n");
    node.serve(&format!("python3 -m http.server --bind 127.0.0.1 --directory /srv/files {port}"), port);
    let url = format!("http://127.0.0.1:{port}/requirements.txt");
    let sha256 = node.sh("sha256sum /srv/files/requirements.txt | cut -d ' ' -f 1");
    let sha256 = sha256.trim();
    for installer in ["auto", "pip"] {
        node.profile(&format!(
            "[pip]\ninstaller = \"{installer}\"\npackages = [{{ name = \"python-slugify\", deps = false }}]
            requirements = [{{ url = \"{url}\", sha256 = \"{sha256}\" }}]\n"
        ));
        node.run(&[]).exits(0);
        node.sh(&format!("test -d {SITE}/python_slugify-*.dist-info; ! test -e {SITE}/text_unidecode"));
        node.sh("/databricks/python/bin/python -c 'import humanize'");
        node.run(&[]).exits(0).prints("nothing to do");
        node.exec(&[], &["nodeagent", "lock", "--profile", PROFILE]).exits(0);
        node.sh("/databricks/python/bin/python -m pip uninstall --yes python-slugify humanize");
        node.run(&["--locked"]).exits(0);
        node.run(&["--locked"]).exits(0).prints("nothing to do");
        node.sh(&format!("/databricks/python/bin/python -c 'import humanize'; ! test -e {SITE}/text_unidecode"));
        node.sh("/databricks/python/bin/python -m pip uninstall --yes python-slugify humanize");
        node.sh(&format!("rm {LOCK}"));
    }
}
