//! Certificates in PEM and DER.

use crate::certificate::{Certificate, fingerprints_in};

pub(super) fn certificate(data: &[u8]) {
    fingerprints_in(data);
    match Certificate::read(data) {
        Ok(certificates) => {
            for certificate in certificates {
                let _ = certificate.subject();
                let found = fingerprints_in(certificate.pem().as_bytes());
                assert_eq!(found.iter().collect::<Vec<_>>(), [&certificate.fingerprint()]);
            }
        }
        Err(error) => {
            let _ = (error.to_string(), error.hint());
        }
    }
}
