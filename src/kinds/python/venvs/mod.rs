//! `[pip.venvs]`: separate virtual environments, each with an interpreter of the node. The guard of the runtime's
//! packages does not apply to them.

mod act;
mod base;
mod checked;
mod grammar;
mod install;
mod lock;
mod look;
mod made_with;
mod plan;
mod requests;
mod rules;

pub(super) use act::{Prepared, act, clean_up, leaves_behind, prepare};
pub(super) use checked::Venv;
pub(super) use grammar::{assets, merge, of_pip, show};
pub(super) use install::VenvInstall;
pub(super) use lock::lock;
pub(super) use look::{VenvLook, look};
pub(super) use plan::{outline, plan};
pub(super) use requests::{add_asks, lacks};
