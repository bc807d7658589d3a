//! The entry of the script in a cluster's configuration.

use std::path::Path;

use serde_json::{Value, json};

/// The path in the entry of a script whose final path is unknown.
pub(super) const PLACEHOLDER: &str = "/Volumes/CATALOG/SCHEMA/VOLUME/Admin/init_scripts/PROFILE.sh";

/// The entry of `init_scripts` for a script at a path. `None` if clusters cannot read init scripts from there.
pub(super) fn entry(path: &Path) -> Option<Value> {
    if path.starts_with("/Volumes") {
        return Some(volume(path));
    }
    if path.starts_with("/Workspace") {
        return Some(json!({ "workspace": { "destination": path } }));
    }
    let below = path.strip_prefix("/dbfs").ok()?;
    Some(json!({ "dbfs": { "destination": format!("dbfs:/{}", below.display()) } }))
}

/// The entry for a script in a Volume.
pub(super) fn volume(path: &Path) -> Value {
    json!({ "volumes": { "destination": path } })
}

/// The line of a cluster's configuration with this entry.
pub(super) fn line(entry: &Value) -> String {
    format!("    \"init_scripts\": [{entry}]\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entry_follows_the_folder_of_the_script() {
        let line_of = |path: &str| entry(Path::new(path)).map(|entry| line(&entry));
        let volumes = "    \"init_scripts\": [{\"volumes\":{\"destination\":\"/Volumes/a/b/c/family.sh\"}}]\n";
        assert_eq!(line_of("/Volumes/a/b/c/family.sh").as_deref(), Some(volumes));
        let workspace = "    \"init_scripts\": [{\"workspace\":{\"destination\":\"/Workspace/x/family.sh\"}}]\n";
        assert_eq!(line_of("/Workspace/x/family.sh").as_deref(), Some(workspace));
        let dbfs = "    \"init_scripts\": [{\"dbfs\":{\"destination\":\"dbfs:/FileStore/family.sh\"}}]\n";
        assert_eq!(line_of("/dbfs/FileStore/family.sh").as_deref(), Some(dbfs));
        assert_eq!(line_of("/home/me/family.sh"), None);
        assert_eq!(line_of("/VolumesOfMine/family.sh"), None);
    }
}
