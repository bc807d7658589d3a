//! The configuration files of the clients of clouds.

use std::{cell::RefCell, collections::BTreeMap, sync::Arc};

use super::{answers::now, scratch::ScratchFile};
use crate::{
    cloud::{ClientEnvironment, Clouds},
    http::Client,
};

/// `~/.aws/config`, `~/.aws/credentials` and `~/.databrickscfg`, with the same text.
pub(super) fn client_files(data: &[u8]) {
    thread_local!(static FILE: RefCell<ScratchFile> = RefCell::new(ScratchFile::new("")));
    FILE.with_borrow_mut(|file| {
        let path = file.with(data).to_string_lossy().into_owned();
        let names = ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "DATABRICKS_CONFIG_FILE"];
        let variables: BTreeMap<String, String> = names.map(|name| (name.to_owned(), path.clone())).into();
        let environment = ClientEnvironment { variables, home: None };
        let clouds = Clouds::new(Arc::new(Client::prepared([])), environment);
        let message = |error: crate::cloud::CloudError| (error.to_string(), error.hint);
        if let Some(Err(error)) = now(clouds.aws()) {
            drop(message(error));
        }
        if let Some(Err(error)) = now(clouds.databricks()) {
            drop(message(error));
        }
    });
}
