//! Text: quoted once, quoted twice, heredoc and nowdoc.

use std::rc::Rc;

use tree_sitter::Node;

use super::coerce;
use super::machine::Machine;
use super::operator;
use super::source::Source;
use super::value::{Data, Place, Value, Why};

/// How a stretch of text is written.
#[derive(Clone, Copy, PartialEq)]
enum Style {
    /// Between `"`.
    Quoted,
    /// In a heredoc whose lines are indented so deep.
    Heredoc(usize),
}

impl Machine<'_> {
    /// `'…'`: only `\\` and `\'` mean something else.
    pub(super) fn plain_text(&mut self, source: &Rc<Source>, node: Node<'_>) -> Value {
        let raw = source.raw(node);
        let raw = raw.strip_prefix(b"b").or(raw.strip_prefix(b"B")).unwrap_or(raw);
        let inner = raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default();
        let mut bytes = Vec::with_capacity(inner.len());
        let mut rest = inner.iter().copied().peekable();
        while let Some(byte) = rest.next() {
            match (byte, rest.peek()) {
                (b'\\', Some(&next @ (b'\\' | b'\''))) => {
                    bytes.push(next);
                    rest.next();
                }
                _ => bytes.push(byte),
            }
        }
        finish(bytes, source.place(node))
    }

    /// `"…"`
    pub(super) fn quoted_text(&mut self, source: &Rc<Source>, node: Node<'_>) -> Value {
        let raw = source.raw(node);
        let prefix = usize::from(!raw.starts_with(b"\""));
        let (start, end) = (node.start_byte() + prefix + 1, node.end_byte().saturating_sub(1));
        self.interpolate(source, node, start, end, Style::Quoted)
    }

    pub(super) fn heredoc(&mut self, source: &Rc<Source>, node: Node<'_>) -> Value {
        let at = source.place(node);
        let Some((body, start, end, indent)) = heredoc_body(source, node, "heredoc_body") else {
            return Value::new(Data::Text("".into()), at);
        };
        match body {
            Some(body) => self.interpolate(source, body, start, end, Style::Heredoc(indent)),
            None => self.literal(source, start, end, Style::Heredoc(indent), start).placed(at),
        }
    }

    pub(super) fn nowdoc(&mut self, source: &Rc<Source>, node: Node<'_>) -> Value {
        let at = source.place(node);
        let Some((_, start, end, indent)) = heredoc_body(source, node, "nowdoc_body") else {
            return Value::new(Data::Text("".into()), at);
        };
        let raw = source.bytes.get(start..end).unwrap_or_default();
        finish(outdent(raw, indent, true), at)
    }

    /// Joins what stands between the interpolated expressions with their values.
    fn interpolate(
        &mut self,
        source: &Rc<Source>,
        node: Node<'_>,
        start: usize,
        end: usize,
        style: Style,
    ) -> Value {
        let at = source.place(node);
        let mut whole = Value::new(Data::Text("".into()), at);
        let mut from = start;
        let mut braced = false;
        let mut cursor = node.walk();
        for child in node.children(&mut cursor) {
            if matches!(child.kind(), "string_content" | "escape_sequence" | "\"" | "b\"" | "B\"") {
                continue;
            }
            if child.is_error() || child.is_missing() {
                return Value::unknown(Why::Form("PHP with a syntax error"), at);
            }
            let text = self.literal(source, from, child.start_byte().min(end), style, start);
            whole = join(whole, text, at);
            from = child.end_byte();
            match child.kind() {
                "{" => braced = true,
                "}" => braced = false,
                _ => {
                    let value = self.interpolated(source, child, braced);
                    whole = join(whole, value, at);
                }
            }
        }
        let text = self.literal(source, from, end, style, start);
        join(whole, text, at).placed(at)
    }

    fn interpolated(&mut self, source: &Rc<Source>, node: Node<'_>, braced: bool) -> Value {
        // Outside braces, `$a[key]` has no quotes and `key` is a text.
        if !braced
            && node.kind() == "subscript_expression"
            && let (Some(object), Some(key)) = (node.named_child(0), node.named_child(1))
            && key.kind() == "name"
        {
            let at = source.place(node);
            let key = Value::text(source.name(key));
            let found = self.look_up_element(source, object, key, at);
            return found.unwrap_or_else(|| Value::unknown(Why::Unset(source.name(node).to_owned()), at));
        }
        // `${x}` is the variable x.
        if node.kind() == "dynamic_variable_name"
            && let Some(name) = node.named_child(0).filter(|name| name.kind() == "name")
        {
            let at = source.place(node);
            let name = source.name(name);
            let value = self.state.variable(name).ok().flatten();
            return value.unwrap_or_else(|| Value::unknown(Why::Unset(format!("${name}")), at));
        }
        self.eval(source, node)
    }

    fn literal(&self, source: &Rc<Source>, from: usize, to: usize, style: Style, start: usize) -> Value {
        let raw = source.bytes.get(from..to).unwrap_or_default();
        let raw = match style {
            Style::Quoted => raw.to_vec(),
            Style::Heredoc(indent) => outdent(raw, indent, from == start),
        };
        if interpolates(&raw) {
            return Value::unknown(Why::Form("text with an oddly written variable"), Place::NOWHERE);
        }
        finish(unescape(&raw, style == Style::Quoted), Place::NOWHERE)
    }
}

fn join(a: Value, b: Value, at: Place) -> Value {
    coerce::lift(&[a, b], at, |args| operator::apply(".", args, at))
}

fn finish(bytes: Vec<u8>, at: Place) -> Value {
    match String::from_utf8(bytes) {
        Ok(text) => Value::new(Data::Text(text.into()), at).bounded(),
        Err(_) => Value::unknown(Why::Form("text that is not UTF-8"), at),
    }
}

/// A heredoc's body, the stretch of it that is text, and how deep its last line is indented.
fn heredoc_body<'t>(
    source: &Source,
    node: Node<'t>,
    kind: &str,
) -> Option<(Option<Node<'t>>, usize, usize, usize)> {
    let mut cursor = node.walk();
    let children: Vec<Node<'t>> = node.named_children(&mut cursor).collect();
    let body = children.iter().find(|child| child.kind() == kind).copied();
    let last = children.iter().find(|child| child.kind() == "heredoc_end")?;
    let first = children.iter().find(|child| child.kind() == "heredoc_start")?;
    let after = source.bytes.get(first.end_byte()..)?;
    let start = first.end_byte() + after.iter().position(|byte| *byte == b'\n')? + 1;
    let before = source.bytes.get(start..last.start_byte()).unwrap_or_default();
    let line = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |index| index + 1);
    let indent = before.len() - line;
    let mut text = before.get(..line.saturating_sub(1)).unwrap_or_default();
    if let Some(shorter) = text.strip_suffix(b"\r") {
        text = shorter;
    }
    Some((body, start, start + text.len(), indent))
}

/// Takes the indentation from the start of each line.
fn outdent(raw: &[u8], indent: usize, at_line_start: bool) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(raw.len());
    let mut left = if at_line_start { indent } else { 0 };
    for &byte in raw {
        if left > 0 && (byte == b' ' || byte == b'\t') {
            left -= 1;
            continue;
        }
        left = if byte == b'\n' { indent } else { 0 };
        bytes.push(byte);
    }
    bytes
}

/// Whether a stretch that the parser takes for plain has a variable in it after all.
fn interpolates(raw: &[u8]) -> bool {
    let mut escaped = false;
    raw.iter().enumerate().any(|(index, &byte)| {
        let is_plain = escaped;
        escaped = !escaped && byte == b'\\';
        let begins = |next: &u8| next.is_ascii_alphabetic() || *next >= 0x80 || b"_{".contains(next);
        !is_plain && byte == b'$' && raw.get(index + 1).is_some_and(begins)
    })
}

/// Resolves the escapes of double-quoted text; `\"` is one only between `"`.
fn unescape(raw: &[u8], quoted: bool) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((&byte, after)) = rest.split_first() {
        if byte != b'\\' {
            bytes.push(byte);
            rest = after;
            continue;
        }
        let taken = escape(after, quoted, &mut bytes);
        if taken == 0 {
            bytes.push(b'\\');
        }
        rest = after.get(taken..).unwrap_or_default();
    }
    bytes
}

/// Resolves what follows a backslash; gives how many bytes that took, 0 if it is no escape.
fn escape(after: &[u8], quoted: bool, bytes: &mut Vec<u8>) -> usize {
    let digits = |radix: u32, from: usize, most: usize| {
        let rest = after.get(from..).unwrap_or_default();
        rest.iter().take(most).take_while(|byte| char::from(**byte).is_digit(radix)).count()
    };
    let simple = match after.first() {
        Some(b'n') => b'\n',
        Some(b't') => b'\t',
        Some(b'r') => b'\r',
        Some(b'v') => 0x0b,
        Some(b'e') => 0x1b,
        Some(b'f') => 0x0c,
        Some(byte @ (b'\\' | b'$')) => *byte,
        Some(b'"') if quoted => b'"',
        Some(b'x') if digits(16, 1, 2) > 0 => {
            let count = digits(16, 1, 2);
            bytes.extend(number(after, 1, count, 16).map(|byte| byte as u8));
            return 1 + count;
        }
        Some(b'u') if after.get(1) == Some(&b'{') => {
            let count = digits(16, 2, 6);
            let code = number(after, 2, count, 16).and_then(char::from_u32);
            return match code {
                Some(code) if after.get(2 + count) == Some(&b'}') => {
                    bytes.extend(code.encode_utf8(&mut [0; 4]).as_bytes());
                    3 + count
                }
                _ => 0,
            };
        }
        Some(b'0'..=b'7') => {
            let count = digits(8, 0, 3);
            bytes.extend(number(after, 0, count, 8).map(|byte| byte as u8));
            return count;
        }
        _ => return 0,
    };
    bytes.push(simple);
    1
}

fn number(bytes: &[u8], from: usize, count: usize, radix: u32) -> Option<u32> {
    let digits = std::str::from_utf8(bytes.get(from..from + count)?).ok()?;
    u32::from_str_radix(digits, radix).ok()
}
