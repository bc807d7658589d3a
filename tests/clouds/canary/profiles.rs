//! The profiles of the canary: a step of each kind, and secrets from each source.

use super::scene::{Scene, write};
use crate::support::TOKEN_OF_FAMILY;

const STEPS: &str = r#"
[apt]
packages = ["jq"]

[pip]
packages = ["probe"]
smoke = ["probe"]

[r]
repos = ["https://cran.example.org/"]
sources = ["probe_1.0.tar.gz"]

[shell]
bashrc = { text = "export TIER=gold" }
"#;

const MORE_VARIABLES: &str = r#"
[[secrets.items]]
key = "blocked"
optional = true
to = { file = "/run/blocked" }

[[secrets.items]]
key = "plain"
to = { env-file = "family.env", variable = "PLAIN" }

[[secrets.items]]
key = "plain"
to = { pgpass = "~/.pgpass", host = "db.example.org", user = "read_only" }

[[secrets.items]]
key = "plain"
to = { netrc = "~/.netrc", machine = "files.example.org", login = "reader" }

[[secrets.items]]
key = "plain"
to = { git-credentials = "~/.git-credentials", url = "https://git.example.org", user = "reader" }

[[secrets.items]]
key = "plain"
to = { index = "https://pypi.example.org/simple", user = "reader" }

[[secrets.templates]]
file = "family.ini"
text = "[family]\ntoken = ${secret.token}\nplain = ${secret.plain}\n"
"#;

/// A profile with a step of each kind.
pub(super) fn profile(name: &str, body: &str) -> String {
    format!("schema = 1\nname = \"{name}\"\n{STEPS}{body}")
}

/// A profile for each source of secrets, one without the right to its secret, and one with a mistake.
pub(super) fn write_profiles(scene: &Scene) {
    let vault = scene.node.beside("values").display().to_string();
    write(&scene.node.beside("desk/x.toml"), profile("x", &format!("{TOKEN_OF_FAMILY}{MORE_VARIABLES}")).as_bytes());
    let from_files = format!(
        "[secrets]\nsource = \"file\"\npath = \"{vault}\"\nscope = \"family\"\nitems = [\
         {{ key = \"file\", to = {{ file = \"/run/nodeagent/secrets/key\" }} }},\
         {{ key = \"bytes\", to = {{ file = \"/run/nodeagent/secrets/bytes\" }} }}]\n"
    );
    write(&scene.node.beside("desk/y.toml"), profile("y", &from_files).as_bytes());
    let from_workspace = |scope: &str| {
        format!(
            "[secrets]\nsource = \"databricks\"\nscope = \"{scope}\"\nitems = [{{ key = \"analytics-read-only\", \
             to = {{ file = \"/run/nodeagent/secrets/analytics\" }} }}]\n"
        )
    };
    write(&scene.node.beside("desk/z.toml"), profile("z", &from_workspace("family")).as_bytes());
    write(&scene.node.beside("desk/z-refused.toml"), profile("z", &from_workspace("criminal")).as_bytes());
    write(
        &scene.node.beside("desk/bad.toml"),
        b"schema = 1\nname = \"bad\"\n[apt]\npackages = [\"${env.FAMILY_TOKEN}\"]\n",
    );
}
