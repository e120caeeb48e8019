//! Names and texts as SQL writes them.

/// A name between backticks.
pub(super) fn name(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A text between single quotes, for statements that we send; the session's `sql_mode` is ours.
pub(super) fn text(text: &str) -> String {
    let mut quoted = Vec::with_capacity(text.len() + 2);
    quoted.push(b'\'');
    escape(&mut quoted, text.as_bytes());
    quoted.push(b'\'');
    String::from_utf8_lossy(&quoted).into_owned()
}

/// A name inside a comment that ends with its line.
pub(super) fn in_comment(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// What stands after the backslash for a byte that is escaped, else 0: the same seven bytes as
/// `mysql_real_escape_string`, since tools that edit dumps count on them.
const ESCAPED: [u8; 256] = {
    let mut table = [0; 256];
    table[0] = b'0';
    table[b'\n' as usize] = b'n';
    table[b'\r' as usize] = b'r';
    table[0x1A] = b'Z';
    table[b'\\' as usize] = b'\\';
    table[b'\'' as usize] = b'\'';
    table[b'"' as usize] = b'"';
    table
};

/// Appends a text with its special bytes escaped, without quotes.
pub(super) fn escape(to: &mut Vec<u8>, mut text: &[u8]) {
    loop {
        let (plain, rest) = text.split_at(plain_len(text));
        to.extend_from_slice(plain);
        let Some((&special, rest)) = rest.split_first() else { return };
        to.extend([b'\\', ESCAPED[usize::from(special)]]);
        text = rest;
    }
}

/// How many bytes come before the first that is escaped.
fn plain_len(text: &[u8]) -> usize {
    let mut len = 0;
    // Whole stretches first: the compiler turns this into vector instructions.
    for stretch in text.chunks_exact(16) {
        let special = stretch.iter().fold(false, |any, &byte| {
            any | (byte == b'\'') | (byte == b'"') | (byte == b'\\') | (byte < b' ')
        });
        if special {
            break;
        }
        len += 16;
    }
    let rest = text.get(len..).unwrap_or_default();
    len + rest.iter().position(|&byte| ESCAPED[usize::from(byte)] != 0).unwrap_or(rest.len())
}

/// Appends bytes as hexadecimal digits.
pub(super) fn hex(to: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    to.reserve(2 * bytes.len());
    to.extend(
        bytes.iter().flat_map(|&byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_texts_are_quoted() {
        assert_eq!(name("a`b"), "`a``b`");
        assert_eq!(text("it's a \\"), "'it\\'s a \\\\'");
        assert_eq!(in_comment("a\nDROP TABLE b"), "a DROP TABLE b");
    }

    #[test]
    fn every_special_byte_is_escaped_wherever_it_stands() {
        for (special, after) in
            [(0, b'0'), (10, b'n'), (13, b'r'), (26, b'Z'), (b'\\', b'\\'), (b'\'', b'\''), (b'"', b'"')]
        {
            for len in [1, 15, 16, 17, 40] {
                for place in 0..len {
                    let mut bytes = vec![b'x'; len];
                    bytes[place] = special;
                    let mut expected = vec![b'x'; len];
                    expected.splice(place..=place, [b'\\', after]);
                    let mut escaped = Vec::new();
                    escape(&mut escaped, &bytes);
                    assert_eq!(escaped, expected);
                }
            }
        }
    }

    #[test]
    fn other_bytes_are_left_alone() {
        let bytes: Vec<u8> = (0..=255).filter(|byte| ESCAPED[usize::from(*byte)] == 0).collect();
        let mut escaped = Vec::new();
        escape(&mut escaped, &bytes);
        assert_eq!(escaped, bytes);
        let mut digits = Vec::new();
        hex(&mut digits, &[0, 0x1F, 0xFF]);
        assert_eq!(digits, b"001FFF");
    }
}
