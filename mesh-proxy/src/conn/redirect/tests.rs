use std::collections::BTreeMap;

use mesh_proto::envoy::google::protobuf::BoolValue;

use super::*;
use crate::testing::{Mk, tcp_filter};

/// A listener that hands over, named like its address.
fn listener(address: &str, inbound: bool) -> Arc<Listener> {
    let mk = Mk {
        inbound,
        ..Mk::default()
    };
    let chain = mesh_proto::envoy::envoy::config::listener::v3::FilterChain {
        filters: vec![tcp_filter("anywhere")],
        ..Default::default()
    };
    let mut pb = mk.with_chains_pb(address.parse().unwrap(), vec![chain]);
    pb.name = address.into();
    pb.use_original_dst = Some(BoolValue { value: !inbound });
    if inbound {
        pb.listener_filters = vec![crate::testing::original_destination()];
    }
    Arc::new(Listener::compile(&pb).unwrap())
}

/// Which listener takes a connection to the outbound port, or to the inbound one.
fn taken(local: &str, inbound: bool, wanted: Option<&str>) -> String {
    let unbound: BTreeMap<SocketAddr, _> =
        ["10.96.0.9:80", "0.0.0.0:80", "[::]:80", "[fd00::9]:80"]
            .into_iter()
            .map(|address| {
                let serving = Serving {
                    listener: listener(address, false),
                    drain: Drain::default(),
                };
                (address.parse().unwrap(), Arc::new(serving))
            })
            .collect();
    let redirected = Redirected {
        destination: wanted.map(|wanted| wanted.parse().unwrap()),
        takers: Arc::new(Takers {
            unbound: unbound.into_iter().collect(),
            own_ports: vec![15001, 15006],
        }),
    };
    let by = Arrived {
        listener: listener(local, inbound),
        drain: Drain::default(),
        local: local.parse().unwrap(),
    };
    match redirected.arrive(by) {
        Ok(arrived) => format!("{} by {}", arrived.local, arrived.listener.name),
        Err(why) => why.label().to_owned(),
    }
}

#[test]
fn what_a_workload_calls_is_taken_by_the_nearest_listener() {
    let check = |wanted, by: &str| {
        let found = taken("127.0.0.1:15001", false, Some(wanted));
        assert_eq!(found, format!("{wanted} by {by}"));
    };
    check("10.96.0.9:80", "10.96.0.9:80");
    check("10.96.0.8:80", "0.0.0.0:80");
    check("[fd00::9]:80", "[fd00::9]:80");
    check("[fd00::8]:80", "[::]:80");
    check("10.96.0.9:81", "127.0.0.1:15001");
}

#[test]
fn what_calls_a_workload_is_never_handed_over() {
    assert_eq!(
        taken("10.244.0.5:15006", true, Some("10.244.0.5:80")),
        "10.244.0.5:80 by 10.244.0.5:15006"
    );
}

#[test]
fn calls_of_the_proxy_itself_are_refused() {
    // Made to the port, as conntrack says or as nobody says.
    for wanted in [Some("127.0.0.1:15001"), None] {
        assert_eq!(taken("127.0.0.1:15001", false, wanted), "own_port");
    }
    assert_eq!(
        taken("127.0.0.1:15001", false, Some("10.244.0.7:15001")),
        "own_port"
    );
    // Another workload's inbound port is that one's business.
    assert_eq!(
        taken("127.0.0.1:15001", false, Some("10.244.0.7:15006")),
        "10.244.0.7:15006 by 127.0.0.1:15001"
    );
    for wanted in ["10.244.0.5:15001", "10.244.0.5:15006"] {
        assert_eq!(taken("10.244.0.5:15006", true, Some(wanted)), "own_port");
        assert_eq!(taken("127.0.0.1:15006", true, Some(wanted)), "own_port");
    }
}
