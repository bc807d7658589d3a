//! Parses an access file and checks every rule. Each mistake has its position.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    access::{Access, Database, DatabaseNames, Grant, Located, unknown_database},
    principal::Principal,
    secret_pattern::SecretPattern,
    ssl_mode::SslMode,
    written,
};
use crate::{
    diagnostic::Diagnostic,
    grammar::{
        self, DocumentKind,
        document::{Document, Part},
        names,
        secret_source::SecretSpec,
    },
    secrets::Address,
};

/// The supported version of the format.
const SCHEMA: u32 = 1;
const KIND: DocumentKind = DocumentKind {
    the: "the access file",
    a: "an access file",
    stand_ins: &[("schema", "1")],
    missed: &[],
    mistyped: &[],
};
const DEFAULT_PORT: u16 = 5432;

/// The JSON Schema (draft 2020-12) of an access file.
pub fn json_schema() -> Value {
    grammar::json_schema::<written::Access>(SCHEMA)
}

impl Access {
    /// Parses an access file. `label` is its name in messages.
    ///
    /// # Errors
    /// All mistakes in the file, each with its position.
    pub fn parse(label: &str, bytes: &[u8]) -> Result<Self, Vec<Diagnostic>> {
        let mut mistakes = Vec::new();
        let Some((document, raw)) =
            grammar::read::<written::Access>(&KIND, &json_schema(), label, bytes, &mut mistakes)
        else {
            return Err(mistakes);
        };
        if raw.schema != SCHEMA {
            mistakes.push(grammar::unknown_version(&KIND, &document, raw.schema, SCHEMA));
        }
        let mut rules = Rules { document: &document, mistakes };
        let databases = rules.databases(&raw.databases);
        let known: DatabaseNames<'_> = raw
            .databases
            .iter()
            .map(|database| (database.name.as_str(), database.users.iter().map(|user| user.name.as_str()).collect()))
            .collect();
        let grants = raw.grants.iter().enumerate();
        let grants = grants.map(|(index, grant)| rules.grant(index, grant, &known)).collect();
        rules.contact(&["contact".into()], raw.contact.as_deref());
        if rules.mistakes.is_empty() {
            let (file, serial) = (Some(label.to_owned()), raw.serial);
            Ok(Self { file, serial, contact: raw.contact, databases, grants })
        } else {
            Err(rules.mistakes)
        }
    }
}

/// The rules of an access file, with the mistakes so far.
struct Rules<'a> {
    document: &'a Document,
    mistakes: Vec<Diagnostic>,
}

fn below(path: &[Part], part: impl Into<Part>) -> Vec<Part> {
    path.iter().cloned().chain([part.into()]).collect()
}

impl Rules<'_> {
    fn mistake(&mut self, path: &[Part], message: impl Into<String>, hint: impl Into<String>) {
        self.mistakes.push(self.document.mistake(path, message).hint(hint));
    }

    fn located<T>(&self, path: &[Part], value: T) -> Located<T> {
        Located { value, origin: self.document.origin(path) }
    }

    /// Checks a contact. It is shown within a line of a message.
    fn contact(&mut self, path: &[Part], contact: Option<&str>) {
        if contact.is_some_and(|contact| contact.trim().is_empty() || contact.chars().any(char::is_control)) {
            self.mistake(path, "the contact is not a line of text", "write an address, a channel or a name");
        }
    }

    fn databases(&mut self, raw: &[written::Database]) -> BTreeMap<String, Database> {
        let mut databases: BTreeMap<String, Database> = BTreeMap::new();
        for (index, raw) in raw.iter().enumerate() {
            let path = ["databases".into(), index.into()];
            let Some(database) = self.database(&path, raw) else { continue };
            if let Some(first) = databases.get(&database.name) {
                let message = format!("the database `{}` is defined twice, also at {}", database.name, first.origin);
                self.mistake(&below(&path, "name"), message, "merge the two, or rename one of them");
                continue;
            }
            databases.insert(database.name.clone(), database);
        }
        databases
    }

    fn database(&mut self, path: &[Part], raw: &written::Database) -> Option<Database> {
        let before = self.mistakes.len();
        if !names::is_file_name(&raw.name) {
            let message = format!("`{}` is not a valid name of a database", raw.name);
            self.mistake(
                &below(path, "name"),
                message,
                "use letters, digits and `_.-`; the key `database` is the name on the server",
            );
        }
        let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
        if raw.host.is_empty() || raw.host.starts_with('-') || !raw.host.chars().all(is_host) {
            let message = format!("`{}` is not a valid host", raw.host);
            self.mistake(&below(path, "host"), message, "write a host name or an IP address, without `postgresql://`");
        }
        let port = raw.port.map_or(Some(DEFAULT_PORT), |port| u16::try_from(port).ok().filter(|port| *port > 0));
        if port.is_none() {
            let message = format!("{} is not a valid port", raw.port.unwrap_or_default());
            self.mistake(&below(path, "port"), message, "write a number from 1 to 65535, or omit `port` for 5432");
        }
        // libpq parses a name with `=` or `/` as a connection string, which can name another server.
        let on_server = raw.database.as_ref().unwrap_or(&raw.name);
        if !is_plain(on_server) || on_server.contains(['=', '/']) {
            let hint = "write only the name on the server, without `=` and `/`";
            self.mistake(&below(path, "database"), format!("`{on_server}` is not a valid name of a database"), hint);
        }
        let users = self.users(path, &raw.users);
        (self.mistakes.len() == before).then(|| Database {
            name: raw.name.clone(),
            host: raw.host.clone(),
            port: port.unwrap_or(DEFAULT_PORT),
            database: on_server.clone(),
            sslmode: raw.sslmode.unwrap_or(SslMode::VerifyFull),
            ca: raw.ca.clone(),
            users,
            origin: self.document.origin(&below(path, "name")),
        })
    }

    /// The addresses of the passwords, by user.
    fn users(&mut self, path: &[Part], raw: &[written::User]) -> BTreeMap<String, Address> {
        let mut users = BTreeMap::new();
        for (index, user) in raw.iter().enumerate() {
            let path = below(&below(path, "users"), index);
            if !is_plain(&user.name) || user.name.contains(':') {
                let hint = "write the name of the user on the server";
                self.mistake(
                    &below(&path, "name"),
                    format!("`{}` is not a valid name of a database user", user.name),
                    hint,
                );
            }
            if let Some(address) = self.address(&below(&path, "secret"), &user.secret)
                && users.insert(user.name.clone(), address).is_some()
            {
                let message = format!("the user `{}` is defined twice", user.name);
                self.mistake(&below(&path, "name"), message, "remove one of the two: a user has one password");
            }
        }
        users
    }

    fn address(&mut self, path: &[Part], raw: &written::Secret) -> Option<Address> {
        let before = self.mistakes.len();
        for error in raw.source.foreign_to_scope().chain(raw.source.foreign_to_secret()) {
            if self.document.has(&below(path, error.key)) {
                self.mistake(&below(path, error.key), error.message, error.hint);
            }
        }
        for (key, text) in [("scope", &raw.scope), ("key", &raw.key)] {
            if !names::is_secret(text) {
                self.mistake(
                    &below(path, key),
                    format!("`{text}` is not a valid {key}"),
                    "use letters, digits and `_.@-`",
                );
            }
        }
        let spec = SecretSpec {
            scope: &raw.scope,
            key: &raw.key,
            name: raw.name.as_deref(),
            version: raw.version.as_deref(),
            env: raw.env.as_deref(),
            path: raw.path.as_deref(),
            vault: raw.vault.as_deref(),
            table: raw.table.as_deref(),
            region: raw.region.as_deref(),
            context: &raw.context,
        };
        match raw.source.address(&spec) {
            Ok(address) => (self.mistakes.len() == before).then_some(address),
            Err(error) => {
                self.mistake(&below(path, error.key), error.message, error.hint);
                None
            }
        }
    }

    fn grant(&mut self, index: usize, raw: &written::Grant, databases: &DatabaseNames<'_>) -> Grant {
        let path = ["grants".into(), index.into()];
        if raw.who.is_empty() && !self.has_entries(&path, "who") {
            self.mistake(
                &below(&path, "who"),
                "the grant has no principal",
                "add at least one to `who`, such as `cluster:Family`",
            );
        }
        let permissions = ["read", "connect", "profiles"];
        if permissions.iter().all(|key| !self.has_entries(&path, key)) {
            self.mistake(
                &path,
                "the grant permits nothing",
                "add `read`, `connect` or `profiles`, or remove the grant",
            );
        }
        self.contact(&below(&path, "contact"), raw.contact.as_deref());
        let who = self.entries(&path, "who", &raw.who, |text| {
            Principal::parse(text).map_err(|error| (error.message, error.hint))
        });
        let read = self.entries(&path, "read", &raw.read, SecretPattern::parse);
        let connect = self.entries(&path, "connect", &raw.connect, |text| connection(text, databases));
        let profiles = self.entries(&path, "profiles", &raw.profiles, |text| {
            if names::is_unit(text) {
                return Ok(text.to_owned());
            }
            let hint = "write the unit as in cluster names, such as `Family`";
            Err((format!("`{text}` is not a business unit"), hint.to_owned()))
        });
        Grant { who, read, connect, profiles, contact: raw.contact.clone(), origin: self.document.origin(&path) }
    }

    /// Whether a list has entries, including invalid ones.
    fn has_entries(&self, path: &[Part], key: &str) -> bool {
        self.document.has(&below(&below(path, key), 0))
    }

    fn entries<T>(
        &mut self,
        path: &[Part],
        key: &str,
        list: &[String],
        parse: impl Fn(&str) -> Result<T, (String, String)>,
    ) -> Vec<Located<T>> {
        let list = list.iter().enumerate();
        let parsed = list.filter_map(|(index, text)| {
            let path = below(&below(path, key), index);
            match parse(text) {
                Ok(value) => Some(self.located(&path, value)),
                Err((message, hint)) => {
                    self.mistake(&path, message, hint);
                    None
                }
            }
        });
        parsed.collect()
    }
}

/// Whether a name is safe in a line of a password file and of a log.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('-') && !name.chars().any(|c| c.is_control() || c.is_whitespace())
}

/// Parses `DATABASE:USER`.
fn connection(text: &str, databases: &DatabaseNames<'_>) -> Result<(String, String), (String, String)> {
    let Some((database, user)) = text.split_once(':') else {
        let hint = format!("write `{text}:USER`: a grant names one user of a database");
        return Err((format!("`{text}` names no user"), hint));
    };
    let Some(unknown) = unknown_database(databases, database, user) else {
        return Ok((database.to_owned(), user.to_owned()));
    };
    let pair = |name: &str| {
        if databases.contains_key(database) { format!("{database}:{name}") } else { format!("{name}:{user}") }
    };
    let list = || if unknown.known.is_empty() { "none".to_owned() } else { unknown.known.join(", ") };
    let hint = unknown.near.as_deref().map_or_else(
        || {
            let kind = if databases.contains_key(database) { "users" } else { "databases" };
            format!("known {kind}: {}", list())
        },
        |near| format!("did you mean `{}`?", pair(near)),
    );
    Err((unknown.message, hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_names_its_definitions_after_sections_and_allows_no_null() {
        let schema = json_schema();
        let mut definitions: Vec<&String> = schema["$defs"].as_object().expect("definitions").keys().collect();
        definitions.sort_unstable();
        assert_eq!(definitions, ["Database", "DatabaseUser", "Grant", "Secret"]);
        assert!(!schema.to_string().contains("null"), "{schema:#}");
    }
}
