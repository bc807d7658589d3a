//! `check` for another node, and the search for profiles.

use crate::support::{NodeTest, agent_in, project};

const R_WHEN_DEDICATED: &str = "[r]\npackages = [{ name = \"plumber\", when = { access-mode = \"dedicated\" } }]\n";

#[test]
fn r_packages_are_an_error_in_standard_access_mode() {
    let node = NodeTest::new().profile("[r]\npackages = [\"plumber\"]\n");
    node.agent(&["check", "x.toml"]).ended(0);
    node.agent(&["check", "x.toml", "--access-mode", "dedicated"]).ended(0);
    let output = node.agent(&["check", "x.toml", "--access-mode", "standard"]).ended(2);
    insta::assert_snapshot!(output.stderr, @r#"
    error: R packages are requested at x.toml:4, but standard access mode has no R

    hint: use a cluster in dedicated access mode, or add `when = { access-mode = "dedicated" }`
    "#);
    let family = agent_in(project(), &["check", "family", "--access-mode", "standard"]).ended(2);
    assert!(family.stderr.contains("built-in:family.toml:31"), "{}", family.stderr);
}

#[test]
fn a_profile_is_named_with_or_without_the_option() {
    let node = NodeTest::new().profile("").work("y.toml", "schema = 1\nname = \"y\"\nunknown = 1\n");
    for arguments in [&["x.toml"][..], &["--profile", "x.toml"], &["-p", "x.toml"], &["--profile", "x.toml", "starter"]]
    {
        node.agent(&[&["check"], arguments].concat()).ended(0);
    }
    let output = node.agent(&["check", "--profile", "x.toml", "--profile", "y.toml"]).ended(2);
    assert!(output.stderr.contains("unknown key `unknown`"), "{}", output.stderr);
    node.agent(&["check"]).ended(2);
}

#[test]
fn the_hint_about_standard_access_mode_works() {
    let node = NodeTest::new().profile(R_WHEN_DEDICATED);
    node.agent(&["check", "x.toml", "--access-mode", "standard"]).ended(0);
}

#[test]
fn options_describe_another_node() {
    let node = NodeTest::new().profile(
        "[apt]\npackages = [\n\
         { name = \"on-drivers\", when = { role = \"driver\" } },\n\
         { name = \"on-workers\", when = { role = \"worker\" } },\n\
         { name = \"in-production\", when = { environment = \"Prod\" } },\n\
         { name = \"in-development\", when = { environment = \"Dev\" } },\n\
         { name = \"on-new-runtimes\", when = { runtime = \">=17\" } },\n\
         { name = \"on-old-runtimes\", when = { runtime = \"<17\" } },\n\
         { name = \"on-jammy\", when = { os = \"jammy\" } },\n\
         { name = \"on-arm\", when = { arch = \"arm64\" } },\n]\n",
    );
    let packages = |options: &[&str]| {
        let output = node.agent(&[&["check", "--show", "x.toml"], options].concat()).ended(0);
        let lines = output.stdout.lines().filter_map(|line| line.trim().strip_prefix('"')?.split('"').next());
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(packages(&["--arch", "amd64"]), [""; 0]);
    let worker = ["--role", "worker", "--environment", "Prod", "--runtime", "17.3", "--arch", "amd64"];
    assert_eq!(packages(&worker), ["on-workers", "in-production", "on-new-runtimes"]);
    let driver = ["--cluster-name", "Dev-Discovery-Family-15.4-x-1", "--role", "driver", "--arch", "arm64"];
    assert_eq!(packages(&driver), ["on-drivers", "in-development", "on-old-runtimes", "on-arm"]);
    assert_eq!(packages(&["--os", "ubuntu-22.04", "--arch", "amd64"]), ["on-jammy"]);
}

#[test]
fn an_impossible_node_is_refused_with_the_valid_values() {
    let node = NodeTest::new().profile("");
    for (option, value, known) in [
        ("--role", "boss", "driver, worker"),
        ("--environment", "prod", "Dev, PreProd, Prod"),
        ("--access-mode", "shared", "dedicated, standard, no-isolation"),
        ("--mode", "x", "Discovery, Operational"),
        ("--os", "windows", "Debian and Ubuntu are known"),
        ("--os", "ubuntu22.04", "did you mean `ubuntu-22.04`?"),
    ] {
        let output = node.agent(&["check", "x.toml", option, value]).ended(2);
        assert!(output.stderr.contains(known), "{}", output.stderr);
    }
    let output = node.agent(&["check", "x.toml", "--runtime", "newest"]).ended(2);
    assert!(output.stderr.contains("such as 17.3"), "{}", output.stderr);
}

#[test]
fn a_profile_of_another_unit_than_the_clusters_is_refused() {
    let node = NodeTest::new().profile("business-unit = \"Family\"\n");
    node.agent(&["check", "x.toml", "--cluster-name", "Prod-Operational-FAMILY-15.4-x-1"]).ended(0);
    let output = node.agent(&["check", "x.toml", "--cluster-name", "Prod-Operational-Finance-15.4-x-1"]).ended(2);
    insta::assert_snapshot!(output.stderr, @r"
    error: the profile `x` belongs to the unit Family, this cluster to Finance

    hint: use a profile of Finance, or a cluster of Family
    ");
    let on_the_node = node.var("DB_CLUSTER_NAME", "Prod-Operational-Finance-15.4-x-1");
    for command in [&["plan"][..], &["run"], &["run", "--dry-run"]] {
        let output = on_the_node.agent(&[command, &["--profile", "x.toml"]].concat()).ended(2);
        assert!(output.stderr.contains("belongs to the unit Family"), "{}", output.stderr);
    }
}

#[test]
fn a_profile_that_extends_a_units_profile_belongs_to_that_unit() {
    let node = NodeTest::new()
        .store("Family/init_scripts/family.toml", "schema = 1\nname = \"family\"\nbusiness-unit = \"Family\"\n")
        .profile("extends = [\"family\"]\n");
    // A profile that extends a profile of a unit belongs to that unit, too.
    node.agent(&["check", "x.toml", "--cluster-name", "Prod-Operational-Finance-15.4-x-1"]).ended(2);
}

#[test]
fn a_variable_that_the_profile_does_not_declare_cannot_be_set() {
    let node = NodeTest::new().profile("[vars]\ntier = \"gold\"\n[shell.variables]\nTIER = \"${vars.tier}\"\n");
    let shown = node.agent(&["check", "--show", "x.toml", "--set", "tier=silver"]).ended(0).stdout;
    assert!(shown.contains("variables.TIER = { value = \"silver\""), "{shown}");
    let output = node.agent(&["check", "x.toml", "--set", "teir=silver"]).ended(2);
    insta::assert_snapshot!(output.stderr, @r"
    error: `--set teir=…` names no variable of the profile

    hint: did you mean `tier`?
    ");
    let output = node.agent(&["check", "x.toml", "--set", "tier"]).ended(2);
    assert!(output.stderr.contains("NAME=VALUE"), "{}", output.stderr);
}

#[test]
fn an_unknown_profile_gets_the_nearest_name_and_a_list() {
    let node = NodeTest::new().store("Admin/init_scripts/nightly.toml", "schema = 1\nname = \"nightly\"\n");
    let output = node.agent(&["check", "famly"]).ended(2);
    node.frozen(|| {
        insta::assert_snapshot!(output.stderr, @"
        error: there is no profile `famly`
          caused by: searched: `[STORE]/Admin/init_scripts`, and the built-in profiles
            the unit of this node is not known, so that no unit's own folder was searched

        hint: did you mean `family`? known profiles: admin, base, consumer, criminal, family, it, nightly, starter
        ");
    });
    let output = node.agent(&["check", "./nowhere/x.toml"]).ended(2);
    insta::assert_snapshot!(output.stderr, @r"
    error: `nowhere/x.toml` could not be read: No such file or directory (os error 2)

    hint: check the path; a name without `/` and `.toml` is looked up in the file store
    ");
}

#[test]
fn without_a_unit_a_units_profile_needs_its_path() {
    let node = NodeTest::new().store("Family/init_scripts/nightly.toml", "schema = 1\nname = \"nightly\"\n");
    let output = node.agent(&["check", "nightly"]).ended(2);
    node.frozen(|| insta::assert_snapshot!(output.stderr, @"
    error: there is no profile `nightly`
      caused by: searched: `[STORE]/Admin/init_scripts`, and the built-in profiles
        the unit of this node is not known, so that no unit's own folder was searched

    hint: the unit Family has one: name it by its path `[STORE]/Family/init_scripts/nightly.toml`, or check it with a `--cluster-name` of the unit
    "));
    node.agent(&["check", "nightly", "--cluster-name", "Prod-Operational-Family-15.4-x-1"]).ended(0);
    node.agent(&["check", "../store/Family/init_scripts/nightly.toml"]).ended(0);
}

#[test]
fn a_units_own_profile_precedes_the_built_in_one() {
    let node = NodeTest::new()
        .store("FAMILY/init_scripts/family.toml", "schema = 1\nname = \"family\"\ndescription = \"our own\"\n");
    let shown = node.agent(&["check", "--show", "family"]).ended(0).stdout;
    assert!(shown.starts_with("# ") && shown.contains("/FAMILY/init_scripts/family.toml"), "{shown}");
}

#[test]
fn files_of_a_profile_are_checked_on_request() {
    let node = NodeTest::new()
        .store("Admin/lib/debs/there.deb", "x")
        .store("Admin/lib/python/changed-1.0-py3-none-any.whl", "x")
        .profile(&format!(
            "[apt]\ndebs = [\"lib/debs/there.deb\", \"lib/debs/gone.deb\"]\n\
             [wheel]\nfiles = [{{ path = \"lib/python/changed-1.0-py3-none-any.whl\", sha256 = \"{}\" }}]\n",
            "0".repeat(64)
        ));
    node.agent(&["check", "x.toml"]).ended(0);
    let output = node.agent(&["check", "--assets", "x.toml"]).ended(2);
    node.frozen(|| insta::assert_snapshot!(output.stderr));
}

#[test]
fn a_file_that_another_entry_creates_need_not_exist() {
    let node = NodeTest::new().store("Admin/lib/agent.tar", "x").profile(
        "[files]\n\"/opt/agent/\" = { from = \"lib/agent.tar\", unpack = true }\n\
         \"/etc/agent/\" = { dir = true }\n\
         \"/usr/local/bin/agent\" = { from = \"/opt/agent/bin/agent\" }\n\
         \"/etc/agent.conf\" = { from = \"/usr/share/agent/agent.conf\", after = [\"files./etc/agent/\"] }\n",
    );
    node.agent(&["check", "--assets", "x.toml"]).ended(0);
    let node = node.profile("[files]\n\"/etc/agent.conf\" = { from = \"/usr/share/agent/agent.conf\" }\n");
    let said = node.agent(&["check", "--assets", "x.toml"]).ended(2).all();
    assert!(said.contains("`/usr/share/agent/agent.conf` is not on this node"), "{said}");
}

#[test]
fn what_every_run_would_refuse_is_noted() {
    let node = NodeTest::new().profile(
        "[files]\n\"/opt/{a,z}\" = { from = \"https://dl.example.org/agent\" }\n\
         \"/opt/m\" = { from = \"https://dl.example.org/other\" }\n\
         [jar]\nfiles = [{ maven = \"org.example:listener:1.0\" }]\n\
         [git]\n\"/opt/src\" = { url = \"https://git.example.org/models.git\", branch = \"main\" }\n\
         \"/opt/tag\" = { url = \"https://git.example.org/models.git\", tag = \"v1\" }\n",
    );
    let output = node.agent(&["check", "x.toml"]).ended(0);
    insta::assert_snapshot!(output.stderr);

    let lock =
        "schema = 1\nserial = 1\nprofile = \"x\"\n\n[[runtimes]]\nos = \"debian 12\"\narch = \"arm64\"\nasks = []\n";
    let git = "[[runtimes.git]]\nfolder = \"/opt/src\"\nurl = \"https://git.example.org/models.git\"\n\
               revision = \"branch main\"\ncommit = \"3f1c5a0d9b7e4c2f8a6d1e0b5c9f7a3d2e4b6c8a\"\n";
    let asset = "[[runtimes.assets]]\npath = \"https://dl.example.org/agent\"\nsize = 1\n";
    let digest = "0".repeat(64);
    let node = node.work("x.lock", &format!("{lock}\n{git}\n{asset}sha256 = \"{digest}\"\n"));
    node.agent(&["check", "x.lock"]).ended(0);
    let said = node.agent(&["check", "x.toml"]).ended(0).stderr;
    assert_eq!(said.lines().count(), 2, "only the other file has no digest: {said}");
    let node = node.work("x.lock", "damaged");
    let said = node.agent(&["check", "x.toml"]).ended(0).stderr;
    assert!(said.starts_with("note: the lock `x.lock` cannot be read"), "{said}");
}

#[test]
fn notes_do_not_depend_on_conditions_and_a_child_replaces_them() {
    let hooks = "[hooks.a]\ncommand = [\"true\"]\nwhen = { role = \"driver\" }\n\
                 [[hooks.b]]\nwhen = { role = \"driver\" }\ncommand = [\"true\"]\nunless = [\"true\"]\n\
                 [[hooks.b]]\ncommand = [\"false\"]\n";
    let node = NodeTest::new().work("parent.toml", &format!("schema = 1\nname = \"parent\"\n{hooks}"));
    let output = node.agent(&["check", "parent.toml", "--role", "worker"]).ended(0);
    insta::assert_snapshot!(output.stderr, @r"
    note: the hook `a` at parent.toml:3 has no check, so it runs once for each content; `creates`, `unless` or `version` would prove its result
    note: the hook `b` at parent.toml:10 has no check, so it runs once for each content; `creates`, `unless` or `version` would prove its result
    1 profile sound
    ");
    let node = node.profile(
        "extends = [\"parent.toml\"]\n[hooks]\na = { command = [\"true\"], creates = \"/x\" }\n\
         b = { command = [\"true\"], unless = [\"true\"] }\n",
    );
    assert_eq!(node.agent(&["check", "x.toml"]).ended(0).stderr, "1 profile sound\n");
}

#[test]
fn a_reference_to_another_variable_is_noted() {
    let node = NodeTest::new().profile("[env.variables]\nHOME_BIN = \"$HOME/bin\"\n[shell.variables]\nX = \"5$\"\n");
    let said = node.agent(&["check", "x.toml"]).ended(0).stderr;
    let expected =
        "note: the value of `HOME_BIN` at x.toml:4 contains `$HOME`, which stays as it is: values are literal\n";
    assert_eq!(said, format!("{expected}1 profile sound\n"));
    let node = node
        .work("parent.toml", "schema = 1\nname = \"parent\"\n[env.variables]\nHOME_BIN = \"$HOME/bin\"\n")
        .profile("extends = [\"parent.toml\"]\n[env.variables]\nHOME_BIN = { absent = true }\n");
    assert_eq!(node.agent(&["check", "x.toml"]).ended(0).stderr, "1 profile sound\n");
}

#[test]
fn quiet_prints_no_summary() {
    let node = NodeTest::new().profile("");
    assert_eq!(node.agent(&["check", "-q", "x.toml"]).ended(0).all(), "");
}

#[test]
fn the_output_of_check_show_is_toml() {
    for path in crate::support::entries(&project().join("tests/fixtures/profiles/good")) {
        let name = path.to_str().expect("UTF-8");
        let shown = agent_in(project(), &["check", "--show", name, "--cluster-name", "Prod-Discovery-Family-15.4"]);
        let shown = shown.ended(0).stdout;
        if let Err(error) = shown.parse::<toml::Table>() {
            panic!("{name}: {error}\n{shown}");
        }
    }
}

#[test]
fn texts_with_values_that_are_unknown_here_are_not_judged() {
    let node = NodeTest::new().profile(
        "when = { role = \"worker\" }\n[vars]\nversion = \"1.2\"\nhome = { env = \"NODE_HOME\" }\n\
         [pip]\npackages = [\"x==${vars.version}\"]\n[files]\n\"${vars.home}/z\" = { text = \"x\" }\n\
         \"${node.site-packages}/a.py\" = { text = \"x\" }\n",
    );
    node.agent(&["check", "x.toml"]).ended(0);
    let node = node.profile("[files]\n\"etc/${node.site-packages}\" = { text = \"${vars.none}\" }\n");
    let said = node.agent(&["check", "x.toml"]).ended(2).all();
    assert!(said.contains("`${vars.none}` is not a known value"), "{said}");
}

#[test]
fn a_folder_in_a_bucket_without_a_lock_is_noted() {
    let folder = "s3://firm-artifacts/authorities/";
    let node = NodeTest::new().work("x.toml", &format!("schema = 1\nname = \"x\"\n[cert]\nfiles = [\"{folder}\"]\n"));
    let said = node.agent(&["check", "x.toml"]).ended(0).stderr;
    let noted = format!("note: no lock has the files of the folder `{folder}` at x.toml:4, so a run is refused; run");
    assert!(said.contains(&noted), "{said}");
    let refused = node.agent(&["plan", "--profile", "./x.toml"]).ended(2).stderr;
    assert!(refused.contains(&format!("no lock has the files of the folder `{folder}`")), "{refused}");

    let section = "schema = 1\nserial = 1\nprofile = \"x\"\n[[runtimes]]\nos = \"debian 12\"\narch = \"arm64\"\nasks = \
                   []\n[[runtimes.folders]]\n";
    let lock = |path: &str, name: &str| format!("{section}path = \"{path}\"\nfiles = [\"{name}\"]\n");
    let node = node.work("x.lock", &lock(folder, "a.pem"));
    node.agent(&["check", "x.lock"]).ended(0);
    let said = node.agent(&["check", "x.toml"]).ended(0).stderr;
    assert!(!said.contains("note:"), "{said}");
    for (path, name) in [(folder, "../a.pem"), (folder, "/etc/a.pem"), (folder, "a\\u001b.pem"), ("https://x/", "a")] {
        let refused = node.beside("desk/y.lock");
        crate::support::put(&refused, &lock(path, name));
        let said = node.agent(&["check", "y.lock"]).ended(2).stderr;
        assert!(
            said.contains("is not the name of a file in a folder") || said.contains("is not the address of"),
            "{said}"
        );
    }
}

#[test]
fn values_that_may_be_secret_are_shown_in_no_form_of_the_output() {
    const VALUE: &str = "hunter2-hunter3";
    for text in [
        format!("[secrets]\nsource = \"env\"\nscope = \"s\"\nvalue = \"{VALUE}\"\n"),
        format!("[secrets]\nvalue = \"\"\"\n{VALUE}\n\"\"\"\n"),
        format!("[secrets]\nitems = [{{ value = '{VALUE}' }}]\n"),
        format!("secrets.db.value = \"{VALUE}\"\n"),
        format!("[secrets]\nvalue = {VALUE} x\n"),
        format!("[secrets]\nvalue = \"{VALUE}\n"),
        format!("[secrets]\nkey = \"{VALUE}/x\"\n"),
        format!("[[logins]]\npassword = \"{VALUE}\"\n"),
        format!("[vars]\ndb-password = [\"{VALUE}\"]\n"),
        format!("[shell.variables]\nDB_PASSWORD = \"{VALUE}\\n\"\n"),
        "[secrets]\nkey = \"\\u0068unter2-hunter3/x\"\n".to_owned(),
        format!("[\"secrets\"]\nvalue = \"{VALUE}\"\n"),
        format!("[[\"secrets\".items]]\nvalue = \"{VALUE}\"\n"),
        format!("[vars]\ntoken = \"{VALUE}\"\n[apt]\npackages = [\"a/${{vars.token}}\"]\n"),
    ] {
        let node = NodeTest::new().work("y.toml", &format!("schema = 1\nname = \"y\"\n{text}"));
        for arguments in [&["check", "y.toml"][..], &["check", "--json", "y.toml"], &["plan", "--profile", "y.toml"]] {
            let output = node.agent(arguments).ended(2);
            let shown = format!("{}{}", output.stdout, output.stderr);
            assert!(!shown.contains("hunter"), "{text}\n{shown}");
        }
    }
    let node = NodeTest::new().profile(&format!("[shell.variables]\nDB_PASSWORD = \"{VALUE}\"\nUSER_NAME = \"ann\"\n"));
    let output = node.agent(&["check", "--show", "x.toml"]).ended(0);
    assert!(
        output.stdout.contains("DB_PASSWORD = { value = \"…\"") && output.stdout.contains("\"ann\""),
        "{}",
        output.stdout
    );
}
