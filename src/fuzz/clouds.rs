//! The answers of clouds. The first byte of an input selects a request, the rest are the answers.

use std::{collections::BTreeMap, sync::Arc};

use super::answers::{clouds, now};
use crate::{
    cloud::{Clouds, MetadataService, open_bucket},
    filestore::{self, FileStoreAddress},
    secrets::{self, Address, credstash, databricks, key_vault_names},
};

const KEYS: [(&str, &str); 3] =
    [("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "hunter2hunter2"), ("AWS_REGION", "eu-west-1")];
const CONTAINER: [(&str, &str); 2] =
    [("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1/c"), ("AWS_REGION", "eu-west-1")];
const APPLICATION: [(&str, &str); 3] =
    [("AZURE_TENANT_ID", "tenant"), ("AZURE_CLIENT_ID", "client"), ("AZURE_CLIENT_SECRET", "hunter2hunter2")];
const TOKEN: [(&str, &str); 2] =
    [("DATABRICKS_HOST", "https://w.cloud.databricks.com"), ("DATABRICKS_TOKEN", "dapi0123456789")];
const OAUTH: [(&str, &str); 3] = [
    ("DATABRICKS_HOST", "https://w.cloud.databricks.com"),
    ("DATABRICKS_CLIENT_ID", "client"),
    ("DATABRICKS_CLIENT_SECRET", "hunter2hunter2"),
];
const GOOGLE: [(&str, &str); 1] = [(
    "GOOGLE_SERVICE_ACCOUNT_KEY",
    r#"{"disable_oauth":true,"client_email":"","private_key":"","private_key_id":"","gcs_base_url":"https://storage.googleapis.com"}"#,
)];
const AZURE_ACCOUNT: [(&str, &str); 2] =
    [("AZURE_STORAGE_ACCOUNT_NAME", "account"), ("AZURE_STORAGE_ACCOUNT_KEY", "aHVudGVyMmh1bnRlcjI=")];

pub(super) fn aws(data: &[u8]) {
    let Some((&request, answers)) = data.split_first() else { return };
    let with_keys = || clouds(answers, &KEYS);
    let fetch = |address: Address| drop(now(secrets::fetch(&address, &with_keys())));
    let (region, name) = (None, "family".to_owned());
    match request {
        b'a' => drop(now(async { with_keys().aws().await?.caller().await })),
        b'b' => fetch(Address::SecretsManager { region, id: name, version: None }),
        b'c' => fetch(Address::Parameter { region, name, version: None }),
        b'd' => {
            let (table, context) = ("credential-store".to_owned(), BTreeMap::new());
            fetch(Address::Credstash { table, region, name, version: None, context });
        }
        b'e' => drop(now(credstash::list(&with_keys(), "credential-store", None))),
        b'f' => drop(now(secrets::aws::secrets(&with_keys(), None, "family"))),
        b'g' => drop(now(secrets::aws::parameters(&with_keys(), None, "/family"))),
        b'h' => drop(now(async { clouds(answers, &CONTAINER).aws().await?.caller().await })),
        b'i' => drop(now(async { clouds(answers, &[]).aws().await?.caller().await })),
        _ => drop(now(clouds(answers, &[]).metadata(MetadataService::Aws, "instance-id"))),
    }
}

pub(super) fn azure(data: &[u8]) {
    let Some((&request, answers)) = data.split_first() else { return };
    let vault = "https://family.vault.azure.net".parse().expect("a valid address");
    let of_application = || clouds(answers, &APPLICATION);
    match request {
        b'a' => {
            let address = Address::KeyVault { vault, name: "db".to_owned(), version: None };
            drop(now(secrets::fetch(&address, &of_application())));
        }
        b'b' => drop(now(key_vault_names(&of_application(), &vault))),
        b'c' => drop(now(async { of_application().azure().await?.principal().await })),
        b'd' => drop(now(async { clouds(answers, &[]).azure().await?.principal().await })),
        b'e' => {
            let other = "https://family.vault.local.example.org".parse().expect("a valid address");
            drop(now(key_vault_names(&of_application(), &other)));
        }
        b'f' => drop(now(clouds(answers, &[]).metadata(MetadataService::Gcp, "id"))),
        _ => drop(now(clouds(answers, &[]).metadata(MetadataService::Azure, "vmId"))),
    }
}

pub(super) fn databricks(data: &[u8]) {
    let Some((&request, answers)) = data.split_first() else { return };
    let with_token = || clouds(answers, &TOKEN);
    let list = |address: &str| {
        let address = FileStoreAddress::parse(address).ok().flatten().expect("an address of a file store");
        drop(now(filestore::fuzz::list(address, with_token(), "Family")));
    };
    match request {
        b'a' => {
            let address = Address::Databricks { scope: "family".to_owned(), key: "db".to_owned() };
            drop(now(secrets::fetch(&address, &with_token())));
        }
        b'b' => drop(now(databricks::list(&with_token(), "family"))),
        b'c' => drop(now(databricks::scopes(&with_token()))),
        b'd' => drop(now(async { with_token().databricks().await?.me().await })),
        b'e' => drop(now(async { clouds(answers, &OAUTH).databricks().await?.me().await })),
        b'f' => list("dbfs:/store"),
        b'g' => list("dbfs:/Volumes/a/b/c"),
        b'h' => list("/Workspace/Shared/store"),
        _ => list("https://example.org/store"),
    }
}

pub(super) fn buckets(data: &[u8]) {
    let Some((&request, answers)) = data.split_first() else { return };
    let [url, listed] = match request {
        b'a' | b'A' => ["s3://bucket/store", "a"],
        b'b' | b'B' => ["gs://bucket/store", "b"],
        _ => ["az://container/store", "c"],
    };
    let variables = [&KEYS[..], &GOOGLE, &AZURE_ACCOUNT].concat();
    let clouds: Arc<Clouds> = clouds(answers, &variables);
    let url = url.parse().expect("a valid address");
    now(async {
        let Ok(bucket) = open_bucket(&clouds, &url).await else { panic!("`{url}` cannot be opened") };
        if listed.as_bytes() == [request] {
            if let Ok(found) = bucket.list_some("", 100).await {
                assert!(found.len() <= 2000, "{}", found.len());
            }
        } else {
            let _ = bucket.size("object").await;
            let _ = bucket.small("object", 1 << 20).await;
            let _ = bucket.remove("object").await;
        }
    });
}
