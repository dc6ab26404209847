use std::collections::BTreeMap;

use super::*;

fn named(name: &str) -> Service {
    Service {
        service_type: ServiceType::ExternalName,
        external_name: Some(name.to_owned()),
        ..Service::default()
    }
}

/// What `start` is an alias of among services of the namespace `a`, where `b` is a real one.
#[track_caller]
fn check(start: &str, others: &[(&str, &str)], expected: Option<&str>) {
    let host = |name: &str| Hostname::parse(&format!("{name}.a.svc.cluster.local")).unwrap();
    let others = others.iter().map(|(name, to)| (host(name), named(to)));
    let mut all: BTreeMap<Hostname, Service> = others.collect();
    all.insert(host("b"), Service::default());
    let found = named(start).alias_of(|name| all.get(name));
    assert_eq!(found, expected.map(host), "{start} {all:?}");
}

#[test]
fn an_alias_is_of_the_service_at_the_end_of_its_chain() {
    check("b.a.svc.cluster.local", &[], Some("b"));
    let through = [
        ("c", "d.a.svc.cluster.local"),
        ("d", "b.a.svc.cluster.local"),
    ];
    check("c.a.svc.cluster.local", &through, Some("b"));
}

#[test]
fn neither_case_nor_a_last_dot_matters() {
    check("B.A.svc.Cluster.local.", &[], Some("b"));
}

#[test]
fn what_leads_nowhere_is_no_alias() {
    check("example.com", &[], None);
    check("b.a", &[], None);
    check("192.0.2.1", &[], None);
    check("no name", &[], None);
    let out = [("c", "example.com")];
    check("c.a.svc.cluster.local", &out, None);
    assert_eq!(Service::default().stands_for(), None);
}

#[test]
fn circles_and_long_chains_end() {
    let circle = [
        ("c", "d.a.svc.cluster.local"),
        ("d", "c.a.svc.cluster.local"),
    ];
    check("c.a.svc.cluster.local", &circle, None);
    let chain: Vec<(String, String)> = (1..=8)
        .map(|number| {
            let next = match number {
                8 => "b".to_owned(),
                number => format!("n{}", number + 1),
            };
            (format!("n{number}"), format!("{next}.a.svc.cluster.local"))
        })
        .collect();
    let chain: Vec<_> = chain.iter().map(|(a, b)| (&**a, &**b)).collect();
    check("n2.a.svc.cluster.local", &chain, Some("b"));
    check("n1.a.svc.cluster.local", &chain, None);
}
