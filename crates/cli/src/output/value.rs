//! Values of cells: as scripts get them, and as people read them.

use jiff::Timestamp;

use super::data::Data;
use super::number;

/// What stands in a cell.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// A text.
    Text(String),
    /// A moment, in seconds since 1970 UTC; `None` where there is none yet.
    Time(Option<f64>),
    /// A value that people read otherwise than scripts.
    Human {
        /// What scripts get.
        raw: Box<Value>,
        /// What people read.
        human: String,
    },
}

impl Value {
    /// A value that scripts get as `raw` and people as `human`.
    pub fn human(raw: impl Into<Value>, human: impl Into<String>) -> Self {
        Value::Human { raw: Box::new(raw.into()), human: human.into() }
    }

    /// The value as raw formats give it. A moment without a fraction is a whole number; a number that is none
    /// (which no text format can say) is nothing.
    pub(super) fn raw(&self) -> Data {
        match self {
            Value::Null | Value::Time(None) => Data::Null,
            Value::Bool(yes) => Data::Bool(*yes),
            Value::Int(number) => Data::Int(*number),
            Value::Float(number) if number.is_finite() => Data::Float(*number),
            Value::Float(_) => Data::Null,
            Value::Text(text) => Data::Text(text.clone()),
            Value::Time(Some(seconds)) => match number::whole(*seconds) {
                Some(whole) => Data::Int(whole),
                None => Value::Float(*seconds).raw(),
            },
            Value::Human { raw, .. } => raw.raw(),
        }
    }

    /// The value as a person reads it: `2026-11-23 01:45:03` in UTC for a moment, `-` for one that is missing.
    pub(super) fn shown(&self) -> String {
        match self {
            Value::Time(None) => "-".to_owned(),
            Value::Time(Some(seconds)) => date(*seconds).unwrap_or_else(|| self.raw().text()),
            Value::Human { human, .. } => human.clone(),
            _ => self.raw().text(),
        }
    }
}

/// A moment as `Y-m-d H:i:s` in UTC; `None` beyond the years that a calendar has.
/// A time in UTC as a person reads it, if there is such a time.
pub(super) fn date(seconds: f64) -> Option<String> {
    let second = number::whole(seconds.floor())?;
    let moment = Timestamp::from_second(second).ok()?;
    Some(moment.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::Text(text)
    }
}

impl From<bool> for Value {
    fn from(yes: bool) -> Self {
        Value::Bool(yes)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Value::Int(number)
    }
}

impl From<u64> for Value {
    /// Beyond what PHP's integers hold it becomes a floating number, as there.
    fn from(number: u64) -> Self {
        i64::try_from(number).map_or(Value::Float(number as f64), Value::Int)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Value::Float(number)
    }
}

impl From<Timestamp> for Value {
    /// To the microsecond: what a floating number of seconds still holds.
    fn from(moment: Timestamp) -> Self {
        Value::Time(Some(moment.as_microsecond() as f64 / 1e6))
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Null, Into::into)
    }
}

/// A time (Unix seconds) as a person reads it: `2026-11-23 01:45 UTC`.
pub fn human_time(seconds: f64) -> String {
    match date(seconds) {
        Some(date) => format!("{} UTC", date.get(..16).unwrap_or(&date)),
        None => "an unknown time".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_number_for_scripts_and_a_date_for_people() {
        let moment = Value::Time(Some(1795484706.77));
        assert_eq!(moment.raw(), Data::Float(1795484706.77));
        assert_eq!(moment.shown(), "2026-11-24 01:45:06");
        assert_eq!(Value::Time(Some(1795484706.0)).raw(), Data::Int(1795484706));
        assert_eq!(Value::Time(Some(-0.5)).shown(), "1969-12-31 23:59:59");
        assert_eq!((Value::Time(None).raw(), Value::Time(None).shown()), (Data::Null, "-".to_owned()));
    }

    #[test]
    fn a_moment_beyond_the_calendar_stays_a_number() {
        assert_eq!(Value::Time(Some(1e18)).shown(), "1000000000000000000");
        assert_eq!(Value::Time(Some(f64::NAN)).shown(), "");
        assert_eq!(Value::Time(Some(f64::INFINITY)).raw(), Data::Null);
    }

    #[test]
    fn booleans_are_words_and_nothing_is_empty() {
        assert_eq!(Value::from(true).shown(), "true");
        assert_eq!(Value::from(false).shown(), "false");
        assert_eq!(Value::Null.shown(), "");
        assert_eq!(Value::from(None::<i64>), Value::Null);
    }

    #[test]
    fn people_and_scripts_may_read_different_things() {
        let size = Value::human(33_345_000_u64, "31.8 MiB");
        assert_eq!((size.raw(), size.shown()), (Data::Int(33_345_000), "31.8 MiB".to_owned()));
        assert_eq!(Value::from(u64::MAX).raw(), Data::Float(18446744073709551615.0));
    }

    #[test]
    fn a_timestamp_keeps_its_fraction() {
        let moment: Timestamp = "2026-11-24T01:45:06.77Z".parse().unwrap();
        assert_eq!(Value::from(moment), Value::Time(Some(1795484706.77)));
    }
}
