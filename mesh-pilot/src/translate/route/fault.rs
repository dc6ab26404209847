//! What a rule makes to go wrong, as the fault filter is told it of a route.

use mesh_proto::Any;
use mesh_proto::any::pack;
use mesh_proto::envoy::envoy::extensions::filters::common::fault::v3 as common;
use mesh_proto::envoy::envoy::extensions::filters::common::fault::v3::fault_delay::FaultDelaySecifier;
use mesh_proto::envoy::envoy::extensions::filters::http::fault::v3 as proto;
use mesh_proto::envoy::envoy::extensions::filters::http::fault::v3::fault_abort::ErrorType;

use super::millionths;
use crate::snapshot::rules::{Abort, Fault};
use crate::translate::http_filters::FAULT;
use crate::translate::message;

/// The filter's configuration for a route, by the filter's name.
pub(super) fn of_route(fault: Option<Fault>) -> Option<(String, Any)> {
    fault.map(|fault| (FAULT.to_owned(), pack(&filter(fault))))
}

fn filter(fault: Fault) -> proto::HttpFault {
    let delay = fault.delay.map(|(share, wait)| common::FaultDelay {
        percentage: Some(millionths(share)),
        fault_delay_secifier: Some(FaultDelaySecifier::FixedDelay(message::duration(wait))),
    });
    let abort = fault.abort.map(|(share, with)| proto::FaultAbort {
        percentage: Some(millionths(share)),
        error_type: Some(match with {
            Abort::Http(status) => ErrorType::HttpStatus(status),
            Abort::Grpc(status) => ErrorType::GrpcStatus(status.into()),
        }),
        ..Default::default()
    });
    proto::HttpFault {
        delay,
        abort,
        ..Default::default()
    }
}
