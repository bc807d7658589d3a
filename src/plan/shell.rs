//! Plans shell configuration: renders each file as it shall be, and leaves alone what is so already.

use std::{fmt::Write as _, path::PathBuf};

use super::{
    Action, WriteFile,
    build::{Builder, Terms},
};
use crate::{
    diagnostic::Origin,
    fs::Attributes,
    inventory::{profile_d, shell_users, variables_file},
    profile::{Content, Entry, Text},
};

const BEGIN: &str = ">>> nodeagent >>>";
const END: &str = "<<< nodeagent <<<";

/// What a file's comments begin with.
#[derive(Clone, Copy)]
enum Comment {
    Shell,
    Vim,
}

impl Comment {
    fn sign(self) -> &'static str {
        match self {
            Self::Shell => "#",
            Self::Vim => "\"",
        }
    }
}

struct Target<'a> {
    id: String,
    path: PathBuf,
    text: &'a str,
    whole: bool,
    comment: Comment,
    attributes: Attributes,
}

impl Builder<'_> {
    pub(super) fn shell(&mut self) {
        let shell = &self.profile.shell;
        let users = shell_users(self.profile);
        for (name, text, comment) in [("bashrc", &shell.bashrc, Comment::Shell), ("vimrc", &shell.vimrc, Comment::Vim)]
        {
            let Some(entry) = text else { continue };
            for user in &users {
                let id = if *user == "root" { name.to_owned() } else { format!("{name}:{user}") };
                let Some(found) = self.inventory.users.user(user).cloned() else {
                    let origin = shell.users.as_ref().map_or(&entry.origin, |users| &users.origin).clone();
                    let near = crate::diagnostic::nearest(user, self.inventory.users.names())
                        .map(|near| format!("did you mean `{near}`?"));
                    self.refuse(&origin, format!("there is no user `{user}` on this node"), near);
                    continue;
                };
                let attributes = Attributes { mode: None, owner: Some((found.uid, found.gid)) };
                let Some(text) = self.content(entry) else { continue };
                let (path, whole) = (found.home.join(format!(".{name}")), entry.value.whole.unwrap_or(false));
                let target = Target { id, path, text: &text, whole, comment, attributes };
                self.target(&target, vec![entry.origin.clone()], entry.optional);
            }
        }
        for (name, entry) in &shell.profile_d {
            let Some(text) = self.content(entry) else { continue };
            let (id, path, whole) = (format!("profile-d:{name}"), profile_d(name), entry.value.whole.unwrap_or(true));
            let attributes = Attributes::mode(0o644);
            let target = Target { id, path, text: &text, whole, comment: Comment::Shell, attributes };
            self.target(&target, vec![entry.origin.clone()], entry.optional);
        }
        self.variables();
    }

    fn variables(&mut self) {
        let variables = &self.profile.shell.variables;
        let Some(first) = variables.values().next() else { return };
        let mut text = "# Written by nodeagent from [shell.variables].\n".to_owned();
        for (name, entry) in variables {
            let _ = writeln!(text, "export {name}='{}'", entry.value.replace('\'', r"'\''"));
        }
        let origins: Vec<Origin> = variables.values().map(|entry| entry.origin.clone()).collect();
        let (path, attributes) = (variables_file(), Attributes::mode(0o644));
        let target =
            Target { id: "variables".into(), path, text: &text, whole: true, comment: Comment::Shell, attributes };
        self.target(&target, origins, first.optional);
    }

    /// The text of an entry, from a file or from the profile; `None` when that was refused or is missing.
    fn content(&mut self, entry: &Entry<Text>) -> Option<String> {
        let file = match &entry.value.content {
            Content::Inline(text) => return Some(text.clone()),
            Content::File(file) => self.inventory.asset(file)?,
        };
        let bytes = file.bytes.as_deref().unwrap_or_default();
        let Ok(text) = std::str::from_utf8(bytes) else {
            let message = format!("`{}` is not UTF-8 text", file.asset.label());
            self.refuse(&entry.origin, message, "save the file as UTF-8".to_owned());
            return None;
        };
        Some(text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n"))
    }

    fn target(&mut self, target: &Target<'_>, origins: Vec<Origin>, optional: bool) {
        let origin = &origins[0];
        let found = match self.inventory.file(&target.path) {
            Ok(found) => found,
            Err(error) => {
                let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
                let message = format!("{error}{}", cause.unwrap_or_default());
                let hint = error.hint();
                return self.refuse(origin, message, hint);
            }
        };
        let before = match found.map(|found| found.bytes.as_deref()) {
            Some(None) => {
                let message = format!("`{}` is not a file", target.path.display());
                return self.refuse(origin, message, "move it out of the way".to_owned());
            }
            Some(Some(bytes)) => Some(bytes),
            None => None,
        };
        let wanted = if target.whole {
            Ok(with_last_newline(target.text).into_bytes())
        } else {
            with_block(before.unwrap_or_default(), target.text, target.comment)
        };
        let Ok(bytes) = wanted else {
            let message = format!("`{}` has a mark of nodeagent without its partner", target.path.display());
            let hint = format!("keep both `{BEGIN}` and `{END}`, or remove both");
            return self.refuse(origin, message, hint);
        };
        let name = format!("shell: {}", target.path.display());
        if before == Some(&bytes[..]) {
            return self.ready(name);
        }
        // A file that is there keeps its permissions and owner.
        let attributes = if before.is_some() { Attributes::default() } else { target.attributes };
        let action = WriteFile {
            path: crate::inventory::below(&self.inventory.root, &target.path),
            bytes,
            before: before.map(<[u8]>::to_vec),
            attributes,
        };
        let terms = Terms { origins, optional, ..Terms::default() };
        self.step(target.id.clone(), Action::WriteFile(action), terms);
    }
}

/// A begin or end mark stands alone: somebody edited the file, and guessing could lose lines.
#[derive(Debug, PartialEq, Eq)]
struct Unpaired;

/// The file with our block in it: replaced where it is, else added at the end. All other lines stay byte for byte.
fn with_block(before: &[u8], text: &str, comment: Comment) -> Result<Vec<u8>, Unpaired> {
    let sign = comment.sign();
    let (begin, end) = (format!("{sign} {BEGIN}"), format!("{sign} {END}"));
    let block = format!("{begin}\n{}{end}\n", with_last_newline(text));
    let lines: Vec<&[u8]> = before.split_inclusive(|&byte| byte == b'\n').collect();
    let is = |line: &[u8], mark: &str| line.trim_ascii_end() == mark.as_bytes();
    let first = lines.iter().position(|line| is(line, &begin));
    let last = lines.iter().position(|line| is(line, &end));
    let mut bytes = Vec::with_capacity(before.len() + block.len());
    match (first, last) {
        (Some(first), Some(last)) if first < last => {
            bytes.extend(lines[..first].concat());
            bytes.extend(block.as_bytes());
            bytes.extend(lines[last + 1..].concat());
        }
        (None, None) => {
            bytes.extend(before);
            if !before.is_empty() && !before.ends_with(b"\n") {
                bytes.push(b'\n');
            }
            bytes.extend(block.as_bytes());
        }
        _ => return Err(Unpaired),
    }
    Ok(bytes)
}

fn with_last_newline(text: &str) -> String {
    if text.is_empty() || text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(before: &str, text: &str) -> String {
        String::from_utf8(with_block(before.as_bytes(), text, Comment::Shell).expect("paired")).expect("UTF-8")
    }

    #[test]
    fn a_block_is_added_once_and_replaced_in_place() {
        let once = block("alias ll='ls -l'", "PS1=x");
        assert_eq!(once, "alias ll='ls -l'\n# >>> nodeagent >>>\nPS1=x\n# <<< nodeagent <<<\n");
        assert_eq!(block(&once, "PS1=x"), once);
        let edited = format!("{once}# mine\n");
        assert_eq!(
            block(&edited, "PS1=y"),
            "alias ll='ls -l'\n# >>> nodeagent >>>\nPS1=y\n# <<< nodeagent <<<\n# mine\n"
        );
    }

    #[test]
    fn bytes_that_are_not_text_stay_as_they_are() {
        let before = b"caf\xe9\n";
        let after = with_block(before, "x", Comment::Vim).expect("paired");
        assert!(after.starts_with(before));
        assert!(after.ends_with(b"\" <<< nodeagent <<<\n"));
    }

    #[test]
    fn a_lone_mark_is_not_guessed_at() {
        assert_eq!(with_block(b"# >>> nodeagent >>>\nx\n", "y", Comment::Shell), Err(Unpaired));
        assert_eq!(with_block(b"# <<< nodeagent <<<\n# >>> nodeagent >>>\n", "y", Comment::Shell), Err(Unpaired));
    }
}
