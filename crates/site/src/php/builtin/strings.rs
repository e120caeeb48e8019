//! Functions on text and paths.

use std::path::{Component, Path};

use super::super::value::{Array, Data, Place, Value};
use super::Pure;

pub(super) fn function(name: &str) -> Option<Pure> {
    let function: Pure = match name {
        "trim" => |args, _| trim(args, true, true),
        "ltrim" => |args, _| trim(args, true, false),
        "rtrim" | "chop" => |args, _| trim(args, false, true),
        "strtolower" | "mb_strtolower" => |args, _| Some(owned(text(args, 0)?.to_ascii_lowercase())),
        "strtoupper" | "mb_strtoupper" => |args, _| Some(owned(text(args, 0)?.to_ascii_uppercase())),
        "str_replace" => |args, _| match args {
            [from, to, subject] => {
                let (from, to, subject) = (from.as_text()?, to.data.to_text()?, subject.data.to_text()?);
                Some(owned(if from.is_empty() { subject.to_string() } else { subject.replace(from, &to) }))
            }
            _ => None,
        },
        "substr" => |args, _| substr(args),
        "strlen" => |args, _| Some(Data::Int(i64::try_from(text(args, 0)?.len()).ok()?)),
        "strpos" => |args, _| match args {
            [_, _] => Some(match text(args, 0)?.find(&*text(args, 1)?) {
                Some(index) => Data::Int(i64::try_from(index).ok()?),
                None => Data::Bool(false),
            }),
            _ => None,
        },
        "str_contains" => |args, _| Some(Data::Bool(text(args, 0)?.contains(&*text(args, 1)?))),
        "str_starts_with" => |args, _| Some(Data::Bool(text(args, 0)?.starts_with(&*text(args, 1)?))),
        "str_ends_with" => |args, _| Some(Data::Bool(text(args, 0)?.ends_with(&*text(args, 1)?))),
        "implode" | "join" => |args, _| implode(args),
        "explode" => |args, at| explode(args, at),
        "sprintf" => |args, _| sprintf(args),
        "intval" => |args, _| match args {
            [value] => value.data.to_int().map(Data::Int),
            _ => None,
        },
        "strval" => |args, _| Some(Data::Text(text(args, 0)?)),
        "dirname" => |args, _| dirname(args),
        "basename" => |args, _| match args {
            [path] => Some(owned(path.as_text()?.trim_end_matches('/').rsplit('/').next()?.to_owned())),
            _ => None,
        },
        "preg_replace" => |args, _| preg_replace(args),
        "preg_match" => |args, _| match args {
            [pattern, subject] if pattern.as_text()? == "/^[a-zA-Z0-9-]+$/" => {
                let subject = subject.data.to_text()?;
                // `$` matches before a last line break, too.
                let line = subject.strip_suffix('\n').unwrap_or(&subject);
                let fits = !line.is_empty() && line.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
                Some(Data::Int(i64::from(fits)))
            }
            _ => None,
        },
        "trailingslashit" => {
            |args, _| Some(owned(format!("{}/", text(args, 0)?.trim_end_matches(['/', '\\']))))
        }
        _ => return None,
    };
    Some(function)
}

fn owned(text: String) -> Data {
    Data::Text(text.into())
}

fn text(args: &[Value], index: usize) -> Option<std::rc::Rc<str>> {
    args.get(index)?.data.to_text()
}

fn trim(args: &[Value], left: bool, right: bool) -> Option<Data> {
    let chars = match args.get(1) {
        Some(_) => text(args, 1)?,
        None => " \n\r\t\u{b}\0".into(),
    };
    // A range such as a..z is not worked out.
    if chars.contains("..") {
        return None;
    }
    let whole = text(args, 0)?;
    let mut trimmed: &str = &whole;
    if left {
        trimmed = trimmed.trim_start_matches(|c| chars.contains(c));
    }
    if right {
        trimmed = trimmed.trim_end_matches(|c| chars.contains(c));
    }
    Some(owned(trimmed.to_owned()))
}

fn substr(args: &[Value]) -> Option<Data> {
    let whole = text(args, 0)?;
    let length = i64::try_from(whole.len()).ok()?;
    let from = args.get(1)?.data.to_int()?;
    let from = if from < 0 { (length + from).max(0) } else { from.min(length) };
    let to = match args.get(2).map(|value| &value.data) {
        None | Some(Data::Null) => length,
        Some(count) => match count.to_int()? {
            count if count < 0 => length.checked_add(count)?,
            count => from.saturating_add(count).min(length),
        },
    };
    let range = usize::try_from(from).ok()?..usize::try_from(to.max(from)).ok()?;
    whole.get(range).map(|part| owned(part.to_owned()))
}

fn implode(args: &[Value]) -> Option<Data> {
    let (glue, array) = match args {
        [glue, array] if array.as_array().is_some() => (glue.data.to_text()?, array.as_array()?),
        [array] => ("".into(), array.as_array()?),
        _ => return None,
    };
    let parts: Option<Vec<_>> = array.iter().map(|(_, value)| value.data.to_text()).collect();
    array.open.is_none().then_some(())?;
    Some(owned(parts?.join(&*glue)))
}

fn explode(args: &[Value], at: Place) -> Option<Data> {
    let (glue, whole) = (text(args, 0)?, text(args, 1)?);
    if glue.is_empty() || args.len() > 3 {
        return None;
    }
    let mut array = Array::default();
    let most = match args.get(2) {
        Some(limit) => usize::try_from(limit.data.to_int()?).ok().filter(|limit| *limit > 0)?,
        None => 5_000,
    };
    for part in whole.splitn(most, &*glue) {
        array.push(Value::new(owned(part.to_owned()), at));
    }
    Some(Data::Array(std::rc::Rc::new(array)))
}

/// `%s`, `%d` and `%%`; anything finer is not worked out.
fn sprintf(args: &[Value]) -> Option<Data> {
    let format = text(args, 0)?;
    let mut rest = args.iter().skip(1);
    let mut out = String::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        match chars.next()? {
            '%' => out.push('%'),
            's' => out.push_str(&rest.next()?.data.to_text()?),
            'd' => out.push_str(&rest.next()?.data.to_int()?.to_string()),
            _ => return None,
        }
    }
    Some(owned(out))
}

/// The three patterns with which Debian's package makes a file's name from a host's.
fn preg_replace(args: &[Value]) -> Option<Data> {
    let (pattern, subject) = (args.first()?.as_text()?, text(args, 2)?);
    if args.len() != 3 || !text(args, 1)?.is_empty() || subject.contains('\n') {
        return None;
    }
    let kept = match pattern {
        "/:.*/" => subject.split(':').next()?.to_owned(),
        "/[^a-zA-Z0-9.\\-]/" => {
            subject.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-')).collect()
        }
        "/^[^.]*\\./" => subject.split_once('.').map_or(&*subject, |(_, rest)| rest).to_owned(),
        _ => return None,
    };
    Some(owned(kept))
}

fn dirname(args: &[Value]) -> Option<Data> {
    let path = text(args, 0)?;
    let levels = args.get(1).map_or(Some(1), |levels| levels.data.to_int())?;
    let mut path = path.to_string();
    for _ in 0..levels.clamp(0, 100) {
        path = parent(&path);
    }
    Some(owned(path))
}

fn parent(path: &str) -> String {
    let trimmed = path.trim_end_matches('/');
    match trimmed.rfind('/') {
        _ if trimmed.is_empty() && !path.is_empty() => "/".to_owned(),
        Some(index) => match trimmed.get(..index).unwrap_or_default().trim_end_matches('/') {
            "" => "/".to_owned(),
            parent => parent.to_owned(),
        },
        None => {
            let has_name = Path::new(path).components().any(|part| matches!(part, Component::Normal(_)));
            if has_name || !path.is_empty() { ".".to_owned() } else { String::new() }
        }
    }
}
