//! The language of `--filter`: `type=code&&initiator!=manual`.

use regex::Regex;

use super::data::Data;
use super::error::OutputError;
use super::list::{Cell, find};
use super::pattern::pattern;
use super::yaml::is_numeric;

/// A parsed filter: comparisons, joined from left to right; `&&` binds no closer than `||`.
#[derive(Debug)]
pub(super) struct Filter {
    first: Comparison,
    rest: Vec<(Join, Comparison)>,
}

#[derive(Debug, Clone, Copy)]
enum Join {
    And,
    Or,
}

#[derive(Debug)]
struct Comparison {
    key: String,
    negated: bool,
    test: Test,
}

#[derive(Debug)]
enum Test {
    /// The same text but for case, or the same number.
    Equals(String),
    /// Holds the text, but for case.
    Contains(String),
    /// Fits the pattern.
    Matches(Regex),
}

impl Filter {
    /// Reads an expression.
    pub(super) fn parse(expression: &str) -> Result<Filter, OutputError> {
        let (first, mut left) = term(expression);
        let mut filter = Filter { first: Comparison::parse(first)?, rest: Vec::new() };
        while let Some((join, after)) = left {
            let (next, after) = term(after);
            filter.rest.push((join, Comparison::parse(next)?));
            left = after;
        }
        Ok(filter)
    }

    /// Whether a row is to be shown.
    pub(super) fn keeps(&self, row: &[Cell]) -> bool {
        self.rest.iter().fold(self.first.holds(row), |so_far, (join, comparison)| match join {
            Join::And => so_far && comparison.holds(row),
            Join::Or => so_far || comparison.holds(row),
        })
    }
}

/// The expression up to the first `&&` or `||`, and what follows that.
fn term(expression: &str) -> (&str, Option<(Join, &str)>) {
    let and = expression.split_once("&&").map(|(before, after)| (before, Join::And, after));
    let or = expression.split_once("||").map(|(before, after)| (before, Join::Or, after));
    match [and, or].into_iter().flatten().min_by_key(|(before, ..)| before.len()) {
        Some((before, join, after)) => (before, Some((join, after))),
        None => (expression, None),
    }
}

impl Comparison {
    fn parse(text: &str) -> Result<Comparison, OutputError> {
        let bad = || OutputError::BadFilter(text.to_owned());
        let term = text.trim();
        let (whole_negated, term) = match term.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, term),
        };
        let operator = term.find(['!', '~', '*', '=']).ok_or_else(bad)?;
        let (key, rest) = term.split_at_checked(operator).ok_or_else(bad)?;
        let (negated, rest) = match rest.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        let test = if let Some(value) = rest.strip_prefix('=') {
            Test::Equals(value.to_lowercase())
        } else if let Some(value) = rest.strip_prefix("*=") {
            Test::Contains(value.to_lowercase())
        } else if let Some(value) = rest.strip_prefix("~=") {
            Test::Matches(pattern(value)?)
        } else {
            return Err(bad());
        };
        let key = key.trim().to_owned();
        if key.is_empty() {
            Err(bad())
        } else {
            Ok(Comparison { key, negated: negated != whole_negated, test })
        }
    }

    /// A key that the row has not holds never, not even negated: a slip of the pen must not choose every row.
    fn holds(&self, row: &[Cell]) -> bool {
        find(row, &self.key).is_some_and(|value| self.test.holds(&value.raw()) != self.negated)
    }
}

impl Test {
    fn holds(&self, value: &Data) -> bool {
        let text = value.text();
        match self {
            Test::Equals(wanted) => text.to_lowercase() == *wanted || same_number(value, &text, wanted),
            Test::Contains(part) => text.to_lowercase().contains(part.as_str()),
            Test::Matches(pattern) => pattern.is_match(&text),
        }
    }
}

/// Whether both are numbers, and the same one: `1795484706.0` is `1795484706`. A boolean is 0 or 1.
fn same_number(value: &Data, text: &str, wanted: &str) -> bool {
    let number = |text: &str| is_numeric(text).then(|| text.trim().parse::<f64>().ok()).flatten();
    let value = match value {
        Data::Bool(yes) => Some(f64::from(u8::from(*yes))),
        Data::Float(exact) => Some(*exact),
        _ => number(text),
    };
    value.is_some() && value == number(wanted)
}

#[cfg(test)]
mod tests {
    use super::super::value::Value;
    use super::*;

    fn row() -> Vec<Cell> {
        vec![
            ("type", Value::from("code")),
            ("file", Value::from("My-Site_dev_code.tar.gz")),
            ("size", Value::human(33_345_000_i64, "31.8 MiB")),
            ("date", Value::Time(Some(1795484706.77))),
            ("frozen", Value::Bool(false)),
            ("url", Value::Null),
            ("finish", Value::Time(None)),
        ]
    }

    fn keeps(expression: &str) -> bool {
        Filter::parse(expression).unwrap().keeps(&row())
    }

    #[test]
    fn each_comparison_and_its_opposite() {
        let hold = [
            "type=code",
            "type=CODE",
            "file*=SITE_",
            "file~=#^my#i",
            "type!=database",
            "file!*=live",
            "file!~=#^my#",
            "!type=database",
            "!type!=code",
            "file*=",
            "url=",
            "finish=",
            "type~=/^(code|files)$/",
        ];
        let fail = [
            "type=cod",
            "type!=Code",
            "file*=live",
            "file~=#^my#",
            "file!*=site",
            "!type=code",
            "url!=",
            "type=",
        ];
        assert!(hold.into_iter().all(keeps));
        assert!(!fail.into_iter().any(keeps));
    }

    #[test]
    fn values_are_compared_raw() {
        assert!(keeps("date=1795484706.77") && keeps("date=1795484706.770") && keeps("date*=5484"));
        assert!(
            keeps("size=33345000") && keeps("size=33345000.0") && keeps("frozen=false") && keeps("frozen=0")
        );
        assert!(!keeps("date*=2026") && !keeps("size*=MiB") && !keeps("finish=-") && !keeps("url=0"));
    }

    #[test]
    fn a_key_that_is_not_there_chooses_nothing() {
        for expression in
            ["bogus=1", "bogus!=1", "bogus*=", "bogus~=#.*#", "!bogus=1", "date>=5", "Type=code"]
        {
            assert!(!keeps(expression), "{expression}");
        }
    }

    #[test]
    fn comparisons_join_from_left_to_right() {
        assert!(keeps("type=code&&file*=dev") && keeps("type=x||type=code") && keeps("type = x||type=code "));
        assert!(!keeps("type=code&&file*=live") && !keeps("type=x||type=y"));
        // (code || …) && x, as Terminus has it, not code || (… && x).
        assert!(!keeps("type=code||type=code&&type=x"));
        assert!(keeps("type=x&&type=x||type=code") && keeps("type=a||type=b||type=c||type=code"));
    }

    #[test]
    fn what_is_no_comparison_is_refused() {
        for bad in ["", "type", "=code", "type!code", "type*code", "type=code&&", "||type=code", "!", "&&"] {
            assert!(matches!(Filter::parse(bad), Err(OutputError::BadFilter(_))), "{bad}");
        }
        assert!(matches!(Filter::parse("type~=code"), Err(OutputError::BadPattern { .. })));
    }

    proptest::proptest! {
        #[test]
        fn no_expression_is_too_much(text in "[a-z!~*=&|#/()\\\\ é]{0,24}") {
            if let Ok(filter) = Filter::parse(&text) {
                filter.keeps(&row());
            }
        }
    }
}
