//! Rules of `[cert]`.

use super::{
    checked::{Cert, Store},
    written,
};
use crate::{
    grammar::document::Part,
    profile::{AssetRef, Rules, Setting, place, within},
};

impl Rules<'_> {
    pub(super) fn cert(&mut self, raw: &written::Cert) -> Cert {
        let at = |key: &str| place!["cert", key];
        let files = self.assets_and_folders(&at("files"), &raw.files, Rules::is_file_of_certificates);
        let to = raw.to.clone().filter(|to| self.are_stores(&at("to"), to));
        let java_password = raw.java_password.as_ref().and_then(|raw| {
            let at = at("java-password");
            let value = self.secret_ref(&at, raw)?;
            Some(Setting { value, origin: self.origin(&at) })
        });
        if let (Some(to), Some(true)) = (&to, raw.variables)
            && !to.contains(&Store::Os)
        {
            let hint = "add `os` to `to`, or remove `variables`";
            self.mistake(&at("variables"), "`variables` needs the store `os`, which `to` does not have", hint);
        }
        Cert {
            files,
            to: self.plain(&at("to"), to),
            java_password,
            variables: self.plain(&at("variables"), raw.variables),
            interpreter: std::path::PathBuf::new(),
        }
    }

    /// A glob must be one. The content of a file is checked when it is read.
    fn is_file_of_certificates(&mut self, at: &[Part], asset: &AssetRef) -> bool {
        let Err(error) = glob::Pattern::new(&asset.path) else { return true };
        if asset.urls.is_empty() {
            self.mistake(at, format!("`{}` is not a glob: {}", asset.path, error.msg), "write `*`, `?` or `[abc]`");
            return false;
        }
        true
    }

    fn are_stores(&mut self, at: &[Part], to: &[Store]) -> bool {
        // Unknown stores were reported and removed.
        if to.is_empty() && !self.document.has(&within(at, 0)) {
            self.mistake(at, "`to` is empty", "name a store: `os`, `java` or `python`");
        }
        !to.is_empty()
    }
}
