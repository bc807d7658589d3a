//! Sorts packages in dependency order.

use std::collections::{BTreeMap, BTreeSet};

/// Packages that depend on each other. The first and the last are the same.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cycle(pub(super) Vec<String>);

/// The names in dependency order, and alphabetically where the order is free.
pub(super) fn in_order(needs: &BTreeMap<String, BTreeSet<String>>) -> Result<Vec<String>, Cycle> {
    let mut order = Vec::with_capacity(needs.len());
    let mut done = BTreeSet::new();
    for name in needs.keys() {
        visit(name, needs, &mut Vec::new(), &mut done, &mut order)?;
    }
    Ok(order)
}

fn visit<'a>(
    name: &'a str,
    needs: &'a BTreeMap<String, BTreeSet<String>>,
    path: &mut Vec<&'a str>,
    done: &mut BTreeSet<&'a str>,
    order: &mut Vec<String>,
) -> Result<(), Cycle> {
    if done.contains(name) {
        return Ok(());
    }
    if let Some(start) = path.iter().position(|&above| above == name) {
        return Err(Cycle(path[start..].iter().chain([&name]).map(|&name| name.to_owned()).collect()));
    }
    path.push(name);
    for needed in needs.get(name).into_iter().flatten() {
        visit(needed, needs, path, done, order)?;
    }
    path.pop();
    done.insert(name);
    order.push(name.to_owned());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(&str, &[&str])]) -> BTreeMap<String, BTreeSet<String>> {
        edges
            .iter()
            .map(|(name, needs)| ((*name).to_owned(), needs.iter().map(|&needed| needed.to_owned()).collect()))
            .collect()
    }

    #[test]
    fn dependencies_come_first() {
        let order = in_order(&graph(&[("a", &["c"]), ("b", &["a"]), ("c", &[])]));
        assert_eq!(order.expect("no cycle"), ["c", "a", "b"]);
    }

    #[test]
    fn a_dependency_cycle_is_reported() {
        let cycle = in_order(&graph(&[("a", &["b"]), ("b", &["c"]), ("c", &["b"])])).expect_err("b and c");
        assert_eq!(cycle.0, ["b", "c", "b"]);
    }
}
