//! Protection of the process's memory against core dumps and other programs of the same user.

use nix::sys::{
    prctl,
    resource::{Resource, setrlimit},
};

/// The limit that disables core dumps to files and to programs. With 0, the kernel still starts the program of a
/// `core_pattern` that begins with `|` (core(5)).
const NO_CORE: u64 = 1;

/// Disables core dumps for this process and its children, and access to this process's memory. Call it before the first
/// secret is read.
///
/// Errors are ignored, because there is no alternative.
pub fn keep_memory_private() {
    let _ = setrlimit(Resource::RLIMIT_CORE, NO_CORE, NO_CORE);
    let _ = prctl::set_dumpable(false);
}

#[cfg(test)]
mod tests {
    use nix::sys::resource::getrlimit;

    use super::*;

    #[test]
    fn core_dumps_are_disabled() {
        keep_memory_private();
        assert_eq!(getrlimit(Resource::RLIMIT_CORE), Ok((NO_CORE, NO_CORE)));
        assert_eq!(prctl::get_dumpable(), Ok(false));
    }
}
