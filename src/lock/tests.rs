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
