//! `HTTPFault` of a route to [`Fault`].

use std::collections::HashMap;
use std::sync::Arc;

use mesh_proto::Any;
use mesh_proto::envoy::envoy::extensions::filters::common::fault::v3::fault_delay::FaultDelaySecifier;
use mesh_proto::envoy::envoy::extensions::filters::http::fault::v3::HttpFault;
use mesh_proto::envoy::envoy::extensions::filters::http::fault::v3::fault_abort::ErrorType;
use mesh_proto::envoy::envoy::r#type::v3::FractionalPercent;

use super::common::{self, duration, unpack};
use crate::fault::{Abort, Fault, Share};
use crate::reject::{At, Compiled, Fault as Wrong};

/// Name of the filter, by which routes configure it.
pub(super) const FILTER: &str = "envoy.filters.http.fault";

/// The faults of a route; none if it says nothing of them.
pub(super) fn of_route(per_filter: &HashMap<String, Any>) -> Compiled<Option<Arc<Fault>>> {
    let Some(any) = per_filter.get(FILTER) else {
        return Ok(None);
    };
    let fault = unpack(any).and_then(|pb| compile(&pb));
    let fault = fault.at("typed_per_filter_config")?;
    Ok((fault != Fault::default()).then(|| Arc::new(fault)))
}

fn compile(pb: &HttpFault) -> Compiled<Fault> {
    let features = [
        (!pb.upstream_cluster.is_empty(), "upstream_cluster"),
        (!pb.headers.is_empty(), "headers"),
        (!pb.downstream_nodes.is_empty(), "downstream_nodes"),
        (pb.max_active_faults.is_some(), "max_active_faults"),
        (pb.response_rate_limit.is_some(), "response_rate_limit"),
    ];
    if let Some((_, field)) = features.iter().find(|(asked, _)| *asked) {
        return Err(Wrong::unsupported(*field));
    }
    let delay = match &pb.delay {
        None => None,
        Some(delay) => {
            let wait = match &delay.fault_delay_secifier {
                Some(FaultDelaySecifier::FixedDelay(delay)) => {
                    duration("delay.fixed_delay", Some(delay))?
                }
                Some(FaultDelaySecifier::HeaderDelay(_)) => {
                    return Err(Wrong::unsupported("delay.header_delay"));
                }
                None => None,
            };
            let wait = wait.ok_or_else(|| Wrong::missing("delay.fixed_delay"))?;
            Some((share(delay.percentage.as_ref()).at("delay")?, wait))
        }
    };
    let abort = match &pb.abort {
        None => None,
        Some(abort) => {
            let with = match abort.error_type {
                Some(ErrorType::HttpStatus(status)) => Abort::Http(in_range(status, 200..600)?),
                Some(ErrorType::GrpcStatus(status)) => Abort::Grpc(in_range(status, 0..17)?),
                Some(ErrorType::HeaderAbort(_)) => {
                    return Err(Wrong::unsupported("abort.header_abort"));
                }
                None => return Err(Wrong::missing("abort.http_status")),
            };
            Some((share(abort.percentage.as_ref()).at("abort")?, with))
        }
    };
    Ok(Fault { delay, abort })
}

fn in_range(status: u32, range: std::ops::Range<u16>) -> Compiled<u16> {
    let fits = u16::try_from(status).ok().filter(|s| range.contains(s));
    fits.ok_or_else(|| {
        let (from, to) = (range.start, range.end.saturating_sub(1));
        Wrong::new("abort", format!("{status} is not {from} to {to}"))
    })
}

/// Without a word about it, nothing is hit.
fn share(pb: Option<&FractionalPercent>) -> Compiled<Share> {
    match pb {
        None => Ok(Share {
            numerator: 0,
            denominator: 1,
        }),
        Some(pb) => common::share(pb).at("percentage"),
    }
}

#[cfg(test)]
mod tests;
