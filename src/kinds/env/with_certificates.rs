//! The variables of TLS libraries, which `[cert]` sets. They name the bundle of the node.

use std::{borrow::Cow, path::Path};

use super::checked::{Change, Env, Variable, VariableSection};
use crate::{
    kinds::cert::Cert,
    profile::{Entry, Order},
};

/// The variables of Python's requests, of OpenSSL, of curl and of Node.js.
const VARIABLES: [&str; 4] = ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"];
/// The section, as in `after`.
const CERT: &str = "cert";

impl Env {
    /// Remembers that `[cert]` sets the variables.
    pub(in crate::kinds) fn add_certificate_variables(&mut self, cert: &Cert) {
        self.certificates_at = cert.variables_at().cloned();
    }

    /// The same section with the variables of `[cert]` that it does not set itself. `bundle` is that of the node.
    pub(super) fn with_certificates(&self, bundle: Option<&Path>) -> Cow<'_, Self> {
        let (Some(origin), Some(bundle)) = (&self.certificates_at, bundle) else { return Cow::Borrowed(self) };
        let mut all = self.clone();
        for name in VARIABLES {
            let change = Change::Set(bundle.display().to_string());
            let value = Variable { change, to: None, section: VariableSection::Cert };
            let order = Order { names: vec![CERT.to_owned()], ..Order::default() };
            let entry = Entry { value, origin: origin.clone(), optional: false, timeout: None, order };
            all.variables.entry(name.to_owned()).or_insert(entry);
        }
        Cow::Owned(all)
    }
}
