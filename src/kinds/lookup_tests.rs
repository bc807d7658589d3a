//! Variables that are looked up on the node, conditions of whole files, and facts of the environment of `[pip]`.

use std::{cell::RefCell, collections::BTreeMap, path::Path};

use super::{Profile, files::Form, load};
use crate::{
    facts::NodeFacts,
    fs::put,
    profile::{FileStore, Metadata, ProfileError, Request},
};

/// A metadata service that records the keys it is asked for.
#[derive(Default)]
struct Asked(RefCell<Vec<String>>);

impl Metadata for Asked {
    fn value(&self, key: &str) -> Result<Option<String>, String> {
        self.0.borrow_mut().push(key.to_owned());
        match key {
            "instance-id" => Ok(Some("i-1".to_owned())),
            "broken" => Err("it cannot be reached".to_owned()),
            _ => Ok(None),
        }
    }
}

/// A node with files and variables, and profiles beside each other.
struct Scene {
    temp: tempfile::TempDir,
    env: Vec<(&'static str, &'static str)>,
    metadata: Asked,
}

impl Scene {
    fn new(env: &[(&'static str, &'static str)]) -> Self {
        let temp = tempfile::tempdir().expect("a temporary folder");
        Self { temp, env: env.to_vec(), metadata: Asked::default() }
    }

    fn put(&self, name: &str, text: &str) -> &Self {
        put(&self.temp.path().join(name), text);
        self
    }

    fn load(&self, name: &str, lenient: bool, sets: &[(&str, &str)]) -> Result<Profile, ProfileError> {
        let text = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let facts = NodeFacts::gather(self.temp.path(), self.env.iter().map(text).collect());
        let sets: BTreeMap<String, String> = sets.iter().map(text).collect();
        let store = FileStore::local(self.temp.path());
        let name = self.temp.path().join(name).to_string_lossy().into_owned();
        let metadata = Some(&self.metadata as &dyn Metadata).filter(|_| !lenient);
        load(&Request {
            name: &name,
            store: &store,
            facts: &facts,
            sets: &sets,
            lenient,
            metadata,
            launched: None,
            locked: false,
            folders: None,
        })
    }

    /// The text of `/x` that a profile with these lines writes.
    fn text(&self, lines: &str, text: &str) -> Result<String, String> {
        self.put("x.toml", &format!("schema = 1\nname = 'x'\n{lines}\n[files]\n'/x' = {{ text = '{text}' }}\n"));
        file(self.load("x.toml", false, &[]))
    }
}

fn file(profile: Result<Profile, ProfileError>) -> Result<String, String> {
    match profile {
        Ok(profile) => match &profile.sections.files.0[Path::new("/x")].value.form {
            Form::Text(source) => Ok(source.text.shown()),
            form => panic!("{form:?}"),
        },
        Err(ProfileError(found)) => {
            Err(found.iter().map(|mistake| mistake.message.as_str()).collect::<Vec<_>>().join("; "))
        }
    }
}

#[test]
fn a_variable_is_looked_up_in_the_environment_or_in_a_file() {
    let scene = Scene::new(&[("REALM", "eu1"), ("EMPTY", "")]);
    scene.put("tmp/driver-env.sh", "A=1\nCONF_UI_PORT=40001\n").put("etc/region", "  north\n");
    let lines = "[vars]\nrealm = { env = 'REALM' }\nempty = { env = 'EMPTY', default = 'none' }\n\
                 port = { file = '/tmp/driver-env.sh', match = 'UI_PORT=(\\d+)' }\nregion = { file = '/etc/region' }\n\
                 other = { file = '/etc/none', default = '${vars.realm}-x' }";
    let text = "${vars.realm} ${vars.empty} ${vars.port} ${vars.region} ${vars.other}";
    assert_eq!(scene.text(lines, text).as_deref(), Ok("eu1 none 40001 north eu1-x"));
}

#[test]
fn a_lookup_that_finds_nothing_is_an_error_where_it_is_used() {
    let scene = Scene::new(&[]);
    scene.put("etc/conf", "nothing");
    let lines = "[vars]\nrealm = { env = 'REALM' }\norg = { file = '/etc/conf', match = 'org=(.*)' }";
    assert_eq!(scene.text(lines, "no variable").as_deref(), Ok("no variable"));
    let unset = "`${vars.realm}` has no value on this node: the environment variable `REALM` is not set";
    assert_eq!(scene.text(lines, "${vars.realm}"), Err(unset.to_owned()));
    let unmatched = "`${vars.org}` has no value on this node: `org=(.*)` does not match in the file `/etc/conf`";
    assert_eq!(scene.text(lines, "${vars.org}"), Err(unmatched.to_owned()));
    assert_eq!(file(scene.load("x.toml", true, &[])).as_deref(), Ok("${vars.org}"), "`check` keeps it as written");
    assert_eq!(file(scene.load("x.toml", false, &[("org", "set")])).as_deref(), Ok("set"));
}

#[test]
fn the_metadata_is_asked_only_for_a_variable_that_is_used() {
    let scene = Scene::new(&[]);
    let lines = "[vars]\nid = { metadata = 'instance-id' }\nname = 'node-${vars.id}'\nzone = { metadata = 'zone' }\n\
                 broken = { metadata = 'broken', default = 'b' }";
    assert_eq!(scene.text(lines, "plain").as_deref(), Ok("plain"));
    assert_eq!(*scene.metadata.0.borrow(), Vec::<String>::new());
    assert_eq!(scene.text(lines, "${vars.name} ${vars.id} ${vars.broken}").as_deref(), Ok("node-i-1 i-1 b"));
    assert_eq!(*scene.metadata.0.borrow(), ["instance-id", "broken"]);
    let absent = "`${vars.zone}` has no value on this node: the metadata of the instance has no `zone`";
    assert_eq!(scene.text(lines, "${vars.zone}"), Err(absent.to_owned()));
    assert_eq!(file(scene.load("x.toml", true, &[])).as_deref(), Ok("${vars.zone}"), "`check` does not ask");
}

#[test]
fn variables_use_others_of_the_same_file_and_of_extended_files() {
    let scene = Scene::new(&[("DB_IS_DRIVER", "TRUE")]);
    scene.put("base.toml", "schema = 1\nname = 'base'\n[vars]\ntier = 'gold'\npath = '/opt'\n");
    let lines = "extends = ['base.toml']\n[vars]\nb = '${vars.a}${vars.path}'\na = '${vars.tier}-'\n\
                 path = '${vars.path}/bin'\n[[vars.tier]]\nwhen = { role = 'worker' }\nvalue = 'none'";
    assert_eq!(scene.text(lines, "${vars.b} ${vars.path}").as_deref(), Ok("gold-/opt/bin /opt/bin"));
    let cases = "[[vars.x]]\nwhen = { vars = { y = 'on' } }\nvalue = 'X'\n[[vars.x]]\nvalue = 'else'\n[vars]\ny = 'on'";
    let swapped =
        "[vars]\ny = 'on'\n[[vars.x]]\nwhen = { vars = { y = 'on' } }\nvalue = 'X'\n[[vars.x]]\nvalue = 'else'";
    assert_eq!(scene.text(cases, "${vars.x}").as_deref(), Ok("X"));
    assert_eq!(scene.text(swapped, "${vars.x}").as_deref(), Ok("X"));
}

#[test]
fn a_file_whose_condition_does_not_hold_has_no_effect() {
    let scene = Scene::new(&[("DB_IS_DRIVER", "TRUE")]);
    let base =
        "schema = 1\nname = 'base'\nwhen = { role = 'worker' }\n[vars]\ntier = 'gold'\n[apt]\npackages = ['jq']\n";
    scene.put("base.toml", base);
    let lines = "extends = ['base.toml']\nwhen = { not = { role = 'worker' } }\n[vars]\nx = '1'";
    assert_eq!(scene.text(lines, "${vars.x}").as_deref(), Ok("1"));
    assert!(scene.load("x.toml", false, &[]).expect("sound").sections.apt.packages.is_empty());
    assert!(scene.text(lines, "${vars.tier}").expect_err("no value").contains("has no value on this node"));
}

#[test]
fn an_unknown_value_is_no_error_in_an_entry_that_does_not_apply() {
    let scene = Scene::new(&[]);
    let entry = |when: &str| format!("[apt]\npackages = [{{ name = 'x-${{cluster.number}}', when = {{ {when} }} }}]");
    assert!(scene.text(&entry("platform = 'databricks'"), "x").is_ok());
    assert!(scene.text(&entry("platform = 'other'"), "x").is_err());
}

#[test]
fn facts_about_python_are_those_of_the_interpreter_of_pip() {
    let scene = Scene::new(&[]);
    scene.put("opt/py/bin/python3.12", "").put("opt/py/lib/python3.12/site-packages/x", "");
    let lines = "[vars]\nhome = '/opt/py'\n[pip]\npython = '${vars.home}/bin/python3.12'";
    let text = scene.text(lines, "${node.python-version} ${node.site-packages}");
    assert_eq!(text.as_deref(), Ok("3.12 /opt/py/lib/python3.12/site-packages"));
    assert!(scene.text("", "${node.python-version}").expect_err("no interpreter").contains("not known on this node"));
}
