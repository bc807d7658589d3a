//! `[spark-conf]` as checked.

use std::collections::BTreeMap;

use super::destination::Destination;
use crate::profile::{self, Entry, SecretRef};

/// Settings of Spark.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SparkConf {
    /// The files of settings without their own.
    pub to: Option<profile::Setting<Vec<Destination>>>,
    /// Settings, by key.
    pub settings: BTreeMap<String, Entry<Setting>>,
}

/// A setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Its value.
    pub value: Value,
    /// Its own files.
    pub to: Option<Vec<Destination>>,
}

/// The value of a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(String),
    /// A secret.
    Secret(SecretRef),
}

impl SparkConf {
    /// The settings of a file. `usual` is the file of settings that name none.
    pub(super) fn of(&self, to: Destination, usual: Destination) -> impl Iterator<Item = (&str, &Entry<Setting>)> {
        let section = self.to.as_ref().map(|to| to.value.as_slice());
        let goes_there = move |entry: &Entry<Setting>| {
            entry.value.to.as_deref().or(section).map_or(to == usual, |named| named.contains(&to))
        };
        let settings = self.settings.iter().filter(move |(_, entry)| goes_there(entry));
        settings.map(|(key, entry)| (key.as_str(), entry))
    }
}
