//! Settings of pip and uv in the environment that programs do not get.

use crate::{exec::inherited, steps::Context};

/// Settings that are often set for all programs of a node.
const SETTINGS: [&str; 8] = [
    "PIP_CONFIG_FILE",
    "PIP_EXTRA_INDEX_URL",
    "PIP_FIND_LINKS",
    "PIP_INDEX_URL",
    "UV_DEFAULT_INDEX",
    "UV_EXTRA_INDEX_URL",
    "UV_INDEX",
    "UV_INDEX_URL",
];

/// Warns about each setting that has no effect.
pub(super) fn warn(ctx: &Context) {
    let is_ignored = |name: &&str| std::env::var_os(name).is_some() && inherited(name).is_none();
    for name in SETTINGS.into_iter().filter(is_ignored) {
        ctx.progress.warn(format!(
            "`{name}` is set, but programs do not get it; use `[pip]`, or `pass-environment` in /etc/nodeagent.toml"
        ));
    }
}
