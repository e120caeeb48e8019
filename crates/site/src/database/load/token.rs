//! A statement's words, looked at without changing it.

use std::ops::Range;

use super::scan::{is_comment, is_line_comment};

/// One token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'s> {
    pub(super) kind: TokenKind,
    /// As it stands, with its quotes.
    pub(super) text: &'s [u8],
    /// Where in the statement it begins.
    pub(super) at: usize,
}

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// A keyword, a name without quotes, a number, a variable.
    Word,
    /// Between backticks.
    Name,
    /// Between single or double quotes.
    Text,
    /// Any other single byte.
    Mark,
}

impl Token<'_> {
    pub(super) fn is(&self, word: &str) -> bool {
        self.kind == TokenKind::Word && self.text.eq_ignore_ascii_case(word.as_bytes())
    }

    pub(super) fn is_mark(&self, mark: u8) -> bool {
        self.kind == TokenKind::Mark && self.text == [mark]
    }

    pub(super) fn range(&self) -> Range<usize> {
        self.at..self.at + self.text.len()
    }

    /// The name that it stands for; `None` if it can't be one.
    pub(super) fn name(&self) -> Option<String> {
        let text = String::from_utf8_lossy(self.text);
        let inner = |quote: char| {
            let inner = text.strip_prefix(quote)?.strip_suffix(quote)?;
            Some(inner.replace(&format!("{quote}{quote}"), &quote.to_string()))
        };
        match self.kind {
            TokenKind::Word => Some(text.into_owned()),
            TokenKind::Name => inner('`'),
            TokenKind::Text => inner('"').or_else(|| inner('\'')),
            TokenKind::Mark => None,
        }
    }
}

/// The tokens of a statement: comments are left out, and so are the brackets of `/*! … */`, whose content is not.
pub(super) struct Tokens<'s> {
    statement: &'s [u8],
    at: usize,
    plain_backslash: bool,
}

impl<'s> Tokens<'s> {
    pub(super) fn of(statement: &'s [u8], plain_backslash: bool) -> Self {
        Tokens { statement, at: 0, plain_backslash }
    }

    fn rest(&self) -> &'s [u8] {
        self.statement.get(self.at..).unwrap_or_default()
    }

    /// Skips what is no token.
    fn skip(&mut self) {
        loop {
            let rest = self.rest();
            let len = match rest {
                [first, ..] if first.is_ascii_whitespace() => {
                    rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count()
                }
                rest if is_line_comment(rest) => {
                    memchr::memchr(b'\n', rest).map_or(rest.len(), |len| len + 1)
                }
                rest if is_comment(rest) => {
                    memchr::memmem::find(rest, b"*/").map_or(rest.len(), |len| len + 2)
                }
                [b'/', b'*', b'!', version @ ..] => 3 + digits(version),
                [b'/', b'*', b'M', b'!', version @ ..] => 4 + digits(version),
                [b'*', b'/', ..] => 2,
                _ => return,
            };
            self.at += len;
        }
    }

    fn quoted(&self, quote: u8) -> usize {
        let rest = self.rest();
        let mut len = 1;
        while let Some(&byte) = rest.get(len) {
            len += 1;
            if byte == b'\\' && quote != b'`' && !self.plain_backslash {
                len += 1;
            } else if byte == quote {
                if rest.get(len) != Some(&quote) {
                    break;
                }
                len += 1;
            }
        }
        len.min(rest.len())
    }
}

fn digits(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

impl<'s> Iterator for Tokens<'s> {
    type Item = Token<'s>;

    fn next(&mut self) -> Option<Token<'s>> {
        self.skip();
        let rest = self.rest();
        let (kind, len) = match *rest.first()? {
            quote @ (b'\'' | b'"') => (TokenKind::Text, self.quoted(quote)),
            b'`' => (TokenKind::Name, self.quoted(b'`')),
            _ => match rest.iter().take_while(|byte| is_of_word(**byte)).count() {
                0 => (TokenKind::Mark, 1),
                len => (TokenKind::Word, len),
            },
        };
        let token = Token { kind, text: rest.get(..len)?, at: self.at };
        self.at += len;
        Some(token)
    }
}

fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80 || matches!(byte, b'_' | b'$')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_seen_through_conditional_comments() {
        let statement = b"/*!50003 CREATE*/ /*M!100100 x*/ /* no */ -- no\n`a``b`.'it''s \\' ;' (\"q\", 1.5)";
        let found: Vec<String> = Tokens::of(statement, false)
            .map(|token| {
                assert_eq!(&statement[token.range()], token.text);
                String::from_utf8(token.text.to_vec()).unwrap()
            })
            .collect();
        let expected = ["CREATE", "x", "`a``b`", ".", "'it''s \\' ;'", "(", "\"q\"", ",", "1", ".", "5", ")"];
        assert_eq!(found, expected);
        assert_eq!(Tokens::of(b"`a``b`", false).next().unwrap().name().unwrap(), "a`b");
    }

    #[test]
    fn what_is_cut_short_ends() {
        for text in ["'abc", "'abc\\", "`", "/* x", "/*!", "--", "\"a\"\""] {
            assert!(Tokens::of(text.as_bytes(), false).count() <= 2, "{text}");
        }
    }
}
