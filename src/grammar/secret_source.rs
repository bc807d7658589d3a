//! The grammar of a secret's location: the keys for each source, and their defaults.

use std::{collections::BTreeMap, path::PathBuf};

use super::names;
pub(crate) use crate::secrets::SourceName;
use crate::secrets::{Address, CREDSTASH_TABLE, SecretScope, Source, is_region, key_vault, variable};

use SourceName::{AwsParameterStore, AwsSecretsManager, AzureKeyVault, Credstash, Databricks, Env, File};

/// A key and the sources that support it.
type KeySupport = (&'static str, &'static [SourceName]);

/// Keys of a scope that only some sources support.
const OF_SCOPES: [KeySupport; 5] = [
    ("path", &[File]),
    ("vault", &[AzureKeyVault]),
    ("table", &[Credstash]),
    ("region", &[Credstash, AwsSecretsManager, AwsParameterStore]),
    ("context", &[Credstash]),
];
/// Keys of a secret that only some sources support.
const OF_SECRETS: [KeySupport; 3] = [
    ("env", &[Env]),
    ("name", &[AzureKeyVault, Credstash, AwsSecretsManager, AwsParameterStore]),
    ("version", &[AzureKeyVault, Credstash, AwsSecretsManager, AwsParameterStore]),
];

/// The keys written for one secret.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SecretSpec<'a> {
    pub(crate) scope: &'a str,
    pub(crate) key: &'a str,
    pub(crate) name: Option<&'a str>,
    pub(crate) version: Option<&'a str>,
    pub(crate) env: Option<&'a str>,
    pub(crate) path: Option<&'a str>,
    pub(crate) vault: Option<&'a str>,
    pub(crate) table: Option<&'a str>,
    pub(crate) region: Option<&'a str>,
    pub(crate) context: &'a BTreeMap<String, String>,
}

/// A mistake, and the key that has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SpecError {
    pub(crate) key: &'static str,
    pub(crate) message: String,
    pub(crate) hint: String,
}

impl SpecError {
    fn new(key: &'static str, message: String, hint: impl Into<String>) -> Self {
        Self { key, message, hint: hint.into() }
    }
}

impl SourceName {
    /// The keys of a scope that this source does not support but other sources do.
    pub(crate) fn foreign_to_scope(self) -> impl Iterator<Item = SpecError> {
        self.foreign(&OF_SCOPES)
    }

    /// The keys of a secret that this source does not support but other sources do.
    pub(crate) fn foreign_to_secret(self) -> impl Iterator<Item = SpecError> {
        self.foreign(&OF_SECRETS)
    }

    fn foreign(self, keys: &'static [KeySupport]) -> impl Iterator<Item = SpecError> {
        keys.iter().filter(move |(_, takers)| !takers.contains(&self)).map(move |(key, takers)| {
            let takers: Vec<String> = takers.iter().map(|taker| format!("`source = \"{}\"`", taker.name())).collect();
            let hint = format!("remove `{key}`, or use {}", takers.join(" or "));
            SpecError::new(key, format!("the source `{}` does not support `{key}`", self.name()), hint)
        })
    }

    /// The address of the secret.
    pub(crate) fn address(self, spec: &SecretSpec<'_>) -> Result<Address, SpecError> {
        address(&self.place(spec)?, spec.key, SecretName { name: spec.name, version: spec.version, env: spec.env })
    }

    /// The scope with its source. The key of the secret is ignored.
    pub(crate) fn place(self, spec: &SecretSpec<'_>) -> Result<SecretScope, SpecError> {
        Ok(SecretScope { scope: spec.scope.to_owned(), source: self.source(spec)? })
    }

    fn source(self, spec: &SecretSpec<'_>) -> Result<Source, SpecError> {
        Ok(match self {
            Databricks => Source::Databricks,
            AzureKeyVault => {
                let (at, vault) = spec.vault.map_or(("scope", spec.scope), |vault| ("vault", vault));
                let vault = key_vault(vault).ok_or_else(|| {
                    let hint = "use its name or its full address: `https://NAME.vault.azure.net`";
                    SpecError::new(at, format!("`{vault}` is not a Key Vault"), hint)
                })?;
                Source::KeyVault { vault }
            }
            Credstash => Source::Credstash {
                table: spec.table.unwrap_or(CREDSTASH_TABLE).to_owned(),
                region: region(spec)?,
                context: spec.context.clone(),
            },
            AwsSecretsManager => Source::SecretsManager { region: region(spec)? },
            AwsParameterStore => Source::ParameterStore { region: region(spec)? },
            Env => Source::Env,
            File => Source::File { folder: folder(spec)? },
        })
    }
}

/// The keys of a secret, apart from its `key`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SecretName<'a> {
    pub(crate) name: Option<&'a str>,
    pub(crate) version: Option<&'a str>,
    pub(crate) env: Option<&'a str>,
}

/// The address of a secret in a scope.
pub(crate) fn address(place: &SecretScope, key: &str, named: SecretName<'_>) -> Result<Address, SpecError> {
    let (written, name) = if place.source.name() == Env { ("env", named.env) } else { ("name", named.name) };
    let at = if name.is_some() { written } else { "key" };
    let address = place.address(key, name, named.version);
    match &address {
        Address::Variable(variable) if !names::is_variable(variable) => {
            let hint = "use letters, digits and `_`, and begin with a letter or `_`";
            Err(SpecError::new(at, format!("`{variable}` is not a variable name"), hint))
        }
        Address::KeyVault { name, .. } if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') => {
            let hint = "use letters, digits and dashes, or set `name` to the secret's name in the Key Vault";
            Err(SpecError::new(at, format!("`{name}` is not a valid name in a Key Vault"), hint))
        }
        _ => Ok(address),
    }
}

/// The address of a secret, if it differs from the default address for its scope and key.
///
/// Grants name a scope and a key, but the address decides which secret is read. An author who can choose another
/// address for a granted name could read any secret.
pub(crate) fn nonstandard_address(scope: &str, key: &str, address: &Address) -> Option<String> {
    let usual = match address {
        Address::Databricks { .. } => Some(Source::Databricks),
        Address::KeyVault { .. } => key_vault(scope).map(|vault| Source::KeyVault { vault }),
        Address::Credstash { region, context, .. } => Some(Source::Credstash {
            table: CREDSTASH_TABLE.to_owned(),
            region: region.clone(),
            context: context.clone(),
        }),
        Address::SecretsManager { region, .. } => Some(Source::SecretsManager { region: region.clone() }),
        Address::Parameter { region, .. } => Some(Source::ParameterStore { region: region.clone() }),
        Address::Variable(_) => Some(Source::Env),
        Address::File(file) => {
            // Each node may have its own folder for all scopes.
            let folder = file.ancestors().nth(2).map(PathBuf::from).unwrap_or_default();
            Some(Source::File { folder })
        }
    };
    let written = address.to_string();
    let place = usual.map(|source| SecretScope { scope: scope.to_owned(), source });
    let is_there = place.is_some_and(|place| place.address(key, None, None).to_string() == written);
    (!is_there).then_some(written)
}

/// The default addresses for keys of a scope at each source except `file`. A `*` in the keys is kept.
pub(crate) fn default_addresses(scope: &str, keys: &str) -> Vec<String> {
    let named = keys.split('*').map(|part| variable("", part).split_off(1)).collect::<Vec<_>>().join("*");
    let vault = key_vault(scope).map(|vault| Source::KeyVault { vault });
    let paths = [
        Some(Source::Databricks),
        vault,
        Some(Source::Credstash { table: CREDSTASH_TABLE.to_owned(), region: None, context: BTreeMap::new() }),
        Some(Source::SecretsManager { region: None }),
        Some(Source::ParameterStore { region: None }),
    ];
    let place = |source| SecretScope { scope: scope.to_owned(), source }.address(keys, None, None).to_string();
    let variables = format!("env:{}{named}", variable(scope, ""));
    paths.into_iter().flatten().map(place).chain([variables]).collect()
}

/// The folder of the source `file`.
fn folder(spec: &SecretSpec<'_>) -> Result<PathBuf, SpecError> {
    let Some(path) = spec.path else {
        let hint = "set `path` to the folder that contains SCOPE/KEY, such as `/run/secrets`";
        return Err(SpecError::new("source", "the source `file` has no `path`".into(), hint));
    };
    let folder = PathBuf::from(path);
    if !folder.is_absolute() || path == "/" || folder.components().any(|part| part == std::path::Component::ParentDir) {
        let message = format!("`{path}` is not an absolute path");
        return Err(SpecError::new("path", message, "start it with `/` and do not use `..`"));
    }
    Ok(folder)
}

fn region(spec: &SecretSpec<'_>) -> Result<Option<String>, SpecError> {
    let Some(region) = spec.region else { return Ok(None) };
    if is_region(region) {
        return Ok(Some(region.to_owned()));
    }
    Err(SpecError::new("region", format!("`{region}` is not a region of AWS"), "write it as `ap-southeast-2`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: BTreeMap<String, String> = BTreeMap::new();

    fn spec<'a>() -> SecretSpec<'a> {
        const EMPTY: &BTreeMap<String, String> = &NOTHING;
        SecretSpec {
            scope: "family",
            key: "api-token",
            name: None,
            version: None,
            env: None,
            path: Some("/run/secrets"),
            vault: None,
            table: None,
            region: None,
            context: EMPTY,
        }
    }

    #[test]
    fn scope_and_key_determine_the_default_address_at_every_source() {
        let written = SourceName::ALL.map(|source| source.address(&spec()).expect("an address").to_string());
        insta::assert_snapshot!(written.join("\n"), @"
        databricks:family/api-token
        azure-key-vault:family.vault.azure.net/api-token
        credstash:credential-store/family/api-token
        aws-secrets-manager:family/api-token
        aws-parameter-store:/family/api-token
        env:FAMILY_API_TOKEN
        file:/run/secrets/family/api-token
        ");
        for source in SourceName::ALL {
            let address = source.address(&spec()).expect("an address");
            assert_eq!(nonstandard_address("family", "api-token", &address), None);
            assert_eq!(nonstandard_address("criminal", "api-token", &address), Some(address.to_string()));
        }
    }

    #[test]
    fn a_secret_with_another_name_or_scope_has_a_nonstandard_address() {
        let of = |source: SourceName, spec: SecretSpec<'_>| {
            nonstandard_address("family", "api-token", &source.address(&spec).expect("an address"))
        };
        let named = SecretSpec { name: Some("criminal/dna"), ..spec() };
        assert_eq!(of(Credstash, named).as_deref(), Some("credstash:credential-store/criminal/dna"));
        assert_eq!(of(AwsSecretsManager, named).as_deref(), Some("aws-secrets-manager:criminal/dna"));
        let table = SecretSpec { table: Some("criminal"), ..spec() };
        assert_eq!(of(Credstash, table).as_deref(), Some("credstash:criminal/family/api-token"));
        let vault = SecretSpec { vault: Some("criminal"), ..spec() };
        assert_eq!(of(AzureKeyVault, vault).as_deref(), Some("azure-key-vault:criminal.vault.azure.net/api-token"));
        let env = SecretSpec { env: Some("CRIMINAL_DNA"), ..spec() };
        assert_eq!(of(Env, env).as_deref(), Some("env:CRIMINAL_DNA"));
    }

    #[test]
    fn an_invalid_value_is_reported_with_its_key() {
        let misfit = |source: SourceName, spec: SecretSpec<'_>| source.address(&spec).expect_err("it cannot be").key;
        assert_eq!(misfit(File, SecretSpec { path: None, ..spec() }), "source");
        assert_eq!(misfit(File, SecretSpec { path: Some("secrets"), ..spec() }), "path");
        assert_eq!(misfit(AzureKeyVault, SecretSpec { vault: Some("http://x"), ..spec() }), "vault");
        assert_eq!(misfit(AzureKeyVault, SecretSpec { name: Some("a_b"), ..spec() }), "name");
        assert_eq!(misfit(Credstash, SecretSpec { region: Some("Sydney"), ..spec() }), "region");
        assert_eq!(misfit(Credstash, SecretSpec { region: Some(""), ..spec() }), "region");
        assert_eq!(misfit(Env, SecretSpec { env: Some("1X"), ..spec() }), "env");
    }
}
