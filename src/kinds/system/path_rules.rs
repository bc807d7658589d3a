//! Rules of swap files and mounts.

use std::path::{Path, PathBuf};

use super::{checked::Mount, rules::Shared, swap, written};
use crate::{
    grammar::{document::Part, names},
    profile::{Cases, Entry, Rules, place, shorthand::Shorthand, within},
};

/// Folders that a mount must not hide, neither at them nor above them.
const RUNTIME: [&str; 17] = [
    "/bin",
    "/boot",
    "/databricks",
    "/dbfs",
    "/dev",
    "/etc",
    "/lib",
    "/lib64",
    "/local_disk0",
    "/opt/spark",
    "/proc",
    "/root",
    "/run",
    "/sbin",
    "/sys",
    "/usr",
    "/var/lib",
];
/// Folders that belong to the runtime or the kernel, with everything in them.
const RESERVED: [&str; 7] = ["/Volumes", "/Workspace", "/databricks", "/dbfs", "/dev", "/proc", "/sys"];

impl Rules<'_> {
    pub(super) fn swap_file(
        &mut self,
        name: &str,
        cases: &Cases<Shorthand<written::Swap>>,
    ) -> Option<(PathBuf, Entry<u64>)> {
        let at = place!["system", "swap", name];
        let path = self.path_of_key(&at, name);
        if let Some(path) = path.as_ref().filter(|path| is_below(path, &RESERVED)) {
            let hint = "name a file on a disk of the node, such as `/swapfile`";
            self.mistake_in_key(&at, format!("`{}` cannot be a swap file", path.display()), hint);
        }
        let resolved = path.as_ref().map(|path| format!("swap.{}", path.display()));
        let entry = self.cases(&at, cases, |rules, at, raw| {
            let (size, shared, place) = match raw {
                Shorthand::Short(size) => (size, Shared::default(), at.to_vec()),
                Shorthand::Long(raw) => {
                    let (timeout, after, before) =
                        (raw.timeout.as_deref(), raw.after.as_slice(), raw.before.as_slice());
                    let shared = Shared { optional: raw.optional, timeout, after, before };
                    (&raw.size, shared, within(at, "size"))
                }
            };
            let size = rules.expanded(&place, size)?;
            let Some(bytes) = swap::size_of(&size) else {
                let hint = "a whole number with `M`, `G` or `T`, such as `16G`";
                rules.mistake(&place, format!("`{size}` is not the size of a swap file"), hint);
                return None;
            };
            Some(rules.system_entry(at, (format!("swap.{name}"), resolved.clone()), shared, bytes))
        })?;
        Some((path?, entry))
    }

    pub(super) fn mount(&mut self, name: &str, cases: &Cases<written::Mount>) -> Option<(PathBuf, Entry<Mount>)> {
        let at = place!["system", "mounts", name];
        let path = self.path_of_key(&at, name);
        if let Some(path) = path.as_ref().filter(|path| hides_runtime(path)) {
            let hint = "choose another folder, such as `/mnt/models`";
            self.mistake_in_key(
                &at,
                format!("a mount at `{}` would hide folders of the runtime", path.display()),
                hint,
            );
        }
        let resolved = path.as_ref().map(|path| format!("mounts.{}", path.display()));
        let entry = self.cases(&at, cases, |rules, at, raw| {
            let before = rules.found.len();
            let value = rules.checked_mount(at, raw);
            let (timeout, after, before_names) = (raw.timeout.as_deref(), raw.after.as_slice(), raw.before.as_slice());
            let shared = Shared { optional: raw.optional, timeout, after, before: before_names };
            let entry = rules.system_entry(at, (format!("mounts.{name}"), resolved.clone()), shared, value?);
            (rules.found.len() == before).then_some(entry)
        })?;
        Some((path?, entry))
    }

    fn checked_mount(&mut self, path: &[Part], raw: &written::Mount) -> Option<Mount> {
        let what = self.public_line(&within(path, "what"), &raw.what);
        let at = within(path, "type");
        let kind = self.expanded(&at, &raw.r#type);
        if let Some(kind) = kind.as_ref().filter(|kind| !names::is_file_system(kind)) {
            let hint = "write it as for `mount -t`, such as `ext4`, `nfs` or `tmpfs`";
            self.mistake(&at, format!("`{kind}` is not the type of a file system"), hint);
        }
        if kind.as_deref() == Some("swap") {
            self.mistake(&at, "swap is not a mount", "use `swap` of `[system]`");
        }
        let at = within(path, "options");
        let listed = raw.options.as_ref().map_or(&[][..], |options| &options.0);
        let options = listed.iter().enumerate().map(|(index, text)| {
            let in_list = within(&at, index);
            let at = if self.document.has(&in_list) { &in_list } else { &at };
            let text = self.public_line(at, text)?;
            if text.contains(char::is_whitespace) || text.split(',').any(str::is_empty) {
                let hint = "options are joined by `,` without spaces, such as `ro,noatime`";
                self.mistake(at, format!("`{text}` is not a list of mount options"), hint);
            }
            Some(text)
        });
        let options: Option<Vec<String>> = options.collect::<Vec<_>>().into_iter().collect();
        let options = options?.join(",");
        let options = if options.is_empty() { "defaults".to_owned() } else { options };
        Some(Mount { what: what?, kind: kind?, options })
    }

    /// The path that a key names.
    fn path_of_key(&mut self, at: &[Part], key: &str) -> Option<PathBuf> {
        let text = self.public_line(at, key)?;
        Some(self.absolute(at, &text)?.components().collect())
    }
}

fn hides_runtime(path: &Path) -> bool {
    RUNTIME.iter().any(|folder| Path::new(folder).starts_with(path)) || is_below(path, &RESERVED)
}

fn is_below(path: &Path, folders: &[&str]) -> bool {
    folders.iter().any(|folder| path.starts_with(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_the_runtime_are_hidden_from_above_and_from_within() {
        for path in ["/opt", "/var", "/usr", "/databricks/spark", "/dbfs/mnt", "/dev/shm", "/local_disk0"] {
            assert!(hides_runtime(Path::new(path)), "{path}");
        }
        for path in ["/mnt/models", "/opt/models", "/local_disk0/models", "/var/models", "/databricks-data"] {
            assert!(!hides_runtime(Path::new(path)), "{path}");
        }
    }
}
