//! Texts with format operators, as Envoy writes them: `%REQ(x-user?x-guest):8%`. Values of headers
//! have them, and the lines of access logs.
//!
//! What is checked when an object is applied and what proxies fill in is read by the same code, so
//! that no value gets into force which a proxy then refuses.

mod fact;
mod operator;

pub use fact::{Fact, Port};
pub use operator::{Grpc, HeaderRef, Operator, Point, Span, Unit};

/// A part of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Text as it is; `%%` gives a per cent sign.
    Text(&'a str),
    /// Something of the request, the response or the connection.
    Operator(Operator<'a>),
}

/// Why a value cannot be filled in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// A per cent sign that begins no operator.
    #[error("{0:?} has a lone %; write %% for a per cent sign")]
    LonePercent(String),
    /// No such operator, or one that is not supported.
    #[error("the operator %{0}% is not supported")]
    Unknown(String),
    /// The operator stands for a header and does not say which.
    #[error("the operator %{0}% must name a header in brackets")]
    NoHeader(String),
    /// The operator has brackets and needs none.
    #[error("the operator %{0}% takes no brackets")]
    Brackets(String),
    /// What stands in the brackets is not understood.
    #[error("the operator %{operator}%: {why}")]
    Argument {
        /// The operator with its brackets.
        operator: String,
        /// What is wrong, and what may stand there.
        why: String,
    },
    /// Envoy has the operator; here there is nothing that it could say.
    #[error("the operator %{operator}% is not supported: {why}")]
    Senseless {
        /// The operator with its brackets.
        operator: String,
        /// Why, and what to write instead.
        why: &'static str,
    },
    /// The operator says something only when the request is over.
    #[error("an operator of {0:?} is for access logs alone: no header can tell how a request ends")]
    OfTheEnd(String),
}

/// istio: the line of an access log, `EnvoyTextLogFormat`, `pilot/pkg/model/telemetry_logging.go`.
pub const ISTIO_LINE: &str = "[%START_TIME%] \"%REQ(:METHOD)% \
     %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% %RESPONSE_FLAGS% \
     %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% \
     \"%UPSTREAM_TRANSPORT_FAILURE_REASON%\" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% \
     %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" \
     \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\" %UPSTREAM_CLUSTER_RAW% \
     %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% \
     %REQUESTED_SERVER_NAME% %ROUTE_NAME%\n";

/// Takes the value of a header apart.
///
/// # Errors
/// [`FormatError`] names the first operator that cannot be filled in.
pub fn of_header(text: &str) -> Result<Vec<Piece<'_>>, FormatError> {
    let pieces = pieces(text)?;
    let is_late = |piece: &Piece<'_>| match piece {
        Piece::Operator(operator) => operator.is_of_the_end(),
        Piece::Text(_) => false,
    };
    match pieces.iter().any(is_late) {
        true => Err(FormatError::OfTheEnd(text.to_owned())),
        false => Ok(pieces),
    }
}

/// Takes the format of a log's lines apart.
///
/// # Errors
/// [`FormatError`] names the first operator that cannot be filled in.
pub fn pieces(text: &str) -> Result<Vec<Piece<'_>>, FormatError> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        let (operator, after) =
            until_end(after).ok_or_else(|| FormatError::LonePercent(text.to_owned()))?;
        if !before.is_empty() {
            pieces.push(Piece::Text(before));
        }
        pieces.push(match operator {
            "" => Piece::Text("%"),
            operator => Piece::Operator(operator::parse(operator)?),
        });
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    Ok(pieces)
}

/// An operator up to the per cent sign that ends it, and what follows. Those in the brackets of a time
/// belong to its format.
fn until_end(text: &str) -> Option<(&str, &str)> {
    let close = match text.starts_with("START_TIME(") {
        true => text.find(')'),
        false => None,
    };
    let from = close.unwrap_or_default();
    let end = text.get(from..)?.find('%')? + from;
    Some((text.get(..end)?, text.get(end + 1..)?))
}

#[cfg(test)]
mod tests;
