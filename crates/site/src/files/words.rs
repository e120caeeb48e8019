//! How paths and errors are told to people.

use std::io::{self, ErrorKind};

/// A path as a remark's subject: UTF-8 as it is, any other byte, and what would move a terminal's cursor, as
/// `\xNN`.
pub fn subject(path: &[u8]) -> String {
    let mut text = String::with_capacity(path.len());
    for chunk in path.utf8_chunks() {
        for char in chunk.valid().chars() {
            if char.is_control() {
                let mut bytes = [0; 4];
                char.encode_utf8(&mut bytes).bytes().for_each(|byte| escape(&mut text, byte));
            } else {
                text.push(char);
            }
        }
        chunk.invalid().iter().for_each(|byte| escape(&mut text, *byte));
    }
    text
}

fn escape(text: &mut String, byte: u8) {
    text.push_str(&format!("\\x{byte:02x}"));
}

/// Why something failed, and what can be done where that is known.
pub fn why(error: impl Into<io::Error>) -> String {
    let error = error.into();
    match error.kind() {
        ErrorKind::PermissionDenied => {
            "permission denied; let the account that makes the backups read it, or leave it out by a pattern"
                .to_owned()
        }
        ErrorKind::StaleNetworkFileHandle => {
            "the file server has lost sight of it; look whether it is mounted properly".to_owned()
        }
        _ => {
            let text = error.to_string();
            text.split(" (os error").next().unwrap_or(&text).to_lowercase()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_not_text_is_escaped() {
        assert_eq!(subject("naïve/日本.txt".as_bytes()), "naïve/日本.txt");
        assert_eq!(subject(b"caf\xe9/\x1b[2J\n\xc2\x85"), "caf\\xe9/\\x1b[2J\\x0a\\xc2\\x85");
    }

    #[test]
    fn errors_are_told_without_their_numbers() {
        assert_eq!(why(io::Error::from_raw_os_error(5)), "input/output error");
        assert!(why(io::Error::from_raw_os_error(13)).starts_with("permission denied; let "));
    }
}
