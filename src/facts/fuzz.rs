//! The entry functions of fuzz targets.

use super::{ClusterName, Dpkg, os::Os, python, users::Users};
use crate::fs;

/// Texts of the node: the status file of dpkg, `passwd` and `group`, `os-release`, the name of a cluster, a field of
/// fstab.
pub(crate) fn node(data: &[u8]) {
    let dpkg = Dpkg::parse(data);
    let _ = (dpkg.installed_version("libc6"), dpkg.installed_version("libc6:i386"), dpkg.installed_version("a:any"));
    let _ = (dpkg.provides("awk"), dpkg.broken(), dpkg.half_unpacked(), dpkg.is_unfinished());
    let text = String::from_utf8_lossy(data);
    let users = Users::parse(&text, &text);
    let _ = (users.user("root"), users.group("root"), users.owner("root:root"), users.name_of(0));
    let os = Os::parse(&text);
    drop(Os::from_name(&os.id));
    for line in text.lines().take(4) {
        ClusterName::parse(line);
        Os::spelling_hint(line);
    }
    fs::unescaped(data);
}

/// Metadata of Python distributions.
pub(crate) fn python(data: &[u8]) {
    python::fuzz::metadata(data);
}
