//! Files of the driver's folder that win over the file of nodeagent.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use super::destination::{DRIVER_FILE, DRIVER_FOLDER};
use crate::inventory::below;

/// The files that come before the file of nodeagent by name, with their texts. Paths are those of the node.
pub(super) fn earlier_files(root: &Path) -> BTreeMap<PathBuf, String> {
    let entries = fs::read_dir(below(root, Path::new(DRIVER_FOLDER))).into_iter().flatten().filter_map(Result::ok);
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let earlier = names.filter(|name| {
        let is_conf = Path::new(name).extension().is_some_and(|end| end == "conf");
        is_conf && name.as_str() < DRIVER_FILE
    });
    let read = |name: String| {
        let path = Path::new(DRIVER_FOLDER).join(name);
        let text = fs::read(below(root, &path)).ok()?;
        Some((path, String::from_utf8_lossy(&text).into_owned()))
    };
    earlier.filter_map(read).collect()
}

/// The first of the files that sets a key.
pub(super) fn setting_file<'a>(files: &'a BTreeMap<PathBuf, String>, key: &str) -> Option<&'a Path> {
    let (path, _) = files.iter().find(|(_, text)| text.lines().any(|line| sets(line, key)))?;
    Some(path)
}

/// Whether a line assigns a value to the key.
fn sets(line: &str, key: &str) -> bool {
    let line = line.trim_start();
    let after = match line.strip_prefix('"') {
        Some(quoted) => quoted.strip_prefix(key).and_then(|rest| rest.strip_prefix('"')),
        None => line.strip_prefix(key),
    };
    after.is_some_and(|rest| rest.trim_start().starts_with(['=', ':']) || rest.trim_start().starts_with("+="))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_sets_the_whole_key_only() {
        for line in ["\"spark.a\" = 1", "  spark.a: x", "spark.a=1", "spark.a += 2"] {
            assert!(sets(line, "spark.a"), "{line}");
        }
        for line in ["# \"spark.a\" = 1", "\"spark.a.b\" = 1", "spark.ab = 1", "\"spark.a", "spark.a"] {
            assert!(!sets(line, "spark.a"), "{line}");
        }
    }

    #[test]
    fn only_files_that_come_first_win() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        for name in ["00-custom.conf", "00-nodeagent.conf", "zz.conf", "00-a.txt"] {
            crate::fs::put(
                &temp.path().join("databricks/driver/conf").join(name),
                "[driver] {\n  \"spark.a\" = \"1\"\n}\n",
            );
        }
        let files = earlier_files(temp.path());
        assert_eq!(setting_file(&files, "spark.a"), Some(Path::new("/databricks/driver/conf/00-custom.conf")));
        assert_eq!((setting_file(&files, "spark.b"), files.len()), (None, 1));
    }
}
