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
