//! Checks the structure of the sources: the order of the modules, import cycles, and the actions that only one module
//! may perform. ARCHITECTURE.md describes the same rules.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use crate::{
    import_graph::{Import, ImportGraph},
    support::{entries, project, put},
};

/// The modules from high to low. A module imports only modules below it.
const ORDER: &[&str] = &[
    "fuzz",
    "cli",
    "run",
    "db",
    "kinds",
    "steps",
    "plan",
    "inventory",
    "profile",
    "auth",
    "lock",
    "grammar",
    "state",
    "facts",
    "filestore",
    "secrets",
    "store",
    "cloud",
    "report",
    "problem",
    "trust",
    "http",
    "exec",
    "fs",
    "openpgp",
    "certificate",
    "digest",
    "diagnostic",
    "redact",
    "managed_block",
    "task",
];

/// Imports that the order permits but that are forbidden.
const FORBIDDEN: [(&str, &[&str]); 15] = [
    // Planning has no side effects.
    ("plan", &["http", "exec"]),
    // The node is known to it only through facts.
    ("profile", &["state", "http", "exec"]),
    // It decides about access. Requests to a cloud belong to `cloud`.
    ("auth", &["report", "http", "exec"]),
    // A file format. Higher modules decide how a node uses it.
    ("lock", &["state", "facts", "secrets", "cloud", "report", "http", "exec", "fs"]),
    // The syntax of texts, without their meaning.
    ("grammar", &["state", "facts", "report", "http", "exec", "fs"]),
    // It reads files only: no programs, no network.
    ("inventory", &["report", "http", "exec"]),
    ("facts", &["secrets", "cloud", "report", "http", "exec"]),
    ("filestore", &["secrets", "report", "exec"]),
    ("secrets", &["report", "http", "exec"]),
    // The caller prints its warnings.
    ("store", &["exec"]),
    ("cloud", &["report", "exec"]),
    ("state", &["facts", "secrets", "report", "http", "exec"]),
    // It reports events and causes none.
    ("report", &["http", "exec"]),
    // It verifies bytes that its callers have read.
    ("trust", &["http", "exec", "fs"]),
    // Commands call the library; they do not start programs or requests themselves.
    ("cli", &["http", "exec"]),
];

/// Actions that only one module may perform: the code that performs them, and the only folder that may contain it.
const SINGLE_OWNERS: [(&str, &[&str], &str); 5] = [
    ("only `report` prints", &["println!", "eprintln!", "print!(", "io::stdout(", "io::stderr("], "src/report"),
    ("only `exec` starts programs", &["process::Command", "Command::new("], "src/exec"),
    (
        "only `fs` writes files",
        &[
            "fs::write(",
            "fs::copy(",
            " File::create",
            "fs::File::create",
            "OpenOptions",
            "std::fs::rename",
            "std::fs::hard_link",
            "remove_file",
            "remove_dir",
            "create_dir(",
            "create_dir_all",
            "set_permissions",
            "fs::symlink",
        ],
        "src/fs",
    ),
    ("only `task` starts blocking threads", &["spawn_blocking"], "src/task.rs"),
    ("only `http` uses the network", &["reqwest::", "TcpStream", "UdpSocket"], "src/http"),
];

#[test]
fn a_module_imports_only_modules_below_it() {
    let mut wrong = Vec::new();
    for (file, import) in imports() {
        let here = module(&file);
        // A re-export counts twice: for the module that the code names and for the one that defines the item.
        let named = import.path.split("::").next().unwrap_or_default();
        for there in BTreeSet::from([module(&import.file).as_str(), named]) {
            let (Some(from), Some(to)) = (position(&here), position(there)) else {
                wrong.push(format!("{}: `{here}` or `{there}` is missing in the order", file.display()));
                continue;
            };
            let forbidden = FORBIDDEN.iter().any(|(module, others)| *module == here && others.contains(&there));
            if to < from || forbidden {
                wrong.push(format!("{}: `{here}` may not import `{there}` (`{}`)", file.display(), import.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_order_lists_every_module_once() {
    let modules: BTreeSet<String> =
        graph().imports.keys().map(|file| module(file)).filter(|name| name != "lib").collect();
    assert_eq!(modules, ORDER.iter().map(|name| (*name).to_owned()).collect());
}

#[test]
fn files_do_not_import_each_other_in_a_cycle() {
    let graph = graph();
    let names =
        |cycle: &BTreeSet<PathBuf>| cycle.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ");
    let mut wrong: Vec<String> = graph
        .cycles()
        .iter()
        .map(|cycle| format!("an import cycle: {}\n{}", names(cycle), graph.describe(cycle)))
        .collect();
    wrong.extend(graph.parents_in_cycles().iter().map(|file| {
        let file = file.display();
        format!("{file} uses child modules that import items of {file}: move these items to a file of their own")
    }));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_planted_cycle_is_found() {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let write = |name: &str, code: &str| {
        let path = temp.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("created");
        put(&path, code);
    };
    write("lib.rs", "mod a;\nmod b;\nmod c;\n");
    write("a.rs", "use crate::{b::{self, Nothing}};\npub struct A;\npub fn f() { b::g(); }\n");
    write("b/mod.rs", "mod inner;\npub use inner::{Nothing, g};\n");
    write("b/inner.rs", "pub struct Nothing;\npub fn g() { println!(\"{}\", crate::c::h()); }\n");
    write("c.rs", "pub fn h() {}\n#[cfg(test)]\nmod tests {\n    use crate::a::f;\n}\n");
    let read = || ImportGraph::read(temp.path());
    assert_eq!(
        (read().cycles(), read().parents_in_cycles()),
        (vec![], BTreeSet::new()),
        "tests and re-exports do not count"
    );
    write("c.rs", "pub fn h() -> super::a::A { super::a::A }\n");
    assert_eq!(read().cycles(), [["a.rs", "b/inner.rs", "c.rs"].map(PathBuf::from).into()]);
    write("c.rs", "pub fn h() {}\n");
    write("b/mod.rs", "mod inner;\npub use inner::{Nothing, g};\npub struct B;\npub fn k() { g() }\n");
    write("b/inner.rs", "use super::B;\npub struct Nothing;\npub fn g() {}\n");
    assert_eq!(read().parents_in_cycles(), [PathBuf::from("b/mod.rs")].into());
    // A type that a macro defines.
    write("b/mod.rs", "");
    write("a.rs", "use crate::c::Made;\npub struct A;\npub fn f(_: Made) {}\n");
    write("c.rs", "make! { Made }\npub fn h() -> super::a::A { super::a::A }\n");
    assert_eq!(read().cycles(), [["a.rs", "c.rs"].map(PathBuf::from).into()]);
}

fn graph() -> ImportGraph {
    ImportGraph::read(&project().join("src"))
}

pub(crate) fn imports() -> Vec<(PathBuf, Import)> {
    let imports = graph().imports.into_iter();
    imports.flat_map(|(file, imports)| imports.into_iter().map(move |import| (file.clone(), import))).collect()
}

/// The top module of a file: `report` of `report/text.rs`.
pub(crate) fn module(file: &Path) -> String {
    let first = file.components().next().expect("a file has a name");
    Path::new(first.as_os_str()).file_stem().expect("a module has a name").to_string_lossy().into_owned()
}

fn position(module: &str) -> Option<usize> {
    ORDER.iter().position(|name| *name == module)
}

/// A source file without its tests and comments.
struct Source {
    path: PathBuf,
    code: String,
}

#[test]
fn actions_of_one_module_occur_in_no_other_module() {
    let mut wrong = Vec::new();
    for source in sources() {
        for (rule, words, folder) in SINGLE_OWNERS {
            if source.path.starts_with(project().join(folder)) {
                continue;
            }
            for word in words.iter().filter(|word| source.code.contains(**word)) {
                wrong.push(format!("{}: `{word}` ({rule})", name(&source)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn comments_and_tests_are_removed_from_sources() {
    let text = "use crate::fs; // crate::http\n/// crate::cli\n#[cfg(test)]\nmod tests {\n    use crate::exec;\n}\nfn f() {}\n";
    assert_eq!(without_tests(text).lines().map(str::trim_end).collect::<Vec<_>>(), ["use crate::fs;", "fn f() {}"]);
}

/// rustfmt does not wrap comments. A comment of one word, such as an address, cannot be wrapped.
#[test]
fn comments_are_at_most_120_characters_wide() {
    let mut files = Vec::new();
    for folder in ["src", "tests"] {
        collect(&project().join(folder), &mut files);
    }
    let mut wrong = Vec::new();
    for path in files {
        let text = fs::read_to_string(&path).expect("sources are readable");
        for (index, line) in text.lines().enumerate() {
            let is_comment = line.trim_start().starts_with("//") && line.split_whitespace().count() > 2;
            if is_comment && line.chars().count() > 120 {
                wrong.push(format!("{}:{}", path.display(), index + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn name(source: &Source) -> String {
    source.path.strip_prefix(project()).expect("it is a file of the project").display().to_string()
}

/// The sources of the library, without `lib.rs`, `main.rs` and files that contain only tests.
fn sources() -> Vec<Source> {
    let top = project().join("src");
    let mut files = Vec::new();
    collect(&top, &mut files);
    let sources: Vec<Source> = files
        .into_iter()
        .filter(|path| !["lib.rs", "main.rs"].iter().any(|name| *path == top.join(name)) && !holds_tests_only(path))
        .map(|path| {
            let code = without_tests(&fs::read_to_string(&path).expect("sources are readable"));
            Source { path, code }
        })
        .collect();
    assert!(sources.len() > 50, "the sources were not found");
    sources
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for path in entries(folder) {
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
}

/// Whether a file is `tests.rs`, in a folder `tests`, or declared under `#[cfg(test)]`.
fn holds_tests_only(path: &Path) -> bool {
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let folder = path.parent().expect("it lies in a folder");
    let parents = [folder.join("mod.rs"), folder.with_extension("rs")];
    let declared = parents.iter().filter_map(|parent| fs::read_to_string(parent).ok()).any(|text| {
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        lines.windows(2).any(|pair| {
            pair[0] == "#[cfg(test)]" && pair[1].trim_start_matches("pub(crate) ") == format!("mod {stem};")
        })
    });
    let below = path.parent().is_some_and(|folder| folder.ends_with("tests"));
    declared || below || stem == "tests"
}

/// The text without comments and without items under `#[cfg(test)]`.
fn without_tests(text: &str) -> String {
    let mut code = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let indent = line.len() - line.trim_start().len();
        if line.trim() == "#[cfg(test)]" {
            // A declaration is one line; a body ends with the first brace of the same indent.
            let item = lines.by_ref().find(|line| !line.trim().starts_with('#')).unwrap_or_default();
            if !item.ends_with([';', '}']) {
                let end = format!("{}}}", " ".repeat(indent));
                lines.by_ref().find(|line| *line == end);
            }
            continue;
        }
        let end = line.find("//").filter(|at| !line[..*at].ends_with(':')).unwrap_or(line.len());
        if !line[..end].trim().is_empty() {
            code.push_str(&line[..end]);
            code.push('\n');
        }
    }
    code
}
