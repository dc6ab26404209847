//! Operators, and how each is written.

use super::FormatError;
use super::fact::{self, Fact};
use crate::time::TimeFormat;

/// What an operator stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator<'a> {
    /// Something that has a name of its own.
    Fact(Fact),
    /// When the request came, by a format of time; Envoy's own where there is none.
    Start(Option<&'a str>),
    /// The time from one point to another.
    Span(Span),
    /// A header of the request.
    Request(HeaderRef<'a>),
    /// A header of the request that is a path, without what is after its question mark.
    RequestWithoutQuery(HeaderRef<'a>),
    /// A header of the response.
    Response(HeaderRef<'a>),
    /// A trailer of the response.
    Trailer(HeaderRef<'a>),
    /// A parameter of the path.
    QueryParam(HeaderRef<'a>),
    /// The status of a call of gRPC.
    Grpc(Grpc),
}

impl Operator<'_> {
    /// Whether it says something only when a request is over, so that no header can have it.
    #[must_use]
    pub fn is_of_the_end(self) -> bool {
        match self {
            Self::Start(_) | Self::Span(_) | Self::Trailer(_) | Self::Grpc(_) => true,
            Self::Fact(fact) => fact.is_of_the_end(),
            Self::Request(_)
            | Self::RequestWithoutQuery(_)
            | Self::Response(_)
            | Self::QueryParam(_) => false,
        }
    }
}

/// `NAME?ALTERNATIVE):LENGTH`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeaderRef<'a> {
    /// The header.
    pub name: &'a str,
    /// The one that counts where that is missing.
    pub alternative: Option<&'a str>,
    /// How many bytes of the value are taken.
    pub max: Option<usize>,
}

/// The time from one point of a request to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first.
    pub from: Point,
    /// The second.
    pub to: Point,
    /// In what it is counted.
    pub unit: Unit,
}

/// A moment of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// Its head was there.
    RequestBegins,
    /// Its last byte was there.
    RequestEnds,
    /// Its head was sent to the endpoint.
    UpstreamRequestBegins,
    /// Its last byte was sent to the endpoint.
    UpstreamRequestEnds,
    /// The endpoint's answer began.
    UpstreamResponseBegins,
    /// The endpoint's answer was there.
    UpstreamResponseEnds,
    /// The answer's head was given to the client.
    ResponseBegins,
    /// The answer's last byte was given to the client.
    ResponseEnds,
}

/// In what a time is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Milliseconds.
    Millis,
    /// Microseconds.
    Micros,
    /// Nanoseconds.
    Nanos,
}

/// How a status of gRPC is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grpc {
    /// `DeadlineExceeded`
    Camel,
    /// `DEADLINE_EXCEEDED`
    Snake,
    /// `4`
    Number,
}

/// Envoy's words for points.
const POINTS: [(&str, Point); 8] = [
    ("DS_RX_BEG", Point::RequestBegins),
    ("DS_RX_END", Point::RequestEnds),
    ("US_TX_BEG", Point::UpstreamRequestBegins),
    ("US_TX_END", Point::UpstreamRequestEnds),
    ("US_RX_BEG", Point::UpstreamResponseBegins),
    ("US_RX_END", Point::UpstreamResponseEnds),
    ("DS_TX_BEG", Point::ResponseBegins),
    ("DS_TX_END", Point::ResponseEnds),
];

const NO_SUBJECT: &str = "certificates of the mesh have no subject; use DOWNSTREAM_PEER_URI_SAN or UPSTREAM_PEER_URI_SAN";
const NOT_KEPT: &str = "clients' certificates are not kept; use DOWNSTREAM_PEER_FINGERPRINT_256 or \
     DOWNSTREAM_PEER_URI_SAN";
/// What Envoy knows of and this mesh has nothing of.
const SENSELESS: [(&str, &str); 15] = [
    (
        "DYNAMIC_METADATA",
        "no filter here writes any; leave it out",
    ),
    (
        "METADATA",
        "routes and clusters keep none; use ROUTE_NAME or UPSTREAM_CLUSTER",
    ),
    (
        "CLUSTER_METADATA",
        "clusters keep none; use UPSTREAM_CLUSTER",
    ),
    (
        "UPSTREAM_METADATA",
        "endpoints keep none; use UPSTREAM_CLUSTER",
    ),
    (
        "FILTER_STATE",
        "filters keep none; use DOWNSTREAM_PEER_URI_SAN or UPSTREAM_PEER_URI_SAN",
    ),
    (
        "UPSTREAM_FILTER_STATE",
        "filters keep none; use UPSTREAM_PEER_URI_SAN",
    ),
    (
        "ENVIRONMENT",
        "the environment is not told; write the value itself",
    ),
    ("CEL", "expressions are not evaluated; use the operators"),
    ("DOWNSTREAM_PEER_SUBJECT", NO_SUBJECT),
    ("DOWNSTREAM_LOCAL_SUBJECT", NO_SUBJECT),
    ("UPSTREAM_PEER_SUBJECT", NO_SUBJECT),
    ("DOWNSTREAM_PEER_ISSUER", NOT_KEPT),
    ("DOWNSTREAM_PEER_SERIAL", NOT_KEPT),
    ("DOWNSTREAM_PEER_CERT", NOT_KEPT),
    ("DOWNSTREAM_PEER_FINGERPRINT_1", NOT_KEPT),
];

/// Reads an operator, which is not empty.
pub(super) fn parse(text: &str) -> Result<Operator<'_>, FormatError> {
    let (name, brackets) = match text.split_once('(') {
        Some((name, rest)) => (name, Some(rest)),
        None => (text, None),
    };
    let header = || {
        let header = brackets.and_then(header_ref);
        header.ok_or_else(|| FormatError::NoHeader(text.to_owned()))
    };
    match name {
        "REQ" | "REQUEST_HEADER" => header().map(Operator::Request),
        "REQ_WITHOUT_QUERY" => header().map(Operator::RequestWithoutQuery),
        "RESP" | "RESPONSE_HEADER" => header().map(Operator::Response),
        "TRAILER" | "RESPONSE_TRAILER" => header().map(Operator::Trailer),
        "QUERY_PARAM" => query_param(text, brackets),
        "START_TIME" => start(text, brackets),
        "COMMON_DURATION" => common_duration(text, brackets),
        "GRPC_STATUS" => grpc(text, brackets),
        "GRPC_STATUS_NUMBER" => plain(name, brackets, Operator::Grpc(Grpc::Number)),
        _ => other(text, name, brackets),
    }
}

fn other<'a>(
    text: &'a str,
    name: &str,
    brackets: Option<&str>,
) -> Result<Operator<'a>, FormatError> {
    if let Some(fact) = fact::named(name) {
        return plain(name, brackets, Operator::Fact(fact));
    }
    if let Some(span) = fact::span(name) {
        return plain(name, brackets, Operator::Span(span));
    }
    match SENSELESS.iter().find(|(known, _)| *known == name) {
        Some((_, why)) => Err(FormatError::Senseless {
            operator: text.to_owned(),
            why,
        }),
        None => Err(FormatError::Unknown(text.to_owned())),
    }
}

fn plain<'a>(
    name: &str,
    brackets: Option<&str>,
    operator: Operator<'a>,
) -> Result<Operator<'a>, FormatError> {
    match brackets {
        None => Ok(operator),
        Some(_) => Err(FormatError::Brackets(name.to_owned())),
    }
}

/// Reads what follows the opening bracket.
fn header_ref(text: &str) -> Option<HeaderRef<'_>> {
    let (names, max) = text.split_once(')')?;
    let (name, alternative) = match names.split_once('?') {
        Some((name, alternative)) => (name, Some(alternative)),
        None => (names, None),
    };
    if name.is_empty() || alternative.is_some_and(str::is_empty) {
        return None;
    }
    let max = match max.strip_prefix(':') {
        Some(max) => Some(max.parse().ok()?),
        None if max.is_empty() => None,
        None => return None,
    };
    Some(HeaderRef {
        name,
        alternative,
        max,
    })
}

fn argument(operator: &str, why: impl Into<String>) -> FormatError {
    FormatError::Argument {
        operator: operator.to_owned(),
        why: why.into(),
    }
}

fn query_param<'a>(text: &str, brackets: Option<&'a str>) -> Result<Operator<'a>, FormatError> {
    let param = brackets.and_then(header_ref);
    let param = param.filter(|param| param.alternative.is_none());
    let why = "must name one parameter in brackets";
    param
        .map(Operator::QueryParam)
        .ok_or_else(|| argument(text, why))
}

fn start<'a>(text: &str, brackets: Option<&'a str>) -> Result<Operator<'a>, FormatError> {
    let Some(brackets) = brackets else {
        return Ok(Operator::Start(None));
    };
    let unclosed = || argument(text, "its format of time ends with a bracket");
    let format = brackets.strip_suffix(')').ok_or_else(unclosed)?;
    TimeFormat::parse(format).map_err(|why| argument(text, why.to_string()))?;
    Ok(Operator::Start(
        Some(format).filter(|format| !format.is_empty()),
    ))
}

fn grpc<'a>(text: &str, brackets: Option<&str>) -> Result<Operator<'a>, FormatError> {
    let form = match brackets.map(|rest| rest.strip_suffix(')')) {
        None | Some(Some("" | "CAMEL_STRING")) => Grpc::Camel,
        Some(Some("SNAKE_STRING")) => Grpc::Snake,
        Some(Some("NUMBER")) => Grpc::Number,
        Some(_) => {
            let why = "may have CAMEL_STRING, SNAKE_STRING or NUMBER in brackets";
            return Err(argument(text, why));
        }
    };
    Ok(Operator::Grpc(form))
}

fn common_duration<'a>(text: &str, brackets: Option<&str>) -> Result<Operator<'a>, FormatError> {
    let words: Vec<_> = brackets
        .and_then(|rest| rest.strip_suffix(')'))
        .map(|inside| inside.split(':').collect())
        .unwrap_or_default();
    let [from, to, unit] = words.as_slice() else {
        return Err(argument(text, "must have (FROM:TO:ms), or us or ns"));
    };
    let point = |word: &str| {
        let found = POINTS.iter().find(|(known, _)| *known == word);
        let names = POINTS.map(|(name, _)| name).join(", ");
        let why = || argument(text, format!("{word:?} is no point; there are {names}"));
        found.map(|(_, point)| *point).ok_or_else(why)
    };
    let unit = match *unit {
        "ms" => Unit::Millis,
        "us" => Unit::Micros,
        "ns" => Unit::Nanos,
        other => {
            let why = format!("{other:?} is no unit; there are ms, us and ns");
            return Err(argument(text, why));
        }
    };
    Ok(Operator::Span(Span {
        from: point(from)?,
        to: point(to)?,
        unit,
    }))
}
