//! How PHP takes one kind of value for another.

use std::rc::Rc;

use super::value::{Array, Data, Key, Place, Value, Why};

impl Data {
    /// Whether it counts as true; unknown ones give `None`.
    pub(super) fn truth(&self) -> Option<bool> {
        Some(match self {
            Data::Null => false,
            Data::Bool(bool) => *bool,
            Data::Int(int) => *int != 0,
            Data::Text(text) => !text.is_empty() && &**text != "0",
            // Elements that aren't known may not be there.
            Data::Array(array) if array.open.is_some() => {
                return array.iter().any(|(_, value)| value.why().is_none()).then_some(true);
            }
            Data::Array(array) => !array.is_empty(),
            Data::Unknown(_) => return None,
        })
    }

    /// The value as text; arrays and unknown ones give `None`.
    pub(super) fn to_text(&self) -> Option<Rc<str>> {
        Some(match self {
            Data::Null | Data::Bool(false) => "".into(),
            Data::Bool(true) => "1".into(),
            Data::Int(int) => int.to_string().into(),
            Data::Text(text) => text.clone(),
            Data::Array(_) | Data::Unknown(_) => return None,
        })
    }

    /// The value as an integer, where no doubt is possible.
    pub(super) fn to_int(&self) -> Option<i64> {
        match self {
            Data::Null => Some(0),
            Data::Bool(bool) => Some(i64::from(*bool)),
            Data::Int(int) => Some(*int),
            Data::Text(text) => text.trim().parse().ok(),
            Data::Array(_) | Data::Unknown(_) => None,
        }
    }

    /// The value as an array's key.
    pub(super) fn to_key(&self) -> Option<Key> {
        match self {
            Data::Null => Some(Key::Text("".into())),
            Data::Bool(bool) => Some(Key::Int(i64::from(*bool))),
            Data::Int(int) => Some(Key::Int(*int)),
            Data::Text(text) => Some(Key::from_text(text)),
            Data::Array(_) | Data::Unknown(_) => None,
        }
    }
}

/// Works on known values; where one isn't, the outcome isn't either, but what it most likely is goes along.
pub(super) fn lift(args: &[Value], at: Place, work: impl Fn(&[Value]) -> Value) -> Value {
    let Some(why) = args.iter().find_map(Value::why) else {
        return work(args).bounded();
    };
    let assumed: Option<Vec<Value>> = args.iter().map(Value::assumed).collect();
    Value::unsure(why.clone(), assumed.map(|args| work(&args).bounded()), at)
}

/// `===` on known values; elements of arrays that aren't known make it unknown.
pub(super) fn same(a: &Data, b: &Data) -> Option<bool> {
    match (a, b) {
        (Data::Array(a), Data::Array(b)) => same_arrays(a, b),
        (Data::Unknown(_), _) | (_, Data::Unknown(_)) => None,
        _ => Some(a == b),
    }
}

fn same_arrays(a: &Array, b: &Array) -> Option<bool> {
    if a.open.is_some() || b.open.is_some() {
        return None;
    }
    if a.len() != b.len() {
        return Some(false);
    }
    let mut all = true;
    for ((key_a, value_a), (key_b, value_b)) in a.iter().zip(b.iter()) {
        all &= key_a == key_b && same(&value_a.data, &value_b.data)?;
    }
    Some(all)
}

/// `==` on known values, where all releases of PHP agree.
pub(super) fn equal(a: &Data, b: &Data) -> Option<bool> {
    match (a, b) {
        (Data::Unknown(_), _) | (_, Data::Unknown(_)) => None,
        (Data::Bool(_), _) | (_, Data::Bool(_)) => Some(a.truth()? == b.truth()?),
        (Data::Null, Data::Text(text)) | (Data::Text(text), Data::Null) => Some(text.is_empty()),
        (Data::Null, _) | (_, Data::Null) => Some(a.truth()? == b.truth()?),
        (Data::Text(x), Data::Text(y)) => match (number(x), number(y)) {
            (Number::Int(x), Number::Int(y)) => Some(x == y),
            (Number::None, _) | (_, Number::None) => Some(x == y),
            _ if x == y => Some(true),
            _ => None,
        },
        (Data::Int(int), Data::Text(text)) | (Data::Text(text), Data::Int(int)) => match number(text) {
            Number::Int(other) => Some(other == *int),
            _ => None,
        },
        (Data::Int(x), Data::Int(y)) => Some(x == y),
        (Data::Array(x), Data::Array(y)) if x.is_empty() || y.is_empty() => Some(x.len() == y.len()),
        _ => same(a, b).filter(|same| *same),
    }
}

enum Number {
    Int(i64),
    Odd,
    None,
}

/// Whether PHP might take a text for a number.
fn number(text: &str) -> Number {
    let trimmed = text.trim();
    match trimmed.parse::<i64>() {
        Ok(int) => Number::Int(int),
        Err(_) if trimmed.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) => Number::Odd,
        Err(_) => Number::None,
    }
}

/// A condition's outcome.
pub(super) enum Truth {
    /// It is known.
    Known(bool),
    /// It isn't, but is most likely this.
    Unsure(Why, Option<bool>),
}

/// A value as a condition.
pub(super) fn truth(value: &Value) -> Truth {
    match (&value.data, value.data.truth()) {
        (Data::Unknown(unknown), _) => {
            Truth::Unsure(unknown.why.clone(), unknown.otherwise.as_ref().and_then(|v| v.data.truth()))
        }
        (_, Some(truth)) => Truth::Known(truth),
        (_, None) => Truth::Unsure(Why::Form("a condition"), None),
    }
}

/// Two outcomes of one condition as one value: the same where they agree.
pub(super) fn merge(why: &Why, assumed: Option<bool>, yes: &Value, no: &Value) -> Value {
    if yes == no {
        return yes.clone();
    }
    if let (Data::Array(a), Data::Array(b)) = (&yes.data, &no.data) {
        return merge_arrays(why, assumed, a, b, yes.at);
    }
    let (otherwise, at) = match assumed {
        Some(true) => (yes.assumed(), yes.at),
        Some(false) => (no.assumed(), if no.at == Place::NOWHERE { yes.at } else { no.at }),
        None => (None, if yes.at == Place::NOWHERE { no.at } else { yes.at }),
    };
    Value::unsure(why.clone(), otherwise, at)
}

fn merge_arrays(why: &Why, assumed: Option<bool>, yes: &Array, no: &Array, at: Place) -> Value {
    // Where keys or their order differ, nothing may be counted on it.
    let alike = yes.len() == no.len() && yes.iter().zip(no.iter()).all(|((a, _), (b, _))| a == b);
    let differ = (!alike).then(|| why.clone());
    let mut merged = Array::opened(yes.open.clone().or_else(|| no.open.clone()).or(differ));
    for (key, value) in yes.iter() {
        let other = no.find(key).unwrap_or_else(Value::null);
        merged.set(key.clone(), merge(why, assumed, value, &other));
    }
    for (key, value) in no.iter().filter(|(key, _)| yes.get(key).is_none()) {
        let other = yes.find(key).unwrap_or_else(Value::null);
        merged.set(key.clone(), merge(why, assumed, &other, value));
    }
    Value::new(Data::Array(Rc::new(merged)), at).bounded()
}
