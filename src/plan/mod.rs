//! A plan as data: steps, their order and the reasons. Pure: it runs and prints nothing. The kinds of work create the
//! steps. This module knows their actions only as a type parameter.

mod awaited_path;
mod cycle;
mod draft;
mod graph;
mod later;
mod later_step;
mod layer;
mod lock;
mod logins;
mod missing_paths;
mod need_sources;
mod order;
mod outline;
mod phase;
mod planner;
mod step;
mod step_id;
mod text_file;
pub(crate) mod title;
mod write_file;

pub use awaited_path::AwaitedPath;
pub use draft::{Draft, EarlierStep, EarlierWork, MadeItem};
pub use graph::{GraphFormat, graph};
pub use later::later;
pub use later_step::{LaterNeed, LaterStep};
pub use layer::{Environment, Layer, LayerPackage};
pub use lock::{LockInUse, PlanLock, check_assets, not_fitting, runtime};
pub use logins::{Address, Login, addresses_in_line, addresses_of_files};
pub use missing_paths::refuse_missing_paths;
pub use order::into_order;
pub use outline::contradictions;
pub use phase::{Need, Phase, Reason, Resource};
pub use planner::{Asked, Common, Group, Planner, StepOptions, cached_asset};
pub use step::{BY_LOCK, BY_PROFILE, Describe, Lane, LaterFile, Plan, Stage, StageCheck, Step, is_among};
pub use step_id::StepId;
pub use text_file::{TextFile, difference, text_of, written_twice};
pub use write_file::{PlannedItem, WriteFile};
