//! All output: the terminal, the event log, the report. No other module prints.
//!
//! Observers receive events during a run (`terminal`, `plain`, `log`, `model`). Pure functions render a [`Report`] or
//! diagnostics as text (`table`, `failure`, `show`, `blame`, `diagnostics`). `output` writes text; `folder` and `runs`
//! store reports.

mod blame;
mod console;
pub mod diagnostics;
pub mod event;
mod event_lines;
mod failure;
mod folder;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod log;
mod model;
mod output;
mod palette;
mod panic;
mod plain;
mod redacted;
mod runs;
#[cfg(test)]
mod sample;
mod show;
mod table;
mod terminal;
pub mod text;
mod trace;
mod verbosity;

pub use blame::{longest_chain, render_blame};
pub use console::{Console, observers};
pub use failure::{MAX_LINES, render_failure};
pub use folder::{ReportError, RunFolder, node_label};
pub use log::EventLog;
pub use model::{Collector, Report, StepReport, TaskReport, Wait};
pub use output::{Stderr, stdout, stdout_is_terminal, write_secret};
pub use palette::Palette;
pub use panic::install_panic_hook;
pub use plain::Plain;
pub use runs::{KEPT_RUNS, LATEST, RUNS, RunFolders, run_id};
pub use show::{render_list, render_show};
pub use table::{DEFAULT_WIDTH, render_columns, render_summary, render_table};
pub use terminal::Terminal;
pub use verbosity::Verbosity;
