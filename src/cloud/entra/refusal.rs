//! Errors of the token endpoint: the kind and the hint for each AADSTS error code.

use serde::Deserialize;

use super::{VariableNames, application::Application};
use crate::{
    cloud::{CloudError, CloudErrorKind},
    http::Answer,
};

/// The service, as messages name it.
pub(super) const SERVICE: &str = "Microsoft Entra";

const FEDERATION: &str =
    "no federated credential of the application matches the token; compare its issuer, subject and audience";

/// An OAuth error with the numbers that Entra adds.
#[derive(Deserialize)]
struct EntraError {
    error: String,
    #[serde(default)]
    error_description: String,
    #[serde(default)]
    error_codes: Vec<u32>,
}

/// The hint for an AADSTS error code:
/// <https://learn.microsoft.com/entra/identity-platform/reference-error-codes>.
fn hint(code: u32, variables: VariableNames) -> Option<String> {
    let VariableNames { tenant_id, client_id, client_secret } = variables;
    Some(match code {
        7_000_215 => {
            format!("`{client_secret}` is not a secret of this application; use the secret's value, not its id")
        }
        7_000_222 => "the client secret has expired; create a new one for the application".to_owned(),
        700_016 => format!("the tenant has no such application; check `{client_id}` and `{tenant_id}`"),
        90_002 => format!("there is no such tenant; check `{tenant_id}` and `AZURE_AUTHORITY_HOST`"),
        900_023 => format!("there is no such tenant; check `{tenant_id}`"),
        70_021 | 700_211 | 700_212 | 700_213 => FEDERATION.to_owned(),
        700_024 => {
            "the token in `AZURE_FEDERATED_TOKEN_FILE` is too old or too new; check its renewal and the node's clock"
                .to_owned()
        }
        500_011 => {
            "the tenant does not know the service; check that the service and the identity are in the same cloud"
                .to_owned()
        }
        _ => return None,
    })
}

/// The error for an unsuccessful answer.
pub(super) fn refused(application: &Application, variables: VariableNames, answer: &Answer) -> CloudError {
    let subject = format!("the application `{}` of tenant `{}`", application.client, application.tenant);
    let kind = match answer.status {
        429 => CloudErrorKind::Limited,
        500.. => CloudErrorKind::Unreachable,
        300..=399 => CloudErrorKind::Malformed,
        _ => CloudErrorKind::TokenRejected,
    };
    let Ok(refusal) = answer.json::<EntraError>() else {
        let kind = if kind == CloudErrorKind::TokenRejected { CloudErrorKind::Malformed } else { kind };
        return CloudError::new(kind, format!("{SERVICE} answered with status {} for {subject}", answer.status))
            .hint("check `AZURE_AUTHORITY_HOST` and the proxy");
    };
    let known = refusal.error_codes.iter().find_map(|code| hint(*code, variables));
    let kind = match refusal.error.as_str() {
        "temporarily_unavailable" if kind == CloudErrorKind::TokenRejected => CloudErrorKind::Unreachable,
        // The request is wrong, not the application or its proof.
        "invalid_request" | "invalid_scope" | "invalid_resource" if known.is_none() => CloudErrorKind::Invalid,
        _ => kind,
    };
    let detail = first_sentence(&refusal.error_description).unwrap_or(&refusal.error);
    let lookup = || "look the AADSTS number up at https://login.microsoftonline.com/error".to_owned();
    CloudError::new(kind, format!("{SERVICE} refused {subject}")).detail(detail).hint(known.unwrap_or_else(lookup))
}

/// The error number and the first sentence. The rest of a description is for Microsoft's support.
fn first_sentence(description: &str) -> Option<&str> {
    let text = description.split("Trace ID").next().unwrap_or_default();
    let text = text.lines().next().unwrap_or_default();
    let text = text.split(". ").next().unwrap_or_default().trim().trim_end_matches('.');
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::entra::{AZURE_VARIABLES, DATABRICKS_VARIABLES};

    #[test]
    fn a_description_is_cut_to_its_number_and_first_sentence() {
        let long = "AADSTS7000215: Invalid client secret provided. Ensure the secret being sent in the request is the \
                    client secret value, not the client secret ID, for a secret added to app 'x'. Trace ID: 1 \
                    Correlation ID: 2 Timestamp: 2026-11-21 00:00:00Z";
        assert_eq!(first_sentence(long), Some("AADSTS7000215: Invalid client secret provided"));
        assert_eq!(
            first_sentence("AADSTS90002: Tenant 'x' not found.\r\nTrace ID: 1"),
            Some("AADSTS90002: Tenant 'x' not found")
        );
        assert_eq!(first_sentence(" Trace ID: 1"), None);
    }

    #[test]
    fn both_clouds_give_the_same_hints_with_their_own_variable_names() {
        for code in
            [7_000_215, 7_000_222, 700_016, 90_002, 900_023, 70_021, 700_211, 700_212, 700_213, 700_024, 500_011]
        {
            let azure = hint(code, AZURE_VARIABLES).expect("a known code");
            let databricks = hint(code, DATABRICKS_VARIABLES).expect("a known code");
            let renamed = ["TENANT_ID", "CLIENT_ID", "CLIENT_SECRET"]
                .iter()
                .fold(azure, |hint, name| hint.replace(&format!("AZURE_{name}"), &format!("ARM_{name}")));
            assert_eq!(databricks, renamed, "{code}");
        }
        assert_eq!(hint(1, AZURE_VARIABLES), None);
    }
}
