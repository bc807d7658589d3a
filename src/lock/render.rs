//! Writes a lock as sorted text with one value a line, so that a diff shows only the changes.

use std::{collections::BTreeSet, fmt::Write as _};

use super::{ArchiveSource, Lock, LockedDeb, LockedDistribution, LockedRPackage, SCHEMA, Section};
use crate::digest::Digest;

const HEAD: &str = "# The exact files of the profile. Written by `nodeagent lock`; do not edit.\n";

impl Lock {
    /// The text of the lock file.
    pub fn render(&self) -> String {
        let mut page = Page(HEAD.to_owned());
        page.line("schema", &SCHEMA.to_string());
        page.line("serial", &self.serial.to_string());
        page.text("profile", &self.profile);
        for file in &self.files {
            page.table("files");
            page.text("path", &file.path);
            page.digest(&file.sha256);
        }
        for section in &self.sections {
            page.section(section);
        }
        page.0
    }
}

struct Page(String);

impl Page {
    fn table(&mut self, name: &str) {
        let _ = write!(self.0, "\n[[{name}]]\n");
    }

    fn line(&mut self, key: &str, value: &str) {
        let _ = writeln!(self.0, "{key} = {value}");
    }

    fn text(&mut self, key: &str, value: &str) {
        self.line(key, &quoted(value));
    }

    fn digest(&mut self, digest: &Digest) {
        self.text("sha256", digest.hex());
    }

    /// A list on one line. An empty list is omitted.
    fn words(&mut self, key: &str, words: &BTreeSet<String>) {
        if !words.is_empty() {
            let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
            self.line(key, &format!("[{}]", words.join(", ")));
        }
    }

    fn section(&mut self, section: &Section) {
        self.table("runtimes");
        let runtime = &section.runtime;
        self.text("os", &runtime.os);
        self.text("arch", &runtime.arch);
        let versions = [("runtime", &runtime.version), ("python-version", &runtime.python), ("r-version", &runtime.r)];
        for (key, version) in versions {
            if let Some(version) = version {
                self.text(key, version);
            }
        }
        if !section.conditions.is_empty() {
            let conditions: Vec<String> =
                section.conditions.iter().map(|(key, value)| format!("{key} = {}", quoted(value))).collect();
            self.line("conditions", &format!("{{ {} }}", conditions.join(", ")));
        }
        self.0.push_str("asks = [\n");
        for ask in &section.asks {
            let _ = writeln!(self.0, "    {},", quoted(ask));
        }
        self.0.push_str("]\n");
        section.apt.iter().for_each(|deb| self.deb(deb));
        section.python.iter().for_each(|distribution| self.distribution(None, distribution));
        for (folder, distributions) in &section.venvs {
            for distribution in distributions {
                self.distribution(Some(folder), distribution);
            }
        }
        section.r.iter().for_each(|package| self.r_package(package));
        for git in &section.git {
            self.table("runtimes.git");
            self.text("folder", &git.folder);
            self.text("url", git.url.as_str());
            self.text("revision", &git.revision);
            self.text("commit", &git.commit);
        }
        for (path, files) in &section.folders {
            self.table("runtimes.folders");
            self.text("path", path);
            self.0.push_str("files = [\n");
            for name in files {
                let _ = writeln!(self.0, "    {},", quoted(name));
            }
            self.0.push_str("]\n");
        }
        for asset in &section.assets {
            self.table("runtimes.assets");
            self.text("path", &asset.path);
            self.line("size", &asset.size.to_string());
            self.digest(&asset.sha256);
        }
    }

    fn deb(&mut self, deb: &LockedDeb) {
        self.table("runtimes.apt");
        self.text("name", &deb.name);
        self.text("version", &deb.version);
        self.text("arch", &deb.arch);
        self.text("file", &deb.file);
        self.text("url", deb.url.as_str());
        self.line("size", &deb.size.to_string());
        self.digest(&deb.sha256);
        self.words("only-for", &deb.only_for);
    }

    fn distribution(&mut self, venv: Option<&str>, distribution: &LockedDistribution) {
        self.table("runtimes.python");
        if let Some(folder) = venv {
            self.text("venv", folder);
        }
        self.text("name", &distribution.name);
        self.text("version", &distribution.version);
        self.text("file", &distribution.file);
        self.text("url", distribution.url.as_str());
        self.digest(&distribution.sha256);
        self.words("only-for", &distribution.only_for);
    }

    fn r_package(&mut self, package: &LockedRPackage) {
        self.table("runtimes.r");
        self.text("name", &package.name);
        self.text("version", &package.version);
        match &package.from {
            ArchiveSource::Url(url) => self.text("url", url.as_str()),
            ArchiveSource::Asset(path) => self.text("file", path),
            ArchiveSource::Git(git) => {
                self.text("git", git.url.as_str());
                self.text("commit", &git.commit);
                if let Some(subdir) = &git.subdir {
                    self.text("subdir", subdir);
                }
            }
        }
        self.digest(&package.sha256);
        if package.binary {
            self.line("binary", "true");
        }
        self.words("needs", &package.needs);
        self.words("only-for", &package.only_for);
    }
}

/// A string in TOML syntax.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
