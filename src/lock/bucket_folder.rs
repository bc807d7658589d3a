//! The limits of folders in buckets. Others may be able to write to a bucket, so the names in it are not trusted.

use url::Url;

/// The largest number of files in a folder.
pub const MAX_FOLDER_FILES: usize = 1000;
/// The largest size in bytes of all files in a folder.
pub const MAX_FOLDER_BYTES: u64 = 4 << 30;
/// The largest length of a name, as in S3.
const MAX_NAME: usize = 1024;

/// The address of a file in a folder. `None` if the address of the folder has no path.
pub fn object_address(folder: &Url, name: &str) -> Option<Url> {
    let mut url = folder.clone();
    url.path_segments_mut().ok()?.pop_if_empty().extend(name.split('/'));
    Some(url)
}

/// Whether a name in a bucket can be the path of a file below a folder of the node: relative, without empty parts, `.`
/// and `..`, and without characters that terminals or other programs may interpret.
pub fn is_object_name(name: &str) -> bool {
    let is_plain_part = |part: &str| !matches!(part, "" | "." | "..") && part.len() <= 255;
    name.len() <= MAX_NAME && !name.contains(is_odd) && name.split('/').all(is_plain_part)
}

/// Whether a character is a control character, changes the direction of a text, or is a backslash.
fn is_odd(character: char) -> bool {
    let changes_direction =
        matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    character.is_control() || changes_direction || character == '\\'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_a_file_is_below_its_folder() {
        let address = |folder: &str| object_address(&Url::parse(folder).expect("an address"), "a b/c.pem");
        let below = Url::parse("s3://firm/certs/a%20b/c.pem").ok();
        assert_eq!((address("s3://firm/certs/"), address("s3://firm/certs")), (below.clone(), below));
        assert_eq!(address("mailto:firm"), None);
    }

    #[test]
    fn names_that_leave_the_folder_or_hide_something_are_refused() {
        for name in ["a", "a/b.pem", "a b~[1]#?%20.pem", ".hidden", "ä/…", "a..b"] {
            assert!(is_object_name(name), "{name}");
        }
        assert!(is_object_name(&"a".repeat(255)) && !is_object_name(&"a".repeat(256)), "the longest name of a file");
        let longest = "ab/".repeat(341) + "a";
        assert!(is_object_name(&longest) && longest.len() == MAX_NAME);
        let long = "a/".repeat(600) + "a";
        for name in [
            "",
            "/a",
            "a/",
            "a//b",
            "..",
            "a/../b",
            "./a",
            "a\nb",
            "a\u{1b}[2J",
            "a\\b",
            "a\u{202e}b",
            "a\u{2066}b",
            &long,
        ] {
            assert!(!is_object_name(name), "{name:?}");
        }
    }
}
