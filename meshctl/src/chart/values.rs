//! The values of a chart: defaults, files over them, single ones over those, as Helm lays them. Pure.

use std::fmt;

use serde_json::{Map, Value};

/// Longest list that an index may make.
const LONGEST_LIST: usize = 1000;

/// Why a value that was set is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadSet {
    text: String,
    why: &'static str,
}

impl fmt::Display for BadSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "--set {}: {}", self.text, self.why)
    }
}

/// Lays `over` over `under`: objects are merged, null takes away, everything else replaces.
pub(crate) fn lay(under: &mut Value, over: Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (name, value) in over {
                match value {
                    Value::Null => {
                        under.remove(&name);
                    }
                    value => lay(under.entry(name).or_insert(Value::Null), value),
                }
            }
        }
        (under, over) => *under = over,
    }
}

/// Sets what `A.B=VALUE,C[0]=VALUE` says; a backslash keeps a comma or dot from being one.
///
/// # Errors
/// When it says nothing.
pub(crate) fn set(values: &mut Value, text: &str) -> Result<(), BadSet> {
    let bad = |why| BadSet {
        text: text.to_owned(),
        why,
    };
    for part in split(text, ',') {
        let (path, value) = cut(&part, '=').ok_or_else(|| bad("is no NAME=VALUE"))?;
        let mut at = &mut *values;
        for step in split(&path, '.') {
            at = descend(at, &step).map_err(bad)?;
        }
        // Null takes away, which is left to whoever lays these values over others.
        *at = read(&value);
    }
    Ok(())
}

/// One step of a path: a name, and indexes behind it.
fn descend<'v>(mut at: &'v mut Value, step: &str) -> Result<&'v mut Value, &'static str> {
    let (name, indexes) = match step.split_once('[') {
        Some((name, rest)) => (name, Some(rest)),
        None => (step, None),
    };
    if name.is_empty() {
        return Err("a name is empty");
    }
    if !at.is_object() {
        *at = Value::Object(Map::new());
    }
    at = match at {
        Value::Object(members) => members.entry(unescaped(name)).or_insert(Value::Null),
        _ => return Err("a name is empty"),
    };
    for index in indexes.into_iter().flat_map(|rest| rest.split('[')) {
        let index = index
            .strip_suffix(']')
            .and_then(|index| index.parse::<usize>().ok());
        let index = index.filter(|index| *index < LONGEST_LIST);
        let index = index.ok_or("what stands in [] is no index")?;
        if !at.is_array() {
            *at = Value::Array(Vec::new());
        }
        let Value::Array(list) = at else {
            return Err("what stands in [] is no index");
        };
        if list.len() <= index {
            list.resize(index + 1, Value::Null);
        }
        at = list.get_mut(index).ok_or("what stands in [] is no index")?;
    }
    Ok(at)
}

/// Helm's types: true, false, null, whole numbers, {lists}, and text.
fn read(text: &str) -> Value {
    if let Some(list) = text
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'))
    {
        let items = split(list, ',').into_iter().filter(|item| !item.is_empty());
        return items.map(|item| read(&item)).collect();
    }
    match text {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        "null" => Value::Null,
        text => match text.parse::<i64>() {
            // A leading zero makes it text: a version, a number of an account.
            Ok(number) if number.to_string() == text => number.into(),
            Ok(_) | Err(_) => unescaped(text).into(),
        },
    }
}

/// Parts between separators that stand for themselves: not behind a backslash, not in braces.
fn split(text: &str, separator: char) -> Vec<String> {
    let mut parts = vec![String::new()];
    let (mut escaped, mut depth) = (false, 0_u32);
    for c in text.chars() {
        match c {
            '{' if !escaped => depth += 1,
            '}' if !escaped => depth = depth.saturating_sub(1),
            _ => {}
        }
        if c == separator && !escaped && depth == 0 {
            parts.push(String::new());
            continue;
        }
        escaped = c == '\\' && !escaped;
        if let Some(last) = parts.last_mut() {
            last.push(c);
        }
    }
    parts
}

/// The two parts around the first separator that stands for itself.
fn cut(text: &str, separator: char) -> Option<(String, String)> {
    let mut parts = split(text, separator).into_iter();
    let first = parts.next()?;
    let rest: Vec<String> = parts.collect();
    match rest.is_empty() {
        true => None,
        false => Some((first, rest.join(&separator.to_string()))),
    }
}

fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut escaped = false;
    for c in text.chars() {
        escaped = c == '\\' && !escaped;
        if !escaped {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests;
