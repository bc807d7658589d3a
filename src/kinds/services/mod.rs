//! Services: units of systemd, or init scripts on nodes where systemd is not process 1.

mod act;
mod action;
mod changes;
mod checked;
mod definitions;
mod desired;
mod files;
mod grammar;
mod hints;
mod init_script;
mod init_script_look;
mod look;
mod manager;
mod plan;
mod remove;
mod rules;
mod settings;
mod state;
mod systemd_look;
#[cfg(test)]
mod tests;
mod triggers;
mod unit;
mod written;

pub use action::{Action, Apply, RemovedService};
pub use checked::{Service, Services, Variable, Watched};
pub use desired::DesiredService;
