//! Managed blocks, and files that secrets are written into.

use crate::{
    managed_block::{ManagedBlock, Position},
    secrets::file_formats::{SecretFormat, has_lines, identity, names_machine, pieces, with_lines, without_lines},
};

/// The text is a file that others write, too. The part after a byte 0 is a value that is written into it.
pub(super) fn edited_files(data: &[u8]) {
    let (text, value) =
        data.iter().position(|&byte| byte == 0).map_or((data, &b"value"[..]), |at| (&data[..at], &data[at + 1..]));
    for block in [ManagedBlock::only("#", Position::Start), ManagedBlock::of_profile("family", Position::End)] {
        let lines = [b"export A=", value, b"\n"].concat();
        let Ok(once) = block.put(text, &lines) else { continue };
        // A value with a marker line is refused by the rules of the kinds.
        let Ok(twice) = block.put(&once, &lines) else { continue };
        assert_eq!(once, twice, "a second run changes the file");
        assert!(block.is_in(&once));
        let _ = (block.lines(&once), block.take_out(&once));
    }
    names_machine(text, "example.org");
    let url = "https://git.example.org".parse().expect("a valid address");
    let identities = [identity(&url, "bot")];
    if let Ok(line) = (SecretFormat::GitCredentials { url, user: "bot".to_owned() }).written(value) {
        let once = with_lines(text, &identities, line.reveal());
        assert_eq!(with_lines(&once, &identities, line.reveal()), once, "a second run changes the file");
        assert!(has_lines(&once, &identities));
        assert!(!has_lines(&without_lines(&once, &identities), &identities));
    }
    let field = || "a:b".to_owned();
    for format in [
        SecretFormat::Variable("TOKEN".to_owned()),
        SecretFormat::Pgpass { host: field(), port: field(), database: field(), user: field() },
        SecretFormat::Netrc { machine: "example.org".to_owned(), login: "bot".to_owned() },
    ] {
        drop(format.written(value));
    }
    if let Ok(template) = std::str::from_utf8(text) {
        drop(pieces(template, |key| !key.is_empty()));
    }
}
