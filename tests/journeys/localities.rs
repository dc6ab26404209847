//! Where requests go by where the client and the endpoints are, as a DestinationRule asks for it.

use std::collections::BTreeMap;
use std::path::Path;

use mesh_tests::{Caller, Mesh, Setup, fetch};
use tempfile::TempDir;

const CLUSTER: &str = "outbound|8080||web.default.svc.cluster.local";

/// Where the workloads of the mesh are, by their labels.
const PLACES: [(&str, &str); 4] = [
    ("app: caller, version: v1", "eu.a"),
    ("app: web, version: v1", "eu.a"),
    ("app: web, version: v2", "eu.b"),
    ("app: web, version: v3", "us.c"),
];

/// The mesh of the soak, in several places.
fn folder() -> TempDir {
    let soak = Path::new(env!("CARGO_MANIFEST_DIR")).join("soak/mesh");
    let folder = TempDir::new().unwrap();
    for file in ["local.yaml", "routes.yaml", "workloads.yaml"] {
        let mut text = std::fs::read_to_string(soak.join(file)).unwrap();
        for (labels, place) in PLACES {
            let there = format!("labels: {{{labels}, istio-locality: {place}}}");
            text = text.replace(&format!("labels: {{{labels}}}"), &there);
        }
        std::fs::write(folder.path().join(file), text).unwrap();
    }
    folder
}

fn rule(policy: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: web}}
spec:
  host: web
  trafficPolicy: {{{policy}}}
"
    )
}

/// Who answers so many requests, and how often.
async fn seen(caller: &mut Caller, requests: usize) -> BTreeMap<String, usize> {
    let mut seen = BTreeMap::new();
    for _ in 0..requests {
        let answer = caller.get("http://web:8080/seen", &[]).await.unwrap();
        assert_eq!(answer.status(), 200);
        let name = answer.headers()["x-server-name"].to_str().unwrap();
        *seen.entry(name.to_owned()).or_default() += 1;
    }
    seen
}

/// What the caller's sidecar tells of the endpoints' places: `region zone priority`, sorted.
async fn places(mesh: &Mesh) -> Vec<String> {
    let admin = mesh.status().workload("caller").admin.clone();
    let (_, clusters) = fetch(&format!("{admin}/clusters"), &[]).await;
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in clusters.lines() {
        let told: Vec<_> = line.split("::").collect();
        if let [CLUSTER, host, "region" | "zone" | "priority", value] = told[..] {
            let place = places.entry(host.to_owned()).or_default();
            place.push(value.to_owned());
        }
    }
    let mut places: Vec<_> = places.values().map(|place| place.join(" ")).collect();
    places.sort();
    places
}

#[tokio::test]
async fn requests_stay_near_until_nobody_is_left_there_or_go_where_they_are_sent() {
    let folder = folder();
    let mesh = Setup::default().source(folder.path()).up();
    let outbound = mesh.status().workload("caller").outbound.clone();
    let mut caller = Caller::through(&outbound.unwrap_or_default()).await;
    assert_eq!(seen(&mut caller, 60).await.len(), 3);

    let shares = "{distribute: [{from: eu/*, to: {eu/a/*: 80, us: 20}}]}";
    mesh.apply(&rule(&format!(
        "loadBalancer: {{localityLbSetting: {shares}}}"
    )));
    let counts = seen(&mut caller, 1000).await;
    let near = counts.get("v1").copied().unwrap_or_default();
    assert!(
        counts.len() == 2 && (720..880).contains(&near),
        "{counts:?}"
    );
    assert_eq!(places(&mesh).await, ["eu a 0", "us c 0"]);

    // What ejects sends to what is next.
    let eject = "consecutive5xxErrors: 3, baseEjectionTime: 300s, maxEjectionPercent: 100";
    mesh.apply(&rule(&format!("outlierDetection: {{{eject}}}")));
    assert_eq!(places(&mesh).await, ["eu a 0", "eu b 1", "us c 2"]);
    for name in ["v1", "v2", "v3"] {
        let counts = seen(&mut caller, 50).await;
        assert_eq!(counts, BTreeMap::from([(name.to_owned(), 50)]));
        for _ in 0..3 {
            let failing = format!("http://web:8080/failing/{name}");
            let (status, _) = caller.answer(&failing, &[]).await;
            assert_eq!(status, 500, "{name}");
        }
    }
    let (status, body) = caller.answer("http://web:8080/seen", &[]).await;
    assert_eq!(status, 503, "{body}");
}
