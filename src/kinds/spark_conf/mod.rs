//! Settings of Spark.

mod act;
mod checked;
mod destination;
mod format;
mod grammar;
mod plan;
mod rules;
mod winner;
mod written;

pub use checked::{Setting, SparkConf, Value};
pub use destination::Destination;
