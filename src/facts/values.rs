//! The facts by their names in `${…}`. A fact is read when it is used.

use std::thread::available_parallelism;

use super::{NodeFacts, Role, machine, spark::Spark};

/// Reads a fact. `None` if it is unknown on the node.
type Read = fn(&NodeFacts) -> Option<String>;

/// The facts by name.
const FACTS: [(&str, Read); 27] = [
    ("node.os", |facts| some(&facts.os.id)),
    ("node.os-version", |facts| some(&facts.os.version)),
    ("node.os-codename", |facts| some(&facts.os.codename)),
    ("node.arch", |facts| some(&facts.arch)),
    ("node.machine", |facts| some(machine_name(&facts.arch))),
    ("node.runtime", |facts| facts.runtime.clone()),
    ("node.role", |facts| facts.role.map(|role| role.as_str().to_owned())),
    ("node.is-driver", |facts| facts.role.map(|role| (role == Role::Driver).to_string())),
    ("node.access-mode", |facts| facts.access_mode.map(|mode| mode.as_str().to_owned())),
    ("node.platform", |facts| some(facts.platform.as_str())),
    ("node.cloud", |facts| facts.cloud().map(|cloud| cloud.as_str().to_owned())),
    ("node.ip", NodeFacts::address),
    ("node.hostname", |facts| machine::hostname(&facts.root)),
    ("node.instance-type", NodeFacts::instance_type),
    ("node.cores", |_| available_parallelism().ok().map(|cores| cores.to_string())),
    ("node.memory", |facts| machine::memory(&facts.root).map(|mebibytes| mebibytes.to_string())),
    ("node.spark-version", |facts| facts.spark()?.version()),
    ("node.scala-version", |facts| facts.spark()?.scala()),
    ("cluster.name", |facts| facts.cluster_name.clone()),
    ("cluster.id", |facts| facts.env.get("DB_CLUSTER_ID").cloned()),
    ("cluster.environment", |facts| facts.environment.clone()),
    ("cluster.mode", |facts| facts.mode.clone()),
    ("cluster.business-unit", |facts| facts.business_unit.clone()),
    ("cluster.given-name", |facts| facts.cluster.as_ref()?.given_name.clone()),
    ("cluster.number", |facts| Some(facts.cluster.as_ref()?.number?.to_string())),
    ("cluster.driver-ip", NodeFacts::driver_address),
    ("cluster.is-job", |facts| {
        facts.variable("DB_IS_JOB_CLUSTER").map(|value| value.eq_ignore_ascii_case("true").to_string())
    }),
];

impl NodeFacts {
    /// The names of all facts.
    pub fn names() -> impl Iterator<Item = &'static str> {
        FACTS.iter().map(|(name, _)| *name)
    }

    /// A fact by its name. `None` if it is unknown on the node, or there is no such fact.
    pub fn value(&self, name: &str) -> Option<String> {
        let (_, read) = FACTS.iter().find(|(known, _)| *known == name)?;
        read(self)
    }

    /// A variable of the platform that is set and not empty.
    fn variable(&self, name: &str) -> Option<&str> {
        self.env.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    fn address(&self) -> Option<String> {
        let set = self.variable("DB_CONTAINER_IP").map(str::to_owned);
        set.or_else(|| machine::default_address(&self.root).map(|address| address.to_string()))
    }

    /// The address of the driver: the platform's variable, or the node's own address on a driver.
    fn driver_address(&self) -> Option<String> {
        let set = self.variable("DB_DRIVER_IP").map(str::to_owned);
        set.or_else(|| (self.role == Some(Role::Driver)).then(|| self.address())?)
    }

    /// The type of the machine. On AWS the machine's own tables have it.
    fn instance_type(&self) -> Option<String> {
        let set = self.variable("DB_INSTANCE_TYPE").map(str::to_owned);
        set.or_else(|| {
            let is_ec2 = machine::line(&self.root, "sys/class/dmi/id/sys_vendor")? == "Amazon EC2";
            machine::line(&self.root, "sys/class/dmi/id/product_name").filter(|_| is_ec2)
        })
    }

    fn spark(&self) -> Option<Spark> {
        Spark::find(&self.root, self.variable("SPARK_HOME"))
    }
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// The name of a processor as `uname -m` prints it.
fn machine_name(arch: &str) -> &str {
    match arch {
        "amd64" => "x86_64",
        "arm64" => "aarch64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn facts_come_from_the_variables_of_the_platform() {
        let variables = [
            ("DB_IS_DRIVER", "TRUE"),
            ("DB_DRIVER_IP", "10.1.2.3"),
            ("DB_CONTAINER_IP", "10.1.2.4"),
            ("DB_INSTANCE_TYPE", "m5.xlarge"),
            ("DB_IS_JOB_CLUSTER", "FALSE"),
        ];
        let env = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let facts = NodeFacts { arch: "arm64".to_owned(), ..NodeFacts::gather(Path::new("/nowhere"), env) };
        for (name, value) in [
            ("node.is-driver", Some("true")),
            ("node.ip", Some("10.1.2.4")),
            ("node.instance-type", Some("m5.xlarge")),
            ("node.machine", Some("aarch64")),
            ("node.platform", Some("other")),
            ("node.cloud", None),
            ("node.memory", None),
            ("node.spark-version", None),
            ("cluster.driver-ip", Some("10.1.2.3")),
            ("cluster.is-job", Some("false")),
            ("cluster.nothing", None),
        ] {
            assert_eq!(facts.value(name).as_deref(), value, "{name}");
            assert!(NodeFacts::names().any(|known| known == name) || name == "cluster.nothing");
        }
    }
}
