//! Texts with Envoy's format operators, read once and filled in per request: values of headers, and
//! lines of access logs.

mod subject;
mod value;

use std::borrow::Cow;

use mesh_http::{RequestHead, ResponseHead};
use mesh_model::Str;
use mesh_model::header_format::{self, Fact, FormatError, Grpc, HeaderRef, Operator, Piece, Span};
use mesh_model::time::TimeFormat;

pub use self::subject::{Ended, Facts, Points, Subject, Tls, UpstreamFacts};
use self::value::{Style, Value};
use crate::matching::header::HeaderName;

/// A value with or without operators.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(Str),
    Fact(Fact),
    Start(TimeFormat),
    Span(Span),
    Request(Field),
    RequestWithoutQuery(Field),
    Response(Field),
    Trailer(Field),
    QueryParam(Str, usize),
    Grpc(Grpc),
}

/// A header, by itself or another in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Field {
    name: HeaderName,
    alternative: Option<HeaderName>,
    max: usize,
}

/// What must be kept of an answer until its request is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Needs {
    /// Its head.
    pub response: bool,
    /// Its trailers.
    pub trailers: bool,
}

/// What stands for a value that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// A dash.
    Dash,
    /// Nothing.
    Nothing,
}

impl Needs {
    /// What either needs.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self {
            response: self.response || other.response,
            trailers: self.trailers || other.trailers,
        }
    }
}

impl Missing {
    fn text(self) -> &'static [u8] {
        match self {
            Self::Dash => b"-",
            Self::Nothing => b"",
        }
    }
}

impl Template {
    /// Reads the value of a header.
    pub(crate) fn parse(text: &str) -> Result<Self, FormatError> {
        header_format::of_header(text).map(Self::of)
    }

    /// Reads the format of a log's lines.
    pub(crate) fn of_line(text: &str) -> Result<Self, FormatError> {
        header_format::pieces(text).map(Self::of)
    }

    fn of(pieces: Vec<Piece<'_>>) -> Self {
        // Pieces of text that meet, round a per cent sign, become one.
        let mut parts: Vec<Part> = Vec::with_capacity(pieces.len());
        for piece in pieces {
            let next = Part::of(piece);
            match (parts.last_mut(), next) {
                (Some(Part::Text(last)), Part::Text(more)) => {
                    *last = format!("{last}{more}").into()
                }
                (_, next) => parts.push(next),
            }
        }
        Self(parts)
    }

    /// The value itself, if it has no operators.
    pub(crate) fn literal(&self) -> Option<&str> {
        match self.0.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The value for one message.
    pub(crate) fn fill(
        &self,
        facts: &Facts<'_>,
        request: &RequestHead,
        response: Option<&ResponseHead>,
    ) -> Vec<u8> {
        let subject = Subject {
            facts: *facts,
            request: Some(request),
            response,
            trailers: None,
            ended: None,
        };
        let mut out = Vec::new();
        self.write(&mut out, &subject, Missing::Nothing, Style::Header);
        out
    }

    /// Writes a part of a line.
    pub(crate) fn write_line(&self, out: &mut Vec<u8>, subject: &Subject<'_>, missing: Missing) {
        self.write(out, subject, missing, Style::Line);
    }

    /// Writes a value of JSON: that of an operator which stands alone by its type, else text. Whether
    /// there was one.
    pub(crate) fn write_json(
        &self,
        out: &mut Vec<u8>,
        subject: &Subject<'_>,
        missing: Missing,
    ) -> bool {
        if let [part] = self.0.as_slice()
            && let Some(value) = part.value(subject)
        {
            value.write_typed(out);
            return !value.is_absent();
        }
        out.push(b'"');
        self.write(out, subject, missing, Style::Json);
        out.push(b'"');
        true
    }

    /// Whether its value depends on the head of the request.
    pub(crate) fn reads_request(&self) -> bool {
        self.0.iter().any(Part::reads_request)
    }

    /// What must be kept until it can be filled in.
    pub(crate) fn needs(&self) -> Needs {
        let needs = self.0.iter().map(Part::needs);
        needs.fold(Needs::default(), Needs::with)
    }

    fn write(&self, out: &mut Vec<u8>, subject: &Subject<'_>, missing: Missing, style: Style) {
        for part in &self.0 {
            match (part, style) {
                // What the format itself says needs no care in its line.
                (Part::Text(text), Style::Header | Style::Line) => {
                    out.extend_from_slice(text.as_bytes());
                }
                (Part::Text(text), Style::Json) => value::put(out, text.as_bytes(), style),
                (operator, _) => match operator.value(subject) {
                    None | Some(Value::Absent) => out.extend_from_slice(missing.text()),
                    Some(value) => value.write(out, style),
                },
            }
        }
    }
}

/// A text as a string of JSON.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = vec![b'"'];
    value::put(&mut out, text.as_bytes(), Style::Json);
    out.push(b'"');
    String::from_utf8_lossy(&out).into_owned()
}

impl Part {
    fn of(piece: Piece<'_>) -> Self {
        let operator = match piece {
            Piece::Text(text) => return Self::Text(text.into()),
            Piece::Operator(operator) => operator,
        };
        match operator {
            Operator::Fact(fact) => Self::Fact(fact),
            // Its format was read before: an operator with another one is not passed on.
            Operator::Start(format) => Self::Start(
                format
                    .and_then(|format| TimeFormat::parse(format).ok())
                    .unwrap_or_default(),
            ),
            Operator::Span(span) => Self::Span(span),
            Operator::Request(header) => Self::Request(Field::of(header)),
            Operator::RequestWithoutQuery(header) => Self::RequestWithoutQuery(Field::of(header)),
            Operator::Response(header) => Self::Response(Field::of(header)),
            Operator::Trailer(header) => Self::Trailer(Field::of(header)),
            Operator::QueryParam(param) => {
                Self::QueryParam(param.name.into(), param.max.unwrap_or(usize::MAX))
            }
            Operator::Grpc(form) => Self::Grpc(form),
        }
    }

    /// What the operator stands for; `None` for a text.
    fn value<'s>(&'s self, subject: &Subject<'s>) -> Option<Value<'s>> {
        Some(match self {
            Self::Text(_) => return None,
            Self::Fact(fact) => subject.fact(*fact),
            Self::Start(format) => match subject.ended {
                Some(ended) => Value::Time(ended.start, format),
                None => Value::Absent,
            },
            Self::Span(span) => subject.span(*span),
            Self::Request(field) => field.request(subject, |value| value),
            Self::RequestWithoutQuery(field) => field.request(subject, without_query),
            Self::Response(field) => field.of_answer(|name| subject.response_header(name)),
            Self::Trailer(field) => field.of_answer(|name| subject.trailer(name)),
            Self::QueryParam(name, max) => subject.query_param(name).cut(*max),
            Self::Grpc(form) => subject.grpc(*form),
        })
    }

    fn reads_request(&self) -> bool {
        match self {
            Self::Request(_) | Self::RequestWithoutQuery(_) | Self::QueryParam(..) => true,
            // Only calls have such a status, and a call is known by its head.
            Self::Grpc(_) => true,
            Self::Fact(fact) => matches!(fact, Fact::Protocol | Fact::QueryParams),
            Self::Text(_)
            | Self::Start(_)
            | Self::Span(_)
            | Self::Response(_)
            | Self::Trailer(_) => false,
        }
    }

    fn needs(&self) -> Needs {
        match self {
            Self::Response(field) => Needs {
                response: !field.is_known_without_head(),
                trailers: false,
            },
            Self::Trailer(_) => Needs {
                response: false,
                trailers: true,
            },
            Self::Text(_)
            | Self::Fact(_)
            | Self::Start(_)
            | Self::Span(_)
            | Self::Request(_)
            | Self::RequestWithoutQuery(_)
            | Self::QueryParam(..)
            | Self::Grpc(_) => Needs::default(),
        }
    }
}

fn without_query(value: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    let end = value.iter().position(|byte| *byte == b'?');
    let Some(end) = end else {
        return value;
    };
    match value {
        Cow::Borrowed(bytes) => Cow::Borrowed(bytes.get(..end).unwrap_or_default()),
        Cow::Owned(mut bytes) => {
            bytes.truncate(end);
            Cow::Owned(bytes)
        }
    }
}

impl Field {
    fn of(header: HeaderRef<'_>) -> Self {
        Self {
            name: HeaderName::parse(header.name),
            alternative: header.alternative.map(HeaderName::parse),
            max: header.max.unwrap_or(usize::MAX),
        }
    }

    /// Whether the books know of it themselves, so that no head must be kept for it.
    fn is_known_without_head(&self) -> bool {
        let known = |name: &HeaderName| match name {
            HeaderName::Field(name) => matches!(&**name, subject::SERVICE_TIME | ":status"),
            HeaderName::Method | HeaderName::Authority | HeaderName::Scheme | HeaderName::Path => {
                true
            }
        };
        known(&self.name) && self.alternative.as_ref().is_none_or(known)
    }

    fn request<'s>(
        &self,
        subject: &Subject<'s>,
        change: impl Fn(Cow<'s, [u8]>) -> Cow<'s, [u8]>,
    ) -> Value<'s> {
        let alternative = self.alternative.as_ref();
        let other = || alternative.and_then(|name| subject.request_header(name));
        let value = subject.request_header(&self.name).or_else(other);
        let value = value.map_or(Value::Absent, |value| Value::Bytes(change(value)));
        value.cut(self.max)
    }

    fn of_answer<'s>(&self, value: impl Fn(&HeaderName) -> Value<'s>) -> Value<'s> {
        let first = value(&self.name);
        let found = match &self.alternative {
            Some(other) if first.is_absent() => value(other),
            Some(_) | None => first,
        };
        found.cut(self.max)
    }
}

#[cfg(test)]
mod tests;
