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
