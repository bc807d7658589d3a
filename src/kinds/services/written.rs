//! `[services]` as written.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{self, SeqAccess, Visitor, value::SeqAccessDeserializer},
};

pub(super) use crate::profile::written::SecretKey;
use crate::profile::{
    Cases, ProbeKeys, RunStage, choices, conditional,
    shorthand::{PlainOr, Scalar, Shorthand},
    written::When,
};

/// The keys of this kind.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
pub struct Written {
    /// Services, by name without `.service`. A plain string is the `state`.
    #[serde(default)]
    pub services: BTreeMap<String, Cases<Shorthand<Service>>>,
}

choices!(
    /// Whether a service runs.
    State, "kebab-case" {
        /// It runs.
        Running,
        /// It does not run.
        Stopped,
    }
);

choices!(
    /// When systemd starts a service again.
    Restart, "kebab-case" {
        /// Never.
        No,
        /// Always.
        Always,
        /// After a success.
        OnSuccess,
        /// After a failure.
        OnFailure,
        /// After a signal or a timeout.
        OnAbnormal,
        /// After an uncaught signal.
        OnAbort,
        /// After a timeout of the watchdog.
        OnWatchdog,
    }
);

/// A service.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Service {
    /// The program, an absolute path, and its arguments. With it, nodeagent writes the unit. Otherwise the unit comes
    /// from a package or from `[files]`.
    pub command: Option<Vec<String>>,
    /// The description of the unit. Default: the name.
    pub description: Option<String>,
    /// The user that the program runs as. Default: root.
    pub user: Option<String>,
    /// The working directory of the program.
    pub working_directory: Option<String>,
    /// Environment variables of the program. A secret is passed in a file in `/run` that only root can read.
    #[serde(default)]
    pub environment: BTreeMap<String, PlainOr<SecretKey>>,
    /// When systemd starts the program again. Default: `on-failure` with `command`, otherwise as the unit has it.
    pub restart: Option<Restart>,
    /// Further settings of systemd, by section of the unit. A list repeats the key.
    #[serde(default)]
    pub settings: BTreeMap<String, BTreeMap<String, Repeated>>,
    /// Whether the service runs. Default: `running`; with `masked`: `stopped`.
    pub state: Option<State>,
    /// Whether it starts when the node starts. Default: true.
    pub enabled: Option<bool>,
    /// Whether it cannot be started at all. Default: false.
    #[serde(default)]
    pub masked: bool,
    /// Paths, globs and entries. The service restarts if one of them changed.
    #[serde(default)]
    pub restart_on: Vec<String>,
    /// A test that the service works. It must succeed before the step is done.
    pub health: Option<ProbeKeys>,
    /// The nodes to which it applies.
    pub when: Option<When>,
    /// Whether the run continues if it fails. Default: false.
    #[serde(default)]
    pub optional: bool,
    /// The time limit, such as `90s` or `5m`.
    pub timeout: Option<String>,
    /// Sections and entries that come first, such as `pip` or `files./etc/x`.
    #[serde(default)]
    pub after: Vec<String>,
    /// Sections and entries that come later.
    #[serde(default)]
    pub before: Vec<String>,
    /// When it runs. Default: `launch`.
    pub stage: Option<RunStage>,
}

conditional!(Service, stage);

/// One plain value, or a list of them.
#[derive(Debug, Clone)]
pub struct Repeated(pub(super) Vec<Scalar>);

impl<'de> Deserialize<'de> for Repeated {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Repeated;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, a whole number, true, false or a list of them")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Repeated(vec![Scalar::Text(text.to_owned())]))
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Self::Value, E> {
                Ok(Repeated(vec![Scalar::Number(number)]))
            }
            fn visit_bool<E: de::Error>(self, truth: bool) -> Result<Self::Value, E> {
                Ok(Repeated(vec![Scalar::Truth(truth)]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(seq)).map(Repeated)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl JsonSchema for Repeated {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Repeated".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<Scalar>();
        json_schema!({ "anyOf": [one, { "type": "array", "items": one }] })
    }
}
