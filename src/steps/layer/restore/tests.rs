//! Tests valid, damaged and hostile layers. Each problem must be reported by the check that is responsible for it,
//! and nothing of a refused layer may reach the node.

use std::{collections::BTreeMap, io::Write as _};

use tar::{Builder, EntryType, Header};

use super::{
    super::{key::tests::layer, manifest::Part},
    *,
};
use crate::{
    cloud::{ClientEnvironment, Clouds},
    exec::fake::FakeRunner,
    fs::{Attributes, replace},
    profile::FileStore,
    report::{Collector, event::Events},
    store::{Entry, Key, Store, StoreLocations},
    trust::{Prehash, SecretKey, Trusted, TrustedKeys, trusted_comment},
};

struct Bench {
    temp: tempfile::TempDir,
    collector: Collector,
    ctx: Context,
    layer: Layer,
}

impl Bench {
    fn new() -> Self {
        Self::trusting(Vec::new())
    }

    fn trusting(keys: Vec<crate::trust::PublicKey>) -> Self {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let collector = Collector::default();
        let events = Events::new(vec![Box::new(collector.clone())]);
        let mut ctx = Context::for_tests(Arc::new(FakeRunner::new()), events.of_step("pip"));
        let clouds = Arc::new(Clouds::new(Arc::clone(&ctx.http), ClientEnvironment::default()));
        ctx.cache = temp.path().join("cache");
        ctx.root = temp.path().join("root");
        ctx.store = Store::open(&StoreLocations::below(&ctx.cache), &clouds, Arc::new(drop));
        let trusted = Trusted::new(TrustedKeys::new(keys), 0, BTreeMap::new());
        ctx.filestore = FileStore::local(temp.path().join("filestore")).trusting(Arc::new(trusted));
        let layer = layer(&ctx.root);
        Self { temp, collector, ctx, layer }
    }

    fn key(&self) -> Key {
        key::of(&self.layer, &self.ctx.root).expect("readable")
    }

    /// Adds an archive to the store as the only part.
    async fn part(&self, tar: &[u8]) -> Part {
        self.raw_part(&zstd::encode_all(tar, 3).expect("packed"), tar.len() as u64).await
    }

    async fn raw_part(&self, bytes: &[u8], unpacked: u64) -> Part {
        let file = self.temp.path().join("part");
        replace(&file, bytes, Attributes::mode(0o644)).expect("written");
        let object = self.ctx.store.add_local(&file).await.expect("kept");
        fs::remove(&file).expect("removed");
        Part { sha256: object.digest.hex().to_owned(), size: object.size, bytes: unpacked, entries: 100 }
    }

    fn manifest(&self, parts: Vec<Part>) -> Manifest {
        let packages = [("x".to_owned(), "1".to_owned())];
        Manifest::new(&self.key(), packages.into(), LinkedLibraries::default(), parts)
    }

    async fn publish(&self, entry: &Entry) {
        self.ctx.store.put_entry(Kind::Layer, &self.key(), entry).await.expect("kept");
    }

    /// Runs the step. The error contains its warnings if no layer was restored.
    async fn restore(&self) -> Result<(), String> {
        let done = match stage(&self.ctx, &self.layer).await {
            Some(staged) => staged.put(&self.ctx).await.map_err(|error| in_words(&error)),
            None => Err(self.collector.report().warnings.join("; ")),
        };
        let left = std::fs::read_dir(self.ctx.cache.join("layers")).into_iter().flatten().flatten();
        let left: Vec<PathBuf> = left.map(|entry| entry.path()).collect();
        assert_eq!(left, [""; 0].map(PathBuf::from), "no staging folder is left");
        done
    }

    fn on_node(&self) -> Vec<String> {
        fn below(folder: &Path, of: &Path, into: &mut Vec<String>) {
            for entry in std::fs::read_dir(folder).expect("readable").flatten() {
                let path = entry.path();
                if path.symlink_metadata().expect("there").is_dir() {
                    below(&path, of, into);
                } else {
                    into.push(path.strip_prefix(of).expect("below").display().to_string());
                }
            }
        }
        let mut files = Vec::new();
        below(&self.ctx.root, &self.ctx.root, &mut files);
        files.sort();
        files
    }
}

/// A tar archive of raw headers, which may have any content.
fn tar(entries: &[(&str, EntryType, &str, &[u8])]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (name, kind, link, bytes) in entries {
        let mut header = Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(*kind);
        header.set_mode(0o644);
        header.set_size(bytes.len() as u64);
        header.set_cksum();
        builder.append(&header, *bytes).expect("appended");
    }
    builder.into_inner().expect("ended")
}

const X: &str = "lib/python3.11/site-packages/x.py";
const SHIPPED: [&str; 2] = ["bin/python3.11", "lib/python3.11/site-packages/numpy-2.dist-info/RECORD"];

fn plain(name: &str) -> Vec<u8> {
    tar(&[(name, EntryType::Regular, "", b"hello")])
}

#[tokio::test]
async fn a_layer_can_be_restored_twice_beside_existing_files() {
    let bench = Bench::new();
    let parts = vec![bench.part(&plain(X)).await, bench.part(&plain("share/x.txt")).await];
    bench.publish(&bench.manifest(parts).entry(None)).await;
    for _ in 0..2 {
        bench.restore().await.expect("restored");
        assert_eq!(bench.on_node(), [SHIPPED[0], SHIPPED[1], X, "share/x.txt"]);
    }
}

#[tokio::test]
async fn a_dropped_layer_leaves_no_files() {
    let bench = Bench::new();
    let large = tar(&[(X, EntryType::Regular, "", &vec![7; 32 << 20])]);
    let parts = vec![bench.part(&large).await, bench.part(&plain("share/x.txt")).await];
    bench.publish(&bench.manifest(parts).entry(None)).await;
    let staged = stage(&bench.ctx, &bench.layer).await.expect("it is there");
    let (folder, archives) = (Arc::downgrade(&staged.folder), bench.ctx.cache.join("layers"));
    drop(staged);
    // An unpacking thread ends by itself, and the last one removes the folder.
    let gone = async {
        while folder.strong_count() > 0 || std::fs::read_dir(&archives).is_ok_and(|left| left.count() > 0) {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), gone).await.expect("nothing is left of it");
    assert_eq!(bench.on_node(), SHIPPED);
}

#[tokio::test]
async fn a_missing_layer_is_not_reported() {
    let bench = Bench::new();
    assert_eq!(bench.restore().await, Err(String::new()));
}

#[tokio::test]
async fn files_of_the_runtime_are_never_changed() {
    for shipped in SHIPPED {
        are_refused(&[&plain(shipped)], shipped, "exists and differs").await;
    }
}

/// Asserts that a layer of these archives is refused for a reason, and that nothing on the node changes.
async fn are_refused(archives: &[&Vec<u8>], what: &str, reason: &str) {
    let bench = Bench::new();
    let mut parts = Vec::new();
    for archive in archives {
        parts.push(bench.part(archive).await);
    }
    bench.publish(&bench.manifest(parts).entry(None)).await;
    let why = bench.restore().await.expect_err(what);
    assert!(why.contains(reason), "{what}: {why}");
    assert_eq!(bench.on_node(), SHIPPED, "{what}");
}

#[tokio::test]
async fn hostile_archives_are_refused_by_the_responsible_check() {
    use EntryType::{Block, Char, Fifo, Link, Regular, Symlink};
    let cases: [(&str, Vec<u8>, &str); 12] = [
        ("a way up", tar(&[("../x", Regular, "", b"")]), "contains a path outside its folder"),
        ("absolute", tar(&[("/etc/x", Regular, "", b"")]), "contains an absolute path"),
        ("a link out", tar(&[("lib/l", Symlink, "../../x", b"")]), "a link to a path outside its folder"),
        ("an absolute link", tar(&[("lib/l", Symlink, "/etc", b"")]), "a link to a path outside its folder"),
        (
            "through a link",
            tar(&[("l", Symlink, "lib", b""), ("l/x", Regular, "", b"")]),
            "a path below one of its links",
        ),
        ("a hard link out", tar(&[("lib/h", Link, "/etc/passwd", b"")]), "a link to a path outside its folder"),
        ("a device", tar(&[("lib/d", Char, "", b"")]), "contains a device"),
        ("a disk", tar(&[("lib/d", Block, "", b"")]), "contains a device"),
        ("a pipe", tar(&[("lib/p", Fifo, "", b"")]), "contains a named pipe"),
        ("twice", tar(&[("lib/x", Regular, "", b"1"), ("lib/x", Regular, "", b"2")]), "this name twice"),
        ("only case", tar(&[("lib/x", Regular, "", b"1"), ("lib/X", Regular, "", b"2")]), "differs only in case"),
        ("no archive", vec![7; 2048], "could not be unpacked"),
    ];
    for (what, archive, words) in cases {
        are_refused(&[&archive], what, words).await;
    }
}

#[tokio::test]
async fn two_archives_together_cannot_write_through_a_link() {
    use EntryType::{Regular, Symlink};
    let link = tar(&[("d/e/f", Symlink, "../..", b"")]);
    let cases: [(&str, [Vec<u8>; 2], &str); 3] = [
        ("through a link", [link, tar(&[("d/e/f/l", Symlink, "../../../x", b"")])], "a path below one of its links"),
        ("twice", [tar(&[("lib/x", Regular, "", b"1")]), tar(&[("lib/x", Regular, "", b"2")])], "this name twice"),
        (
            "only case",
            [tar(&[("lib/x", Regular, "", b"1")]), tar(&[("lib/X", Regular, "", b"2")])],
            "differs only in case",
        ),
    ];
    for (what, [one, two], words) in cases {
        // Both orders, because the order of unpacking is not defined.
        for archives in [[&one, &two], [&two, &one]] {
            are_refused(&archives, what, words).await;
        }
    }
}

#[tokio::test]
async fn a_part_must_not_exceed_the_limits_of_its_manifest() {
    let large = tar(&[(X, EntryType::Regular, "", &[0; 4096])]);
    let many: Vec<(String, EntryType)> = (0..9).map(|index| (format!("lib/{index}"), EntryType::Regular)).collect();
    let many: Vec<(&str, EntryType, &str, &[u8])> =
        many.iter().map(|(name, kind)| (name.as_str(), *kind, "", &b""[..])).collect();
    for (archive, bytes, entries, words) in
        [(large, 4095, 100, "more than 4095 bytes"), (tar(&many), 0, 8, "more than 8 entries")]
    {
        let bench = Bench::new();
        let part = Part { bytes, entries, ..bench.part(&archive).await };
        bench.publish(&bench.manifest(vec![part]).entry(None)).await;
        let why = bench.restore().await.expect_err("too much");
        assert!(why.contains(words), "{why}");
        assert_eq!(bench.on_node(), SHIPPED);
    }
}

#[tokio::test]
async fn a_forged_manifest_cannot_raise_the_limits() {
    for (counts, words) in [
        (
            &[(1 << 40, 9)][..],
            "it has 9 files and 1099511627776 bytes; the limits are 500000 files and 8589934592 bytes",
        ),
        (&[(10, 500_001)], "it has 500001 files and "),
        (&[(5 << 30, 100), (5 << 30, 100)], "it has 200 files and 10737418240 bytes"),
        (&[(1, 300_000), (1, 300_000)], "it has 600000 files"),
        (&[(u64::MAX, 1), (u64::MAX, u64::MAX)], "the limits are 500000 files"),
    ] {
        let bench = Bench::new();
        let part = bench.part(&plain(X)).await;
        let forged = counts.iter().map(|&(bytes, entries)| Part { bytes, entries, ..part.clone() });
        bench.publish(&bench.manifest(forged.collect()).entry(None)).await;
        let why = bench.restore().await.expect_err(words);
        assert!(why.contains(words), "{words}: {why}");
        assert_eq!(bench.on_node(), SHIPPED);
    }
    // The limit holds for the archives, too.
    let bench = Bench::new();
    let part = Part { size: 9 << 30, ..bench.part(&plain(X)).await };
    bench.publish(&bench.manifest(vec![part]).entry(None)).await;
    let why = bench.restore().await.expect_err("an archive that would fill the disk");
    assert!(why.contains("9663676416 bytes"), "{why}");
}

#[tokio::test]
async fn decompression_bombs_are_stopped() {
    let bench = Bench::new();
    // 64 MiB of zeros compress to some kilobytes.
    let bomb = tar(&[(X, EntryType::Regular, "", &vec![0; 64 << 20])]);
    let part = Part { bytes: 1 << 20, ..bench.part(&bomb).await };
    assert!(part.size < 64 << 10);
    bench.publish(&bench.manifest(vec![part]).entry(None)).await;
    assert!(bench.restore().await.is_err_and(|why| why.contains("more than 1048576 bytes")));

    let bench = Bench::new();
    let mut encoder = zstd::Encoder::new(Vec::new(), 3).expect("an encoder");
    encoder.window_log(27).expect("it is known");
    encoder.write_all(&bomb).expect("packed");
    let part = bench.raw_part(&encoder.finish().expect("packed"), 64 << 20).await;
    bench.publish(&bench.manifest(vec![part]).entry(None)).await;
    let why = bench.restore().await.expect_err("it refers too far back");
    assert!(why.contains("too much memory"), "{why}");
}

#[tokio::test]
async fn damaged_and_missing_parts_are_detected() {
    for (what, damage) in [
        ("flipped", (|bytes| bytes[9] ^= 1) as fn(&mut Vec<u8>)),
        ("truncated", |bytes| bytes.truncate(20)),
        ("longer", |bytes| bytes.push(0)),
        ("gone", Vec::clear),
    ] {
        let bench = Bench::new();
        let part = bench.part(&plain(X)).await;
        let stored = bench.ctx.cache.join("store/v1/objects").join(&part.sha256[..2]).join(&part.sha256);
        let mut bytes = std::fs::read(&stored).expect("it is there");
        damage(&mut bytes);
        if bytes.is_empty() {
            fs::remove(&stored).expect("removed");
        } else {
            replace(&stored, &bytes, Attributes::mode(0o644)).expect("written");
        }
        bench.publish(&bench.manifest(vec![part]).entry(None)).await;
        let why = bench.restore().await.expect_err(what);
        assert!(why.contains("is missing"), "{what}: {why}");
        assert_eq!(bench.on_node(), SHIPPED);
    }
}

#[tokio::test]
async fn invalid_entries_are_refused() {
    let bench = Bench::new();
    let part = bench.part(&plain(X)).await;
    let other =
        Manifest::new(&Key::of(Kind::Layer, &"other"), BTreeMap::new(), LinkedLibraries::default(), vec![part.clone()]);
    let newer = bench.manifest(vec![part.clone()]).to_text().replacen("\"schema\":1", "\"schema\":2", 1);
    let mut lying = bench.manifest(vec![part.clone()]).entry(None);
    lying.objects.clear();
    let of_text = |text: &str| {
        let facts = serde_json::json!({ "manifest": text });
        Entry::new(Kind::Layer, Vec::new(), facts.as_object().expect("a map").clone())
    };
    for (entry, words) in [
        (other.entry(None), "belongs to another layer"),
        (lying, "differ from those in its manifest"),
        (bench.manifest(Vec::new()).entry(None), "it has 0 parts"),
        (bench.manifest(vec![part; 1025]).entry(None), "it has 1025 parts"),
        (of_text(&newer), "has format 2"),
        (of_text("{}"), "its manifest is invalid"),
        (Entry::new(Kind::Layer, Vec::new(), serde_json::Map::new()), "it has no manifest"),
    ] {
        bench.publish(&entry).await;
        let bench = Bench { collector: bench.collector.clone(), ..bench_like(&bench) };
        let why = bench.restore().await.expect_err(words);
        assert!(why.contains(words), "{words}: {why}");
        assert_eq!(bench.on_node(), SHIPPED);
    }
}

/// The same node with the same store, with trusted keys.
fn bench_like(bench: &Bench) -> Bench {
    let temp = tempfile::tempdir().expect("a temporary folder");
    Bench { temp, collector: bench.collector.clone(), ctx: bench.ctx.clone(), layer: bench.layer.clone() }
}

#[tokio::test]
async fn with_trusted_keys_only_a_layer_signed_for_this_key_is_used() {
    let (ours, theirs) = (SecretKey::generate().expect("a key"), SecretKey::generate().expect("a key"));
    let bench = Bench::trusting(vec![ours.public()]);
    let manifest = bench.manifest(vec![bench.part(&plain(X)).await]);
    let evil = bench.manifest(vec![bench.part(&plain("lib/python3.11/site-packages/evil.pth")).await]);
    let sign = |key: &SecretKey, manifest: &Manifest, name: &str| {
        let comment = trusted_comment(0, name, None);
        key.sign(&Prehash::of(manifest.to_text().as_bytes()), &comment).expect("signed").to_file()
    };
    let name = Manifest::signed_name(&bench.key());
    let other =
        Manifest::new(&Key::of(Kind::Layer, &"other"), BTreeMap::new(), LinkedLibraries::default(), evil.parts.clone());
    let good = sign(&ours, &manifest, &name);
    for (what, entry, words) in [
        ("none", manifest.entry(None), "has no signature"),
        ("another key", manifest.entry(Some(sign(&theirs, &manifest, &name))), "which is not trusted"),
        ("another manifest", evil.entry(Some(good.clone())), "its content does not match its signature"),
        ("another layer's", other.entry(Some(sign(&ours, &other, "layer-other"))), "its signature is for"),
        ("nonsense", manifest.entry(Some("x".to_owned())), "its signature is invalid"),
    ] {
        bench.publish(&entry).await;
        let why = bench.restore().await.expect_err(what);
        assert!(why.contains(words), "{what}: {why}");
        assert_eq!(bench.on_node(), SHIPPED, "{what}");
    }
    bench.publish(&manifest.entry(Some(good))).await;
    bench.restore().await.expect("the signature is trusted");
    assert_eq!(bench.on_node(), [SHIPPED[0], SHIPPED[1], X]);
}

#[tokio::test]
async fn a_layer_that_links_to_other_library_versions_is_not_restored() {
    let bench = Bench::new();
    let links: LinkedLibraries =
        serde_json::from_str(r#"{"packages":{"libsodium23:amd64":"1"},"files":{}}"#).expect("links");
    let parts = vec![bench.part(&plain(X)).await];
    let manifest = Manifest::new(&bench.key(), BTreeMap::new(), links, parts);
    bench.publish(&manifest.entry(None)).await;
    let why = bench.restore().await.expect_err("there is no such library");
    assert!(why.contains("links to libraries"), "{why}");
    assert_eq!(bench.on_node(), SHIPPED);
}

#[tokio::test]
async fn a_private_layer_is_used_from_this_node_only() {
    let mut bench = Bench::new();
    bench.layer.private = true;
    let parts = vec![bench.part(&plain(X)).await];
    bench.publish(&bench.manifest(parts).entry(None)).await;
    bench.restore().await.expect("it is on this node");
}
