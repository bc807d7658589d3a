//! Tokens with claims. Their signatures are not verified: the tests need only the claims.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::server::random;

/// A token with claims.
pub(crate) fn sign(claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{}", part(&json!({ "typ": "JWT", "alg": "RS256" })), part(claims), random())
}

/// The claims of a token.
pub(crate) fn claims(token: &str) -> Option<Value> {
    let bytes = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice(&bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signed_claims_can_be_read() {
        let claimed = json!({ "sub": "x", "exp": 7 });
        assert_eq!(claims(&sign(&claimed)), Some(claimed));
        assert_eq!(claims("opaque"), None);
    }
}
