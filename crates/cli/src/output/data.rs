//! Data as the raw formats print it: scalars, and maps in a fixed order, with keys as PHP has them.

use super::number;

/// A value of a raw format.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Data {
    Null,
    Bool(bool),
    Int(i64),
    /// Always finite.
    Float(f64),
    Text(String),
    /// In its own order; no key stands in it twice.
    Map(Vec<(Key, Data)>),
}

impl Data {
    /// A scalar as one text, as PHP makes one of it, except that booleans are words; a map has none.
    pub(super) fn text(&self) -> String {
        match self {
            Data::Null | Data::Map(_) => String::new(),
            Data::Bool(yes) => yes.to_string(),
            Data::Int(number) => number.to_string(),
            Data::Float(number) => number::short(*number),
            Data::Text(text) => text.clone(),
        }
    }
}

/// A key of a map. PHP turns a text that is a plain whole number into that number, which then shows in what it
/// prints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Key {
    Int(i64),
    Text(String),
}

impl Key {
    /// The key that PHP makes of a text.
    pub(super) fn new(text: &str) -> Key {
        match text.parse::<i64>() {
            Ok(number) if number.to_string() == text => Key::Int(number),
            _ => Key::Text(text.to_owned()),
        }
    }

    /// The key as a text.
    pub(super) fn text(&self) -> String {
        match self {
            Key::Int(number) => number.to_string(),
            Key::Text(text) => text.clone(),
        }
    }
}

/// Whether a map is what PHP calls a list: its keys count up from 0. An empty one is.
pub(super) fn is_list(map: &[(Key, Data)]) -> bool {
    map.iter().zip(0..).all(|((key, _), place)| *key == Key::Int(place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_whole_number_becomes_a_number_as_a_key() {
        assert_eq!(Key::new("17"), Key::Int(17));
        assert_eq!(Key::new("-17"), Key::Int(-17));
        for text in ["", "017", "+17", "-0", "1.0", " 1", "9223372036854775808", "1795484697_backup"] {
            assert_eq!(Key::new(text), Key::Text(text.to_owned()));
        }
    }

    #[test]
    fn a_list_counts_from_nought() {
        let map = |keys: &[&str]| keys.iter().map(|key| (Key::new(key), Data::Null)).collect::<Vec<_>>();
        assert!(is_list(&[]) && is_list(&map(&["0", "1"])));
        assert!(!is_list(&map(&["1", "0"])) && !is_list(&map(&["a"])) && !is_list(&map(&["1"])));
    }
}
