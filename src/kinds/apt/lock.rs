//! Resolves the apt packages of a lock against the state that the runtime shipped. Uses its own lists and sources:
//! the node's are read, but never changed.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    path::{Path, PathBuf},
};

use super::{
    command::{self, Request},
    error::{AptError, title},
    resolve, sources, update, uris,
};
use crate::{
    exec::Cmd,
    fs::{self, Attributes},
    kinds::apt::{AptInstall, AptSources},
    lock::{LockedDeb, bare},
    problem::Problem,
    state,
    steps::Context,
};

/// Every package file that installing `wanted` adds to a node with only the runtime's packages. Packages in `keep`
/// keep their version as long as the archive offers it.
pub async fn lock(
    ctx: &Context,
    wanted: &AptInstall,
    added: Option<&AptSources>,
    keep: &[LockedDeb],
) -> Result<Vec<LockedDeb>, Problem> {
    if wanted.packages.is_empty() && wanted.debs.is_empty() {
        return Ok(Vec::new());
    }
    let bench = AptSandbox::set_up(ctx, added)?;
    bench.pin(keep)?;
    bench.update(ctx).await?;
    let request = Request::Packages(wanted);
    ctx.progress.now("asking apt", None);
    let printed = ctx.runner.run(&bench.isolated(command::print_uris(&bench.folder, request))).await;
    let printed = printed.map_err(|error| AptError::from(error).error)?;
    if printed.code != 0 {
        return Err(AptError::of(&title(request), &printed).explained(ctx, &resolve::folder(ctx)).await);
    }
    let mut debs = uris::parse(&printed.stdout).into_iter().map(locked).collect::<Result<Vec<_>, _>>()?;
    debs.sort();
    Ok(debs)
}

fn locked(archive: uris::Archive) -> Result<LockedDeb, Problem> {
    let file = archive.name.clone();
    let (Some([name, version, arch]), Some(source)) = (archive.parts(), archive.ours) else {
        let error = Problem::refused(format!("`{file}` cannot be locked: its index has no SHA-256 or no HTTP address"));
        return Err(
            error.hint("use a repository with SHA-256 in its index, or put the deb into the file store".to_owned())
        );
    };
    let (url, size, sha256) = (bare(&source.url), source.size, source.digest);
    Ok(LockedDeb { name, version, arch, file, url, size, sha256, only_for: BTreeSet::new() })
}

/// A set of folders for apt, separate from those of the node.
struct AptSandbox {
    folder: PathBuf,
    options: Vec<String>,
}

impl AptSandbox {
    fn set_up(ctx: &Context, added: Option<&AptSources>) -> Result<Self, Problem> {
        let folder = ctx.cache.join("apt-lock");
        let (sources, preferences) = (folder.join("sources"), folder.join("preferences"));
        fs::create_dirs(&folder.join("lists/partial"), 0o755)?;
        copy_files(&ctx.on_node("/etc/apt/sources.list.d"), &sources)?;
        copy_files(&ctx.on_node("/etc/apt/preferences.d"), &preferences)?;
        if let Some(added) = added {
            sources::prepare(added)?;
            for source in &added.sources {
                let mut stanza = source.stanza.clone();
                if let Some(key) = &source.key {
                    // The key is not on the node yet, and locking must not install it.
                    let own = folder.join("keys").join(key.path.file_name().unwrap_or_default());
                    fs::replace(&own, &key.bytes, Attributes::mode(0o644))?;
                    stanza = stanza.replace(&key.path.display().to_string(), &own.display().to_string());
                }
                let path = sources.join(format!("{}.sources", source.name));
                fs::replace(&path, stanza.as_bytes(), Attributes::mode(0o644))?;
            }
        }
        let shipped = state::shipped_dpkg(&ctx.root);
        let status = if shipped.is_file() { shipped } else { ctx.on_node("/var/lib/dpkg/status") };
        let options = vec![
            format!("Dir::State::lists={}/", folder.join("lists").display()),
            format!("Dir::State::status={}", status.display()),
            format!("Dir::Etc::sourceparts={}/", sources.display()),
            format!("Dir::Etc::preferencesparts={}/", preferences.display()),
        ];
        Ok(Self { folder, options })
    }

    /// The command, changed to use these folders.
    fn isolated(&self, mut cmd: Cmd) -> Cmd {
        let options = self.options.iter().flat_map(|option| ["-o".to_owned(), option.clone()]);
        cmd.args.splice(0..0, options);
        cmd
    }

    /// Pins the locked versions, so that apt prefers them to newer ones.
    fn pin(&self, keep: &[LockedDeb]) -> Result<(), Problem> {
        let mut pins = String::new();
        for deb in keep {
            let _ = write!(pins, "Package: {}\nPin: version {}\nPin-Priority: 999\n\n", deb.name, deb.version);
        }
        // apt ignores preference files with any extension other than `pref`.
        let path = self.folder.join("preferences/zz-nodeagent-lock");
        Ok(fs::replace(&path, pins.as_bytes(), Attributes::mode(0o644))?)
    }

    async fn update(&self, ctx: &Context) -> Result<(), Problem> {
        update::run(ctx, &self.isolated(command::update(&self.folder))).await?.warn(ctx);
        Ok(())
    }
}

/// Makes `to` an exact copy of the files in `from`.
fn copy_files(from: &Path, to: &Path) -> Result<(), Problem> {
    fs::remove_tree(to)?;
    fs::create_dirs(to, 0o755)?;
    for entry in std::fs::read_dir(from).into_iter().flatten().filter_map(Result::ok) {
        if let Ok(bytes) = std::fs::read(entry.path()) {
            fs::replace(&to.join(entry.file_name()), &bytes, Attributes::mode(0o644))?;
        }
    }
    Ok(())
}
