//! Lists the keys of a scope, and tests whether secrets can be read.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
};

use futures::{StreamExt as _, stream};

use super::{
    Address, SecretError, SecretScope, Source, aws, credstash, databricks,
    fetch::{CONCURRENCY, fetch},
    key_vault, variable,
};
use crate::cloud::{CloudError, CloudErrorKind, Clouds};

/// The keys of a scope, sorted. Fetches no values.
pub async fn keys(scope: &SecretScope, clouds: &Clouds) -> Result<Vec<String>, SecretError> {
    let name = scope.scope.as_str();
    let found: BTreeSet<String> = match &scope.source {
        Source::Env => {
            let prefix = variable(name, "");
            // The original key is not known: several keys have the same variable. This returns one of them.
            below(clouds.environment.variables.keys().map(|key| key.to_lowercase()), &prefix.to_lowercase())
        }
        Source::File { folder } => {
            let folder = folder.join(name);
            let unreadable = |source: io::Error| SecretError::Unreadable { path: folder.clone(), source };
            let entries = std::fs::read_dir(&folder).map_err(unreadable)?.filter_map(Result::ok);
            entries
                .filter(|entry| entry.path().is_file())
                .filter_map(|entry| entry.file_name().into_string().ok())
                .collect()
        }
        Source::Databricks => databricks::list(clouds, name).await?.into_iter().map(|key| key.name).collect(),
        Source::KeyVault { vault } => key_vault::names(clouds, vault).await?.into_iter().collect(),
        Source::Credstash { table, region, .. } => {
            let listed = credstash::list(clouds, table, region.as_deref()).await?;
            below(listed.into_iter().map(|item| item.name), &format!("{name}/"))
        }
        Source::SecretsManager { region } => {
            let prefix = format!("{name}/");
            below(aws::secrets(clouds, region.as_deref(), &prefix).await?, &prefix)
        }
        Source::ParameterStore { region } => {
            let path = format!("/{name}");
            below(aws::parameters(clouds, region.as_deref(), &path).await?, &format!("{path}/"))
        }
    };
    Ok(found.into_iter().collect())
}

fn below(names: impl IntoIterator<Item = String>, prefix: &str) -> BTreeSet<String> {
    let below = |name: String| name.strip_prefix(prefix).filter(|key| !key.is_empty()).map(str::to_owned);
    names.into_iter().filter_map(below).collect()
}

/// Tests concurrently whether secrets can be read. Returns the result for each address.
pub async fn probe_all<'a>(
    addresses: impl IntoIterator<Item = &'a Address>,
    clouds: &Clouds,
) -> BTreeMap<Address, Result<(), SecretError>> {
    let each = |address: &'a Address| async move { (address.clone(), probe(address, clouds).await) };
    let addresses: BTreeSet<&Address> = addresses.into_iter().collect();
    stream::iter(addresses).map(each).buffer_unordered(CONCURRENCY).collect().await
}

/// Tests whether a secret can be read. For Databricks, lists the keys of the scope, which requires the same permission.
/// For other sources, fetches the value and drops it.
async fn probe(address: &Address, clouds: &Clouds) -> Result<(), SecretError> {
    let Address::Databricks { scope, key } = address else { return fetch(address, clouds).await.map(drop) };
    // Databricks compares the names of keys without case.
    if databricks::list(clouds, scope).await?.iter().any(|found| found.name.eq_ignore_ascii_case(key)) {
        return Ok(());
    }
    let missing = CloudError::new(CloudErrorKind::Absent, format!("there is no key `{key}` in the scope `{scope}`"));
    Err(missing.hint("check `key`, or ask the owner of the scope to add it").into())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::cloud::ClientEnvironment;

    fn clouds(variables: &[(&str, &str)]) -> Clouds {
        let variables: BTreeMap<String, String> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Clouds::new(Arc::default(), ClientEnvironment { variables, ..ClientEnvironment::default() })
    }

    #[tokio::test]
    async fn variables_of_a_scope_start_with_its_name() {
        let scope = SecretScope { scope: "family".into(), source: Source::Env };
        let variables = clouds(&[("FAMILY_A_B", "1"), ("FAMILYX", "2"), ("FAMILY_", "3"), ("PATH", "4")]);
        let found = keys(&scope, &variables).await.expect("listed");
        assert_eq!(found, ["a_b"]);
        assert!(probe(&scope.address(&found[0], None, None), &variables).await.is_ok(), "the key has this variable");
    }

    #[tokio::test]
    async fn a_folder_of_secrets_is_listed_and_a_missing_one_is_an_error() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let file = temp.path().join("family/token");
        crate::fs::replace(&file, b"x", crate::fs::Attributes::default()).expect("written");
        let scope =
            |scope: &str| SecretScope { scope: scope.into(), source: Source::File { folder: temp.path().to_owned() } };
        assert_eq!(keys(&scope("family"), &clouds(&[])).await.expect("listed"), ["token"]);
        assert!(matches!(keys(&scope("other"), &clouds(&[])).await, Err(SecretError::Unreadable { .. })));
        assert!(probe(&Address::File(file), &clouds(&[])).await.is_ok());
        assert!(probe(&Address::Variable("X".into()), &clouds(&[])).await.is_err());
    }

    #[test]
    fn names_are_listed_without_the_scope_and_other_scopes_are_omitted() {
        let names = ["family/a", "familyx/b", "family/c/d"].map(str::to_owned);
        assert_eq!(below(names, "family/").into_iter().collect::<Vec<_>>(), ["a", "c/d"]);
    }
}
