//! The state of a service of systemd, from unit files, links and systemd's own files in `/run`.
//!
//! systemd keeps a link `invocation:NAME.service` for each active service (`unit_export_invocation_id` in its source)
//! and removes it when the service ends.

use std::path::{Path, PathBuf};

use super::{
    files::UNITS,
    init_script_look,
    state::{Definition, Enabled, Running},
    unit::HEAD,
};
use crate::inventory::below;

/// The folders of units, in systemd's order: systemd.unit(5).
const FOLDERS: [&str; 6] = [
    UNITS,
    "/run/systemd/system",
    "/run/systemd/generator",
    "/usr/local/lib/systemd/system",
    "/lib/systemd/system",
    "/usr/lib/systemd/system",
];
/// The folders of units that packages install.
const OF_PACKAGES: [&str; 2] = ["/lib/systemd/system", "/usr/lib/systemd/system"];
/// The units that systemd makes of init scripts.
const OF_SCRIPTS: &str = "/run/systemd/generator.late";
/// The links of active units.
const ACTIVE: &str = "/run/systemd/units";
/// Aliases of aliases are rare, cycles are mistakes.
const MOST_ALIASES: usize = 8;

pub(super) fn read(root: &Path, name: &str) -> Definition {
    let masked = std::fs::read_link(below(root, Path::new(&format!("{UNITS}/{name}.service"))))
        .is_ok_and(|target| target == Path::new("/dev/null"));
    let found = find(root, name, masked);
    let real = found.as_ref().map_or_else(|| name.to_owned(), |(real, _)| real.clone());
    let unit = found.as_ref().map(|(_, path)| path.clone());
    let text = unit.as_ref().and_then(|path| std::fs::read_to_string(below(root, path)).ok()).unwrap_or_default();
    let is_ours = text.starts_with(HEAD);
    let script = init_script_look::foreign_script(root, name);
    let enabled = match &unit {
        Some(path) if path.starts_with(OF_SCRIPTS) => init_script_look::enabled(root, &real),
        Some(_) => enabled(root, &real, &text),
        None => Enabled::No,
    };
    let mut of_packages = OF_PACKAGES.iter().map(|folder| Path::new(folder).join(format!("{name}.service")));
    let of_package = of_packages.find(|path| below(root, path).symlink_metadata().is_ok());
    Definition {
        foreign: unit.clone().filter(|_| !is_ours),
        of_package: of_package.or(script),
        exists: unit.is_some() || masked,
        enabled,
        masked,
        running: running(root, &real),
    }
}

/// The unit of a service: the name of its file without the suffix, and the path of the file. Aliases are links to
/// another name.
fn find(root: &Path, name: &str, masked: bool) -> Option<(String, PathBuf)> {
    let mut name = name.to_owned();
    for _ in 0..MOST_ALIASES {
        let template = name.split_once('@').map(|(template, _)| format!("{template}@"));
        let folders = FOLDERS.iter().chain([&OF_SCRIPTS]).skip(usize::from(masked));
        let candidates = folders.flat_map(|folder| {
            let names = std::iter::once(&name).chain(&template);
            names.map(move |name| Path::new(folder).join(format!("{name}.service"))).collect::<Vec<_>>()
        });
        let path = candidates.into_iter().find(|path| below(root, path).symlink_metadata().is_ok())?;
        let target = std::fs::read_link(below(root, &path)).ok();
        let other = target.as_ref().and_then(|target| target.file_name()?.to_str()?.strip_suffix(".service"));
        match other {
            Some(other) if other != name && Some(other) != template.as_deref() => other.clone_into(&mut name),
            Some(_) => {
                // A link to a unit of the same name elsewhere, by `systemctl link`.
                let target = target.unwrap_or_default();
                let whole = path.parent().unwrap_or(Path::new("/")).join(target);
                return Some((name, whole));
            }
            None => return Some((name, path)),
        }
    }
    None
}

/// Whether all links exist that `[Install]` of a unit names.
fn enabled(root: &Path, name: &str, text: &str) -> Enabled {
    let mut section = "";
    let mut links = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            section = line;
        }
        let Some((key, value)) = line.split_once('=').filter(|_| section == "[Install]") else { continue };
        let words = value.split_ascii_whitespace();
        match key.trim() {
            "WantedBy" => links.extend(words.map(|target| format!("{UNITS}/{target}.wants/{name}.service"))),
            "RequiredBy" => links.extend(words.map(|target| format!("{UNITS}/{target}.requires/{name}.service"))),
            "Alias" => links.extend(words.map(|alias| format!("{UNITS}/{alias}"))),
            _ => {}
        }
    }
    let existing = links.iter().filter(|link| below(root, Path::new(link)).symlink_metadata().is_ok()).count();
    Enabled::of_links(existing, links.len())
}

fn running(root: &Path, name: &str) -> Option<Running> {
    let link = below(root, Path::new(&format!("{ACTIVE}/invocation:{name}.service")));
    let since = link.symlink_metadata().ok()?.modified().ok()?;
    Some(Running { id: std::fs::read_link(link).ok()?.display().to_string(), since })
}
