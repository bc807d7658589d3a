//! The process's own memory: it is in no core dump, and no other program of the same user may read it.

use nix::sys::{
    prctl,
    resource::{Resource, setrlimit},
};

/// Turns core dumps off, for this process and its children, and closes this process's memory to others. To be called
/// before the first secret is read.
///
/// A system that refuses either is none that could be asked for more: the work goes on.
pub fn keep_memory_private() {
    let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
    let _ = prctl::set_dumpable(false);
}

#[cfg(test)]
mod tests {
    use nix::sys::resource::getrlimit;

    use super::*;

    #[test]
    fn there_will_be_no_core_dump() {
        keep_memory_private();
        assert_eq!(getrlimit(Resource::RLIMIT_CORE), Ok((0, 0)));
        assert_eq!(prctl::get_dumpable(), Ok(false));
    }
}
