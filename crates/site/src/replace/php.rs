//! Values with serialized PHP in them.

use super::pattern::{Patterns, replaced};
use super::reader::Reader;
use super::wrapped::{Wrapping, has_escaped_php, json_strings};

/// How deep values are followed; what lies deeper is as good as damaged.
const DEPTH: usize = 400;

/// Replaces in one value.
pub(super) struct Rewriter<'p> {
    patterns: &'p Patterns,
    pub seen: Seen,
}

/// What was met in a value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// How many places were replaced.
    pub places: u64,
    /// How many were left, since they are part of a longer name.
    pub longer: u64,
    /// Whether serialized PHP was left as it is that is damaged.
    pub damaged: bool,
    /// Whether some was left that is escaped in a way that is not understood.
    pub unclear: bool,
}

impl<'p> Rewriter<'p> {
    pub fn new(patterns: &'p Patterns) -> Self {
        Rewriter { patterns, seen: Seen::default() }
    }

    /// The value with its texts replaced; `None` if nothing is.
    pub fn value(&mut self, value: &[u8]) -> Option<Vec<u8>> {
        self.text(value, 0).filter(|_| self.seen.places > 0)
    }

    fn text(&mut self, text: &[u8], depth: usize) -> Option<Vec<u8>> {
        if !self.patterns.may_be_in(text) {
            return None;
        }
        let core = text.trim_ascii();
        if !looks_serialized(core) {
            return self.around(text, depth);
        }
        let before = self.seen;
        if let Some(changed) = self.whole(core, depth) {
            // PHP itself takes no notice of what stands around the value, but whoever wrote it might.
            let start = text.len() - text.trim_ascii_start().len();
            let end = start + core.len();
            let spaces = [text.get(..start), text.get(end..)].map(Option::unwrap_or_default);
            return Some([spaces[0], &changed, spaces[1]].concat());
        }
        self.seen = before;
        if has_escaped_php(text) {
            return self.escaped(text, depth);
        }
        let changed = self.same_length(text);
        self.seen.damaged |= changed.is_none();
        changed
    }

    /// A text that is one serialized value, and nothing else; `None` if it is not.
    fn whole(&mut self, core: &[u8], depth: usize) -> Option<Vec<u8>> {
        let mut reader = Reader { rest: core, out: Vec::with_capacity(core.len() + 64) };
        self.node(&mut reader, depth)?;
        reader.rest.is_empty().then_some(reader.out)
    }

    /// Serialized PHP that can't be read: its lengths are wrong, it was cut short or is escaped. Nothing gets worse if no
    /// length changes; `None` if one would.
    fn same_length(&mut self, text: &[u8]) -> Option<Vec<u8>> {
        let found = self.patterns.find(text);
        if found.places.iter().any(|place| place.needle.new.len() != place.needle.old_len()) {
            return None;
        }
        self.seen.places += found.places.len() as u64;
        self.seen.longer += found.longer;
        Some(replaced(text, &found.places))
    }

    /// A text with serialized PHP that something else has escaped.
    fn escaped(&mut self, text: &[u8], depth: usize) -> Option<Vec<u8>> {
        let before = self.seen;
        if depth < DEPTH {
            let ways = [Self::in_json, Self::in_slashes, Self::in_html];
            for way in ways {
                if let Some(changed) = way(self, text, depth) {
                    return Some(changed);
                }
                self.seen = before;
            }
        }
        let changed = self.same_length(text);
        self.seen.unclear |= changed.is_none();
        changed
    }

    /// A JSON document, in whose strings it is.
    fn in_json(&mut self, text: &[u8], depth: usize) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(text.len() + 64);
        let mut copied = 0;
        for (start, end) in json_strings(text)? {
            let raw = text.get(start..end)?;
            if !has_escaped_php(raw) {
                continue;
            }
            self.plain(text.get(copied..start)?, &mut out);
            let (wrapping, inner) = Wrapping::of_json(raw)?;
            match self.text(&inner, depth + 1) {
                Some(changed) => out.extend(wrapping.wrap(&changed)?),
                None => out.extend_from_slice(raw),
            }
            copied = end;
        }
        self.plain(text.get(copied..)?, &mut out);
        Some(out)
    }

    /// One serialized value with slashes before its quotes.
    fn in_slashes(&mut self, text: &[u8], depth: usize) -> Option<Vec<u8>> {
        let (wrapping, inner) = Wrapping::of_slashed(text)?;
        wrapping.wrap(&self.whole(&inner, depth + 1)?)
    }

    /// One serialized value that is escaped for HTML.
    fn in_html(&mut self, text: &[u8], depth: usize) -> Option<Vec<u8>> {
        let (wrapping, inner) = Wrapping::of_html(text)?;
        wrapping.wrap(&self.whole(&inner, depth + 1)?)
    }

    /// A text that may have serialized strings within, as PHP's sessions do: those keep their lengths right.
    fn around(&mut self, text: &[u8], depth: usize) -> Option<Vec<u8>> {
        let found = self.patterns.find(text);
        if found.places.is_empty() {
            self.seen.longer += found.longer;
            return None;
        }
        if has_escaped_php(text) {
            return self.escaped(text, depth);
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
        let found = self.patterns.find(text);
        self.seen.places += found.places.len() as u64;
        self.seen.longer += found.longer;
        out.extend(replaced(text, &found.places));
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
            // As PHP 6 was to write them, and all since 5.3 read them.
            b'S' => {
                let (raw, content) = reader.coded()?;
                match self.text(&content, depth + 1).filter(|changed| *changed != content) {
                    Some(changed) => string(&mut reader.out, &changed),
                    None => reader.out.extend_from_slice(raw),
                }
                reader.keep(b";")
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
                b'S' => {
                    let (raw, _) = reader.coded()?;
                    reader.out.extend_from_slice(raw);
                    reader.keep(b";")?;
                }
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
    let Some([kind @ (b'a' | b'O' | b'C' | b'E' | b's' | b'S'), b':', rest @ ..]) = text.get(..) else {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn replace(text: &str) -> (Option<String>, [bool; 2]) {
        let patterns = Patterns::new(&[("http://old.example".to_owned(), "https://n.example".to_owned())]);
        let mut rewriter = Rewriter::new(&patterns);
        let changed = rewriter.value(text.as_bytes());
        let Seen { damaged, unclear, .. } = rewriter.seen;
        (changed.map(|bytes| String::from_utf8(bytes).unwrap()), [damaged, unclear])
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
        assert_eq!(replace(text), (None, [false, false]));
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
            r#"{"x":"a:1:{i:0;s:17:\"http://old.example\";}"}"#,
            r#"O:1:"X":1:{i:0;i:x;i:1;s:18:"http://old.example";}"#,
            r#"a:99999999999999999999:{s:18:"http://old.example";}"#,
        ] {
            assert_eq!(replace(text), (None, [true, false]), "{text}");
        }
        let deep =
            format!("{}{}{}", "a:1:{i:0;".repeat(500), r#"s:18:"http://old.example";"#, "}".repeat(500));
        assert_eq!(replace(&deep), (None, [true, false]));
    }

    #[test]
    fn what_is_escaped_keeps_its_lengths_right() {
        let (before, after) =
            (r#"a:1:{s:1:"ü";s:18:"http://old.example";}"#, r#"a:1:{s:1:"ü";s:17:"https://n.example";}"#);
        let (before, after) = (before.replace("s:1:\"ü", "s:2:\"ü"), after.replace("s:1:\"ü", "s:2:\"ü"));
        let json = |text: &str| serde_json::to_string(text).unwrap();
        let html = |text: &str| text.replace('"', "&quot;");
        let slashed = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
        let php = |text: &str| json(text).replace('/', "\\/").replace('ü', "\\u00fc");
        let all: [&dyn Fn(&str) -> String; 7] = [
            &json,
            &php,
            &html,
            &slashed,
            &|text| {
                format!(r#"{{"http://old.example.org": ["http:\/\/www.x.example", {}, 1.50]}}"#, php(text))
            },
            &|text| json(&format!("[{}]", php(text))),
            &|text| format!("s:{}:\"{}\";", slashed(text).len(), slashed(text)),
        ];
        for wrap in all {
            assert_eq!(replace(&wrap(&before)), (Some(wrap(&after)), [false, false]), "{}", wrap(&before));
        }
    }

    #[test]
    fn strings_with_coded_bytes_are_understood() {
        let text = r#"a:2:{S:2:"\61b";S:19:"http://old.example\2f";i:0;S:1:"\7f";}"#;
        assert_eq!(changed(text), r#"a:2:{S:2:"\61b";s:18:"https://n.example/";i:0;S:1:"\7f";}"#);
    }

    #[test]
    fn what_is_escaped_in_another_way_stays() {
        for text in [
            r#"<!-- wp:x {"d":"s:18:\"http://old.example\";"} -->"#,
            r#""\u0061s:18:\"http://old.example\";""#,
            r"s:18:\'x\'s:18:\\\\\\'http://old.example;s:18:&quot;http://old.example&quot;;",
            "s:18:&amp;quot;http://old.example&amp;quot;;",
            "s%3A18%3A%22http%3A%2F%2Fold.example%22%3B",
        ] {
            assert_eq!(replace(text), (None, [false, true]), "{text}");
        }
    }
}
