//! Swap files. They are never taken back: a node may need the memory.

use std::{
    collections::BTreeMap,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use super::{fstab, permission, program};
use crate::{
    exec::Cmd,
    fs::{self, Attributes, FsError, PartialFile, PathEntry, PathType, unescaped},
    inventory::below,
    kinds::contract::LookAt,
    plan::{Lane, Phase, Planner, Resource, StepOptions},
    problem::Problem,
    profile::Entry,
    report::event::Difference,
    steps::Context,
};

/// The permissions of a swap file: it has the memory of all programs.
const MODE: u32 = 0o600;
/// The mark of a swap area, and its positions: the end of a page of 4 or 64 KiB.
const MARK: &[u8] = b"SWAPSPACE2";
const MARK_AT: [u64; 2] = [4096 - 10, 65536 - 10];
/// File systems on which the kernel does not accept a swap file, or not without further settings.
const UNFIT: [&str; 9] = ["overlay", "aufs", "tmpfs", "ramfs", "btrfs", "zfs", "nfs", "nfs4", "cifs"];

/// The swap files of a profile.
type Files = BTreeMap<PathBuf, Entry<u64>>;

/// The state of the node.
#[derive(Debug)]
pub(super) struct Look {
    files: BTreeMap<PathBuf, Result<Found, FsError>>,
    is_admin: bool,
}

/// A swap file of the node.
#[derive(Debug)]
struct Found {
    entry: Option<PathEntry>,
    length: u64,
    is_swap: bool,
    is_active: bool,
    has_line: bool,
    file_system: Option<String>,
    free: Option<u64>,
}

/// The action of a step: makes and activates a swap file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateSwapFile {
    /// The path on the node.
    file: PathBuf,
    /// The path below the root.
    path: PathBuf,
    /// The file with its line, below the root.
    fstab: PathBuf,
    size: u64,
    work: Vec<Part>,
}

/// A part of the work that a swap file needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Make the file.
    Make,
    /// Set its permissions and its owner.
    Protect,
    /// Let the kernel use it.
    Activate,
    /// Add its line to fstab.
    AddLine,
}

/// The bytes of a size such as `16G`.
pub(super) fn size_of(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let power = ["K", "M", "G", "T"].iter().position(|known| *known == unit).filter(|power| *power > 0)?;
    let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
    let number = number.parse::<u64>().ok().filter(|number| is_number && *number > 0)?;
    number.checked_mul(1 << (10 * (power + 1))).filter(|bytes| i64::try_from(*bytes).is_ok())
}

/// The size as a profile writes it.
pub(super) fn shown(bytes: u64) -> String {
    let units = [("T", 40), ("G", 30)];
    let unit = units.into_iter().find(|(_, shift)| bytes.trailing_zeros() >= *shift).unwrap_or(("M", 20));
    format!("{}{}", bytes >> unit.1, unit.0)
}

pub(super) fn look(files: &Files, at: &LookAt<'_>) -> Look {
    let found = files.keys().map(|file| (file.clone(), find(at.root, file)));
    Look { files: found.collect(), is_admin: !files.is_empty() && permission::is_admin(at.root) }
}

fn find(root: &Path, file: &Path) -> Result<Found, FsError> {
    let path = below(root, file);
    let entry = fs::look_at(&path)?;
    let opened = entry.as_ref().filter(|entry| entry.kind == PathType::File);
    let opened = opened.and_then(|_| std::fs::File::open(&path).ok());
    let length = opened.as_ref().and_then(|opened| opened.metadata().ok()).map_or(0, |found| found.len());
    let is_swap = opened.is_some_and(|opened| {
        MARK_AT.iter().any(|at| {
            let mut mark = [0; MARK.len()];
            opened.read_exact_at(&mut mark, *at).is_ok() && mark == MARK
        })
    });
    let mounts = fs::mounts(root);
    let nearest = mounts.iter().enumerate().filter(|(_, mount)| file.starts_with(&mount.point));
    let nearest = nearest.max_by_key(|(at, mount)| (mount.point.components().count(), *at));
    let folder = path.ancestors().skip(1).find(|folder| folder.is_dir());
    Ok(Found {
        entry,
        length,
        is_swap,
        is_active: is_active(&std::fs::read(root.join("proc/swaps")).unwrap_or_default(), file),
        has_line: fstab::has_swap(&fstab::read(root)?, file),
        file_system: nearest.map(|(_, mount)| mount.kind.clone()),
        free: folder.and_then(fs::free_bytes),
    })
}

/// Whether the kernel uses a swap file, by `/proc/swaps`.
pub(super) fn is_active(swaps: &[u8], file: &Path) -> bool {
    let mut lines = swaps.split(|&byte| byte == b'\n').skip(1);
    lines.any(|line| line.split(u8::is_ascii_whitespace).next().is_some_and(|name| unescaped(name) == file))
}

impl Found {
    fn work(&self, size: u64) -> Vec<Part> {
        let is_protected = |entry: &PathEntry| entry.mode == MODE && entry.owner.0 == 0;
        let has_file = self.is_active || (self.is_swap && self.length == size);
        let parts = [
            (Part::Make, has_file),
            (Part::Protect, !has_file || self.entry.as_ref().is_some_and(is_protected)),
            (Part::Activate, self.is_active),
            (Part::AddLine, self.has_line),
        ];
        parts.into_iter().filter(|(_, is_done)| !is_done).map(|(part, _)| part).collect()
    }

    /// The reason why the file cannot become a swap file of this size.
    fn problem(&self, file: &Path, size: u64, is_admin: bool) -> Option<Problem> {
        let problem = |message: String, hint: &str| Some(Problem::new(message).hint(hint.to_owned()));
        let (file, work) = (file.display(), self.work(size));
        let activates = work.contains(&Part::Activate);
        if self.is_active && self.length != size {
            let hint = "write its present size, or run `swapoff` and remove the file";
            return problem(format!("`{file}` is in use as swap with {} bytes, not {size}", self.length), hint);
        }
        if self.entry.is_some() && !self.is_active && !self.is_swap {
            return problem(format!("`{file}` exists and is not a swap file"), "move it away, or name another path");
        }
        if activates && !is_admin {
            return Some(permission::not_permitted("swap"));
        }
        let unfit = |kind: &&String| UNFIT.contains(&kind.as_str()) || kind.starts_with("fuse");
        if let Some(kind) = self.file_system.as_ref().filter(|_| activates).filter(unfit) {
            let hint = "name a path on a disk with ext4 or xfs, such as `/local_disk0/swapfile`";
            return problem(format!("`{file}` cannot be a swap file, because its file system is {kind}"), hint);
        }
        let free = self.free.filter(|free| work.contains(&Part::Make) && *free < size);
        free.and_then(|free| {
            let message = format!("`{file}` needs {size} bytes, and its disk has {free} free bytes");
            problem(message, "choose a smaller size, or a path on another disk")
        })
    }
}

/// The outlines of the steps.
pub(super) fn outline(files: &Files) -> Vec<StepOptions> {
    files.iter().map(|(file, entry)| options(file, entry)).collect()
}

pub(super) fn plan<A: From<CreateSwapFile>>(files: &Files, look: &Look, planner: &mut Planner<'_, A>) {
    for (file, entry) in files {
        let found = match look.files.get(file) {
            Some(Ok(found)) => found,
            Some(Err(error)) => {
                planner.refuse_with(Problem::from_error(error).hint(error.hint()).asked_at(entry.origin.clone()));
                continue;
            }
            None => continue,
        };
        let (size, work) = (entry.value, found.work(entry.value));
        let path = below(&planner.common.inventory.root, file);
        let fstab = fstab::path(&planner.common.inventory.root);
        let is_ready = work.is_empty();
        let action = A::from(CreateSwapFile { file: file.clone(), path, fstab, size, work });
        let (id, options) = (format!("system:swap:{}", file.display()), options(file, entry));
        if let Some(problem) = found.problem(file, size, look.is_admin) {
            planner.impossible(id, action, options, problem.asked_at(entry.origin.clone()));
        } else if is_ready {
            planner.ready(format!("system: swap {}", file.display()));
        } else {
            planner.step(id, action, options);
            planner.differs(Some(Difference::Missing));
        }
    }
}

fn options(file: &Path, entry: &Entry<u64>) -> StepOptions {
    StepOptions {
        creates: vec![Resource::Path(file.to_owned())],
        uses: vec![Resource::folder_of(file)],
        lane: Some(Lane::System),
        ..StepOptions::new(entry, Phase::Accounts)
    }
}

impl CreateSwapFile {
    /// The file beside which a killed run may leave a partial file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The other such file.
    pub(super) fn fstab(&self) -> &Path {
        &self.fstab
    }

    pub(super) fn title(&self) -> String {
        let (file, size) = (self.file.display(), shown(self.size));
        match self.work.first() {
            Some(Part::Make) => format!("make the swap file {file} of {size}"),
            Some(Part::Activate) => format!("activate the swap file {file}"),
            Some(Part::Protect | Part::AddLine) | None => format!("complete the swap file {file}"),
        }
    }

    pub(super) fn describe(&self) -> Vec<String> {
        let file = &self.file;
        let lines = |part: &Part| match part {
            Part::Make => {
                vec![format!("allocate {} for {}", shown(self.size), file.display()), mkswap(file).to_string()]
            }
            Part::Protect => vec![format!("mode {MODE:04o}, owner root")],
            Part::Activate => vec![swapon(file).to_string()],
            Part::AddLine => vec![format!("add to {}: {}", fstab::FILE, fstab::line_of_swap(file))],
        };
        self.work.iter().flat_map(lines).collect()
    }

    pub(super) async fn act(&self, ctx: &Context) -> Result<(), Problem> {
        let found = find(&ctx.root, &self.file)?;
        // The rights were tested before the run.
        if let Some(problem) = found.problem(&self.file, self.size, true) {
            return Err(problem);
        }
        for part in found.work(self.size) {
            match part {
                Part::Make => self.make(ctx).await?,
                Part::Protect => drop(fs::change_attributes(&self.path, false, &|_, _| MODE, Some((0, 0)), true)?),
                Part::Activate => program::run(ctx, &swapon(&self.path)).await?,
                Part::AddLine => fstab::change(&ctx.root, |text| Ok(with_line(text, &self.file)))?,
            }
        }
        if find(&ctx.root, &self.file)?.work(self.size).is_empty() {
            return Ok(());
        }
        Err(Problem::new(format!("`{}` is not an active swap file of {}", self.file.display(), shown(self.size))))
    }

    /// The file appears under its name when it is a whole swap file.
    async fn make(&self, ctx: &Context) -> Result<(), Problem> {
        let mut file = PartialFile::create(&self.path, Attributes { mode: Some(MODE), owner: Some((0, 0)) })?;
        file.allocate(self.size)?;
        program::run(ctx, &mkswap(&file.temporary())).await?;
        Ok(file.commit()?)
    }
}

fn mkswap(path: &Path) -> Cmd {
    Cmd::new("mkswap").arg(path.display().to_string())
}

fn swapon(path: &Path) -> Cmd {
    Cmd::new("swapon").arg(path.display().to_string())
}

fn with_line(text: &[u8], file: &Path) -> Vec<u8> {
    if fstab::has_swap(text, file) {
        return text.to_vec();
    }
    let line_feed: &[u8] = if text.is_empty() || text.ends_with(b"\n") { b"" } else { b"\n" };
    [text, line_feed, fstab::line_of_swap(file).as_bytes(), b"\n"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_shown() {
        for text in ["1M", "512M", "16G", "2T"] {
            assert_eq!(size_of(text).map(shown).as_deref(), Some(text));
        }
        assert_eq!(size_of("1024M").map(shown).as_deref(), Some("1G"));
        for text in ["", "G", "16", "16K", "16 G", "+1G", "0G", "1.5G", "16GB", "99999999999T", "\u{20ac}"] {
            assert_eq!(size_of(text), None, "{text}");
        }
    }

    #[test]
    fn active_files_are_those_of_the_kernel() {
        let swaps = b"Filename\t\t\tType\t\tSize\nFilename2 file 1\n/swap\\040file\tfile\t\t1048572\t0\t-2\n";
        assert!(is_active(swaps, Path::new("/swap file")) && is_active(swaps, Path::new("Filename2")));
        assert!(!is_active(swaps, Path::new("/swap")) && !is_active(swaps, Path::new("Filename")));
    }

    fn found() -> Found {
        let entry = Some(PathEntry { kind: PathType::File, mode: MODE, owner: (0, 0) });
        Found {
            entry,
            length: 1 << 30,
            is_swap: true,
            is_active: true,
            has_line: true,
            file_system: Some("ext4".into()),
            free: Some(1 << 31),
        }
    }

    fn problem(found: &Found) -> String {
        found.problem(Path::new("/s"), 1 << 30, true).map(|problem| problem.message).unwrap_or_default()
    }

    #[test]
    fn only_the_missing_parts_are_done() {
        let work = |found: &Found| found.work(1 << 30);
        assert_eq!(work(&found()), []);
        assert_eq!(work(&Found { is_active: false, ..found() }), [Part::Activate]);
        assert_eq!(work(&Found { has_line: false, ..found() }), [Part::AddLine]);
        let open = Some(PathEntry { kind: PathType::File, mode: 0o644, owner: (0, 0) });
        assert_eq!(work(&Found { entry: open, ..found() }), [Part::Protect]);
        let other = Found { is_active: false, length: 1 << 20, ..found() };
        assert_eq!(work(&other), [Part::Make, Part::Activate]);
        assert_eq!(problem(&other), "");
    }

    #[test]
    fn a_file_that_cannot_be_swap_has_a_reason() {
        for (found, part) in [
            (Found { length: 1 << 20, ..found() }, "in use as swap with 1048576 bytes"),
            (Found { is_active: false, is_swap: false, ..found() }, "is not a swap file"),
            (Found { is_active: false, file_system: Some("overlay".into()), ..found() }, "file system is overlay"),
            (Found { is_active: false, file_system: Some("fuse.x".into()), ..found() }, "file system is fuse.x"),
            (Found { entry: None, is_active: false, is_swap: false, free: Some(9), ..found() }, "has 9 free bytes"),
        ] {
            assert!(problem(&found).contains(part), "{part}: {}", problem(&found));
        }
        let inactive = Found { is_active: false, ..found() };
        let message = inactive.problem(Path::new("/s"), 1 << 30, false).expect("refused").message;
        assert!(message.contains("CAP_SYS_ADMIN"), "{message}");
    }

    #[test]
    fn the_line_is_added_once() {
        let once = with_line(b"/dev/sda1 / ext4 defaults 0 1", Path::new("/s"));
        assert_eq!(once, b"/dev/sda1 / ext4 defaults 0 1\n/s none swap sw 0 0\n");
        assert_eq!(with_line(&once, Path::new("/s")), once);
    }
}
