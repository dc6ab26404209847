//! Values of headers with format operators, as Envoy writes them: `%REQ(x-user?x-guest):8%`.
//!
//! What is checked when an object is applied and what proxies fill in is read by the same code, so
//! that no value gets into force which a proxy then refuses.

/// A part of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Text as it is; `%%` gives a per cent sign.
    Text(&'a str),
    /// Something of the request, the response or the connection.
    Operator(Operator<'a>),
}

/// What an operator stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator<'a> {
    /// The client's address.
    RemoteAddress {
        /// Whether its port is said too.
        port: bool,
    },
    /// The address that the client connected to.
    LocalAddress {
        /// Whether its port is said too.
        port: bool,
    },
    /// The port that the client connected to.
    LocalPort,
    /// The version of HTTP that the client speaks.
    Protocol,
    /// The identity in the client's certificate.
    PeerUriSan,
    /// The server name that the client asked for in TLS.
    ServerName,
    /// The cluster that was chosen.
    Cluster,
    /// The status of the response.
    ResponseCode,
    /// A header of the request.
    Request(HeaderRef<'a>),
    /// A header of the response.
    Response(HeaderRef<'a>),
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
}

/// Takes a value apart.
///
/// # Errors
/// [`FormatError`] names the first operator that cannot be filled in.
pub fn pieces(text: &str) -> Result<Vec<Piece<'_>>, FormatError> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        let (operator, after) = after
            .split_once('%')
            .ok_or_else(|| FormatError::LonePercent(text.to_owned()))?;
        if !before.is_empty() {
            pieces.push(Piece::Text(before));
        }
        pieces.push(match operator {
            "" => Piece::Text("%"),
            operator => Piece::Operator(parse(operator)?),
        });
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    Ok(pieces)
}

fn parse(text: &str) -> Result<Operator<'_>, FormatError> {
    let (name, brackets) = match text.split_once('(') {
        Some((name, rest)) => (name, Some(rest)),
        None => (text, None),
    };
    let header = || {
        let header = brackets.and_then(header_ref);
        header.ok_or_else(|| FormatError::NoHeader(text.to_owned()))
    };
    let operator = match name {
        "REQ" => return header().map(Operator::Request),
        "RESP" => return header().map(Operator::Response),
        "DOWNSTREAM_REMOTE_ADDRESS" => Operator::RemoteAddress { port: true },
        "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT" => Operator::RemoteAddress { port: false },
        "DOWNSTREAM_LOCAL_ADDRESS" => Operator::LocalAddress { port: true },
        "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT" => Operator::LocalAddress { port: false },
        "DOWNSTREAM_LOCAL_PORT" => Operator::LocalPort,
        "PROTOCOL" => Operator::Protocol,
        "DOWNSTREAM_PEER_URI_SAN" => Operator::PeerUriSan,
        "REQUESTED_SERVER_NAME" => Operator::ServerName,
        "UPSTREAM_CLUSTER" => Operator::Cluster,
        "RESPONSE_CODE" => Operator::ResponseCode,
        _ => return Err(FormatError::Unknown(text.to_owned())),
    };
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

#[cfg(test)]
mod tests;
