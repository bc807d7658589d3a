//! Scheduled jobs: files of `/etc/cron.d`.

mod act;
mod checked;
mod crontab;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod grammar;
mod plan;
mod rules;
mod schedule;
mod written;

pub use checked::{Cron, Job};
