use super::*;
use crate::registry::Alias;
use crate::snapshot::ProxyKind;
use mesh_api::decode::objects;
use mesh_model::net::Protocol;

fn built(text: &str) -> (Registry, Vec<Diagnostic>) {
    let (objects, found) = objects("in.yaml", text);
    assert_eq!(found, []);
    let (set, found) = ResourceSet::build(objects);
    assert_eq!(found, []);
    build(&set, "cluster.local")
}

fn name(namespace: &str, name: &str) -> NamespacedName {
    NamespacedName {
        namespace: namespace.into(),
        name: name.into(),
    }
}

const POD: &str = "
apiVersion: v1
kind: Pod
metadata:
  name: reviews-v1-5d8-x2x
  namespace: shop
  labels: {app: reviews, version: v1, pod-template-hash: 5d8, security.istio.io/tlsMode: istio, istio-locality: eu.west.a}
  ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: reviews-v1-5d8, uid: u}]
  annotations:
    mesh/listeners: '{\"inbound\": {\"9080\": {\"bind\": \"127.7.4.1:9080\", \"app\": \"127.0.0.1:21034\"}}, \"outbound\": {\"ratings.shop.svc.cluster.local:9080\": \"127.7.4.13:9080\"}, \"httpProxy\": \"127.7.4.1:15002\"}'
spec:
  serviceAccountName: bookinfo-reviews
  containers: [{name: app, image: app, ports: [{containerPort: 9080}]}]
status: {podIP: 127.7.4.1}
---
apiVersion: v1
kind: Service
metadata: {name: reviews, namespace: shop}
spec: {ports: [{name: http, port: 80, targetPort: 9080}], selector: {app: reviews}}
";

fn slice(conditions: &str, target: &str) -> String {
    format!(
        "{POD}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: reviews-1, namespace: shop, labels: {{kubernetes.io/service-name: reviews}}}}
addressType: IPv4
ports: [{{name: http, port: 9080}}]
endpoints:
- {{addresses: [127.7.4.1], conditions: {conditions}{target}}}
"
    )
}

fn endpoints(text: &str) -> Vec<RegisteredEndpoint> {
    let (registry, _) = built(text);
    registry
        .services
        .values()
        .flat_map(|s| s.endpoints.clone())
        .collect()
}

const TARGET: &str = ", targetRef: {kind: Pod, name: reviews-v1-5d8-x2x}";

#[test]
fn a_pod_becomes_a_workload_with_the_name_of_its_deployment() {
    let (registry, found) = built(POD);
    assert_eq!(found, []);
    let workload = &registry.workloads[&name("shop", "reviews-v1-5d8-x2x")];
    assert_eq!(workload.owner, "reviews-v1");
    assert_eq!(
        workload.service_account,
        ServiceAccount::new("shop", "bookinfo-reviews").unwrap()
    );
    assert_eq!(workload.container_ports, [9080]);
    let binds = workload.binds.as_ref().unwrap();
    assert_eq!(binds.inbound[&9080].app, "127.0.0.1:21034".parse().unwrap());
    assert_eq!(binds.http_proxy, Some("127.7.4.1:15002".parse().unwrap()));
    assert_eq!(binds.gateway, None);
}

#[test]
fn an_endpoint_has_what_its_pod_says() {
    let found = endpoints(&slice("{ready: true}", TARGET));
    let labels = built(POD).0.workloads[&name("shop", "reviews-v1-5d8-x2x")]
        .labels
        .clone();
    let wanted = Endpoint {
        address: "127.7.4.1:9080".parse().unwrap(),
        port_name: "http".into(),
        labels,
        service_account: Some(ServiceAccount::new("shop", "bookinfo-reviews").unwrap()),
        mutual_tls: true,
        health: Health::Healthy,
        locality: Locality {
            region: "eu".into(),
            zone: "west".into(),
            sub_zone: "a".into(),
        },
        workload: Some(name("shop", "reviews-v1")),
        canonical: ("reviews".into(), "v1".into()),
    };
    let wanted = RegisteredEndpoint {
        endpoint: wanted,
        pod: Some(name("shop", "reviews-v1-5d8-x2x")),
    };
    assert_eq!(found, [wanted]);
}

#[test]
fn readiness_decides_about_an_endpoint() {
    let health = |conditions: &str| {
        let found = endpoints(&slice(conditions, TARGET));
        found.first().map(|known| known.endpoint.health)
    };
    assert_eq!(health("{}"), Some(Health::Healthy));
    assert_eq!(health("{ready: true}"), Some(Health::Healthy));
    assert_eq!(health("{ready: false}"), Some(Health::Unhealthy));
    assert_eq!(
        health("{ready: false, serving: true, terminating: true}"),
        None
    );
    assert_eq!(health("{ready: false, terminating: true}"), None);
}

#[test]
fn a_pod_that_ends_is_no_endpoint_before_its_slice_says_so() {
    let ended = |conditions: &str| {
        let text = slice(conditions, TARGET);
        let deleted = "  namespace: shop\n  deletionTimestamp: 2026-01-01T00:00:00Z\n";
        endpoints(&text.replacen("  namespace: shop\n", deleted, 1)).len()
    };
    assert_eq!(ended("{ready: true, serving: true, terminating: false}"), 0);
    assert_eq!(ended("{}"), 0);
    // Of a Service that publishes addresses whatever becomes of them.
    assert_eq!(ended("{ready: true, serving: true, terminating: true}"), 1);
}

#[test]
fn an_endpoint_waits_for_its_pod() {
    let other = ", targetRef: {kind: Pod, name: not-there-yet}";
    assert_eq!(endpoints(&slice("{}", other)), []);
}

#[test]
fn an_address_without_a_pod_is_an_endpoint_without_identity() {
    let text = slice("{}", "").replace("addresses: [127.7.4.1]", "addresses: [192.0.2.1]");
    let found = endpoints(&text);
    assert_eq!(found[0].pod, None);
    assert_eq!(found[0].endpoint.service_account, None);
    assert!(!found[0].endpoint.mutual_tls);
}

#[test]
fn an_annotation_that_cannot_be_read_is_said_and_the_pod_stays() {
    let text = POD
        .replace("127.7.4.1:9080\\\"", "nowhere\\\"")
        .replace("\"127.7.4.1:9080\"", "\"nowhere\"");
    let (registry, found) = built(&text);
    assert_eq!(registry.workloads.len(), 1);
    let said: Vec<_> = found.iter().map(ToString::to_string).collect();
    assert!(
        said[0].starts_with("pod shop/reviews-v1-5d8-x2x: metadata.annotations[mesh/listeners]: "),
        "{said:?}"
    );
}

#[test]
fn a_gateway_port_is_the_one_its_service_leads_to() {
    let (registry, _) = built(POD);
    let pod = registry.workloads[&name("shop", "reviews-v1-5d8-x2x")].clone();
    // Without endpoints the number in the Service counts, without a Service the port itself.
    assert_eq!(registry.target_port(&pod, 80), 9080);
    assert_eq!(registry.target_port(&pod, 81), 81);
    let text = slice("{}", TARGET).replace("port: 9080}]\nendpoints", "port: 19080}]\nendpoints");
    let (registry, _) = built(&text);
    assert_eq!(registry.target_port(&pod, 80), 19080);
}

#[test]
fn the_protocol_is_declared_by_app_protocol_then_by_name() {
    let of = |yaml: &str| {
        let service = format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: s}}\nspec: {{ports: [{yaml}]}}"
        );
        built(&service)
            .0
            .services
            .values()
            .next()
            .unwrap()
            .service
            .ports[0]
            .protocol
    };
    assert_eq!(of("{name: http, port: 1}"), Protocol::Http);
    assert_eq!(of("{name: http-web, port: 1}"), Protocol::Http);
    assert_eq!(of("{name: httpweb, port: 1}"), Protocol::Auto);
    assert_eq!(
        of("{name: tcp, port: 1, appProtocol: grpc}"),
        Protocol::Grpc
    );
    assert_eq!(
        of("{name: http2, port: 1, appProtocol: strange}"),
        Protocol::Http2
    );
    assert_eq!(of("{port: 1}"), Protocol::Auto);
    assert_eq!(of("{port: 3306}"), Protocol::Tcp);
    assert_eq!(of("{name: http, port: 53, protocol: UDP}"), Protocol::Udp);
}

#[test]
fn services_lead_to_the_ports_that_they_name_number_or_repeat() {
    let text = "
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: shop, labels: {app: a}}
spec: {containers: [{name: app, image: app, ports: [{name: web, containerPort: 8080}]}]}
status: {podIP: 10.1.1.1}
---
apiVersion: v1
kind: Service
metadata: {name: one, namespace: shop}
spec:
  selector: {app: a}
  ports:
  - {name: http, port: 80, targetPort: web}
  - {name: tcp, port: 81, targetPort: 8081}
  - {name: x, port: 82}
  - {name: z, port: 83, targetPort: unknown}
---
apiVersion: v1
kind: Service
metadata: {name: other, namespace: shop}
spec: {selector: {app: a}, ports: [{name: grpc, port: 90, targetPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: elsewhere, namespace: far}
spec: {selector: {app: a}, ports: [{name: http, port: 99}]}
---
apiVersion: v1
kind: Service
metadata: {name: written, namespace: far}
spec: {ports: [{name: http, port: 98}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: written-1, namespace: far, labels: {kubernetes.io/service-name: written}}
addressType: IPv4
ports: [{name: http, port: 7000}]
endpoints: [{addresses: [10.1.1.1], targetRef: {kind: Pod, name: a, namespace: shop}}]
";
    let (registry, _) = built(text);
    let pod = registry.workloads[&name("shop", "a")].clone();
    let ports = registry.ports_of(&pod);
    let said: Vec<_> = ports
        .iter()
        .map(|(port, leading)| {
            let services = leading.services.iter();
            let services: Vec<_> = services
                .map(|s| format!("{}:{}", s.service.name.name, s.port))
                .collect();
            format!("{port} {} {}", leading.protocol, services.join(" "))
        })
        .collect();
    // Of two services with one port the first says what its bytes are.
    assert_eq!(
        said,
        [
            "82 AUTO one:82",
            "7000 HTTP written:98",
            "8080 HTTP one:80 other:90",
            "8081 TCP one:81"
        ]
    );
}

#[test]
fn a_name_for_a_service_is_an_alias_and_one_for_elsewhere_is_nothing() {
    let external = |name: &str, to: &str| {
        format!(
            "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: old}}\n\
             spec: {{type: ExternalName, externalName: {to}, ports: [{{name: http, port: 80}}]}}\n"
        )
    };
    let text = POD.to_owned()
        + &external("opinions", "Reviews.shop.svc.cluster.local.")
        + &external("ratings", "opinions.old.svc.cluster.local")
        + &external("here", "there.old.svc.cluster.local")
        + &external("there", "here.old.svc.cluster.local")
        + &external("nobody", "nobody.shop.svc.cluster.local")
        + &external("outside", "example.com");
    let (registry, found) = built(&text);
    assert_eq!(found, []);
    let host = |name: &str| Hostname::parse(&format!("{name}.svc.cluster.local")).unwrap();
    let alias = |own: &str| {
        let alias = Alias {
            name: name("old", own),
            of: host("reviews.shop"),
        };
        (host(&format!("{own}.old")), alias)
    };
    let services: Vec<_> = registry.services.keys().collect();
    assert_eq!(services, [&host("reviews.shop")]);
    let wanted = [alias("opinions"), alias("ratings")];
    assert_eq!(registry.aliases, wanted.into());
}

#[test]
fn proxies_of_unknown_pods_have_no_view() {
    let world = crate::snapshot::World::build(&ResourceSet::default(), crate::testing::mesh(), 1);
    let proxy = crate::snapshot::ProxyId {
        workload: name("shop", "nobody"),
        kind: ProxyKind::Sidecar,
    };
    assert_eq!(world.view(&proxy), None);
}
