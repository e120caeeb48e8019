//! Functions on arrays and kinds of values.

use std::rc::Rc;

use super::super::coerce;
use super::super::value::{Array, Data, Key, Value, Why};
use super::Pure;

pub(super) fn function(name: &str) -> Option<Pure> {
    let function: Pure = match name {
        "array_merge" => |args, _| combine(args, merge_into),
        "array_replace" => |args, _| combine(args, replace_into),
        "array_replace_recursive" => |args, _| combine(args, replace_deep),
        "array_key_exists" | "key_exists" => |args, _| match args {
            [key, array] => closed(std::slice::from_ref(array))?
                .find(&key.data.to_key()?)
                .map_or(Some(Data::Bool(false)), |_| Some(Data::Bool(true))),
            _ => None,
        },
        "in_array" => |args, _| in_array(args),
        "count" | "sizeof" => |args, _| Some(Data::Int(i64::try_from(closed(args)?.len()).ok()?)),
        "array_keys" => |args, at| match args {
            [_] => Some(list(closed(args)?.iter().map(|(key, _)| Value::new(key.to_data(), at)))),
            _ => None,
        },
        "array_values" => |args, _| Some(list(closed(args)?.iter().map(|(_, value)| value.clone()))),
        "reset" | "current" => |args, _| Some(edge(closed(args)?.iter().next())),
        "end" => |args, _| Some(edge(closed(args)?.iter().next_back())),
        "array_key_first" => {
            |args, _| Some(closed(args)?.iter().next().map_or(Data::Null, |(key, _)| key.to_data()))
        }
        "is_array" => |args, _| Some(Data::Bool(matches!(args.first()?.data, Data::Array(_)))),
        "is_string" => |args, _| Some(Data::Bool(matches!(args.first()?.data, Data::Text(_)))),
        "is_int" | "is_integer" => |args, _| Some(Data::Bool(matches!(args.first()?.data, Data::Int(_)))),
        "is_bool" => |args, _| Some(Data::Bool(matches!(args.first()?.data, Data::Bool(_)))),
        "is_null" => |args, _| Some(Data::Bool(matches!(args.first()?.data, Data::Null))),
        "boolval" => |args, _| Some(Data::Bool(args.first()?.data.truth()?)),
        _ => return None,
    };
    Some(function)
}

/// The first argument, an array all of whose elements were seen.
fn closed(args: &[Value]) -> Option<&Array> {
    args.first()?.as_array().filter(|array| array.open.is_none())
}

fn list(values: impl Iterator<Item = Value>) -> Data {
    let mut array = Array::default();
    values.for_each(|value| array.push(value));
    Data::Array(Rc::new(array))
}

fn edge(item: Option<&(Key, Value)>) -> Data {
    item.map_or(Data::Bool(false), |(_, value)| value.data.clone())
}

fn in_array(args: &[Value]) -> Option<Data> {
    let (needle, strict) = match args {
        [needle, _] => (needle, false),
        [needle, _, strict] => (needle, strict.data.truth()?),
        _ => return None,
    };
    let compare = if strict { coerce::same } else { coerce::equal };
    for (_, value) in args.get(1..).and_then(closed)?.iter() {
        if compare(&needle.data, &value.data)? {
            return Some(Data::Bool(true));
        }
    }
    Some(Data::Bool(false))
}

fn combine(args: &[Value], add: fn(&mut Array, &Array)) -> Option<Data> {
    let mut sum = Array::default();
    for arg in args {
        let array = arg.as_array()?;
        // What is hidden in a later array may stand in the place of anything.
        if array.open.is_some() {
            return None;
        }
        add(&mut sum, array);
    }
    Some(Data::Array(Rc::new(sum)))
}

fn merge_into(sum: &mut Array, array: &Array) {
    for (key, value) in array.iter() {
        match key {
            Key::Int(_) => sum.push(value.clone()),
            key => sum.set(key.clone(), value.clone()),
        }
    }
}

fn replace_into(sum: &mut Array, array: &Array) {
    array.iter().for_each(|(key, value)| sum.set(key.clone(), value.clone()));
}

fn replace_deep(sum: &mut Array, array: &Array) {
    for (key, value) in array.iter() {
        let merged = match (sum.get(key).and_then(Value::as_array), value.as_array()) {
            (Some(old), Some(new)) if old.open.is_none() && new.open.is_none() => {
                let mut inner = old.clone();
                replace_deep(&mut inner, new);
                Value::new(Data::Array(Rc::new(inner)), value.at)
            }
            // What is hidden in the old one would be kept.
            _ => match sum.get(key).and_then(unclear) {
                Some(why) if value.as_array().is_some() => Value::unknown(why, value.at),
                _ => value.clone(),
            },
        };
        sum.set(key.clone(), merged);
    }
}

/// Why a value, or a part of it, can't be told.
fn unclear(value: &Value) -> Option<Why> {
    value.why().or_else(|| value.as_array()?.open.as_ref()).cloned()
}
