use mesh_proto::any::pack;
use mesh_proto::envoy::envoy::config::listener::v3 as pb;
use mesh_proto::envoy::envoy::config::listener::v3::listener_filter::ConfigType;
use mesh_proto::envoy::envoy::config::listener::v3::listener_filter_chain_match_predicate as predicate;
use mesh_proto::envoy::envoy::extensions::filters::listener::original_dst::v3::OriginalDst;
use mesh_proto::envoy::envoy::extensions::filters::listener::tls_inspector::v3::TlsInspector;
use mesh_proto::envoy::envoy::extensions::filters::network::tcp_proxy::v3 as tcp;
use mesh_proto::envoy::envoy::r#type::v3::Int32Range;
use mesh_proto::envoy::google::protobuf::UInt32Value;

use crate::listener::{Inspection, Listener, OriginalDestination};
use crate::testing::{chain, listener, manager, table};

/// A chain for a port that passes bytes on.
fn bytes(port: u32, wanted: pb::FilterChainMatch) -> pb::FilterChain {
    let proxy = tcp::TcpProxy {
        stat_prefix: "bytes".into(),
        cluster_specifier: Some(tcp::tcp_proxy::ClusterSpecifier::Cluster("bytes".into())),
        ..Default::default()
    };
    pb::FilterChain {
        filter_chain_match: Some(on(port, wanted)),
        filters: vec![pb::Filter {
            name: "envoy.filters.network.tcp_proxy".into(),
            config_type: Some(pb::filter::ConfigType::TypedConfig(pack(&proxy))),
        }],
        ..Default::default()
    }
}

fn on(port: u32, wanted: pb::FilterChainMatch) -> pb::FilterChainMatch {
    pb::FilterChainMatch {
        destination_port: Some(UInt32Value { value: port }),
        ..wanted
    }
}

fn any() -> pb::FilterChainMatch {
    pb::FilterChainMatch::default()
}

fn raw() -> pb::FilterChainMatch {
    pb::FilterChainMatch {
        transport_protocol: "raw_buffer".into(),
        ..any()
    }
}

fn http() -> pb::FilterChainMatch {
    pb::FilterChainMatch {
        application_protocols: vec!["http/1.1".into(), "h2c".into()],
        ..raw()
    }
}

fn range(start: i32, end: i32) -> pb::ListenerFilterChainMatchPredicate {
    pb::ListenerFilterChainMatchPredicate {
        rule: Some(predicate::Rule::DestinationPortRange(Int32Range {
            start,
            end,
        })),
    }
}

fn filter(
    message: mesh_proto::Any,
    disabled: Option<pb::ListenerFilterChainMatchPredicate>,
) -> pb::ListenerFilter {
    pb::ListenerFilter {
        name: "a filter".into(),
        filter_disabled: disabled,
        config_type: Some(ConfigType::TypedConfig(message)),
    }
}

/// As for all ports of a workload: 1 passes bytes on, 2 too when they are not TLS, 3 reads
/// requests, 4 finds out, and everything else reads requests.
fn virtual_inbound() -> pb::Listener {
    let both = predicate::MatchSet {
        rules: vec![range(1, 2), range(9, 11)],
    };
    let both = pb::ListenerFilterChainMatchPredicate {
        rule: Some(predicate::Rule::OrMatch(both)),
    };
    let requests = || manager(table(vec![]));
    pb::Listener {
        listener_filters: vec![
            filter(pack(&OriginalDst {}), None),
            filter(pack(&TlsInspector::default()), Some(both)),
        ],
        continue_on_listener_filters_timeout: true,
        ..listener(vec![
            bytes(1, any()),
            bytes(2, raw()),
            chain("3", on(3, any()), &requests()),
            chain("4", on(4, http()), &requests()),
            bytes(4, raw()),
            chain("others", any(), &requests()),
        ])
    }
}

#[track_caller]
fn check(port: u16, expect: Inspection) {
    let listener = Listener::compile(&virtual_inbound()).unwrap();
    assert_eq!(listener.original, OriginalDestination::Restored);
    let local = ([10, 0, 0, 1], port).into();
    let found = listener.inspection(local, ([10, 0, 0, 2], 5).into());
    assert_eq!(found, expect, "port {port}");
}

#[test]
fn only_what_may_take_a_connection_says_what_must_be_known_of_it() {
    let nothing = Inspection::default();
    check(
        1,
        Inspection {
            may_be_silent: true,
            ..nothing
        },
    );
    let tls = Inspection {
        tls: true,
        ..nothing
    };
    check(
        2,
        Inspection {
            may_be_silent: true,
            ..tls
        },
    );
    let requests = Inspection {
        version: true,
        ..tls
    };
    check(3, requests);
    check(
        4,
        Inspection {
            http: true,
            may_be_silent: true,
            ..requests
        },
    );
    check(5, requests);
    check(
        10,
        Inspection {
            tls: false,
            ..requests
        },
    );
}

#[test]
fn a_predicate_that_is_no_range_of_ports_is_refused() {
    let refused = |disabled| {
        let mut pb = virtual_inbound();
        pb.listener_filters = vec![filter(pack(&TlsInspector::default()), Some(disabled))];
        Listener::compile(&pb).unwrap_err().field.to_string()
    };
    let field = "listener_filters[0].filter_disabled";
    let all = pb::ListenerFilterChainMatchPredicate {
        rule: Some(predicate::Rule::AnyMatch(true)),
    };
    assert_eq!(refused(all), format!("{field}.rule"));
    for (start, end) in [(5, 5), (-1, 4), (7, 70_000)] {
        let wanted = format!("{field}.destination_port_range");
        assert_eq!(refused(range(start, end)), wanted, "{start}..{end}");
    }
}

#[test]
fn addresses_of_both_ip_versions_and_original_destinations_are_read() {
    let mut pb = virtual_inbound();
    pb.additional_addresses = vec![pb::AdditionalAddress {
        address: crate::testing::address(":::15006"),
        ..Default::default()
    }];
    pb.use_original_dst = Some(mesh_proto::envoy::google::protobuf::BoolValue { value: true });
    let listener = Listener::compile(&pb).unwrap();
    assert_eq!(listener.original, OriginalDestination::HandedOver);
    assert_eq!(listener.more_addresses, ["[::]:15006".parse().unwrap()]);
    assert_eq!(listener.addresses().count(), 2);
}
