//! The guises that values have a text in.

use super::wrapped::json;

/// A pair of texts as it is, as JSON has it (slashes escaped or not, other letters than ASCII's too, and JSON
/// within JSON), and as URLs have it.
pub(super) fn guises(old: &str, new: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut all = vec![(old.to_owned(), new.to_owned())];
    for (slashes, letters) in [(true, true), (true, false), (false, true)] {
        let json = |text: &str| json(text, slashes, letters);
        all.push((json(old), json(new)));
        all.push((json(&json(old)), json(&json(new))));
    }
    for large in [true, false] {
        all.push((percent(old, large), percent(new, large)));
    }
    let is_bare = |text: &str| !text.contains(['"', '\\']) && !text.contains(char::is_control);
    if old.contains('/') && is_bare(old) && is_bare(new) {
        all.extend(slashes().map(|slash| (old.replace('/', &slash), new.replace('/', &slash))));
    }
    all.into_iter().map(|(old, new)| (old.into_bytes(), new.into_bytes())).collect()
}

/// A slash as JSON within other JSON, and that within other, has it: each may escape it or not.
fn slashes() -> impl Iterator<Item = String> {
    let escaped = (1..=8).chain([15]).map(|depth| format!("{}/", "\\".repeat(depth)));
    let coded = (1..=4)
        .chain([8])
        .flat_map(|depth| ["u002f", "u002F"].map(|code| format!("{}{code}", "\\".repeat(depth))));
    escaped.chain(coded)
}

fn percent(text: &str, large: bool) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => out.push(char::from(byte)),
            _ if large => out.push_str(&format!("%{byte:02X}")),
            _ => out.push_str(&format!("%{byte:02x}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::pattern::{Patterns, replaced};

    #[test]
    fn every_guise_is_replaced_by_the_same_guise() {
        let (old, new) = ("http://bücher.example/a", "https://neu.example/ä");
        for (text, expected) in [
            ("http://bücher.example/a", "https://neu.example/ä"),
            (r"http:\/\/b\u00fccher.example\/a", r"https:\/\/neu.example\/\u00e4"),
            (r"http:\/\/bücher.example\/a", r"https:\/\/neu.example\/ä"),
            (r"http://b\u00fccher.example/a", r"https://neu.example/\u00e4"),
            (r"http:\\\/\\\/b\\u00fccher.example\\\/a", r"https:\\\/\\\/neu.example\\\/\\u00e4"),
            ("http%3A%2F%2Fb%C3%BCcher.example%2Fa", "https%3A%2F%2Fneu.example%2F%C3%A4"),
            ("http%3a%2f%2fb%c3%bccher.example%2fa", "https%3a%2f%2fneu.example%2f%c3%a4"),
        ] {
            let patterns = Patterns::new(&[(old.to_owned(), new.to_owned())]);
            let places = patterns.find(text.as_bytes()).places;
            assert_eq!(String::from_utf8(replaced(text.as_bytes(), &places)).unwrap(), expected);
        }
    }

    #[test]
    fn slashes_are_found_however_deep_they_are_escaped() {
        let patterns =
            Patterns::new(&[("http://old.example/a".to_owned(), "https://n.example/b".to_owned())]);
        for slash in [r"\/", r"\/", r"\\/", r"\\\\/", r"\u002f", r"\u002F", r"\u002f", r"\\u002f"] {
            let text = |text: &str| format!("x\"{}\"", text.replace('/', slash)).into_bytes();
            let before = text("http://old.example/a/c");
            let after = replaced(&before, &patterns.find(&before).places);
            assert_eq!(after, text("https://n.example/b/c"), "{slash}");
        }
    }
}
