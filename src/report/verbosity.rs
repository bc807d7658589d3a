//! How much a command prints.

/// How much a run prints to standard error. Each level includes the levels before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Verbosity {
    /// Warnings, and failures at the end.
    Quiet,
    /// The start and the end of each step.
    #[default]
    Normal,
    /// The parts of each step.
    Verbose,
    /// Each program and each request, before it starts.
    Traced,
}

impl Verbosity {
    /// The level for `--quiet` and the number of `-v` options. `--quiet` wins.
    pub fn chosen(quiet: bool, verbose: u8) -> Self {
        match (quiet, verbose) {
            (true, _) => Self::Quiet,
            (false, 0) => Self::Normal,
            (false, 1) => Self::Verbose,
            (false, 2..) => Self::Traced,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quiet_wins_over_verbose() {
        assert_eq!(Verbosity::chosen(true, 3), Verbosity::Quiet);
        let more = [0, 1, 2, 3].map(|times| Verbosity::chosen(false, times));
        assert_eq!(more, [Verbosity::Normal, Verbosity::Verbose, Verbosity::Traced, Verbosity::Traced]);
    }
}
