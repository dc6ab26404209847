use std::net::SocketAddr;

use proptest::prelude::*;

use super::*;

fn facts<'a>(transport: Transport, alpn: &'a [&'a str], sni: Option<&'a str>) -> ConnFacts<'a> {
    ConnFacts {
        local: "10.1.1.1:80".parse().unwrap(),
        remote: "10.9.9.9:5000".parse().unwrap(),
        transport,
        alpn,
        sni,
    }
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

#[test]
fn permissive_ports_tell_the_mesh_from_the_rest_by_alpn() {
    let chains = [
        ChainMatch {
            transport: Some(Transport::Tls),
            alpn: vec!["istio".into(), "istio-h2".into()],
            ..ChainMatch::default()
        },
        ChainMatch {
            transport: Some(Transport::Raw),
            ..ChainMatch::default()
        },
    ];
    assert_eq!(
        best(&chains, &facts(Transport::Tls, &["istio-h2", "h2"], None)),
        Some(0)
    );
    assert_eq!(best(&chains, &facts(Transport::Raw, &[], None)), Some(1));
    assert_eq!(best(&chains, &facts(Transport::Tls, &["h2"], None)), None);
    assert_eq!(best(&chains, &facts(Transport::Tls, &[], None)), None);
}

#[test]
fn the_longest_server_name_wins() {
    let named = |name: &str| ChainMatch {
        server_names: vec![name.into()],
        ..ChainMatch::default()
    };
    let chains = [
        named("*.com"),
        named("*.bar.com"),
        named("foo.bar.com"),
        ChainMatch::default(),
    ];
    let find = |sni| best(&chains, &facts(Transport::Tls, &[], sni));
    assert_eq!(find(Some("foo.bar.com")), Some(2));
    assert_eq!(find(Some("X.bar.com")), Some(1));
    assert_eq!(find(Some("x.com")), Some(0));
    assert_eq!(find(Some("x.org")), Some(3));
    assert_eq!(find(None), Some(3));
}

#[test]
fn the_narrowest_network_wins() {
    let chains = [
        ChainMatch {
            destinations: vec![net("10.0.0.0/8")],
            ..ChainMatch::default()
        },
        ChainMatch {
            destinations: vec![net("10.1.0.0/16"), net("192.168.0.0/16")],
            ..ChainMatch::default()
        },
    ];
    assert_eq!(best(&chains, &facts(Transport::Raw, &[], None)), Some(1));
}

#[test]
fn a_chain_dropped_by_an_earlier_criterion_does_not_come_back() {
    let chains = [
        ChainMatch {
            destination_port: Some(80),
            server_names: vec!["a".into()],
            ..ChainMatch::default()
        },
        ChainMatch::default(),
    ];
    assert_eq!(best(&chains, &facts(Transport::Tls, &[], Some("b"))), None);
}

#[test]
fn the_source_is_the_last_word() {
    let chains = [
        ChainMatch {
            source_type: SourceType::SameIpOrLoopback,
            ..ChainMatch::default()
        },
        ChainMatch {
            source_type: SourceType::External,
            source_ports: vec![5000],
            ..ChainMatch::default()
        },
    ];
    let from = |remote: &str| {
        let remote: SocketAddr = remote.parse().unwrap();
        best(
            &chains,
            &ConnFacts {
                remote,
                ..facts(Transport::Raw, &[], None)
            },
        )
    };
    assert_eq!(from("127.0.0.1:1"), Some(0));
    assert_eq!(from("10.1.1.1:1"), Some(0));
    assert_eq!(from("10.9.9.9:5000"), Some(1));
    assert_eq!(from("10.9.9.9:5001"), None);
}

proptest! {
    /// A chain that asks for nothing takes every connection that no other takes.
    #[test]
    fn a_chain_without_conditions_is_a_net(sni in "[a-z.]{0,12}", port in any::<u16>()) {
        let chains = [ChainMatch {
            server_names: vec!["only.this".into()],
            ..ChainMatch::default()
        }, ChainMatch::default()];
        let local = SocketAddr::new("10.0.0.1".parse().unwrap(), port);
        let facts = ConnFacts { local, sni: Some(&sni), ..facts(Transport::Tls, &[], None) };
        prop_assert_eq!(best(&chains, &facts), Some(usize::from(sni != "only.this")));
    }
}
