//! Settings and variables, read by a real Spark: the driver of an application reports them.

use std::{fmt::Write as _, path::PathBuf, process::Command};

use serde_json::{Map, Value, json};

use crate::{
    server::{clients, program},
    support::{MARKER, NodeTest, put},
};

const CONF: &str = "usr/lib/spark/conf";

/// Texts with everything that a shell, a file of properties or Spark could interpret.
const TEXTS: [&str; 9] = [
    "com.firm.Metrics",
    "a = b : c # d ! e",
    "#=:!",
    "a\"b'c `id` $(id) \\$x",
    "$HOME ${HOME} ${env:HOME} ${spark.app.name} ${?x}",
    "C:\\new\\u0041 \\\\x \\",
    "é ☃ 𝄞 \u{a0}x\u{a0}",
    "\n\rx\r\n",
    "two\nlines\ttab\rreturn\u{b}x\u{1}y",
];
/// A text with white space around it. `spark-defaults.conf` cannot represent it.
const SPACES: &str = " a\n";

/// Prints settings and variables of the driver as JSON. Arguments: keys of settings, `--`, names of variables.
const DRIVER: &str = r#"
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.util.*;
import org.apache.spark.sql.SparkSession;
public class Driver {
    public static void main(String[] arguments) throws Exception {
        SparkSession spark = SparkSession.builder().getOrCreate();
        Map<String, String> found = new TreeMap<>();
        boolean isVariable = false;
        for (String name : List.of(arguments).subList(1, arguments.length)) {
            if (name.equals("--")) isVariable = true;
            else found.put(name, isVariable ? System.getenv(name) : spark.conf().get(name));
        }
        Files.writeString(Path.of(arguments[0]), new ObjectMapper().writeValueAsString(found), StandardCharsets.UTF_8);
        spark.stop();
    }
}
"#;

/// The home of Spark.
fn home() -> PathBuf {
    let mut python = program(clients().join("bin/python"));
    python.args(["-c", "import os, pyspark; print(os.path.dirname(pyspark.__file__))"]);
    PathBuf::from(output(python).trim())
}

fn output(mut command: Command) -> String {
    let output = command.output().expect("it starts");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Compiles the application.
fn application(node: &NodeTest) -> PathBuf {
    let (source, classes) = (node.beside("Driver.java"), node.beside("classes"));
    put(&source, DRIVER);
    let mut javac = program("javac");
    javac.arg("-cp").arg(home().join("jars/*")).arg("-d").arg(&classes).arg(source);
    output(javac);
    let jar = node.beside("driver.jar");
    let mut archiver = program("jar");
    archiver.args(["--create", "--file"]).arg(&jar).arg("-C").arg(classes).arg(".");
    output(archiver);
    jar
}

/// The values of settings and variables in the driver. `/run` is that of the node, in a mount namespace.
fn seen(node: &NodeTest, jar: PathBuf, settings: &[String], variables: &[String]) -> Value {
    let answer = node.beside("seen.json");
    let mut spark = program("unshare");
    spark.args(["--map-root-user", "--mount", "sh", "-c", "mount --bind \"$1\" /run && shift && exec \"$@\"", "sh"]);
    spark.arg(node.root().join("run")).arg(home().join("bin/spark-submit")).args(["--class", "Driver"]).arg(jar);
    spark.arg(&answer).args(settings).arg("--").args(variables).current_dir(node.beside("desk"));
    spark.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("SPARK_HOME", home());
    spark.env("SPARK_CONF_DIR", node.root().join(CONF)).env("HOME", node.beside("desk")).env("LC_ALL", "C.UTF-8");
    output(spark);
    let text = std::fs::read(answer).expect("the driver has written it");
    serde_json::from_slice(&text).expect("JSON")
}

/// A string of TOML with a literal text.
fn literal(text: &str) -> String {
    json!(text).to_string().replace("${", "$${")
}

#[test]
fn the_driver_of_a_spark_application_has_the_settings_and_the_variables() {
    let mut expected = Map::new();
    let (mut settings, mut variables) = (String::new(), String::new());
    for (index, text) in TEXTS.iter().enumerate() {
        let _ = writeln!(settings, "\"spark.text.k{index}\" = {}", literal(text));
        expected.insert(format!("spark.text.k{index}"), json!(text));
    }
    for (index, text) in [&TEXTS[..], &[SPACES, ""]].concat().iter().enumerate() {
        let _ = writeln!(variables, "TEXT{index} = {}", literal(text));
        expected.insert(format!("TEXT{index}"), json!(text));
    }
    let profile = format!(
        "[secrets]\nsource = \"env\"\nscope = \"family\"\n[spark-conf.settings]\n{settings}\
         \"spark.number\" = 42\n\"spark.truth\" = false\n\
         \"spark.hadoop.javax.jdo.option.ConnectionPassword\" = {{ secret = \"token\" }}\n\
         [env]\nto = [\"spark\"]\n[env.variables]\n{variables}\
         KEY = {{ secret = \"token\" }}\nMINE_PATH = {{ prepend = \"/opt/firm\" }}\nOLD = {{ absent = true }}\n"
    );
    for (name, value) in [
        ("spark.number", json!("42")),
        ("spark.truth", json!("false")),
        ("spark.hadoop.javax.jdo.option.ConnectionPassword", json!(MARKER)),
        ("spark.mine", json!("yes")),
        ("KEY", json!(MARKER)),
        ("MINE", json!("x y")),
        ("MINE_PATH", json!("/opt/firm:/opt/mine")),
        ("OLD", Value::Null),
    ] {
        expected.insert(name.to_owned(), value);
    }
    let defaults = "spark.number 1\nspark.mine yes\nspark.master local[1]\nspark.ui.enabled false\n";
    let own = "export MINE='x y'\nexport MINE_PATH=/opt/mine\nexport OLD=1\nexport SPARK_LOCAL_IP=127.0.0.1\n";
    let node = NodeTest::new()
        .file(&format!("{CONF}/spark-defaults.conf"), defaults)
        .file(&format!("{CONF}/spark-env.sh"), own)
        .var("SPARK_HOME", "/usr/lib/spark")
        .var("FAMILY_TOKEN", MARKER)
        .profile(&profile);
    node.agent(&["run", "--profile", "x.toml"]).ended(0);

    let (settings, variables) = expected.keys().cloned().partition::<Vec<_>, _>(|name| name.starts_with("spark."));
    let found = seen(&node, application(&node), &settings, &variables);
    assert_eq!(found, Value::Object(expected));
}
