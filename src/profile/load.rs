//! From a profile's name to a checked `Profile`: reads it and all it extends, checks each file, merges.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{
    FileStore, Profile, ProfileError, SCHEMA, Setting,
    document::Document,
    find::Text,
    merge,
    raw::{RawProfile, RawSecrets},
    rules, schema, templates, trusted,
    values::Values,
};
use crate::{
    diagnostic::{Diagnostic, nearest},
    digest::Digest,
    facts::NodeFacts,
    grammar::{self, DocumentKind},
    lock::LockedFile,
    report::event::ProfileSource,
};

const KIND: DocumentKind = DocumentKind {
    the: "the profile",
    a: "a profile",
    stand_ins: &[("schema", "1"), ("name", "'unnamed'")],
    missed: &[
        ("jars", "jars are not known to this version"),
        ("services", "services are not known to this version"),
        ("certificates", "certificates are not known to this version"),
        ("when", "`when` belongs to an entry of a list, as in `{ name = \"x\", when = { role = \"driver\" } }`"),
    ],
};

/// What to load, for which node.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Name or path of the profile.
    pub name: &'a str,
    /// Where profiles are.
    pub store: &'a FileStore,
    /// The node it is for.
    pub facts: &'a NodeFacts,
    /// Variables from the command line.
    pub sets: &'a BTreeMap<String, String>,
    /// Whether a fact that is not known may stay unreplaced: for checking away from the node.
    pub lenient: bool,
}

/// One file of the chain, read and of the right shape.
pub(super) struct File {
    pub(super) document: Document,
    pub(super) raw: RawProfile,
    pub(super) folder: Option<PathBuf>,
    identity: PathBuf,
    /// The files it extends itself.
    parents: Vec<PathBuf>,
    source: ProfileSource,
}

/// Loads and checks a profile. All mistakes of all its files are reported at once.
pub fn load(request: &Request<'_>) -> Result<Profile, ProfileError> {
    let mut chain =
        Chain { request, schema: schema::json_schema(), files: Vec::new(), open: Vec::new(), found: Vec::new() };
    match request.store.profile(request.name, request.facts.business_unit.as_deref(), None) {
        Ok(text) => chain.read(text),
        Err(missing) => {
            chain.found.push(Diagnostic::nowhere(missing.message).causes(missing.causes).hint(missing.hint));
        }
    }
    let Chain { mut files, mut found, .. } = chain;
    inherit_secrets(&mut files);
    let (values, vars) = variables(request, &files, &mut found);
    let parts: Vec<Profile> = files.iter().map(|file| rules::check(file, &values, request.facts, &mut found)).collect();
    let Some(mut profile) = parts.into_iter().reduce(merge::over) else { return Err(ProfileError(found)) };
    profile.vars = vars;
    (profile.path, profile.files) = locked_files(request.store, &files);
    profile.sources = files.into_iter().map(|file| file.source).collect();
    templates::fill(&mut profile, request.store, &mut found);
    rules::check_whole(&profile, request.facts, &mut found);
    profile.only_digests = request.store.trusted().needs_digests();
    if profile.only_digests {
        trusted::refuse_names(&profile, &mut found);
    }
    if found.is_empty() { Ok(profile) } else { Err(ProfileError(found)) }
}

/// The file that was asked for, and all files by names that are the same wherever the file store is: below it, else
/// beside the profile.
fn locked_files(store: &FileStore, files: &[File]) -> (Option<PathBuf>, Vec<LockedFile>) {
    let asked_for =
        files.last().and_then(|file| Some(file.folder.as_ref()?.join(Path::new(&file.source.file).file_name()?)));
    let root = std::fs::canonicalize(&store.root).ok();
    let beside = files.last().filter(|_| asked_for.is_some()).and_then(|file| file.identity.parent());
    let name = |file: &File| {
        let below = |folder: &Path| file.identity.strip_prefix(folder).ok().map(|path| path.display().to_string());
        let name = root.as_deref().and_then(below).or_else(|| beside.and_then(below));
        name.unwrap_or_else(|| file.source.file.clone())
    };
    let locked = |file: &File| {
        let sha256 = Digest::Sha256(file.source.sha256.clone());
        LockedFile { path: name(file), sha256 }
    };
    let mut locked: Vec<LockedFile> = files.iter().map(locked).collect();
    locked.sort();
    (asked_for, locked)
}

/// Where secrets come from is said once, for all that extends it: the source with its keys, the scope by itself. Of
/// several extended profiles the last one that says it counts.
fn inherit_secrets(files: &mut [File]) {
    for index in 1..files.len() {
        let (before, from) = files.split_at_mut(index);
        let child = &mut from[0];
        for parent in before.iter().rev().filter(|file| child.parents.contains(&file.identity)) {
            let (parent, child) = (&parent.raw.secrets, &mut child.raw.secrets);
            if !child.names_a_place() {
                let scope = child.scope.take();
                let (items, templates) = (std::mem::take(&mut child.items), std::mem::take(&mut child.templates));
                *child = RawSecrets { scope, items, templates, ..parent.without_items() };
            }
            if child.scope.is_none() {
                child.scope.clone_from(&parent.scope);
            }
        }
    }
}

struct Chain<'a> {
    request: &'a Request<'a>,
    schema: serde_json::Value,
    files: Vec<File>,
    /// The files that are being read, each inside the one before: identity and label.
    open: Vec<(PathBuf, String)>,
    found: Vec<Diagnostic>,
}

impl Chain<'_> {
    /// Reads one file, after the files it extends.
    fn read(&mut self, text: Text) {
        if self.files.iter().any(|file| file.identity == text.identity) {
            return; // two parents share it; once is enough
        }
        let source = ProfileSource { file: text.label.clone(), sha256: Digest::sha256(&text.bytes).hex().to_owned() };
        let Some((document, raw)) = self.parse(&text) else { return };
        self.open.push((text.identity.clone(), text.label));
        let mut parents = Vec::new();
        for (index, parent) in raw.extends.iter().enumerate() {
            parents.extend(self.extend(&document, index, parent, text.folder.as_deref()));
        }
        self.open.pop();
        self.files.push(File { document, raw, folder: text.folder, identity: text.identity, parents, source });
    }

    /// Reads a file that another extends. Returns which it is.
    fn extend(&mut self, document: &Document, index: usize, parent: &str, folder: Option<&Path>) -> Option<PathBuf> {
        let path = ["extends".into(), index.into()];
        let unit = self.request.facts.business_unit.as_deref();
        match self.request.store.profile(parent, unit, folder) {
            Ok(text) if self.open.iter().any(|(identity, _)| *identity == text.identity) => {
                let begin = self.open.iter().position(|(identity, _)| *identity == text.identity).unwrap_or(0);
                let circle = self.open[begin..].iter().chain(&self.open[begin..=begin]);
                let circle: Vec<String> = circle.map(|(_, label)| format!("`{label}`")).collect();
                let mistake = document.mistake(&path, format!("`{parent}` extends itself"));
                self.found.push(mistake.hint(format!("break the circle {}", circle.join(" -> "))));
                None
            }
            Ok(text) => {
                let identity = text.identity.clone();
                self.read(text);
                Some(identity)
            }
            Err(missing) => {
                self.found.push(document.mistake(&path, missing.message).causes(missing.causes).hint(missing.hint));
                None
            }
        }
    }

    fn parse(&mut self, text: &Text) -> Option<(Document, RawProfile)> {
        let (document, raw) =
            grammar::read::<RawProfile>(&KIND, &self.schema, &text.label, &text.bytes, &mut self.found)?;
        if raw.schema != SCHEMA {
            self.found.push(grammar::unknown_version(&KIND, &document, raw.schema, SCHEMA));
        }
        Some((document, raw))
    }
}

/// All values that `${…}` may name. A variable may use facts and what the extended profiles declare.
fn variables(
    request: &Request<'_>,
    files: &[File],
    found: &mut Vec<Diagnostic>,
) -> (Values, BTreeMap<String, Setting<String>>) {
    let mut values = Values::new(request.facts.values(), request.lenient);
    if let Some(last) = files.last() {
        values.add("profile.name", Some(last.raw.name.clone()));
        values.add("profile.business-unit", last.raw.business_unit.clone());
    }
    for (name, value) in request.sets {
        values.set(name, value.clone());
    }
    let mut vars = BTreeMap::new();
    for file in files {
        let mut expanded = Vec::new();
        for (name, value) in &file.raw.vars {
            let path = ["vars".into(), name.as_str().into()];
            let origin = file.document.origin(&path);
            match request.sets.get(name).map_or_else(|| values.expand(&value.to_string()), |set| Ok(set.clone())) {
                Ok(value) => expanded.push((name.clone(), Setting { value, origin })),
                Err(error) => {
                    let text = value.to_string();
                    let neighbour = file.raw.vars.keys().find(|other| text.contains(&format!("${{vars.{other}}}")));
                    let hint = match neighbour {
                        Some(other) => format!(
                            "a variable may use facts and what extended profiles declare; write the value of `{other}` out"
                        ),
                        None => error.hint,
                    };
                    found.push(file.document.mistake(&path, error.message).hint(hint));
                    // It exists: those who use it make no second mistake.
                    expanded.push((name.clone(), Setting { value: String::new(), origin }));
                }
            }
        }
        for (name, setting) in expanded {
            values.set(&name, setting.value.clone());
            vars.insert(name, setting);
        }
    }
    for name in request.sets.keys().filter(|name| !files.is_empty() && !vars.contains_key(*name)) {
        let hint = match nearest(name, vars.keys().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None if vars.is_empty() => "the profile declares no variables in `[vars]`".to_owned(),
            None => format!("declared variables: {}", vars.keys().cloned().collect::<Vec<_>>().join(", ")),
        };
        found.push(Diagnostic::nowhere(format!("`--set {name}=…` names no variable of the profile")).hint(hint));
    }
    (values, vars)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Content;

    fn laptop() -> NodeFacts {
        NodeFacts::gather(Path::new("/nowhere"), BTreeMap::new())
    }

    fn load_text(text: &str, sets: &[(&str, &str)]) -> Result<Profile, ProfileError> {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let file = temp.path().join("x.toml");
        crate::fs::replace(&file, text.as_bytes(), crate::fs::Attributes::default()).expect("written");
        let store = FileStore::local(temp.path());
        let sets = sets.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let name = file.to_string_lossy().into_owned();
        load(&Request { name: &name, store: &store, facts: &laptop(), sets: &sets, lenient: false })
    }

    fn messages(result: Result<Profile, ProfileError>) -> Vec<String> {
        result.expect_err("it has mistakes").0.into_iter().map(|mistake| mistake.message).collect()
    }

    #[test]
    fn every_shipped_profile_is_sound() {
        let store = FileStore::local("/nowhere");
        for name in super::super::builtin::profiles() {
            let request = Request { name, store: &store, facts: &laptop(), sets: &BTreeMap::new(), lenient: true };
            if let Err(ProfileError(found)) = load(&request) {
                panic!("{name}: {found:#?}");
            }
        }
    }

    #[test]
    fn family_is_laid_over_base() {
        let store = FileStore::local("/nowhere");
        let request =
            Request { name: "family", store: &store, facts: &laptop(), sets: &BTreeMap::new(), lenient: true };
        let profile = load(&request).expect("it is sound");
        assert_eq!(
            profile.sources.iter().map(|source| &*source.file).collect::<Vec<_>>(),
            ["built-in:base.toml", "built-in:family.toml"]
        );
        assert_eq!(profile.apt.packages[0].value.name, "jq");
        assert_eq!(profile.apt.packages[0].origin.file, "built-in:base.toml");
        assert!(profile.shell.bashrc.is_some());
    }

    #[test]
    fn every_mistake_is_found_at_once() {
        let text = "schema = 1\nname = 'X'\nnmae = 1\n[apt]\npackages = ['--force-yes', 'jq', 5]\n[pip]\ngaurd = 'off'\n[r]\nrepos = ['nowhere']\n";
        let found = messages(load_text(text, &[]));
        for part in [
            "unknown key `nmae`",
            "`--force-yes` is not an apt",
            "expected a string or a table",
            "unknown key `gaurd`",
            "`nowhere` is not an address",
            "`X` is not a profile name",
        ] {
            assert!(found.iter().any(|message| message.contains(part)), "{part} is not in {found:#?}");
        }
        assert_eq!(found.len(), 6, "{found:#?}");
    }

    #[test]
    fn a_mistake_hides_none_of_its_neighbours_and_moves_none() {
        let text = "schema = 1\nname = 'x'\n[apt]\npackages = [\n5,\n'-y',\n]\n[secrets]\nsource = 'x'\nscope = 'a'\n\
                    [[secrets.items]]\nkey = 'b'\nto = { file = '../x' }\n\
                    [[secrets.items]]\nkey = 'c'\n";
        let found = load_text(text, &[]).expect_err("it has mistakes").0;
        let line = |part: &str| {
            let mistake = found.iter().find(|mistake| mistake.message.contains(part));
            let mistake = mistake.unwrap_or_else(|| panic!("{part} is not in {found:#?}"));
            (mistake.origin().expect("a place").line, mistake.hint.clone().unwrap_or_default())
        };
        assert_eq!(line("an entry of `packages`").0, 5);
        assert_eq!(line("`-y` is not an apt package").0, 6);
        assert_eq!(line("`x` is not a value of `source`").0, 9);
        assert_eq!(line("`../x` is not an absolute path").0, 13);
        assert!(line("`to` is missing").1.contains("may follow"));
        assert_eq!(found.len(), 5, "{found:#?}");
    }

    #[test]
    fn what_is_written_twice_is_asked_for_once() {
        let twice = "'jq', 'yq', { name = 'jq', optional = true }";
        let profile = load_text(&format!("schema = 1\nname = 'x'\n[apt]\npackages = [{twice}]\n"), &[]).expect("sound");
        let names: Vec<_> = profile.apt.packages.iter().map(|entry| (&*entry.value.name, entry.optional)).collect();
        assert_eq!(names, [("jq", false), ("yq", false)]);
    }

    #[test]
    fn a_system_that_cannot_be_is_a_mistake() {
        let of = |os: &str| {
            let text =
                format!("schema = 1\nname = 'x'\n[apt]\npackages = [{{ name = 'jq', when = {{ os = '{os}' }} }}]\n");
            load_text(&text, &[])
        };
        assert!(of("ubuntu-22.04").is_ok() && of("jammy").is_ok());
        let found = of("ubuntu22.04").expect_err("nothing is called so").0;
        assert_eq!(found[0].message, "`ubuntu22.04` is not an operating system");
        assert_eq!(found[0].hint.as_deref(), Some("did you mean `ubuntu-22.04`?"));
    }

    #[test]
    fn a_missing_name_is_reported_beside_the_rest() {
        let found = messages(load_text("schema = 1\n[apt]\npackages = ['-y']\n", &[]));
        assert_eq!(found.len(), 2, "{found:#?}");
    }

    #[test]
    fn windows_line_ends_and_a_byte_order_mark_do_no_harm() {
        let profile =
            load_text("\u{feff}schema = 1\r\nname = 'x'\r\n[apt]\r\npackages = ['jq']\r\n", &[]).expect("sound");
        assert_eq!(profile.apt.packages[0].origin.line, 4);
        let text = "schema = 1\r\nname = 'x'\r\n[shell]\r\nbashrc.text = \"\"\"\r\na\r\nb\r\n\"\"\"\r\n";
        let bashrc = load_text(text, &[]).expect("sound").shell.bashrc.expect("given");
        assert_eq!(bashrc.value.content, Content::Inline("a\nb\n".to_owned()));
    }

    #[test]
    fn one_file_by_two_paths_is_one_file() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let path = temp.path().join("a/x.toml");
        let text = "schema = 1\nname = 'x'\nextends = ['../a/x.toml']\n";
        crate::fs::replace(&path, text.as_bytes(), crate::fs::Attributes::default()).expect("written");
        let (store, name) = (FileStore::local(temp.path()), path.to_string_lossy().into_owned());
        let request = Request { name: &name, store: &store, facts: &laptop(), sets: &BTreeMap::new(), lenient: false };
        let found = load(&request).expect_err("a circle").0;
        assert_eq!(found.len(), 1, "{found:#?}");
    }

    #[test]
    fn the_command_line_overrides_a_variable_and_may_not_invent_one() {
        let text = "schema = 1\nname = 'x'\n[vars]\npkg = 'jq'\n[apt]\npackages = ['${vars.pkg}']\n";
        assert_eq!(load_text(text, &[("pkg", "yq")]).expect("sound").apt.packages[0].value.name, "yq");
        let found = load_text(text, &[("pgk", "yq")]).expect_err("a slip").0;
        assert_eq!(found[0].hint.as_deref(), Some("did you mean `pkg`?"));
    }

    #[test]
    fn a_child_keeps_the_source_and_scope_of_secrets_that_it_does_not_name() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let write = |name: &str, text: &str| {
            let path = temp.path().join("Admin/init_scripts").join(name);
            crate::fs::replace(&path, text.as_bytes(), crate::fs::Attributes::default()).expect("written");
        };
        write("a.toml", "schema = 1\nname = 'a'\n[secrets]\nsource = 'env'\nscope = 'shared'\n");
        let item = "[[secrets.items]]\nkey = 'token'\nwhen = { role = 'driver' }\nto = { file = '/run/x' }\n";
        write("b.toml", &format!("schema = 1\nname = 'b'\nextends = ['a']\n{item}"));
        let store = FileStore::local(temp.path());
        let facts = laptop();
        let request = Request { name: "b", store: &store, facts: &facts, sets: &BTreeMap::new(), lenient: false };
        let secrets = load(&request).expect("it is sound").secrets;
        assert!(secrets.items.is_empty(), "there is no driver here");
        assert!(secrets.withheld.contains("SHARED_TOKEN"), "no child may see it all the same");
    }

    #[test]
    fn a_circle_of_profiles_is_refused() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        for (name, other) in [("a", "b"), ("b", "a")] {
            let text = format!("schema = 1\nname = '{name}'\nextends = ['{other}']\n");
            let path = temp.path().join(format!("Admin/init_scripts/{name}.toml"));
            crate::fs::replace(&path, text.as_bytes(), crate::fs::Attributes::default()).expect("written");
        }
        let store = FileStore::local(temp.path());
        let found =
            load(&Request { name: "a", store: &store, facts: &laptop(), sets: &BTreeMap::new(), lenient: false })
                .expect_err("a circle")
                .0;
        assert_eq!(found[0].message, "`a` extends itself");
    }
}
