//! The scan for the end of a statement, which may come to the end of the text first.

/// What the scan is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Within {
    Plain,
    /// Between two of these.
    Quotes(u8),
    /// A comment up to the end of its line.
    Line,
    /// A comment up to `*/`.
    Comment,
}

/// Bytes that a scan outside of quotes has to look at; and the delimiter's first.
pub(super) const SPECIAL: [bool; 256] = {
    let mut table = [false; 256];
    table[b'\'' as usize] = true;
    table[b'"' as usize] = true;
    table[b'`' as usize] = true;
    table[b'-' as usize] = true;
    table[b'#' as usize] = true;
    table[b'/' as usize] = true;
    table
};

/// Where a scan came to.
pub(super) enum Step {
    /// The statement ends before this place.
    End(usize),
    /// More text is needed; the scan goes on at this place.
    More(usize),
}

/// How a text is scanned.
pub(super) struct Manner<'m> {
    pub(super) delimiter: &'m [u8],
    pub(super) special: &'m [bool; 256],
    pub(super) plain_backslash: bool,
    /// No more text comes.
    pub(super) is_last: bool,
}

/// Goes on until the statement ends, or the text.
pub(super) fn step(text: &[u8], mut at: usize, within: &mut Within, manner: &Manner<'_>) -> Step {
    let &Manner { delimiter, special, plain_backslash, is_last } = manner;
    loop {
        let rest = text.get(at..).unwrap_or_default();
        match *within {
            Within::Plain => {
                let Some(place) = rest.iter().position(|&byte| special[usize::from(byte)]) else {
                    return Step::More(at + rest.len());
                };
                let rest = rest.get(place..).unwrap_or_default();
                at += place;
                if rest.starts_with(delimiter) {
                    return Step::End(at);
                }
                // Any mark is known by this many bytes.
                if !is_last
                    && rest.len() < delimiter.len().max(4)
                    && !matches!(rest, [b'\'' | b'"' | b'`', ..])
                {
                    return Step::More(at);
                }
                match rest {
                    [quote @ (b'\'' | b'"' | b'`'), ..] => *within = Within::Quotes(*quote),
                    rest if is_line_comment(rest) => *within = Within::Line,
                    rest if is_comment(rest) => {
                        *within = Within::Comment;
                        at += 1;
                    }
                    _ => {}
                }
                at += 1;
            }
            Within::Quotes(quote) => {
                let escapes = quote != b'`' && !plain_backslash;
                let place =
                    if escapes { memchr::memchr2(quote, b'\\', rest) } else { memchr::memchr(quote, rest) };
                match place.map(|place| (place, rest.get(place), rest.len() - place)) {
                    None => return Step::More(at + rest.len()),
                    Some((place, Some(&byte), _)) if byte == quote => {
                        // A doubled quote closes and opens again, which comes to the same.
                        *within = Within::Plain;
                        at += place + 1;
                    }
                    Some((place, _, 1)) => return Step::More(at + place),
                    Some((place, ..)) => at += place + 2,
                }
            }
            Within::Line => match memchr::memchr(b'\n', rest) {
                Some(place) => {
                    *within = Within::Plain;
                    at += place + 1;
                }
                None => return Step::More(at + rest.len()),
            },
            Within::Comment => match memchr::memmem::find(rest, b"*/") {
                Some(place) => {
                    *within = Within::Plain;
                    at += place + 2;
                }
                None => return Step::More(at + rest.len().saturating_sub(1)),
            },
        }
    }
}

/// Whether a comment begins here that ends with its line.
pub(super) fn is_line_comment(text: &[u8]) -> bool {
    match text {
        [b'#', ..] | [b'-', b'-'] => true,
        [b'-', b'-', after, ..] => after.is_ascii_whitespace() || after.is_ascii_control(),
        _ => false,
    }
}

/// Whether a comment begins here that no server reads. The line that puts a client into its sandbox is one, in
/// both spellings.
pub(super) fn is_comment(text: &[u8]) -> bool {
    match text {
        [b'/', b'*', b'!', rest @ ..] | [b'/', b'*', b'M', b'!', rest @ ..] => rest.starts_with(b"999999\\-"),
        [b'/', b'*', ..] => true,
        _ => false,
    }
}
