//! Reading serialized PHP.

/// Reads serialized PHP, and writes what it becomes.
pub(super) struct Reader<'t> {
    pub rest: &'t [u8],
    pub out: Vec<u8>,
}

impl<'t> Reader<'t> {
    pub fn skip(&mut self, what: &[u8]) -> Option<()> {
        self.rest = self.rest.strip_prefix(what)?;
        Some(())
    }

    pub fn keep(&mut self, what: &[u8]) -> Option<()> {
        self.skip(what)?;
        self.out.extend_from_slice(what);
        Some(())
    }

    pub fn number(&mut self) -> Option<usize> {
        let digits = self.rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let (number, rest) = self.rest.split_at(digits);
        self.rest = rest;
        std::str::from_utf8(number).ok()?.parse().ok()
    }

    /// `5:"bytes"`, of which the bytes are given.
    pub fn counted(&mut self, open: u8, close: u8) -> Option<&'t [u8]> {
        let len = self.number()?;
        self.skip(&[b':', open])?;
        let (content, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        self.skip(&[close])?;
        Some(content)
    }

    /// `S:5:"\61bytes"`, in which bytes may be written as digits: as it stands, and what it stands for.
    pub fn coded(&mut self) -> Option<(&'t [u8], Vec<u8>)> {
        let whole = self.rest;
        self.skip(b"S:")?;
        let len = self.number()?;
        self.skip(b":\"")?;
        let mut content = Vec::new();
        for _ in 0..len {
            let (byte, rest) = match self.rest {
                [b'\\', high, low, rest @ ..] => {
                    let digit = |byte: &u8| char::from(*byte).to_digit(16);
                    (u8::try_from(digit(high)? * 16 + digit(low)?).ok()?, rest)
                }
                [b'\\', ..] | [] => return None,
                [byte, rest @ ..] => (*byte, rest),
            };
            content.push(byte);
            self.rest = rest;
        }
        self.skip(b"\"")?;
        Some((whole.get(..whole.len() - self.rest.len())?, content))
    }

    /// A counted name, which stays as it is.
    pub fn name(&mut self) -> Option<()> {
        let name = self.counted(b'"', b'"')?;
        self.out.extend(format!("{}:\"", name.len()).as_bytes());
        self.out.extend_from_slice(name);
        self.out.push(b'"');
        Some(())
    }

    /// A number, a truth value or a reference: `i:-5;`.
    pub fn scalar(&mut self) -> Option<()> {
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
