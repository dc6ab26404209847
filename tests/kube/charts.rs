//! The charts, held against the real API server; and what they say to who errs.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::OnceLock;

use mesh_tests::mesh::binary;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cluster::{Cluster, shared, success};

const PROFILES: [&str; 3] = ["default", "demo", "minimal"];

fn path(inside: &str) -> String {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    root.join(inside).to_string_lossy().into_owned()
}

fn render(cluster: &Cluster, namespace: &str, arguments: &[&str]) -> Output {
    let chart = path("charts/mesh");
    let template = ["template", "mesh", chart.as_str(), "-n", namespace];
    cluster.run("helm", &[&template, arguments].concat())
}

/// The objects of a profile.
#[track_caller]
fn rendered(cluster: &Cluster, namespace: &str, profile: &str, arguments: &[&str]) -> String {
    let values = path(&format!("charts/mesh/profiles/{profile}.yaml"));
    let arguments = [&["-f", values.as_str()], arguments].concat();
    success(&render(cluster, namespace, &arguments))
}

/// What the API server makes of objects, of which it keeps none; and its warnings.
#[track_caller]
fn tried(cluster: &Cluster, objects: &str) -> (Vec<Value>, String) {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("objects.yaml");
    fs::write(&file, objects).unwrap();
    let file = file.to_string_lossy();
    let apply = ["apply", "--dry-run=server", "-o", "json", "-f", &file];
    let output = cluster.run("kubectl", &apply);
    let list: Value = serde_json::from_str(&success(&output)).unwrap();
    let warnings = String::from_utf8_lossy(&output.stderr).into_owned();
    let items = list.get("items").and_then(Value::as_array).cloned();
    (items.unwrap_or_else(|| vec![list]), warnings)
}

/// Makes a namespace that warns of pods with rights.
#[track_caller]
fn restricted(cluster: &Cluster, name: &str) {
    let labels = json!({"pod-security.kubernetes.io/warn": "restricted"});
    cluster.apply(&json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": labels},
    }));
    cluster.wait("create", &["serviceaccount/default", "-n", name]);
}

/// Tells the server of Istio's kinds, once for all tests.
#[track_caller]
fn define(cluster: &Cluster) {
    static DEFINED: OnceLock<()> = OnceLock::new();
    DEFINED.get_or_init(|| tell(cluster));
}

#[track_caller]
fn tell(cluster: &Cluster) {
    let chart = path("charts/mesh-init");
    let definitions = success(&cluster.run("helm", &["template", "mesh-init", chart.as_str()]));
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("definitions.yaml");
    fs::write(&file, definitions).unwrap();
    let file = file.to_string_lossy();
    cluster.kubectl(&["apply", "--server-side", "--force-conflicts", "-f", &file]);
    cluster.defined();
}

#[test]
fn every_profile_passes_the_servers_own_checks_in_any_namespace() {
    let cluster = shared().read();
    define(&cluster);
    for namespace in ["istio-system", "elsewhere"] {
        restricted(&cluster, namespace);
        for profile in PROFILES {
            let mtls = ["--set", "global.mtls.enabled=true"];
            let objects = rendered(&cluster, namespace, profile, &mtls);
            let (objects, warnings) = tried(&cluster, &objects);
            assert!(objects.len() > 10, "{profile}: {} objects", objects.len());
            assert_eq!(warnings, "", "{profile} in {namespace}");
            let namespaces = objects
                .iter()
                .filter_map(|object| object["metadata"]["namespace"].as_str());
            let namespaces: BTreeSet<&str> = namespaces.collect();
            assert_eq!(namespaces, BTreeSet::from([namespace]), "{profile}");
        }
    }
}

#[test]
fn two_meshes_in_one_cluster_share_no_object() {
    let cluster = shared().read();
    define(&cluster);
    let names = |namespace: &str| {
        cluster.namespace(namespace);
        let (objects, _) = tried(&cluster, &rendered(&cluster, namespace, "demo", &[]));
        let name = |object: &Value| {
            let meta = &object["metadata"];
            format!("{} {} {}", object["kind"], meta["namespace"], meta["name"])
        };
        objects.iter().map(name).collect::<BTreeSet<_>>()
    };
    let shared: Vec<String> = names("one").intersection(&names("two")).cloned().collect();
    assert_eq!(shared, Vec::<String>::new());
}

#[test]
fn the_demo_fits_a_laptop() {
    let cluster = shared().read();
    define(&cluster);
    cluster.namespace("laptop");
    let (objects, _) = tried(&cluster, &rendered(&cluster, "laptop", "demo", &[]));
    let mut asked = (0, 0);
    for deployment in objects
        .iter()
        .filter(|object| object["kind"] == "Deployment")
    {
        let containers = &deployment["spec"]["template"]["spec"]["containers"];
        for container in containers.as_array().unwrap() {
            let requests = &container["resources"]["requests"];
            let number = |quantity: &Value, unit: &str| {
                let text = quantity.as_str().unwrap().strip_suffix(unit).unwrap();
                text.parse::<u32>().unwrap()
            };
            asked.0 += number(&requests["cpu"], "m");
            asked.1 += number(&requests["memory"], "Mi");
        }
    }
    assert!(asked.0 <= 600 && asked.1 <= 1024, "{asked:?}");
}

#[test]
fn components_are_told_only_what_they_know() {
    let cluster = shared().read();
    define(&cluster);
    cluster.namespace("told");
    let (objects, _) = tried(&cluster, &rendered(&cluster, "told", "demo", &[]));
    let deployments = objects
        .iter()
        .filter(|object| object["kind"] == "Deployment");
    let mut seen = BTreeSet::new();
    for deployment in deployments {
        let container = &deployment["spec"]["template"]["spec"]["containers"][0];
        let image = container["image"].as_str().unwrap();
        let program = image.rsplit('/').next().unwrap().split(':').next().unwrap();
        let help = success(
            &Command::new(binary(program))
                .arg("--help")
                .output()
                .unwrap(),
        );
        for argument in container["args"].as_array().unwrap() {
            let flag = argument.as_str().unwrap().split('=').next().unwrap();
            assert!(
                help.contains(&format!("{flag} ")),
                "{program} has no {flag}: {help}"
            );
        }
        seen.insert(program.to_owned());
    }
    let all = ["mesh-citadel", "mesh-mixer", "mesh-pilot", "mesh-proxy"];
    assert_eq!(seen, BTreeSet::from(all.map(str::to_owned)));
}

#[test]
fn the_chart_tells_the_injector_what_kube_inject_does_by_itself() {
    let cluster = shared().read();
    define(&cluster);
    let namespace = "injects";
    cluster.namespace(namespace);
    let (objects, _) = tried(&cluster, &rendered(&cluster, namespace, "default", &[]));
    let folder = TempDir::new().unwrap();
    let put = |name: &str, key: &str| {
        let map =
            |object: &&Value| object["kind"] == "ConfigMap" && object["metadata"]["name"] == name;
        let text = objects.iter().find(map).unwrap()["data"][key]
            .as_str()
            .unwrap();
        let file = folder.path().join(name);
        fs::write(&file, text).unwrap();
        file.to_string_lossy().into_owned()
    };
    let (settings, mesh) = (
        put("istio-sidecar-injector", "config"),
        put("istio", "mesh"),
    );
    let inject = |arguments: &[&str]| {
        let sample = path("samples/bookinfo/platform/kube/bookinfo.yaml");
        let mut meshctl = Command::new(binary("meshctl"));
        let meshctl = meshctl
            .args(["kube-inject", "-f", sample.as_str()])
            .args(arguments);
        success(&meshctl.output().unwrap())
    };
    let by_chart = inject(&["--injectConfigFile", &settings, "--meshConfigFile", &mesh]);
    let by_itself = inject(&["--istioNamespace", namespace]);
    // The one thing that the chart says and kube-inject leaves to Kubernetes.
    let pulled = |line: &&str| !line.contains("imagePullPolicy: IfNotPresent");
    let lines = |text: &str| {
        text.lines()
            .filter(pulled)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert!(by_itself.contains("istio-proxy"), "something was injected");
    assert_eq!(lines(&by_chart), lines(&by_itself));
}

#[test]
fn a_name_that_no_value_has_is_refused_with_the_nearest_one() {
    let cluster = shared().read();
    let refused = |argument: &str| {
        let output = render(&cluster, "default", &["--set", argument]);
        assert!(!output.status.success(), "{argument}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    for (written, meant) in [
        (
            "global.proxy.acessLogFile=x",
            "global.proxy.acessLogFile is unknown; did you mean global.proxy.accessLogFile?",
        ),
        ("gobal.tag=1", "gobal is unknown; did you mean global?"),
        (
            "sidecarInjectorWebook.enabled=true",
            "did you mean sidecarInjectorWebhook?",
        ),
        (
            "gateways.istio-ingressgateway.replicas=2",
            "did you mean gateways.istio-ingressgateway.replicaCount?",
        ),
        (
            "gateways.istio-ingresgateway.type=NodePort",
            "has no ports; did you mean gateways.istio-ingressgateway?",
        ),
        (
            "global.xyz=1",
            "global.xyz is unknown; known here: configValidation, ",
        ),
        ("global.mtls.enabled=perhaps", "'/global/mtls/enabled'"),
        (
            "gateways.istio-ingressgateway.ports[0].name=a,gateways.istio-ingressgateway.ports[0].port=80",
            "8080",
        ),
    ] {
        let said = refused(written);
        assert!(said.contains(meant), "{written}: {said}");
    }
}

#[test]
fn istios_configuration_is_taken_as_it_is() {
    let cluster = shared().read();
    define(&cluster);
    let samples = path("samples/bookinfo/networking");
    let apply = [
        "apply",
        "--dry-run=server",
        "-o",
        "name",
        "-f",
        samples.as_str(),
    ];
    let taken = cluster.kubectl(&apply);
    assert!(taken.lines().count() > 10, "{taken}");
    for (what, object) in [
        ("what mesh does not know yet, and text for durations", LATER),
        ("Mixer's kinds of 1.1", MIXER),
    ] {
        let (objects, warnings) = tried(&cluster, object);
        assert_eq!((objects.len(), warnings.as_str()), (1, ""), "{what}");
    }
}

const LATER: &str = "
apiVersion: networking.istio.io/v1alpha3
kind: VirtualService
metadata: {name: later, namespace: default}
spec:
  hosts: [ratings]
  http:
  - fault: {delay: {fixedDelay: 7s, percent: 100}}
    timeout: 0.5s
    retries: {attempts: 3, perTryTimeout: 2s}
    route: [{destination: {host: ratings, subset: v1}}]
  tcp: [{route: [{destination: {host: mongo, port: {number: 27017}}}]}]
";

const MIXER: &str = "
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {name: stdio, namespace: default}
spec: {compiledAdapter: stdio, params: {outputAsJson: true, severity_levels: {info: 1}}}
";

#[test]
fn the_server_refuses_what_no_version_of_the_api_has() {
    let cluster = shared().read();
    define(&cluster);
    for (spec, said) in [
        ("hosts: [a]\n  htpp: []", "unknown field \"spec.htpp\""),
        ("http: [{timeout: soon}]", "spec.http[0].timeout"),
        (
            "http: [{match: [{uri: {exact: /, prefix: /}}]}]",
            "spec.http[0].match[0].uri",
        ),
        (
            "http: [{route: [{weight: 1}]}]",
            "spec.http[0].route[0].destination",
        ),
    ] {
        let object = format!(
            "apiVersion: networking.istio.io/v1\nkind: VirtualService\n\
             metadata: {{name: bad, namespace: default}}\nspec:\n  {spec}\n"
        );
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("bad.yaml");
        fs::write(&file, object).unwrap();
        let file = file.to_string_lossy();
        let output = cluster.run("kubectl", &["apply", "--dry-run=server", "-f", &file]);
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && complaint.contains(said),
            "{spec}: {complaint}"
        );
    }
}

#[test]
fn definitions_and_objects_stay_when_their_chart_is_uninstalled() {
    let cluster = shared().write();
    let chart = path("charts/mesh-init");
    let install = ["install", "mesh-init", chart.as_str(), "-n", "kept"];
    success(
        &cluster.run(
            "helm",
            &[
                &install[..],
                &["--create-namespace", "--wait", "--take-ownership"],
            ]
            .concat(),
        ),
    );
    assert_eq!(tried(&cluster, LATER).0.len(), 1, "the kinds are there");
    success(&cluster.run("helm", &["uninstall", "mesh-init", "-n", "kept"]));
    let definitions = [
        "get",
        "crd",
        "-o",
        "name",
        "-l",
        "app.kubernetes.io/part-of=mesh",
    ];
    assert_eq!(cluster.kubectl(&definitions).lines().count(), 62);
    let again = [
        "upgrade",
        "--install",
        "mesh-init",
        chart.as_str(),
        "-n",
        "kept",
    ];
    success(&cluster.run(
        "helm",
        &[&again[..], &["--wait", "--take-ownership"]].concat(),
    ));
    success(&cluster.run("helm", &["uninstall", "mesh-init", "-n", "kept"]));
}

#[test]
fn upgrades_and_rollbacks_do_not_conflict_with_what_pilot_writes_into_its_webhooks() {
    let cluster = shared().write();
    define(&cluster);
    let chart = path("charts/mesh");
    let helm = |arguments: &[&str]| {
        let place = ["-n", "owned"];
        success(&cluster.run("helm", &[arguments, &place].concat()))
    };
    let policy = || {
        let path = "jsonpath={.webhooks[0].failurePolicy}";
        let webhook = "validatingwebhookconfiguration/istio-validator-owned";
        cluster.kubectl(&["get", webhook, "-o", path])
    };
    helm(&["install", "mesh", &chart, "--create-namespace"]);
    assert_eq!(policy(), "Ignore");
    as_pilot(
        &cluster,
        "mutatingwebhookconfiguration/istio-sidecar-injector-owned",
    );
    as_pilot(
        &cluster,
        "validatingwebhookconfiguration/istio-validator-owned",
    );
    helm(&["upgrade", "mesh", &chart]);
    helm(&["upgrade", "mesh", &chart, "--set", "global.tag=next"]);
    helm(&["rollback", "mesh"]);
    assert_eq!(policy(), "Fail");
    // The first revision still says how it began.
    let first = ["rollback", "mesh", "1", "-n", "owned"];
    let refused = cluster.run("helm", &first);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("conflict with \"mesh-pilot\""), "{said}");
    success(&cluster.run("helm", &[&first[..], &["--force-conflicts"]].concat()));
    assert_eq!(policy(), "Ignore");
    helm(&["uninstall", "mesh"]);
}

/// Writes what pilot writes into a configuration of its webhooks, in its name.
#[track_caller]
fn as_pilot(cluster: &Cluster, webhooks: &str) {
    let put = |field: &str, value: &str| {
        let place = format!("/webhooks/0/{field}");
        json!({"op": "add", "path": place, "value": value})
    };
    let steps = json!([
        put("clientConfig/caBundle", "cm9vdHM="),
        put("failurePolicy", "Fail")
    ]);
    cluster.kubectl(&[
        "patch",
        webhooks,
        "--type=json",
        "--field-manager=mesh-pilot",
        "-p",
        &steps.to_string(),
    ]);
}
