//! The permissions of this process on the node.

use std::path::Path;

use crate::problem::Problem;

/// The bit of `CAP_SYS_ADMIN`: capabilities(7).
const SYS_ADMIN: u32 = 21;

/// Whether nodeagent may mount, swap and change the host name: the capability `CAP_SYS_ADMIN`.
pub(super) fn is_admin(root: &Path) -> bool {
    std::fs::read_to_string(root.join("proc/self/status")).is_ok_and(|status| has_capability(&status, SYS_ADMIN))
}

/// The problem of an entry that needs `CAP_SYS_ADMIN`.
pub(super) fn not_permitted(entry: &str) -> Problem {
    Problem::new(format!("this node does not permit {entry}: nodeagent has no CAP_SYS_ADMIN"))
        .hint("remove the entry, give it a `when`, or start the node with this capability".to_owned())
}

fn has_capability(status: &str, bit: u32) -> bool {
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let mask = effective.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & (1 << bit) != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_effective_capabilities_count() {
        let status = |mask: &str| format!("Name:\tnodeagent\nCapPrm:\t000001ffffffffff\nCapEff:\t{mask}\n");
        assert!(has_capability(&status("000001ffffffffff"), SYS_ADMIN));
        // The capabilities of root in a container.
        assert!(!has_capability(&status("00000000a80425fb"), SYS_ADMIN));
        assert!(!has_capability("", SYS_ADMIN));
    }
}
