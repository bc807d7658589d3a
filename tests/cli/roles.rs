//! Checks the imports of the files of a kind by their roles.

use std::path::Path;

use crate::{
    import_graph::Import,
    layers::{imports, module},
};

/// The roles of files inside a folder of `kinds`, with the forbidden imports of each role. A file has the role that its
/// own name or the name of a folder above it states: `kinds/apt/plan.rs`, `kinds/apt/grammar/sources.rs`. Other files
/// act: they may import every module below `kinds`.
const ROLES: [Role; 2] = [
    Role { name: "grammar", modules: &["plan", "exec", "http", "fs", "run"], roles: &["plan", "act"], types_only: &[] },
    Role { name: "plan", modules: &["exec", "http"], roles: &["act"], types_only: &["fs"] },
];

struct Role {
    name: &'static str,
    /// Modules that it may not import.
    modules: &'static [&'static str],
    /// Roles in the same folder of `kinds` that it may not import.
    roles: &'static [&'static str],
    /// Modules from which it may import types, but no functions.
    types_only: &'static [&'static str],
}

#[test]
fn the_files_of_a_kind_import_only_modules_of_their_role() {
    let mut wrong = Vec::new();
    for (file, import) in imports() {
        wrong.extend(role_error(&file, &import).map(|why| format!("{}: {why}", file.display())));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn roles_are_checked_by_file_and_folder_name() {
    let error = |file: &str, defined: &str, path: &str| {
        role_error(Path::new(file), &Import { file: defined.into(), path: path.into() }).is_some()
    };
    assert!(error("kinds/apt/grammar.rs", "fs/mod.rs", "fs::FsError"));
    assert!(error("kinds/apt/grammar/sources.rs", "kinds/apt/act.rs", "kinds::apt::act::run"));
    assert!(error("kinds/apt/plan.rs", "exec/mod.rs", "exec::Cmd"));
    assert!(error("kinds/apt/plan.rs", "fs/snapshot.rs", "fs::snapshot::read"));
    assert!(!error("kinds/apt/plan.rs", "fs/snapshot.rs", "fs::snapshot::Snapshot"));
    assert!(!error("kinds/apt/act.rs", "exec/mod.rs", "exec::Cmd"));
    assert!(!error("plan/mod.rs", "exec/mod.rs", "exec::Cmd"), "the rules are for the files of kinds");
}

/// Why a file of a kind may not import an item; `None` if it may.
fn role_error(file: &Path, import: &Import) -> Option<String> {
    let role = ROLES.iter().find(|role| role_of(file).as_deref() == Some(role.name))?;
    let there = module(&import.file);
    let item = import.path.rsplit("::").next().unwrap_or_default();
    let is_function = item.starts_with(|first: char| first.is_lowercase());
    let same_kind = kind_of(file).is_some() && kind_of(file) == kind_of(&import.file);
    let other_role = role_of(&import.file).filter(|other| same_kind && role.roles.contains(&other.as_str()));
    let forbidden = role.modules.contains(&there.as_str())
        || other_role.is_some()
        || role.types_only.contains(&there.as_str()) && is_function;
    forbidden.then(|| format!("a file with the role `{}` may not import `{}`", role.name, import.path))
}

/// The kind that a file belongs to: `apt` of `kinds/apt/plan.rs`.
fn kind_of(file: &Path) -> Option<&str> {
    let mut parts = file.strip_prefix("kinds").ok()?.components();
    let kind = parts.next()?.as_os_str().to_str()?;
    parts.next().map(|_| kind)
}

/// The role of a file inside the folder of a kind: the first of its folders and its own name that is one.
fn role_of(file: &Path) -> Option<String> {
    let kind = kind_of(file)?;
    let inside = file.strip_prefix(Path::new("kinds").join(kind)).ok()?.with_extension("");
    let mut names = inside.components().filter_map(|part| part.as_os_str().to_str());
    names.find(|name| *name == "act" || ROLES.iter().any(|role| role.name == *name)).map(str::to_owned)
}
