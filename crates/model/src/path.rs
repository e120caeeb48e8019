//! Paths as people read them.

/// A path in an archive or a tree: UTF-8 as it is, any other byte, and what would move a terminal's cursor, as `\xNN`;
/// `.` for the top folder itself.
pub fn readable_path(path: &[u8]) -> String {
    if path.is_empty() {
        return ".".to_owned();
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_not_text_is_escaped() {
        assert_eq!(readable_path("naïve/日本.txt".as_bytes()), "naïve/日本.txt");
        assert_eq!(readable_path(b"caf\xe9/\x1b[2J\n\xc2\x85"), "caf\\xe9/\\x1b[2J\\x0a\\xc2\\x85");
        assert_eq!(readable_path(b""), ".");
    }
}
