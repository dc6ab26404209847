//! Bookinfo as the supervisor of a local mesh writes it down: services, pods and their endpoints.

use std::fmt::Write as _;

/// Deployments with the account and the labels of their one pod. The place in the list gives a
/// pod its address: 127.7.1.1, 127.7.2.1 and so on.
const WORKLOADS: [(&str, &str); 6] = [
    ("productpage", "v1"),
    ("details", "v1"),
    ("ratings", "v1"),
    ("reviews", "v1"),
    ("reviews", "v2"),
    ("reviews", "v3"),
];
const SERVICES: [&str; 4] = ["productpage", "details", "ratings", "reviews"];

/// All objects of the application and of an ingress gateway, as YAML.
pub(crate) fn objects() -> String {
    let mut out = String::new();
    for (place, (app, version)) in WORKLOADS.into_iter().enumerate() {
        pod(&mut out, place + 1, app, version);
    }
    for app in SERVICES {
        service(&mut out, app);
    }
    out.push_str(INGRESS);
    out
}

/// Where a workload listens for calls to a service: 127.7.W.(10+S).
pub(crate) fn outbound(workload: usize, service: &str) -> String {
    let number = SERVICES.iter().position(|s| *s == service).unwrap();
    format!("127.7.{workload}.{}:9080", 11 + number)
}

fn pod(out: &mut String, place: usize, app: &str, version: &str) {
    let ports: Vec<_> = SERVICES
        .iter()
        .map(|s| {
            format!(
                "\"{s}.default.svc.cluster.local:9080\": \"{}\"",
                outbound(place, s)
            )
        })
        .collect();
    writeln!(
        out,
        r#"apiVersion: v1
kind: Pod
metadata:
  name: {app}-{version}-0
  namespace: default
  labels: {{app: {app}, version: {version}, security.istio.io/tlsMode: istio, service.istio.io/workload-name: {app}-{version}}}
  annotations:
    mesh/listeners: '{{"inbound": {{"9080": {{"bind": "127.7.{place}.1:9080", "app": "127.0.0.1:2100{place}"}}}}, "outbound": {{{outbound}}}, "httpProxy": "127.7.{place}.1:15002"}}'
spec:
  serviceAccountName: bookinfo-{app}
  containers: [{{name: app, image: app, ports: [{{containerPort: 9080}}]}}]
status: {{podIP: 127.7.{place}.1, phase: Running}}
---"#,
        outbound = ports.join(", "),
    )
    .unwrap();
}

fn service(out: &mut String, app: &str) {
    writeln!(
        out,
        r#"apiVersion: v1
kind: Service
metadata: {{name: {app}, namespace: default}}
spec: {{ports: [{{name: http, port: 9080}}], selector: {{app: {app}}}}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {app}-1, namespace: default, labels: {{kubernetes.io/service-name: {app}}}}}
addressType: IPv4
ports: [{{name: http, port: 9080}}]
endpoints:"#
    )
    .unwrap();
    let pods = WORKLOADS.into_iter().zip(1..);
    for ((_, version), place) in pods.filter(|((of, _), _)| *of == app) {
        writeln!(
            out,
            "- {{addresses: [127.7.{place}.1], conditions: {{ready: true}}, targetRef: {{kind: Pod, name: {app}-{version}-0}}}}"
        )
        .unwrap();
    }
    out.push_str("---\n");
}

const INGRESS: &str = r#"apiVersion: v1
kind: Service
metadata: {name: istio-ingressgateway, namespace: istio-system}
spec: {ports: [{name: http2, port: 80, targetPort: 8080}], selector: {istio: ingressgateway}}
---
apiVersion: v1
kind: Pod
metadata:
  name: ingress-0
  namespace: istio-system
  labels: {istio: ingressgateway, app: istio-ingressgateway, security.istio.io/tlsMode: istio, service.istio.io/workload-name: istio-ingressgateway}
  annotations:
    mesh/listeners: '{"gateway": "127.0.0.1"}'
spec:
  serviceAccountName: istio-ingressgateway-service-account
  containers: [{name: app, image: app, ports: [{containerPort: 8080}]}]
status: {podIP: 127.7.0.13, phase: Running}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: istio-ingressgateway-1, namespace: istio-system, labels: {kubernetes.io/service-name: istio-ingressgateway}}
addressType: IPv4
ports: [{name: http2, port: 8080}]
endpoints:
- addresses: [127.7.0.13]
  conditions: {ready: true}
  targetRef: {kind: Pod, name: ingress-0}
---
"#;
