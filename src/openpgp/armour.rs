//! Removes the armour of a key file: base64 between two lines of dashes (RFC 9580, section 6).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use crc::{CRC_24_OPENPGP, Crc};

use super::key_error::KeyError;

const BEGIN: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
const END: &str = "-----END PGP PUBLIC KEY BLOCK-----";
const CHECKSUM: Crc<u32> = Crc::<u32>::new(&CRC_24_OPENPGP);

/// The bytes of all armoured blocks of a file. Vendors publish files with several blocks. Between the blocks only empty
/// lines are allowed.
pub(super) fn decode(file: &[u8]) -> Result<Vec<u8>, KeyError> {
    let text = std::str::from_utf8(file).map_err(|_| KeyError::Malformed("neither binary nor armoured"))?;
    let mut bytes = Vec::with_capacity(file.len());
    let mut lines = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
    while let Some(line) = lines.next() {
        match line {
            BEGIN => bytes.extend(block(&mut lines)?),
            "" => {}
            _ if line.starts_with("-----BEGIN PGP PRIVATE") => return Err(KeyError::Secret),
            _ => return Err(KeyError::Malformed("a line outside of the armoured block")),
        }
    }
    Ok(bytes)
}

/// The bytes of an armoured block, from the lines after its first one: headers such as `Version: GnuPG`, an empty line,
/// base64, a checksum that starts with `=`, and the end.
fn block<'a>(lines: &mut impl Iterator<Item = &'a str>) -> Result<Vec<u8>, KeyError> {
    const ENDLESS: KeyError = KeyError::Malformed("an armoured block without an end");
    loop {
        match lines.next().ok_or(ENDLESS)? {
            "" => break,
            line if line.contains(": ") => {}
            _ => return Err(KeyError::Malformed("an armoured block without an empty line before the key")),
        }
    }
    let (mut base64, mut checksum) = (String::new(), None);
    loop {
        match lines.next().ok_or(ENDLESS)? {
            END => break,
            _ if checksum.is_some() => {
                return Err(KeyError::Malformed("an armoured block with lines after its checksum"));
            }
            "" => return Err(KeyError::Malformed("an armoured block with an empty line in the key")),
            line => match line.strip_prefix('=') {
                Some(sum) => checksum = Some(sum),
                None => base64.push_str(line),
            },
        }
    }
    let decoded = |text: &str| STANDARD.decode(text).map_err(|_| KeyError::Malformed("damaged armour"));
    let bytes = decoded(&base64)?;
    // The checksum is optional (RFC 9580, section 6.1).
    if let Some(sum) = checksum
        && decoded(sum)? != CHECKSUM.checksum(&bytes).to_be_bytes()[1..]
    {
        return Err(KeyError::Malformed("a wrong checksum"));
    }
    Ok(bytes)
}
