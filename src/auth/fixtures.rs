//! Identities and access files for tests.

use std::{collections::BTreeMap, path::Path};

use super::{Access, Identity};
use crate::{
    cloud::{aws::CallerIdentity, azure::AzurePrincipal, databricks::CurrentUser},
    facts::NodeFacts,
};

/// The start of the access files in tests. The grants start in line 13.
const DATABASES: &str = r#"
schema = 1
contact = "data-platform@lawfirms.example"

[[databases]]
name = "analytics"
host = "db.lawfirms.example"
users = [
    { name = "read_only", secret = { source = "databricks", scope = "family", key = "ro" } },
    { name = "read_write", secret = { source = "databricks", scope = "family", key = "rw" } },
]

"#;

/// An access file with a database and the given grants.
pub(super) fn access(grants: &str) -> Access {
    let text = format!("{DATABASES}{grants}");
    Access::parse("access.toml", text.as_bytes()).unwrap_or_else(|found| panic!("{found:#?}"))
}

/// A local user `root` without a cluster and without an identity provider.
pub(super) fn local_user() -> Identity {
    let facts = NodeFacts::gather(Path::new("/nowhere"), BTreeMap::new());
    let mut identity = Identity::of_node(&facts, Path::new("/nowhere"));
    identity.local = super::LocalUser { name: "root".into(), uid: 0 };
    identity
}

/// A node of a production cluster of the unit Family, without an identity provider.
pub(super) fn family_node() -> Identity {
    Identity { cluster_unit: Some("Family".into()), cluster_environment: Some("Prod".into()), ..local_user() }
}

/// An analyst of Family on a node of Family, with an identity at each provider.
pub(super) fn full_identity() -> Identity {
    Identity {
        databricks: Some(CurrentUser {
            host: "https://adb-1.azuredatabricks.net".into(),
            auth_type: "pat".into(),
            user_name: "ann@lawfirms.example".into(),
            display_name: Some("Ann".into()),
            service_principal: false,
            groups: ["users", "LawFirms-Prod-Databricks-Family-Analyst"].map(str::to_owned).to_vec(),
        }),
        aws: Some(CallerIdentity {
            account: "123456789012".into(),
            arn: "arn:aws:sts::123456789012:assumed-role/family-node/i-1".into(),
            partition: "aws".into(),
            role: Some("family-node".into()),
            user: None,
        }),
        azure: Some(AzurePrincipal {
            tenant: "9c2a0000-0000-4000-8000-000000000001".into(),
            object_id: "5b1c8c5e-0000-4000-8000-000000000001".into(),
            client_id: None,
            auth_type: "managed-identity".into(),
        }),
        ..family_node()
    }
}
