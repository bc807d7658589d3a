//! Private packages with real tools: pip and uv from an index and from git, R and apt from repositories, all with a
//! login. The password reaches each tool and appears nowhere else.

use std::fs;

use nodeagent::digest::Digest;

use crate::{
    private::{
        FROM_INDEX, LOGINS, PASSWORD, Private, VAULT, behind_basic, cran, debian, flat, index, repository, temp,
        uv_wheel, wheel, with_apt,
    },
    support::put,
};

#[test]
fn uv_is_installed_from_a_private_index_and_installs_from_it() {
    let scene = temp();
    let private = Private::new(index(scene.path())).profile(FROM_INDEX, true).venv(false);
    let plan = private.node.agent(&["plan", "--profile", "x.toml"]).ended(0);
    let may = format!("may log in at {}/ as reader (secret family/packages)", private.server.url());
    assert!(plan.stdout.contains(&may), "{}", plan.stdout);
    private.run_in_secret(true);
    assert!(private.site_packages("firmhelper.py").is_file() && private.site_packages("firmbase.py").is_file());
    assert!(private.node.root().join("var/cache/nodeagent/python/uv-0.13.9/uv").is_file(), "pip did the work");
    // A ready node needs no password.
    fs::remove_file(private.node.beside("store").join(VAULT)).expect("it was there");
    private.run().ended(0);
    // Files of a killed run are removed even if there is nothing else to do.
    let left = private.node.root().join(LOGINS);
    fs::create_dir_all(&left).expect("created");
    put(&left.join("netrc"), PASSWORD);
    let output = private.run().ended(0);
    private.nothing_is_left(&output);
}

#[test]
fn pip_installs_from_a_private_index() {
    let scene = temp();
    let body = format!("{FROM_INDEX}installer = \"pip\"\n");
    let private = Private::new(index(scene.path())).profile(&body, true).venv(true);
    private.run_in_secret(true);
    assert!(private.site_packages("firmhelper.py").is_file() && private.site_packages("firmbase.py").is_file());
}

#[test]
fn a_refusal_of_the_index_has_a_hint() {
    let scene = temp();
    let server = index(scene.path());
    let url = server.url();
    let uv = uv_wheel();
    let digest = Digest::sha256_of_file(&uv).expect("readable");
    let uv = format!("uv = {{ path = \"{}\", sha256 = \"{}\" }}\n", uv.display(), digest.hex());
    let mut private = Private::new(server).venv(true);
    for installer in [uv.as_str(), "installer = \"pip\"\n"] {
        let body = format!("{FROM_INDEX}{installer}");
        private = private.profile(&body, false);
        let output = private.run().ended(1);
        let wanted = format!("no entry of `[[logins]]` matches the address: add one with `url = \"{url}/\"`");
        assert!(flat(&output.stderr).contains(&wanted), "{}", output.stderr);
        private = private.profile(&body, true).wrong_password();
        let output = private.run().ended(1);
        assert!(flat(&output.stderr).contains(&format!("the login `reader` for `{url}/`")), "{}", output.stderr);
        assert!(flat(&output.stderr).contains("the key `packages` of scope `family`"), "{}", output.stderr);
    }
}

#[test]
fn a_missing_password_refuses_the_run() {
    let scene = temp();
    let private = Private::new(index(scene.path())).profile(FROM_INDEX, true).venv(false);
    fs::remove_file(private.node.beside("store").join(VAULT)).expect("it was there");
    let before = private.node.listing();
    for arguments in [&["plan", "--profile", "x.toml"][..], &["run", "--profile", "x.toml"]] {
        let output = private.node.agent(arguments).ended(2);
        let wanted = "the password `packages` of scope `family` for";
        assert!(flat(&output.stderr).contains(wanted), "{}", output.stderr);
    }
    assert_eq!(private.node.changes_since(&before), [""; 0]);
}

/// The `[pip]` keys for each installer: uv from its own wheel, and pip.
fn installers() -> [String; 2] {
    let uv = uv_wheel();
    let digest = Digest::sha256_of_file(&uv).expect("readable");
    let uv = format!("uv = {{ path = \"{}\", sha256 = \"{}\" }}\n", uv.display(), digest.hex());
    [uv, "installer = \"pip\"\n".to_owned()]
}

#[test]
fn uv_and_pip_install_from_a_private_git_repository() {
    for installer in installers() {
        let scene = temp();
        let folder = scene.path().join("files");
        repository(&folder, scene.path());
        let server = behind_basic(&folder, &scene.path().join("users"));
        let body = format!("[pip]\npackages = [\"firmhelper @ git+SERVER/git/team/firmhelper.git@main\"]\n{installer}");
        let private = Private::new(server).profile(&body, false).venv(true);
        let output = private.run().ended(1);
        assert!(flat(&output.stderr).contains("no entry of `[[logins]]` matches"), "{}", output.stderr);
        let private = private.profile(&body, true).wrong_password();
        let output = private.run().ended(1);
        assert!(flat(&output.stderr).contains("the server rejected the login `reader`"), "{}", output.stderr);
        let mut private = private;
        private.node = private.node.store(VAULT, PASSWORD);
        private.run_in_secret(true);
        assert!(private.site_packages("firmhelper.py").is_file());
        let origin = private.site_packages("firmhelper-1.0.dist-info/direct_url.json");
        let origin = fs::read_to_string(origin).expect("the file with the origin is readable");
        assert!(origin.contains("/git/team/firmhelper.git") && !origin.contains('@'), "{origin}");
    }
}

#[test]
fn uv_and_pip_install_from_an_address_and_from_a_requirements_file() {
    for installer in installers() {
        let scene = temp();
        let folder = scene.path().join("files");
        repository(&folder, scene.path());
        wheel(&folder, "firmbase", &[]);
        let server = behind_basic(&folder, &scene.path().join("users"));
        let lines = format!("firmhelper @ git+{}/git/team/firmhelper.git@main\n", server.url());
        let body = format!(
            "[pip]\npackages = [\"firmbase @ SERVER/firmbase-1.0-py3-none-any.whl\"]\nrequirements = [\"lines.txt\"]\n{installer}"
        );
        let mut private = Private::new(server).profile(&body, true).venv(true);
        private.node = private.node.work("lines.txt", &lines);
        private.run_in_secret(true);
        for name in ["firmbase", "firmhelper"] {
            assert!(private.site_packages(&format!("{name}.py")).is_file(), "{name}");
            let origin = private.site_packages(&format!("{name}-1.0.dist-info/direct_url.json"));
            let origin = fs::read_to_string(origin).expect("the file with the origin is readable");
            assert!(!origin.contains('@'), "{origin}");
        }
    }
}

#[test]
fn r_packages_come_from_a_private_repository() {
    let scene = temp();
    cran(&scene.path().join("files"), scene.path());
    let server = behind_basic(&scene.path().join("files"), &scene.path().join("users"));
    let mut private = Private::new(server);
    private.node = private.node.r(&[]);
    let body = "[r]\npackages = [\"firmtools\"]\nrepos = [\"SERVER/\"]\n";
    let private = private.profile(body, false);
    let output = private.run().ended(1);
    assert!(flat(&output.stderr).contains("no entry of `[[logins]]` matches"), "{}", output.stderr);
    let private = private.profile(body, true);
    private.run_in_secret(false);
    assert!(private.node.root().join("databricks/spark/R/lib/firmtools/DESCRIPTION").is_file());
}

#[test]
fn apt_installs_from_a_private_source() {
    let scene = temp();
    let folder = scene.path().join("files/debian");
    debian(&folder, scene.path());
    let server = behind_basic(&scene.path().join("files"), &scene.path().join("users"));
    let source = format!("Types: deb\nURIs: {}/debian\nSuites: ./\nTrusted: yes\n", server.url());
    let mut private = Private::new(server);
    private.node = with_apt(private.node, &source);
    let body = "[apt]\npackages = [\"firmtool\"]\n";
    let private = private.profile(body, false);
    let output = private.run().ended(1);
    assert!(flat(&output.stderr).contains("no entry of `[[logins]]` matches"), "{}", output.stderr);
    let private = private.profile(body, true).wrong_password();
    let output = private.run().ended(1);
    assert!(flat(&output.stderr).contains("the server rejected the login `reader`"), "{}", output.stderr);
    let mut private = private;
    private.node = private.node.store(VAULT, PASSWORD);
    private.run_in_secret(true);
    assert!(private.node.read("var/lib/dpkg/status").contains("Package: firmtool"));
}
