//! X.509 CA certificates: reading them from PEM and DER, their properties and their fingerprints.

use std::{
    collections::BTreeSet,
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};
use x509_cert::{Certificate as X509, der::Decode as _, ext::pkix::BasicConstraints};

use crate::digest::Digest;

/// The first byte of a DER file: a sequence.
const SEQUENCE: u8 = 0x30;
/// The tag of a number.
const INTEGER: u8 = 0x02;
/// The length of a line of PEM.
const PEM_LINE: usize = 64;
const BEGIN: &str = "-----BEGIN ";
/// The labels of certificates in PEM.
const LABELS: [&str; 1] = ["CERTIFICATE"];

/// A certificate that programs can trust.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
    subject: String,
}

/// The SHA-256 of a certificate's DER form: 64 hexadecimal digits.
pub type Fingerprint = String;

/// Why a file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// It has a private key, which must not be on every node.
    #[error("it holds a private key or a keystore")]
    PrivateKey,
    /// Neither PEM nor DER.
    #[error("it is neither PEM nor DER")]
    OtherFormat,
    /// A PEM block that is no certificate.
    #[error("it contains a block `{0}`, which is not a certificate")]
    OtherBlock(String),
    /// It is damaged.
    #[error("it contains no complete certificate: {0}")]
    Malformed(String),
    /// A certificate that signs no others.
    #[error("the certificate `{0}` is not a CA certificate")]
    NotAnAuthority(String),
    /// A certificate that is no longer valid.
    #[error("the certificate `{subject}` expired on {day}")]
    Expired {
        /// Its subject.
        subject: String,
        /// Its last day.
        day: String,
    },
}

impl CertificateError {
    /// A hint for the user.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::PrivateKey => "remove the key from the file, and replace the key: others could read it there",
            Self::OtherFormat | Self::OtherBlock(_) | Self::Malformed(_) => {
                "export the CA certificate as PEM: `openssl x509 -in FILE -out FILE.pem`"
            }
            Self::NotAnAuthority(_) => {
                "name the CA certificate that signed it: a server's own certificate changes with each renewal"
            }
            Self::Expired { .. } => "put the new CA certificate into the file store",
        }
    }
}

impl Certificate {
    /// The authorities in a file: one or more certificates in PEM, or one in DER.
    ///
    /// # Errors
    /// If the file has anything else, or an authority has expired.
    pub fn read(bytes: &[u8]) -> Result<Vec<Self>, CertificateError> {
        Self::read_at(bytes, SystemTime::now())
    }

    fn read_at(bytes: &[u8], now: SystemTime) -> Result<Vec<Self>, CertificateError> {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let ders = if bytes.first() == Some(&SEQUENCE) { vec![der(bytes)?] } else { blocks(bytes)? };
        ders.into_iter().map(|der| Self::checked(der, now)).collect()
    }

    fn checked(der: Vec<u8>, now: Duration) -> Result<Self, CertificateError> {
        let malformed = |error: x509_cert::der::Error| CertificateError::Malformed(error.to_string());
        let parsed = X509::from_der(&der).map_err(malformed)?;
        let content = parsed.tbs_certificate();
        let subject = content.subject().to_string();
        let constraints = content.get_extension::<BasicConstraints>().map_err(malformed)?;
        if !constraints.is_some_and(|(_, constraints)| constraints.ca) {
            return Err(CertificateError::NotAnAuthority(subject));
        }
        let end = content.validity().not_after;
        if end.to_unix_duration() < now {
            let end = end.to_date_time();
            let day = format!("{:04}-{:02}-{:02}", end.year(), end.month(), end.day());
            return Err(CertificateError::Expired { subject, day });
        }
        Ok(Self { der, subject })
    }

    /// Its binary form.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Its name, such as `CN=Firm Root,O=Firm`.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Its identity.
    pub fn fingerprint(&self) -> Fingerprint {
        fingerprint(&self.der)
    }

    /// Its text form.
    pub fn pem(&self) -> String {
        pem_of(&self.der)
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({}, {})", self.subject, self.fingerprint())
    }
}

/// The text form of a certificate.
pub fn pem_of(der: &[u8]) -> String {
    let base64 = STANDARD.encode(der);
    let mut text = format!("{BEGIN}CERTIFICATE-----\n");
    for line in base64.as_bytes().chunks(PEM_LINE) {
        text.extend(line.iter().map(|&byte| char::from(byte)));
        text.push('\n');
    }
    text + "-----END CERTIFICATE-----\n"
}

/// The binary form of every certificate in a PEM text of programs, such as the bundle of the system. Blocks that cannot
/// be read are skipped.
pub fn ders_in(text: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    CertificateDer::pem_slice_iter(text).filter_map(Result::ok).map(|der| der.to_vec())
}

/// The fingerprints of every certificate in a PEM text of programs.
pub fn fingerprints_in(text: &[u8]) -> BTreeSet<Fingerprint> {
    ders_in(text).map(|der| fingerprint(&der)).collect()
}

fn fingerprint(der: &[u8]) -> Fingerprint {
    Digest::sha256(der).hex().to_owned()
}

/// Checks a DER file. A certificate begins with a sequence in a sequence, a private key or a keystore with a number.
fn der(bytes: &[u8]) -> Result<Vec<u8>, CertificateError> {
    let header = match bytes.get(1) {
        Some(&length) if length & 0x80 != 0 => 2 + usize::from(length & 0x7f),
        _ => 2,
    };
    if bytes.get(header) == Some(&INTEGER) { Err(CertificateError::PrivateKey) } else { Ok(bytes.to_vec()) }
}

/// The certificates of a PEM file.
fn blocks(bytes: &[u8]) -> Result<Vec<Vec<u8>>, CertificateError> {
    let text = String::from_utf8_lossy(bytes);
    let labels = text.lines().filter_map(|line| line.trim_end().split_once(BEGIN)?.1.strip_suffix("-----"));
    let labels: Vec<&str> = labels.collect();
    if labels.iter().any(|label| label.ends_with("PRIVATE KEY")) {
        return Err(CertificateError::PrivateKey);
    }
    if let Some(other) = labels.iter().find(|label| !LABELS.contains(label)) {
        return Err(CertificateError::OtherBlock((*other).to_owned()));
    }
    if labels.is_empty() {
        return Err(CertificateError::OtherFormat);
    }
    let ders: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
    let ders = ders.map_err(|error| CertificateError::Malformed(error.to_string()))?;
    if ders.len() != labels.len() {
        return Err(CertificateError::Malformed("a block is damaged".to_owned()));
    }
    Ok(ders.into_iter().map(|der| der.to_vec()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &[u8] = include_bytes!("../tests/fixtures/certificates/root.pem");
    const ROOT_DER: &[u8] = include_bytes!("../tests/fixtures/certificates/root.der");
    const SECOND: &[u8] = include_bytes!("../tests/fixtures/certificates/second.pem");
    const LEAF: &[u8] = include_bytes!("../tests/fixtures/certificates/leaf.pem");
    const EXPIRED: &[u8] = include_bytes!("../tests/fixtures/certificates/expired.pem");
    /// As `openssl x509 -fingerprint -sha256` prints it.
    const FINGERPRINT: &str = "e389a7da0d07cf7c1d35b4052d688f91f96192542b7a1bd481775bab6e1717e8";

    #[test]
    fn pem_with_several_certificates_and_der_are_read() {
        let found = Certificate::read(&[b"# the firm\n", ROOT, SECOND].concat()).expect("two authorities");
        let subjects: Vec<&str> = found.iter().map(Certificate::subject).collect();
        assert_eq!(subjects, ["CN=Firm Root,O=Firm", "CN=Firm Second Root,O=Firm"]);
        assert_eq!(found[0].fingerprint(), FINGERPRINT);
        assert_eq!(found[0].pem().as_bytes(), ROOT);
        assert_eq!(Certificate::read(ROOT_DER).expect("an authority"), found[..1]);
        assert_eq!(fingerprints_in(ROOT), BTreeSet::from([FINGERPRINT.to_owned()]));
    }

    #[test]
    fn files_without_an_authority_are_refused() {
        let read = |bytes: &[u8]| Certificate::read(bytes).expect_err("refused");
        let key = b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        assert_eq!(read(&[ROOT, key].concat()), CertificateError::PrivateKey);
        let encrypted = b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
        assert_eq!(read(encrypted), CertificateError::PrivateKey);
        // PKCS #8: version 0.
        assert_eq!(read(&[0x30, 0x81, 0x87, 0x02, 0x01, 0x00]), CertificateError::PrivateKey);
        assert_eq!(read(b"hello"), CertificateError::OtherFormat);
        assert_eq!(read(b""), CertificateError::OtherFormat);
        let request = b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n";
        assert_eq!(read(request), CertificateError::OtherBlock("CERTIFICATE REQUEST".to_owned()));
        assert!(matches!(read(&ROOT[..ROOT.len() - 40]), CertificateError::Malformed(_)));
        assert!(matches!(read(&ROOT_DER[..200]), CertificateError::Malformed(_)));
        assert_eq!(read(LEAF), CertificateError::NotAnAuthority("CN=leaf.firm.example,O=Firm".to_owned()));
        let expired = CertificateError::Expired { subject: "CN=Firm Old Root,O=Firm".into(), day: "2021-01-01".into() };
        assert_eq!(read(EXPIRED), expired);
        let before = UNIX_EPOCH + Duration::from_secs(1_600_000_000);
        assert!(Certificate::read_at(EXPIRED, before).is_ok(), "it was valid in 2020");
    }
}
