//! Serialized PHP that something else has escaped: its lengths are those of what was escaped, so it is taken out of its
//! wrapping, and put back into the same.

use memchr::memmem::find;
use serde::de::IgnoredAny;

/// What stands for a quote where it is escaped for HTML, once or twice.
const HTML_QUOTES: [&[u8]; 4] = [b"&quot;", b"&#34;", b"&#034;", b"&amp;quot;"];

/// Whether a text holds serialized PHP whose quotes something else has escaped: its lengths can't be told as it stands.
pub(super) fn has_escaped_php(text: &[u8]) -> bool {
    let is_escaped = |after: &[u8]| match after {
        [b'\\', ..] => after.iter().find(|byte| **byte != b'\\') == Some(&b'"'),
        _ => HTML_QUOTES.iter().any(|quote| after.starts_with(quote)),
    };
    let is_string = |before: &[u8], begin: &[&[u8]]| {
        let digits = before.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
        let head = before.get(..before.len() - digits).unwrap_or_default();
        digits > 0 && begin.iter().any(|begin| head.ends_with(begin))
    };
    let holds = |colon: &[u8], begin: &[&[u8]], is_quote: &dyn Fn(&[u8]) -> bool| {
        let mut from = 0;
        while let Some(at) = text.get(from..).and_then(|rest| find(rest, colon)) {
            let (before, after) = text.split_at(from + at);
            if is_string(before, begin) && is_quote(after.get(colon.len()..).unwrap_or_default()) {
                return true;
            }
            from += at + colon.len();
        }
        false
    };
    let is_percent = |after: &[u8]| after.starts_with(b"%22");
    holds(b":", &[b"s:", b"S:"], &is_escaped)
        || holds(b"%3A", &[b"s%3A"], &is_percent)
        || holds(b"%3a", &[b"s%3a"], &is_percent)
}

/// Where the strings of a JSON document stand, without their quotes; `None` if it is none.
pub(super) fn json_strings(text: &[u8]) -> Option<Vec<(usize, usize)>> {
    serde_json::from_slice::<IgnoredAny>(text).ok()?;
    let (mut strings, mut at) = (Vec::new(), 0);
    while let Some(open) = text.get(at..).and_then(|rest| memchr::memchr(b'"', rest)) {
        let start = at + open + 1;
        let mut end = start;
        while *text.get(end)? != b'"' {
            end += if text.get(end) == Some(&b'\\') { 2 } else { 1 };
        }
        strings.push((start, end));
        at = end + 1;
    }
    Some(strings)
}

/// How a wrapping writes what it holds.
pub(super) enum Wrapping {
    /// A JSON string: whether slashes are escaped, and letters beyond ASCII.
    Json(bool, bool),
    /// What PHP's `addslashes` makes.
    Slashed,
    /// What PHP's `htmlspecialchars` makes, with this for a single quote.
    Html(&'static str),
}

impl Wrapping {
    /// Takes the inside of a JSON string out, if it is known how it was put in.
    pub fn of_json(raw: &[u8]) -> Option<(Wrapping, Vec<u8>)> {
        let quoted = [b"\"", raw, b"\""].concat();
        let inner = serde_json::from_slice::<String>(&quoted).ok()?.into_bytes();
        let manners = [(true, true), (true, false), (false, true), (false, false)];
        let all = manners.map(|(slashes, letters)| Wrapping::Json(slashes, letters));
        Wrapping::that_gives(all, inner, raw)
    }

    /// The same of a text with slashes before its quotes.
    pub fn of_slashed(text: &[u8]) -> Option<(Wrapping, Vec<u8>)> {
        let (mut inner, mut bytes) = (Vec::with_capacity(text.len()), text.iter());
        while let Some(byte) = bytes.next() {
            inner.push(match byte {
                b'\\' if bytes.as_slice().first() == Some(&b'0') => bytes.next().map(|_| 0)?,
                b'\\' => *bytes.next()?,
                other => *other,
            });
        }
        Wrapping::that_gives([Wrapping::Slashed], inner, text)
    }

    /// The same of a text that is escaped for HTML.
    pub fn of_html(text: &[u8]) -> Option<(Wrapping, Vec<u8>)> {
        let text = std::str::from_utf8(text).ok()?;
        let mut inner = text.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">");
        for quote in ["&#039;", "&#39;", "&apos;"] {
            inner = inner.replace(quote, "'");
        }
        let inner = inner.replace("&amp;", "&").into_bytes();
        let all = ["&#039;", "'", "&#39;", "&apos;"].map(Wrapping::Html);
        Wrapping::that_gives(all, inner, text.as_bytes())
    }

    /// The first that makes just this of what is inside.
    fn that_gives<const N: usize>(
        all: [Wrapping; N],
        inner: Vec<u8>,
        text: &[u8],
    ) -> Option<(Wrapping, Vec<u8>)> {
        let found = all.into_iter().find(|one| one.wrap(&inner).as_deref() == Some(text))?;
        Some((found, inner))
    }

    /// Puts something into it; `None` if it does not go in.
    pub fn wrap(&self, inner: &[u8]) -> Option<Vec<u8>> {
        match self {
            Wrapping::Json(slashes, letters) => {
                Some(json(std::str::from_utf8(inner).ok()?, *slashes, *letters).into_bytes())
            }
            Wrapping::Slashed => {
                let escaped = |byte: &u8| match byte {
                    0 => vec![b'\\', b'0'],
                    b'\\' | b'\'' | b'"' => vec![b'\\', *byte],
                    _ => vec![*byte],
                };
                Some(inner.iter().flat_map(escaped).collect())
            }
            Wrapping::Html(quote) => {
                let text = std::str::from_utf8(inner).ok()?.replace('&', "&amp;").replace('"', "&quot;");
                Some(text.replace('<', "&lt;").replace('>', "&gt;").replace('\'', quote).into_bytes())
            }
        }
    }
}

/// The inside of a JSON string as PHP writes it.
pub(super) fn json(text: &str, slashes: bool, letters: bool) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '/' if slashes => out.push_str("\\/"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if c < ' ' || (letters && !c.is_ascii()) => {
                c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_php_is_noticed() {
        for text in [
            r#"{"x":"a:1:{s:1:\"a\";}"}"#,
            r#"s:10:\\\"x"#,
            r#"S:1:\"x"#,
            "s:3:&quot;url",
            "s:3:&amp;quot;url",
            "s%3A3%3A%22url",
        ] {
            assert!(has_escaped_php(text.as_bytes()), "{text}");
        }
        for text in [r#"{"s:1":"\"","t:\\":1}"#, r#"s:3:"url""#, "s: &quot;", ":&quot;"] {
            assert!(!has_escaped_php(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn a_wrapping_that_is_not_known_is_none() {
        assert!(Wrapping::of_json(br#"\u0041\/"#).is_none());
        assert!(Wrapping::of_json(br#"\ud800"#).is_none());
        assert!(Wrapping::of_slashed(br"\n\").is_none());
        assert!(Wrapping::of_slashed(br#"a"\""#).is_none());
        assert!(Wrapping::of_html(b"&quot;\"").is_none());
        let (wrapping, inner) = Wrapping::of_json(br#"\u00fc\/\"\n\u0000"#).unwrap();
        assert_eq!(
            (inner.as_slice(), wrapping.wrap(b"/\0")),
            ("ü/\"\n\0".as_bytes(), Some(br"\/\u0000".to_vec()))
        );
        assert_eq!(json_strings(br#" {"a\"":["b\\", 1]} "#).unwrap(), [(3, 6), (10, 13)]);
        assert_eq!(json_strings(br#"{"a":"#), None);
    }
}
