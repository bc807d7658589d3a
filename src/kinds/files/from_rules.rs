//! Rules of `from` and `unpack`: copies, the files of a folder, archives.

use glob::Pattern;

use super::{
    archive::{Archive, Selection},
    checked::Form,
    contents::Contents,
    rules::Key,
    source::Source,
    written::{self, AssetList},
};
use crate::{
    grammar::document::Part,
    profile::{
        AssetRef, Rules, SecretText,
        shorthand::{PlainOr, Scalar},
        within,
    },
};

/// The endings of single compressed files.
const COMPRESSED: [&str; 4] = [".gz", ".xz", ".zst", ".bz2"];
/// The endings of compressed tar archives in one word.
const SHORT_ENDINGS: [&str; 5] = ["tgz", "txz", "tbz", "tbz2", "tzst"];

impl Rules<'_> {
    /// The form of an entry with `from`.
    pub(super) fn form_of_from(
        &mut self,
        at: &[Part],
        key: &Key,
        raw: &written::File,
        from: &AssetList,
    ) -> Option<Form> {
        let place = within(at, "from");
        let unpack = match &raw.unpack {
            None | Some(PlainOr::Plain(Scalar::Truth(false))) => None,
            Some(PlainOr::Plain(Scalar::Truth(true))) => Some(written::Unpack::default()),
            Some(PlainOr::Table(table)) => Some(table.clone()),
            Some(PlainOr::Plain(_)) => {
                let hint = "write `unpack = true`, or a table with `strip` and `pick`";
                self.mistake(&within(at, "unpack"), "`unpack` is neither true nor false nor a table", hint);
                return None;
            }
        };
        if let Some(unpack) = unpack {
            let from = self.one_asset(&place, from, "an archive is one file")?;
            return self.archive(at, key, raw, from, &unpack).map(Form::Unpack);
        }
        if key.is_folder {
            let values = raw.template.then(|| self.template_values());
            let from = self.with_folders(|rules| rules.asset_list(&place, from, raw.template));
            return from.map(|from| Form::Contents(Contents { from, values }));
        }
        let hint = "end the path of the entry with `/`: the files are copied into this folder";
        let file = self.one_asset(&place, from, hint)?;
        if file.is_folder() || file.is_glob() {
            self.mistake(&place, format!("`{}` is not one file", file.path), hint);
            return None;
        }
        if !raw.template {
            return Some(Form::Copy(file));
        }
        self.not_on_a_server(&place, &file)?;
        Some(Form::Text(Source { file: Some(file), values: Some(self.template_values()), text: SecretText::default() }))
    }

    /// The only asset of a list.
    fn one_asset(&mut self, at: &[Part], list: &AssetList, hint: &str) -> Option<AssetRef> {
        match &list.assets[..] {
            [one] if list.is_list => self.asset_of(&within(at, 0_usize), one),
            [one] => self.asset_of(at, one),
            several => {
                self.mistake(at, format!("`from` has {} files", several.len()), hint);
                None
            }
        }
    }

    fn asset_list(&mut self, at: &[Part], list: &AssetList, is_template: bool) -> Option<Vec<AssetRef>> {
        if list.assets.is_empty() {
            self.mistake(at, "`from` is an empty list", "name at least one file");
            return None;
        }
        let mut assets = Vec::new();
        for (index, asset) in list.assets.iter().enumerate() {
            let at = if list.is_list { within(at, index) } else { at.to_vec() };
            let asset = self.asset_of(&at, asset)?;
            if is_template {
                self.not_on_a_server(&at, &asset)?;
            }
            if asset.sha256.is_some() && (asset.is_folder() || asset.is_glob()) {
                let hint = "name each file with its own digest, or leave `sha256` out";
                self.mistake(&within(&at, "sha256"), "several files cannot have one digest", hint);
                return None;
            }
            assets.push(asset);
        }
        Some(assets)
    }

    fn archive(
        &mut self,
        at: &[Part],
        key: &Key,
        raw: &written::File,
        from: AssetRef,
        unpack: &written::Unpack,
    ) -> Option<Archive> {
        let place = within(at, "unpack");
        if raw.template {
            let hint = "unpack the archive, and write the text in an entry of its own";
            self.mistake(&within(at, "template"), "the files of an archive cannot be templates", hint);
        }
        let mut pick = Vec::new();
        for (index, text) in unpack.pick.0.iter().enumerate() {
            let at = within(&within(&place, "pick"), index);
            let text = self.expanded(&at, text)?;
            match Pattern::new(text.trim_end_matches('/')) {
                Ok(pattern) if !text.is_empty() && !text.starts_with('/') => pick.push(pattern),
                _ => {
                    let hint = "write a path in the archive or a glob, such as `bin/*`, without a leading `/`";
                    self.mistake(&at, format!("`{text}` is not a name in an archive"), hint);
                    return None;
                }
            }
        }
        let name = from.file_name();
        let is_one = pick.len() == 1 || !is_tar_name(name) && COMPRESSED.iter().any(|ending| name.ends_with(ending));
        if !key.is_folder && !is_one {
            let message = format!("`{}` is not a folder, and the archive has several files", key.path.display());
            self.mistake_in_key(at, message, "end the path with `/`, or select one file with `pick`");
            return None;
        }
        let is_octal = raw.mode.as_ref().is_some_and(|mode| mode.starts_with(|first: char| first.is_ascii_digit()));
        if key.is_folder && is_octal {
            let hint = "change the modes as for chmod, such as `a+rX` or `go-w`";
            self.mistake(&within(at, "mode"), "the folders and files of an archive have different modes", hint);
            return None;
        }
        let strip = usize::from(unpack.strip.unwrap_or_default());
        Some(Archive { from, selection: Selection { strip, pick, is_file: !key.is_folder } })
    }

    /// Reports a text on a server: it is read before the run.
    pub(super) fn not_on_a_server(&mut self, at: &[Part], file: &AssetRef) -> Option<()> {
        if file.urls.is_empty() {
            return Some(());
        }
        let hint = "put the file into the file store, or copy it with `from` alone";
        self.mistake(at, "a text that is read before the run cannot be on a server", hint);
        None
    }
}

/// Whether a file name says that the file is a tar archive: `x.tar`, `x.tar.gz`, `x.tgz`.
fn is_tar_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let has_short_ending = name.rsplit_once('.').is_some_and(|(_, ending)| SHORT_ENDINGS.contains(&ending));
    has_short_ending || name.split('.').skip(1).any(|part| part == "tar")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_tar_archives_are_known() {
        for name in ["x.tar", "x.tar.gz", "x-1.0.TGZ", "x.tbz2"] {
            assert!(is_tar_name(name), "{name}");
        }
        for name in ["x.gz", "tar", "x.zip", "tar.gz"] {
            assert!(!is_tar_name(name), "{name}");
        }
    }
}
