use mesh_model::time::Clock;
use mesh_test::clock;

use super::*;

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn an_address_has_a_burst_and_then_one_in_a_while() {
    let (clock, mut limit) = (clock::fixed(), Limit::default());
    let one = address("10.0.0.1");
    for _ in 0..BURST {
        assert!(limit.take(one, clock.now()));
    }
    assert!(!limit.take(one, clock.now()));
    clock.advance(INTERVAL);
    assert!(limit.take(one, clock.now()));
    assert!(!limit.take(one, clock.now()));
    clock.advance(INTERVAL * BURST);
    for _ in 0..BURST {
        assert!(limit.take(one, clock.now()));
    }
    assert!(!limit.take(one, clock.now()));
}

#[test]
fn addresses_have_theirs_each_and_a_network_of_ipv6_has_one() {
    let (clock, mut limit) = (clock::fixed(), Limit::default());
    let mut exhaust = |text: &str| {
        while limit.take(address(text), clock.now()) {}
    };
    exhaust("10.0.0.1");
    exhaust("fd00:1::1");
    for (text, left) in [
        ("10.0.0.1", false),
        ("::ffff:10.0.0.1", false),
        ("10.0.0.2", true),
        ("fd00:1::2", false),
        ("fd00:1:0:1::1", true),
    ] {
        assert_eq!(limit.take(address(text), clock.now()), left, "{text}");
    }
}

#[test]
fn what_is_kept_in_mind_is_bounded_and_forgotten() {
    let (clock, mut limit) = (clock::fixed(), Limit::default());
    let count = u32::try_from(ADDRESSES).unwrap();
    for number in 0..count + 10 {
        let from = std::net::Ipv4Addr::from_bits(number).into();
        assert!(limit.take(from, clock.now()), "{number}");
    }
    assert_eq!(limit.whole_at.len(), ADDRESSES);
    clock.advance(SWEEP);
    assert!(limit.take(address("10.0.0.1"), clock.now()));
    assert_eq!(limit.whole_at.len(), 1);
}
