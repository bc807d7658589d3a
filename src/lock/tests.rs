use super::*;

fn digest(text: &str) -> Digest {
    Digest::sha256(text.as_bytes())
}

fn url(text: &str) -> Url {
    text.parse().expect("an address")
}

fn deb(name: &str, version: &str) -> LockedDeb {
    let file = format!("{name}_{}_amd64.deb", version.replace(':', "%3a"));
    LockedDeb {
        name: name.into(),
        version: version.into(),
        arch: "amd64".into(),
        url: url(&format!("https://deb.example/pool/{file}")),
        sha256: digest(&file),
        file,
        size: 64432,
        only_for: BTreeSet::new(),
    }
}

fn distribution(name: &str, version: &str) -> LockedDistribution {
    let file = format!("{name}-{version}-py3-none-any.whl");
    LockedDistribution {
        name: name.into(),
        version: version.into(),
        url: url(&format!("https://pypi.example/{file}")),
        sha256: digest(&file),
        file,
        only_for: BTreeSet::new(),
    }
}

fn r(name: &str, version: &str, needs: &[&str]) -> LockedRPackage {
    LockedRPackage {
        name: name.into(),
        version: version.into(),
        from: ArchiveSource::Url(url(&format!("https://cran.example/src/contrib/{name}_{version}.tar.gz"))),
        sha256: digest(name),
        binary: needs.is_empty(),
        needs: needs.iter().map(|&name| name.to_owned()).collect(),
        only_for: BTreeSet::new(),
    }
}

fn section() -> Section {
    let optional = LockedDeb { only_for: BTreeSet::from(["tree".to_owned()]), ..deb("tree", "1:2.1.0-1") };
    let own = LockedRPackage {
        from: ArchiveSource::Asset("lib/R/inhouse_1.2.tar.gz".into()),
        ..r("inhouse", "1.2", &["later"])
    };
    let of_git = LockedRPackage {
        from: ArchiveSource::Git(GitCommit {
            url: url("https://git.example/data/models.git"),
            commit: "3f1c".repeat(10),
            subdir: Some("r/models".into()),
        }),
        ..r("models", "1.2", &["later"])
    };
    Section {
        runtime: Runtime {
            os: "debian 12".into(),
            arch: "amd64".into(),
            version: Some("15.4".into()),
            python: Some("3.11".into()),
            r: Some("4.2.2".into()),
        },
        conditions: vec![("role".into(), "driver".into())],
        asks: vec!["apt jq".into(), "apt tree (optional)".into(), "pip nltk; python_version > \"3\"".into()],
        apt: vec![deb("jq", "1.6-2.1"), optional],
        python: vec![distribution("nltk", "3.9.1")],
        venvs: BTreeMap::from([("/opt/x".into(), vec![distribution("nltk", "3.8")])]),
        r: vec![own, r("later", "1.4", &[]), of_git],
        git: vec![LockedGit {
            folder: "/opt/src".into(),
            url: url("https://git.example/data/notebooks.git"),
            revision: "branch main".into(),
            commit: "4e2d".repeat(10),
        }],
        folders: BTreeMap::from([("s3://firm/certs/".into(), vec!["a.pem".into(), "old/b.pem".into()])]),
        assets: vec![LockedAsset { path: "lib/R/inhouse_1.2.tar.gz".into(), size: 9, sha256: digest("x") }],
    }
}

fn files() -> Vec<LockedFile> {
    ["Admin/init_scripts/base.toml", "Family/init_scripts/family.toml"]
        .map(|path| LockedFile { path: path.into(), sha256: digest(path) })
        .to_vec()
}

fn lock() -> Lock {
    Lock::with(None, "family", files(), section()).0
}

fn file() -> LockFile {
    LockFile { label: "family.lock".into(), lock: lock() }
}

#[test]
fn a_rendered_lock_parses_to_the_same_lock() {
    let text = lock().render();
    assert_eq!(Lock::parse("family.lock", text.as_bytes()), Ok(lock()));
    assert_eq!(lock().render(), text, "the same lock is the same text");
    insta::assert_snapshot!(text);
}

#[test]
fn the_quick_parser_and_the_locating_parser_agree() {
    let text = lock().render();
    let mut found = Vec::new();
    let (document, raw) =
        crate::grammar::read::<written::Lock>(&parse::KIND, &json_schema(), "x", text.as_bytes(), &mut found)
            .expect("read");
    let mut rules = parse::Rules { document: Some(&document), found, failed: false };
    assert_eq!(rules.lock(raw), parse::quick(text.as_bytes()).expect("sound"));
    assert_eq!(rules.found, []);
}

#[test]
fn addresses_in_a_lock_contain_no_credentials() {
    let secret = url("https://user:hunter2@pypi.example/x.whl?token=hunter2#sha256=0");
    assert_eq!(bare(&secret).as_str(), "https://pypi.example/x.whl");
    let text = lock().render().replace("https://deb.example/pool/jq", "https://user:hunter2@deb.example/pool/jq");
    let found = Lock::parse("family.lock", text.as_bytes()).expect_err("a login");
    assert_eq!(found[0].message, "its address contains a login");
}

#[test]
fn names_that_could_lead_out_of_a_folder_or_become_options_are_refused() {
    for (good, bad) in [
        ("file = \"jq_1.6-2.1_amd64.deb\"", "file = \"../../etc/x.deb\""),
        ("file = \"nltk-3.9.1-py3-none-any.whl\"", "file = \"/etc/x.whl\""),
        ("name = \"jq\"", "name = \"--force-yes\""),
        ("name = \"nltk\"", "name = \"-e\""),
        ("version = \"3.9.1\"", "version = \"3 --pre\""),
        ("url = \"https://pypi.example", "url = \"ssh://pypi.example"),
        ("needs = [\"later\"]", "needs = [\"../later\"]"),
        ("sha256 = \"", "sha256 = \"0"),
    ] {
        let text = lock().render().replacen(good, bad, 1);
        assert_ne!(text, lock().render(), "{good} is not there");
        assert!(Lock::parse("family.lock", text.as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn drift_names_the_differences() {
    let (asks, runtime) = (section().asks, section().runtime);
    let (of, known) = (file(), files());
    assert_eq!(of.fitting(&known, &runtime, &asks).map(|found| found.apt.len()), Ok(2));
    let reasons = |files: &[LockedFile], runtime: &Runtime, asks: &[&str]| {
        let asks: Vec<String> = asks.iter().map(|&ask| ask.to_owned()).collect();
        of.fitting(files, runtime, &asks).expect_err("it does not fit").reasons
    };
    let asks: Vec<&str> = asks.iter().map(String::as_str).collect();
    let mut changed = known.clone();
    changed[1].sha256 = digest("another");
    assert_eq!(reasons(&changed, &runtime, &asks), ["`Family/init_scripts/family.toml` has changed"]);
    assert_eq!(
        reasons(&known[1..], &runtime, &asks),
        ["`Admin/init_scripts/base.toml` no longer belongs to the profile"]
    );
    let other = Runtime { r: Some("4.3.1".into()), ..runtime.clone() };
    insta::assert_snapshot!(reasons(&known, &other, &asks).join("\n"), @r"
    this node is debian 12 amd64, runtime 15.4, Python 3.11, R 4.3.1
    the lock is for debian 12 amd64, runtime 15.4, Python 3.11, R 4.2.2
    ");
    insta::assert_snapshot!(reasons(&known, &runtime, &["apt jq", "apt curl"]).join("\n"), @r#"
    the profile requests entries that the lock does not have: `apt curl`
    the lock has entries that the profile does not request: `apt tree (optional)`, `pip nltk; python_version > "3"`
    "#);
}

#[test]
fn a_new_section_keeps_sections_of_other_runtimes() {
    let ubuntu = Section { runtime: Runtime { os: "ubuntu 22.04".into(), ..section().runtime }, ..section() };
    let (both, gone) = Lock::with(Some(&lock()), "family", files(), ubuntu.clone());
    assert_eq!((both.serial, both.sections.len(), gone.len()), (2, 2, 0));
    let (same, _) = Lock::with(Some(&both), "family", files(), ubuntu);
    assert_eq!(same, both, "nothing changed, and the serial neither");
}

#[test]
fn sections_of_the_same_runtime_are_removed_when_the_profile_changed() {
    let conditions = vec![("role".into(), "worker".into())];
    let worker = Section { asks: vec!["apt jq".into()], conditions, ..section() };
    let (both, _) = Lock::with(Some(&lock()), "family", files(), worker.clone());
    assert_eq!(both.sections.len(), 2, "a driver and a worker may ask for different things");
    let changed = vec![LockedFile { path: "x.toml".into(), sha256: digest("x") }];
    let (one, gone) = Lock::with(Some(&both), "family", changed, worker.clone());
    assert_eq!((&one.sections, gone.len(), one.serial), (&vec![worker.clone()], 1, 3));
    let renewed = Section { asks: vec!["apt yq".into()], ..worker };
    let (renewed, gone) = Lock::with(Some(&one), "family", files(), renewed);
    assert_eq!((renewed.sections.len(), gone.len()), (1, 0), "a renewed section is not reported");
}

#[test]
fn a_difference_renders_as_text() {
    let mut new = lock();
    new.serial = 2;
    new.sections[0].apt[0] = deb("jq", "1.7-1");
    new.sections[0].apt.push(deb("libonig5", "6.9"));
    new.sections[0].python[0].sha256 = digest("other");
    new.sections[0].r.pop();
    new.files[0].sha256 = digest("changed");
    let found = difference(Some(&lock()), &new);
    insta::assert_snapshot!(found.render());
    assert!(difference(Some(&new), &new).is_empty());
    assert_eq!(serde_json::to_value(&found).expect("plain")["sections"][0]["changes"][0]["kind"], "apt");
}

#[test]
fn every_rule_of_a_lock_has_its_message() {
    let rows = [
        ("schema = 1", "schema = 2", "schema 2 is not known"),
        ("serial = 1", "serial = 0", "serials start at 1"),
        ("profile = \"family\"", "profile = \"../x\"", "is not a profile name"),
        ("path = \"Admin/init_scripts/base.toml\"", "path = \"\"", "is not a path"),
        ("os = \"debian 12\"", "os = \"debian\\n12\"", "is not an operating system"),
        ("arch = \"amd64\"", "arch = \"../x\"", "is not a processor"),
        ("\nruntime = \"15.4\"", "\nruntime = \"../x\"", "is not a version"),
        ("python-version = \"3.11\"", "python-version = \"../x\"", "is not a version"),
        ("r-version = \"4.2.2\"", "r-version = \"../x\"", "is not a version"),
        ("name = \"jq\"", "name = \"J\"", "is not an apt package name"),
        ("version = \"1.6-2.1\"\narch = \"amd64\"", "version = \"1.6-2.1\"\narch = \"../x\"", "is not an architecture"),
        ("version = \"1.6-2.1\"", "version = \"a b\"", "is not a Debian version"),
        ("file = \"jq_1.6-2.1_amd64.deb\"", "file = \"jq.tar\"", "is not the name of a deb"),
        ("file = \"jq_1.6-2.1_amd64.deb\"", "file = \"../jq.deb\"", "is not the name of a deb"),
        ("venv = \"/opt/x\"", "venv = \"opt/x\"", "is not an absolute path"),
        ("name = \"nltk\"", "name = \"N L\"", "is not a normalised name of a distribution"),
        ("version = \"3.9.1\"", "version = \"x y\"", "is not a version"),
        ("file = \"nltk-3.9.1-py3-none-any.whl\"", "file = \"\"", "is not the name of a wheel"),
        ("file = \"nltk-3.9.1-py3-none-any.whl\"", "file = \".x.whl\"", "is not the name of a wheel"),
        ("file = \"nltk-3.9.1-py3-none-any.whl\"", "file = \"a/x.whl\"", "is not the name of a wheel"),
        ("url = \"https://pypi.example", "url = \"ssh://pypi.example", "is not an http, https or file address"),
        ("url = \"https://pypi.example", "url = \"https://u@pypi.example", "its address contains a login"),
        ("sha256 = \"", "sha256 = \"0", ""),
        ("name = \"inhouse\"", "name = \"in house\"", "is not an R package name"),
        ("version = \"1.4\"", "version = \"1 4\"", "is not a version of an R package"),
        ("file = \"lib/R/inhouse_1.2.tar.gz\"", "", "exactly one of `url`, `file` and `git`"),
        ("subdir = \"r/models\"", "url = \"https://x.example/\"", "exactly one of `url`, `file` and `git`"),
        ("subdir = \"r/models\"", "file = \"x\"", "exactly one of `url`, `file` and `git`"),
        ("subdir = \"r/models\"", "subdir = \"../models\"", "is not a folder in a repository"),
        ("commit = \"3f1c", "commit = \"main", "is not a commit"),
        ("needs = [\"later\"]", "needs = [\"other\"]", "`other` is not an R package of this section"),
        ("folder = \"/opt/src\"", "folder = \"opt/src\"", "is not an absolute path"),
        ("commit = \"4e2d", "commit = \"main", "is not a commit"),
        ("revision = \"branch main\"", "revision = \"main\"", "is not `branch NAME` or `tag NAME`"),
        ("revision = \"branch main\"", "revision = \"branch --x\"", "is not `branch NAME` or `tag NAME`"),
        ("path = \"s3://firm/certs/\"", "path = \"s3://firm/certs\"", "is not the address of a folder in a bucket"),
        ("path = \"s3://firm/certs/\"", "path = \"ftp://firm/certs/\"", "is not the address of a folder in a bucket"),
        ("path = \"s3://firm/certs/\"", "path = \"s3://firm/certs/?x\"", "is not the address of a folder in a bucket"),
        ("\"old/b.pem\"", "\"../b.pem\"", "is not the name of a file in a folder"),
        ("path = \"lib/R/inhouse_1.2.tar.gz\"", "path = \"\"", "is not a path"),
    ];
    for (good, bad, message) in rows {
        let text = lock().render().replacen(good, bad, 1);
        assert_ne!(text, lock().render(), "{good} is not there");
        let found = Lock::parse("family.lock", text.as_bytes()).expect_err(bad);
        assert!(found[0].message.contains(message), "{bad}: {}", found[0].message);
        assert!(parse::quick(text.as_bytes()).is_none(), "{bad}");
    }
    for (good, other) in [
        ("revision = \"branch main\"", "revision = \"tag v1\""),
        ("path = \"s3://firm/certs/\"", "path = \"abfss://box@firm.dfs.core.windows.net/certs/\""),
        ("url = \"https://pypi.example", "url = \"file:///pypi.example"),
        ("file = \"nltk-3.9.1-py3-none-any.whl\"", "file = \"nltk-3.9.1+cpu~1!%3a_x.tar.gz\""),
    ] {
        let text = lock().render().replacen(good, other, 1);
        assert_ne!(text, lock().render(), "{good} is not there");
        assert!(Lock::parse("family.lock", text.as_bytes()).is_ok(), "{other}");
    }
}

#[test]
fn entries_and_sections_are_there_once() {
    let twice = |change: fn(&mut Lock)| {
        let mut lock = lock();
        change(&mut lock);
        let found = Lock::parse("family.lock", lock.render().as_bytes()).expect_err("twice");
        found[0].message.clone()
    };
    let entry = "this entry is there twice";
    assert_eq!(twice(|lock| lock.sections[0].apt.push(deb("jq", "2"))), entry);
    assert_eq!(twice(|lock| lock.sections[0].python.push(distribution("nltk", "2"))), entry);
    assert_eq!(twice(|lock| lock.sections[0].r.push(r("later", "2", &[]))), entry);
    assert_eq!(
        twice(|lock| lock.sections.push(section())),
        "debian 12 amd64, runtime 15.4, Python 3.11, R 4.2.2 is there twice, with the same requests"
    );
    let mut other_processor = lock();
    other_processor.sections[0].apt.push(LockedDeb { arch: "arm64".into(), ..deb("jq", "2") });
    assert!(Lock::parse("family.lock", other_processor.render().as_bytes()).is_ok());
}

#[test]
fn all_digests_of_a_lock_are_known() {
    let found: BTreeSet<Digest> = lock().digests().cloned().collect();
    let rendered = lock().render();
    let written = rendered.lines().filter_map(|line| line.strip_prefix("sha256 = \"")?.strip_suffix('"'));
    let written: BTreeSet<Digest> = written.map(|hex| hex.parse().expect("a digest")).collect();
    assert_eq!(found, written);
}

#[test]
fn parts_of_a_section_are_found_by_their_names() {
    let section = section();
    let repository = url("https://user:hunter2@git.example/data/notebooks.git");
    let commit = |folder: &str, url: &Url, revision: &str| section.git_commit(folder, url, revision).map(str::len);
    assert_eq!(commit("/opt/src", &repository, "branch main"), Some(40), "without regard to a login");
    assert_eq!(commit("/opt/other", &repository, "branch main"), None);
    assert_eq!(commit("/opt/src", &repository, "branch dev"), None);
    assert_eq!(commit("/opt/src", &url("https://git.example/other.git"), "branch main"), None);
    assert_eq!(section.venv("/opt/x"), [distribution("nltk", "3.8")]);
    assert_eq!(section.venv("/opt/y"), []);
    assert_eq!(section.asset("lib/R/inhouse_1.2.tar.gz").map(|asset| asset.size), Some(9));
    assert_eq!(section.asset("x"), None);
    let commits: Vec<_> = section.r.iter().map(LockedRPackage::commit).collect();
    assert_eq!(commits, [None, None, Some("3f1c".repeat(10).as_str())]);
}

#[test]
fn packages_belong_to_the_required_entries_or_to_optional_ones() {
    let (required, optional) = (BTreeSet::new(), BTreeSet::from(["tree".to_owned()]));
    let groups = [None, Some("tree"), Some("jq")];
    assert_eq!(groups.map(|group| is_for(&required, group)), [true, true, true]);
    assert_eq!(groups.map(|group| is_for(&optional, group)), [false, true, false]);
    assert_eq!(groups.map(|group| is_own(&required, group)), [true, false, false]);
    assert_eq!(groups.map(|group| is_own(&optional, group)), [false, true, false]);
}

#[test]
fn a_source_archive_is_no_wheel() {
    assert!(section().has_only_wheels());
    let source = LockedDistribution { file: "nltk-3.8.tar.gz".into(), ..distribution("nltk", "3.8") };
    let in_venv = Section { venvs: BTreeMap::from([("/opt/x".into(), vec![source.clone()])]), ..section() };
    let outside = Section { python: vec![source], ..section() };
    assert!(!in_venv.has_only_wheels() && !outside.has_only_wheels());
}

#[test]
fn the_container_of_an_address_in_azure_is_no_login() {
    let folder = url("abfss://box@firm.dfs.core.windows.net/certs/");
    assert_eq!(bare(&folder), folder);
    assert!(is_bare(&folder) && !is_bare(&url("https://box@firm.example/")));
}

#[test]
fn a_section_with_requests_in_another_number_is_compared_with_the_nearest() {
    let asks = |names: &[&str]| names.iter().map(|name| format!("apt {name}")).collect::<Vec<_>>();
    let of = |names: &[&str]| Section { asks: asks(names), ..section() };
    let lock = Lock { sections: vec![of(&["a", "b"]), of(&["x", "y", "z"])], ..lock() };
    let nearest = |names: &[&str]| lock.nearest(&section().runtime, &asks(names)).map(|found| found.asks.len());
    assert_eq!((nearest(&["a"]), nearest(&["y", "z"]), nearest(&["a", "b", "c"])), (Some(2), Some(3), Some(2)));
    let other = Runtime { os: "ubuntu 24.04".into(), ..section().runtime };
    assert_eq!(lock.nearest(&other, &asks(&["a"])), None);
    let many = asks(&["a", "b", "1", "2", "3", "4", "5", "6", "7"]);
    let reasons = lock.section(&section().runtime, &many).expect_err("more requests");
    let shown = "`apt 1`, `apt 2`, `apt 3`, `apt 4`, `apt 5`, `apt 6` and 1 more";
    assert_eq!(reasons, [format!("the profile requests entries that the lock does not have: {shown}")]);
    let none = Lock { sections: Vec::new(), ..lock };
    let reasons = none.section(&section().runtime, &many).expect_err("no section");
    assert_eq!(reasons[1], "the lock has no section");
}

#[test]
fn drift_says_how_to_update_the_lock() {
    let drift = file().drift(Vec::new());
    assert_eq!(drift.to_string(), "the lock `family.lock` does not match");
    assert!(drift.hint().contains("`nodeagent lock --profile family`"));
    let known = [LockedFile { path: "new.toml".into(), sha256: digest("x") }, files().remove(0), files().remove(1)];
    assert_eq!(lock().changed_files(&known), ["`new.toml` is not in the lock"]);
}

#[test]
fn a_difference_has_the_changes_of_each_kind() {
    let mut new = lock();
    assert_eq!(difference(Some(&lock()), &new).render(), "nothing changed\n");
    assert!(difference(None, &new).render().starts_with("serial 1, the first\n+ file "));
    new.files.clear();
    assert!(!difference(Some(&lock()), &new).is_empty(), "files alone");
    let section = &mut new.sections[0];
    section.venvs.clear();
    section.git[0].commit = "5a".repeat(20);
    section.assets[0].sha256 = digest("y");
    section.apt[0].sha256 = digest("other bytes");
    let found = difference(Some(&lock()), &new);
    let changes: Vec<_> = found.sections[0].changes.iter().map(|change| (change.kind, change.other_bytes)).collect();
    assert_eq!(changes, [("apt", true), ("asset", false), ("git", false), ("python", false)]);
    assert_eq!(found.sections[0].runtime, "debian 12 amd64, runtime 15.4, Python 3.11, R 4.2.2 (role driver)");
    assert_eq!(found.sections[0].changes[2].new, Some("5a".repeat(6)));
}
