//! How paths and errors are told to people.

use std::io::{self, ErrorKind};

use undercroft_model::readable_path;

/// A path as a remark's subject, which is empty where the remark is about the whole.
pub fn subject(path: &[u8]) -> String {
    if path.is_empty() { String::new() } else { readable_path(path) }
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
    fn errors_are_told_without_their_numbers() {
        assert_eq!(why(io::Error::from_raw_os_error(5)), "input/output error");
        assert!(why(io::Error::from_raw_os_error(13)).starts_with("permission denied; let "));
    }
}
