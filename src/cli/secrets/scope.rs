//! The scope and its source: from a profile, or from options.

use clap::{
    ArgGroup, Args,
    builder::{PossibleValuesParser, TypedValueParser},
};

use super::shared::{diagnostic, profile_of};
use crate::{
    cli::{CommandError, Env, target::assignment},
    diagnostic::Diagnostic,
    grammar::secret_source::{SecretName, SecretSpec, SourceName, SpecError, address},
    kinds::Profile,
    secrets::{Address, SecretError, SecretScope},
};

/// A scope at its source.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("where").args(["profile", "scope"]).required(true)))]
pub(super) struct ScopeOptions {
    /// Take source and scope from this profile
    #[arg(short, long, value_name = "NAME|PATH", conflicts_with = "source")]
    profile: Option<String>,
    /// The source of the secrets
    #[arg(long, value_name = "SOURCE", default_value = "databricks", value_parser = source_names())]
    source: SourceName,
    /// The scope
    #[arg(long)]
    scope: Option<String>,
    /// For `file`: the folder of all scopes
    #[arg(long, value_name = "DIR")]
    path: Option<String>,
    /// For `azure-key-vault`: the name or address of the vault
    #[arg(long)]
    vault: Option<String>,
    /// For `credstash`: the table
    #[arg(long)]
    table: Option<String>,
    /// For sources of AWS: the region
    #[arg(long)]
    region: Option<String>,
    /// For `credstash`: the encryption context
    #[arg(long, value_name = "NAME=VALUE", value_parser = assignment)]
    context: Vec<(String, String)>,
}

/// The source names, as in profiles.
fn source_names() -> impl TypedValueParser<Value = SourceName> {
    let parse = |name: String| SourceName::named(&name).expect("clap knows the names");
    PossibleValuesParser::new(SourceName::ALL.map(SourceName::name)).map(parse)
}

impl ScopeOptions {
    /// The scope and the address of a key. An entry of the profile can set another name at the source.
    pub(super) fn address(
        &self,
        env: &Env,
        key: &str,
        command: &'static str,
    ) -> Result<(String, Address), CommandError> {
        let profile = self.profile(env, command)?;
        let items = profile.iter().flat_map(|profile| &profile.sections.secrets.items);
        if let Some(entry) = items.map(|entry| &entry.value).find(|item| item.key == key) {
            return Ok((entry.scope.clone(), entry.from.clone()));
        }
        let scope = self.scope_in(profile.as_ref())?;
        let named = SecretName { name: None, version: None, env: None };
        let address = address(&scope, key, named).map_err(|misfit| mistake(&misfit))?;
        Ok((scope.scope, address))
    }

    /// The diagnostic for a secret of this scope that could not be fetched.
    pub(super) fn missing(&self, error: &SecretError) -> Diagnostic {
        match error {
            // Only an entry of a profile can select another variable, with `env`.
            SecretError::NotSet(variable) if self.profile.is_none() => {
                Diagnostic::nowhere(error.to_string()).hint(format!("set `{variable}` in the environment of nodeagent"))
            }
            _ => diagnostic(error),
        }
    }

    /// The scope at its source.
    pub(super) fn scope(&self, env: &Env, command: &'static str) -> Result<SecretScope, CommandError> {
        self.scope_in(self.profile(env, command)?.as_ref())
    }

    fn profile(&self, env: &Env, command: &'static str) -> Result<Option<Profile>, CommandError> {
        self.profile.as_ref().map(|name| profile_of(env, name, &[], command)).transpose()
    }

    fn scope_in(&self, profile: Option<&Profile>) -> Result<SecretScope, CommandError> {
        if let Some(profile) = profile {
            let none = || Diagnostic::nowhere(format!("the profile `{}` has no `[secrets]`", profile.name)).into();
            return profile.sections.secrets.place.clone().ok_or_else(none);
        }
        let given = [
            ("path", self.path.is_some()),
            ("vault", self.vault.is_some()),
            ("table", self.table.is_some()),
            ("region", self.region.is_some()),
            ("context", !self.context.is_empty()),
        ];
        if let Some(misfit) = self.source.foreign_to_scope().find(|misfit| given.contains(&(misfit.key, true))) {
            return Err(mistake(&misfit));
        }
        let wanted = SecretSpec {
            scope: self.scope.as_deref().unwrap_or_default(),
            key: "",
            name: None,
            version: None,
            env: None,
            path: self.path.as_deref(),
            vault: self.vault.as_deref(),
            table: self.table.as_deref(),
            region: self.region.as_deref(),
            context: &self.context.iter().cloned().collect(),
        };
        self.source.place(&wanted).map_err(|misfit| mistake(&misfit))
    }
}

/// The diagnostic for an option. Its message is that of the profile's key.
fn mistake(misfit: &SpecError) -> CommandError {
    let option = match misfit.key {
        "key" => String::new(),
        // Only the source `file` requires an option.
        "source" => " (`--path DIR`)".to_owned(),
        key => format!(" (`--{key}`)"),
    };
    Diagnostic::nowhere(format!("{}{option}", misfit.message)).hint(misfit.hint.clone()).into()
}
