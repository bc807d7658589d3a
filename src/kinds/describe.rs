//! What a step would do, for `plan` and `--dry-run`: commands and differences, in words.

use similar::TextDiff;

use crate::{
    plan::{Action, Login, PlaceSecrets, PythonInstaller, SecretPart, Step, WriteFile},
    profile::FileStore,
    secrets::file_formats::{FileFormat, SecretFormat},
    state::Delivered,
};

/// What acting would mean, a line each. Files are shown as they are called in the file store.
pub fn describe(step: &Step, store: &FileStore) -> Vec<String> {
    let login = |used: &Login| {
        let Login { login, .. } = used;
        format!("may log in at {} as {} (secret {}/{})", login.site, login.user, login.scope, login.key)
    };
    of_action(&step.action, store).into_iter().chain(step.logins.iter().map(login)).collect()
}

fn of_action(action: &Action, store: &FileStore) -> Vec<String> {
    match action {
        Action::AptSources(sources) => {
            let source = |source: &crate::plan::AptSource| {
                let file = format!("write /etc/apt/sources.list.d/{}.sources:", source.name);
                std::iter::once(file).chain(source.stanza.lines().map(|line| format!("+{line}"))).collect::<Vec<_>>()
            };
            sources.sources.iter().flat_map(source).collect()
        }
        Action::AptInstall(install) => {
            let names = install.packages.iter().map(|package| match &package.version {
                Some(version) => format!("{}={version}", package.name),
                None => package.name.clone(),
            });
            let names: Vec<String> = names.chain(install.debs.iter().map(|deb| store.shown(deb))).collect();
            let recommends = if install.recommends { "--install-recommends" } else { "--no-install-recommends" };
            let mut lines = vec![format!("apt-get install {recommends} -- {}", names.join(" "))];
            lines.extend(install.locked.as_ref().map(|locked| by_lock(locked.len(), "package")));
            lines
        }
        Action::PythonInstall(install) => {
            let tool = if install.installer == PythonInstaller::Pip { "pip install" } else { "uv pip install" };
            let files = install.requirement_files.iter().map(|file| format!("--requirement {}", store.shown(file)));
            let names = install.requirements.iter().map(|requirement| requirement.text.clone());
            let wheels = install.wheels.iter().map(|wheel| store.shown(&wheel.path));
            let words: Vec<String> = files.chain(names).chain(wheels).collect();
            let mut lines = vec![format!("{tool} --python {} {}", install.interpreter.display(), words.join(" "))];
            if let Some(locked) = &install.locked {
                lines.push(by_lock(locked.len(), "distribution"));
            } else if !install.guarded.is_empty() {
                lines.push(format!(
                    "with {} that the runtime ships held fixed",
                    crate::report::text::counted(install.guarded.len(), "distribution")
                ));
            }
            lines
        }
        Action::RInstall(install) => {
            let packages = install.packages.iter().map(|package| match &package.version {
                Some(version) => format!("{}@{version}", package.name),
                None => package.name.clone(),
            });
            let words: Vec<String> = packages.chain(install.archives.iter().map(|file| store.shown(file))).collect();
            let mut lines = vec![format!(
                "R CMD INSTALL --library={} {} and what they require",
                install.library.display(),
                words.join(" ")
            )];
            lines.extend(install.locked.as_ref().map(|locked| by_lock(locked.len(), "package")));
            lines
        }
        Action::WriteFile(file) => difference(file),
        Action::TakeFile(path) => vec![format!("{} is not there; it may be missing", path.display())],
        Action::PlaceSecrets(file) => deliveries(file),
        Action::RemoveSecrets(file) => vec![match &file.known {
            Delivered::File { .. } => format!("remove {}, which the profile no longer names", file.path.display()),
            _ => format!("remove what nodeagent wrote to {}, and keep the rest", file.path.display()),
        }],
    }
}

/// That a lock says what is installed.
fn by_lock(count: usize, what: &str) -> String {
    format!("{} by the lock, and no other", crate::report::text::counted(count, what))
}

fn deliveries(file: &PlaceSecrets) -> Vec<String> {
    let (path, mode) = (file.path.display(), format!("mode {:04o}", file.mode));
    let part = |part: &SecretPart| match &part.form {
        SecretFormat::Whole => format!("write the secret to {path} ({mode})"),
        SecretFormat::Variable(name) => format!("write {name} from {} to {path} ({mode})", part.name()),
        SecretFormat::Template => format!("fill in {}", part.name()),
        SecretFormat::Pgpass { host, port, database, user } => {
            format!("write the password of {host}:{port}:{database}:{user} to {path} ({mode})")
        }
        SecretFormat::Netrc { machine, login } => {
            format!("write the password of {login} at {machine} to {path} ({mode})")
        }
        SecretFormat::GitCredentials { url, user } => {
            format!("write the password of {user} at {url} to {path} ({mode})")
        }
    };
    let template = (file.kind == FileFormat::Template).then(|| format!("write the template to {path} ({mode})"));
    template.into_iter().chain(file.parts.iter().map(part)).collect()
}

fn difference(file: &WriteFile) -> Vec<String> {
    let before = String::from_utf8_lossy(file.before.as_deref().unwrap_or_default());
    let after = String::from_utf8_lossy(&file.bytes);
    let path = file.path.display().to_string();
    let old = if file.before.is_some() { path.as_str() } else { "/dev/null" };
    let diff = TextDiff::from_lines(before.as_ref(), after.as_ref());
    diff.unified_diff().context_radius(0).header(old, &path).to_string().lines().map(str::to_owned).collect()
}
