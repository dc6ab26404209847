use std::net::SocketAddr;

use mesh_http::{RequestHead, Scheme, Version};

use super::{Arrival, Arriving, PeerMetadata, head};
use crate::http::connection::{Connection, Peer};
use crate::http::failure::FailureKind;
use crate::http::stage::Stage;
use crate::testing::{Mk, mk_config, table, to_cluster};

const PEER: &str = "spiffe://cluster.local/ns/default/sa/client";

fn mk_arrival(fields: &[(&str, &str)]) -> Arrival {
    let mut head = RequestHead {
        version: Version::Http11,
        method: "GET".into(),
        authority: "reviews".into(),
        path: "/".into(),
        ..RequestHead::default()
    };
    for (name, value) in fields {
        head.fields.append(name, value).unwrap();
    }
    Arrival {
        head: Box::new(head),
        hosts: 1,
        bodiless: true,
    }
}

fn run(mk: &Mk, authenticated: bool, arrival: Arrival) -> Result<RequestHead, FailureKind> {
    let address: SocketAddr = ([127, 0, 0, 9], 80).into();
    let mk = Mk {
        routes: Some(table("t", vec![to_cluster("c")])),
        name: mk.name,
        inbound: mk.inbound,
        edge: mk.edge,
        authority: mk.authority,
        mutual_tls: mk.mutual_tls,
        plaintext: mk.plaintext,
        rds: mk.rds,
        filters: Vec::new(),
        head_millis: mk.head_millis,
        silence_millis: mk.silence_millis,
    };
    let config = mk_config(vec![mk.listener(address)], Vec::new(), Vec::new());
    let listener = config.listeners.values().next().unwrap().clone();
    let peer = authenticated.then(|| Peer {
        identity: mesh_model::ident::SpiffeId::parse(PEER).unwrap(),
        text: PEER.into(),
        certificate_hash: "ab12".into(),
    });
    let connection = Connection {
        chain: 0,
        client: ([10, 9, 8, 7], 5555).into(),
        local: address,
        tls: authenticated,
        agreed: None,
        sni: None,
        peer,
        own_identity: Some("spiffe://cluster.local/ns/default/sa/own".into()),
        limits: Default::default(),
        element: Default::default(),
        certificate: None,
        listener,
    };
    let served = connection.served(&config);
    let mut arrival = arrival;
    let arriving = Arriving {
        head: &mut arrival.head,
        peer_metadata: &mut PeerMetadata::default(),
        hosts: arrival.hosts,
        bodiless: arrival.bodiless,
    };
    match head(
        &connection,
        &served,
        arriving,
        &mut fastrand::Rng::with_seed(1),
    ) {
        Stage::Ready(headed) => Ok(headed.head.clone()),
        Stage::Fail(failure) => Err(failure.kind),
        Stage::Wait(wait) => panic!("{wait:?}"),
    }
}

fn sidecar(fields: &[(&str, &str)]) -> RequestHead {
    run(&Mk::default(), false, mk_arrival(fields)).unwrap()
}

#[track_caller]
fn refused(change: impl FnOnce(&mut Arrival)) {
    let mut arrival = mk_arrival(&[]);
    change(&mut arrival);
    let shown = format!("{arrival:?}");
    assert_eq!(
        run(&Mk::default(), false, arrival),
        Err(FailureKind::BadRequest),
        "{shown}"
    );
}

#[test]
fn what_has_two_meanings_is_refused() {
    refused(|a| a.hosts = 2);
    refused(|a| a.head.authority.clear());
    refused(|a| a.head.authority = "user@reviews".into());
    refused(|a| a.head.authority = "a/../b".into());
    refused(|a| a.head.method = "get".into());
    refused(|a| a.head.path = "admin".into());
    refused(|a| a.head.path = "*".into());
    refused(|a| a.head.path = "/%00".into());
}

#[test]
fn paths_are_normal_before_anything_looks_at_them() {
    let mut arrival = mk_arrival(&[]);
    arrival.head.path = "/app/%2E./admin#x".into();
    assert_eq!(run(&Mk::default(), false, arrival).unwrap().path, "/admin");
}

#[test]
fn only_the_websocket_is_upgraded_to() {
    let upgrade = |to| [("connection", "keep-alive, Upgrade"), ("upgrade", to)];
    let head = sidecar(&upgrade("websocket"));
    assert_eq!(head.fields.get_str("upgrade"), Some("websocket"));
    assert_eq!(head.fields.get_str("connection"), Some("upgrade"));
    assert!(!sidecar(&upgrade("h2c")).fields.contains("upgrade"));
    let other = run(&Mk::default(), false, mk_arrival(&upgrade("ipp")));
    assert_eq!(other, Err(FailureKind::UpgradeUnsupported));
    let mut connect = mk_arrival(&[]);
    connect.head.method = "CONNECT".into();
    assert_eq!(
        run(&Mk::default(), false, connect),
        Err(FailureKind::UpgradeUnsupported)
    );
}

#[test]
fn request_id_and_trace_headers_are_kept() {
    let fields = [
        ("x-request-id", "r"),
        ("traceparent", "t"),
        ("x-b3-traceid", "b"),
    ];
    let head = sidecar(&fields);
    for (name, value) in fields {
        assert_eq!(head.fields.get_str(name), Some(value));
    }
}

#[test]
fn te_survives_for_trailers_alone() {
    assert_eq!(
        sidecar(&[("te", "trailers, gzip")]).fields.get_str("te"),
        Some("trailers")
    );
    assert!(!sidecar(&[("te", "gzip")]).fields.contains("te"));
}

#[test]
fn an_edge_believes_nothing_that_clients_say_of_themselves() {
    let edge = Mk {
        edge: true,
        ..Mk::default()
    };
    let forged = [
        ("x-forwarded-for", "1.2.3.4"),
        ("x-forwarded-proto", "https"),
        ("x-envoy-retry-on", "5xx"),
        ("x-forwarded-client-cert", "By=x"),
    ];
    let head = run(&edge, false, mk_arrival(&forged)).unwrap();
    assert_eq!(
        head.fields.get_str("x-forwarded-for"),
        Some("1.2.3.4,10.9.8.7")
    );
    assert_eq!(head.fields.get_str("x-forwarded-proto"), Some("http"));
    assert!(!head.fields.contains("x-envoy-retry-on"));
    assert!(!head.fields.contains("x-forwarded-client-cert"));
}

/// Neither `:scheme` nor an absolute target: a client could claim that it is secure.
#[test]
fn the_transport_tells_the_scheme_and_no_client_does() {
    let mut arrival = mk_arrival(&[]);
    arrival.head.scheme = Scheme::Https;
    let claimed = |mk: &Mk, secure| {
        let head = run(mk, secure, arrival.clone()).unwrap();
        let proto = head.fields.get_str("x-forwarded-proto").map(str::to_owned);
        (head.scheme, proto)
    };
    let plain = (Scheme::Http, Some("http".to_owned()));
    let secure = (Scheme::Https, Some("https".to_owned()));
    let edge = Mk {
        edge: true,
        ..Mk::default()
    };
    assert_eq!(claimed(&edge, false), plain);
    assert_eq!(claimed(&edge, true), secure);
    assert_eq!(claimed(&Mk::default(), false), plain);
    arrival.head.scheme = Scheme::Http;
    let head = run(&edge, true, arrival).unwrap();
    assert_eq!(head.scheme, Scheme::Https);
}

#[test]
fn an_edge_refuses_names_with_an_underscore_and_a_sidecar_passes_them_on() {
    let edge = Mk {
        edge: true,
        ..Mk::default()
    };
    let arrival = || mk_arrival(&[("x_forwarded_for", "1.2.3.4")]);
    assert_eq!(run(&edge, false, arrival()), Err(FailureKind::BadRequest));
    let head = run(&Mk::default(), false, arrival()).unwrap();
    assert_eq!(head.fields.get_str("x_forwarded_for"), Some("1.2.3.4"));
}

#[test]
fn a_sidecar_leaves_forwarded_headers_to_the_edge() {
    let told = [
        ("x-forwarded-for", "1.2.3.4"),
        ("x-forwarded-proto", "https"),
    ];
    let head = sidecar(&told);
    assert_eq!(head.fields.get_str("x-forwarded-for"), Some("1.2.3.4"));
    assert_eq!(head.scheme, Scheme::Https);
}

#[test]
fn the_client_certificate_is_appended_over_mutual_tls_and_dropped_without() {
    let mtls = Mk {
        inbound: true,
        mutual_tls: true,
        plaintext: false,
        ..Mk::default()
    };
    let xfcc = "x-forwarded-client-cert";
    let head = run(&mtls, true, mk_arrival(&[(xfcc, "By=a;Hash=b")])).unwrap();
    let own = "By=spiffe://cluster.local/ns/default/sa/own;Hash=ab12;Subject=\"\"";
    let expect = format!("By=a;Hash=b,{own};URI={PEER}");
    assert_eq!(head.fields.get_str(xfcc), Some(expect.as_str()));
    let plain = Mk {
        inbound: true,
        ..Mk::default()
    };
    let head = run(&plain, false, mk_arrival(&[(xfcc, "By=a;Hash=b")])).unwrap();
    assert!(!head.fields.contains(xfcc));
}

#[test]
fn request_ids_are_version_4_uuids() {
    let id = String::from_utf8(super::uuid(&mut fastrand::Rng::with_seed(3)).to_vec()).unwrap();
    let parts: Vec<&str> = id.split('-').collect();
    assert_eq!(
        parts.iter().map(|p| p.len()).collect::<Vec<_>>(),
        [8, 4, 4, 4, 12]
    );
    assert!(
        parts[2].starts_with('4') && parts[3].starts_with(['8', '9', 'a', 'b']),
        "{id}"
    );
}
