//! Values of a row, as the text protocol sends them: each with its length before it.

/// The bytes are not what the protocol calls a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::database) struct Malformed;

/// Takes the next value off a row; `None` is NULL.
#[inline]
pub(in crate::database) fn next_value<'p>(row: &mut &'p [u8]) -> Result<Option<&'p [u8]>, Malformed> {
    let (&first, rest) = row.split_first().ok_or(Malformed)?;
    if first == 0xFB {
        *row = rest;
        return Ok(None);
    }
    let (len, rest) = match first {
        0..=0xFA => (usize::from(first), rest),
        0xFC => integer::<2>(rest)?,
        0xFD => integer::<3>(rest)?,
        0xFE => integer::<8>(rest)?,
        _ => return Err(Malformed),
    };
    let (value, rest) = rest.split_at_checked(len).ok_or(Malformed)?;
    *row = rest;
    Ok(Some(value))
}

/// Takes a whole number that is written as lengths are.
pub(super) fn next_number(bytes: &mut &[u8]) -> Result<usize, Malformed> {
    let (&first, rest) = bytes.split_first().ok_or(Malformed)?;
    let (number, rest) = match first {
        0..=0xFA => (usize::from(first), rest),
        0xFC => integer::<2>(rest)?,
        0xFD => integer::<3>(rest)?,
        0xFE => integer::<8>(rest)?,
        _ => return Err(Malformed),
    };
    *bytes = rest;
    Ok(number)
}

fn integer<const N: usize>(bytes: &[u8]) -> Result<(usize, &[u8]), Malformed> {
    let (number, rest) = bytes.split_first_chunk::<N>().ok_or(Malformed)?;
    let mut wide = [0; 8];
    wide.iter_mut().zip(number).for_each(|(to, from)| *to = *from);
    usize::try_from(u64::from_le_bytes(wide)).map(|number| (number, rest)).map_err(|_| Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_every_length_come_off() {
        let mut row = vec![2, b'a', b'b', 0xFB, 0, 0xFC, 0xFB, 0];
        row.extend([b'x'; 251]);
        row.extend([0xFD, 3, 0, 0, 1, 2, 3, 0xFE, 1, 0, 0, 0, 0, 0, 0, 0, 9]);
        let mut rest = &row[..];
        assert_eq!(next_value(&mut rest), Ok(Some(&b"ab"[..])));
        assert_eq!(next_value(&mut rest), Ok(None));
        assert_eq!(next_value(&mut rest), Ok(Some(&b""[..])));
        assert_eq!(next_value(&mut rest), Ok(Some(&[b'x'; 251][..])));
        assert_eq!(next_value(&mut rest), Ok(Some(&[1, 2, 3][..])));
        assert_eq!(next_value(&mut rest), Ok(Some(&[9][..])));
        assert_eq!(next_value(&mut rest), Err(Malformed));
    }

    #[test]
    fn what_is_cut_short_is_malformed() {
        for row in [&[3, 1, 2][..], &[0xFC, 1], &[0xFE, 255, 255, 255, 255, 255, 255, 255, 255], &[0xFF]] {
            assert_eq!(next_value(&mut &row[..]), Err(Malformed));
        }
    }
}
