//! Loads a profile: reads the file and all files that it extends, checks each one and merges them.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use super::{
    Assets, Decisions, FileStore, Metadata, PostStart, Profile, ProfileError, Rules, RunStage, SCHEMA, Sections,
    Setting, Whole, find::Text, head::Head, merge, rules::decision_place, schema, trusted, values::Values,
};
use crate::{
    diagnostic::{Diagnostic, Origin, nearest},
    digest::Digest,
    facts::NodeFacts,
    grammar::{self, DocumentKind, Keys, document::Document},
    lock::{BucketFolders, LockedFile},
    problem::Problem,
    report::event::ProfileSource,
};

const KIND: DocumentKind = DocumentKind {
    the: "the profile",
    a: "a profile",
    stand_ins: &[("schema", "1"), ("name", "'unnamed'")],
    missed: &[
        (&["jars"], "jars are in `[jar]`"),
        (&["services"], "services are in `[services]`"),
        (&["certificates"], "CA certificates are in `[cert]`"),
        (&["files", "*", "content"], "the content is `text`"),
        (&["files", "*", "state"], "write `absent = true` to remove the path, or `dir = true` for a folder"),
        (&["files", "*", "source"], "the file to copy is `from`"),
        (&["files", "*", "src"], "the file to copy is `from`"),
        (&["files", "*", "append"], "`lines` adds lines, and `block` adds a text between two marker lines"),
        (
            &["files", "*", "block", "when"],
            "a block has no `when`: write the entry as cases, which are a list of tables, each with its own `when`",
        ),
        (
            &["env", "variables", "*", "env"],
            "declare a variable, `[vars] NAME = { env = \"…\" }`, and write `\"${vars.NAME}\"` as the value here",
        ),
        (
            &["when"],
            "`when` belongs to an entry, as in `{ name = \"x\", when = { role = \"driver\" } }`, or to the whole file, \
             above the first `[section]`",
        ),
    ],
    mistyped: &[
        (&["installers", "*", "environment", "*"], "a table", SECRET_OF_PROGRAM),
        (&["hooks", "*", "environment", "*"], "a table", SECRET_OF_PROGRAM),
        (&["files", "*", "mode"], "a whole number", MODE),
        (&["to", "mode"], "a whole number", SECRET_MODE),
        (&["templates", "mode"], "a whole number", SECRET_MODE),
        (&["when", "env", "*"], "a list", ONE_VALUE),
        (&["when", "vars", "*"], "a list", ONE_VALUE),
        (&["not", "env", "*"], "a list", ONE_VALUE),
        (&["not", "vars", "*"], "a list", ONE_VALUE),
        (&["settings", "*"], "a fraction", "write the number in quotes"),
    ],
};

const SECRET_OF_PROGRAM: &str = "write `secrets = { VARIABLE = \"KEY\" }` in the entry: the variable then has the path of a \
                                 file with the secret";
const MODE: &str = "write it as a text, such as `mode = \"0644\"`";
const SECRET_MODE: &str = "write it as a text, such as `mode = \"0400\"`";
const ONE_VALUE: &str = "a variable is compared with one value: write an entry, or a case of the entry, for each value";

/// The profile to load and the node to load it for.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Name or path of the profile.
    pub name: &'a str,
    /// The file store.
    pub store: &'a FileStore,
    /// The node.
    pub facts: &'a NodeFacts,
    /// Variables from the command line.
    pub sets: &'a BTreeMap<String, String>,
    /// Whether unknown facts may stay unreplaced. Used to check a profile away from the node.
    pub lenient: bool,
    /// The metadata of the instance, for variables. `None` leaves these variables unknown.
    pub metadata: Option<&'a dyn Metadata>,
    /// For the post-start stage: the decisions of the launch about conditions. `None` for the launch.
    pub launched: Option<&'a Decisions>,
    /// Whether a verified lock has the digests of all packages. Without one, packages by name are refused under trusted
    /// keys.
    pub locked: bool,
    /// The files of folders in buckets: those of a lock, or those that `nodeagent lock` has listed.
    pub folders: Option<&'a BucketFolders>,
}

/// One file of the chain, parsed.
struct File<W> {
    document: Document,
    head: Head,
    written: W,
    folder: Option<PathBuf>,
    identity: PathBuf,
    /// The files it extends itself.
    parents: Vec<PathBuf>,
    source: ProfileSource,
}

/// Loads and checks a profile. Reports all mistakes of all files at once.
pub fn load<S: Sections>(request: &Request<'_>) -> Result<Profile<S>, ProfileError> {
    let mut chain = Chain::<S> { request, files: Vec::new(), open: Vec::new(), found: Vec::new() };
    match request.store.profile(request.name, request.facts.business_unit.as_deref(), None) {
        Ok(text) => chain.read(text),
        Err(missing) => {
            chain.found.push(Diagnostic::nowhere(missing.message).causes(missing.causes).hint(missing.hint));
        }
    }
    let Chain { mut files, mut found, .. } = chain;
    let mut written: Vec<S::Written> = files.iter_mut().map(|file| std::mem::take(&mut file.written)).collect();
    let mut values = values(request, &files);
    inherit::<S>(&files, &values, &mut written);
    let interpreters = written.iter().zip(&values.files).rev().filter(|(_, file)| file.applies);
    let interpreter = interpreters.map(|(written, _)| written).find_map(S::interpreter).unwrap_or(S::INTERPRETER);
    values.interpreter = interpreter.to_owned();
    let names = values.spellings(written.iter().flat_map(S::entry_names)).into_iter().collect();
    let check = |(index, written)| check((index, &files[index]), written, &values, &names, &mut found);
    let parts: Vec<Profile<S>> = written.iter().enumerate().map(check).collect();
    found.extend(unknown_sets(request, &values));
    let Some(mut profile) = parts.into_iter().reduce(merge::over) else { return Err(ProfileError(found)) };
    profile.vars = shown_variables(&values);
    profile.stage = values.stage;
    if !profile.post_start.entries.is_empty() {
        profile.post_start.decisions = values.decisions.take();
    }
    let has_ready = profile.post_start.complete(request.facts) || request.lenient || request.launched.is_some();
    (profile.path, profile.files) = locked_files(request.store, &files);
    profile.sources = files.iter().map(|file| file.source.clone()).collect();
    if profile.stage == RunStage::PostStart {
        // The launch has read the files of its entries. The copy does not have all of them.
        profile.sections.retain_stage(RunStage::PostStart);
    }
    let assets = Assets { store: request.store, unit: profile.business_unit.as_deref(), folders: request.folders };
    profile.sections.complete(&assets, &mut found);
    let sections = &profile.sections;
    let documents = files.iter().map(|file| &file.document).collect();
    let whole = Whole { facts: request.facts, logins: sections.logins(), indexes: sections.indexes(), documents };
    sections.check_whole(&whole, &mut found);
    if let (false, Some(origin)) = (has_ready, profile.post_start.entries.values().next()) {
        let problem = Problem::new("`stage = \"post-start\"` needs `ready`, because this node is no Databricks driver")
            .hint("add `[post-start]` with `ready = { … }`, or limit the entry with `when`".to_owned());
        found.push(whole.mistake(problem.asked_at(origin.clone())));
    }
    profile.folders = request.folders.cloned().unwrap_or_default();
    profile.only_digests = request.store.trusted().is_on() && !request.locked;
    if profile.only_digests {
        trusted::reject_names(&profile, &mut found);
    }
    if found.is_empty() { Ok(profile) } else { Err(ProfileError(found)) }
}

/// Checks one file, with its position in the chain. Mistakes are reported and left out.
fn check<S: Sections>(
    (index, file): (usize, &File<S::Written>),
    written: &S::Written,
    values: &Values<'_>,
    names: &BTreeSet<String>,
    found: &mut Vec<Diagnostic>,
) -> Profile<S> {
    let mut rules = Rules::new(&file.document, file.folder.as_ref(), values, names, found);
    rules.head(&file.head);
    rules.variables(index, &file.head.vars);
    let sections = S::check(written, &mut rules);
    let ready = rules.ready(&file.head);
    let entries = std::mem::take(&mut rules.post_start);
    let (sections, post_start) = if values.files[index].applies {
        (sections, PostStart { entries, ready, ..PostStart::default() })
    } else {
        Default::default()
    };
    let unit_at = file.head.business_unit.as_ref().map(|_| rules.origin(&["business-unit".into()]));
    Profile {
        name: file.head.name.clone(),
        business_unit: file.head.business_unit.clone(),
        business_unit_at: unit_at,
        sources: Vec::new(),
        path: None,
        files: Vec::new(),
        conditions: rules.conditions,
        folders: BucketFolders::new(),
        lock: None,
        sections,
        vars: BTreeMap::new(),
        stage: values.stage,
        post_start,
        only_digests: false,
        notes: rules.notes,
    }
}

/// The requested file, and all files by names that do not depend on the location of the file store: relative to the
/// store, or else to the profile.
fn locked_files<W>(store: &FileStore, files: &[File<W>]) -> (Option<PathBuf>, Vec<LockedFile>) {
    let asked_for =
        files.last().and_then(|file| Some(file.folder.as_ref()?.join(Path::new(&file.source.file).file_name()?)));
    let root = std::fs::canonicalize(&store.root).ok();
    let beside = files.last().filter(|_| asked_for.is_some()).and_then(|file| file.identity.parent());
    let name = |file: &File<W>| {
        let below = |folder: &Path| file.identity.strip_prefix(folder).ok().map(|path| path.display().to_string());
        let name = root.as_deref().and_then(below).or_else(|| beside.and_then(below));
        name.unwrap_or_else(|| file.source.file.clone())
    };
    let locked = |file: &File<W>| {
        let sha256 = Digest::Sha256(file.source.sha256.clone());
        LockedFile { path: name(file), sha256 }
    };
    let mut locked: Vec<LockedFile> = files.iter().map(locked).collect();
    locked.sort();
    (asked_for, locked)
}

/// Passes values of extended files to each file. If several extended profiles have a value, the last one applies. Files
/// that do not apply to the node pass nothing on.
fn inherit<S: Sections>(files: &[File<S::Written>], values: &Values<'_>, written: &mut [S::Written]) {
    for index in 1..files.len() {
        let (before, from) = written.split_at_mut(index);
        let parents = before.iter().zip(files).zip(&values.files).rev();
        for ((parent, file), variables) in parents {
            if variables.applies && files[index].parents.contains(&file.identity) {
                S::inherit(&mut from[0], parent);
            }
        }
    }
}

/// The schema of a file with these keys at its top, or of any file.
fn schema_of<S: Sections>(names: Option<&BTreeSet<&str>>) -> Cow<'static, serde_json::Value> {
    Cow::Owned(names.map_or_else(schema::json_schema::<S>, schema::json_schema_for::<S>))
}

struct Chain<'a, S: Sections> {
    request: &'a Request<'a>,
    files: Vec<File<S::Written>>,
    /// The files that are being read, outermost first: identity and label.
    open: Vec<(PathBuf, String)>,
    found: Vec<Diagnostic>,
}

impl<S: Sections> Chain<'_, S> {
    /// Reads one file, after the files that it extends.
    fn read(&mut self, text: Text) {
        if self.files.iter().any(|file| file.identity == text.identity) {
            return; // two parents share it; once is enough
        }
        let source = ProfileSource { file: text.label.clone(), sha256: Digest::sha256(&text.bytes).hex().to_owned() };
        let Some((document, head, written)) = self.parse(&text) else { return };
        self.open.push((text.identity.clone(), text.label));
        let mut parents: Vec<PathBuf> = Vec::new();
        let mut places: Vec<usize> = Vec::new();
        for (index, parent) in head.extends.iter().enumerate() {
            let Some(identity) = self.extend(&document, index, parent, text.folder.as_deref()) else { continue };
            if let Some(first) = parents.iter().position(|known| *known == identity) {
                let other = document.origin(&["extends".into(), places[first].into()]).with_column();
                let message = format!("`{parent}` is extended twice; the other entry is at {other}");
                let mistake = document.mistake(&["extends".into(), index.into()], message);
                self.found.push(mistake.hint("keep one of the two entries"));
                continue;
            }
            parents.push(identity);
            places.push(index);
        }
        self.open.pop();
        let (folder, identity) = (text.folder, text.identity);
        self.files.push(File { document, head, written, folder, identity, parents, source });
    }

    /// Reads a file that another file extends. Returns its index.
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

    fn parse(&mut self, text: &Text) -> Option<(Document, Head, S::Written)> {
        let read = |keys: &mut Keys<'_>| Ok((S::read(keys)?, keys.rest::<Head>()?));
        let (document, (written, head)) =
            grammar::read_keys(&KIND, schema_of::<S>, &text.label, &text.bytes, &mut self.found, read)?;
        if head.schema != SCHEMA {
            self.found.push(grammar::unknown_version(&KIND, &document, head.schema, SCHEMA));
        }
        Some((document, head, written))
    }
}

/// All values that `${…}` may refer to.
fn values<'a, W>(request: &Request<'a>, files: &'a [File<W>]) -> Values<'a> {
    let mut values = Values::new(request.facts, request.sets, request.lenient);
    values.metadata = request.metadata;
    if let Some(decided) = request.launched {
        (values.stage, values.decided) = (RunStage::PostStart, Some(decided));
    }
    if let Some(last) = files.last() {
        let [name, unit] = &mut values.profile;
        name.1 = Some(last.head.name.clone());
        unit.1.clone_from(&last.head.business_unit);
    }
    for file in files {
        let origin = |name| file.document.origin(&["vars", name].map(Into::into));
        let origins = file.head.vars.keys().map(|name| (name.as_str(), origin(name.as_str())));
        let place = decision_place(&file.document, &[]);
        values.add_file(&file.head.vars, origins.collect(), (&place, file.head.when.as_ref()));
    }
    values
}

/// The variables with their values and the lines that set them, for `check --show`.
fn shown_variables(values: &Values<'_>) -> BTreeMap<String, Setting<String>> {
    let origins: BTreeMap<&str, &Origin> =
        values.files.iter().flat_map(|file| &file.origins).map(|(name, origin)| (*name, origin)).collect();
    let shown = |(name, origin): (&str, &Origin)| {
        (name.to_owned(), Setting { value: values.shown(name), origin: origin.clone() })
    };
    origins.into_iter().map(shown).collect()
}

/// The mistakes of `--set` options that match no variable.
fn unknown_sets(request: &Request<'_>, values: &Values<'_>) -> Vec<Diagnostic> {
    let vars: BTreeSet<&str> = values.files.iter().flat_map(|file| file.vars.keys().map(String::as_str)).collect();
    let mistake = |name: &String| {
        let hint = match nearest(name, vars.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if vars.is_empty() => "the profile declares no variables in `[vars]`".to_owned(),
            None => format!("declared variables: {}", vars.iter().copied().collect::<Vec<_>>().join(", ")),
        };
        Diagnostic::nowhere(format!("`--set {name}=…` names no variable of the profile")).hint(hint)
    };
    request.sets.keys().filter(|name| !values.files.is_empty() && !vars.contains(name.as_str())).map(mistake).collect()
}
