//! Entries that may also be written as a list of cases. The first case whose `when` holds counts.

use std::{borrow::Cow, fmt, marker::PhantomData};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{
        self, IntoDeserializer as _, MapAccess, SeqAccess, Visitor,
        value::{MapAccessDeserializer, StrDeserializer},
    },
};

use super::{
    RunStage,
    shorthand::{PlainOr, Shorthand},
    written::When,
};

/// An entry in one of its forms, or a list of tables of which the first whose `when` holds counts. Without `when`, a
/// table always counts. If no `when` holds, the entry does not exist. `E` is an entry in a single form.
#[derive(Debug, Clone)]
pub struct Cases<E> {
    /// The cases, in order.
    pub(super) cases: Vec<E>,
    /// Whether the profile has a list. A case is then at its index, otherwise at the entry itself.
    pub(super) is_list: bool,
}

/// A table with a condition.
pub trait Conditional {
    /// The condition. `None` always holds.
    fn condition(&self) -> Option<&When>;

    /// The stage in which the entry runs.
    fn stage(&self) -> RunStage;
}

/// Implements [`Conditional`] for an entry with the field `when`, and possibly `stage`.
macro_rules! conditional {
    ($entry:ty) => {
        impl $crate::profile::Conditional for $entry {
            fn condition(&self) -> Option<&$crate::profile::written::When> {
                self.when.as_ref()
            }

            fn stage(&self) -> $crate::profile::RunStage {
                $crate::profile::RunStage::Launch
            }
        }
    };
    ($entry:ty, stage) => {
        impl $crate::profile::Conditional for $entry {
            fn condition(&self) -> Option<&$crate::profile::written::When> {
                self.when.as_ref()
            }

            fn stage(&self) -> $crate::profile::RunStage {
                self.stage.unwrap_or_default()
            }
        }
    };
}
pub(crate) use conditional;

/// An entry in a form that may be one of several cases.
pub trait Case: From<Self::Table> {
    /// The form that a case in a list has.
    type Table;

    /// The condition of the entry.
    fn condition(&self) -> Option<&When>;

    /// The stage in which the entry runs.
    fn stage(&self) -> RunStage;
}

impl<T: Conditional> Case for T {
    type Table = T;

    fn condition(&self) -> Option<&When> {
        Conditional::condition(self)
    }

    fn stage(&self) -> RunStage {
        Conditional::stage(self)
    }
}

impl<T: Conditional> Case for Shorthand<T> {
    type Table = T;

    fn condition(&self) -> Option<&When> {
        match self {
            Self::Short(_) => None,
            Self::Long(table) => table.condition(),
        }
    }

    fn stage(&self) -> RunStage {
        match self {
            Self::Short(_) => RunStage::Launch,
            Self::Long(table) => table.stage(),
        }
    }
}

impl<T: Conditional> Case for PlainOr<T> {
    type Table = T;

    fn condition(&self) -> Option<&When> {
        match self {
            Self::Plain(_) => None,
            Self::Table(table) => table.condition(),
        }
    }

    fn stage(&self) -> RunStage {
        match self {
            Self::Plain(_) => RunStage::Launch,
            Self::Table(table) => table.stage(),
        }
    }
}

impl<T> From<T> for Shorthand<T> {
    fn from(table: T) -> Self {
        Self::Long(table)
    }
}

impl<T> From<T> for PlainOr<T> {
    fn from(table: T) -> Self {
        Self::Table(table)
    }
}

impl<'de, E: Case + Deserialize<'de>> Deserialize<'de> for Cases<E>
where
    E::Table: Deserialize<'de>,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrCases<E>(PhantomData<E>);
        impl<E> OneOrCases<E> {
            fn one<R>(case: Result<E, R>) -> Result<Cases<E>, R> {
                Ok(Cases { cases: vec![case?], is_list: false })
            }
        }
        impl<'de, E: Case + Deserialize<'de>> Visitor<'de> for OneOrCases<E>
        where
            E::Table: Deserialize<'de>,
        {
            type Value = Cases<E>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an entry or a list of tables")
            }
            fn visit_str<R: de::Error>(self, text: &str) -> Result<Self::Value, R> {
                Self::one(E::deserialize(StrDeserializer::new(text)))
            }
            fn visit_i64<R: de::Error>(self, number: i64) -> Result<Self::Value, R> {
                Self::one(E::deserialize(number.into_deserializer()))
            }
            fn visit_bool<R: de::Error>(self, truth: bool) -> Result<Self::Value, R> {
                Self::one(E::deserialize(truth.into_deserializer()))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                Self::one(E::deserialize(MapAccessDeserializer::new(map)))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut cases = Vec::new();
                while let Some(table) = seq.next_element::<E::Table>()? {
                    cases.push(E::from(table));
                }
                Ok(Cases { cases, is_list: true })
            }
        }
        deserializer.deserialize_any(OneOrCases(PhantomData))
    }
}

impl<E: Case + JsonSchema> JsonSchema for Cases<E>
where
    E::Table: JsonSchema,
{
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        format!("{}Cases", E::schema_name()).into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<E>();
        let table = generator.subschema_for::<E::Table>();
        json_schema!({ "anyOf": [one, { "type": "array", "items": table }] })
    }
}
