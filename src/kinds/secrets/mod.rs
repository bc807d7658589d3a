//! Secrets and where each goes: files, env-files, `.pgpass`, netrc, git credentials and templates; and logins for
//! package servers.

mod act;
mod checked;
mod deliver;
mod deliveries;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod grammar;
mod logins;
mod plan;
mod rules;
mod secret_file;
mod sources;
mod templates;
mod written;

pub use checked::{SecretFile, SecretItem, Secrets, Template, UsedSecret};
pub use secret_file::{Action, DeliverSecrets, DeliveryError, RemoveSecrets, SecretPart};
