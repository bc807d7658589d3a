//! Secrets of AWS and Azure, written by official clients and read by identities with and without the right to them.

use std::fs;

use serde_json::json;

use super::{
    profiles::profile,
    scene::{Scene, in_logs, write},
};
use crate::{
    aws::{Aws, Key, REGION},
    azure::{Azure, SECRET},
};
use nodeagent::redact::REDACTED;

/// The variables of an identity.
type Identity = Vec<(&'static str, String)>;

/// A source of secrets, with identities that it allows and refuses.
struct Source<'a> {
    name: &'static str,
    /// The address of the source as fields of `[secrets]` and as options of commands.
    fields: String,
    options: Vec<&'a str>,
    /// The name and the value of the secret.
    key: &'static str,
    marker: (&'static str, String),
    allowed: &'a Identity,
    /// Identities and names that are refused.
    refused: Vec<(&'a Identity, &'static str)>,
}

impl Source<'_> {
    /// Writes a profile with one secret.
    fn write_profile(&self, scene: &Scene, file: &str, key: &str, with_steps: bool) {
        let Self { name, fields, .. } = self;
        let secrets = format!(
            "[secrets]\nsource = \"{name}\"\nscope = \"family\"\n{fields}\n[[secrets.items]]\nkey = \"token\"\n\
             name = \"{key}\"\nto = {{ file = \"/run/nodeagent/secrets/of-a-cloud\" }}\n"
        );
        let text = if with_steps { profile("x", &secrets) } else { format!("schema = 1\nname = \"x\"\n{secrets}") };
        write(&scene.node.beside("desk").join(file), text.as_bytes());
    }

    fn play(&self, scene: &mut Scene) {
        let store = scene.node.beside("store").display().to_string();
        let reports = scene.node.beside("reports").display().to_string();
        let (marker, value) = &self.marker;
        scene.tools_find(&[marker]);
        scene.undo();
        self.write_profile(scene, "x.toml", self.key, true);
        let place = [&["--source", self.name, "--scope", "family"], &self.options[..]].concat();
        for (fails, arguments, code) in [
            ("", &["plan", "--profile", "x.toml"][..], 0),
            ("", &["secrets", "test", "--profile", "x.toml", "--json"], 0),
            ("", &[&["secrets", "list"], &place[..]].concat(), 0),
            ("", &["auth", "whoami", "--json"], 0),
            ("", &["run", "--profile", "x.toml", "--json", "--report-to", &reports], 0),
        ] {
            scene.fails(fails);
            let seen = scene.call(&store, self.allowed, arguments);
            let stderr = String::from_utf8_lossy(&seen.stderr);
            assert_eq!(seen.code, Some(code), "{} {arguments:?}: {stderr}", self.name);
        }
        assert_eq!(scene.node.read("run/nodeagent/secrets/of-a-cloud"), *value, "{}", self.name);
        let got = scene.gets(&store, self.allowed, &["secrets", "get", "token", "--profile", "x.toml"]);
        assert_eq!(got, value.as_bytes(), "{}", self.name);
        scene.search_files();
        for (index, (who, key)) in self.refused.iter().enumerate() {
            let file = format!("refused-{index}.toml");
            self.write_profile(scene, &file, key, false);
            for arguments in [
                &["run", "--profile", &file][..],
                &["secrets", "test", "--profile", &file, "--json"],
                &["secrets", "get", "token", "--profile", &file],
            ] {
                let seen = scene.call(&store, who, arguments);
                let stderr = String::from_utf8_lossy(&seen.stderr);
                assert!(matches!(seen.code, Some(1 | 2)), "{} {key} {arguments:?}: {stderr}", self.name);
            }
        }
        scene.undo();
    }
}

/// The environment for these values: the markers of sources, and credentials.
fn scene(values: &[(&'static str, &str)]) -> Scene {
    let values: Vec<_> = values.iter().map(|(name, value)| (*name, value.as_bytes().to_vec())).collect();
    Scene::with_tools(&values)
}

#[test]
fn nothing_of_aws_leaks() {
    #[derive(serde::Deserialize)]
    struct Users {
        reader: Key,
        nobody: Key,
    }
    const STOLEN: &str = "c4n4ry/StolenKey+0123456789abcdefghijklm";
    let markers = [
        ("credstash", "c4n4ry of credstash \"q\" it's p&ss/1%+\\é~end"),
        ("aws-secrets-manager", "{\"password\": \"c4n4ry-of-the-manager\", \"n\": 1}"),
        ("aws-parameter-store", "c4n4ry-of-parameters\nin two lines/+&%"),
    ];
    let aws = Aws::start();
    let values = json!({ markers[0].0: markers[0].1, markers[1].0: markers[1].1, markers[2].0: markers[2].1 });
    write(&aws.folder.path().join("values.json"), values.to_string().as_bytes());
    let Users { reader, nobody } = aws.written("canary");
    aws.enforce();
    let keys = [("key of a reader", &*reader.secret), ("key of nobody", &*nobody.secret), ("stolen key", STOLEN)];
    let mut scene = scene(&[&markers[..], &keys].concat());
    let of = |key: &str, secret: &str| -> Identity {
        vec![
            ("AWS_ENDPOINT_URL", aws.server.url()),
            ("AWS_EC2_METADATA_DISABLED", "true".into()),
            ("AWS_REGION", REGION.into()),
            ("AWS_ACCESS_KEY_ID", key.into()),
            ("AWS_SECRET_ACCESS_KEY", secret.into()),
        ]
    };
    let (allowed, others, thief) =
        (of(&reader.key, &reader.secret), of(&nobody.key, &nobody.secret), of(&reader.key, STOLEN));
    for ((name, value), (key, absent)) in
        markers.into_iter().zip([("canary", "absent"), ("canary", "absent"), ("/canary", "/absent")])
    {
        Source {
            name,
            fields: String::new(),
            options: Vec::new(),
            key,
            marker: (name, value.to_owned()),
            allowed: &allowed,
            refused: vec![(&allowed, absent), (&others, key), (&thief, key)],
        }
        .play(&mut scene);
    }
    scene.delivered = false;
    scene.search_files();
    scene.ended_clean("AWS");
    assert!(in_logs(&scene.node, REDACTED) > 50 && scene.counted.processes > 20, "the tools printed nothing");
}

#[test]
fn nothing_of_azure_leaks() {
    const VALUE: &str = "c4n4ry of a vault \"q\" it's p&ss/1%+\\é~end";
    const WRONG: &str = "c4n4ry~of.nobody-that-is-known-there";
    let azure = Azure::start();
    let tls = format!("https://127.0.0.1:{}", azure.tls);
    let application = Azure::application("tenant", "unit", &tls);
    azure.official("write", &[&tls], &application, &json!([["canary", VALUE]]).to_string());
    // Every token of this server has this prefix.
    let secrets = [("vault", VALUE), ("secret", SECRET), ("wrong secret", WRONG), ("token", "eyJhbGciOiAibm9uZSJ9.")];
    let mut scene = scene(&secrets);
    let with = |secret: &str| -> Identity {
        vec![
            ("AZURE_TENANT_ID", "tenant".into()),
            ("AZURE_CLIENT_ID", "unit".into()),
            ("AZURE_CLIENT_SECRET", secret.into()),
            ("AZURE_AUTHORITY_HOST", tls.clone()),
            ("SSL_CERT_FILE", azure.path("ca.pem").display().to_string()),
        ]
    };
    let (allowed, rejected) = (with(SECRET), with(WRONG));
    let refusals = ["absent", "rbac", "policy", "foreign", "html", "redirected"].map(|key| (&allowed, key));
    Source {
        name: "azure-key-vault",
        fields: format!("vault = \"{tls}\"\n"),
        options: vec!["--vault", &tls],
        key: "canary",
        marker: ("vault", VALUE.to_owned()),
        allowed: &allowed,
        refused: refusals.into_iter().chain([(&rejected, "canary")]).collect(),
    }
    .play(&mut scene);
    scene.delivered = false;
    scene.search_files();
    let log = fs::read_to_string(azure.path("log")).expect("the log");
    assert!(
        log.contains("eyJhbGciOiAibm9uZSJ9.") && log.contains("of.nobody-that-is-known-there"),
        "the server got the credentials"
    );
    scene.ended_clean("Azure");
    assert!(in_logs(&scene.node, REDACTED) > 20 && scene.counted.processes > 10, "the tools printed nothing");
}
