//! The contradictions of a profile that are known without the node: two entries that write the same file, and a cycle
//! in the order of entries.

use std::path::PathBuf;

use super::{
    order::into_order,
    phase::{Phase, Resource},
    planner::{StepOptions, push_step},
    text_file::written_twice,
};
use crate::{diagnostic::Origin, problem::Problem};

/// The reasons why a profile cannot be carried out on any node. `outline` has the steps of a node that has nothing of
/// the profile. A path that depends on the node is not among the files that a step creates.
pub fn contradictions(outline: Vec<StepOptions>) -> Vec<Problem> {
    let mut found = written_twice(&written_files(&outline));
    let mut steps = Vec::new();
    for options in outline {
        let id = options.entries[0].clone();
        push_step(&mut steps, &id, (), options);
    }
    found.extend(into_order(steps).err());
    found
}

fn written_files(outline: &[StepOptions]) -> Vec<(PathBuf, Origin)> {
    // A program may create a file that another entry then edits.
    let written = outline.iter().filter(|options| !matches!(options.phase, Phase::Installers | Phase::Hooks));
    let files = written.flat_map(|options| {
        let origin = options.origins.first();
        let paths = options.creates.iter().filter_map(|created| match created {
            Resource::Path(path) => Some(path),
            Resource::User(_) | Resource::Group(_) | Resource::Package(_) => None,
        });
        paths.filter_map(move |path| Some((path.clone(), origin?.clone())))
    });
    files.collect()
}
