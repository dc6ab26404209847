use super::*;
use crate::decode;

const WORLD: &str = "
apiVersion: v1
kind: Service
metadata: {name: reviews}
spec: {ports: [{name: http, port: 9080}]}
---
apiVersion: v1
kind: Service
metadata: {name: many, namespace: prod}
spec: {ports: [{name: http, port: 80}, {name: admin, port: 81}]}
---
apiVersion: v1
kind: Service
metadata: {name: alias, namespace: prod}
spec: {type: ExternalName, externalName: reviews.default.svc.cluster.local}
---
apiVersion: v1
kind: Service
metadata: {name: outside}
spec: {type: ExternalName, externalName: example.com}
---
apiVersion: v1
kind: Pod
metadata: {name: edge-1, namespace: istio-system, labels: {istio: ingressgateway}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec: {host: reviews, subsets: [{name: v1}, {name: v2}]}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]
";

/// Checks the object `it` of `text` in the world above.
#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let (objects, found) = decode::objects("test.yaml", &format!("{WORLD}\n---\n{text}"));
    assert_eq!(found, []);
    let (set, found) = ResourceSet::build(objects);
    assert_eq!(found, []);
    let found = check_references_in(&set, DEFAULT_DOMAIN, |key| &*key.name == "it");
    let found: Vec<String> = found
        .iter()
        .map(|diagnostic| {
            let text = diagnostic.to_string();
            format!(
                "{} {}",
                diagnostic.code,
                text.split_once("/it: ").unwrap().1
            )
        })
        .collect();
    assert_eq!(found, expected, "{text}");
}

#[track_caller]
fn check_destination(destination: &str, expected: &[&str]) {
    check(
        &virtual_service("it", "hosts: [somewhere]", destination),
        expected,
    );
}

fn virtual_service(name: &str, hosts: &str, destination: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: {name}}}\n\
         spec: {{{hosts}, http: [{{route: [{{destination: {{{destination}}}}}]}}]}}\n"
    )
}

#[test]
fn a_destination_must_exist() {
    check_destination("host: reviews, subset: v1, port: {number: 9080}", &[]);
    check_destination("host: reviews.default.svc.cluster.local, subset: v2", &[]);
    let at = "spec.http[0].route[0].destination";
    check_destination(
        "host: reveiws",
        &[&format!(
            "IST0101 {at}.host: no service declares the host \"reveiws.default.svc.cluster.local\"; \
                    did you mean \"reviews.default.svc.cluster.local\"?"
        )],
    );
    check_destination(
        "host: many.prod",
        &[&format!(
            "IST0101 {at}.host: no service declares the host \"many.prod\"; a name with a dot \
                    is taken as it is; write many.prod.svc.cluster.local"
        )],
    );
    check_destination(
        "host: reviews, subset: v3",
        &[&format!(
            "IST0101 {at}.subset: no subset \"v3\" in destinationrule default/reviews; it has v1, v2"
        )],
    );
    check_destination(
        "host: reviews, port: {number: 9081}",
        &[&format!(
            "IST0101 {at}.port.number: service default/reviews has no port 9081; it has 9080"
        )],
    );
    check_destination(
        "host: many.prod.svc.cluster.local",
        &[&format!(
            "IST0112 {at}.port: is missing, and service prod/many has several ports; name one of 80, 81"
        )],
    );
    check_destination(
        "host: many.prod.svc.cluster.local, port: {number: 80}, subset: v1",
        &[&format!(
            "IST0101 {at}.subset: no subset \"v1\": no destinationrule is for \
                    many.prod.svc.cluster.local; apply a destinationrule that defines the subset"
        )],
    );
}

#[test]
fn a_destination_may_be_a_name_of_a_service() {
    let alias = "host: alias.prod.svc.cluster.local";
    let at = "spec.http[0].route[0].destination";
    check_destination(&format!("{alias}, subset: v1, port: {{number: 9080}}"), &[]);
    check_destination(
        &format!("{alias}, subset: v3"),
        &[&format!(
            "IST0101 {at}.subset: no subset \"v3\" in destinationrule default/reviews; it has v1, v2"
        )],
    );
    check_destination(
        "host: outside",
        &[&format!(
            "IST0101 {at}.host: service default/outside stands for \"example.com\", which is no service; \
             requests can be sent to services of the mesh alone"
        )],
    );
    check(
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: it}\n\
         spec: {host: alias.prod.svc.cluster.local, subsets: [{name: v1}]}",
        &[
            "IST0101 spec.host: \"alias.prod.svc.cluster.local\" is but a name for \
           \"reviews.default.svc.cluster.local\"; the rule has no effect; the one for the service itself \
           is what counts",
        ],
    );
}

#[test]
fn gateways_and_workloads_that_are_missing_are_warned_of() {
    check(
        &virtual_service(
            "it",
            "hosts: [x.com], gateways: [mesh, edge]",
            "host: reviews",
        ),
        &[],
    );
    check(
        &virtual_service(
            "it",
            "hosts: [x.com], gateways: [infra/edge]",
            "host: reviews",
        ),
        &[
            "IST0101 spec.gateways[0]: there is no gateway infra/edge; until there is one, no \
           gateway serves this VirtualService",
        ],
    );
    check(
        "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: it}\n\
         spec: {selector: {istio: egress}, servers: [{port: {number: 80, name: a, protocol: HTTP}, hosts: ['*']}]}",
        &[
            "IST0127 spec.selector: no workload has these labels; until one does, nobody opens the \
           ports of this gateway",
        ],
    );
    check(
        "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: it}\n\
         spec: {selector: {matchLabels: {istio: ingressgateway}}}",
        &[
            "IST0127 spec.selector.matchLabels: no workload has these labels; until one does, the \
           policy has no effect",
        ],
    );
}

#[test]
fn a_rule_for_a_host_that_nobody_declares_is_warned_of() {
    let rule = |host: &str| {
        format!(
            "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: it}}\n\
             spec: {{host: '{host}', subsets: [{{name: v1}}]}}"
        )
    };
    check(&rule("*.local"), &[]);
    check(
        &rule("ratings"),
        &[
            "IST0101 spec.host: no service declares the host \"ratings.default.svc.cluster.local\"; \
           until one does, the rule has no effect",
        ],
    );
}

#[test]
fn the_second_to_claim_a_host_for_sidecars_is_warned() {
    let first = virtual_service("a-first", "hosts: [reviews]", "host: reviews");
    let second = virtual_service("it", "hosts: [reviews]", "host: reviews");
    check(
        &format!("{first}---\n{second}"),
        &[
            "IST0109 spec.hosts[0]: virtualservice default/a-first has rules for \"reviews\" \
           already; sidecars use the oldest; put all rules of a host into one VirtualService",
        ],
    );
}

#[test]
fn only_what_is_asked_for_is_checked() {
    let text = virtual_service("it", "hosts: [a]", "host: nowhere");
    let (objects, _) = decode::objects("test.yaml", &text);
    let (set, _) = ResourceSet::build(objects);
    assert_eq!(check_references(&set, &BTreeSet::new()), []);
    let key = set.virtual_services[0].key.clone();
    assert_eq!(check_references(&set, &BTreeSet::from([key])).len(), 1);
}
