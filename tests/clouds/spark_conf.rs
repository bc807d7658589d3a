//! Settings of Spark, read by a HOCON parser and by `java.util.Properties`, which Spark uses.

use std::{collections::BTreeMap, fmt::Write as _};

use crate::{
    server::{client, program},
    support::NodeTest,
};

const PASSWORD: &str = "p\"w\\d $x ${y} #é\tz'";
/// Texts with everything that a parser could interpret.
const TEXTS: [&str; 8] = [
    "com.firm.Metrics",
    "a\"b'c",
    "$HOME ${HOME} ${?x}",
    "back\\slash \\n",
    "two\nlines\ttab\rreturn",
    "é ☃ # ! // x",
    "=a:b",
    "[1, 2] {}",
];

/// Prints each setting of a file as `KEY HEX`.
const READ_HOCON: &str = r##"
import sys
from pyhocon import ConfigFactory
text = open(sys.argv[1], encoding="utf-8").read()
head, _, body = text.partition("[driver] ")
assert all(line.startswith("#") or not line for line in head.split("\n")), head
for key, value in ConfigFactory.parse_string(body).items():
    print(key.strip('"'), value.encode().hex() or "-")
"##;
const READ_PROPERTIES: &str = r#"
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.util.*;
public class Read {
    public static void main(String[] arguments) throws Exception {
        Properties properties = new Properties();
        properties.load(Files.newBufferedReader(Path.of(arguments[0]), StandardCharsets.UTF_8));
        for (String key : properties.stringPropertyNames()) {
            byte[] value = properties.getProperty(key).getBytes(StandardCharsets.UTF_8);
            System.out.println(key + " " + HexFormat.of().formatHex(value));
        }
    }
}
"#;

fn settings(mut command: std::process::Command) -> BTreeMap<String, String> {
    let output = command.output().expect("it starts");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    lines.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

fn hex(text: &str) -> String {
    text.bytes().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[test]
fn parsers_of_hocon_and_properties_read_the_same_settings() {
    let mut profile = "[spark-conf]\nto = [\"driver\", \"defaults\"]\n[spark-conf.settings]\n".to_owned();
    for (index, text) in TEXTS.iter().enumerate() {
        let text = serde_json::to_string(text).expect("text").replace("${", "$${");
        let _ = writeln!(profile, "\"spark.text.k{index}\" = {text}");
    }
    profile += "\"spark.number\" = 42\n\"spark.truth\" = true\n\
        \"spark.hadoop.javax.jdo.option.ConnectionPassword\" = { secret = \"metastore\" }\n\
        [secrets]\nsource = \"env\"\nscope = \"family\"\n";
    let node = NodeTest::new()
        .file("databricks/driver/conf/zz.conf", "[driver] {\n  \"spark.number\" = \"1\"\n}\n")
        .file("databricks/spark/conf/spark-defaults.conf", "spark.number 1\nspark.mine yes\n")
        .var("FAMILY_METASTORE", PASSWORD)
        .work("Read.java", READ_PROPERTIES)
        .profile(&profile);
    node.agent(&["run", "--profile", "x.toml"]).ended(0);
    let [driver, defaults] = ["databricks/driver/conf/00-nodeagent.conf", "databricks/spark/conf/spark-defaults.conf"];
    assert_eq!((node.mode(driver), node.mode(defaults)), (0o600, 0o600));
    let with_secret = node.files_with("$x ${y} #é");
    let is_there = with_secret.len() == 2 && with_secret[0].ends_with(driver) && with_secret[1].ends_with(defaults);
    assert!(is_there, "the secret is in its files alone: {with_secret:?}");

    let mut expected: BTreeMap<String, String> =
        TEXTS.iter().enumerate().map(|(index, text)| (format!("spark.text.k{index}"), hex(text))).collect();
    let others = [
        ("spark.number", "42"),
        ("spark.truth", "true"),
        ("spark.hadoop.javax.jdo.option.ConnectionPassword", PASSWORD),
    ];
    expected.extend(others.map(|(key, text)| (key.to_owned(), hex(text))));
    let mut python = client("python");
    python.args(["-c", READ_HOCON]).arg(node.root().join(driver));
    assert_eq!(settings(python), expected, "HOCON");
    expected.insert("spark.mine".to_owned(), hex("yes"));
    let mut java = program("java");
    java.arg(node.beside("desk/Read.java")).arg(node.root().join(defaults));
    assert_eq!(settings(java), expected, "properties");
    assert!(node.agent(&["run", "--profile", "x.toml"]).ended(0).all().contains("nothing to do"));

    // Without the section, nothing of it is left.
    let node = node.profile("[vars]\nx = 1\n");
    node.agent(&["run", "--profile", "x.toml"]).ended(0);
    assert_eq!(node.read(defaults), "spark.number 1\nspark.mine yes\n");
    assert!(!node.root().join(driver).exists());
}
