//! Locks with packages from private servers: made with a login, used with a login, and not shared.

use std::{
    fs,
    path::{Path, PathBuf},
};

use nodeagent::digest::Digest;

use crate::{
    free_port::free_port,
    private::{FROM_INDEX, PASSWORD, Private, VAULT, behind_basic, cran, debian, flat, index, temp, with_apt},
    server::{Server, client, program},
    support::{NodeTest, entries, put},
};

const LOCK: [&str; 3] = ["lock", "--profile", "x.toml"];
const RUN: [&str; 4] = ["run", "--profile", "x.toml", "--locked"];

impl Private {
    /// Continues with another node that has the profile, the lock and the vault of the first one. Returns the first
    /// node.
    fn move_on(&mut self, prepare: impl Fn(NodeTest) -> NodeTest) -> NodeTest {
        let path = std::env::var("PATH").expect("a search path");
        let read = |name: &str| fs::read_to_string(self.node.beside("desk").join(name)).expect("it is there");
        let node = NodeTest::new().search_path(&path).work("x.toml", &read("x.toml")).work("x.lock", &read("x.lock"));
        std::mem::replace(&mut self.node, prepare(node))
    }

    fn lock(&self) -> String {
        fs::read_to_string(self.node.beside("desk/x.lock")).expect("it was made")
    }

    /// Checks that the lock contains a file of the server with its digest.
    fn has_locked(&self, kind: &str, file: &Path) {
        let name = file.file_name().expect("a name").to_str().expect("UTF-8");
        let digest = Digest::sha256_of_file(file).expect("readable");
        let lock = self.lock();
        let mut sections = lock.split("\n[[").filter(|section| section.starts_with(&format!("runtimes.{kind}]]")));
        let found = sections.find(|section| section.contains(name)).unwrap_or_else(|| panic!("{name}: {lock}"));
        assert!(found.contains(&format!("url = \"{}/", self.server.url())) && !found.contains('@'), "{found}");
        assert!(found.contains(digest.hex()), "{found}");
    }

    /// Checks that a locked run is refused with this message and changes only the agent's own folders.
    fn refuses(&self, words: &str) {
        let before = self.node.listing();
        let output = self.node.agent(&RUN).ended(2);
        assert!(flat(&output.stderr).contains(words), "{}", output.stderr);
        let changed = self.node.changes_since(&before).into_iter();
        let own = ["node/var/cache", "node/var/lib"];
        let changed: Vec<String> = changed.filter(|path| !own.iter().any(|own| path.starts_with(own))).collect();
        assert_eq!(changed, [""; 0], "{words}");
    }
}

/// A folder as the shared store.
fn place_in(scene: &Path) -> PathBuf {
    let folder = scene.join("shared");
    fs::create_dir(&folder).expect("created");
    folder
}

/// The names of all files below a folder.
fn files(folder: &Path) -> Vec<String> {
    let below = |path: PathBuf| {
        if path.is_dir() { files(&path) } else { vec![path.display().to_string()] }
    };
    entries(folder).into_iter().flat_map(below).collect()
}

#[test]
fn packages_from_a_private_index_stay_on_the_node() {
    let scene = temp();
    let packages = scene.path().join("packages");
    let body = format!("{FROM_INDEX}installer = \"pip\"\n");
    let mut private = Private::new(index(scene.path())).profile(&body, false).venv(true);
    let refused = private.node.agent(&LOCK).ended(2);
    assert!(flat(&refused.stderr).contains("no entry of `[[logins]]` matches"), "{}", refused.stderr);
    private = private.profile(&body, true).wrong_password();
    let refused = private.node.agent(&LOCK).ended(2);
    assert!(flat(&refused.stderr).contains("the login `reader` for"), "{}", refused.stderr);
    assert!(!private.node.beside("desk/x.lock").exists());
    private.node = private.node.store(VAULT, PASSWORD);
    private.in_secret(&LOCK, true);
    let wheels = ["firmhelper", "firmbase"].map(|name| packages.join(format!("{name}-1.0-py3-none-any.whl")));
    for wheel in &wheels {
        private.has_locked("python", wheel);
    }

    // Another node with a shared store does not publish these packages.
    let shared = place_in(scene.path());
    let folder = shared.display().to_string();
    let stored = |wheel: &Path| {
        let digest = Digest::sha256_of_file(wheel).expect("readable").hex().to_owned();
        files(&shared).iter().any(|name| name.ends_with(&digest))
    };
    let env = private.node.root().join("databricks");
    let with_env = |node: NodeTest| {
        let mut copy = program("cp");
        copy.arg("-a").arg(&env).arg(node.root());
        assert!(copy.status().expect("it starts").success());
        node
    };
    let first = private.move_on(with_env);
    let with_store = [&RUN[..], &["--store", &folder]].concat();
    private.in_secret(&with_store, false);
    for name in ["firmhelper", "firmbase"] {
        assert!(private.site_packages(&format!("{name}.py")).is_file(), "{name}");
    }
    private.in_secret(&["store", "bake", "--profile", "x.toml", "--store", &folder], false);
    assert_eq!(files(&shared).into_iter().filter(|name| name.contains("/v1/objects/")).collect::<Vec<_>>(), [""; 0]);
    assert!(private.node.agent(&with_store).ended(0).all().contains("nothing to do"));

    // A node without access: no password, no login.
    let second = private.move_on(with_env);
    let vault = first.beside("store").join(VAULT);
    put(&vault, "guessed");
    private.refuses("the server denies access to the locked");
    fs::remove_file(&vault).expect("it was there");
    private.refuses("the password `packages` of scope `family` for");
    private = private.profile(&body, false);
    private.refuses("`x.toml` has changed");

    // The same files on a public server are shared.
    let port = free_port();
    let mut command = client("python");
    command.args(["-m", "http.server", "--bind", "127.0.0.1", &port.to_string(), "--directory"]).arg(scene.path());
    let open = Server::start(command, port);
    let lock =
        private.lock().replace(&format!("url = \"{}/", private.server.url()), &format!("url = \"{}/", open.url()));
    let profile = fs::read_to_string(second.beside("desk/x.toml")).expect("it is there");
    put(&vault, PASSWORD);
    private.node = private.node.work("x.lock", &lock).work("x.toml", &profile);
    private.in_secret(&with_store, false);
    assert!(wheels.iter().all(|wheel| stored(wheel)), "{:#?}", files(&shared));
}

#[test]
fn a_private_r_repository_is_locked_with_a_login() {
    let scene = temp();
    let folder = scene.path().join("files");
    cran(&folder, scene.path());
    let body = "[r]\npackages = [\"firmtools\"]\nrepos = [\"SERVER/\"]\n";
    let private = Private::new(behind_basic(&folder, &scene.path().join("users"))).profile(body, true);
    let archive = folder.join("src/contrib/firmtools_1.0.tar.gz");
    locked_and_installed(private, scene.path(), |node| node.r(&[]), ("r", &archive));
}

#[test]
fn a_private_apt_source_is_locked_with_a_login() {
    let scene = temp();
    let folder = scene.path().join("files/debian");
    debian(&folder, scene.path());
    let server = behind_basic(&scene.path().join("files"), &scene.path().join("users"));
    let source = format!("Types: deb\nURIs: {}/debian\nSuites: ./\nTrusted: yes\n", server.url());
    let private = Private::new(server).profile("[apt]\npackages = [\"firmtool\"]\n", true);
    let prepare = |node| with_apt(node, &source).debs(&[("dpkg", "1.21.22")]);
    locked_and_installed(private, scene.path(), prepare, ("apt", &folder.join("firmtool_1.0_all.deb")));
}

/// One node makes the lock, a second one uses it without sharing, a third one has no password.
fn locked_and_installed(
    mut private: Private,
    scene: &Path,
    prepare: impl Fn(NodeTest) -> NodeTest,
    (kind, file): (&str, &Path),
) {
    private.node = prepare(private.node);
    private.in_secret(&LOCK, false);
    private.has_locked(kind, file);
    let first = private.move_on(&prepare);
    let shared = place_in(scene);
    private.in_secret(&[&RUN[..], &["--store", &shared.display().to_string()]].concat(), false);
    let kept: Vec<String> = files(&shared).into_iter().filter(|name| name.contains("/v1/objects/")).collect();
    assert_eq!(kept, [""; 0]);
    let again = private.node.agent(&RUN).ended(0);
    assert!(again.all().contains("nothing to do"), "{}", again.all());
    let _second = private.move_on(&prepare);
    fs::remove_file(first.beside("store").join(VAULT)).expect("it was there");
    private.refuses("the password `packages` of scope `family` for");
}
