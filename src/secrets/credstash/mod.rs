//! Secrets of credstash (<https://github.com/fugue/credstash>): items in a DynamoDB table. Each item has a data key
//! that KMS decrypts.

mod decrypt;
mod item;

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;
use serde_json::{Value, json};

use self::item::{Attributes, StoredItem};
use crate::{
    cloud::{
        CloudError, CloudErrorKind, Clouds, PageLimit,
        aws::{Account, AwsError, Service, deserialize_secret},
    },
    redact::Secret,
};

/// A reference to an item.
#[derive(Debug, Clone, Copy)]
pub(super) struct ItemRef<'a> {
    pub(super) table: &'a str,
    pub(super) region: Option<&'a str>,
    pub(super) name: &'a str,
    pub(super) version: Option<&'a str>,
    pub(super) context: &'a BTreeMap<String, String>,
}

/// A secret of a table, without its value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct SecretVersion {
    /// The name.
    pub name: String,
    /// The version, as stored in the table.
    pub version: String,
}

/// credstash pads version numbers to this many digits, so that they are sorted as text.
const VERSION_DIGITS: usize = 19;

/// Weak digests. credstash reads them with a warning.
const WEAK: [&str; 2] = ["SHA", "MD5"];

pub(super) async fn fetch(clouds: &Clouds, item: ItemRef<'_>) -> Result<Secret, CloudError> {
    let account = clouds.aws().await?;
    let stored = StoredItem::read(&attributes(account, item).await?).map_err(|what| unreadable(item, &what))?;
    if WEAK.contains(&stored.digest.as_str()) {
        clouds.warn(format!(
            "`{}` in the table `{}` has a MAC with {}, which is weak; write it again with `credstash put --digest SHA256`",
            item.name,
            item.table,
            decrypt::display_name(&stored.digest),
        ));
    }
    // Check the digest before calling KMS.
    let digest = decrypt::Digest::named(&stored.digest).ok_or_else(|| unknown_digest(item, &stored.digest))?;
    let saved = saved_region(clouds.environment.home.as_deref())?;
    let key = data_key(account, saved.as_deref().or(item.region), item, &stored).await?;
    decrypt::decrypt(digest, &key, &stored).map_err(|broken| match broken {
        decrypt::DecryptError::Key => unreadable(item, "its data key is too short"),
        decrypt::DecryptError::Mac => {
            let failed = format!("{} was changed: its MAC does not match", description(item));
            CloudError::new(CloudErrorKind::Malformed, failed)
                .hint("write the secret again, and check which identities may write to the table")
        }
    })
}

/// The names and versions in a table. Fetches no values and no keys.
pub async fn list(clouds: &Clouds, table: &str, region: Option<&str>) -> Result<Vec<SecretVersion>, CloudError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct ScanPage {
        #[serde(default)]
        items: Vec<Attributes>,
        last_evaluated_key: Option<Value>,
    }
    let account = clouds.aws().await?;
    let (mut listed, mut from, mut pages) = (Vec::new(), None::<Value>, PageLimit::default());
    loop {
        pages.next_page()?;
        let mut request = json!({
            "TableName": table,
            "ProjectionExpression": "#n, #v",
            "ExpressionAttributeNames": { "#n": "name", "#v": "version" },
        });
        if let Some(from) = from {
            request["ExclusiveStartKey"] = from;
        }
        let page = account.call::<ScanPage>(Service::DynamoDb, "Scan", region, &request).await;
        let page = page.map_err(|refusal| no_table(table, refusal))?;
        listed.extend(page.items.iter().filter_map(|item| {
            Some(SecretVersion {
                name: item::text(item, "name")?.to_owned(),
                version: item::text(item, "version")?.to_owned(),
            })
        }));
        from = page.last_evaluated_key;
        if from.is_none() {
            listed.sort();
            return Ok(listed);
        }
    }
}

async fn attributes(account: &Account, item: ItemRef<'_>) -> Result<Attributes, CloudError> {
    let Some(version) = item.version else {
        return latest(account, item).await?.ok_or_else(|| no_secret(item));
    };
    // Numbers are padded as credstash does. Tables from before 2015 contain plain numbers, and some contain words.
    let padded = format!("{version:0>VERSION_DIGITS$}");
    let written = [padded.as_str(), version];
    for version in if padded == version { &written[..1] } else { &written[..] } {
        if let Some(found) = get_item(account, item, version).await? {
            return Ok(found);
        }
    }
    let Some(latest) = latest(account, item).await? else { return Err(no_secret(item)) };
    let failed = CloudError::new(
        CloudErrorKind::Absent,
        format!("there is no version `{version}` of `{}` in the table `{}`", item.name, item.table),
    );
    let latest = item::text(&latest, "version").unwrap_or_default().trim_start_matches('0');
    Err(failed.hint(format!("the latest is `{latest}`; leave `version` out to follow it")))
}

/// The item with the last version, sorted as text, as in credstash.
async fn latest(account: &Account, item: ItemRef<'_>) -> Result<Option<Attributes>, CloudError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct QueryResponse {
        #[serde(default)]
        items: Vec<Attributes>,
    }
    let request = json!({
        "TableName": item.table,
        "KeyConditionExpression": "#n = :n",
        "ExpressionAttributeNames": { "#n": "name" },
        "ExpressionAttributeValues": { ":n": { "S": item.name } },
        "ScanIndexForward": false,
        "Limit": 1,
        "ConsistentRead": true,
    });
    let found = account.call::<QueryResponse>(Service::DynamoDb, "Query", item.region, &request).await;
    Ok(found.map_err(|refusal| no_table(item.table, refusal))?.items.into_iter().next())
}

async fn get_item(account: &Account, item: ItemRef<'_>, version: &str) -> Result<Option<Attributes>, CloudError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct GetItemResponse {
        item: Option<Attributes>,
    }
    let request = json!({
        "TableName": item.table,
        "Key": { "name": { "S": item.name }, "version": { "S": version } },
        "ConsistentRead": true,
    });
    let found = account.call::<GetItemResponse>(Service::DynamoDb, "GetItem", item.region, &request).await;
    Ok(found.map_err(|refusal| no_table(item.table, refusal))?.item)
}

/// The data key of an item. KMS decrypts it, if the identity may decrypt with the encryption context of the item.
async fn data_key(
    account: &Account,
    region: Option<&str>,
    item: ItemRef<'_>,
    stored: &StoredItem,
) -> Result<Secret, CloudError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct DecryptResponse {
        #[serde(deserialize_with = "deserialize_secret")]
        plaintext: Secret,
    }
    let mut request = json!({ "CiphertextBlob": item::encoded(&stored.key) });
    if !item.context.is_empty() {
        request["EncryptionContext"] = json!(item.context);
    }
    let decrypted = account.call::<DecryptResponse>(Service::Kms, "Decrypt", region, &request).await;
    let decrypted = decrypted.map_err(|refusal| no_key(item, refusal))?;
    item::decoded(decrypted.plaintext.reveal())
        .map(Secret::new)
        .ok_or_else(|| unreadable(item, "KMS returned no data key"))
}

/// The region of the KMS keys, if `credstash setup --save-kms-region` saved another one in `~/.credstash`.
fn saved_region(home: Option<&Path>) -> Result<Option<String>, CloudError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "kebab-case")]
    struct SavedConfig {
        kms_region: Option<String>,
    }
    let Some(path) = home.map(|home| home.join(".credstash")) else { return Ok(None) };
    let Ok(bytes) = std::fs::read(&path) else { return Ok(None) };
    match serde_json::from_slice::<SavedConfig>(&bytes) {
        Ok(saved) => Ok(saved.kms_region.filter(|region| !region.is_empty())),
        Err(error) => {
            let failed = CloudError::new(
                CloudErrorKind::Invalid,
                format!("`{}` is not a valid configuration of credstash", path.display()),
            );
            Err(failed
                .detail(&error.to_string())
                .hint("write it again with `credstash setup --save-kms-region REGION`"))
        }
    }
}

fn no_key(item: ItemRef<'_>, refusal: AwsError) -> CloudError {
    let error = refusal.error;
    match (refusal.code.as_str(), error.kind) {
        ("InvalidCiphertextException", _) => {
            let hint = if item.context.is_empty() {
                "the secret was written with an encryption context: set it in `[secrets.context]`".to_owned()
            } else {
                let pairs: Vec<String> = item.context.iter().map(|(key, value)| format!("{key}={value}")).collect();
                format!(
                    "use the complete context that the secret was written with; the given one is `{}`",
                    pairs.join(" ")
                )
            };
            let failed = format!("KMS does not decrypt {}: the encryption context does not match", description(item));
            CloudError { kind: CloudErrorKind::Invalid, message: failed, hint: Some(hint), ..error }
        }
        // The error names the denied identity already. The policy of the key may require a context.
        (_, CloudErrorKind::Denied) => {
            let hint = error.hint.unwrap_or_default();
            CloudError {
                hint: Some(format!("{hint}, with the encryption context that {} was written with", description(item))),
                ..error
            }
        }
        (_, CloudErrorKind::Absent | CloudErrorKind::BackendRefuses) => {
            let failed = format!("the KMS key of {} cannot be used ({})", description(item), refusal.code);
            let hint = "check that the key is enabled, and that its region is correct".to_owned();
            CloudError { kind: CloudErrorKind::BackendRefuses, message: failed, hint: Some(hint), ..error }
        }
        _ => error,
    }
}

fn no_table(table: &str, refusal: AwsError) -> CloudError {
    if refusal.code != "ResourceNotFoundException" {
        return refusal.into();
    }
    let hint = "check `table` and `region` in `[secrets]`".to_owned();
    CloudError { message: format!("there is no table `{table}` in DynamoDB"), hint: Some(hint), ..refusal.error }
}

fn no_secret(item: ItemRef<'_>) -> CloudError {
    let failed = format!("there is no `{}` in the table `{}`", item.name, item.table);
    CloudError::new(CloudErrorKind::Absent, failed).hint("check `name`, or ask the owner of the scope to add it")
}

fn unknown_digest(item: ItemRef<'_>, digest: &str) -> CloudError {
    let failed =
        format!("{} has a MAC with the digest `{digest}`, which credstash no longer supports", description(item));
    CloudError::new(CloudErrorKind::Invalid, failed)
        .hint("run credstash's `credstash_migrate_digests.py`, or write the secret again with the digest SHA256")
}

fn unreadable(item: ItemRef<'_>, what: &str) -> CloudError {
    CloudError::new(
        CloudErrorKind::Malformed,
        format!("{} is not a valid item of credstash: {what}", description(item)),
    )
    .hint("write the secret again with `credstash put`")
}

fn description(item: ItemRef<'_>) -> String {
    let version = item.version.map(|version| format!(" (version {version})")).unwrap_or_default();
    format!("`{}`{version} in the table `{}`", item.name, item.table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_saved_region_of_the_keys_is_used() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let region = || saved_region(Some(home.path()));
        assert_eq!(region(), Ok(None));
        let save = |text: &str| {
            let attributes = crate::fs::Attributes::mode(0o600);
            crate::fs::replace(&home.path().join(".credstash"), text.as_bytes(), attributes).expect("written");
        };
        save(r#"{"kms-region": "eu-west-1"}"#);
        assert_eq!(region(), Ok(Some("eu-west-1".to_owned())));
        save("{}");
        assert_eq!(region(), Ok(None));
        save("no json");
        assert_eq!(region().expect_err("an invalid file").kind, CloudErrorKind::Invalid);
        assert_eq!(saved_region(None), Ok(None));
    }
}
