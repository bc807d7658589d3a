//! Files of a profile that are in a bucket: fetched with the identity of the node.

use nodeagent::digest::Digest;

use crate::support::NodeTest;

/// The content of the object.
pub(crate) const CONTENT: &[u8] = b"key = value\n";

/// Checks a file of a profile at an address in a bucket, which has [`CONTENT`]. `node` makes nodes with an identity.
pub(crate) fn an_object_is_fetched_as_a_file_of_a_profile(node: impl Fn() -> NodeTest, url: &str) {
    let profile = |keys: &str| format!("[files]\n\"/etc/x.conf\" = {{ from = {{ url = \"{url}\"{keys} }} }}\n");
    let digest = Digest::sha256(CONTENT).hex().to_owned();
    let run = ["run", "--profile", "x.toml"];
    let fresh = node().profile(&profile(&format!(", sha256 = \"{digest}\"")));
    fresh.agent(&run).ended(0);
    assert_eq!(fresh.read("etc/x.conf").as_bytes(), CONTENT);
    let second = fresh.agent(&run).ended(0);
    assert!(second.all().contains("nothing to do"), "{}", second.all());

    let wrong = node().profile(&profile(&format!(", sha256 = \"{}\"", "0".repeat(64))));
    let refused = wrong.agent(&run).ended(2);
    assert!(refused.stderr.contains("does not have the expected digest"), "{}", refused.stderr);

    let unlocked = node().profile(&profile(""));
    let refused = unlocked.agent(&run).ended(2);
    assert!(refused.stderr.contains("has no digest"), "{}", refused.stderr);
    unlocked.agent(&["lock", "--profile", "x.toml"]).ended(0);
    assert!(std::fs::read_to_string(unlocked.beside("desk/x.lock")).expect("a lock").contains(&digest));
    unlocked.agent(&run).ended(0);
    assert_eq!(unlocked.read("etc/x.conf").as_bytes(), CONTENT);

    let absent = node().profile(&profile(&format!(", sha256 = \"{digest}\"")).replace(url, &format!("{url}.gone")));
    let refused = absent.agent(&run).ended(2);
    assert!(refused.stderr.contains("could not be fetched"), "{}", refused.stderr);
}

/// Checks a folder in a bucket at an address that ends with `/`. `put` writes an object of the folder.
pub(crate) fn a_folder_is_locked_and_its_objects_are_fetched(
    node: impl Fn() -> NodeTest,
    url: &str,
    put: impl Fn(&str, &[u8]),
) {
    let digest = |bytes: &[u8]| Digest::sha256(bytes).hex().to_owned();
    let run = ["run", "--profile", "./x.toml"];
    let profile = format!(
        "[files]\n\"/etc/x/\" = \"{url}\"\n[files.\"/etc/later/\"]\nfrom = [{{ url = \"{url}\" }}]\nstage = \
         \"post-start\"\n[post-start]\nready = {{ path = \"/tmp/ready\", timeout = \"60s\" }}\n"
    );
    put("a.conf", CONTENT);
    put("a.conf.minisig", b"a signature");
    put("sub/with space~[1]#+%20.conf", b"b");
    let first = node().profile(&profile);

    // Without a lock, nothing is changed.
    let before = first.listing();
    let refused = first.agent(&run).ended(2).stderr;
    assert!(refused.contains(&format!("no lock has the files of the folder `{url}`")), "{refused}");
    assert!(refused.contains("run `nodeagent lock`") && refused.contains("x.toml:4"), "{refused}");
    assert_eq!(first.changes_since(&before), [""; 0]);

    first.agent(&["lock", "--profile", "./x.toml"]).ended(0);
    let lock = || std::fs::read_to_string(first.beside("desk/x.lock")).expect("a lock");
    let listed = format!(
        "[[runtimes.folders]]\npath = \"{url}\"\nfiles = [\n    \"a.conf\",\n    \"sub/with space~[1]#+%20.conf\",\n]\n"
    );
    assert!(lock().contains(&listed) && lock().contains(&digest(CONTENT)), "{}", lock());
    let checked = first.agent(&["lock", "--check", "--profile", "./x.toml"]).ended(0).stderr;
    assert!(checked.contains("matches"), "{checked}");
    first.agent(&run).ended(0);
    let odd = "sub/with space~[1]#+%20.conf";
    assert_eq!((first.read("etc/x/a.conf").as_bytes(), &*first.read(&format!("etc/x/{odd}"))), (CONTENT, "b"));
    assert!(!first.root().join("etc/x/a.conf.minisig").exists() && !first.root().join("etc/later").exists());
    std::fs::create_dir_all(first.root().join("tmp")).expect("a folder");
    crate::support::put(&first.root().join("tmp/ready"), "");
    let report = crate::stages::ended(&first, 1).remove(0);
    assert_eq!(report["outcome"], "done", "{report:#}");
    assert_eq!(first.read(&format!("etc/later/{odd}")), "b");

    // A later object is ignored until the lock is renewed.
    put("later.conf", b"later");
    let second = first.agent(&run).ended(0).all();
    assert!(second.contains("nothing to do"), "{second}");
    crate::stages::ended(&first, 2);
    let old_lock = lock();
    let fresh = || {
        let fresh = node().profile(&profile);
        crate::support::put(&fresh.beside("desk/x.lock"), &old_lock);
        fresh
    };
    let another = fresh();
    another.agent(&run).ended(0);
    assert!(another.root().join("etc/x/a.conf").exists() && !another.root().join("etc/x/later.conf").exists());

    // A changed object is refused, and a lost one, too.
    put("a.conf", b"changed");
    let refused = fresh().agent(&run).ended(2).stderr;
    assert!(refused.contains("does not have the expected digest"), "{refused}");
    let lost = node().profile(&profile);
    crate::support::put(&lost.beside("desk/x.lock"), &old_lock.replace("a.conf", "lost.conf"));
    let refused = lost.agent(&run).ended(2).stderr;
    assert!(refused.contains("lost.conf` could not be fetched"), "{refused}");

    let said = first.agent(&["lock", "--profile", "./x.toml"]).ended(0).all();
    assert!(said.contains("later.conf") && said.contains("serial 1 -> 2"), "{said}");
    first.agent(&run).ended(0);
    assert_eq!((&*first.read("etc/x/a.conf"), &*first.read("etc/x/later.conf")), ("changed", "later"));
    crate::stages::ended(&first, 3);

    // A folder without objects.
    let empty = node().profile(&profile.replace(url, &format!("{url}absent/")));
    let refused = empty.agent(&["lock", "--profile", "./x.toml"]).ended(2).stderr;
    assert!(refused.contains(&format!("the folder `{url}absent/` has no files")), "{refused}");
    assert!(refused.contains("asked for at x.toml:"), "{refused}");
}
