//! Implements the contract of kinds for `[spark-conf]`: acting.

use super::checked::SparkConf;
use crate::kinds::writes_files::WritesFiles;

impl WritesFiles for SparkConf {
    const WORD: &'static str = "spark-conf";
}
