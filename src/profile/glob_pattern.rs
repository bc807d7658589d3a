//! Paths that stand for all files whose names match.

/// Whether a path is a glob: it has `*`, `?` or `[`.
pub fn is_glob(path: &str) -> bool {
    path.contains(['*', '?', '['])
}
