//! The order of the modules, and what each may not do: read from the sources. ARCHITECTURE.md says the same in words.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use crate::support::{entries, project};

/// From high to low: a module imports only what stands below it.
const ORDER: &[&str] = &[
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
    "digest",
    "diagnostic",
    "redact",
    "task",
];

/// Arrows that run downwards and are forbidden all the same.
const FORBIDDEN: [(&str, &[&str]); 15] = [
    // It decides; it never acts.
    ("plan", &["http", "exec"]),
    // It is told of the node as facts.
    ("profile", &["state", "http", "exec"]),
    // It decides who may what; how a cloud is asked it leaves to the cloud.
    ("auth", &["report", "http", "exec"]),
    // A format; what it means for a node is decided above.
    ("lock", &["state", "facts", "secrets", "cloud", "report", "http", "exec", "fs"]),
    // Texts and their mistakes, whatever they mean.
    ("grammar", &["state", "facts", "cloud", "report", "http", "exec", "fs"]),
    // Looks are at files only: no program is started, nobody on the network is asked.
    ("inventory", &["report", "http", "exec"]),
    ("facts", &["secrets", "cloud", "report", "http", "exec"]),
    ("filestore", &["secrets", "report", "exec"]),
    ("secrets", &["report", "http", "exec"]),
    // Its warnings are somebody else's to tell.
    ("store", &["exec"]),
    ("cloud", &["report", "exec"]),
    ("state", &["facts", "secrets", "report", "http", "exec"]),
    // It says what happened; it does not know how.
    ("report", &["http", "exec"]),
    // It judges bytes that others have read.
    ("trust", &["http", "exec", "fs"]),
    // Each command calls the library; none goes round it.
    ("cli", &["http", "exec"]),
];

/// What only one module may do: the words that do it, and the folder they may stand in.
const DOORS: [(&str, &[&str], &str); 5] = [
    ("only `report` prints", &["println!", "eprintln!", "print!(", "io::stdout(", "io::stderr("], "src/report"),
    ("only `exec` starts programs", &["process::Command", "Command::new("], "src/exec"),
    (
        "only `fs` writes files",
        &[
            "fs::write(",
            "fs::copy(",
            "File::create",
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
    ("only `http` speaks to the network", &["reqwest::", "TcpStream", "UdpSocket"], "src/http"),
];

/// A source file without its tests and comments.
struct Source {
    path: PathBuf,
    module: String,
    code: String,
}

#[test]
fn no_module_imports_one_that_stands_above_it() {
    let mut wrong = Vec::new();
    for source in sources() {
        for imported in imports(&source.code) {
            let (Some(here), Some(there)) = (place(&source.module), place(&imported)) else {
                wrong.push(format!("{}: `{}` or `{imported}` has no place in the order", name(&source), source.module));
                continue;
            };
            let forbidden = FORBIDDEN
                .iter()
                .any(|(module, others)| *module == source.module && others.contains(&imported.as_str()));
            if there < here || forbidden {
                wrong.push(format!("{}: `{}` may not import `{imported}`", name(&source), source.module));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_module_has_its_place_in_the_order_and_every_place_its_module() {
    let modules: BTreeSet<String> = sources().into_iter().map(|source| source.module).collect();
    assert_eq!(modules, ORDER.iter().map(|name| (*name).to_owned()).collect());
}

#[test]
fn what_only_one_module_may_do_is_done_nowhere_else() {
    let mut wrong = Vec::new();
    for source in sources() {
        for (rule, words, folder) in DOORS {
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
fn the_reading_of_sources_sees_what_it_should() {
    let code = "use crate::{\n    fs::{self, Snapshot},\n    problem::Problem,\n};\nuse crate::digest::Digest;\nlet x = crate::http::get();\n";
    assert_eq!(imports(code).into_iter().collect::<Vec<_>>(), ["digest", "fs", "http", "report"]);
    let text = "use crate::fs; // crate::http\n/// crate::cli\n#[cfg(test)]\nmod tests {\n    use crate::exec;\n}\nfn f() {}\n";
    assert_eq!(without_tests(text).lines().map(str::trim_end).collect::<Vec<_>>(), ["use crate::fs;", "fn f() {}"]);
}

fn place(module: &str) -> Option<usize> {
    ORDER.iter().position(|name| *name == module)
}

fn name(source: &Source) -> String {
    source.path.strip_prefix(project()).expect("it is a file of the project").display().to_string()
}

/// The library's sources but for `lib.rs`, `main.rs` and files that hold tests only.
fn sources() -> Vec<Source> {
    let top = project().join("src");
    let mut files = Vec::new();
    collect(&top, &mut files);
    let sources: Vec<Source> = files
        .into_iter()
        .filter(|path| !["lib.rs", "main.rs"].iter().any(|name| *path == top.join(name)) && !holds_tests_only(path))
        .map(|path| {
            let first = path.strip_prefix(&top).ok().and_then(|path| path.components().next());
            let module = first.and_then(|part| Path::new(part.as_os_str()).file_stem()?.to_str());
            let code = without_tests(&fs::read_to_string(&path).expect("sources are readable"));
            Source { module: module.expect("it lies in a module").to_owned(), code, path }
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

/// `tests.rs`, what lies below it, and files that another one declares under `#[cfg(test)]`.
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

/// The modules that a text names after `crate::`.
fn imports(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(list) => found.extend(first_parts(list)),
            None => found.extend(first_word(rest)),
        }
    }
    found
}

/// The first part of each path in a braced list, which may have lists inside.
fn first_parts(list: &str) -> Vec<String> {
    let (mut depth, mut begin, mut parts) = (0_usize, 0, Vec::new());
    for (at, character) in list.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => {
                parts.extend(first_word(&list[begin..at]));
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.extend(first_word(&list[begin..at]));
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts
}

fn first_word(text: &str) -> Option<String> {
    let text = text.trim_start();
    let end = text.find(|c: char| !(c.is_ascii_lowercase() || c == '_')).unwrap_or(text.len());
    (end > 0).then(|| text[..end].to_owned())
}
