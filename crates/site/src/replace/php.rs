//! Values with serialized PHP in them.

use super::pattern::{Patterns, has_escaped_php, replaced};

/// How deep values are followed; what lies deeper is as good as damaged.
const DEPTH: usize = 400;

/// Replaces in one value.
pub(super) struct Rewriter<'p> {
    patterns: &'p Patterns,
    /// How many places were replaced.
    pub places: u64,
    /// Whether something was left as it is.
    pub left: bool,
}

impl<'p> Rewriter<'p> {
    pub fn new(patterns: &'p Patterns) -> Self {
        Rewriter { patterns, places: 0, left: false }
    }

    /// The value with its texts replaced; `None` if nothing is.
    pub fn value(&mut self, value: &[u8]) -> Option<Vec<u8>> {
        self.text(value, 0).filter(|_| self.places > 0)
    }

    fn text(&mut self, text: &[u8], depth: usize) -> Option<Vec<u8>> {
        if !self.patterns.may_be_in(text) {
            return None;
        }
        let core = text.trim_ascii();
        if !looks_serialized(core) {
            return self.around(text, depth);
        }
        let before = (self.places, self.left);
        let mut reader = Reader { rest: core, out: Vec::with_capacity(core.len() + 64) };
        if self.node(&mut reader, depth).is_some() && reader.rest.is_empty() {
            // PHP itself takes no notice of what stands around the value, but whoever wrote it might.
            let start = text.len() - text.trim_ascii_start().len();
            let end = start + core.len();
            let spaces = [text.get(..start), text.get(end..)].map(Option::unwrap_or_default);
            return Some([spaces[0], &reader.out, spaces[1]].concat());
        }
        (self.places, self.left) = before;
        self.damaged(text)
    }

    /// Serialized PHP that PHP would not read: its lengths are wrong, or it was cut short. Nothing gets worse if no
    /// length changes.
    fn damaged(&mut self, text: &[u8]) -> Option<Vec<u8>> {
        let places = self.patterns.places(text);
        if places.is_empty() {
            return None;
        }
        if places.iter().any(|place| place.needle.new.len() != place.needle.old_len()) {
            self.left = true;
            return None;
        }
        self.places += places.len() as u64;
        Some(replaced(text, &places))
    }

    /// A text that may have serialized strings within, as PHP's sessions do: those keep their lengths right.
    fn around(&mut self, text: &[u8], depth: usize) -> Option<Vec<u8>> {
        if self.patterns.places(text).is_empty() {
            return None;
        }
        if has_escaped_php(text) {
            return self.damaged(text);
        }
        let mut out = Vec::with_capacity(text.len() + 64);
        let (mut copied, mut from) = (0, 0);
        while let Some((start, content, end)) = next_string(text, from) {
            from = end;
            let inner = text.get(content..end - 2).unwrap_or_default();
            let Some(changed) = (depth < DEPTH).then(|| self.text(inner, depth + 1)).flatten() else {
                continue;
            };
            self.plain(text.get(copied..start).unwrap_or_default(), &mut out);
            string(&mut out, &changed);
            out.push(b';');
            copied = end;
        }
        self.plain(text.get(copied..).unwrap_or_default(), &mut out);
        Some(out)
    }

    fn plain(&mut self, text: &[u8], out: &mut Vec<u8>) {
        let places = self.patterns.places(text);
        self.places += places.len() as u64;
        out.extend(replaced(text, &places));
    }

    /// One serialized value; `None` if it is not valid.
    fn node(&mut self, reader: &mut Reader<'_>, depth: usize) -> Option<()> {
        if depth > DEPTH {
            return None;
        }
        match reader.rest.first()? {
            b'N' => reader.keep(b"N;"),
            b'b' | b'i' | b'd' | b'r' | b'R' => reader.scalar(),
            b's' => {
                reader.skip(b"s:")?;
                let content = reader.counted(b'"', b'"')?;
                reader.skip(b";")?;
                let changed = self.text(content, depth + 1);
                string(&mut reader.out, changed.as_deref().unwrap_or(content));
                reader.out.push(b';');
                Some(())
            }
            b'a' => {
                reader.keep(b"a:")?;
                self.members(reader, depth)
            }
            b'O' => {
                reader.keep(b"O:")?;
                reader.name()?;
                reader.keep(b":")?;
                self.members(reader, depth)
            }
            b'C' => {
                reader.keep(b"C:")?;
                self.custom(reader, depth)
            }
            b'E' => {
                reader.keep(b"E:")?;
                reader.name()?;
                reader.keep(b";")
            }
            _ => None,
        }
    }

    /// `3:"Box":5:{bytes}`, whose bytes a class wrote as it likes; most write serialized values.
    fn custom(&mut self, reader: &mut Reader<'_>, depth: usize) -> Option<()> {
        reader.name()?;
        reader.keep(b":")?;
        let content = reader.counted(b'{', b'}')?;
        let changed = self.text(content, depth + 1);
        let content = changed.as_deref().unwrap_or(content);
        reader.out.extend(format!("{}:{{", content.len()).as_bytes());
        reader.out.extend_from_slice(content);
        reader.out.push(b'}');
        Some(())
    }

    /// `2:{key value key value}`
    fn members(&mut self, reader: &mut Reader<'_>, depth: usize) -> Option<()> {
        let count = reader.number()?;
        reader.out.extend(format!("{count}:{{").as_bytes());
        reader.skip(b":{")?;
        for _ in 0..count {
            match reader.rest.first()? {
                b'i' => reader.scalar()?,
                _ => {
                    reader.keep(b"s:")?;
                    reader.name()?;
                    reader.keep(b";")?;
                }
            }
            self.node(reader, depth + 1)?;
        }
        reader.keep(b"}")
    }
}

fn string(out: &mut Vec<u8>, content: &[u8]) {
    out.extend(format!("s:{}:\"", content.len()).as_bytes());
    out.extend_from_slice(content);
    out.push(b'"');
}

/// Whether a text begins as only serialized strings, arrays, objects and choices do.
fn looks_serialized(text: &[u8]) -> bool {
    let Some([kind @ (b'a' | b'O' | b'C' | b'E' | b's'), b':', rest @ ..]) = text.get(..) else {
        return false;
    };
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    let opens: &[u8] = if *kind == b'a' { b":{" } else { b":\"" };
    digits > 0 && rest.get(digits..).is_some_and(|rest| rest.starts_with(opens))
}

/// The next serialized string in a text from `from` on: where it begins, where its content does, and where it ends.
fn next_string(text: &[u8], from: usize) -> Option<(usize, usize, usize)> {
    let mut at = from;
    loop {
        at += memchr::memmem::find(text.get(at..)?, b":\"")?;
        let before = text.get(from..at)?;
        let digits = before.iter().rev().take_while(|b| b.is_ascii_digit()).count();
        let head = before.get(..before.len() - digits)?;
        at += 2;
        let alone = |head: &[u8]| !head.last().is_some_and(u8::is_ascii_alphanumeric);
        if digits == 0 || !head.strip_suffix(b"s:").is_some_and(alone) {
            continue;
        }
        let number = std::str::from_utf8(before.get(head.len()..)?).ok()?;
        let Some(end) = number.parse::<usize>().ok().and_then(|len| at.checked_add(len)) else { continue };
        if text.get(end..).is_some_and(|rest| rest.starts_with(b"\";")) {
            return Some((from + head.len() - 2, at, end + 2));
        }
    }
}

/// Reads serialized PHP, and writes what it becomes.
struct Reader<'t> {
    rest: &'t [u8],
    out: Vec<u8>,
}

impl<'t> Reader<'t> {
    fn skip(&mut self, what: &[u8]) -> Option<()> {
        self.rest = self.rest.strip_prefix(what)?;
        Some(())
    }

    fn keep(&mut self, what: &[u8]) -> Option<()> {
        self.skip(what)?;
        self.out.extend_from_slice(what);
        Some(())
    }

    fn number(&mut self) -> Option<usize> {
        let digits = self.rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let (number, rest) = self.rest.split_at(digits);
        self.rest = rest;
        std::str::from_utf8(number).ok()?.parse().ok()
    }

    /// `5:"bytes"`, of which the bytes are given.
    fn counted(&mut self, open: u8, close: u8) -> Option<&'t [u8]> {
        let len = self.number()?;
        self.skip(&[b':', open])?;
        let (content, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        self.skip(&[close])?;
        Some(content)
    }

    /// A counted name, which stays as it is.
    fn name(&mut self) -> Option<()> {
        let name = self.counted(b'"', b'"')?;
        self.out.extend(format!("{}:\"", name.len()).as_bytes());
        self.out.extend_from_slice(name);
        self.out.push(b'"');
        Some(())
    }

    /// A number, a truth value or a reference: `i:-5;`.
    fn scalar(&mut self) -> Option<()> {
        let end = memchr::memchr(b';', self.rest.get(..64).unwrap_or(self.rest))?;
        let (scalar, rest) = self.rest.split_at(end + 1);
        let [kind, b':', value @ .., b';'] = scalar else { return None };
        let whole = |value: &[u8]| !value.is_empty() && value.iter().all(u8::is_ascii_digit);
        let valid = match kind {
            b'b' => matches!(value, b"0" | b"1"),
            b'i' => whole(value.strip_prefix(b"-").unwrap_or(value)),
            b'd' => {
                let is_part = |b: &u8| b.is_ascii_digit() || b"+-.eE".contains(b);
                matches!(value, b"INF" | b"-INF" | b"NAN") || !value.is_empty() && value.iter().all(is_part)
            }
            _ => whole(value),
        };
        self.out.extend_from_slice(scalar);
        self.rest = rest;
        valid.then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replace(text: &str) -> (Option<String>, bool) {
        let patterns = Patterns::new(&[("http://old.example".to_owned(), "https://n.example".to_owned())]);
        let mut rewriter = Rewriter::new(&patterns);
        let changed = rewriter.value(text.as_bytes());
        (changed.map(|bytes| String::from_utf8(bytes).unwrap()), rewriter.left)
    }

    fn changed(text: &str) -> String {
        replace(text).0.unwrap_or_else(|| panic!("{text} stayed"))
    }

    #[test]
    fn strings_in_strings_have_their_lengths_corrected() {
        let inner = r#"a:1:{s:1:"u";s:18:"http://old.example";}"#;
        let text = format!(r#"a:2:{{i:0;s:{}:"{inner}";i:1;O:8:"stdClass":0:{{}}}}"#, inner.len());
        let inner = r#"a:1:{s:1:"u";s:17:"https://n.example";}"#;
        assert_eq!(
            changed(&text),
            format!(r#"a:2:{{i:0;s:{}:"{inner}";i:1;O:8:"stdClass":0:{{}}}}"#, inner.len())
        );
        assert_eq!(changed("s:18:\"http://old.example\";\n"), "s:17:\"https://n.example\";\n");
    }

    #[test]
    fn names_and_keys_stay() {
        let text = r#"O:18:"http://old.example":1:{s:18:"http://old.example";i:1;}"#;
        assert_eq!(replace(text), (None, false));
    }

    #[test]
    fn what_serialize_methods_wrote_is_followed() {
        let text = r#"C:1:"X":33:{x:i:0;s:18:"http://old.example";;}"#;
        assert_eq!(changed(text), r#"C:1:"X":32:{x:i:0;s:17:"https://n.example";;}"#);
    }

    #[test]
    fn sessions_keep_their_lengths_right() {
        let text = r#"a|s:18:"http://old.example";b|i:1; http://old.example"#;
        assert_eq!(changed(text), r#"a|s:17:"https://n.example";b|i:1; https://n.example"#);
    }

    #[test]
    fn what_is_damaged_stays() {
        for text in [
            r#"s:17:"http://old.example";"#,
            r#"a:2:{i:0;s:18:"http://old.example";}"#,
            r#"a:1:{i:0;s:18:"http://old.example";"#,
            r#"a:1:{i:0;s:18:"http://old.example";}x"#,
            r#"{"x":"a:1:{i:0;s:18:\"http://old.example\";}"}"#,
            r#"O:1:"X":1:{i:0;i:x;i:1;s:18:"http://old.example";}"#,
            r#"a:99999999999999999999:{s:18:"http://old.example";}"#,
        ] {
            assert_eq!(replace(text), (None, true), "{text}");
        }
        let deep =
            format!("{}{}{}", "a:1:{i:0;".repeat(500), r#"s:18:"http://old.example";"#, "}".repeat(500));
        assert_eq!(replace(&deep), (None, true));
    }
}
