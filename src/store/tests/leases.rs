//! Tests of leases and of single flight.

use super::*;

fn is_taken(lease: &Lease) -> bool {
    matches!(lease, Lease::Taken(_))
}

#[tokio::test]
async fn a_lease_has_one_holder_is_renewed_and_is_released() {
    let bench = Bench::new();
    let bucket: Arc<dyn object_store::ObjectStore> = Arc::new(InMemory::new());
    for of_bucket in [false, true] {
        let node = |name: &str| if of_bucket { bench.node_of_bucket(name, &bucket) } else { bench.node(name) };
        let (one, two) = (node("one"), node("two"));
        let key = Key::of_object(&Digest::sha256(b"x"));
        let long = Duration::from_secs(2);
        let lease = one.lease(&key, long).await;
        assert!(is_taken(&lease));
        assert!(!is_taken(&two.lease(&key, long).await), "another node holds it");
        assert!(two.is_leased(&key, long).await);
        // One renewal, after a third of the duration, would have expired.
        tokio::time::sleep(long * 8 / 5).await;
        assert!(!is_taken(&two.lease(&key, long).await), "it was renewed more than once");
        drop(lease);
        one.settle(Duration::from_secs(20)).await;
        assert!(!two.is_leased(&key, long).await, "it was given back");
        assert!(is_taken(&two.lease(&key, long).await));
        two.settle(Duration::from_secs(20)).await;
    }
}

#[tokio::test]
async fn a_lease_of_a_dead_holder_expires() {
    let bench = Bench::new();
    let bucket: Arc<dyn object_store::ObjectStore> = Arc::new(InMemory::new());
    for of_bucket in [false, true] {
        let node = |name: &str| if of_bucket { bench.node_of_bucket(name, &bucket) } else { bench.node(name) };
        let key = Key::of_object(&Digest::sha256(b"x"));
        let short = Duration::from_secs(2);
        let Lease::Taken(mut guard) = node("dead").lease(&key, short).await else { panic!("it is free") };
        guard.die();
        let other = node("other");
        assert!(!is_taken(&other.lease(&key, short).await));
        tokio::time::sleep(short + Duration::from_millis(300)).await;
        let nodes: Vec<Store> = (0..6).map(|index| node(&format!("node-{index}"))).collect();
        let leases = futures::future::join_all(nodes.iter().map(|node| node.lease(&key, short))).await;
        assert_eq!(leases.iter().filter(|lease| is_taken(lease)).count(), 1, "exactly one node takes it over");
    }
}

/// Asks for an object of 1 MiB.
async fn object_or_permit(bench: &Bench, node: &Store, digest: &Digest) -> SingleFlight {
    node.object_or_permit(digest, Some(1 << 20), &bench.path("to"), |_| ()).await
}

#[tokio::test]
async fn one_node_fetches_and_the_other_takes_the_published_object() {
    let bench = Bench::new();
    let bucket: Arc<dyn object_store::ObjectStore> = Arc::new(InMemory::new());
    for of_bucket in [false, true] {
        let bytes = vec![u8::from(of_bucket); 1 << 20];
        let (file, digest) = (bench.file("made", &bytes), Digest::sha256(&bytes));
        let name = |name: &str| format!("{name}-{of_bucket}");
        let node = |name: &str| if of_bucket { bench.node_of_bucket(name, &bucket) } else { bench.node(name) };
        let (one, two) = (node(&name("one")), node(&name("two")));
        let SingleFlight::Fetch(permit) = object_or_permit(&bench, &one, &digest).await else {
            panic!("the lease is free")
        };
        let (served, ()) = tokio::join!(object_or_permit(&bench, &two, &digest), async {
            tokio::time::sleep(Duration::from_millis(400)).await;
            one.keep(&digest, &file, permit).await;
        });
        assert!(matches!(served, SingleFlight::Served));
        assert_eq!(two.used().shared, Served { objects: 1, bytes: 1 << 20 });
        one.settle(Duration::from_secs(20)).await;
        let left = one.shared().expect("shared").list(layout::LEASES).await.expect("listed");
        assert_eq!(left, Vec::new(), "the lease is given back");
        crate::fs::remove(&bench.path("to")).expect("removed");
    }
}

#[tokio::test]
async fn a_holder_that_fails_releases_the_lease() {
    let bench = Bench::new();
    let (one, two, digest) = (bench.node("one"), bench.node("two"), Digest::sha256(b"x"));
    let SingleFlight::Fetch(failed) = object_or_permit(&bench, &one, &digest).await else {
        panic!("the lease is free")
    };
    let (next, ()) = tokio::join!(object_or_permit(&bench, &two, &digest), async {
        tokio::time::sleep(Duration::from_millis(400)).await;
        drop(failed);
    });
    let SingleFlight::Fetch(permit) = next else { panic!("the object is missing") };
    assert!(permit.into_guard().is_some(), "it is for us to bring it to others");
}

#[tokio::test]
async fn nodes_do_not_wait_if_fetching_is_faster() {
    let bench = Bench::new();
    let digest = Digest::sha256(b"x");
    let (one, two) = (bench.node("one"), bench.node("two"));
    let _lease = one.lease(&Key::of_object(&digest), Duration::from_secs(60)).await;
    // Too small to be coordinated.
    let small = two.object_or_permit(&digest, Some(100), &bench.path("to"), |_| ()).await;
    assert!(matches!(small, SingleFlight::Fetch(_)));
    // Earlier waits had no result.
    two.shared().expect("shared").count_expired_wait(2);
    assert!(two.shared().expect("shared").allows_waiting());
    two.shared().expect("shared").count_expired_wait(2);
    assert!(matches!(object_or_permit(&bench, &two, &digest).await, SingleFlight::Fetch(_)));
    // The shared store fails.
    let backend = Backend::Folder(FolderBackend { tree: Tree::shared(bench.path("absent/store")) });
    assert!(matches!(
        object_or_permit(&bench, &bench.node_with("three", backend), &digest).await,
        SingleFlight::Fetch(_)
    ));
    assert!(
        matches!(object_or_permit(&bench, &bench.store(), &digest).await, SingleFlight::Fetch(_)),
        "nothing is shared"
    );
}

#[tokio::test]
async fn a_lease_with_a_distant_expiry_is_cut_to_the_usual_duration() {
    let bench = Bench::new();
    let key = Key::of_object(&Digest::sha256(b"x"));
    let lying = r#"{"holder":"me","expires":"2999-01-01T00:00:00Z"}"#;
    bench.file(&format!("shared/{}", layout::lease(&key)), lying.as_bytes());
    let Lease::Held { until } = bench.node("one").lease(&key, Duration::from_secs(60)).await else { panic!("held") };
    assert!(until < jiff::Timestamp::now() + jiff::SignedDuration::from_secs(61));
}

#[tokio::test]
async fn without_a_writable_store_every_node_gets_the_lease() {
    let bench = Bench::new();
    let backend = Backend::Folder(FolderBackend { tree: Tree::shared(bench.path("absent/store")) });
    let key = Key::of_object(&Digest::sha256(b"x"));
    assert!(is_taken(&bench.node_with("one", backend).lease(&key, Duration::from_secs(60)).await));
    assert!(is_taken(&bench.store().lease(&key, Duration::from_secs(60)).await));
}
