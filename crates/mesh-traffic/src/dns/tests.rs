use std::net::Ipv4Addr;
use std::sync::Arc;

use mesh_model::service::Health;
use proptest::prelude::*;

use super::*;

fn named(name: &str, port: u16, weight: u32) -> Named {
    Named {
        name: name.into(),
        endpoint: Endpoint {
            address: SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port),
            weight,
            health: Health::Healthy,
            priority: 0,
            locality: Arc::default(),
            hostname: Some(name.into()),
            transport_match: Vec::new(),
            workload: None,
            probing: Default::default(),
        },
    }
}

fn asks(names: Vec<Named>, first_alone: bool) -> Dns {
    Dns {
        names,
        terms: Terms::default(),
        first_alone,
        family: Family::Both,
        refresh: every(5),
        servers: Servers {
            addresses: Vec::new(),
            as_fallback: false,
            tcp: false,
            search: true,
            timeout: Duration::from_secs(5),
            tries: 4,
        },
    }
}

fn every(seconds: u64) -> Refresh {
    let every = Duration::from_secs(seconds);
    Refresh {
        every,
        by_ttl: None,
        failed: (every, every),
        jitter: Duration::ZERO,
    }
}

fn found(dns: &Dns, answers: &[&[IpAddr]]) -> Vec<(String, u32)> {
    let endpoints = dns.endpoints(&"c".into(), answers.iter().copied());
    let all = endpoints.all.iter();
    all.map(|one| (one.address.to_string(), one.weight))
        .collect()
}

fn ip(last: u8) -> IpAddr {
    Ipv4Addr::new(10, 0, 0, last).into()
}

#[test]
fn each_address_is_an_endpoint_with_what_its_name_says() {
    let dns = asks(vec![named("a", 80, 1), named("b", 81, 7)], false);
    assert_eq!(
        found(&dns, &[&[ip(1), ip(2)], &[ip(1)]]),
        [
            ("10.0.0.1:80".to_owned(), 1),
            ("10.0.0.2:80".to_owned(), 1),
            ("10.0.0.1:81".to_owned(), 7),
        ]
    );
    // One that is not known yet keeps nobody from the other.
    assert_eq!(
        found(&dns, &[&[], &[ip(1)]]),
        [("10.0.0.1:81".to_owned(), 7)]
    );
}

#[test]
fn an_address_of_two_names_counts_once() {
    let dns = asks(vec![named("a", 80, 1), named("b", 80, 7)], false);
    assert_eq!(
        found(&dns, &[&[ip(1), ip(1)], &[ip(1), ip(2)]]),
        [("10.0.0.1:80".to_owned(), 1), ("10.0.0.2:80".to_owned(), 7)]
    );
}

#[test]
fn logical_dns_calls_the_first_address() {
    let dns = asks(vec![named("a", 80, 1)], true);
    assert_eq!(
        found(&dns, &[&[ip(3), ip(1), ip(2)]]),
        [("10.0.0.3:80".to_owned(), 1)]
    );
}

#[test]
fn an_answer_is_asked_for_again_when_it_is_no_longer_good() {
    let seconds = Duration::from_secs;
    let refresh = Refresh {
        by_ttl: Some(seconds(2)),
        failed: (seconds(1), seconds(10)),
        ..every(5)
    };
    assert_eq!(every(5).pause(seconds(60), 0, 0.5), seconds(5));
    assert_eq!(refresh.pause(seconds(60), 0, 0.5), seconds(60));
    assert_eq!(refresh.pause(seconds(1), 0, 0.5), seconds(2));
    // Nothing is said: Envoy asks at its own rate.
    assert_eq!(refresh.pause(Duration::ZERO, 0, 0.5), seconds(5));
    let failing = [1, 2, 3, 4, 5, 40, u32::MAX];
    let pauses = failing.map(|failures| refresh.pause(Duration::ZERO, failures, 0.5).as_secs());
    assert_eq!(pauses, [1, 2, 4, 8, 10, 10, 10]);
}

proptest! {
    #[test]
    fn jitter_makes_pauses_longer_and_no_longer_than_it_is(
        jitter in 0u64..1_000, failures in 0u32..100, random in 0.0f64..1.0
    ) {
        let jitter = Duration::from_millis(jitter);
        let refresh = Refresh { jitter, ..every(5) };
        let pause = refresh.pause(Duration::from_secs(9), failures, random);
        prop_assert!(pause >= Duration::from_secs(5));
        prop_assert!(pause <= Duration::from_secs(5) + jitter);
    }
}
