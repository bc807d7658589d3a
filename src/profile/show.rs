//! Prints a merged profile, each value with the line that set it.

use std::fmt::Write as _;

use super::{AssetRef, Content, Entry, Profile, SecretFile, SecretItem, Setting, Text};
use crate::{diagnostic::Origin, secrets::file_formats::SecretFormat};

/// The merged profile as TOML, each value followed by the file and line that set it.
pub fn show(profile: &Profile) -> String {
    let mut page = Page::default();
    for source in &profile.sources {
        page.comment(&format!("{}  sha256:{}", source.file, source.sha256));
    }
    page.bare("schema", &super::SCHEMA.to_string());
    page.bare("name", &quoted(&profile.name));
    if let Some(unit) = &profile.business_unit {
        page.bare("business-unit", &quoted(unit));
    }
    page.list("logins", &profile.logins, |login| {
        let (url, user) = (quoted(login.site.url().as_str()), quoted(&login.user));
        format!("{{ url = {url}, user = {user}, key = {} }}", quoted(&login.key))
    });
    page.section("vars");
    for (name, setting) in &profile.vars {
        page.value(&key(name), &quoted(&setting.value), &setting.origin);
    }
    page.section("apt");
    page.list("packages", &profile.apt.packages, |package| {
        quoted(&package.version.as_ref().map_or(package.name.clone(), |version| format!("{}={version}", package.name)))
    });
    page.list("debs", &profile.apt.debs, asset);
    page.list("sources", &profile.apt.sources, |source| {
        let mut parts = vec![
            format!("name = {}", quoted(&source.name)),
            format!("uris = {}", array(&source.uris)),
            format!("suites = {}", array(&source.suites)),
        ];
        for (name, list) in [("components", &source.components), ("architectures", &source.architectures)] {
            if !list.is_empty() {
                parts.push(format!("{name} = {}", array(list)));
            }
        }
        parts.push(format!("key = {}", quoted(&source.key.path)));
        parts.push(format!("fingerprint = {}", quoted(&source.fingerprint)));
        format!("{{ {} }}", parts.join(", "))
    });
    page.list("debconf", &profile.apt.debconf, |answer| {
        let (package, question) = (quoted(&answer.package), quoted(&answer.question));
        let (kind, value) = (quoted(&answer.kind), quoted(&answer.value));
        format!("{{ package = {package}, question = {question}, type = {kind}, value = {value} }}")
    });
    page.setting("recommends", profile.apt.recommends.as_ref(), "false", bool::to_string);
    page.setting("wait-for-disk", profile.apt.wait_for_disk.as_ref(), "false", bool::to_string);
    pip(&mut page, profile);
    page.section("wheel");
    page.list("files", &profile.wheels, asset);
    page.section("r");
    let path = |path: &std::path::PathBuf| quoted(&path.display().to_string());
    page.setting("library", profile.r.library.as_ref(), &quoted(super::DEFAULT_R_LIBRARY), path);
    if profile.r.repos.is_empty() {
        page.default_value("repos", &array(&[super::DEFAULT_R_REPO.to_owned()]));
    }
    page.list("repos", &profile.r.repos, |url| quoted(url.as_str()));
    page.list("packages", &profile.r.packages, |package| {
        quoted(&package.version.as_ref().map_or(package.name.clone(), |version| format!("{}@{version}", package.name)))
    });
    page.list("sources", &profile.r.sources, asset);
    shell(&mut page, profile);
    page.section("secrets");
    secrets(&mut page, profile);
    page.text
}

fn pip(page: &mut Page, profile: &Profile) {
    let pip = &profile.pip;
    page.section("pip");
    page.list("packages", &pip.packages, |text| quoted(text));
    page.list("requirements", &pip.requirements, asset);
    page.setting("guard", pip.guard.as_ref(), "\"runtime\"", |on| quoted(if *on { "runtime" } else { "off" }));
    page.list("allow-change", &pip.allow_change, |name| quoted(name));
    page.setting("index-url", pip.index_url.as_ref(), "", |url| quoted(url.as_str()));
    page.list("extra-index-urls", &pip.extra_index_urls, |url| quoted(url.as_str()));
    page.list("smoke", &pip.smoke, |name| quoted(name));
    page.setting("python", pip.python.as_ref(), &quoted(super::DEFAULT_PYTHON), |path| {
        quoted(&path.display().to_string())
    });
    page.setting("installer", pip.only_pip.as_ref(), "\"auto\"", |only| quoted(if *only { "pip" } else { "auto" }));
    page.setting("uv", pip.uv.as_ref(), "", asset);
    page.setting("compile", pip.compile.as_ref(), "true", bool::to_string);
    page.setting("beside-apt", pip.beside_apt.as_ref(), "false", bool::to_string);
}

fn secrets(page: &mut Page, profile: &Profile) {
    let secrets = &profile.secrets;
    let items: Vec<_> =
        secrets.items.iter().filter(|item| item.value.form != SecretFormat::Template).cloned().collect();
    page.list("items", &items, |item| {
        let (scope, name, from) = (quoted(&item.scope), quoted(&item.key), quoted(&item.from.to_string()));
        format!("{{ scope = {scope}, key = {name}, from = {from}, to = {{ {} }} }}", delivery(item))
    });
    page.list("templates", &secrets.templates, |template| {
        let content = match &template.content {
            Content::File(file) => format!("template = {}", quoted(&file.path)),
            Content::Inline(text) => format!("text = {}", quoted(text)),
        };
        let file = quoted(&template.to.path.display().to_string());
        format!("{{ file = {file}, {content}, {} }}", mode_and_owner(&template.to))
    });
}

fn delivery(item: &SecretItem) -> String {
    let to = &item.to;
    let file = quoted(&to.path.display().to_string());
    let owner = format!("owner = {}", quoted(&to.owner));
    match &item.form {
        SecretFormat::Whole | SecretFormat::Template => format!("file = {file}, {}", mode_and_owner(to)),
        SecretFormat::Variable(name) => {
            format!("env-file = {file}, variable = {}, {}", quoted(name), mode_and_owner(to))
        }
        SecretFormat::Pgpass { host, port, database, user } => {
            let [host, port, database, user] = [host, port, database, user].map(|field| quoted(field));
            format!("pgpass = {file}, host = {host}, port = {port}, database = {database}, user = {user}, {owner}")
        }
        SecretFormat::Netrc { machine, login } => {
            format!("netrc = {file}, machine = {}, login = {}, {owner}", quoted(machine), quoted(login))
        }
        SecretFormat::GitCredentials { url, user } => {
            format!("git-credentials = {file}, url = {}, user = {}, {owner}", quoted(url.as_str()), quoted(user))
        }
    }
}

fn mode_and_owner(to: &SecretFile) -> String {
    format!("mode = \"{:04o}\", owner = {}", to.mode, quoted(&to.owner))
}

fn shell(page: &mut Page, profile: &Profile) {
    let shell = &profile.shell;
    page.section("shell");
    page.setting("users", shell.users.as_ref(), "[\"root\"]", |users| array(users));
    for (name, entry) in [("bashrc", &shell.bashrc), ("vimrc", &shell.vimrc)] {
        if let Some(entry) = entry {
            page.value(name, &text(&entry.value), &entry.origin);
        }
    }
    for (name, entry) in &shell.profile_d {
        page.value(&format!("profile-d.{}", key(name)), &text(&entry.value), &entry.origin);
    }
    for (name, entry) in &shell.variables {
        page.value(&format!("variables.{}", key(name)), &quoted(&entry.value), &entry.origin);
    }
}

#[derive(Default)]
struct Page {
    text: String,
    /// The section that is to be opened when its first value comes.
    section: Option<&'static str>,
}

impl Page {
    fn line(&mut self, line: &str) {
        if let Some(section) = self.section.take() {
            let _ = write!(self.text, "\n[{section}]\n");
        }
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn section(&mut self, name: &'static str) {
        self.section = Some(name);
    }

    fn comment(&mut self, text: &str) {
        self.line(&format!("# {text}"));
    }

    fn bare(&mut self, key: &str, value: &str) {
        self.line(&format!("{key} = {value}"));
    }

    fn value(&mut self, key: &str, value: &str, origin: &Origin) {
        self.line(&format!("{:<56}  # {origin}", format!("{key} = {value}")));
    }

    fn default_value(&mut self, key: &str, value: &str) {
        self.line(&format!("{:<56}  # default", format!("{key} = {value}")));
    }

    fn setting<T>(&mut self, key: &str, setting: Option<&Setting<T>>, default: &str, render: impl Fn(&T) -> String) {
        match setting {
            Some(setting) => self.value(key, &render(&setting.value), &setting.origin),
            None if default.is_empty() => {}
            None => self.default_value(key, default),
        }
    }

    fn list<T>(&mut self, key: &str, entries: &[Entry<T>], render: impl Fn(&T) -> String) {
        if entries.is_empty() {
            return;
        }
        self.line(&format!("{key} = ["));
        for entry in entries {
            let optional = if entry.optional { ", optional" } else { "" };
            let timeout = entry
                .timeout
                .map(|limit| format!(", timeout {}", humantime::format_duration(limit)))
                .unwrap_or_default();
            self.line(&format!(
                "{:<56}  # {}{optional}{timeout}",
                format!("    {},", render(&entry.value)),
                entry.origin
            ));
        }
        self.line("]");
    }
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

fn key(name: &str) -> String {
    let plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    if plain { name.to_owned() } else { quoted(name) }
}

fn array(list: &[String]) -> String {
    format!("[{}]", list.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(", "))
}

fn asset(asset: &AssetRef) -> String {
    match &asset.sha256 {
        Some(digest) => format!("{{ path = {}, sha256 = \"{}\" }}", quoted(&asset.path), digest.hex()),
        None => quoted(&asset.path),
    }
}

fn text(text: &Text) -> String {
    let content = match &text.content {
        Content::File(file) => format!("file = {}", quoted(&file.path)),
        Content::Inline(text) => format!("text = {}", quoted(text)),
    };
    match text.whole {
        Some(whole) => format!("{{ {content}, style = \"{}\" }}", if whole { "whole" } else { "block" }),
        None => format!("{{ {content} }}"),
    }
}
