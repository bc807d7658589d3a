//! Python: text files from other systems, and equal results of two installers.

use crate::support::{Node, PROFILE, PROFILES, SITE, assert_same};

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
