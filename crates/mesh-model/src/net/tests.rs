use super::*;

#[test]
fn a_port_name_selects_the_protocol() {
    let check = |name, expect| assert_eq!(Protocol::from_port_name(name), expect, "{name}");
    check("http", Some(Protocol::Http));
    check("HTTP-web", Some(Protocol::Http));
    check("httpfoo", None);
    check("grpc-web", Some(Protocol::GrpcWeb));
    check("grpc-web-x", Some(Protocol::GrpcWeb));
    check("grpc-x", Some(Protocol::Grpc));
    check("http2", Some(Protocol::Http2));
    check("metrics", None);
}

#[test]
fn an_app_protocol_selects_the_protocol() {
    assert_eq!(
        Protocol::from_app_protocol("kubernetes.io/h2c"),
        Some(Protocol::Http2)
    );
    assert_eq!(Protocol::from_app_protocol("grpc"), Some(Protocol::Grpc));
    assert_eq!(Protocol::from_app_protocol("example.com/x"), None);
}
