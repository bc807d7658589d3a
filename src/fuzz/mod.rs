//! The entry functions of the fuzz targets: one for each parser of texts and files that other people write.
//!
//! `tests/fuzz` has a program for each target, and its corpus. The unit tests run all files of the corpora through the
//! same functions. A function passes if it returns: a panic, a hang, and memory without a limit are findings. Many
//! functions also check a property of the result, such as that a secret is not shown.
//!
//! Private parsers have a function in the module `fuzz` beside them.

mod answers;
mod archives;
mod certificates;
mod clouds;
mod configurations;
mod documents;
mod edited_files;
mod redaction;
mod scratch;
mod signatures;
mod state_files;
#[cfg(test)]
mod tests;

use crate::{facts, kinds, redact, report, steps, store};

macro_rules! targets {
    ($($(#[$doc:meta])* $name:ident => $function:path;)*) => {
        $($(#[$doc])* pub fn $name(data: &[u8]) {
            $function(data);
            // A registered secret would change the next input's result.
            redact::forget();
        })*

        /// The names of all targets, with their entry functions.
        pub const TARGETS: &[(&str, fn(&[u8]))] = &[$((stringify!($name), $name)),*];
    };
}

targets! {
    /// A profile, from its text to checked values or to rendered mistakes. A secret is not in the mistakes.
    profile => documents::profile;
    /// A lock. Its written form is the same lock.
    lock => documents::lock;
    /// An access file, and decisions by it.
    access => documents::access;
    /// A requirements file of pip, and the rules for its lines.
    requirements => documents::requirements;
    /// The metadata of Python distributions, reports of pip and uv, and the configuration of pip.
    python => kinds::python::fuzz::metadata;
    /// The index of an R repository, and DESCRIPTION files.
    r_index => kinds::r::fuzz::index;
    /// An archive of an R package.
    r_archive => archives::r_package;
    /// The output of apt, and the control file of a package.
    apt => kinds::apt::fuzz::output;
    /// The status file of dpkg, and other texts of the node: users, mounts, `os-release`.
    node => facts::fuzz::node;
    /// An OpenPGP key file. The packets that programs get have the same fingerprints.
    openpgp => signatures::openpgp;
    /// Keys and signatures of minisign.
    minisign => signatures::minisign;
    /// Certificates in PEM or DER.
    certificate => certificates::certificate;
    /// The entries of an archive, in memory: tar, zip, deb, compressed files.
    archive => archives::list;
    /// An archive that is unpacked. Nothing appears outside of the folder.
    unpack => archives::unpack;
    /// The answers of AWS, with the files of its configuration.
    aws => clouds::aws;
    /// The answers of Azure: Entra ID, Key Vault, the metadata service.
    azure => clouds::azure;
    /// The answers of a Databricks workspace.
    databricks => clouds::databricks;
    /// The answers of object stores: S3, Azure, Google.
    buckets => clouds::buckets;
    /// The configuration files of the clients of clouds.
    client_files => configurations::client_files;
    /// Entries and leases of the store, and names of its files.
    store => store::fuzz::files;
    /// The manifest of a layer.
    layer => steps::layer::fuzz::manifest;
    /// Receipt, journal, report and other files between runs.
    state => state_files::state;
    /// The event log and the report.
    events => report::fuzz::events;
    /// The redaction of a stream. A secret is not in the output, however the stream is split.
    redact => redaction::stream;
    /// Managed blocks, and files that secrets are written into: netrc, git-credentials.
    edited_files => edited_files::edited_files;
    /// The edits of `[files]`. A second application changes nothing.
    edits => kinds::files::fuzz::edits;
    /// Files and outputs of the operating system: fstab, alternatives, keytool, R.
    tools => kinds::fuzz::tools;
}
