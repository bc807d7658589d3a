//! Tests of maintenance.

use super::*;

#[tokio::test]
async fn verify_reports_and_removes_damaged_files() {
    let bench = Bench::new();
    let node = bench.node("one");
    let (good, bad) = (published(&bench, &node, b"good").await, published(&bench, &node, b"bad").await);
    for tier in [Tier::Local, Tier::Shared] {
        let verdict = node.verify(tier).await.expect("readable");
        assert_eq!((verdict.sound, verdict.damaged.len()), (Served { objects: 2, bytes: 7 }, 0));
    }
    for store in ["one", "shared"] {
        bench.file(&format!("{store}/{}", layout::object(&bad.digest)), b"BAD");
        bench.file(&format!("{store}/v1/objects/README"), b"hello");
        symlink("/etc/passwd", bench.path(store).join("v1/objects/link")).expect("linked");
    }
    for tier in [Tier::Local, Tier::Shared] {
        let verdict = node.verify(tier).await.expect("readable");
        assert_eq!(verdict.sound, Served { objects: 1, bytes: 4 });
        assert_eq!(verdict.damaged, [layout::object(&bad.digest)]);
        assert_eq!(verdict.foreign, ["v1/objects/README", "v1/objects/link"]);
        assert_eq!(node.verify(tier).await.expect("readable").damaged, Vec::<String>::new(), "it was removed");
    }
    assert!(has(&node, &good.digest, &bench.path("y")).await);
}

#[tokio::test]
async fn gc_removes_the_least_recently_used_objects_first() {
    let bench = Bench::new();
    let store = bench.store();
    let mut objects = Vec::new();
    for (age, bytes) in [(300, &b"used"[..]), (200, b"old!"), (100, b"new!")] {
        let object = store.add(&bench.file("x", bytes)).await.expect("added");
        let file = std::fs::File::open(bench.path("local").join(layout::object(&object.digest))).expect("there");
        let then = std::time::SystemTime::now() - Duration::from_secs(age);
        file.set_times(std::fs::FileTimes::new().set_modified(then)).expect("set");
        objects.push(object);
    }
    let key = |index: usize| Key::of(Kind::Wheel, &index);
    for (index, object) in objects.iter().enumerate() {
        let entry = Entry::new(Kind::Wheel, vec![Member::new("wheel", object)], Map::new());
        store.publish(Kind::Wheel, &key(index), &entry).await.expect("published");
    }
    assert!(has(&store, &objects[0].digest, &bench.path("y")).await, "it is used now");
    let done = store.gc(Tier::Local, 8).await.expect("cleaned");
    assert_eq!((done.objects, done.entries), (Served { objects: 1, bytes: 4 }, 1));
    assert!(!has(&store, &objects[1].digest, &bench.path("z")).await, "the oldest is gone");
    assert_eq!(store.entry(Kind::Wheel, &key(1)).await, None, "its entry is removed too");
    assert!(store.entry(Kind::Wheel, &key(0)).await.is_some());
    assert_eq!(store.stat(Tier::Local).await.expect("readable").objects, Served { objects: 2, bytes: 8 });
}

#[tokio::test]
async fn push_and_pull_copy_each_file_once() {
    let bench = Bench::new();
    let alone = bench.store();
    let object = alone.add(&bench.file("x", b"hello")).await.expect("added");
    let (key, member) = (Key::of(Kind::Wheel, &1), Member::new("wheel", &object));
    alone.publish(Kind::Wheel, &key, &Entry::new(Kind::Wheel, vec![member], Map::new())).await.expect("published");
    assert!(alone.push().await.is_err(), "there is nowhere to push it to");
    let one = bench.node("local");
    let moved = MaintenanceReport { objects: Served { objects: 1, bytes: 5 }, entries: 1, failed: 0 };
    assert_eq!(one.push().await.expect("pushed"), moved);
    assert_eq!(one.push().await.expect("pushed"), MaintenanceReport::default());
    let two = bench.node("two");
    assert_eq!(two.pull().await.expect("pulled"), moved);
    assert_eq!(two.pull().await.expect("pulled"), MaintenanceReport::default());
    assert!(has(&two, &object.digest, &bench.path("y")).await && two.entry(Kind::Wheel, &key).await.is_some());
    assert_eq!(two.used().shared, Served::default(), "it is here now");
}

#[tokio::test]
async fn statistics_count_files_of_each_kind() {
    let bench = Bench::new();
    let node = bench.node("one");
    let object = published(&bench, &node, b"hello").await;
    let entry = Entry::new(Kind::Layer, vec![Member::new("part", &object)], Map::new());
    node.republish(Kind::Layer, &Key::of(Kind::Layer, &1), &entry).await.expect("published");
    let _lease = node.lease(&Key::of_object(&object.digest), Duration::from_secs(60)).await;
    bench.file("shared/v1/objects/README", b"hello");
    bench.file("shared/v1/objects/ab/.abc.nodeagent", b"");
    let stat = node.stat(Tier::Shared).await.expect("readable");
    assert_eq!(stat.objects, Served { objects: 1, bytes: 5 });
    assert_eq!((stat.entries, stat.leases, stat.foreign), ([(Kind::Layer, 1)].into(), 1, 1));
}

#[tokio::test]
async fn gc_removes_abandoned_files_and_keeps_recent_ones() {
    let bench = Bench::new();
    let store = bench.store();
    let names = ["v1/.recent.nodeagent", "v1/.abandoned.nodeagent", "v1/README"];
    for (name, age) in names.into_iter().zip([60, 90_000, 90_000]) {
        let file = std::fs::File::open(bench.file(&format!("local/{name}"), b"x")).expect("there");
        let then = std::time::SystemTime::now() - Duration::from_secs(age);
        file.set_times(std::fs::FileTimes::new().set_modified(then)).expect("set");
    }
    assert_eq!(store.gc(Tier::Local, 0).await.expect("cleaned"), MaintenanceReport::default());
    let is_there = names.map(|name| bench.path("local").join(name).exists());
    assert_eq!(is_there, [true, false, true], "files of others are kept");
}

#[tokio::test]
async fn a_store_that_can_be_written_is_left_empty() {
    let bench = Bench::new();
    bench.store().check_writable().await.expect("there is no shared store");
    let node = bench.node("one");
    node.check_writable().await.expect("writable");
    assert_eq!(node.stat(Tier::Shared).await.expect("readable"), StoreStats::default());
    let backend = Backend::Folder(FolderBackend { tree: Tree::shared(bench.path("absent/store")) });
    let error = bench.node_with("two", backend).check_writable().await.expect_err("it is missing");
    assert!(error.to_string().starts_with("the shared store `/shared` cannot be written"), "{error}");
}

#[tokio::test]
async fn a_failed_copy_is_counted() {
    let bench = Bench::new();
    let object = published(&bench, &bench.node("one"), b"hello").await;
    bench.file(&format!("shared/{}", layout::object(&object.digest)), b"HELLO");
    bench.file(&format!("shared/{}", layout::entry(Kind::Layer, &Key::of(Kind::Layer, &1))), b"no entry");
    let report = bench.node("two").pull().await.expect("pulled");
    assert_eq!((report.objects, report.entries, report.failed), (Served::default(), 0, 2));
}
