//! Secrets that credstash wrote (<https://github.com/fugue/credstash>): items of a DynamoDB table, each with a data key
//! of its own that KMS decrypts.

mod decrypt;
mod item;

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;
use serde_json::{Value, json};

use self::item::{Attributes, StoredItem};
use crate::{
    cloud::{
        CloudError, CloudErrorKind, Clouds, PageLimit,
        aws::{Account, AwsError, Service, as_secret},
    },
    redact::Secret,
};

/// Which item of which table.
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
    /// The version, as it is in the table.
    pub version: String,
}

/// Digits that credstash pads a version to, so that the greatest number is also the last text.
const VERSION_DIGITS: usize = 19;

/// What credstash calls a warning and reads all the same.
const WEAK: [&str; 2] = ["SHA", "MD5"];

pub(super) async fn fetch(clouds: &Clouds, item: ItemRef<'_>) -> Result<Secret, CloudError> {
    let account = clouds.aws().await?;
    let stored = StoredItem::read(&attributes(account, item).await?).map_err(|what| unreadable(item, &what))?;
    if WEAK.contains(&stored.digest.as_str()) {
        clouds.warn(format!(
            "`{}` in the table `{}` is guarded by {}, which is weak; put it again with `credstash put --digest SHA256`",
            item.name,
            item.table,
            decrypt::display_name(&stored.digest),
        ));
    }
    // Nothing is asked of KMS for what cannot be read anyway.
    let digest = decrypt::Digest::named(&stored.digest).ok_or_else(|| unknown_digest(item, &stored.digest))?;
    let saved = saved_region(clouds.environment.home.as_deref())?;
    let key = data_key(account, saved.as_deref().or(item.region), item, &stored).await?;
    decrypt::decrypt(digest, &key, &stored).map_err(|broken| match broken {
        decrypt::DecryptError::Key => unreadable(item, "its data key is too short"),
        decrypt::DecryptError::Mac => {
            let failed = format!("{} is not what credstash wrote: its MAC does not match", place(item));
            CloudError::new(CloudErrorKind::Malformed, failed)
                .hint("somebody or something changed it: write the secret again, and look who may write to the table")
        }
    })
}

/// The names and versions in a table; no value and no key is asked for.
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
        let mut question = json!({
            "TableName": table,
            "ProjectionExpression": "#n, #v",
            "ExpressionAttributeNames": { "#n": "name", "#v": "version" },
        });
        if let Some(from) = from {
            question["ExclusiveStartKey"] = from;
        }
        let page = account.call::<ScanPage>(Service::DynamoDb, "Scan", region, &question).await;
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
    // A number is padded as credstash does. Tables from before 2015 have bare numbers, and some people have words.
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

/// The item that comes last by its version as text, as credstash takes it.
async fn latest(account: &Account, item: ItemRef<'_>) -> Result<Option<Attributes>, CloudError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct QueryResponse {
        #[serde(default)]
        items: Vec<Attributes>,
    }
    let question = json!({
        "TableName": item.table,
        "KeyConditionExpression": "#n = :n",
        "ExpressionAttributeNames": { "#n": "name" },
        "ExpressionAttributeValues": { ":n": { "S": item.name } },
        "ScanIndexForward": false,
        "Limit": 1,
        "ConsistentRead": true,
    });
    let found = account.call::<QueryResponse>(Service::DynamoDb, "Query", item.region, &question).await;
    Ok(found.map_err(|refusal| no_table(item.table, refusal))?.items.into_iter().next())
}

async fn get_item(account: &Account, item: ItemRef<'_>, version: &str) -> Result<Option<Attributes>, CloudError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct GetItemResponse {
        item: Option<Attributes>,
    }
    let question = json!({
        "TableName": item.table,
        "Key": { "name": { "S": item.name }, "version": { "S": version } },
        "ConsistentRead": true,
    });
    let found = account.call::<GetItemResponse>(Service::DynamoDb, "GetItem", item.region, &question).await;
    Ok(found.map_err(|refusal| no_table(item.table, refusal))?.item)
}

/// The data key of an item, as KMS gives it to who may decrypt in the item's context.
async fn data_key(
    account: &Account,
    region: Option<&str>,
    item: ItemRef<'_>,
    stored: &StoredItem,
) -> Result<Secret, CloudError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct DecryptResponse {
        #[serde(deserialize_with = "as_secret")]
        plaintext: Secret,
    }
    let mut question = json!({ "CiphertextBlob": item::encoded(&stored.key) });
    if !item.context.is_empty() {
        question["EncryptionContext"] = json!(item.context);
    }
    let decrypted = account.call::<DecryptResponse>(Service::Kms, "Decrypt", region, &question).await;
    let decrypted = decrypted.map_err(|refusal| no_key(item, refusal))?;
    item::decoded(decrypted.plaintext.reveal()).map(Secret::new).ok_or_else(|| unreadable(item, "KMS gave no data key"))
}

/// The region of the keys, where `credstash setup --save-kms-region` noted another one in `~/.credstash`.
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
                format!("`{}` is no configuration of credstash", path.display()),
            );
            Err(failed.said(&error.to_string()).hint("write it anew with `credstash setup --save-kms-region REGION`"))
        }
    }
}

fn no_key(item: ItemRef<'_>, refusal: AwsError) -> CloudError {
    let error = refusal.error;
    match (refusal.code.as_str(), error.kind) {
        ("InvalidCiphertextException", _) => {
            let given = if item.context.is_empty() {
                "it was written with an encryption context and none is given: name it in `[secrets.context]`".to_owned()
            } else {
                let pairs: Vec<String> = item.context.iter().map(|(key, value)| format!("{key}={value}")).collect();
                format!("it must be the one it was written with, all of it; given is `{}`", pairs.join(" "))
            };
            let failed = format!("KMS does not open {}: the encryption context does not match", place(item));
            CloudError { kind: CloudErrorKind::Invalid, message: failed, hint: Some(given), ..error }
        }
        // Who was denied is said already; the key's policy may ask for a context.
        (_, CloudErrorKind::Denied) => {
            let hint = error.hint.unwrap_or_default();
            CloudError {
                hint: Some(format!("{hint}, with the context that {} was written with", place(item))),
                ..error
            }
        }
        (_, CloudErrorKind::Absent | CloudErrorKind::BackendRefuses) => {
            let failed = format!("the KMS key of {} cannot be used ({})", place(item), refusal.code);
            let hint = "check that the key is enabled, and that it is in the region asked".to_owned();
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
    CloudError::new(CloudErrorKind::Absent, failed).hint("check `name`, or ask whoever keeps the scope to put it there")
}

fn unknown_digest(item: ItemRef<'_>, digest: &str) -> CloudError {
    let failed = format!("{} is guarded by the digest `{digest}`, which credstash no longer has", place(item));
    CloudError::new(CloudErrorKind::Invalid, failed)
        .hint("run credstash's `credstash_migrate_digests.py`, or put the secret again with the digest SHA256")
}

fn unreadable(item: ItemRef<'_>, what: &str) -> CloudError {
    CloudError::new(CloudErrorKind::Malformed, format!("{} is no item of credstash: {what}", place(item)))
        .hint("write the secret again with `credstash put`")
}

fn place(item: ItemRef<'_>) -> String {
    let version = item.version.map(|version| format!(" (version {version})")).unwrap_or_default();
    format!("`{}`{version} in the table `{}`", item.name, item.table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_region_of_the_keys_is_the_one_that_credstash_saved() {
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
        assert_eq!(region().expect_err("a mistake").kind, CloudErrorKind::Invalid);
        assert_eq!(saved_region(None), Ok(None));
    }
}
