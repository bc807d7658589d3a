//! Tests of the shared store, also with hostile content.

use super::*;

#[tokio::test]
async fn republish_replaces_the_shared_entry() {
    let bench = Bench::new();
    let (one, two) = (bench.node("one"), bench.node("two"));
    let key = Key::of(Kind::RBuild, &"facts");
    let entry = |object: &Object| Entry::new(Kind::RBuild, vec![Member::new("archive", object)], Map::new());
    let first = entry(&one.add(&bench.file("x", b"hello")).await.expect("added"));
    one.republish(Kind::RBuild, &key, &first).await.expect("published");
    assert_eq!(two.entry_in(Tier::Shared, Kind::RBuild, &key).await, Some(first.clone()), "at once");
    let second = entry(&two.add(&bench.file("y", b"other")).await.expect("added"));
    two.publish(Kind::RBuild, &key, &second).await.expect("published");
    two.settle(Duration::from_secs(20)).await;
    assert_eq!(two.entry_in(Tier::Shared, Kind::RBuild, &key).await, Some(first.clone()), "an existing entry is kept");
    two.republish(Kind::RBuild, &key, &second).await.expect("published");
    assert_eq!(two.entry_in(Tier::Shared, Kind::RBuild, &key).await, Some(second), "unless it was unusable");
    assert_eq!(one.entry_in(Tier::Local, Kind::RBuild, &key).await, Some(first), "each has its own");
    bench.file(&format!("shared/{}", layout::entry(Kind::RBuild, &key)), b"not an entry");
    assert_eq!(one.entry_in(Tier::Shared, Kind::RBuild, &key).await, None);
    assert!(bench.warnings().iter().any(|text| text.contains("cannot read the entry")), "{:?}", bench.warnings());
}

#[tokio::test]
async fn settle_waits_for_background_tasks_and_for_the_tasks_that_they_spawn() {
    let bench = Bench::new();
    let (store, other) = (bench.node("one"), bench.node("two"));
    let (also, file) = (store.clone(), bench.file("x", b"hello"));
    store.spawn_background(async move {
        tokio::time::sleep(Duration::from_millis(50)).await;
        also.add(&file).await.expect("added");
    });
    store.settle(Duration::from_secs(20)).await;
    assert!(has(&other, &Digest::sha256(b"hello"), &bench.path("y")).await);
}

#[tokio::test]
async fn a_second_node_takes_objects_from_the_shared_store_and_keeps_them() {
    let bench = Bench::new();
    let bucket: Arc<dyn object_store::ObjectStore> = Arc::new(InMemory::new());
    // One PUT, several parts, no bytes.
    for bytes in [b"hello".to_vec(), vec![7; 12 << 20], Vec::new()] {
        for of_bucket in [false, true] {
            let name = |name: &str| format!("{name}-{}-{of_bucket}", bytes.len());
            let node = |name: &str| if of_bucket { bench.node_of_bucket(name, &bucket) } else { bench.node(name) };
            let object = published(&bench, &node(&name("one")), &bytes).await;
            let two = node(&name("two"));
            let to = bench.path(&name("to"));
            assert!(two.object(&object.digest, Some(object.size), &to, |_| ()).await, "{}", name(""));
            assert!(std::fs::read(&to).expect("there") == bytes);
            assert_eq!(two.used().shared, Served { objects: 1, bytes: object.size });
            crate::fs::remove(&to).expect("removed");
            assert!(has(&two, &object.digest, &to).await);
            assert_eq!(two.used().local, Served { objects: 1, bytes: object.size }, "it was kept");
            assert_eq!(bench.warnings(), Vec::<String>::new());
        }
    }
}

#[tokio::test]
async fn an_entry_is_published_after_its_objects() {
    let bench = Bench::new();
    let (one, two) = (bench.node("one"), bench.node("two"));
    let key = Key::of(Kind::Layer, &"facts");
    let object = one.add(&bench.file("x", b"hello")).await.expect("added");
    let entry = Entry::new(Kind::Layer, vec![Member::new("part", &object)], Map::new());
    one.publish(Kind::Layer, &key, &entry).await.expect("published");
    one.settle(Duration::from_secs(20)).await;
    let found = two.entry(Kind::Layer, &key).await.expect("it is there");
    assert_eq!(found, entry);
    assert!(has(&two, &found.objects[0].digest(), &bench.path("y")).await);
}

#[tokio::test]
async fn a_damaged_object_in_the_shared_store_is_refused_and_replaced() {
    for damaged in [&b"hellp"[..], b"hell", b"", b"hello and more"] {
        for size in [None, Some(5)] {
            let bench = Bench::new();
            let one = bench.node("one");
            let object = published(&bench, &one, b"hello").await;
            let path = bench.file(&format!("shared/{}", layout::object(&object.digest)), damaged);
            let two = bench.node("two");
            assert!(!two.object(&object.digest, size, &bench.path("y"), |_| ()).await);
            assert!(!bench.path("y").exists() && path.exists(), "files of others are not removed");
            let warnings = bench.warnings();
            assert_eq!(warnings.len(), 1, "{warnings:?}");
            assert!(warnings[0].starts_with("the file `2cf24dba5fb0` in the shared store `/shared` is not used: it"));
            // In a run, these bytes came from the origin.
            published(&bench, &two, b"hello").await;
            assert_eq!(std::fs::read(&path).expect("there"), b"hello");
        }
    }
}

#[tokio::test]
async fn links_and_pipes_in_the_shared_store_are_refused() {
    let bench = Bench::new();
    let digest = Digest::sha256(b"secret");
    let outside = bench.file("outside", b"secret");
    let name = layout::object(&digest);
    let path = bench.path("shared").join(&name);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("created");
    // A link to the right bytes, a pipe, a folder, a link as the folder above.
    let plant: [&dyn Fn(); 4] = [
        &|| symlink(&outside, &path).expect("linked"),
        &|| nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("made"),
        &|| std::fs::create_dir(&path).expect("made"),
        &|| {
            let folder = path.parent().expect("a folder");
            std::fs::remove_dir(folder).expect("removed");
            symlink(bench.path("elsewhere"), folder).expect("linked");
        },
    ];
    std::fs::create_dir(bench.path("elsewhere")).expect("made");
    bench.file(&format!("elsewhere/{}", digest.hex()), b"secret");
    for (index, plant) in plant.iter().enumerate() {
        plant();
        let node = bench.node(&format!("node-{index}"));
        assert!(!has(&node, &digest, &bench.path("to")).await, "{index}");
        assert_eq!(bench.warnings().len(), 1, "{index}");
        assert_eq!(std::fs::read(&outside).expect("there"), b"secret", "{index}");
        if path.is_dir() && !path.is_symlink() {
            std::fs::remove_dir(&path).expect("removed");
        } else {
            std::fs::remove_file(&path).expect("removed");
        }
    }
}

#[tokio::test]
async fn names_with_another_case_are_not_found() {
    let bench = Bench::new();
    let object = published(&bench, &bench.node("one"), b"hello").await;
    let name = layout::object(&object.digest);
    let path = bench.path("shared").join(&name);
    std::fs::rename(&path, path.with_file_name(object.digest.hex().to_uppercase())).expect("renamed");
    assert!(!has(&bench.node("two"), &object.digest, &bench.path("y")).await);
    let upper = Digest::Sha256(object.digest.hex().to_uppercase());
    assert!(!has(&bench.node("two"), &upper, &bench.path("y")).await);
}

#[tokio::test]
async fn a_missing_shared_store_is_one_warning() {
    let bench = Bench::new();
    let backend = Backend::Folder(FolderBackend { tree: Tree::shared(bench.path("absent/store")) });
    let node = bench.node_with("one", backend);
    assert!(!has(&node, &Digest::sha256(b"x"), &bench.path("y")).await);
    assert!(!has(&node, &Digest::sha256(b"y"), &bench.path("y")).await);
    published(&bench, &node, b"hello").await;
    let why = "No such file or directory (os error 2)";
    assert_eq!(bench.warnings(), [format!("the shared store `/shared` is not used any more: {why}")]);
    assert!(!bench.path("absent").exists());
}

#[tokio::test]
async fn a_read_only_shared_store_is_still_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let bench = Bench::new();
    let object = published(&bench, &bench.node("one"), b"hello").await;
    let folder = bench.path("shared/v1/objects");
    let permit = |mode| std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(mode)).expect("ours");
    permit(0o555);
    let node = bench.node("two");
    published(&bench, &node, b"another").await;
    published(&bench, &node, b"a third").await;
    let is_root = nix::unistd::Uid::effective().is_root();
    if !is_root {
        assert_eq!(
            bench.warnings(),
            ["nothing is published to the shared store `/shared`: it is read-only for this user"]
        );
    }
    assert!(has(&node, &object.digest, &bench.path("y")).await);
    permit(0o755);
}

#[tokio::test]
async fn a_stalled_shared_store_is_waited_for_once() {
    let bench = Bench::new();
    let slow = ThrottleConfig { wait_get_per_call: Duration::from_secs(600), ..ThrottleConfig::default() };
    let bucket: Arc<dyn object_store::ObjectStore> = Arc::new(ThrottledStore::new(InMemory::new(), slow));
    let node = bench.node_with_short_limits("one", &bucket);
    let began = Instant::now();
    for bytes in [b"a", b"b", b"c", b"d", b"e", b"f"] {
        assert!(!has(&node, &Digest::sha256(bytes), &bench.path("y")).await);
    }
    assert!(began.elapsed() < SHORT.silence * 5, "only the first one waits");
    let warning = "the shared store `/shared` is not used any more: it did not answer for 2s";
    assert_eq!(bench.warnings(), [warning]);
}

#[tokio::test]
async fn a_slow_shared_store_is_disabled() {
    let bench = Bench::new();
    let memory = InMemory::new();
    let digest = Digest::sha256(&[1; 400]);
    let path = object_store::path::Path::from(format!("below/{}", layout::object(&digest)));
    object_store::ObjectStoreExt::put(&memory, &path, vec![1; 400].into()).await.expect("put");
    // A store that delivers small pieces with pauses.
    let chunked = object_store::chunked::ChunkedStore::new(Arc::new(memory), 1);
    let slow = ThrottleConfig { wait_get_per_byte: Duration::from_millis(20), ..ThrottleConfig::default() };
    let bucket: Arc<dyn object_store::ObjectStore> = Arc::new(ThrottledStore::new(chunked, slow));
    assert!(!has(&bench.node_with_short_limits("one", &bucket), &digest, &bench.path("y")).await);
    let warnings = bench.warnings();
    assert!(warnings.len() == 1 && warnings[0].contains("it is too slow: "), "{warnings:?}");
    assert!(!bench.path("y").exists());
}

#[tokio::test]
async fn an_object_longer_than_announced_is_refused() {
    let mut receiver = receiver::Receiver::new(None, Some(5));
    assert!(matches!(receiver.announce(6), Err(backend_error::BackendError::BadContent(_))));
    let mut receiver = receiver::Receiver::new(None, None);
    assert!(matches!(receiver.announce(u64::MAX), Err(backend_error::BackendError::BadContent(_))));
    let temp = tempfile::tempdir().expect("a temporary folder");
    let mut receiver = receiver::Receiver::new(Some(&temp.path().join("x")), None);
    receiver.announce(5).expect("it may begin");
    receiver.take(b"hello").expect("as announced");
    assert!(matches!(receiver.take(b" "), Err(backend_error::BackendError::BadContent(_))));
    drop(receiver);
    assert_eq!(std::fs::read_dir(temp.path()).expect("there").count(), 0, "nothing is left of it");
}

#[tokio::test]
async fn many_writers_of_one_object_leave_one_object() {
    let bench = Bench::new();
    let file = bench.file("x", &vec![3; 1 << 20]);
    let nodes: Vec<Store> = (0..8).map(|index| bench.node(&format!("node-{index}"))).collect();
    let added = futures::future::join_all(nodes.iter().map(|node| node.add(&file))).await;
    futures::future::join_all(nodes.iter().map(|node| node.settle(Duration::from_secs(20)))).await;
    let digest = &added[0].as_ref().expect("added").digest;
    let folder = bench.path("shared").join(layout::object(digest));
    assert_eq!(std::fs::read_dir(folder.parent().expect("a folder")).expect("there").count(), 1);
    assert!(has(&bench.node("last"), digest, &bench.path("y")).await);
    assert_eq!(bench.warnings(), Vec::<String>::new());
}

#[tokio::test]
async fn a_bucket_is_opened_at_its_first_use() {
    let bench = Bench::new();
    let clouds = Arc::new(Clouds::new(Arc::default(), ClientEnvironment::default()));
    let shared = Some("s3://bucket/store".parse().expect("an address"));
    let places = StoreLocations { local: bench.path("local"), limit: DEFAULT_LIMIT, shared };
    let store = Store::open(&places, &clouds, bench.warn());
    assert!(store.shared().is_some() && bench.warnings().is_empty() && !bench.path("local").exists());
}
