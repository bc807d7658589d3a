//! The official client makes every call to the workspace on loopback, which must behave like the service.

use crate::{server::client, workspace::Workspace};

/// Checks of each login method, and of a wrong credential for each.
const CHECKS: usize = WAYS * 73 + WAYS;
const WAYS: usize = 3;

#[test]
fn the_official_client_gets_the_expected_responses_with_every_login() {
    let workspace = Workspace::start();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clouds/contract.py");
    let ended = client("python").args([script, &workspace.url()]).env_remove("DATABRICKS_HOST").output();
    let ended = ended.expect("the official clients are there");
    let output = String::from_utf8_lossy(&ended.stdout);
    let failed: Vec<&str> = output.lines().filter(|line| !line.starts_with("ok ")).collect();
    let complaint = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success() && failed.is_empty(), "{}\n{complaint}", failed.join("\n"));
    assert_eq!(output.lines().count(), CHECKS, "{complaint}");
}
