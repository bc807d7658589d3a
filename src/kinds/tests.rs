//! Profiles with the sections of all kinds, from text to checked values.

use std::{collections::BTreeMap, path::Path};

use super::{Node, Profile, load};
use crate::{
    facts::NodeFacts,
    inventory::Vault,
    lock::BucketFolders,
    profile::{Content, FileStore, ProfileError, Request},
};

fn laptop() -> NodeFacts {
    NodeFacts::gather(Path::new("/nowhere"), BTreeMap::new())
}

fn load_text(text: &str, sets: &[(&str, &str)]) -> Result<Profile, ProfileError> {
    load_text_with(text, sets, None)
}

fn load_text_with(text: &str, sets: &[(&str, &str)], folders: Option<&BucketFolders>) -> Result<Profile, ProfileError> {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let file = temp.path().join("x.toml");
    crate::fs::replace(&file, text.as_bytes(), crate::fs::Attributes::default()).expect("written");
    let store = FileStore::local(temp.path());
    let sets = sets.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let name = file.to_string_lossy().into_owned();
    load(&Request {
        name: &name,
        store: &store,
        facts: &laptop(),
        sets: &sets,
        lenient: false,
        metadata: None,
        launched: None,
        locked: false,
        folders,
    })
}

fn messages(result: Result<Profile, ProfileError>) -> Vec<String> {
    result.expect_err("it has mistakes").0.into_iter().map(|mistake| mistake.message).collect()
}

#[test]
fn every_shipped_profile_is_sound() {
    let store = FileStore::local("/nowhere");
    for name in crate::profile::built_in_profiles() {
        let request = Request {
            name,
            store: &store,
            facts: &laptop(),
            sets: &BTreeMap::new(),
            lenient: true,
            metadata: None,
            launched: None,
            locked: false,
            folders: None,
        };
        if let Err(ProfileError(found)) = load(&request) {
            panic!("{name}: {found:#?}");
        }
    }
}

#[test]
fn family_is_laid_over_base() {
    let store = FileStore::local("/nowhere");
    let request = Request {
        name: "family",
        store: &store,
        facts: &laptop(),
        sets: &BTreeMap::new(),
        lenient: true,
        metadata: None,
        launched: None,
        locked: false,
        folders: None,
    };
    let profile = load(&request).expect("it is sound");
    assert_eq!(
        profile.sources.iter().map(|source| &*source.file).collect::<Vec<_>>(),
        ["built-in:base.toml", "built-in:family.toml"]
    );
    assert_eq!(profile.sections.apt.packages[0].value.name, "jq");
    assert_eq!(profile.sections.apt.packages[0].origin.file, "built-in:base.toml");
    assert!(profile.sections.shell.bashrc.is_some());
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
fn a_mistake_does_not_hide_or_move_other_mistakes() {
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
    assert!(line("`to` is missing").1.contains("the entry may have more mistakes"));
    assert_eq!(found.len(), 5, "{found:#?}");
}

#[test]
fn duplicate_entries_become_one() {
    let twice = "'jq', 'yq', { name = 'jq', optional = true }";
    let profile = load_text(&format!("schema = 1\nname = 'x'\n[apt]\npackages = [{twice}]\n"), &[]).expect("sound");
    let names: Vec<_> =
        profile.sections.apt.packages.iter().map(|entry| (&*entry.value.name, entry.optional)).collect();
    assert_eq!(names, [("jq", false), ("yq", false)]);
}

#[test]
fn optional_entries_of_one_package_keep_its_name_for_the_lock() {
    let optional = |name: &str| format!("{{ name = '{name}', optional = true }}");
    let packages = ["'yq'".to_owned(), optional("libc6:i386"), optional("jq=1"), optional("jq=2")].join(", ");
    let profile = load_text(&format!("schema = 1\nname = 'x'\n[apt]\npackages = [{packages}]\n"), &[]).expect("sound");
    let temp = tempfile::tempdir().expect("a temporary folder");
    let store = FileStore::local(temp.path());
    let node = Node::look(&profile, &store, &laptop(), temp.path(), Vault::default()).expect("an empty node");
    let plan = node.plan(&profile, &laptop(), temp.path());
    let steps: Vec<_> = plan.steps.iter().map(|step| (step.id.0.as_str(), step.optional_entry.as_deref())).collect();
    let expected =
        [("apt", None), ("apt:libc6:i386", Some("libc6:i386")), ("apt:jq", Some("jq")), ("apt:jq#2", Some("jq"))];
    assert_eq!(steps, expected);
}

#[test]
fn a_system_that_cannot_be_is_a_mistake() {
    let of = |os: &str| {
        let text = format!("schema = 1\nname = 'x'\n[apt]\npackages = [{{ name = 'jq', when = {{ os = '{os}' }} }}]\n");
        load_text(&text, &[])
    };
    assert!(of("ubuntu-22.04").is_ok() && of("jammy").is_ok());
    let found = of("ubuntu22.04").expect_err("nothing is called so").0;
    assert_eq!(found[0].message, "`ubuntu22.04` is not an operating system");
    assert_eq!(found[0].hint.as_deref(), Some("did you mean `ubuntu-22.04`?"));
}

#[test]
fn a_missing_name_does_not_hide_other_mistakes() {
    let found = messages(load_text("schema = 1\n[apt]\npackages = ['-y']\n", &[]));
    assert_eq!(found.len(), 2, "{found:#?}");
}

#[test]
fn windows_line_ends_and_a_byte_order_mark_do_no_harm() {
    let profile = load_text("\u{feff}schema = 1\r\nname = 'x'\r\n[apt]\r\npackages = ['jq']\r\n", &[]).expect("sound");
    assert_eq!(profile.sections.apt.packages[0].origin.line, 4);
    let text = "schema = 1\r\nname = 'x'\r\n[shell]\r\nbashrc.text = \"\"\"\r\na\r\nb\r\n\"\"\"\r\n";
    let bashrc = load_text(text, &[]).expect("sound").sections.shell.bashrc.expect("given");
    assert_eq!(bashrc.value.content, Content::Inline("a\nb\n".to_owned()));
}

#[test]
fn one_file_by_two_paths_is_one_file() {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let path = temp.path().join("a/x.toml");
    let text = "schema = 1\nname = 'x'\nextends = ['../a/x.toml']\n";
    crate::fs::replace(&path, text.as_bytes(), crate::fs::Attributes::default()).expect("written");
    let (store, name) = (FileStore::local(temp.path()), path.to_string_lossy().into_owned());
    let request = Request {
        name: &name,
        store: &store,
        facts: &laptop(),
        sets: &BTreeMap::new(),
        lenient: false,
        metadata: None,
        launched: None,
        locked: false,
        folders: None,
    };
    let found = load(&request).expect_err("a circle").0;
    assert_eq!(found.len(), 1, "{found:#?}");
}

#[test]
fn the_command_line_overrides_a_variable_and_may_not_invent_one() {
    let text = "schema = 1\nname = 'x'\n[vars]\npkg = 'jq'\n[apt]\npackages = ['${vars.pkg}']\n";
    assert_eq!(load_text(text, &[("pkg", "yq")]).expect("sound").sections.apt.packages[0].value.name, "yq");
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
    let request = Request {
        name: "b",
        store: &store,
        facts: &facts,
        sets: &BTreeMap::new(),
        lenient: false,
        metadata: None,
        launched: None,
        locked: false,
        folders: None,
    };
    let secrets = load(&request).expect("it is sound").sections.secrets;
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
    let found = load(&Request {
        name: "a",
        store: &store,
        facts: &laptop(),
        sets: &BTreeMap::new(),
        lenient: false,
        metadata: None,
        launched: None,
        locked: false,
        folders: None,
    })
    .expect_err("a circle")
    .0;
    assert_eq!(found[0].message, "`a` extends itself");
}

#[test]
fn the_files_of_a_folder_in_a_bucket_are_those_of_the_lock() {
    let text = "schema = 1\nname = \"x\"\n[apt]\ndebs = [\"s3://firm/debs/\"]\n[cert]\nfiles = [{ url = \
                \"gs://firm/certs/\" }]\n[files]\n\"/etc/x/\" = \"abfss://tools@firm.dfs.core.windows.net/conf/\"\n";
    let listed = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let folders = BucketFolders::from([
        ("s3://firm/debs/".into(), listed(&["a_1_all.deb", "notes.txt", "old/b_1_all.deb"])),
        ("gs://firm/certs/".into(), listed(&["a.pem", "old/b.pem", "README", "ä #1.crt"])),
        ("abfss://tools@firm.dfs.core.windows.net/conf/".into(), listed(&["a", "sub/b"])),
    ]);
    let profile = load_text_with(text, &[], Some(&folders)).expect("sound").sections;
    let debs: Vec<&str> = profile.apt.debs.iter().map(|deb| deb.value.path.as_str()).collect();
    assert_eq!(debs, ["s3://firm/debs/a_1_all.deb", "s3://firm/debs/old/b_1_all.deb"]);
    let certificates: Vec<&str> = profile.cert.files.iter().map(|file| file.value.urls[0].as_str()).collect();
    assert_eq!(certificates, ["gs://firm/certs/a.pem", "gs://firm/certs/%C3%A4%20%231.crt"]);
    let paths: Vec<String> = profile.files.0.keys().map(|path| path.display().to_string()).collect();
    assert_eq!(paths, ["/etc/x/a", "/etc/x/sub/b"]);
    // Without a listing, each folder stays, and a plan refuses it.
    let unlisted = load_text(text, &[]).expect("sound").sections;
    let assets = crate::profile::Sections::assets(&unlisted);
    assert_eq!(assets.iter().filter(|named| named.file.is_bucket_folder()).count(), 3);
}
