//! JSON as PHP writes it with `JSON_PRETTY_PRINT | JSON_UNESCAPED_SLASHES`: four spaces, slashes bare, and
//! everything beyond ASCII escaped.

use std::fmt::Write;

use super::data::{Data, Key, is_list};
use super::number;

/// The data as JSON, with a newline at the end. An empty map is an empty list, as PHP knows no difference.
pub(super) fn json(data: &Data) -> String {
    let mut out = String::new();
    write_data(&mut out, data, 0);
    out.push('\n');
    out
}

fn write_data(out: &mut String, data: &Data, depth: usize) {
    match data {
        Data::Null => out.push_str("null"),
        Data::Bool(yes) => out.push_str(if *yes { "true" } else { "false" }),
        Data::Int(number) => out.push_str(&number.to_string()),
        Data::Float(number) => out.push_str(&number::exact(*number).to_ascii_lowercase()),
        Data::Text(text) => write_text(out, text),
        Data::Map(map) if map.is_empty() => out.push_str("[]"),
        Data::Map(map) => write_map(out, map, depth),
    }
}

fn write_map(out: &mut String, map: &[(Key, Data)], depth: usize) {
    let list = is_list(map);
    out.push(if list { '[' } else { '{' });
    for (place, (key, value)) in map.iter().enumerate() {
        out.push_str(if place == 0 { "\n" } else { ",\n" });
        out.push_str(&"    ".repeat(depth + 1));
        if !list {
            write_text(out, &key.text());
            out.push_str(": ");
        }
        write_data(out, value, depth + 1);
    }
    out.push('\n');
    out.push_str(&"    ".repeat(depth));
    out.push(if list { ']' } else { '}' });
}

fn write_text(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            ' '..='\u{7f}' => out.push(c),
            _ => write_units(out, c),
        }
    }
    out.push('"');
}

/// A character as its UTF-16 units.
fn write_units(out: &mut String, c: char) {
    for unit in c.encode_utf16(&mut [0; 2]) {
        // A String takes whatever is written.
        let _ = write!(out, "\\u{unit:04x}");
    }
}

#[cfg(test)]
mod tests {
    use super::super::oracle::{expression, php, samples};
    use super::*;

    #[test]
    fn json_is_what_php_encodes() {
        for data in samples() {
            let call = format!(
                "echo json_encode({}, JSON_PRETTY_PRINT | JSON_UNESCAPED_SLASHES), \"\\n\";",
                expression(&data)
            );
            if let Some(expected) = php(&call) {
                assert_eq!(json(&data), expected);
            }
        }
    }

    #[test]
    fn json_is_json() {
        for data in samples() {
            serde_json::from_str::<serde_json::Value>(&json(&data)).unwrap();
        }
    }

    #[test]
    fn slashes_are_bare_and_other_alphabets_escaped() {
        assert_eq!(json(&Data::Text("a/é😀".to_owned())), "\"a/\\u00e9\\ud83d\\ude00\"\n");
    }
}
