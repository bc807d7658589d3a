//! An access file, from text to checked grants, with every mistake at its place.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use toml::de::DeTable;

use super::{
    principal::Principal,
    raw::{RawAccess, RawDatabase, RawGrant, RawSecret},
    secret_pattern::SecretPattern,
};
use crate::{
    diagnostic::{Diagnostic, Origin, nearest},
    grammar::{
        self, DocumentKind,
        document::{Document, Part},
        names,
        secret_source::SecretSpec,
    },
    secrets::Address,
};

/// The version of the grammar that this agent understands.
const SCHEMA: u32 = 1;
const KIND: DocumentKind =
    DocumentKind { the: "the access file", a: "an access file", stand_ins: &[("schema", "1")], missed: &[] };
const DEFAULT_PORT: u16 = 5432;

/// The JSON Schema (draft 2020-12) of an access file.
pub fn json_schema() -> Value {
    grammar::json_schema::<RawAccess>(SCHEMA)
}

/// Something written, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located<T> {
    /// What.
    pub value: T,
    /// The line of the access file.
    pub origin: Origin,
}

/// Principal may use what. Without an access file it says nothing: the sources' own access lists alone decide.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Access {
    /// The file as shown to people; `None` when there is none.
    pub file: Option<String>,
    /// Its serial.
    pub serial: Option<u64>,
    /// Whom somebody asks who was refused.
    pub contact: Option<String>,
    /// Databases by name.
    pub databases: BTreeMap<String, Database>,
    /// What is allowed, and to whom.
    pub grants: Vec<Grant>,
}

/// A database that may be connected to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    /// Its name here.
    pub name: String,
    /// The server.
    pub host: String,
    /// The server's port.
    pub port: u16,
    /// Its name on the server.
    pub database: String,
    /// How the connection is secured.
    pub sslmode: SslMode,
    /// The file of the server's authorities, in the file store.
    pub ca: Option<String>,
    /// Where the password of each user is.
    pub users: BTreeMap<String, Address>,
    /// The line that names it.
    pub origin: Origin,
}

/// How a connection is secured, in the words of libpq:
/// <https://www.postgresql.org/docs/15/libpq-ssl.html#LIBPQ-SSL-SSLMODE-STATEMENTS>.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum SslMode {
    /// Never encrypted.
    Disable,
    /// Encrypted if the server insists.
    Allow,
    /// Encrypted if the server can.
    Prefer,
    /// Encrypted, with whomever.
    Require,
    /// Encrypted, with a server whose certificate an authority signed.
    VerifyCa,
    /// The same, and the certificate is for this host.
    VerifyFull,
}

impl SslMode {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Allow => "allow",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }
}

/// What some may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Principal.
    pub who: Vec<Located<Principal>>,
    /// Secrets.
    pub read: Vec<Located<SecretPattern>>,
    /// Databases, each with the user to be there.
    pub connect: Vec<Located<(String, String)>>,
    /// Units whose profiles may be used.
    pub profiles: Vec<Located<String>>,
    /// Whom to ask for it.
    pub contact: Option<String>,
    /// The line it begins at.
    pub origin: Origin,
}

impl Access {
    /// Reads an access file; `label` is its name for people.
    ///
    /// # Errors
    /// Everything that is wrong with it, each at its place.
    pub fn parse(label: &str, bytes: &[u8]) -> Result<Self, Vec<Diagnostic>> {
        let mut found = Vec::new();
        let Some((document, raw)) = grammar::read::<RawAccess>(&KIND, &json_schema(), label, bytes, &mut found) else {
            return Err(found);
        };
        if raw.schema != SCHEMA {
            found.push(grammar::unknown_version(&KIND, &document, raw.schema, SCHEMA));
        }
        let mut rules = Rules { document: &document, found };
        let databases = rules.databases(&raw.databases);
        let known: Names<'_> = raw
            .databases
            .iter()
            .map(|database| (database.name.as_str(), database.users.iter().map(|user| user.name.as_str()).collect()))
            .collect();
        let grants = raw.grants.iter().enumerate();
        let grants = grants.map(|(index, grant)| rules.grant(index, grant, &known)).collect();
        rules.contact(&["contact".into()], raw.contact.as_deref());
        if rules.found.is_empty() {
            let (file, serial) = (Some(label.to_owned()), raw.serial);
            Ok(Self { file, serial, contact: raw.contact, databases, grants })
        } else {
            Err(rules.found)
        }
    }

    /// What is wrong with a database and a user that are not both there.
    pub fn unknown(&self, database: &str, user: &str) -> Option<UnknownDatabase> {
        let names = self.databases.iter();
        let names = names.map(|(name, known)| (name.as_str(), known.users.keys().map(String::as_str).collect()));
        unknown(&names.collect(), database, user)
    }

    /// Whether a text is meant to be an access file, whatever its name: no profile has these tables.
    pub fn is_meant_by(text: &str) -> bool {
        let (table, _) = DeTable::parse_recoverable(text);
        ["grants", "databases"].iter().any(|key| table.get_ref().contains_key(*key))
    }

    /// Whether there is no access file.
    pub fn is_off(&self) -> bool {
        self.file.is_none()
    }
}

struct Rules<'a> {
    document: &'a Document,
    found: Vec<Diagnostic>,
}

fn below(path: &[Part], part: impl Into<Part>) -> Vec<Part> {
    path.iter().cloned().chain([part.into()]).collect()
}

impl Rules<'_> {
    fn mistake(&mut self, path: &[Part], message: impl Into<String>, hint: impl Into<String>) {
        self.found.push(self.document.mistake(path, message).hint(hint));
    }

    fn placed<T>(&self, path: &[Part], value: T) -> Located<T> {
        Located { value, origin: self.document.origin(path) }
    }

    /// A contact is shown in the middle of a line.
    fn contact(&mut self, path: &[Part], contact: Option<&str>) {
        if contact.is_some_and(|contact| contact.trim().is_empty() || contact.chars().any(char::is_control)) {
            self.mistake(path, "the contact is no line of text", "write an address, a channel or a name");
        }
    }

    fn databases(&mut self, raw: &[RawDatabase]) -> BTreeMap<String, Database> {
        let mut databases: BTreeMap<String, Database> = BTreeMap::new();
        for (index, raw) in raw.iter().enumerate() {
            let path = ["databases".into(), index.into()];
            let Some(database) = self.database(&path, raw) else { continue };
            if let Some(first) = databases.get(&database.name) {
                let message = format!("the database `{}` is there twice: also at {}", database.name, first.origin);
                self.mistake(&below(&path, "name"), message, "put both together, or give one another name");
                continue;
            }
            databases.insert(database.name.clone(), database);
        }
        databases
    }

    fn database(&mut self, path: &[Part], raw: &RawDatabase) -> Option<Database> {
        let before = self.found.len();
        if !names::is_file_name(&raw.name) {
            let message = format!("`{}` is not a name of a database", raw.name);
            self.mistake(
                &below(path, "name"),
                message,
                "letters, digits and `_.-`; its name on the server is `database`",
            );
        }
        let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
        if raw.host.is_empty() || raw.host.starts_with('-') || !raw.host.chars().all(is_host) {
            let message = format!("`{}` is not a host", raw.host);
            self.mistake(&below(path, "host"), message, "write a name or an address, without `postgresql://`");
        }
        let port = raw.port.map_or(Some(DEFAULT_PORT), |port| u16::try_from(port).ok().filter(|port| *port > 0));
        if port.is_none() {
            let message = format!("{} is not a port", raw.port.unwrap_or_default());
            self.mistake(&below(path, "port"), message, "a number from 1 to 65535; leave `port` out for 5432");
        }
        // What libpq would take for a whole connection string could name another server.
        let on_server = raw.database.as_ref().unwrap_or(&raw.name);
        if !is_plain(on_server) || on_server.contains(['=', '/']) {
            let hint = "write its name on the server alone, without `=` and `/`";
            self.mistake(&below(path, "database"), format!("`{on_server}` is not a database"), hint);
        }
        let mut users = BTreeMap::new();
        for (index, user) in raw.users.iter().enumerate() {
            let path = below(&below(path, "users"), index);
            if !is_plain(&user.name) || user.name.contains(':') {
                let hint = "write the name that the server knows";
                self.mistake(&below(&path, "name"), format!("`{}` is not a user of a database", user.name), hint);
            }
            if let Some(address) = self.address(&below(&path, "secret"), &user.secret)
                && users.insert(user.name.clone(), address).is_some()
            {
                let message = format!("the user `{}` is there twice", user.name);
                self.mistake(&below(&path, "name"), message, "a user has one password; keep one of the two");
            }
        }
        (self.found.len() == before).then(|| Database {
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

    fn address(&mut self, path: &[Part], raw: &RawSecret) -> Option<Address> {
        let before = self.found.len();
        for misfit in raw.source.foreign_to_scope().chain(raw.source.foreign_to_secret()) {
            if self.document.has(&below(path, misfit.key)) {
                self.mistake(&below(path, misfit.key), misfit.message, misfit.hint);
            }
        }
        for (key, text) in [("scope", &raw.scope), ("key", &raw.key)] {
            if !names::is_secret(text) {
                self.mistake(&below(path, key), format!("`{text}` is not a {key}"), "letters, digits and `_.@-`");
            }
        }
        let wanted = SecretSpec {
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
        match raw.source.address(&wanted) {
            Ok(address) => (self.found.len() == before).then_some(address),
            Err(misfit) => {
                self.mistake(&below(path, misfit.key), misfit.message, misfit.hint);
                None
            }
        }
    }

    fn grant(&mut self, index: usize, raw: &RawGrant, databases: &Names<'_>) -> Grant {
        let path = ["grants".into(), index.into()];
        if raw.who.is_empty() && !self.has_entries(&path, "who") {
            self.mistake(
                &below(&path, "who"),
                "the grant is for nobody",
                "name at least one, such as `cluster:Family`",
            );
        }
        let gives = ["read", "connect", "profiles"];
        if gives.iter().all(|key| !self.has_entries(&path, key)) {
            self.mistake(&path, "the grant gives nothing", "add `read`, `connect` or `profiles`, or remove it");
        }
        self.contact(&below(&path, "contact"), raw.contact.as_deref());
        let who = self.entries(&path, "who", &raw.who, |text| {
            Principal::parse(text).map_err(|nobody| (nobody.message, nobody.hint))
        });
        let read = self.entries(&path, "read", &raw.read, SecretPattern::parse);
        let connect = self.entries(&path, "connect", &raw.connect, |text| connection(text, databases));
        let profiles = self.entries(&path, "profiles", &raw.profiles, |text| {
            if names::is_unit(text) {
                return Ok(text.to_owned());
            }
            let hint = "use the unit's name as in cluster names, such as `Family`";
            Err((format!("`{text}` is not a business unit"), hint.to_owned()))
        });
        Grant { who, read, connect, profiles, contact: raw.contact.clone(), origin: self.document.origin(&path) }
    }

    /// Whether a list of the text has entries, also such as did not fit and were left out.
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
                Ok(value) => Some(self.placed(&path, value)),
                Err((message, hint)) => {
                    self.mistake(&path, message, hint);
                    None
                }
            }
        });
        parsed.collect()
    }
}

/// Whether a name can stand in a line of a password file and in a log.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('-') && !name.chars().any(|c| c.is_control() || c.is_whitespace())
}

/// A database and its user, as `DATABASE:USER`.
fn connection(text: &str, databases: &Names<'_>) -> Result<(String, String), (String, String)> {
    let Some((database, user)) = text.split_once(':') else {
        let hint = format!("write `{text}:USER`: a grant is for one user of a database");
        return Err((format!("`{text}` names no user"), hint));
    };
    let Some(unknown) = unknown(databases, database, user) else {
        return Ok((database.to_owned(), user.to_owned()));
    };
    let pair = |name: &str| {
        if databases.contains_key(database) { format!("{database}:{name}") } else { format!("{name}:{user}") }
    };
    let list = || if unknown.known.is_empty() { "none".to_owned() } else { unknown.known.join(", ") };
    let hint = unknown.near.as_deref().map_or_else(
        || {
            let what = if databases.contains_key(database) { "users" } else { "databases" };
            format!("known {what}: {}", list())
        },
        |near| format!("did you mean `{}`?", pair(near)),
    );
    Err((unknown.message, hint))
}

/// The databases and their users, by name.
type Names<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

/// A database or user that is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownDatabase {
    /// What is not there.
    pub message: String,
    /// The known name that was meant, perhaps.
    pub near: Option<String>,
    /// All known names.
    pub known: Vec<String>,
}

fn unknown(databases: &Names<'_>, database: &str, user: &str) -> Option<UnknownDatabase> {
    let of = |message: String, name: &str, known: Vec<&str>| UnknownDatabase {
        message,
        near: nearest(name, known.iter().copied()).map(str::to_owned),
        known: known.into_iter().map(str::to_owned).collect(),
    };
    match databases.get(database) {
        None => Some(of(format!("there is no database `{database}`"), database, databases.keys().copied().collect())),
        Some(users) if !users.contains(user) => {
            let message = format!("the database `{database}` has no user `{user}`");
            Some(of(message, user, users.iter().copied().collect()))
        }
        Some(_) => None,
    }
}
