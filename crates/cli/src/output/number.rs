//! Floating numbers as PHP writes them.

/// Digits that PHP spends where a number becomes a text (its setting `precision`).
const SHORT: usize = 14;
/// Digits up to which a number is written without an exponent when every digit counts (`serialize_precision`).
const EXACT: usize = 17;

/// The number as `echo` and `print_r` write it: no more than 14 digits.
pub(super) fn short(number: f64) -> String {
    write(&format!("{:.*e}", SHORT - 1, number), SHORT)
}

/// The number as `serialize`, `var_dump` and JSON write it: the fewest digits that give it back.
pub(super) fn exact(number: f64) -> String {
    write(&format!("{number:e}"), EXACT)
}

/// The whole number that `number` is, if it is one.
pub(super) fn whole(number: f64) -> Option<i64> {
    // Up to 2^63 the cast is exact.
    (number.fract() == 0.0 && number.abs() < 9.2e18).then_some(number as i64)
}

/// Lays out a number in Rust's scientific notation (`-1.25e3`) as PHP does.
fn write(scientific: &str, most: usize) -> String {
    let (sign, rest) = match scientific.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", scientific),
    };
    let Some((mantissa, exponent)) = rest.split_once('e') else { return scientific.to_owned() };
    let exponent: i64 = exponent.parse().unwrap_or_default();
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let digits = match digits.trim_end_matches('0') {
        "" => "0",
        digits => digits,
    };
    if exponent < -4 || exponent >= most as i64 {
        with_exponent(sign, digits, exponent)
    } else {
        without_exponent(sign, digits, exponent)
    }
}

/// `1.25E+20`; there is always a digit behind the point.
fn with_exponent(sign: &str, digits: &str, exponent: i64) -> String {
    let (first, rest) = digits.split_at_checked(1).unwrap_or((digits, ""));
    let rest = if rest.is_empty() { "0" } else { rest };
    format!("{sign}{first}.{rest}E{exponent:+}")
}

/// `125`, `1.25`, `0.00125`.
fn without_exponent(sign: &str, digits: &str, exponent: i64) -> String {
    if exponent < 0 {
        let zeros = "0".repeat(usize::try_from(-exponent - 1).unwrap_or_default());
        return format!("{sign}0.{zeros}{digits}");
    }
    let point = usize::try_from(exponent).unwrap_or_default() + 1;
    match digits.split_at_checked(point) {
        Some((whole, "")) => format!("{sign}{whole}"),
        Some((whole, part)) => format!("{sign}{whole}.{part}"),
        None => format!("{sign}{digits:0<point$}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::oracle::php;
    use super::*;

    const NUMBERS: [f64; 24] = [
        0.0,
        -0.0,
        1.0,
        -1.5,
        10.0,
        0.1,
        0.30000000000000004,
        1795484706.77,
        1795484706.771234,
        123456789.12345679,
        99999999999999.0,
        999999999999999.0,
        123456789012345.6,
        1e14,
        1e15,
        1e16,
        1e17,
        123456789012345678.0,
        -2.5e25,
        0.0001,
        0.00012345,
        0.00001,
        5e-324,
        f64::MAX,
    ];

    #[test]
    fn numbers_read_as_php_writes_them() {
        let calls = NUMBERS.map(|number| {
            format!("$x = (float)'{number:e}'; echo $x, ' ', substr(serialize($x), 2, -1), \"\\n\";")
        });
        let Some(theirs) = php(&calls.concat()) else { return };
        for (number, theirs) in NUMBERS.into_iter().zip(theirs.lines()) {
            assert_eq!(format!("{} {}", short(number), exact(number)), theirs, "{number:e}");
        }
    }

    #[test]
    fn numbers_that_backups_have() {
        assert_eq!(exact(1795484706.77), "1795484706.77");
        assert_eq!(short(1795484706.771234), "1795484706.7712");
        assert_eq!(exact(1e25), "1.0E+25");
        assert_eq!(exact(-0.0), "-0");
    }

    #[test]
    fn a_whole_number_is_told_from_others() {
        assert_eq!((whole(12.0), whole(12.5), whole(1e300), whole(f64::NAN)), (Some(12), None, None, None));
    }
}
