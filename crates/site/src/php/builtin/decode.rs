//! Functions that take coded text apart: JSON, base64, URLs.

use std::rc::Rc;

use super::super::value::{Array, Data, Key, Place, Value};
use super::Pure;

pub(super) fn function(name: &str) -> Option<Pure> {
    let function: Pure = match name {
        // Objects are taken for arrays, whatever the second argument says.
        "json_decode" => |args, at| {
            let text = args.first()?.data.to_text()?;
            Some(serde_json::from_str(&text).map_or(Data::Null, |json| from_json(json, at)))
        },
        "base64_decode" => |args, _| {
            let text = args.first()?.data.to_text()?;
            Some(Data::Text(String::from_utf8(base64(&text)?).ok()?.into()))
        },
        "urldecode" => |args, _| decoded(&args.first()?.data.to_text()?.replace('+', " ")),
        "rawurldecode" => |args, _| decoded(&args.first()?.data.to_text()?),
        "parse_url" => |args, at| parse_url(args, at),
        _ => return None,
    };
    Some(function)
}

fn decoded(text: &str) -> Option<Data> {
    crate::percent::decode(text).map(|text| Data::Text(text.into()))
}

fn from_json(json: serde_json::Value, at: Place) -> Data {
    use serde_json::Value as Json;
    let value = |json| Value::new(from_json(json, at), at);
    match json {
        Json::Null => Data::Null,
        Json::Bool(bool) => Data::Bool(bool),
        Json::Number(number) => number
            .as_i64()
            .map_or_else(|| Value::unknown(super::Why::Form("a number with a fraction"), at).data, Data::Int),
        Json::String(text) => Data::Text(text.into()),
        Json::Array(items) => {
            let mut array = Array::default();
            items.into_iter().take(5_000).for_each(|item| array.push(value(item)));
            Data::Array(Rc::new(array))
        }
        Json::Object(items) => {
            let items = items.into_iter().take(5_000);
            let items = items.map(|(key, item)| (Key::from_text(&key), value(item)));
            Data::Array(Rc::new(Array::from_items(items)))
        }
    }
}

/// Decodes base64, with or without padding; white space is passed over.
pub(in crate::php) fn base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut held, mut bits) = (0_u32, 0_u32);
    for byte in text.bytes().filter(|byte| !byte.is_ascii_whitespace() && *byte != b'=') {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        held = (held << 6) | u32::from(six);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits) as u8);
            held &= (1 << bits) - 1;
        }
    }
    Some(bytes)
}

/// `parse_url()` of URLs with an authority; nothing is decoded, as PHP doesn't.
fn parse_url(args: &[Value], at: Place) -> Option<Data> {
    let [url] = args else { return None };
    let url = url.as_text()?;
    let (scheme, rest) = url.split_once("://")?;
    let (rest, fragment) = split(rest, '#');
    let (rest, query) = split(rest, '?');
    let (authority, path) = match rest.find('/') {
        Some(index) => (rest.get(..index)?, rest.get(index..)),
        None => (rest, None),
    };
    let (account, server) = match authority.rsplit_once('@') {
        Some((account, server)) => (Some(account), server),
        None => (None, authority),
    };
    let (host, port) = match server.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (host, Some(port)),
        _ => (server, None),
    };
    let (user, pass) = match account.map(|account| split(account, ':')) {
        Some((user, pass)) => (Some(user), pass),
        None => (None, None),
    };
    let port = port.filter(|port| !port.is_empty()).map(|port| port.parse::<u16>()).transpose().ok()?;
    let text = |text: &str| Value::new(Data::Text(text.into()), at);
    let mut array = Array::default();
    let mut add = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            array.set(Key::Text(name.into()), value);
        }
    };
    add("scheme", Some(text(scheme)));
    add("host", Some(host).filter(|host| !host.is_empty()).map(text));
    add("port", port.map(|port| Value::new(Data::Int(i64::from(port)), at)));
    add("user", user.map(text));
    add("pass", pass.map(text));
    add("path", path.map(text));
    add("query", query.map(text));
    add("fragment", fragment.map(text));
    Some(Data::Array(Rc::new(array)))
}

fn split(text: &str, at: char) -> (&str, Option<&str>) {
    match text.split_once(at) {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    }
}
