//! A file that contains secrets, as a step writes it: its content and its expected state.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use crate::{
    fs::{Snapshot, Stamp},
    managed_block::{ManagedBlock, Position, UnpairedMarker},
    plan::title::listed,
    secrets::{
        Address, Secret,
        file_formats::{self, FileFormat, FormatError, Rendered, SecretFormat, TemplatePart},
    },
    state::Delivered,
};

/// Secrets to deliver to one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliverSecrets {
    /// The profile that requests it. Its part of a shared file is kept apart from those of other profiles.
    pub profile: String,
    /// The file, as the node calls it.
    pub file: PathBuf,
    /// The file, below the root.
    pub path: PathBuf,
    /// Permission bits.
    pub mode: u32,
    /// User and group ids.
    pub owner: (u32, u32),
    /// The format of the file.
    pub kind: FileFormat,
    /// The secrets, in profile order.
    pub parts: Vec<SecretPart>,
    /// For a template: its text, with the keys in it.
    pub template: Vec<TemplatePart>,
    /// The receipt of the file.
    pub known: Option<Delivered>,
    /// The receipts of the file by other profiles.
    pub elsewhere: Vec<Stamp>,
}

/// The action of a secrets step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Deliver secrets to a file.
    Deliver(DeliverSecrets),
    /// Remove secrets that the profile no longer contains.
    Remove(RemoveSecrets),
}

impl Action {
    /// The file, below the root.
    pub fn path(&self) -> &Path {
        match self {
            Self::Deliver(file) => &file.path,
            Self::Remove(file) => &file.path,
        }
    }

    /// The work in one line.
    pub fn title(&self) -> String {
        match self {
            Self::Deliver(file) => {
                format!("deliver {} to {}", listed(file.parts.iter().map(SecretPart::name)), file.path.display())
            }
            Self::Remove(file) => format!("take back what was delivered to {}", file.path.display()),
        }
    }

    /// The work, one line for each secret.
    pub fn describe(&self) -> Vec<String> {
        match self {
            Self::Deliver(file) => deliveries(file),
            Self::Remove(file) => vec![match &file.known {
                Delivered::File { .. } => format!("remove {}, which the profile no longer names", file.path.display()),
                _ => format!("remove what nodeagent wrote to {}, and keep the rest", file.path.display()),
            }],
        }
    }
}

/// One secret of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretPart {
    /// Its scope.
    pub scope: String,
    /// Its key.
    pub key: String,
    /// Its source.
    pub from: Address,
    /// Its form in the file.
    pub form: SecretFormat,
}

/// Why a file cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryError {
    /// The format cannot hold a value.
    #[error("the secret `{key}` of scope `{scope}` does not fit into `{file}` as {kind}: {why}")]
    Unfit {
        /// Its scope.
        scope: String,
        /// Its key.
        key: String,
        /// The file.
        file: PathBuf,
        /// The file's kind.
        kind: FileFormat,
        /// The reason why the value does not fit the format.
        why: FormatError,
    },
    /// Another owner has an entry for the same server.
    #[error("`{file}` has an entry for `{machine}` that nodeagent did not write")]
    Taken {
        /// The file.
        file: PathBuf,
        /// The server.
        machine: String,
    },
    /// A marker of nodeagent has no counterpart.
    #[error("`{file}`: {why}")]
    Unpaired {
        /// The file.
        file: PathBuf,
        /// The mistake.
        why: UnpairedMarker,
    },
    /// A secret was not fetched.
    #[error("the secret `{key}` of scope `{scope}` is not at hand")]
    NotThere {
        /// Its scope.
        scope: String,
        /// Its key.
        key: String,
    },
}

impl DeliveryError {
    /// A hint for the user.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unfit { why, .. } => Some(why.hint.to_owned()),
            Self::Taken { machine, .. } => {
                Some(format!("remove the entry for `{machine}`: some programs take the first of two, others the last"))
            }
            Self::Unpaired { .. } => Some("keep both marks of the block, or remove both".to_owned()),
            Self::NotThere { .. } => None,
        }
    }
}

impl SecretPart {
    /// The name for messages: `family/token`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.scope, self.key)
    }
}

impl DeliverSecrets {
    /// The names of its secrets.
    pub fn names(&self) -> String {
        self.parts.iter().map(SecretPart::name).collect::<Vec<_>>().join(", ")
    }

    /// The complete content, made from the present content.
    pub fn content<'v>(
        &self,
        found: Option<&Snapshot>,
        value: impl Fn(&Address) -> Option<&'v Secret>,
    ) -> Result<Rendered, DeliveryError> {
        let mut written = BTreeMap::new();
        let mut lines = Rendered::new(Vec::new());
        for part in &self.parts {
            let absent = || DeliveryError::NotThere { scope: part.scope.clone(), key: part.key.clone() };
            let unfit = |why| DeliveryError::Unfit {
                scope: part.scope.clone(),
                key: part.key.clone(),
                file: self.file.clone(),
                kind: self.kind,
                why,
            };
            let text = part.form.written(value(&part.from).ok_or_else(absent)?.reveal()).map_err(unfit)?;
            lines = Rendered::new([lines.reveal(), text.reveal()].concat());
            written.insert(part.key.as_str(), text);
        }
        // A file that was delivered whole and is now shared. Its old content is removed.
        let before = found.filter(|found| !self.is_ours_whole(found)).and_then(|found| found.bytes.as_deref());
        let before = before.unwrap_or_default();
        let unpaired = |why| DeliveryError::Unpaired { file: self.file.clone(), why };
        let block = block_of(&self.profile);
        Ok(match self.kind {
            FileFormat::Whole | FileFormat::EnvFile => lines,
            FileFormat::Pgpass => Rendered::new(block.put(before, lines.reveal()).map_err(unpaired)?),
            FileFormat::Netrc => {
                let others = block.take_out(before).map_err(unpaired)?;
                for part in &self.parts {
                    if let SecretFormat::Netrc { machine, .. } = &part.form
                        && file_formats::names_machine(&others, machine)
                    {
                        return Err(DeliveryError::Taken { file: self.file.clone(), machine: machine.clone() });
                    }
                }
                Rendered::new(block.put(before, lines.reveal()).map_err(unpaired)?)
            }
            FileFormat::GitCredentials => {
                let mut ours = self.identities();
                if let Some(Delivered::Lines { of }) = &self.known {
                    ours.extend(of.iter().cloned());
                }
                Rendered::new(file_formats::with_lines(before, &ours, lines.reveal()))
            }
            FileFormat::Template => {
                let piece = |piece: &TemplatePart| match piece {
                    TemplatePart::Text(text) => text.as_bytes().to_vec(),
                    TemplatePart::Secret(key) => {
                        written.get(key.as_str()).map(|text| text.reveal().to_vec()).unwrap_or_default()
                    }
                };
                Rendered::new(self.template.iter().map(piece).collect::<Vec<_>>().concat())
            }
        })
    }

    /// Whether a file has the expected state and the receipt records it as delivered if necessary.
    pub fn is_as_delivered(&self, found: Option<&Snapshot>, content: &Rendered) -> bool {
        let Some(found) = found.filter(|found| self.is_as_wanted(found, content)) else { return false };
        match (&self.known, self.kind.is_shared()) {
            (Some(known), true) => *known == self.delivered(None),
            (None, true) => false,
            (Some(_), false) => self.is_ours_whole(found),
            // A file that had this content before the delivery must not be removed later.
            (None, false) => !self.is_also_of_others(found),
        }
    }

    /// Whether a file has the expected content, permissions and owner.
    pub fn is_as_wanted(&self, found: &Snapshot, content: &Rendered) -> bool {
        found.bytes.as_deref() == Some(content.reveal()) && found.mode == self.mode && found.owner == self.owner
    }

    /// Whether the file as it is was delivered for another profile.
    pub fn is_also_of_others(&self, found: &Snapshot) -> bool {
        found.stamp.is_some_and(|stamp| self.elsewhere.contains(&stamp))
    }

    /// The receipt of the file if it has this stamp.
    pub fn delivered(&self, stamp: Option<Stamp>) -> Delivered {
        match self.kind {
            FileFormat::Whole | FileFormat::EnvFile | FileFormat::Template => {
                let last = match &self.known {
                    Some(Delivered::File { stamps }) => stamps.last().copied(),
                    _ => None,
                };
                Delivered::File { stamps: last.into_iter().chain(stamp).collect() }
            }
            FileFormat::Pgpass | FileFormat::Netrc => Delivered::Block,
            FileFormat::GitCredentials => Delivered::Lines { of: self.identities() },
        }
    }

    /// Whether the whole file was delivered by nodeagent and contains nothing else.
    fn is_ours_whole(&self, found: &Snapshot) -> bool {
        match &self.known {
            Some(Delivered::File { stamps }) => found.stamp.is_some_and(|stamp| stamps.contains(&stamp)),
            _ => false,
        }
    }

    fn identities(&self) -> Vec<String> {
        let identity = |part: &SecretPart| match &part.form {
            SecretFormat::GitCredentials { url, user } => Some(file_formats::identity(url, user)),
            _ => None,
        };
        self.parts.iter().filter_map(identity).collect()
    }
}

/// A file with secrets that the profile no longer requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoveSecrets {
    /// The profile that requested it.
    pub profile: String,
    /// The file, as the node calls it.
    pub file: PathBuf,
    /// The file, below the root.
    pub path: PathBuf,
    /// The delivered part.
    pub known: Delivered,
}

impl RemoveSecrets {
    /// Whether an existing file may still contain a delivered part.
    pub fn concerns(&self, found: &Snapshot) -> bool {
        let text = found.bytes.as_deref().unwrap_or_default();
        match &self.known {
            Delivered::File { .. } => true,
            Delivered::Block => block_of(&self.profile).is_in(text),
            Delivered::Lines { of } => file_formats::has_lines(text, of),
        }
    }

    /// The content without the delivered part. `None` if the whole file was delivered.
    pub fn rest(&self, found: &Snapshot) -> Result<Option<Rendered>, UnpairedMarker> {
        let text = found.bytes.as_deref().unwrap_or_default();
        Ok(match &self.known {
            Delivered::File { .. } => None,
            Delivered::Block => Some(Rendered::new(block_of(&self.profile).take_out(text)?)),
            Delivered::Lines { of } => Some(Rendered::new(file_formats::without_lines(text, of))),
        })
    }
}

/// The part of a profile in a shared file.
fn block_of(profile: &str) -> ManagedBlock {
    ManagedBlock::of_profile(profile, Position::Start)
}

/// Replaces `~` by the home of a file's owner.
pub(super) fn at_home(path: &Path, home: Option<&Path>) -> Option<PathBuf> {
    match path.strip_prefix("~") {
        Ok(below) => home.map(|home| home.join(below)),
        Err(_) => Some(path.to_owned()),
    }
}

fn deliveries(file: &DeliverSecrets) -> Vec<String> {
    let (path, mode) = (file.path.display(), format!("mode {:04o}", file.mode));
    let part = |part: &SecretPart| match &part.form {
        SecretFormat::Whole => format!("write the secret to {path} ({mode})"),
        SecretFormat::Variable(name) => format!("write {name} from {} to {path} ({mode})", part.name()),
        SecretFormat::Template => format!("fill in {}", part.name()),
        SecretFormat::Pgpass { host, port, database, user } => {
            format!("write the password of {host}:{port}:{database}:{user} to {path} ({mode})")
        }
        SecretFormat::Netrc { machine, login } => {
            format!("write the password of {login} at {machine} to {path} ({mode})")
        }
        SecretFormat::GitCredentials { url, user } => {
            format!("write the password of {user} at {url} to {path} ({mode})")
        }
    };
    let template = (file.kind == FileFormat::Template).then(|| format!("write the template to {path} ({mode})"));
    template.into_iter().chain(file.parts.iter().map(part)).collect()
}
