//! Tables of fields, and the walk that holds a document against them.
//!
//! The walk reports everything that is wrong at once, each with its path, and returns the value in
//! one canonical form (camelCase names, numbers as numbers, nothing null), which the types of the
//! kind then read. Unknown fields are never dropped in silence.

use std::fmt;

use mesh_model::diag::{Diagnostic, Severity};
use mesh_model::name::ResourceKey;
use serde_json::{Map, Number, Value};

use crate::codes;
use crate::wire::parse_duration;

pub(crate) mod spelling;

/// The fields of one message.
#[derive(Debug)]
pub(crate) struct Message {
    /// Fields that the types read.
    pub(crate) fields: &'static [(&'static str, Shape)],
    /// Fields that exist and mean nothing to the mesh.
    pub(crate) ignored: &'static [&'static str],
    /// Fields that Istio knows and this version of mesh refuses.
    pub(crate) later: &'static [&'static str],
    /// Fields of which at most one may be set.
    pub(crate) exclusive: &'static [&'static [&'static str]],
    /// Fields without which an API server refuses the message; here validation says it in words.
    pub(crate) required: &'static [&'static str],
    /// What an API server checks besides: an expression of CEL, and what to say when it is false.
    pub(crate) rules: &'static [(&'static str, &'static str)],
    /// What an unknown field is.
    pub(crate) unknown: Severity,
}

impl Message {
    /// The base of Istio's messages: an unknown field is an error.
    pub(crate) const ISTIO: Self = Self {
        fields: &[],
        ignored: &[],
        later: &[],
        exclusive: &[],
        required: &[],
        rules: &[],
        unknown: Severity::Error,
    };
    /// The base of Kubernetes' messages: an unknown field is a warning.
    pub(crate) const KUBERNETES: Self = Self {
        unknown: Severity::Warning,
        ..Self::ISTIO
    };
}

/// What a value may look like.
#[derive(Debug)]
pub(crate) enum Shape {
    /// A string.
    Text,
    /// A string that is never repeated in a message.
    Hidden,
    /// A boolean.
    Bool,
    /// A whole number from 0 to 2³¹-1, or its text.
    Count,
    /// A number from 0 to 100, not always whole.
    Percent,
    /// A number from 1 to 1000, not always whole.
    Factor,
    /// A number from 1 to 65535, or its text.
    Port,
    /// A port's number or its name.
    PortOrName,
    /// Text such as `1.5s`.
    Duration,
    /// One of some names.
    Choice {
        /// Supported.
        now: &'static [&'static str],
        /// Known to Istio, not supported yet.
        later: &'static [&'static str],
    },
    /// One of some upper-case names, in any case.
    AnyCaseChoice {
        /// Supported.
        now: &'static [&'static str],
        /// Known to Istio, not supported yet.
        later: &'static [&'static str],
    },
    /// A list.
    List(&'static Self),
    /// A map from text.
    Map(&'static Self),
    /// A map whose keys are ports.
    MapByPort(&'static Self),
    /// A message.
    Message(&'static Message),
    /// A shape that several fields share.
    Same(&'static Self),
    /// Anything; not kept.
    Ignored,
}

/// Where a value stands; printed as `spec.http[0].match`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place<'a> {
    /// A name at the top; empty for the whole document.
    Top(&'a str),
    /// A field.
    Field(&'a Self, &'a str),
    /// A list's element.
    Element(&'a Self, usize),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Top(name) => f.write_str(name),
            Self::Field(Place::Top(""), name) => f.write_str(name),
            Self::Field(parent, name) if name.contains(['.', '/']) => {
                write!(f, "{parent}[{name:?}]")
            }
            Self::Field(parent, name) => write!(f, "{parent}.{name}"),
            Self::Element(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

/// Holds `value` against `message` and returns its canonical form.
///
/// With an error among the new diagnostics the value must not be used.
pub(crate) fn canonical(
    message: &'static Message,
    top: &str,
    value: &Value,
    key: &ResourceKey,
    found: &mut Vec<Diagnostic>,
) -> Value {
    let mut walk = Walk { key, found };
    let place = Place::Top(top);
    match value {
        Value::Null => Value::Object(Map::new()),
        other => walk
            .message(message, &place, other)
            .unwrap_or_else(|| Value::Object(Map::new())),
    }
}

struct Walk<'a> {
    key: &'a ResourceKey,
    found: &'a mut Vec<Diagnostic>,
}

impl Walk<'_> {
    fn shape(&mut self, shape: &Shape, place: &Place<'_>, value: &Value) -> Option<Value> {
        match shape {
            Shape::Text => self.text(place, value),
            Shape::Hidden => self.hidden(place, value),
            Shape::Bool => self.boolean(place, value),
            Shape::Count => self.number(place, value, 0, i64::from(i32::MAX)),
            Shape::Percent => self.fraction(place, value, 0.0, 100.0),
            Shape::Factor => self.fraction(place, value, 1.0, 1000.0),
            Shape::Port => self.number(place, value, 1, i64::from(u16::MAX)),
            Shape::PortOrName => self.port_or_name(place, value),
            Shape::Duration => self.duration(place, value),
            Shape::Choice { now, later } => self.choice(place, value, now, later, str::to_owned),
            Shape::AnyCaseChoice { now, later } => {
                self.choice(place, value, now, later, str::to_ascii_uppercase)
            }
            Shape::List(of) => self.list(of, place, value),
            Shape::Map(of) => self.map(of, place, value, |_| true),
            Shape::MapByPort(of) => self.map(of, place, value, is_port),
            Shape::Message(message) => self.message(message, place, value),
            Shape::Same(shape) => self.shape(shape, place, value),
            Shape::Ignored => None,
        }
    }

    fn message(&mut self, message: &Message, place: &Place<'_>, value: &Value) -> Option<Value> {
        let Value::Object(members) = value else {
            return self.mismatch(place, "a map of fields", value);
        };
        let mut canonical = Map::new();
        for (written, value) in members {
            let name = camel_case(written);
            let place = Place::Field(place, written);
            if let Some((name, shape)) = message.fields.iter().find(|(known, _)| *known == name) {
                // proto-JSON: null means that the field is not set.
                let read = match value {
                    Value::Null => None,
                    other => self.shape(shape, &place, other),
                };
                let before = read.and_then(|read| canonical.insert((*name).to_owned(), read));
                if before.is_some() {
                    self.error(codes::SCHEMA, &place, "is given twice, in two spellings");
                }
            } else if message.later.contains(&name.as_str()) {
                self.unsupported(&place, value);
            } else if !message.ignored.contains(&name.as_str()) {
                self.unknown(message, &place, written);
            }
        }
        self.exclusive(message, place, &canonical);
        Some(Value::Object(canonical))
    }

    fn exclusive(&mut self, message: &Message, place: &Place<'_>, canonical: &Map<String, Value>) {
        for group in message.exclusive {
            let set: Vec<&str> = group
                .iter()
                .copied()
                .filter(|name| canonical.contains_key(*name))
                .collect();
            if set.len() > 1 {
                let text = format!("only one of {} may be set", set.join(", "));
                self.error(codes::SCHEMA, place, text);
            }
        }
    }

    fn unsupported(&mut self, place: &Place<'_>, value: &Value) {
        if !value.is_null() {
            let text = "known to Istio but not supported by this version of mesh";
            self.error(codes::UNSUPPORTED, place, text);
        }
    }

    fn unknown(&mut self, message: &Message, place: &Place<'_>, written: &str) {
        let known = || {
            let fields = message.fields.iter().map(|(name, _)| *name);
            fields.chain(message.later.iter().chain(message.ignored).copied())
        };
        let hint = match spelling::nearest(written, known()) {
            Some(name) => format!("did you mean {name:?}?"),
            None if message.unknown == Severity::Error => {
                format!("known here: {}", known().collect::<Vec<_>>().join(", "))
            }
            None => String::new(),
        };
        let mut diagnostic =
            Diagnostic::error(codes::SCHEMA, self.key, place.to_string(), "unknown field")
                .with_hint(hint);
        diagnostic.severity = message.unknown;
        self.found.push(diagnostic);
    }

    fn text(&mut self, place: &Place<'_>, value: &Value) -> Option<Value> {
        match value {
            Value::String(_) => Some(value.clone()),
            Value::Number(_) | Value::Bool(_) => {
                let text = format!("expected a string, found {}", described(value));
                let hint = format!("write it in quotes: \"{value}\"");
                self.error_with_hint(codes::SCHEMA, place, text, hint)
            }
            Value::Null | Value::Array(_) | Value::Object(_) => {
                self.mismatch(place, "a string", value)
            }
        }
    }

    fn hidden(&mut self, place: &Place<'_>, value: &Value) -> Option<Value> {
        match value {
            Value::String(_) => Some(value.clone()),
            _ => self.error(
                codes::SCHEMA,
                place,
                "expected a string, found something else",
            ),
        }
    }

    fn boolean(&mut self, place: &Place<'_>, value: &Value) -> Option<Value> {
        match value {
            Value::Bool(_) => Some(value.clone()),
            _ => self.mismatch(place, "true or false", value),
        }
    }

    fn number(&mut self, place: &Place<'_>, value: &Value, from: i64, to: i64) -> Option<Value> {
        match whole_number(value) {
            Some(number) if (from..=to).contains(&number) => {
                Some(Value::Number(Number::from(number)))
            }
            Some(number) => {
                let text = format!("{number} is out of range, expected {from} to {to}");
                self.error(codes::SCHEMA, place, text)
            }
            None => self.mismatch(place, "a whole number", value),
        }
    }

    fn fraction(&mut self, place: &Place<'_>, value: &Value, from: f64, to: f64) -> Option<Value> {
        match value.as_f64() {
            Some(number) if (from..=to).contains(&number) => Some(value.clone()),
            Some(number) => {
                let text = format!("{number} is out of range, expected {from} to {to}");
                self.error(codes::SCHEMA, place, text)
            }
            None => self.mismatch(place, "a number", value),
        }
    }

    fn port_or_name(&mut self, place: &Place<'_>, value: &Value) -> Option<Value> {
        match value {
            Value::String(name) if name.parse::<i64>().is_err() => Some(value.clone()),
            _ => self.number(place, value, 1, i64::from(u16::MAX)),
        }
    }

    fn duration(&mut self, place: &Place<'_>, value: &Value) -> Option<Value> {
        match value {
            Value::String(text) if parse_duration(text).is_some() => Some(value.clone()),
            _ => {
                let text = format!("expected a duration, found {}", described(value));
                let hint = "write for example 1.5s, 100ms or 1h";
                self.error_with_hint(codes::SCHEMA, place, text, hint)
            }
        }
    }

    fn choice(
        &mut self,
        place: &Place<'_>,
        value: &Value,
        now: &[&str],
        later: &[&str],
        spelled: fn(&str) -> String,
    ) -> Option<Value> {
        let Value::String(written) = value else {
            return self.mismatch(place, "a name", value);
        };
        let name = spelled(written);
        if now.contains(&name.as_str()) {
            return Some(Value::String(name));
        }
        if later.contains(&name.as_str()) {
            let text =
                format!("{name} is known to Istio but not supported by this version of mesh");
            let hint = format!("supported: {}", now.join(", "));
            return self.error_with_hint(codes::UNSUPPORTED, place, text, hint);
        }
        let hint = match spelling::nearest(written, now.iter().copied()) {
            Some(name) => format!("did you mean {name}?"),
            None => format!("one of {}", now.join(", ")),
        };
        let text = format!("unknown value {written:?}");
        self.error_with_hint(codes::SCHEMA, place, text, hint)
    }

    fn list(&mut self, of: &Shape, place: &Place<'_>, value: &Value) -> Option<Value> {
        let Value::Array(elements) = value else {
            return self.mismatch(place, "a list", value);
        };
        let elements = elements
            .iter()
            .enumerate()
            .filter_map(|(index, element)| self.shape(of, &Place::Element(place, index), element));
        Some(Value::Array(elements.collect()))
    }

    fn map(
        &mut self,
        of: &Shape,
        place: &Place<'_>,
        value: &Value,
        allows: fn(&str) -> bool,
    ) -> Option<Value> {
        let Value::Object(members) = value else {
            return self.mismatch(place, "a map", value);
        };
        let mut canonical = Map::new();
        for (name, value) in members {
            let place = Place::Field(place, name);
            if !allows(name) {
                self.error(
                    codes::SCHEMA,
                    &place,
                    "the key is not a port from 1 to 65535",
                );
            }
            if let Some(value) = self.shape(of, &place, value) {
                canonical.insert(name.clone(), value);
            }
        }
        Some(Value::Object(canonical))
    }

    fn mismatch(&mut self, place: &Place<'_>, expected: &str, value: &Value) -> Option<Value> {
        let text = format!("expected {expected}, found {}", described(value));
        self.error(codes::SCHEMA, place, text)
    }

    fn error(
        &mut self,
        code: &'static str,
        place: &Place<'_>,
        text: impl Into<String>,
    ) -> Option<Value> {
        self.error_with_hint(code, place, text, "")
    }

    /// Always `None`: a value with an error has no canonical form.
    fn error_with_hint(
        &mut self,
        code: &'static str,
        place: &Place<'_>,
        text: impl Into<String>,
        hint: impl Into<String>,
    ) -> Option<Value> {
        let diagnostic = Diagnostic::error(code, self.key, place.to_string(), text);
        self.found.push(diagnostic.with_hint(hint));
        None
    }
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok_and(|port| port > 0)
}

/// proto-JSON allows numbers in quotes, and whole numbers with a point.
fn whole_number(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| whole(number.as_f64()?)),
        Value::String(text) => text.parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn whole(number: f64) -> Option<i64> {
    // Whole and below 2^53, so that the cast loses nothing.
    (number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0).then_some(number as i64)
}

/// What a value is, for messages; long text is cut.
pub fn described(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(flag) => format!("the boolean {flag}"),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) if text.chars().count() > 40 => {
            format!("{:?}…", text.chars().take(40).collect::<String>())
        }
        Value::String(text) => format!("{text:?}"),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a map".to_owned(),
    }
}

/// proto-JSON accepts the names of the protobuf definition as well: `export_to` is `exportTo`.
fn camel_case(written: &str) -> String {
    let mut name = String::with_capacity(written.len());
    let mut raise = false;
    for letter in written.chars() {
        match letter {
            '_' => raise = true,
            letter if raise => {
                name.push(letter.to_ascii_uppercase());
                raise = false;
            }
            letter => name.push(letter),
        }
    }
    name
}

#[cfg(test)]
mod tests;
