//! What a scope holds, by name; and whether a secret can be had, without its value where the source can say so.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
};

use futures::{StreamExt as _, stream};

use super::{
    AT_ONCE, Address, SecretError, SecretScope, Source, aws, credstash, databricks, fetch, key_vault, variable,
};
use crate::cloud::{CloudError, CloudErrorKind, Clouds};

/// The keys of a scope, as its source names them, sorted. Never a value.
pub async fn keys(place: &SecretScope, clouds: &Clouds) -> Result<Vec<String>, SecretError> {
    let scope = place.scope.as_str();
    let found: BTreeSet<String> = match &place.source {
        Source::Env => {
            let prefix = variable(scope, "");
            // What a variable is made of cannot be told for sure; this is a key that leads to it.
            below(clouds.environment.variables.keys().map(|name| name.to_lowercase()), &prefix.to_lowercase())
        }
        Source::File { folder } => {
            let folder = folder.join(scope);
            let unreadable = |source: io::Error| SecretError::Unreadable { path: folder.clone(), source };
            let entries = std::fs::read_dir(&folder).map_err(unreadable)?.filter_map(Result::ok);
            entries
                .filter(|entry| entry.path().is_file())
                .filter_map(|entry| entry.file_name().into_string().ok())
                .collect()
        }
        Source::Databricks => databricks::list(clouds, scope).await?.into_iter().map(|key| key.name).collect(),
        Source::KeyVault { vault } => key_vault::names(clouds, vault).await?.into_iter().collect(),
        Source::Credstash { table, region, .. } => {
            let listed = credstash::list(clouds, table, region.as_deref()).await?;
            below(listed.into_iter().map(|item| item.name), &format!("{scope}/"))
        }
        Source::SecretsManager { region } => {
            let prefix = format!("{scope}/");
            below(aws::secrets(clouds, region.as_deref(), &prefix).await?, &prefix)
        }
        Source::ParameterStore { region } => {
            let path = format!("/{scope}");
            below(aws::parameters(clouds, region.as_deref(), &path).await?, &format!("{path}/"))
        }
    };
    Ok(found.into_iter().collect())
}

fn below(names: impl IntoIterator<Item = String>, prefix: &str) -> BTreeSet<String> {
    let below = |name: String| name.strip_prefix(prefix).filter(|key| !key.is_empty()).map(str::to_owned);
    names.into_iter().filter_map(below).collect()
}

/// Tells of several secrets whether they can be had, all at the same time; each comes back with its address.
pub async fn probe_all<'a>(
    addresses: impl IntoIterator<Item = &'a Address>,
    clouds: &Clouds,
) -> BTreeMap<Address, Result<(), SecretError>> {
    let each = |address: &'a Address| async move { (address.clone(), probe(address, clouds).await) };
    let addresses: BTreeSet<&Address> = addresses.into_iter().collect();
    stream::iter(addresses).map(each).buffer_unordered(AT_ONCE).collect().await
}

/// Tells whether a secret can be had. A Databricks scope is only asked for its keys, which needs the same right; of
/// other sources the value is fetched, and dropped at once.
async fn probe(address: &Address, clouds: &Clouds) -> Result<(), SecretError> {
    let Address::Databricks { scope, key } = address else { return fetch(address, clouds).await.map(drop) };
    // The names of keys are compared without case there.
    if databricks::list(clouds, scope).await?.iter().any(|found| found.name.eq_ignore_ascii_case(key)) {
        return Ok(());
    }
    let missing = CloudError::new(CloudErrorKind::Absent, format!("there is no key `{key}` in the scope `{scope}`"));
    Err(missing.hint("check `key`, or ask whoever keeps the scope to add it").into())
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
    async fn variables_of_a_scope_are_those_that_begin_with_it() {
        let place = SecretScope { scope: "family".into(), source: Source::Env };
        let variables = clouds(&[("FAMILY_A_B", "1"), ("FAMILYX", "2"), ("FAMILY_", "3"), ("PATH", "4")]);
        let found = keys(&place, &variables).await.expect("listed");
        assert_eq!(found, ["a_b"]);
        assert!(probe(&place.address(&found[0], None, None), &variables).await.is_ok(), "the key leads to it");
    }

    #[tokio::test]
    async fn a_folder_of_secrets_is_listed_and_a_missing_one_is_an_error() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let file = temp.path().join("family/token");
        crate::fs::replace(&file, b"x", crate::fs::Attributes::default()).expect("written");
        let place =
            |scope: &str| SecretScope { scope: scope.into(), source: Source::File { folder: temp.path().to_owned() } };
        assert_eq!(keys(&place("family"), &clouds(&[])).await.expect("listed"), ["token"]);
        assert!(matches!(keys(&place("other"), &clouds(&[])).await, Err(SecretError::Unreadable { .. })));
        assert!(probe(&Address::File(file), &clouds(&[])).await.is_ok());
        assert!(probe(&Address::Variable("X".into()), &clouds(&[])).await.is_err());
    }

    #[test]
    fn names_are_told_without_the_scope_and_those_of_other_scopes_not_at_all() {
        let names = ["family/a", "familyx/b", "family/c/d"].map(str::to_owned);
        assert_eq!(below(names, "family/").into_iter().collect::<Vec<_>>(), ["a", "c/d"]);
    }
}
