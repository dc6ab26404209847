use std::path::PathBuf;

use mesh_api::decode::objects;

use super::sets::Sets;
use super::{Layout, Plan, Program, Ready, Room, Settings, make};
use crate::embedded::addresses::{LowPorts, Network};
use crate::embedded::findings::Texts;
use crate::embedded::images::{ImageRule, Rule};
use crate::embedded::manifests::sort;
use crate::error::CommandError;

const SHOP: &str = "
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}, {name: dns, port: 53, protocol: UDP}]}
---
apiVersion: v1
kind: Service
metadata: {name: stock, namespace: store}
spec: {selector: {app: stock}, ports: [{port: 9000}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web-v1}
spec:
  replicas: 2
  template:
    metadata: {labels: {app: web, version: v1}}
    spec:
      serviceAccountName: shop
      containers:
      - name: web
        image: docker.io/shop/web:1.0
        ports: [{name: http, containerPort: 8080}]
        env:
        - {name: GREETING, value: hello}
        - {name: POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
---
apiVersion: v1
kind: Pod
metadata: {name: stock, namespace: store, labels: {app: stock}}
spec: {containers: [{name: stock, image: shop/stock}]}
";

fn mk_rule(pattern: &str, args: &[&str], env: &[(&str, &str)]) -> Rule {
    Rule {
        rule: ImageRule {
            pattern: pattern.to_owned(),
            command: vec!["shop".to_owned()],
            args: args.iter().map(ToString::to_string).collect(),
            env: env
                .iter()
                .map(|(k, v)| (k.to_string(), v.to_string()))
                .collect(),
        },
        file: "local.yaml".to_owned(),
        index: 0,
        folder: PathBuf::from("/samples/shop"),
    }
}

fn mk_plan(text: &str, rules: &[Rule], sets: &[&str], low: LowPorts) -> Result<Plan, CommandError> {
    mk_plan_of(Layout::Loopback, text, rules, sets, low)
}

fn mk_plan_of(
    layout: Layout,
    text: &str,
    rules: &[Rule],
    sets: &[&str],
    low: LowPorts,
) -> Result<Plan, CommandError> {
    let (decoded, found) = objects("shop.yaml", text);
    assert!(found.is_empty(), "{found:?}");
    let (manifests, problems) = sort(decoded, &Texts::default());
    assert!(problems.is_empty(), "{problems:?}");
    let sets: Vec<String> = sets.iter().map(ToString::to_string).collect();
    let settings = Settings {
        layout,
        network: Network(7),
        low_ports: low,
        ingress_port: 8080,
        state: PathBuf::from("/state"),
        ca_root: PathBuf::from("/state/ca/root-cert.pem"),
        sets: Sets::parse(&sets)?,
    };
    make(&manifests, rules, &settings, &mut (20_001..))
}

/// The shop, with a namespace for each workload.
pub(crate) fn mk_shop_in_namespaces() -> Plan {
    let args = ["--port", "${port.http}", "--address", "${address}"];
    let to = [(
        "STOCK",
        "${service.stock.store.host}:${service.stock.store.port}",
    )];
    let rules = [
        mk_rule("*/web:*", &args, &to),
        mk_rule("*/stock:latest", &["${port}"], &[]),
    ];
    mk_plan_of(Layout::Namespaces, SHOP, &rules, &[], LowPorts::Moved).unwrap()
}

fn mk_shop() -> Plan {
    let args = [
        "--port",
        "${port.http}",
        "--stock",
        "${service.stock.store.host}:${service.stock.store.port}",
    ];
    let rules = [
        mk_rule("*/web:*", &args, &[("GREETING", "hi from ${port}")]),
        mk_rule("*/stock:latest", &["${port}"], &[]),
    ];
    mk_plan(SHOP, &rules, &[], LowPorts::Moved).unwrap()
}

#[track_caller]
fn check_refused(text: &str, rules: &[Rule], expected: &str) {
    let refused = mk_plan(text, rules, &[], LowPorts::Allowed).unwrap_err();
    assert!(refused.error.contains(expected), "{refused:?}");
}

#[test]
fn every_replica_is_a_pod_with_addresses_of_its_own() {
    let plan = mk_shop();
    let pods: Vec<(&str, String, String)> = plan
        .workloads
        .iter()
        .map(|w| {
            (
                w.pod.as_str(),
                w.ports[0].bind.to_string(),
                w.ports[0].app.to_string(),
            )
        })
        .collect();
    let expected = [
        ("web-v1-0", "127.7.1.1:8080", "127.0.0.1:20001"),
        ("web-v1-1", "127.7.2.1:8080", "127.0.0.1:20002"),
        ("stock", "127.7.3.1:9000", "127.0.0.1:20003"),
    ];
    let expected = expected.map(|(pod, bind, app)| (pod, bind.to_owned(), app.to_owned()));
    assert_eq!(pods, expected);
    let identity = plan.workloads[0].token.identity.to_string();
    assert_eq!(identity, "spiffe://cluster.local/ns/default/sa/shop");
}

#[test]
fn each_workload_calls_each_service_at_an_address_of_its_own() {
    let outbound: Vec<String> = mk_shop().workloads[1]
        .outbound
        .iter()
        .map(|(host, address)| format!("{host} {address}"))
        .collect();
    let expected = [
        "web.default.svc.cluster.local:80 127.7.2.11:10080",
        "stock.store.svc.cluster.local:9000 127.7.2.12:9000",
    ];
    assert_eq!(outbound, expected);
}

#[test]
fn the_image_map_is_filled_in_and_stronger_than_the_manifest() {
    let app = mk_shop().workloads[1].apps[0].clone();
    assert_eq!(app.args, ["--port", "20002", "--stock", "127.7.2.12:9000"]);
    let env = |name: &str| app.env.get(name).map(String::as_str);
    assert_eq!(env("GREETING"), Some("hi from 20002"));
    assert_eq!(env("POD"), Some("web-v1-1"));
    assert_eq!(env("HOSTNAME"), Some("web-v1-1"));
    assert_eq!(env("WEB_SERVICE_HOST"), Some("127.7.2.11"));
    assert_eq!(env("STOCK_SERVICE_HOST"), None, "another namespace");
    assert_eq!(
        app.ready,
        Ready::Accepts(vec!["127.0.0.1:20002".parse().unwrap()])
    );
    assert!(matches!(app.program, Program::Mapped { ref command, .. } if command == "shop"));
}

#[test]
fn a_set_flag_replaces_that_of_every_such_process() {
    let rules = [mk_rule("*", &[], &[])];
    let sets = [
        "proxy.drain-time=3s",
        "proxy.access-log=/dev/null",
        "citadel.trust-domain=x.org",
    ];
    let plan = mk_plan(SHOP, &rules, &sets, LowPorts::Allowed).unwrap();
    let sidecar = &plan.workloads[0].sidecar.args;
    assert!(
        sidecar.contains(&"--drain-time=3s".to_owned()),
        "{sidecar:?}"
    );
    let logs: Vec<&String> = sidecar
        .iter()
        .filter(|arg| arg.starts_with("--access-log"))
        .collect();
    assert_eq!(logs, ["--access-log=/dev/null"]);
    assert!(
        plan.components[3]
            .process
            .args
            .contains(&"--drain-time=3s".to_owned())
    );
    assert!(
        plan.components[0]
            .process
            .args
            .contains(&"--trust-domain=x.org".to_owned())
    );
    assert!(
        !plan.components[1]
            .process
            .args
            .contains(&"--trust-domain=x.org".to_owned())
    );
}

#[test]
fn a_bad_set_is_wrong_usage_and_names_what_is_meant() {
    for (text, hint) in [
        ("proxi.x=1", "did you mean \"proxy\"?"),
        ("proxy.x", "for example"),
    ] {
        let refused = Sets::parse(&[text.to_owned()]).unwrap_err();
        assert_eq!(refused.kind.code(), 2);
        assert!(
            refused.hints.iter().any(|line| line.contains(hint)),
            "{refused:?}"
        );
    }
}

#[test]
fn what_cannot_be_planned_is_refused_with_its_place() {
    let all = [mk_rule("*", &[], &[])];
    let stock = [mk_rule("*/stock:*", &[], &[])];
    check_refused(
        SHOP,
        &stock,
        "deployment default/web-v1: container \"web\": no process is known for image \"docker.io/shop/web:1.0\"",
    );
    let wrong = [mk_rule("*", &["--to", "${service.wep.host}"], &[])];
    check_refused(
        SHOP,
        &wrong,
        "local.yaml: spec.images[0].args[1]: unknown name ${service.wep.host}, did you mean ${service.web.host}?",
    );
    let wrong = [mk_rule("*", &[], &[("TO", "${service.stock.host}")])];
    check_refused(
        SHOP,
        &wrong,
        "local.yaml: spec.images[0].env.TO: unknown name",
    );
    check_refused(
        &SHOP.replace("containerPort: 8080", "containerPort: 15000"),
        &all,
        "port 15000 belongs to the sidecar",
    );
    check_refused(
        &SHOP.replace("metadata.name}", "metadata.uid}"),
        &all,
        "env POD: a local mesh has no value for fieldRef metadata.uid",
    );
    check_refused(
        &SHOP.replace("replicas: 2", "replicas: 255"),
        &all,
        "room for 254 workloads",
    );
}

#[test]
fn two_workloads_that_make_one_pod_are_refused() {
    let twin = "
apiVersion: v1
kind: Pod
metadata: {name: web-v1-0}
spec: {containers: [{name: x, image: x}]}";
    check_refused(
        &format!("{SHOP}---{twin}"),
        &[mk_rule("*", &[], &[])],
        "both make a pod \"web-v1-0\"",
    );
}

#[test]
fn a_port_is_written_as_what_its_service_speaks() {
    let text = SHOP.replace(
        "ports: [{port: 9000}]",
        "ports: [{name: redis, port: 9000}]",
    );
    let rules = [mk_rule("*", &[], &[])];
    let plan = mk_plan(&text, &rules, &[], LowPorts::Moved).unwrap();
    let url = |pod: &str| {
        let mut workloads = plan.workloads.iter();
        let workload = workloads.find(|w| w.pod == pod).unwrap();
        workload.ports[0].url(workload.ports[0].bind)
    };
    assert_eq!(url("web-v1-0"), "http://127.7.1.1:8080");
    assert_eq!(url("stock"), "tcp://127.7.3.1:9000");
}

#[test]
fn in_namespaces_applications_have_their_own_ports_and_call_services_by_name() {
    let plan = mk_shop_in_namespaces();
    let (web, room) = (&plan.workloads[0], plan.workloads[0].number);
    assert_eq!(web.ip.to_string(), "10.44.1.2");
    assert!(web.outbound.is_empty());
    let app = &web.apps[0];
    assert_eq!(app.args, ["--port", "8080", "--address", "0.0.0.0"]);
    assert_eq!(app.env["STOCK"], "stock.store.svc.cluster.local:9000");
    let port = "127.0.0.1:8080".parse().unwrap();
    assert_eq!(app.ready, Ready::Accepts(vec![port]));
    assert_eq!(app.room, Some(Room::Application(room)));
    assert_eq!(web.sidecar.room, Some(Room::Sidecar(room)));
    for flag in [
        "--interception-mode=REDIRECT",
        "--address=10.44.1.2",
        "--admin=127.0.0.1:15000",
        "--xds-address=10.44.0.1:15012",
        "--ca-address=10.44.0.1:8060",
    ] {
        let has = web.sidecar.args.iter().any(|arg| arg == flag);
        assert!(has, "no {flag} in {:?}", web.sidecar.args);
    }
    let pilot = &plan.components[1];
    assert_eq!(pilot.admin.to_string(), "127.7.0.11:15014");
    assert!(
        pilot
            .process
            .args
            .contains(&"--address=10.44.0.1:15012".to_owned())
    );
    assert!(
        plan.components
            .iter()
            .all(|one| one.process.room == Some(Room::Node))
    );
}
