//! Pieces that many resources share: addresses, durations, metadata, packed messages.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;
use mesh_model::Str;
use mesh_proto::Any;
use mesh_proto::any::{self, UnpackError};
use mesh_proto::envoy::envoy::config::core::v3 as core;
use mesh_proto::envoy::envoy::config::core::v3::address::Address as Kind;
use mesh_proto::envoy::envoy::config::core::v3::socket_address::PortSpecifier;
use mesh_proto::envoy::envoy::r#type::v3::FractionalPercent;
use mesh_proto::envoy::envoy::r#type::v3::fractional_percent::DenominatorType;
use mesh_proto::envoy::google::protobuf as wkt;
use prost::{Message, Name};

use crate::fault::Share;
use crate::reject::{At, Compiled, Fault};

/// Longest duration of the protobuf type: ten thousand years.
const MAX_SECONDS: u64 = 315_576_000_000;

/// A non-empty text, or `None`.
pub(super) fn text(text: &str) -> Option<Str> {
    (!text.is_empty()).then(|| text.into())
}

pub(super) fn is_true(value: Option<&wkt::BoolValue>) -> bool {
    value.is_some_and(|value| value.value)
}

pub(super) fn is_true_or(value: Option<&wkt::BoolValue>, default: bool) -> bool {
    value.map_or(default, |value| value.value)
}

pub(super) fn number(value: Option<&wkt::UInt32Value>) -> Option<u32> {
    value.map(|value| value.value)
}

/// A duration that is not negative.
pub(super) fn duration(field: &str, value: Option<&wkt::Duration>) -> Compiled<Option<Duration>> {
    let Some(value) = value else { return Ok(None) };
    match (u64::try_from(value.seconds), u32::try_from(value.nanos)) {
        (Ok(seconds), Ok(nanos)) if seconds <= MAX_SECONDS && nanos < 1_000_000_000 => {
            Ok(Some(Duration::new(seconds, nanos)))
        }
        _ => Err(Fault::new(field, "is a negative or malformed duration")),
    }
}

/// A duration by which zero means "without limit", and its default.
pub(super) fn limit(
    field: &str,
    value: Option<&wkt::Duration>,
    default: Option<Duration>,
) -> Compiled<Option<Duration>> {
    let given = duration(field, value)?;
    Ok(given.map_or(default, |given| (!given.is_zero()).then_some(given)))
}

/// A share of all requests.
pub(super) fn share(pb: &FractionalPercent) -> Compiled<Share> {
    let denominator = match DenominatorType::try_from(pb.denominator) {
        Ok(DenominatorType::Hundred) => 100,
        Ok(DenominatorType::TenThousand) => 10_000,
        Ok(DenominatorType::Million) => 1_000_000,
        Err(_) => return Err(Fault::new("denominator", "is none that is known")),
    };
    Ok(Share {
        numerator: pb.numerator,
        denominator,
    })
}

/// A share that could be changed at run time; here the one that is written counts always.
pub(super) fn runtime_share(
    pb: Option<&core::RuntimeFractionalPercent>,
) -> Compiled<Option<Share>> {
    let Some(pb) = pb else { return Ok(None) };
    let written = pb.default_value.as_ref();
    let written = written.ok_or_else(|| Fault::missing("default_value"))?;
    share(written).at("default_value").map(Some)
}

/// An IP address with a port.
pub(super) fn address(pb: Option<&core::Address>) -> Compiled<SocketAddr> {
    let socket = match pb.and_then(|pb| pb.address.as_ref()) {
        Some(Kind::SocketAddress(socket)) => socket,
        Some(Kind::Pipe(_)) => return Err(Fault::unsupported("address.pipe")),
        Some(Kind::EnvoyInternalAddress(_)) => {
            return Err(Fault::unsupported("address.envoy_internal_address"));
        }
        None => return Err(Fault::missing("address")),
    };
    let ip = ip(&socket.address)?;
    if socket.protocol != 0 {
        return Err(Fault::new("address.protocol", "is not TCP"));
    }
    let port = match &socket.port_specifier {
        Some(PortSpecifier::PortValue(port)) => port_number("address.port_value", *port)?,
        Some(PortSpecifier::NamedPort(_)) => return Err(Fault::unsupported("address.named_port")),
        None => return Err(Fault::missing("address.port_value")),
    };
    Ok(SocketAddr::new(ip, port))
}

pub(super) fn ip(text: &str) -> Compiled<IpAddr> {
    let wrong = || Fault::new("address", format!("{text:?} is no IP address"));
    text.parse().map_err(|_not_an_address| wrong())
}

pub(super) fn port_number(field: &str, port: u32) -> Compiled<u16> {
    u16::try_from(port).map_err(|_too_large| Fault::new(field, format!("{port} is no port")))
}

pub(super) fn network(pb: &core::CidrRange) -> Compiled<IpNet> {
    let address = ip(&pb.address_prefix)?;
    let length = u8::try_from(number(pb.prefix_len.as_ref()).unwrap_or_default());
    length
        .ok()
        .and_then(|length| IpNet::new(address, length).ok())
        .map(|network| network.trunc())
        .ok_or_else(|| Fault::new("prefix_len", "is too long for the address"))
}

/// Unpacks a message of the wanted type; another type is refused with its type URL.
pub(super) fn unpack<M: Message + Name + Default>(any: &Any) -> Compiled<M> {
    any::unpack(any).map_err(|error| match error {
        UnpackError::OtherType { got, .. } => {
            Fault::new("typed_config", format!("{got:?} is not supported"))
        }
        UnpackError::Decode(error) => Fault::new("typed_config", error.to_string()),
    })
}

/// A text from the metadata of a filter.
pub(super) fn metadata_text(
    metadata: Option<&core::Metadata>,
    filter: &str,
    key: &str,
) -> Option<Str> {
    let found = metadata?.filter_metadata.get(filter)?.fields.get(key)?;
    scalar(found)
}

/// A scalar as text; lists, structs and null have none.
pub(super) fn scalar(value: &wkt::Value) -> Option<Str> {
    use wkt::value::Kind;
    match value.kind.as_ref()? {
        Kind::StringValue(text) => Some(text.as_str().into()),
        Kind::BoolValue(flag) => Some(flag.to_string().into()),
        Kind::NumberValue(number) => Some(number.to_string().into()),
        Kind::NullValue(_) | Kind::StructValue(_) | Kind::ListValue(_) => None,
    }
}

/// The scalars of a struct, sorted by key.
pub(super) fn scalars(pb: &wkt::Struct) -> Vec<(Str, Str)> {
    let pairs = pb.fields.iter();
    let mut pairs: Vec<(Str, Str)> = pairs
        .filter_map(|(key, value)| Some((key.into(), scalar(value)?)))
        .collect();
    pairs.sort();
    pairs
}
