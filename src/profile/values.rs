//! The values of `${…}`: variables, facts, and names of the profile. A value is determined when it is used.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use super::{
    Decisions, RunStage,
    cases::{Case as _, Cases},
    expansion::{self, Unexpandable, Value},
    head::Lookup,
    lookup::{self, Metadata},
    shorthand::{PlainOr, Scalar},
    when::{self, Scope},
    written::When,
};
use crate::{
    diagnostic::{Origin, nearest},
    facts::{NodeFacts, PythonEnv},
};

/// The variables of one file, as written.
pub(super) type Variables = BTreeMap<String, Cases<PlainOr<Lookup>>>;

/// The variables of one file of the chain.
#[derive(Debug)]
pub(super) struct FileVariables<'a> {
    pub(super) vars: &'a Variables,
    /// The line of each variable.
    pub(super) origins: BTreeMap<&'a str, Origin>,
    /// Whether the `when` of the file holds.
    pub(super) applies: bool,
}

/// The values that `${…}` may refer to.
#[derive(Debug)]
pub(super) struct Values<'a> {
    pub(super) facts: &'a NodeFacts,
    /// Variables from the command line.
    pub(super) sets: &'a BTreeMap<String, String>,
    /// Whether unknown values stay as written, for `check` on a laptop.
    pub(super) lenient: bool,
    /// The metadata of the instance, if it may be asked.
    pub(super) metadata: Option<&'a dyn Metadata>,
    /// `profile.name` and `profile.business-unit`.
    pub(super) profile: [(&'static str, Option<String>); 2],
    /// The Python interpreter that the profile names, as written, or the usual one.
    pub(super) interpreter: String,
    /// The variables of each file, parents first.
    pub(super) files: Vec<FileVariables<'a>>,
    evaluated: RefCell<BTreeMap<(usize, String), Option<Value>>>,
    /// Whether the profile is checked, so that no more metadata is needed.
    is_checked: Cell<bool>,
    /// The variables that are being evaluated, by file and name.
    open: RefCell<Vec<(usize, String)>>,
    /// The stage that the profile is loaded for.
    pub(super) stage: RunStage,
    /// The decisions of an earlier stage about conditions.
    pub(super) decided: Option<&'a Decisions>,
    /// The decisions about conditions.
    pub(super) decisions: RefCell<Decisions>,
    /// Whether an entry of another stage is checked. Its variables are not looked up in files and metadata.
    defers: Cell<bool>,
    /// The names without a value that stay as written in the texts of this entry.
    deferred: RefCell<BTreeSet<String>>,
}

/// The names that a text of one file can use.
struct View<'v> {
    values: &'v Values<'v>,
    /// The number of files whose variables are visible.
    files: usize,
    /// The variable that is being evaluated. Its own name refers to the variable of an extended profile.
    own: Option<&'v str>,
}

impl Scope for View<'_> {
    fn variable(&self, name: &str) -> Option<Value> {
        let files = if self.own == Some(name) { self.files - 1 } else { self.files };
        self.values.variable(files, name)
    }

    fn expand(&self, text: &str) -> Result<String, Unexpandable> {
        expansion::expand(text, self.values.lenient, |name| {
            let value = self.resolve(name);
            if let Ok(Value::Unknown(why)) = &value
                && (why.is_deferred || self.values.lenient)
            {
                self.values.deferred.borrow_mut().insert(format!("${{{name}}}"));
            }
            value
        })
    }
}

impl View<'_> {
    fn resolve(&self, name: &str) -> Result<Value, Unexpandable> {
        let values = self.values;
        let unknown = || values.unknown_name(name);
        if let Some(variable) = name.strip_prefix("vars.") {
            return self.variable(variable).ok_or_else(unknown);
        }
        let text = if let Some((_, value)) = values.profile.iter().find(|(known, _)| *known == name) {
            value.clone()
        } else if PYTHON.contains(&name) {
            values.python(name)
        } else if NodeFacts::names().any(|known| known == name) {
            values.facts.value(name)
        } else {
            return Err(unknown());
        };
        Ok(text.map_or_else(|| Value::Unknown(unknown_here(name)), Value::Text))
    }
}

/// The facts about the environment of `[pip]`.
const PYTHON: [&str; 2] = ["node.python-version", "node.site-packages"];
/// The names of the profile itself.
pub(super) const PROFILE: [&str; 2] = ["profile.name", "profile.business-unit"];

impl<'a> Values<'a> {
    /// Values without variables.
    pub(super) fn new(facts: &'a NodeFacts, sets: &'a BTreeMap<String, String>, lenient: bool) -> Self {
        Self {
            facts,
            sets,
            lenient,
            metadata: None,
            profile: PROFILE.map(|name| (name, None)),
            interpreter: String::new(),
            files: Vec::new(),
            evaluated: RefCell::default(),
            is_checked: Cell::new(false),
            open: RefCell::default(),
            stage: RunStage::Launch,
            decided: None,
            decisions: RefCell::default(),
            defers: Cell::new(false),
            deferred: RefCell::default(),
        }
    }

    /// Adds the variables of a file, after those of the files that it extends. `when` is the condition of the file, and
    /// `place` its position.
    pub(super) fn add_file(
        &mut self,
        vars: &'a Variables,
        origins: BTreeMap<&'a str, Origin>,
        (place, when): (&str, Option<&When>),
    ) {
        self.files.push(FileVariables { vars, origins, applies: true });
        let applies = when.is_none_or(|when| self.decision(place, when).unwrap_or(false));
        if !applies {
            // Variables that the condition used were evaluated as if the file applied.
            self.evaluated.borrow_mut().clear();
        }
        self.files.last_mut().expect("it was added").applies = applies;
    }

    /// Whether a condition holds.
    pub(super) fn condition(&self, when: &When) -> Result<bool, when::Mistake> {
        when::holds(when, self.facts, &self.view(self.files.len(), None))
    }

    /// Whether the condition at a position holds. The decision of an earlier stage counts.
    pub(super) fn decision(&self, place: &str, when: &When) -> Result<bool, when::Mistake> {
        if let Some(decided) = self.decided.and_then(|decided| decided.get(place)) {
            return Ok(*decided);
        }
        let holds = self.condition(when)?;
        self.decisions.borrow_mut().insert(place.to_owned(), holds);
        Ok(holds)
    }

    /// Begins or ends the check of an entry of another stage.
    pub(super) fn defer(&self, defers: bool) {
        self.defers.set(defers);
        self.deferred.borrow_mut().clear();
    }

    /// Whether a message is about a text with a value that is not known: `check` on another node, or a later stage
    /// checks the text with its value.
    pub(super) fn is_deferred_in(&self, message: &str) -> bool {
        self.deferred.borrow().iter().any(|name| message.contains(name))
    }

    /// Replaces every `${name}` in a text. `$${` stands for `${`.
    pub(super) fn expand(&self, text: &str) -> Result<String, Unexpandable> {
        self.view(self.files.len(), None).expand(text)
    }

    /// Each name as written and, if it contains `${…}`, with the values in it. Each spelling once.
    pub(super) fn spellings(&self, names: impl IntoIterator<Item = String>) -> Vec<String> {
        let mut seen = BTreeSet::new();
        let spellings = names.into_iter().flat_map(|name| {
            let expanded = name.contains("${").then(|| self.expand(&name).ok()).flatten();
            [Some(name), expanded].into_iter().flatten()
        });
        spellings.filter(|spelling| seen.insert(spelling.clone())).collect()
    }

    /// The value of a variable for `check --show`. An unknown value is shown as its name. The metadata of the instance
    /// is no longer asked.
    pub(super) fn shown(&self, name: &str) -> String {
        self.is_checked.set(true);
        match self.variable(self.files.len(), name) {
            Some(Value::Text(text)) => text,
            Some(Value::Unknown(_)) | None => format!("${{vars.{name}}}"),
        }
    }

    /// The error of a name that a text in a file must not use. `own` is the variable that the text defines.
    pub(super) fn name_error(&self, file: usize, own: &str, name: &str) -> Option<Unexpandable> {
        let is_known = match name.strip_prefix("vars.") {
            Some(variable) => {
                let visible = if variable == own { file } else { file + 1 };
                self.files[..visible].iter().any(|file| file.vars.contains_key(variable))
            }
            None => Self::known_names().any(|known| known == name),
        };
        (!is_known).then(|| self.unknown_name(name))
    }

    fn view<'v>(&'v self, files: usize, own: Option<&'v str>) -> View<'v> {
        View { values: self, files, own }
    }

    /// The value of a variable that one of the first `files` files declares.
    fn variable(&self, files: usize, name: &str) -> Option<Value> {
        let declared = self.files[..files].iter().rfind(|file| file.vars.contains_key(name))?;
        if let Some(set) = self.sets.get(name) {
            return Some(Value::Text(set.clone()));
        }
        let found = (0..files).rev().find_map(|file| self.variable_of(file, name));
        Some(found.unwrap_or_else(|| no_value(name, declared, "none of its cases applies to this node")))
    }

    /// The value of a variable of one file. `None` if the file does not declare it, or no case of it applies.
    fn variable_of(&self, file: usize, name: &str) -> Option<Value> {
        let cases = self.files[file].vars.get(name).filter(|_| self.files[file].applies)?;
        let key = (file, name.to_owned());
        let defers = self.defers.get();
        if let Some(known) = self.evaluated.borrow().get(&key).filter(|_| !defers) {
            return known.clone();
        }
        if self.open.borrow().contains(&key) {
            return Some(no_value(name, &self.files[file], "it uses its own value"));
        }
        self.open.borrow_mut().push(key.clone());
        let value = self.evaluate(file, name, cases);
        self.open.borrow_mut().pop();
        if !defers {
            self.evaluated.borrow_mut().insert(key, value.clone());
        }
        value
    }

    fn evaluate(&self, file: usize, name: &str, cases: &Cases<PlainOr<Lookup>>) -> Option<Value> {
        let view = self.view(file + 1, Some(name));
        let holds = |when: &When| when::holds(when, self.facts, &view).unwrap_or(false);
        let case = cases.cases.iter().find(|case| case.condition().is_none_or(holds))?;
        let text = |scalar: &Scalar| view.expand(&scalar.to_string()).map_err(|why| why.message);
        let found = match case {
            PlainOr::Plain(scalar) | PlainOr::Table(Lookup { value: Some(scalar), .. }) => text(scalar),
            PlainOr::Table(Lookup { file, metadata, .. })
                if self.defers.get() && (file.is_some() || metadata.is_some()) =>
            {
                return Some(deferred(name));
            }
            PlainOr::Table(lookup) => {
                let file = lookup.file.as_ref().map(|file| view.expand(file)).transpose();
                let metadata = self.metadata.filter(|_| !self.is_checked.get());
                let found = file.map_err(|why| why.message);
                let found = found.and_then(|file| lookup::find(lookup, file.as_deref(), self.facts, metadata));
                found.or_else(|reason| lookup.default.as_ref().map_or(Err(reason), text))
            }
        };
        Some(found.map_or_else(|reason| no_value(name, &self.files[file], &reason), Value::Text))
    }

    /// A fact about the environment of the profile's interpreter.
    fn python(&self, name: &str) -> Option<String> {
        let key = (usize::MAX, "pip.python".to_owned());
        if self.open.borrow().contains(&key) {
            return None;
        }
        self.open.borrow_mut().push(key);
        let interpreter = self.expand(&self.interpreter).ok();
        self.open.borrow_mut().pop();
        let root = &self.facts.root;
        let (minor, folder) = PythonEnv::locate(&root.join(interpreter?.trim_start_matches('/')))?;
        if name == PYTHON[0] {
            return Some(format!("3.{minor}"));
        }
        let folder: PathBuf = folder.strip_prefix(root).map_or(folder.clone(), |path| Path::new("/").join(path));
        folder.to_str().map(str::to_owned)
    }

    fn known_names() -> impl Iterator<Item = &'static str> {
        NodeFacts::names().chain(PYTHON).chain(PROFILE)
    }

    /// All names that a text may use.
    pub(super) fn names(&self) -> impl Iterator<Item = String> {
        let variables = self.files.iter().flat_map(|file| file.vars.keys()).map(|name| format!("vars.{name}"));
        Self::known_names().map(str::to_owned).chain(variables)
    }

    fn unknown_name(&self, name: &str) -> Unexpandable {
        let known: Vec<String> = self.names().collect();
        let hint = match nearest(name, known.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `${{{near}}}`? write `$${{{name}}}` for a literal `${{{name}}}`"),
            None => format!("declare it in `[vars]`, or write `$${{{name}}}` for a literal `${{{name}}}`"),
        };
        Unexpandable {
            message: format!("`${{{name}}}` is not a known value"),
            hint,
            is_unknown_here: false,
            is_deferred: false,
        }
    }
}

/// The value of a fact that is unknown on the node.
fn unknown_here(name: &str) -> Unexpandable {
    Unexpandable {
        message: format!("`${{{name}}}` is not known on this node"),
        hint: format!("use it under a `when`, or a variable with a default in `[vars]` instead of `{name}`"),
        is_unknown_here: true,
        is_deferred: false,
    }
}

/// The value of a variable that another stage looks up.
fn deferred(name: &str) -> Value {
    Value::Unknown(Unexpandable {
        message: format!("`${{vars.{name}}}` is looked up later"),
        hint: String::new(),
        is_unknown_here: true,
        is_deferred: true,
    })
}

/// The value of a variable that has none on this node.
fn no_value(name: &str, file: &FileVariables<'_>, reason: &str) -> Value {
    let at = file.origins.get(name).map(|origin| format!(" at {origin}")).unwrap_or_default();
    Value::Unknown(Unexpandable {
        message: format!("`${{vars.{name}}}` has no value on this node: {reason}"),
        hint: format!("add a `default` to `{name}`{at}, or set it with `--set {name}=VALUE`"),
        is_unknown_here: true,
        is_deferred: false,
    })
}
