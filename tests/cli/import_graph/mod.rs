//! The import graph between the files of a crate, read from its sources. An import is attributed to the file that
//! defines the item, also when it is named by a re-export. Code under `#[cfg(test)]` is left out.

mod reader;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use reader::{Modules, read_module};

/// A path through more re-exports than this is a loop.
const MAX_REEXPORTS: usize = 20;

/// An item that a file imports.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Import {
    /// The file that defines the item.
    pub(crate) file: PathBuf,
    /// The item's path, as the code names it, from the root of the crate: `report::text::counted`.
    pub(crate) path: String,
}

/// The files of a crate, each with its imports from the others.
#[derive(Debug, Default)]
pub(crate) struct ImportGraph {
    /// Paths are below the folder that was read.
    pub(crate) imports: BTreeMap<PathBuf, BTreeSet<Import>>,
}

impl ImportGraph {
    /// Reads the crate whose `lib.rs` is in a folder.
    pub(crate) fn read(folder: &Path) -> Self {
        let mut modules = BTreeMap::new();
        read_module(folder, Path::new("lib.rs"), Vec::new(), &mut modules);
        let mut imports: BTreeMap<PathBuf, BTreeSet<Import>> = BTreeMap::new();
        for (at, module) in &modules {
            let found = imports.entry(module.file.clone()).or_default();
            for path in &module.paths {
                let Some((file, named)) = resolve(&modules, at, path, 0).and_then(Resolved::item) else { continue };
                if file != module.file {
                    found.insert(Import { file, path: named });
                }
            }
        }
        Self { imports }
    }

    /// The groups of files that import each other, directly or through others. What a child module imports from its
    /// parent is left out: [`Self::parents_in_cycles`] reports it.
    pub(crate) fn cycles(&self) -> Vec<BTreeSet<PathBuf>> {
        self.groups(&|file, import| !is_parent(import, file))
    }

    /// The files that use their child modules and that these children import, too.
    pub(crate) fn parents_in_cycles(&self) -> BTreeSet<PathBuf> {
        let groups = self.groups(&|_, _| true);
        let parents = |group: &BTreeSet<PathBuf>| {
            let is_one = |file: &PathBuf| group.iter().any(|child| is_parent(file, child));
            group.iter().filter(|file| is_one(file)).cloned().collect::<Vec<_>>()
        };
        groups.iter().flat_map(parents).collect()
    }

    /// The groups of files that reach each other by the imports that a filter admits.
    fn groups(&self, admits: &dyn Fn(&Path, &Path) -> bool) -> Vec<BTreeSet<PathBuf>> {
        let reached: BTreeMap<&Path, BTreeSet<&Path>> =
            self.imports.keys().map(|file| (file.as_path(), self.reached_from(file, admits))).collect();
        let mut groups: Vec<BTreeSet<PathBuf>> = Vec::new();
        for (file, others) in &reached {
            let mutual = others.iter().filter(|other| reached[*other].contains(file));
            let group: BTreeSet<PathBuf> = mutual.map(|other| other.to_path_buf()).collect();
            if group.len() > 1 && !groups.contains(&group) {
                groups.push(group);
            }
        }
        groups
    }

    /// The imports between the files of a group, one a line.
    pub(crate) fn describe(&self, group: &BTreeSet<PathBuf>) -> String {
        let mut lines = Vec::new();
        for file in group {
            for import in self.imports[file].iter().filter(|import| group.contains(&import.file)) {
                let (from, to) = (file.display(), import.file.display());
                lines.push(format!("    {from} imports `{}` from {to}\n", import.path));
            }
        }
        lines.concat()
    }

    fn reached_from(&self, file: &Path, admits: &dyn Fn(&Path, &Path) -> bool) -> BTreeSet<&Path> {
        let mut reached = BTreeSet::new();
        let mut open = vec![file];
        while let Some(next) = open.pop() {
            let imports = self.imports.get(next).into_iter().flatten();
            for import in imports.filter(|import| admits(next, &import.file)) {
                if reached.insert(import.file.as_path()) {
                    open.push(&import.file);
                }
            }
        }
        reached
    }
}

/// Whether a file is the module that another file is a part of, directly or not.
fn is_parent(file: &Path, child: &Path) -> bool {
    let folder =
        if file.ends_with("mod.rs") { file.parent().unwrap_or(file).to_owned() } else { file.with_extension("") };
    file != child && child.starts_with(folder)
}

/// The meaning of a path.
enum Resolved {
    Module(Vec<String>),
    Item { file: PathBuf, named: String },
}

impl Resolved {
    fn item(self) -> Option<(PathBuf, String)> {
        match self {
            Self::Module(_) => None,
            Self::Item { file, named } => Some((file, named)),
        }
    }
}

/// Follows a path from a module. `None` for paths that lead out of the crate.
fn resolve(modules: &Modules, from: &[String], path: &[String], depth: usize) -> Option<Resolved> {
    let mut at = from.to_vec();
    let mut rest = path;
    while let Some((first, after)) = rest.split_first() {
        match first.as_str() {
            "crate" => at.clear(),
            "self" => {}
            "super" => drop(at.pop()?),
            _ => break,
        }
        rest = after;
    }
    while let Some((name, after)) = rest.split_first() {
        let module = &modules[&at];
        let mut child = at.clone();
        child.push(name.clone());
        if modules.contains_key(&child) {
            at = child;
        } else if module.items.contains(name) {
            return Some(Resolved::Item { file: module.file.clone(), named: child.join("::") });
        } else {
            return through_alias(modules, &at, name, after, depth);
        }
        rest = after;
    }
    Some(Resolved::Module(at))
}

fn through_alias(modules: &Modules, at: &[String], name: &str, after: &[String], depth: usize) -> Option<Resolved> {
    if depth > MAX_REEXPORTS {
        return None;
    }
    let module = &modules[at];
    if let Some(target) = module.aliases.get(name) {
        // `use serde;` would resolve to itself.
        if target.first().is_some_and(|first| first == name) {
            return None;
        }
        return match resolve(modules, at, target, depth + 1)? {
            Resolved::Module(target) => resolve_in(modules, &target, after, depth + 1),
            item @ Resolved::Item { .. } => Some(item),
        };
    }
    let mut named = vec![name.to_owned()];
    named.extend_from_slice(after);
    let by_glob = module.globs.iter().find_map(|glob| match resolve(modules, at, glob, depth + 1)? {
        Resolved::Module(target) => resolve_in(modules, &target, &named, depth + 1),
        Resolved::Item { .. } => None,
    });
    // The code compiles, so a name that is nowhere else comes from a macro.
    let by_macro = || {
        let named = at.iter().chain(&named).cloned().collect::<Vec<_>>().join("::");
        (after.is_empty() && module.has_macro_items).then(|| Resolved::Item { file: module.file.clone(), named })
    };
    by_glob.or_else(by_macro)
}

fn resolve_in(modules: &Modules, at: &[String], path: &[String], depth: usize) -> Option<Resolved> {
    if path.is_empty() { Some(Resolved::Module(at.to_vec())) } else { resolve(modules, at, path, depth) }
}
