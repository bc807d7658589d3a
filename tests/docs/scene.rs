//! A node and a file store for the command lines of the documents.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use nodeagent::digest::Digest;

use crate::{
    command_lines::CommandLine,
    pages::{page, project},
    support::{CommandOutput, NodeTest, entries, put},
};

/// The profile that the documents call `family`.
const PROFILE: &str = r#"
schema = 1
name = "family"
business-unit = "Family"

[vars]
cran = "https://cloud.r-project.org/"

[apt]
packages = ["jq"]

[pip]
packages = ["nltk"]

[r]
repos = ["${vars.cran}"]
packages = ["plumber"]

[shell]
bashrc = { text = "alias ll='ls -l'" }

[secrets]
source = "env"
scope = "family"

[[secrets.items]]
key = "analytics-read-only"
to = { file = "analytics-read-only" }
"#;

/// A node on which the commands of the documents can run: packages are installed, profiles, keys, locks and reports
/// exist.
pub(crate) struct Scene(NodeTest);

impl Scene {
    pub(crate) fn new() -> Self {
        let tutorial = page("docs/tutorial.md");
        let tutorial = block(&tutorial, "```toml\n");
        let access = page("docs/access.md");
        let access = block(&access, "```toml access\n");
        let mut node = NodeTest::new()
            .debs(&[("jq", "1.6-2.1")])
            .python(&[("humanize", "4.9.0"), ("nltk", "3.9.1"), ("pip", "23.0.1")])
            .r(&[("plumber", "1.2.1")])
            .var("FAMILY_ANALYTICS_READ_ONLY", "marker-hunter2")
            .store("Admin/init_scripts/access.toml", access)
            .store("Family/init_scripts/family.toml", PROFILE)
            .store("Family/init_scripts/family.lock", &lock())
            .work("x.toml", PROFILE)
            .work("family.toml", PROFILE)
            .work("family.lock", &lock())
            .work("access.toml", access)
            .work("tutorial.toml", tutorial)
            .work("Admin/init_scripts/base.toml", "schema = 1\nname = \"base\"\n")
            .work("filestore/Admin/init_scripts/tutorial.toml", tutorial);
        for path in entries(&project().join("profiles")) {
            let name = path.file_name().expect("a file").to_string_lossy().into_owned();
            node = node.work(&format!("profiles/{name}"), &fs::read_to_string(&path).expect("UTF-8"));
        }
        let scene = Self(node);
        for folder in ["outside/Volumes/it/tools/store", "outside/Volumes/it/ops/reports", "home/keys", "bin"] {
            fs::create_dir_all(scene.0.beside(folder)).expect("the folder can be created");
        }
        // The program that `secrets exec` starts.
        let python = scene.0.beside("bin/python");
        put(&python, "#!/bin/sh\ntest \"$1\" = job.py && test \"$FAMILY_ANALYTICS_READ_ONLY\" = marker-hunter2\n");
        fs::set_permissions(&python, fs::Permissions::from_mode(0o755)).expect("the file is ours");
        let path = format!("{}:/usr/bin:/bin", scene.0.beside("bin").display());
        Self(scene.0.search_path(&path))
    }

    /// The scene for one command line.
    pub(crate) fn of(line: &CommandLine) -> Self {
        let mut scene = Self::new();
        if line.text().contains("key") {
            scene.sign();
        }
        match line.words[0].as_str() {
            // It runs on a laptop.
            "check" => scene,
            "report" => {
                scene.0.agent(&["run", "--profile", "starter", "--quiet"]).ended(0);
                scene
            }
            _ => {
                scene.0 = scene.0.var("DB_CLUSTER_NAME", "Prod-Operational-Family-17.3-nightly-1");
                scene
            }
        }
    }

    /// Creates the key of the documents and signs the files that they verify.
    pub(crate) fn sign(&self) {
        let text = |path: PathBuf| path.display().to_string();
        let key = text(self.0.beside("home/keys/platform.key"));
        self.0.agent(&["sign", "--generate", &key, "--no-password"]).ended(0);
        let store = |path: &str| text(self.0.beside("store").join(path));
        let files = ["family.toml", "family.lock"].map(|file| store(&format!("Family/init_scripts/{file}")));
        let access = store("Admin/init_scripts/access.toml");
        self.0.agent(&["sign", &files[0], &files[1], &access, "family.toml", "--key", &key]).ended(0);
        fs::create_dir_all(self.0.beside("outside/secure")).expect("the folder can be created");
        for (from, to) in [("platform.key", "admin.key"), ("platform.key.pub", "admin.pub")] {
            let key = fs::read_to_string(self.0.beside("home/keys").join(from)).expect("UTF-8");
            put(&self.0.beside("outside/secure").join(to), &key);
        }
    }

    /// The arguments with files of the machine replaced by files of the scene, and with patterns expanded.
    pub(crate) fn arguments(&self, line: &CommandLine) -> Vec<String> {
        let mut arguments = Vec::new();
        for word in &line.words {
            if let Some(path) = word.strip_prefix("~/") {
                arguments.push(self.0.beside("home").join(path).display().to_string());
            } else if let Some(path) = word.strip_prefix('/') {
                arguments.push(self.0.beside("outside").join(path).display().to_string());
            } else if let Some(folder) = word.strip_suffix("/*.toml") {
                let folder = Path::new(folder);
                let files = entries(&self.0.beside("desk").join(folder));
                let files = files.iter().filter(|file| file.extension().is_some_and(|ending| ending == "toml"));
                arguments
                    .extend(files.map(|file| folder.join(file.file_name().expect("a file")).display().to_string()));
            } else {
                arguments.push(word.clone());
            }
        }
        arguments
    }

    /// Runs a command line.
    pub(crate) fn run(&self, line: &CommandLine) -> CommandOutput {
        let arguments = self.arguments(line);
        self.0.agent(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

/// The text of a page's first block that begins with a mark.
fn block<'p>(page: &'p str, mark: &str) -> &'p str {
    let rest = page.split(mark).nth(1).expect("the page has the block");
    rest.split("```").next().expect("split gives one part at least")
}

/// A lock of the family profile.
fn lock() -> String {
    let sha256 = Digest::sha256(PROFILE.as_bytes());
    let (arch, digest) = (if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" }, sha256.hex());
    format!(
        r#"schema = 1
serial = 1
profile = "family"

[[files]]
path = "Family/init_scripts/family.toml"
sha256 = "{digest}"

[[runtimes]]
os = "debian 12"
arch = "{arch}"
runtime = "17.3"
python-version = "3.11"
r-version = "4.2.2"
asks = ["apt jq", "pip nltk", "r from https://cloud.r-project.org/", "r plumber"]

[[runtimes.apt]]
name = "jq"
version = "1.6-2.1"
arch = "{arch}"
file = "jq.deb"
url = "http://127.0.0.1:9/jq.deb"
size = 1
sha256 = "{digest}"

[[runtimes.python]]
name = "nltk"
version = "3.9.1"
file = "nltk-3.9.1-py3-none-any.whl"
url = "http://127.0.0.1:9/nltk-3.9.1-py3-none-any.whl"
sha256 = "{digest}"

[[runtimes.r]]
name = "plumber"
version = "1.2.1"
url = "http://127.0.0.1:9/plumber_1.2.1.tar.gz"
sha256 = "{digest}"
"#
    )
}
