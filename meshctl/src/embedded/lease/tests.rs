use std::net::{Ipv4Addr, TcpListener};

use super::{Lease, Ports};

#[test]
fn two_meshes_never_share_a_network() {
    let (first, second) = (Lease::take().unwrap(), Lease::take().unwrap());
    assert_ne!(first.network, second.network);
}

#[test]
fn a_port_is_given_away_once_until_its_holder_ends() {
    let (mut first, mut second) = (Ports::default(), Ports::default());
    let port = first.ingress_named(0).unwrap();
    let refused = second.ingress_named(port).unwrap_err();
    assert!(refused.error.contains("it is in use"), "{refused}");
    assert_ne!(second.ingress_near(port).unwrap(), port);
    drop(first);
    assert_eq!(second.ingress_named(port).unwrap(), port);
}

#[test]
fn a_port_of_another_program_is_not_given_away() {
    let other = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = other.local_addr().unwrap().port();
    assert!(Ports::default().ingress_named(port).is_err());
}
