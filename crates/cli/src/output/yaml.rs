//! YAML as Symfony's dumper writes it for Terminus: block maps, two spaces, an empty line at the end.

use std::fmt::Write;

use super::data::{Data, Key, is_list};
use super::number;

/// The data as YAML, with the newline that a printed line ends with on top of the dumper's own.
pub(super) fn yaml(data: &Data) -> String {
    let mut out = String::new();
    match data {
        Data::Map(map) if !map.is_empty() => write_map(&mut out, map, 0),
        scalar => out.push_str(&inline(scalar)),
    }
    out.push('\n');
    out
}

fn write_map(out: &mut String, map: &[(Key, Data)], depth: usize) {
    let list = is_list(map);
    for (key, value) in map {
        out.push_str(&"  ".repeat(depth));
        match key {
            _ if list => out.push('-'),
            Key::Int(number) => out.push_str(&format!("{number}:")),
            Key::Text(text) => out.push_str(&format!("{}:", scalar(text))),
        }
        match value {
            Data::Map(inner) if !inner.is_empty() => {
                out.push('\n');
                write_map(out, inner, depth + 1);
            }
            value => out.push_str(&format!(" {}\n", inline(value))),
        }
    }
}

/// What fits on one line: a scalar or an empty map.
fn inline(data: &Data) -> String {
    match data {
        Data::Null => "null".to_owned(),
        Data::Bool(_) | Data::Int(_) => data.text(),
        Data::Float(number) => {
            let digits = number::short(*number);
            // A whole number keeps its point, or it would be read back as an integer. A long one has lost digits.
            let point = number::whole(*number).is_some_and(|_| !digits.contains('.'));
            if point { format!("{digits}.0") } else { digits }
        }
        Data::Text(text) => scalar(text),
        Data::Map(_) => "{  }".to_owned(),
    }
}

/// A text, quoted where it would be read back as something else.
fn scalar(text: &str) -> String {
    if text.chars().any(must_be_escaped) {
        double_quoted(text)
    } else if text.is_empty() || reads_as_another(text) || has_indicator(text) {
        format!("'{}'", text.replace('\'', "''"))
    } else {
        text.to_owned()
    }
}

/// Characters that no plain or single-quoted text may hold.
fn must_be_escaped(c: char) -> bool {
    matches!(c, '\0'..='\u{1f}' | '\u{7f}' | '\u{85}' | '\u{a0}' | '\u{2028}' | '\u{2029}')
}

/// Whether the text would be read as a null, a boolean, a number or a date.
fn reads_as_another(text: &str) -> bool {
    const WORDS: [&str; 10] = ["null", "~", "true", "false", "y", "n", "yes", "no", "on", "off"];
    let lower = text.to_ascii_lowercase();
    let digits = |text: &str, more: fn(u8) -> bool| text.bytes().all(|b| b.is_ascii_digit() || more(b));
    WORDS.contains(&lower.as_str())
        || is_numeric(text)
        || (lower.starts_with(|c: char| c.is_ascii_digit()) && digits(&lower, |b| b == b'_'))
        || lower
            .strip_prefix("0x")
            .is_some_and(|hex| !hex.is_empty() && digits(hex, |b| matches!(b, b'a'..=b'f' | b'_')))
        || is_date(text)
}

/// Whether PHP holds the text for a number.
pub(super) fn is_numeric(text: &str) -> bool {
    let text = text.trim_matches(|c: char| matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{b}' | '\u{c}'));
    // Rust also knows the words `inf`, `infinity` and `nan` as numbers.
    text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E'))
        && text.parse::<f64>().is_ok()
}

/// Whether the text is a date such as `2026-11-24`.
fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts.as_slice() else { return false };
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    year.len() == 4
        && month.len() <= 2
        && day.len() <= 2
        && [year, month, day].iter().all(|part| digits(part))
}

/// Whether the text holds, or begins with, what means something to YAML.
fn has_indicator(text: &str) -> bool {
    const ANYWHERE: &str = "'\":{}[],&*#?";
    const FIRST: &str = "-?|<>=!%@`";
    text.chars().any(|c| c.is_whitespace() || ANYWHERE.contains(c))
        || text.chars().next().is_some_and(|c| FIRST.contains(c))
}

fn double_quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\0' => out.push_str("\\0"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            '\u{1b}' => out.push_str("\\e"),
            '\u{85}' => out.push_str("\\N"),
            '\u{a0}' => out.push_str("\\_"),
            '\u{2028}' => out.push_str("\\L"),
            '\u{2029}' => out.push_str("\\P"),
            '\u{1}'..='\u{1f}' | '\u{7f}' => {
                // A String takes whatever is written.
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::super::oracle::map;
    use super::*;

    #[test]
    fn rows_are_a_map_of_maps_and_an_empty_line_ends_them() {
        let row = || map(vec![("one", Data::Text("a".to_owned())), ("size", Data::Int(7))]);
        let rows = map(vec![("id-123", row()), ("17", row())]);
        assert_eq!(yaml(&rows), "id-123:\n  one: a\n  size: 7\n17:\n  one: a\n  size: 7\n\n");
        assert_eq!(yaml(&map(vec![])), "{  }\n");
        assert_eq!(yaml(&map(vec![("a", map(vec![]))])), "a: {  }\n\n");
        assert_eq!(yaml(&map(vec![("0", row())])), "-\n  one: a\n  size: 7\n\n");
    }

    #[test]
    fn texts_are_plain_where_they_can_be() {
        let plain = [
            "a",
            "my-site_dev_2026-11-24T01-44-57_UTC_code.tar.gz",
            "1795484697_backup_code",
            "31.8MB",
            "11111111-2222-3333-4444-555555555555",
            "https",
            "naïve",
            "a=b",
            "back\\slash",
        ];
        for text in plain {
            assert_eq!(scalar(text), text);
        }
    }

    #[test]
    fn texts_are_quoted_where_they_would_be_something_else() {
        let single = [
            "",
            "null",
            "~",
            "True",
            "NO",
            "y",
            "12",
            "-1.5e3",
            ".5",
            " 12",
            "0x1f",
            "1_000",
            "2026-11-24",
            "16 UTC",
            "http://a/b",
            "-x",
            "@x",
            "a, b",
            "#x",
            "[x]",
            "0x_",
        ];
        for text in single {
            assert_eq!(scalar(text), format!("'{text}'"));
        }
        assert_eq!(scalar("it's"), "'it''s'");
    }

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(scalar("a\nb\t\"\\\u{1}\u{1b}\u{a0}"), "\"a\\nb\\t\\\"\\\\\\x01\\e\\_\"");
        assert_eq!(scalar("\u{85}\u{2028}\u{2029}\0\u{7f}"), "\"\\N\\L\\P\\0\\x7f\"");
    }

    #[test]
    fn whole_floating_numbers_keep_their_point() {
        let floats = [(10.0, "10.0"), (1795484706.77, "1795484706.77"), (1e25, "1.0E+25"), (-0.5, "-0.5")];
        for (number, text) in floats {
            assert_eq!(inline(&Data::Float(number)), text);
        }
    }

    #[test]
    fn numbers_are_what_php_holds_for_numbers() {
        use super::super::oracle::{literal, php};
        let texts = [
            "1", "1.", ".5", "-1", "+1", "1e5", "1e", "inf", "nan", " 1", "1 ", "1a", "", ".", "0x1", "--1",
            "1\n",
        ];
        for text in texts {
            if let Some(answer) = php(&format!("echo var_export(is_numeric({}), true);", literal(text))) {
                assert_eq!(is_numeric(text).to_string(), answer, "{text:?}");
            }
        }
    }
}
