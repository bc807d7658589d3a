//! Tests of the local store.

use super::*;

#[tokio::test]
async fn an_added_object_is_returned_as_a_hard_link() {
    let bench = Bench::new();
    let store = bench.store();
    let (file, to) = (bench.file("x", b"hello"), bench.path("cache/deep/y"));
    let object = store.add(&file).await.expect("added");
    assert_eq!(object, Object { digest: Digest::sha256(b"hello"), size: 5 });
    assert!(has(&store, &object.digest, &to).await);
    assert_eq!(to.metadata().expect("there").ino(), file.metadata().expect("there").ino(), "nothing was copied");
    assert_eq!(store.used().local, Served { objects: 1, bytes: 5 });
    assert!(has(&store, &object.digest, &to).await, "the existing file is kept");
    assert_eq!(store.used().local.objects, 1, "and was not asked for");
}

#[tokio::test]
async fn a_missing_object_is_not_found_and_nothing_is_created() {
    let bench = Bench::new();
    assert!(!has(&bench.store(), &Digest::sha256(b"hello"), &bench.path("y")).await);
    assert!(!has(&bench.store(), &Digest::Sha256("../../x".into()), &bench.path("y")).await);
    assert!(!bench.path("local").exists() && !bench.path("y").exists());
}

#[tokio::test]
async fn a_damaged_object_is_refused_and_removed() {
    for damaged in [&b"hellp"[..], b"hell", b"", b"hello and more"] {
        let bench = Bench::new();
        let store = bench.store();
        let object = store.add(&bench.file("x", b"hello")).await.expect("added");
        let path = bench.file(&format!("local/{}", layout::object(&object.digest)), damaged);
        assert!(!has(&store, &object.digest, &bench.path("y")).await);
        assert!(!path.exists() && !bench.path("y").exists());
        assert_eq!(
            bench.warnings(),
            ["the object `2cf24dba5fb0` in the local store does not match its digest; it was removed"]
        );
    }
}

#[tokio::test]
async fn an_invalid_entry_is_removed() {
    let bench = Bench::new();
    let store = bench.store();
    let key = Key::of(Kind::RBuild, &"facts");
    assert_eq!(store.entry(Kind::RBuild, &key).await, None);
    let object = store.add(&bench.file("x", b"hello")).await.expect("added");
    let entry = Entry::new(Kind::RBuild, vec![Member::new("archive", &object)], Map::new());
    store.publish(Kind::RBuild, &key, &entry).await.expect("published");
    assert_eq!(store.entry(Kind::RBuild, &key).await, Some(entry));
    let path = bench.file(&format!("local/{}", layout::entry(Kind::RBuild, &key)), b"{}");
    assert_eq!(store.entry(Kind::RBuild, &key).await, None);
    assert!(!path.exists());
    assert!(bench.warnings().iter().any(|text| text.contains("cannot read the entry")), "{:?}", bench.warnings());
}

#[tokio::test]
async fn a_store_says_what_it_has_and_counts_what_it_served() {
    let bench = Bench::new();
    let (empty, alone, node) = (Store::none(), bench.store(), bench.node("one"));
    assert!(!empty.keeps() && alone.keeps() && node.keeps());
    assert!(!empty.has_shared() && !alone.has_shared() && node.has_shared());
    assert!(!alone.is_shared() && node.is_shared());
    node.came_from_origin(5);
    node.came_from_origin(2);
    assert_eq!(node.used().origin, Served { objects: 2, bytes: 7 });
    assert_eq!(StoreLocations::below(Path::new("/cache")).local, Path::new("/cache/store"));
}

#[tokio::test]
async fn an_object_for_the_node_only_is_not_published() {
    let bench = Bench::new();
    let (one, two) = (bench.node("one"), bench.node("two"));
    let (key, file) = (Key::of(Kind::Wheel, &"facts"), bench.file("x", b"hello"));
    let publish = |visibility| one.publish_file((Kind::Wheel, &key), "wheel", &file, Map::new(), visibility);
    publish(Visibility::NodeOnly).await.expect("added");
    one.settle(Duration::from_secs(20)).await;
    assert!(one.entry(Kind::Wheel, &key).await.is_some() && two.entry(Kind::Wheel, &key).await.is_none());
    assert!(!has(&two, &Digest::sha256(b"hello"), &bench.path("y")).await);
    publish(Visibility::Shared).await.expect("added");
    one.settle(Duration::from_secs(20)).await;
    assert!(two.entry(Kind::Wheel, &key).await.is_some());
    assert!(has(&two, &Digest::sha256(b"hello"), &bench.path("y")).await);
}
