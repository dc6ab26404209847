//! The functions of Helm's templates that our charts use, as sprig and Helm define them.

use std::collections::BTreeMap;
use std::sync::Arc;

use gotmpl::{FuncMap, TemplateError, Value, ValueFunc};
use serde_json::Value as Json;

use crate::embedded::config::yaml;

type Made = Result<Value, TemplateError>;
type Function = fn(&[Value]) -> Made;

/// All of them but those that need the templates or a cluster.
pub(super) fn all() -> FuncMap {
    let list: [(&str, Function); 31] = [
        ("add", add),
        ("contains", contains),
        ("default", default),
        ("dict", dict),
        ("dig", dig),
        ("div", div),
        ("empty", empty),
        ("fail", fail),
        ("fromJson", from_json),
        ("get", get),
        ("hasKey", has_key),
        ("indent", indent),
        ("int", int),
        ("join", join),
        ("keys", keys),
        ("kindIs", kind_is),
        ("list", list_of),
        ("lower", lower),
        ("mul", mul),
        ("nindent", nindent),
        ("omit", omit),
        ("quote", quote),
        ("sortAlpha", sort_alpha),
        ("sub", sub),
        ("substr", substr),
        ("ternary", ternary),
        ("toJson", to_json_text),
        ("toString", to_string),
        ("toYaml", to_yaml),
        ("trimPrefix", trim_prefix),
        ("until", until),
    ];
    let named = list.map(|(name, function)| (name.to_owned(), Arc::new(function) as ValueFunc));
    named.into_iter().collect()
}

/// A template's value as JSON; a function has none.
pub(super) fn to_json(value: &Value) -> Json {
    match value {
        Value::Bool(one) => Json::Bool(*one),
        Value::Int(number) => (*number).into(),
        Value::Uint(number) => (*number).into(),
        Value::Float(number) => {
            serde_json::Number::from_f64(*number).map_or(Json::Null, Json::Number)
        }
        Value::String(text) => Json::String(text.to_string()),
        Value::List(items) => items.iter().map(to_json).collect(),
        Value::Map(members) => {
            let members = members.iter();
            Json::Object(
                members
                    .map(|(name, one)| (name.to_string(), to_json(one)))
                    .collect(),
            )
        }
        Value::Nil | Value::Function(_) => Json::Null,
    }
}

/// JSON as a template's value.
pub(super) fn from(value: &Json) -> Value {
    match value {
        Json::Null => Value::Nil,
        Json::Bool(one) => Value::Bool(*one),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Value::Int(number),
            None => Value::Float(number.as_f64().unwrap_or_default()),
        },
        Json::String(text) => Value::String(text.as_str().into()),
        Json::Array(items) => Value::List(items.iter().map(from).collect()),
        Json::Object(members) => {
            let members = members.iter();
            map(members
                .map(|(name, one)| (name.as_str().into(), from(one)))
                .collect())
        }
    }
}

pub(super) fn wrong(text: impl Into<String>) -> TemplateError {
    TemplateError::Exec(text.into())
}

fn map(members: BTreeMap<Arc<str>, Value>) -> Value {
    Value::Map(Arc::new(members))
}

fn string(text: impl AsRef<str>) -> Value {
    Value::String(text.as_ref().into())
}

pub(super) fn argument(args: &[Value], index: usize) -> Result<&Value, TemplateError> {
    args.get(index)
        .ok_or_else(|| wrong(format!("argument {} is missing", index + 1)))
}

/// Text as Go prints a value.
pub(super) fn text_at(args: &[Value], index: usize) -> Result<String, TemplateError> {
    Ok(argument(args, index)?.to_string())
}

fn number_at(args: &[Value], index: usize) -> Result<i64, TemplateError> {
    let value = argument(args, index)?;
    Ok(match value {
        Value::Int(number) => *number,
        Value::Uint(number) => i64::try_from(*number).unwrap_or(i64::MAX),
        // sprig: cuts off what is behind the point.
        Value::Float(number) => *number as i64,
        other => other.to_string().parse().unwrap_or(0),
    })
}

fn map_at(args: &[Value], index: usize) -> Result<&BTreeMap<Arc<str>, Value>, TemplateError> {
    match argument(args, index)? {
        Value::Map(members) => Ok(members),
        other => Err(wrong(format!(
            "argument {} is no map but {other}",
            index + 1
        ))),
    }
}

fn overflow() -> TemplateError {
    wrong("a number is too large")
}

fn add(args: &[Value]) -> Made {
    let mut sum = 0_i64;
    for index in 0..args.len() {
        sum = sum
            .checked_add(number_at(args, index)?)
            .ok_or_else(overflow)?;
    }
    Ok(Value::Int(sum))
}

fn sub(args: &[Value]) -> Made {
    let difference = number_at(args, 0)?.checked_sub(number_at(args, 1)?);
    difference.map(Value::Int).ok_or_else(overflow)
}

fn mul(args: &[Value]) -> Made {
    let mut product = 1_i64;
    for index in 0..args.len() {
        product = product
            .checked_mul(number_at(args, index)?)
            .ok_or_else(overflow)?;
    }
    Ok(Value::Int(product))
}

fn div(args: &[Value]) -> Made {
    let quotient = number_at(args, 0)?.checked_div(number_at(args, 1)?);
    quotient
        .map(Value::Int)
        .ok_or_else(|| wrong("a division by zero"))
}

fn int(args: &[Value]) -> Made {
    number_at(args, 0).map(Value::Int)
}

/// `until 3` is 0, 1, 2.
fn until(args: &[Value]) -> Made {
    const MOST: i64 = 10_000;
    let end = number_at(args, 0)?;
    if end > MOST {
        return Err(overflow());
    }
    Ok(Value::List((0..end).map(Value::Int).collect()))
}

fn contains(args: &[Value]) -> Made {
    let (part, whole) = (text_at(args, 0)?, text_at(args, 1)?);
    Ok(Value::Bool(whole.contains(&part)))
}

fn lower(args: &[Value]) -> Made {
    Ok(string(text_at(args, 0)?.to_lowercase()))
}

fn trim_prefix(args: &[Value]) -> Made {
    let (prefix, text) = (text_at(args, 0)?, text_at(args, 1)?);
    Ok(string(text.strip_prefix(&prefix).unwrap_or(&text)))
}

/// From a byte up to another one; where they are none, an end of the text.
fn substr(args: &[Value]) -> Made {
    let (from, to) = (number_at(args, 0)?, number_at(args, 1)?);
    let text = text_at(args, 2)?;
    let from = usize::try_from(from).unwrap_or(0);
    let to = usize::try_from(to).unwrap_or(text.len()).min(text.len());
    Ok(string(text.get(from..to).unwrap_or_default()))
}

fn to_string(args: &[Value]) -> Made {
    Ok(string(text_at(args, 0)?))
}

fn quote(args: &[Value]) -> Made {
    let quoted = args.iter().filter(|one| !matches!(one, Value::Nil));
    let quoted: Vec<String> = quoted.map(|one| format!("{:?}", one.to_string())).collect();
    Ok(string(quoted.join(" ")))
}

fn indented(args: &[Value]) -> Result<String, TemplateError> {
    let width = usize::try_from(number_at(args, 0)?).unwrap_or(0);
    let space = " ".repeat(width);
    let text = text_at(args, 1)?;
    let lines: Vec<String> = text
        .split('\n')
        .map(|line| format!("{space}{line}"))
        .collect();
    Ok(lines.join("\n"))
}

fn indent(args: &[Value]) -> Made {
    indented(args).map(string)
}

fn nindent(args: &[Value]) -> Made {
    indented(args).map(|text| string(format!("\n{text}")))
}

fn join(args: &[Value]) -> Made {
    let separator = text_at(args, 0)?;
    let Value::List(items) = argument(args, 1)? else {
        return text_at(args, 1).map(string);
    };
    let items: Vec<String> = items.iter().map(ToString::to_string).collect();
    Ok(string(items.join(&separator)))
}

fn default(args: &[Value]) -> Made {
    let otherwise = argument(args, 0)?;
    Ok(match args.get(1) {
        Some(value) if value.is_truthy() => value.clone(),
        _ => otherwise.clone(),
    })
}

fn empty(args: &[Value]) -> Made {
    Ok(Value::Bool(!argument(args, 0)?.is_truthy()))
}

fn ternary(args: &[Value]) -> Made {
    let index = usize::from(!argument(args, 2)?.is_truthy());
    argument(args, index).cloned()
}

fn fail(args: &[Value]) -> Made {
    Err(wrong(text_at(args, 0)?))
}

fn list_of(args: &[Value]) -> Made {
    Ok(Value::List(args.into()))
}

fn dict(args: &[Value]) -> Made {
    let pairs = args.chunks(2).map(|pair| match pair {
        [name, value] => (name.to_string().into(), value.clone()),
        // sprig: a name without a value has the empty text.
        pair => (
            pair.first()
                .map(ToString::to_string)
                .unwrap_or_default()
                .into(),
            string(""),
        ),
    });
    Ok(map(pairs.collect()))
}

fn get(args: &[Value]) -> Made {
    let found = map_at(args, 0)?.get(text_at(args, 1)?.as_str());
    Ok(found.cloned().unwrap_or_else(|| string("")))
}

fn has_key(args: &[Value]) -> Made {
    Ok(Value::Bool(
        map_at(args, 0)?.contains_key(text_at(args, 1)?.as_str()),
    ))
}

fn keys(args: &[Value]) -> Made {
    let mut all = Vec::new();
    for index in 0..args.len() {
        all.extend(map_at(args, index)?.keys().map(string));
    }
    Ok(Value::List(all.into()))
}

fn sort_alpha(args: &[Value]) -> Made {
    let Value::List(items) = argument(args, 0)? else {
        return Ok(Value::List([string(text_at(args, 0)?)].into()));
    };
    let mut items: Vec<String> = items.iter().map(ToString::to_string).collect();
    items.sort_unstable();
    Ok(Value::List(items.iter().map(string).collect()))
}

fn omit(args: &[Value]) -> Made {
    let mut left = map_at(args, 0)?.clone();
    for index in 1..args.len() {
        left.remove(text_at(args, index)?.as_str());
    }
    Ok(map(left))
}

/// `dig "a" "b" DEFAULT MAP`.
fn dig(args: &[Value]) -> Made {
    let [names @ .., otherwise, whole] = args else {
        return Err(wrong("dig wants names, a default and a map"));
    };
    let mut at = whole;
    for name in names {
        let Value::Map(members) = at else {
            return Ok(otherwise.clone());
        };
        match members.get(name.to_string().as_str()) {
            Some(found) => at = found,
            None => return Ok(otherwise.clone()),
        }
    }
    Ok(at.clone())
}

/// Go's kinds of values, as far as YAML has them.
fn kind_is(args: &[Value]) -> Made {
    let kind = match argument(args, 1)? {
        Value::Map(_) => "map",
        Value::List(_) => "slice",
        Value::String(_) => "string",
        Value::Bool(_) => "bool",
        Value::Int(_) => "int64",
        Value::Uint(_) => "uint64",
        Value::Float(_) => "float64",
        Value::Function(_) => "func",
        Value::Nil => "invalid",
    };
    Ok(Value::Bool(text_at(args, 0)? == kind))
}

fn to_yaml(args: &[Value]) -> Made {
    let made = yaml(&to_json(argument(args, 0)?));
    let made = made.map_err(|error| wrong(error.error))?;
    Ok(string(made.trim_end_matches('\n')))
}

fn to_json_text(args: &[Value]) -> Made {
    Ok(string(to_json(argument(args, 0)?).to_string()))
}

fn from_json(args: &[Value]) -> Made {
    let read = serde_json::from_str(&text_at(args, 0)?);
    read.map(|read| from(&read))
        .map_err(|error| wrong(error.to_string()))
}
