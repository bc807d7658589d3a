//! The formats of the files: HOCON for the driver, properties of Java for `spark-defaults.conf`.

use super::destination::Destination;
use crate::kinds::quote::Quote;

/// The lines before the settings.
pub(super) fn begin(to: Destination) -> &'static str {
    match to {
        // The runtime reads the settings of the driver from this object.
        Destination::Driver => "# Written by nodeagent from [spark-conf].\n[driver] {\n",
        Destination::Defaults => "",
    }
}

/// The lines after the settings.
pub(super) fn end(to: Destination) -> &'static str {
    match to {
        Destination::Driver => "}\n",
        Destination::Defaults => "",
    }
}

/// The part of a line before the value.
pub(super) fn key(to: Destination, key: &str) -> String {
    match to {
        Destination::Driver => format!("  \"{key}\" = "),
        Destination::Defaults => format!("{key} "),
    }
}

/// How a file quotes values.
pub(super) fn quote(to: Destination) -> Quote {
    match to {
        Destination::Driver => Quote::Hocon,
        Destination::Defaults => Quote::Properties,
    }
}
