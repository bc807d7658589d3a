//! The part of the contract that only kinds with stages have. A kind whose entries all run during the launch says so
//! with one line.

/// The grammar of a kind whose entries have no `stage`.
macro_rules! has_no_stages {
    () => {
        const STAGED: bool = false;

        fn retain_stage(&mut self, stage: $crate::profile::RunStage) {
            if stage != $crate::profile::RunStage::Launch {
                *self = Self::default();
            }
        }
    };
}
pub(super) use has_no_stages;
