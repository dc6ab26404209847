//! The promises of the Bookinfo samples: their objects translated as pilot does, understood as
//! proxies do, and asked about calls, down to the endpoint and the identity it must have.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that says what is wrong by failing"
)]

#[path = "support/bookinfo.rs"]
mod bookinfo;
#[path = "support/data_plane.rs"]
mod data_plane;
#[path = "support/world.rs"]
mod world;

use std::path::Path;

use data_plane::DataPlane;
use mesh_traffic::Transport;

/// The number of the product page's pod, whose sidecar makes the calls.
const PRODUCTPAGE: usize = 1;

/// Bookinfo with these samples, and more objects as YAML.
fn proxy(who: &str, samples: &[&str], more: &str) -> DataPlane {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/bookinfo/networking");
    let mut text = bookinfo::objects();
    for sample in samples {
        let file = folder.join(format!("{sample}.yaml"));
        text.push_str(&std::fs::read_to_string(file).unwrap());
        text.push_str("\n---\n");
    }
    text.push_str(more);
    DataPlane::of(&world::of(&text), who)
}

fn productpage(samples: &[&str], more: &str) -> DataPlane {
    let rules = ["destination-rule-all"];
    let samples: Vec<_> = rules.iter().chain(samples).copied().collect();
    proxy("sidecar productpage-v1-0.default", &samples, more)
}

/// What a request to a version of reviews comes to.
fn reviews(version: usize) -> String {
    format!(
        "outbound|9080|v{version}|reviews.default.svc.cluster.local at 127.7.{}.1:9080 \
         being spiffe://cluster.local/ns/default/sa/bookinfo-reviews",
        version + 3
    )
}

/// How a sample shares out calls of the product page to reviews, in per cent by version.
#[track_caller]
fn check(sample: &str, headers: &str, expect: &[(usize, usize)]) {
    let request = format!("GET reviews:9080/reviews/0{headers}");
    let from = bookinfo::outbound(PRODUCTPAGE, "reviews");
    let shares = productpage(&[sample], "").shares(&from, &request);
    let expect = expect
        .iter()
        .map(|(version, share)| (reviews(*version), *share))
        .collect();
    assert_eq!(shares, expect, "{sample} {request:?}");
}

#[test]
fn each_reviews_sample_sends_requests_where_it_says() {
    let (nobody, jason, tom) = ("", "\nend-user: jason", "\nend-user: tom");
    check("virtual-service-all-v1", jason, &[(1, 100)]);
    check("virtual-service-reviews-test-v2", jason, &[(2, 100)]);
    check("virtual-service-reviews-test-v2", tom, &[(1, 100)]);
    check("virtual-service-reviews-test-v2", nobody, &[(1, 100)]);
    check("virtual-service-reviews-jason-v2-v3", jason, &[(2, 100)]);
    check("virtual-service-reviews-jason-v2-v3", nobody, &[(3, 100)]);
    check("virtual-service-reviews-90-10", nobody, &[(1, 90), (2, 10)]);
    check("virtual-service-reviews-80-20", nobody, &[(1, 80), (2, 20)]);
    check("virtual-service-reviews-50-v3", nobody, &[(1, 50), (3, 50)]);
    check("virtual-service-reviews-v2-v3", nobody, &[(2, 50), (3, 50)]);
    check("virtual-service-reviews-v3", jason, &[(3, 100)]);
}

#[test]
fn no_sample_is_left_without_a_promise() {
    let own = include_str!("samples.rs");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/bookinfo/networking");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(own.contains(&format!("\"{name}\"")), "{name} is not tested");
    }
}

#[test]
fn all_v1_holds_every_service_to_its_first_version() {
    let proxy = productpage(&["virtual-service-all-v1"], "");
    for service in ["productpage", "details", "ratings", "reviews"] {
        let from = bookinfo::outbound(PRODUCTPAGE, service);
        let outcome = proxy.call(&from, &format!("GET {service}:9080/"), 0);
        let cluster = format!("outbound|9080|v1|{service}.default.svc.cluster.local at ");
        assert!(outcome.starts_with(&cluster), "{outcome}");
    }
}

#[test]
fn without_rules_every_version_may_answer_under_any_name() {
    let proxy = proxy("sidecar productpage-v1-0.default", &[], "");
    let from = bookinfo::outbound(PRODUCTPAGE, "reviews");
    for host in ["reviews:9080", "reviews.default:9080", from.as_str(), "any"] {
        let outcome = proxy.call(&from, &format!("GET {host}/"), 0);
        let cluster = "outbound|9080||reviews.default.svc.cluster.local at ";
        assert!(outcome.starts_with(cluster), "{host}: {outcome}");
    }
}

#[test]
fn the_ingress_shows_the_product_page_and_nothing_else() {
    let samples = ["destination-rule-all", "bookinfo-gateway"];
    let proxy = proxy("router ingress-0.istio-system", &samples, "");
    let check = |path: &str, expect: &str| {
        let outcome = proxy.call("127.0.0.1:8080", &format!("GET localhost:8080{path}"), 0);
        assert_eq!(outcome, expect, "{path}");
    };
    let page = "outbound|9080||productpage.default.svc.cluster.local at 127.7.1.1:9080 \
                being spiffe://cluster.local/ns/default/sa/bookinfo-productpage";
    check("/productpage", page);
    check("/productpage?u=normal", page);
    check("/login", page);
    check("/logout", page);
    check("/api/v1/products/0/reviews", page);
    check("/productpages", "404 NR");
    check("/", "404 NR");
}

#[test]
fn a_subset_without_endpoints_answers_no_healthy_upstream() {
    let proxy = productpage(&[], &route_to("ratings", "{host: ratings, subset: v2}"));
    let from = bookinfo::outbound(PRODUCTPAGE, "ratings");
    assert_eq!(
        proxy.call(&from, "GET ratings:9080/", 0),
        "503 UH outbound|9080|v2|ratings.default.svc.cluster.local"
    );
}

#[test]
fn a_destination_that_does_not_exist_answers_no_cluster() {
    let proxy = productpage(&[], &route_to("ratings", "{host: ratings, subset: v9}"));
    let from = bookinfo::outbound(PRODUCTPAGE, "ratings");
    assert_eq!(
        proxy.call(&from, "GET ratings:9080/", 0),
        "503 NC outbound|9080|v9|ratings.default.svc.cluster.local"
    );
}

fn route_to(host: &str, destination: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\n\
         metadata: {{name: {host}, namespace: default}}\nspec:\n  hosts: [{host}]\n  \
         http: [{{route: [{{destination: {destination}}}]}}]\n"
    )
}

#[test]
fn matches_and_header_operations_reach_the_wire() {
    let rule = r#"
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: default}
spec:
  hosts: [reviews]
  http:
  - match:
    - uri: {regex: "/reviews/[0-9]+"}
      method: {exact: GET}
      headers: {cookie: {regex: "^(.*?;)?(user=jason)(;.*)?$"}}
    headers:
      request: {set: {x-route: beta, host: other}, add: {x-seen: "100%%"}, remove: [cookie]}
    route: [{destination: {host: reviews, subset: v2}}]
  - route: [{destination: {host: reviews, subset: v1}}]
"#;
    let proxy = productpage(&[], rule);
    let from = bookinfo::outbound(PRODUCTPAGE, "reviews");
    let check = |request: &str, version: usize| {
        assert_eq!(proxy.call(&from, request, 0), reviews(version), "{request}");
    };
    check(
        "GET reviews:9080/reviews/7?x\ncookie: a=b;user=jason;c=d",
        2,
    );
    check("GET reviews:9080/reviews/7/x\ncookie: user=jason", 1);
    check("POST reviews:9080/reviews/7\ncookie: user=jason", 1);
    check("GET reviews:9080/reviews/7\ncookie: user=jasons", 1);
    check("GET reviews:9080/reviews/7", 1);
    let request = "GET reviews:9080/reviews/7\ncookie: user=jason\nx-route: old";
    let sent = proxy.sent(&from, request);
    assert_eq!(sent.authority, "other");
    let fields: Vec<_> = sent.fields.iter().collect();
    let expected = [
        ("x-route", &b"beta"[..]),
        ("x-seen", b"100%"),
        ("x-envoy-original-host", b"reviews:9080"),
    ];
    assert_eq!(fields, expected);
}

#[test]
fn the_http_proxy_knows_every_service_and_blocks_the_rest() {
    let proxy = productpage(&["virtual-service-reviews-v3"], "");
    let call = |target: &str| proxy.call("127.7.1.1:15002", &format!("GET {target}"), 0);
    assert_eq!(call("reviews:9080/"), reviews(3));
    assert_eq!(call("reviews.default.svc.cluster.local:9080/"), reviews(3));
    assert_eq!(call("example.com/"), "502");
}

const ISTIO: [&str; 3] = ["istio-h2", "istio", "h2"];

#[test]
fn permissive_inbound_ports_take_the_mesh_and_plain_clients() {
    let proxy = proxy("sidecar reviews-v2-0.default", &[], "");
    let chain = |transport, alpn: &[&str]| proxy.chain("127.7.5.1:9080", transport, alpn);
    let mutual = chain(Transport::Tls, &ISTIO).unwrap();
    let tls = mutual.tls.as_ref().unwrap();
    assert!(tls.require_client_certificate);
    assert_eq!(tls.clients.prefixes, ["spiffe://cluster.local/"]);
    let application = "inbound|9080|| at 127.0.0.1:21005 being anybody";
    let served = |chain| proxy.serve(chain, "GET reviews:9080/reviews/0", 0).0;
    assert_eq!(served(mutual), application);
    let plain = chain(Transport::Raw, &[]).unwrap();
    assert!(plain.tls.is_none());
    assert_eq!(served(plain), application);
    // So are libraries that know no protocols of the mesh's; TLS of somebody else has no certificate to show.
    let of_library = chain(Transport::Tls, &["h2"]).unwrap();
    let tls = of_library.tls.as_ref().unwrap();
    assert!(tls.require_client_certificate);
    assert_eq!(tls.clients.prefixes, ["spiffe://cluster.local/"]);
}

#[test]
fn strict_inbound_ports_take_the_mesh_alone() {
    let strict = "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\n\
                  metadata: {name: default, namespace: istio-system}\n\
                  spec: {mtls: {mode: STRICT}}\n";
    let proxy = proxy("sidecar reviews-v2-0.default", &[], strict);
    let chain = |transport, alpn: &[&str]| proxy.chain("127.7.5.1:9080", transport, alpn);
    assert!(chain(Transport::Raw, &[]).is_none());
    assert!(chain(Transport::Tls, &ISTIO).unwrap().tls.is_some());
}
