//! The entry functions of fuzz targets.

use std::{collections::BTreeSet, path::Path};

use super::{
    index::{PipConfig, address_in_page},
    installer::{pip_changes, uv_changes},
    lock::report,
    requirements_file::Source,
};
use crate::{
    facts::{self, python::WheelName},
    profile::requirements::named_files,
};

/// A requirements file in a folder.
pub(crate) fn requirements(data: &[u8], folder: &Path) {
    let (label, folder) = ("store/requirements.txt", Some(folder));
    let insecure_http = BTreeSet::from(["example.org".to_owned()]);
    for is_copied in [true, false] {
        let source = Source { label, folder, name: label, is_copied, insecure_http: Some(&insecure_http) };
        match source.check(data) {
            Ok(read) => {
                for named in read.named.iter().chain(&read.constraints) {
                    drop(named.requirement.to_string());
                }
            }
            Err(problems) => assert!(!problems.is_empty()),
        }
    }
    named_files(&String::from_utf8_lossy(data));
}

/// The metadata of distributions, the reports of installers, an index, and `pip.conf`.
pub(crate) fn metadata(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    facts::fuzz::python(data);
    if let Some(name) = text.lines().next().and_then(WheelName::parse) {
        let _ = name.matches(11, "x86_64", Some(36));
    }
    drop(report(&text));
    drop((pip_changes(&text), uv_changes(&text)));
    let mut config = PipConfig::default();
    config.add(&text);
    let _ = config.for_uv();
    address_in_page(data, "nltk-3.9-py3-none-any.whl");
}
