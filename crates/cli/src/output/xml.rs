//! XML in the manner of Terminus: texts are attributes, anything else is an element of its own.
//!
//! A row becomes an `item` with its id as the attribute `key`: ids of backups and sites begin with digits, and
//! so can't be names of elements.

use super::data::{Data, Key};

/// Keys whose text is an element even so, as it may be long.
const ELEMENTS: [&str; 1] = ["description"];

/// The data as a document, and an empty line.
pub(super) fn xml(data: &Data) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    write_element(&mut out, "document", None, data, 0);
    out.push('\n');
    out
}

fn write_element(out: &mut String, name: &str, key: Option<&str>, data: &Data, depth: usize) {
    let pad = "  ".repeat(depth);
    out.push_str(&format!("{pad}<{name}"));
    if let Some(key) = key {
        out.push_str(&format!(" key=\"{}\"", escaped(key)));
    }
    match data {
        Data::Map(map) => write_inside(out, name, map, depth),
        scalar => match escaped(&scalar.text()).as_str() {
            "" => out.push_str("/>\n"),
            text => out.push_str(&format!(">{text}</{name}>\n")),
        },
    }
}

/// The rest of an element that holds a map: attributes first, then elements.
fn write_inside(out: &mut String, name: &str, map: &[(Key, Data)], depth: usize) {
    let attribute = |key: &Key, value: &Data| match (key, value) {
        (Key::Text(key), Data::Text(text)) if !ELEMENTS.contains(&key.as_str()) => {
            Some(format!(" {key}=\"{}\"", escaped(text)))
        }
        _ => None,
    };
    let mut elements = Vec::new();
    for (key, value) in map {
        match attribute(key, value) {
            Some(attribute) => out.push_str(&attribute),
            None => elements.push((key.text(), value)),
        }
    }
    if elements.is_empty() {
        out.push_str("/>\n");
        return;
    }
    out.push_str(">\n");
    for (key, value) in elements {
        match value {
            Data::Map(_) => write_element(out, "item", Some(&key), value, depth + 1),
            _ => write_element(out, &key, None, value, depth + 1),
        }
    }
    out.push_str(&format!("{}</{name}>\n", "  ".repeat(depth)));
}

/// A text as it may stand in an attribute or an element. What XML can't hold at all becomes U+FFFD.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' | '\r' => out.push_str(&format!("&#{};", u32::from(c))),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::oracle::map;
    use super::*;

    #[test]
    fn texts_are_attributes_and_the_rest_elements() {
        let row = || {
            map(vec![
                ("file", Data::Text("a<b>&\"c\"\n".to_owned())),
                ("date", Data::Float(1795484706.77)),
                ("type", Data::Text("code".to_owned())),
                ("url", Data::Null),
                ("description", Data::Text("x".to_owned())),
            ])
        };
        let inner = "file=\"a&lt;b&gt;&amp;&quot;c&quot;&#10;\" type=\"code\"";
        let elements = |pad: &str| {
            format!("{pad}<date>1795484706.77</date>\n{pad}<url/>\n{pad}<description>x</description>\n")
        };
        let head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
        assert_eq!(xml(&row()), format!("{head}<document {inner}>\n{}</document>\n\n", elements("  ")));
        let rows = map(vec![("1795_backup", row()), ("9", map(vec![]))]);
        assert_eq!(
            xml(&rows),
            format!(
                "{head}<document>\n  <item key=\"1795_backup\" {inner}>\n{}  </item>\n  <item key=\"9\"/>\n</document>\n\n",
                elements("    ")
            )
        );
        assert_eq!(xml(&map(vec![])), format!("{head}<document/>\n\n"));
    }

    #[test]
    fn what_xml_cannot_hold_is_marked() {
        assert_eq!(escaped("a\0\u{1b}\u{ffff}é"), "a\u{fffd}\u{fffd}\u{fffd}é");
    }
}
