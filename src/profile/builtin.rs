//! The profiles and assets that are built into the binary, from the project's `profiles/` folder.

/// A file of the `profiles/` folder.
pub(super) struct BuiltIn {
    pub(super) name: &'static str,
    pub(super) text: &'static str,
}

macro_rules! built_in {
    ($($name:literal),+ $(,)?) => {
        &[$(BuiltIn { name: $name, text: include_str!(concat!("../../profiles/", $name)) }),+]
    };
}

const FILES: &[BuiltIn] = built_in![
    "admin.toml",
    "base.toml",
    "bashPrompt.sh",
    "consumer.toml",
    "criminal.toml",
    "family.toml",
    "it.toml",
    "packageInstallTest.txt",
    "starter.toml",
    ".vimrc",
];

/// A file by name.
pub(super) fn file(name: &str) -> Option<&'static BuiltIn> {
    FILES.iter().find(|file| file.name == name)
}

/// The names of the profiles, without `.toml`.
pub(crate) fn profiles() -> impl Iterator<Item = &'static str> {
    FILES.iter().filter_map(|file| file.name.strip_suffix(".toml"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_profiles_folder_is_built_in() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/profiles");
        for entry in std::fs::read_dir(folder).expect("the folder is there") {
            let name = entry.expect("readable").file_name().into_string().expect("UTF-8");
            assert!(file(&name).is_some(), "{name} is not built in");
        }
    }
}
