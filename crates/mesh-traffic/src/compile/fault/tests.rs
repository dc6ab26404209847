use std::time::Duration;

use mesh_proto::any::pack;
use mesh_proto::envoy::envoy::extensions::filters::common::fault::v3::FaultDelay;
use mesh_proto::envoy::envoy::extensions::filters::http::fault::v3::FaultAbort;
use mesh_proto::envoy::envoy::r#type::v3::fractional_percent::DenominatorType;

use super::*;

fn of(fault: &HttpFault) -> Compiled<Option<Arc<Fault>>> {
    of_route(&HashMap::from([(FILTER.to_owned(), pack(fault))]))
}

fn percent(numerator: u32) -> Option<FractionalPercent> {
    Some(FractionalPercent {
        numerator,
        denominator: DenominatorType::Hundred.into(),
    })
}

fn abort(error_type: ErrorType) -> HttpFault {
    HttpFault {
        abort: Some(FaultAbort {
            percentage: percent(10),
            error_type: Some(error_type),
            ..Default::default()
        }),
        ..Default::default()
    }
}

#[test]
fn a_route_may_delay_and_abort() {
    let delay = FaultDelay {
        percentage: percent(50),
        fault_delay_secifier: Some(FaultDelaySecifier::FixedDelay(
            mesh_proto::envoy::google::protobuf::Duration {
                seconds: 7,
                nanos: 0,
            },
        )),
    };
    let both = HttpFault {
        delay: Some(delay),
        ..abort(ErrorType::HttpStatus(555))
    };
    let of_hundred = |numerator| Share {
        numerator,
        denominator: 100,
    };
    let expected = Fault {
        delay: Some((of_hundred(50), Duration::from_secs(7))),
        abort: Some((of_hundred(10), Abort::Http(555))),
    };
    assert_eq!(of(&both).unwrap().as_deref(), Some(&expected));
}

#[test]
fn a_route_without_faults_costs_nothing() {
    assert_eq!(of_route(&HashMap::new()).unwrap(), None);
    assert_eq!(of(&HttpFault::default()).unwrap(), None);
}

#[test]
fn what_cannot_be_done_is_refused() {
    assert!(of(&abort(ErrorType::HttpStatus(199))).is_err());
    assert!(of(&abort(ErrorType::HttpStatus(600))).is_err());
    assert!(of(&abort(ErrorType::GrpcStatus(17))).is_err());
    assert!(
        of(&HttpFault {
            upstream_cluster: "a".into(),
            ..Default::default()
        })
        .is_err()
    );
}
