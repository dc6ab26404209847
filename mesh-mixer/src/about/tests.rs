use super::*;

const REVIEWS: &str = "spiffe://cluster.local/ns/default/sa/bookinfo-reviews";
const RATINGS: &str = "spiffe://cluster.local/ns/default/sa/bookinfo-ratings";

#[track_caller]
fn check(peer: &str, labels: &[(&str, &str)], expected: bool) {
    let peer = SpiffeId::parse(peer).unwrap();
    let key = Key::new("istio_requests_total", labels.iter().copied()).unwrap();
    assert_eq!(agrees(&peer, &key), expected, "{peer} {key:?}");
}

/// What a proxy at `side` says of itself.
fn mk_labels<'a>(side: &'a str, principal: &'a str, namespace: &'a str) -> [(&'a str, &'a str); 4] {
    let names = match side {
        "source" => SOURCE,
        _ => DESTINATION,
    };
    [
        ("reporter", side),
        (names.principal, principal),
        (names.namespace, namespace),
        (names.workload, "some-workload"),
    ]
}

#[test]
fn a_proxy_speaks_of_itself_at_either_end() {
    for side in ["source", "destination"] {
        check(REVIEWS, &mk_labels(side, REVIEWS, "default"), true);
        check(REVIEWS, &mk_labels(side, "unknown", "default"), true);
        check(REVIEWS, &mk_labels(side, RATINGS, "default"), false);
        check(REVIEWS, &mk_labels(side, REVIEWS, "other"), false);
        check(REVIEWS, &mk_labels(side, "unknown", "other"), false);
        check(REVIEWS, &mk_labels(side, REVIEWS, "unknown"), false);
    }
}

#[test]
fn of_the_other_end_it_tells_what_it_was_told() {
    let mut labels = mk_labels("destination", REVIEWS, "default").to_vec();
    labels.extend([
        ("source_principal", RATINGS),
        ("source_workload", "ratings-v1"),
        ("source_workload_namespace", "elsewhere"),
    ]);
    check(REVIEWS, &labels, true);
    labels[0] = ("reporter", "source");
    check(REVIEWS, &labels, false);
}

#[test]
fn who_does_not_say_which_end_it_is_says_nothing_of_itself() {
    check(REVIEWS, &[], false);
    check(REVIEWS, &mk_labels("waypoint", REVIEWS, "default"), false);
    check(REVIEWS, &[("reporter", "source")], true);
}

#[test]
fn the_overflow_names_nobody() {
    let labels = [
        ("reporter", "source"),
        ("source_principal", "overflow"),
        ("source_workload_namespace", "overflow"),
        ("source_workload", "overflow"),
    ];
    check(REVIEWS, &labels, true);
}

#[test]
fn a_peer_without_a_service_account_proves_no_namespace() {
    let peer = "spiffe://cluster.local/machine/seven";
    check(peer, &mk_labels("source", peer, "default"), false);
    check(
        peer,
        &[("reporter", "source"), ("source_principal", peer)],
        true,
    );
}
