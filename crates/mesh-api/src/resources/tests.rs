use std::time::Duration;

use mesh_model::labels::Labels;
use mesh_model::net::Protocol;

use super::*;
use crate::decode;
use crate::networking::destination_rule::{ClientTlsMode, SimpleLoadBalancer};
use crate::networking::string_match::StringMatch;
use crate::security::peer_authentication::MutualTlsMode;

fn build(text: &str) -> (ResourceSet, Vec<String>) {
    let (objects, found) = decode::objects("test.yaml", text);
    assert_eq!(found, []);
    let (set, found) = ResourceSet::build(objects);
    (set, found.iter().map(ToString::to_string).collect())
}

/// Builds what has nothing wrong with it.
#[track_caller]
fn built(text: &str) -> ResourceSet {
    let (set, found) = build(text);
    assert_eq!(found, [""; 0]);
    set
}

#[test]
fn a_virtual_service_is_read_whole() {
    let set = built(
        r#"
apiVersion: networking.istio.io/v1alpha3
kind: VirtualService
metadata: {name: reviews, labels: {app: reviews}}
spec:
  hosts: [reviews]
  gateways: [mesh, infra/edge]
  exportTo: ["."]
  http:
  - name: jason
    match:
    - name: m
      uri: {prefix: /reviews}
      method: {exact: GET}
      authority: {regex: "reviews(:9080)?"}
      scheme: {exact: http}
      headers: {end-user: {exact: jason}, x-any: {}}
      withoutHeaders: {x-debug: {exact: "1"}}
      queryParams: {page: {regex: "[0-9]+"}}
      port: 9080
      sourceLabels: {app: productpage}
      sourceNamespace: default
      gateways: [mesh]
      ignoreUriCase: true
    route:
    - destination: {host: reviews, subset: v2, port: {number: 9080}}
      weight: 90
      headers: {response: {add: {x-version: v2}}}
    - destination: {host: reviews, subset: v3}
      weight: "10"
    timeout: 1.5s
    headers: {request: {set: {x-a: b}, remove: [x-c]}}
"#,
    );
    let service = &set.virtual_services[0];
    assert_eq!(service.key.to_string(), "virtualservice default/reviews");
    let rule = &service.spec.http[0];
    assert_eq!(rule.timeout, Some(Duration::from_millis(1_500)));
    assert_eq!(rule.headers.request.remove, ["x-c"]);
    assert_eq!(rule.route[1].weight, 10);
    assert_eq!(
        rule.route[0].destination.port.map(|port| port.number),
        Some(9080)
    );
    assert_eq!(rule.route[0].headers.response.add["x-version"], "v2");
    let matched = &rule.matches[0];
    assert_eq!(matched.uri, Some(StringMatch::Prefix("/reviews".into())));
    assert_eq!(matched.headers["x-any"], StringMatch::Present);
    assert_eq!(
        matched.source_labels,
        Labels::from_iter([("app", "productpage")])
    );
    assert!(matched.ignore_uri_case);
    assert!(service.spec.for_sidecars());
}

#[test]
fn a_destination_rule_is_read_whole() {
    let set = built(
        "
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec:
  host: reviews
  trafficPolicy:
    loadBalancer: {simple: LEAST_CONN}
    tls: {mode: ISTIO_MUTUAL}
    portLevelSettings:
    - port: {number: 9080}
      loadBalancer: {simple: RANDOM}
  subsets:
  - name: v1
    labels: {version: v1}
    trafficPolicy: {tls: {mode: DISABLE}}
",
    );
    let rule = &set.destination_rules[0].spec;
    let policy = rule.traffic_policy.as_ref().unwrap();
    let balancer = policy.load_balancer.as_ref().unwrap();
    assert_eq!(balancer.simple, SimpleLoadBalancer::LeastRequest);
    assert_eq!(
        policy.tls.as_ref().unwrap().mode,
        ClientTlsMode::IstioMutual
    );
    assert_eq!(policy.port_level_settings[0].port.number, 9080);
    assert_eq!(
        rule.subsets[0].labels,
        Labels::from_iter([("version", "v1")])
    );
}

#[test]
fn a_gateway_and_a_peer_authentication_are_read_whole() {
    let set = built(
        r#"
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 80, name: http, protocol: http}
    hosts: ["*", "prod/*.example.com"]
    tls: {httpsRedirect: false}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: strict}
spec:
  selector: {matchLabels: {app: reviews}}
  mtls: {mode: STRICT}
  portLevelMtls: {8080: {mode: PERMISSIVE}}
"#,
    );
    let server = &set.gateways[0].spec.servers[0];
    assert_eq!(
        (server.port.number, server.port.protocol),
        (80, Some(Protocol::Http))
    );
    let policy = &set.peer_authentications[0].spec;
    assert_eq!(policy.mode(), MutualTlsMode::Strict);
    assert_eq!(
        policy.port_level_mtls[&8080].mode,
        MutualTlsMode::Permissive
    );
}

#[test]
fn kubernetes_objects_are_read_as_far_as_the_mesh_needs_them() {
    let set = built(
        r#"
apiVersion: v1
kind: Service
metadata: {name: reviews}
spec:
  clusterIP: 10.0.0.7
  selector: {app: reviews}
  ports: [{name: http, port: 9080, targetPort: web, appProtocol: http2, nodePort: 30000}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: reviews-v1}
spec:
  selector: {matchLabels: {app: reviews}}
  template:
    metadata: {labels: {app: reviews, version: v1}}
    spec:
      serviceAccountName: bookinfo-reviews
      containers:
      - name: reviews
        image: examples-bookinfo-reviews-v1:1.20.1
        imagePullPolicy: IfNotPresent
        env: [{name: LOG_DIR, value: /tmp/logs}]
        ports: [{containerPort: 9080}]
        volumeMounts: [{name: tmp, mountPath: /tmp}]
      volumes: [{name: tmp, emptyDir: {}}]
---
apiVersion: v1
kind: Pod
metadata: {name: reviews-v1-1, labels: {app: reviews}, ownerReferences: [{kind: ReplicaSet, name: reviews-v1}]}
spec: {containers: [{name: reviews, ports: [{containerPort: 9080}]}]}
status: {podIP: 127.7.1.1, conditions: [{type: Ready, status: "True"}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: reviews-1, labels: {kubernetes.io/service-name: reviews}}
addressType: IPv4
endpoints:
- addresses: [127.7.1.1]
  conditions: {ready: true, serving: true}
  targetRef: {kind: Pod, name: reviews-v1-1}
ports: [{name: http, port: 9080}]
---
apiVersion: v1
kind: Namespace
metadata: {name: prod}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: bookinfo-reviews}
---
apiVersion: mesh/v1
kind: LocalApplication
metadata: {name: bookinfo}
spec: {}
"#,
    );
    let service = &set.services[0].spec;
    assert_eq!(
        service.addresses(),
        ["10.0.0.7".parse::<std::net::IpAddr>().unwrap()]
    );
    assert_eq!(service.ports[0].app_protocol.as_deref(), Some("http2"));
    let deployment = &set.deployments[0].spec;
    assert_eq!(deployment.replicas(), 1);
    assert_eq!(
        deployment.template.spec.service_account(),
        "bookinfo-reviews"
    );
    assert_eq!(deployment.template.spec.tcp_ports().count(), 1);
    let pod = &set.pods[0];
    assert!(pod.spec.is_ready());
    assert_eq!(pod.spec.spec.service_account(), "default");
    assert_eq!(&*pod.meta.owner_references[0].name, "reviews-v1");
    let endpoint = &set.endpoint_slices[0].spec.endpoints[0];
    assert_eq!(endpoint.conditions.ready, Some(true));
    assert_eq!((set.namespaces.len(), set.service_accounts.len()), (1, 1));
}

#[test]
fn a_bad_object_is_left_out_and_its_neighbours_stay() {
    let (set, found) = build(
        "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: bad}
spec: {hosts: [a], http: [{route: [{destination: {host: a}}], delegate: {}}], htps: []}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: good}
spec: {hosts: [a], http: [{route: [{destination: {host: a}}]}]}
",
    );
    let names: Vec<&str> = set
        .virtual_services
        .iter()
        .map(|one| &*one.key.name)
        .collect();
    assert_eq!(names, ["good"]);
    assert_eq!(
        found,
        [
            "virtualservice default/bad: spec.htps: unknown field; did you mean \"http\"?",
            "virtualservice default/bad: spec.http[0].delegate: known to Istio but not supported by \
             this version of mesh",
        ]
    );
}

#[test]
fn an_unknown_field_of_kubernetes_is_a_warning() {
    let (set, found) = build(
        "
apiVersion: v1
kind: Service
metadata: {name: a}
spec: {ports: [{port: 80}], selectr: {a: b}}
",
    );
    assert_eq!(set.services.len(), 1);
    assert_eq!(
        found,
        ["service default/a: spec.selectr: unknown field; did you mean \"selector\"?"]
    );
}

#[test]
fn order_is_by_age_then_name_then_namespace() {
    let mk = |name: &str, namespace: &str, time: &str| {
        format!(
            "apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: {name}, namespace: {namespace}{time}}}\n"
        )
    };
    let at = |time: &str| format!(", creationTimestamp: '{time}'");
    let text = [
        mk("a", "x", &at("2026-01-02T00:00:00Z")),
        mk("b", "z", &at("2026-01-01T00:00:00Z")),
        mk("b", "x", &at("2026-01-01T00:00:00Z")),
        mk("z", "x", ""),
    ];
    let set = built(&text.join("---\n"));
    let order: Vec<String> = set
        .service_accounts
        .iter()
        .map(|one| one.key.to_string())
        .collect();
    assert_eq!(
        order,
        [
            "serviceaccount x/z",
            "serviceaccount x/b",
            "serviceaccount z/b",
            "serviceaccount x/a"
        ]
    );
}

#[test]
fn of_two_objects_with_one_name_the_first_counts() {
    let one = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: a}\n";
    let (set, found) = build(&format!("{one}---\n{one}"));
    assert_eq!(set.service_accounts.len(), 1);
    assert_eq!(
        found,
        [
            "serviceaccount default/a: is declared already in test.yaml document 1 line 1; remove one of the two"
        ]
    );
}

#[test]
fn metadata_is_held_to_its_rules() {
    let (set, found) = build(
        "
apiVersion: v1
kind: ServiceAccount
metadata: {name: a, labels: {version: 1, app: '-x'}, creationTimestamp: today, lables: {}}
",
    );
    assert_eq!(set.service_accounts.len(), 0);
    let at = "serviceaccount default/a: metadata";
    assert_eq!(
        found,
        [
            format!(
                "{at}.labels.version: expected a string, found the number 1; write it in quotes: \"1\""
            ),
            format!("{at}.lables: unknown field; did you mean \"labels\"?"),
            format!("{at}.labels.app: \"-x\" is not the value of a label"),
            format!(
                "{at}.creationTimestamp: \"today\" is not a time; write for example 2026-01-31T09:30:00Z"
            ),
        ]
    );
}
