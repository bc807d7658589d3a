//! Scheduled jobs: files of `/etc/cron.d`.

mod act;
mod checked;
mod crontab;
mod grammar;
mod plan;
mod rules;
mod schedule;
mod written;

pub use checked::{Cron, Job};
