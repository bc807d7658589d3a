//! Rules of `[jar]`.

use url::Url;

use super::{
    checked::{Coordinates, Jar, JarFile},
    written,
};
use crate::{
    grammar::{document::Part, names},
    profile::{AssetKeys, AssetRef, Entry, EntryOptions, Long, Rules, place, within},
};

impl Rules<'_> {
    pub(super) fn jars(&mut self, raw: &written::Jar) -> Jar {
        let to = raw.to.iter().flat_map(|folders| &folders.0).enumerate();
        let to: Vec<_> = to
            .filter_map(|(index, text)| {
                let at = place!["jar", "to", index];
                let text = self.expanded(&at, text)?;
                Some(Entry::plain(self.absolute(&at, &text)?, self.origin(&at)))
            })
            .collect();
        let repositories = raw.repositories.iter().enumerate();
        let repositories: Vec<_> = repositories
            .filter_map(|(index, text)| {
                let at = place!["jar", "repositories", index];
                let text = self.expanded(&at, text)?;
                Some(Entry::plain(self.maven_repository(&at, &text)?, self.origin(&at)))
            })
            .collect();
        let files = self.entries(&place!["jar", "files"], &raw.files, |rules, at, text, long| {
            // The position of the entry, without the key of its name.
            let entry = &at[..at.len() - 1];
            let jar = match long {
                None => rules.jar_of_text(entry, text)?,
                Some(file) => rules.jar_of_keys(entry, file)?,
            };
            rules.name_of_jar(entry, &jar).then_some(jar)
        });
        Jar { files, to, repositories }
    }

    fn jar_of_text(&mut self, at: &[Part], text: String) -> Option<JarFile> {
        let asset = self.asset_of_text(at, text)?;
        Some(JarFile { asset, maven: None, file_name: None, replaces: None })
    }

    fn jar_of_keys(&mut self, at: &[Part], raw: &written::JarFile) -> Option<JarFile> {
        let (asset, maven) = match &raw.maven {
            None => (self.asset_of_keys(at, raw.keys())?, None),
            Some(text) => {
                let (asset, coordinates) = self.jar_of_maven(at, raw, text)?;
                (asset, Some(coordinates))
            }
        };
        let file_name = raw.r#as.as_ref().and_then(|name| self.expanded(&within(at, "as"), name));
        let replaces = raw.replaces.as_ref().and_then(|glob| self.glob_of_jars(&within(at, "replaces"), glob));
        Some(JarFile { asset, maven, file_name, replaces })
    }

    fn jar_of_maven(&mut self, at: &[Part], raw: &written::JarFile, text: &str) -> Option<(AssetRef, Coordinates)> {
        if raw.path.is_some() || raw.url.is_some() {
            self.mistake(at, "the jar has `maven` and another place", "write one of `path`, `url` and `maven`");
            return None;
        }
        let at_text = within(at, "maven");
        let text = self.expanded(&at_text, text)?;
        let Some(coordinates) = Coordinates::parse(&text) else {
            let hint = "write `group:artifact:version`, with `:classifier` if the jar has one";
            self.mistake(&at_text, format!("`{text}` is not the coordinates of a jar"), hint);
            return None;
        };
        if coordinates.is_snapshot() && raw.sha256.is_none() {
            let hint = "name a release, or add the `sha256` of the jar";
            self.mistake(&at_text, format!("`{text}` is a snapshot, which changes"), hint);
            return None;
        }
        // The path stands for the addresses, which depend on the repositories of the merged profile.
        let path = coordinates.path();
        let keys = AssetKeys { path: Some(path.as_str()), ..raw.keys() };
        Some((self.asset_of_keys(at, keys)?, coordinates))
    }

    fn name_of_jar(&mut self, at: &[Part], jar: &JarFile) -> bool {
        let name = jar.name();
        let is_plain = jar.file_name.as_deref().is_none_or(names::is_file_name);
        if name.ends_with(".jar") && is_plain {
            return true;
        }
        let key = if jar.file_name.is_some() { "as" } else { "path" };
        let hint = if is_plain { "its name ends in `.jar`" } else { "write the name of a file, such as `x-1.0.jar`" };
        self.mistake(&within(at, key), format!("`{name}` is not the name of a jar"), hint);
        false
    }

    fn glob_of_jars(&mut self, at: &[Part], text: &str) -> Option<String> {
        let text = self.expanded(at, text)?;
        if text.contains('/') || !text.ends_with(".jar") {
            let hint = "write a glob of file names that ends in `.jar`: the jars are in the same folder";
            self.mistake(at, format!("`{text}` is not a glob of jars"), hint);
            return None;
        }
        if let Err(error) = glob::Pattern::new(&text) {
            self.mistake(at, format!("`{text}` is not a glob: {}", error.msg), "write `*`, `?` or `[abc]`");
            return None;
        }
        Some(text)
    }

    /// A repository.
    fn maven_repository(&mut self, at: &[Part], text: &str) -> Option<Url> {
        let text = if text.ends_with('/') { text.to_owned() } else { format!("{text}/") };
        self.url(at, &text)
    }
}

impl Long for written::JarFile {
    const KEY: &'static str = "path";

    fn name(&self) -> &str {
        let first = self.url.iter().flat_map(|urls| &urls.0).next();
        self.path.as_ref().or(first).or(self.maven.as_ref()).map_or("", String::as_str)
    }

    fn options(&self) -> EntryOptions<'_> {
        EntryOptions { when: self.when.as_ref(), optional: self.optional, timeout: self.timeout.as_deref() }
    }
}
