//! Settings of the operating system: kernel parameters, hosts, swap files, mounts, alternatives, folders of
//! libraries, the time zone and the host name. Each part has a file of its own, with its look, its plan and its action.

mod act;
mod action;
mod alternatives;
mod checked;
mod fstab;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod grammar;
mod hostname;
mod hosts;
mod ldconfig;
mod mount_look;
mod mounts;
mod path_rules;
mod permission;
mod plan;
mod program;
mod record;
mod rules;
mod swap;
mod sysctl;
mod take_back;
mod timezone;
mod written;

pub use checked::System;
