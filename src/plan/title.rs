//! A step in one line.

use super::{Action, AptInstall, AptPackage, PythonInstall, RInstall, RPackage, SecretPart};

const NAMED: usize = 3;

/// What an action does, in one line.
pub(super) fn of(action: &Action) -> String {
    match action {
        Action::AptSources(sources) => {
            format!("add {}", list(sources.sources.iter().map(|source| source.name.clone())))
        }
        Action::AptInstall(install) => format!("install {}", list(apt(install))),
        Action::PythonInstall(install) => format!("install {}", list(python(install))),
        Action::RInstall(install) => format!("install {}", list(r(install))),
        Action::WriteFile(file) if file.before.is_some() => format!("change {}", file.path.display()),
        Action::WriteFile(file) => format!("write {}", file.path.display()),
        Action::TakeFile(path) => format!("take {} from the file store", path.display()),
        Action::PlaceSecrets(file) => {
            format!("deliver {} to {}", list(file.parts.iter().map(SecretPart::name)), file.path.display())
        }
        Action::RemoveSecrets(file) => format!("take back what was delivered to {}", file.path.display()),
    }
}

fn apt(install: &AptInstall) -> impl Iterator<Item = String> + '_ {
    let packages = install.packages.iter().map(|AptPackage { name, version }| pinned(name, "=", version.as_deref()));
    packages.chain(install.debs.iter().map(|deb| file_name(deb)))
}

fn python(install: &PythonInstall) -> impl Iterator<Item = String> + '_ {
    let files = install.requirement_files.iter().map(|file| file_name(file));
    let wheels = install.wheels.iter().map(|wheel| format!("{} {}", wheel.name, wheel.version));
    install.requirements.iter().map(|requirement| requirement.text.clone()).chain(files).chain(wheels)
}

fn r(install: &RInstall) -> impl Iterator<Item = String> + '_ {
    let packages = install.packages.iter().map(|RPackage { name, version }| pinned(name, "@", version.as_deref()));
    packages.chain(install.archives.iter().map(|archive| file_name(archive)))
}

fn pinned(name: &str, sign: &str, version: Option<&str>) -> String {
    version.map_or_else(|| name.to_owned(), |version| format!("{name}{sign}{version}"))
}

fn file_name(path: &std::path::Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn list(names: impl Iterator<Item = String>) -> String {
    let names: Vec<String> = names.collect();
    match names.len() {
        count if count > NAMED + 1 => format!("{} and {} more", names[..NAMED].join(", "), count - NAMED),
        _ => names.join(", "),
    }
}
