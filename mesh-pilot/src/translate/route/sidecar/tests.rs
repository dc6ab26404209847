use super::*;
use crate::snapshot::{ProxyId, ProxyKind};
use crate::translate::{Resources, translate};
use mesh_model::name::NamespacedName;
use mesh_proto::envoy::envoy::config::route::v3::route::Action;

/// A pod in the namespace `default` with the service `web` at port 80, and what else is written.
fn made(more: &str) -> Resources {
    let workload = NamespacedName {
        namespace: "default".into(),
        name: "web".into(),
    };
    let text = crate::testing::pod("web", "web").replace("{ports:", "{clusterIP: 10.0.0.7, ports:");
    let world = crate::testing::world(&(text + more), 1);
    assert_eq!(world.diagnostics, []);
    let kind = ProxyKind::Captured;
    translate(&world.view(&ProxyId { workload, kind }).unwrap())
}

fn external(name: &str, to: &str) -> String {
    let (name, namespace) = name.split_once('.').unwrap();
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: {namespace}}}\n\
         spec: {{type: ExternalName, externalName: {to}}}\n---\n"
    )
}

fn rule(hosts: &str, to: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\n\
         metadata: {{name: rule, namespace: default}}\n\
         spec: {{hosts: {hosts}, http: [{{route: [{{destination: {{host: {to}}}}}]}}]}}\n---\n"
    )
}

/// The cluster that a request of the table `80` goes to, with the virtual host that has the domain.
#[track_caller]
fn check(made: &Resources, domain: &str, expected: Option<(&str, &str)>) {
    let hosts = &made.routes["80"].virtual_hosts;
    let mut having = hosts
        .iter()
        .filter(|it| it.domains.iter().any(|d| d == domain));
    let found = having.next();
    assert!(having.next().is_none(), "{domain} twice: {hosts:#?}");
    let found = found.map(|host| {
        let Some(Action::Route(action)) = &host.routes[0].action else {
            panic!("{host:#?}");
        };
        let Some(ClusterSpecifier::Cluster(cluster)) = &action.cluster_specifier else {
            panic!("{host:#?}");
        };
        (&*host.name, &**cluster)
    });
    assert_eq!(found, expected, "{domain}");
}

const WEB: &str = "web.default.svc.cluster.local:80";
const TO_WEB: &str = "outbound|80||web.default.svc.cluster.local";
const TO_ELSE: &str = "outbound|80||else.default.svc.cluster.local";

fn elsewhere() -> String {
    "apiVersion: v1\nkind: Service\nmetadata: {name: else, namespace: default}\n\
     spec: {clusterIP: 10.0.0.8, ports: [{name: http, port: 80}]}\n---\n"
        .to_owned()
}

#[test]
fn an_alias_has_the_virtual_host_of_its_service() {
    let made = made(
        &(external("near.default", "web.default.svc.cluster.local")
            + &external("far.other", "near.default.svc.cluster.local")),
    );
    for domain in [
        "near.default.svc.cluster.local",
        "near.default.svc.cluster.local.",
        "near.default.svc",
        "near.default",
        "near",
        "far.other.svc.cluster.local",
        "far.other.svc",
        "far.other",
        "web",
        "10.0.0.7",
    ] {
        check(&made, domain, Some((WEB, TO_WEB)));
    }
    check(&made, "far", None);
    let clusters = made
        .clusters
        .keys()
        .filter(|name| name.starts_with("outbound"));
    assert_eq!(clusters.collect::<Vec<_>>(), [TO_WEB]);
}

#[test]
fn an_alias_has_the_rules_of_its_service() {
    let rules = elsewhere() + &rule("[web]", "else");
    let made = made(&(rules + &external("near.default", "web.default.svc.cluster.local")));
    check(&made, "near", Some((WEB, TO_ELSE)));
}

#[test]
fn a_name_outside_of_the_mesh_is_left_to_the_policy_for_those() {
    let with = made(&external("outside.default", "example.com"));
    assert_eq!(with, made(""));
    check(&with, "outside", None);
    check(&with, "*", Some(("allow_any", "PassthroughCluster")));
}

#[test]
fn a_virtual_service_keeps_the_host_that_an_alias_has_too() {
    let alias = external("near.default", "web.default.svc.cluster.local") + &elsewhere();
    let own = Some(("near.default.svc.cluster.local:80", TO_ELSE));
    let by_name = made(&(alias.clone() + &rule("[near]", "else")));
    check(&by_name, "near.default.svc.cluster.local", own);
    // Whose other spellings are the same host.
    check(&by_name, "near", own);
    check(&by_name, "web", Some((WEB, TO_WEB)));
    let spelled = made(&(alias + &rule("[near.default]", "else")));
    check(&spelled, "near.default", Some(("near.default:80", TO_ELSE)));
    check(&spelled, "near", Some((WEB, TO_WEB)));
}

#[test]
fn a_destination_that_is_an_alias_is_its_service() {
    let alias = external("near.default", "web.default.svc.cluster.local");
    let made = made(&(alias + &rule("[shop.example.com]", "near")));
    check(
        &made,
        "shop.example.com",
        Some(("shop.example.com:80", TO_WEB)),
    );
}

#[test]
fn the_explicit_proxy_knows_aliases_by_the_ports_of_their_service() {
    let text = "
apiVersion: v1
kind: Pod
metadata:
  name: a
  namespace: default
  annotations:
    mesh/listeners: '{\"httpProxy\": \"127.7.1.1:15002\", \"outbound\": {\"near.default.svc.cluster.local:81\": \"127.7.1.3:81\"}}'
spec: {serviceAccountName: a, containers: [{name: app, image: app}]}
status: {podIP: 127.7.1.1}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec: {ports: [{name: http, port: 80}, {name: http-more, port: 81}]}
---
";
    let text = text.to_owned() + &external("near.default", "web.default.svc.cluster.local");
    let workload = NamespacedName {
        namespace: "default".into(),
        name: "a".into(),
    };
    let kind = ProxyKind::Sidecar;
    let view = crate::testing::world(&text, 1).view(&ProxyId { workload, kind });
    let made = translate(&view.unwrap());
    let hosts = made.routes["http_proxy"].virtual_hosts.iter();
    let having = |domain: &str| {
        let mut hosts = hosts
            .clone()
            .filter(|it| it.domains.iter().any(|d| d == domain));
        (hosts.next().map(|host| host.name.clone()), hosts.count())
    };
    let of = |port: u16| (Some(format!("web.default.svc.cluster.local:{port}")), 0);
    assert_eq!(having("near"), of(80));
    assert_eq!(having("near:80"), of(80));
    assert_eq!(having("near:81"), of(81));
    assert_eq!(having("near:82"), (None, 0));
    // A port that is the alias's alone leads to its service's.
    assert!(made.listeners.contains_key("127.7.1.3_81"));
    assert!(made.routes.contains_key("web.default.svc.cluster.local:81"));
}
