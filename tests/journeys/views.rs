//! What `meshctl` shows of proxies, on a running mesh.

use std::process::Output;

use mesh_test::eventually;
use mesh_tests::Setup;
use serde_json::Value;

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The rows of a table whose line has all of these words.
fn has_row(table: &str, words: &[&str]) -> bool {
    table
        .lines()
        .any(|line| words.iter().all(|word| line.contains(word)))
}

#[test]
fn proxies_say_what_they_have_and_pilot_that_they_have_it() {
    let mesh = Setup::bookinfo().up();
    eventually("all proxies are in step", || {
        let table = text(&mesh.meshctl(&["proxy-status"]));
        let ready = has_row(&table, &["productpage-v1-0.default", "SYNCED", "pilot"])
            && has_row(&table, &["istio-ingressgateway", "SYNCED"])
            && !table.contains("STALE");
        ready.then_some(()).ok_or(table)
    });

    let clusters = mesh.meshctl_ok(&["pc", "clusters", "productpage-v1-0", "--port", "9080"]);
    assert!(
        has_row(
            &clusters,
            &[
                "reviews.default.svc.cluster.local",
                "9080",
                "outbound",
                "EDS"
            ]
        ),
        "{clusters}"
    );
    let listeners = mesh.meshctl_ok(&["pc", "listeners", "deployment/productpage-v1"]);
    assert!(has_row(&listeners, &["Route: "]), "{listeners}");
    let routes = mesh.meshctl_ok(&["pc", "routes", "productpage-v1-0.default"]);
    assert!(
        has_row(&routes, &["reviews.default.svc.cluster.local"]),
        "{routes}"
    );
    let secrets = mesh.meshctl_ok(&["pc", "secrets", "productpage-v1-0"]);
    assert!(
        has_row(
            &secrets,
            &["default", "Cert Chain", "true", "cluster.local"]
        ),
        "{secrets}"
    );
    let bootstrap = mesh.meshctl_ok(&["pc", "bootstrap", "ratings-v1-0"]);
    assert!(
        has_row(&bootstrap, &["version", "mesh-proxy/"]),
        "{bootstrap}"
    );

    let cluster = "outbound|9080||details.default.svc.cluster.local";
    let args = [
        "pc",
        "endpoints",
        "productpage-v1-0",
        "--cluster",
        cluster,
        "-o",
        "json",
    ];
    let endpoints: Value = serde_json::from_str(&mesh.meshctl_ok(&args)).unwrap();
    let health = "/0/host_statuses/0/health_status/eds_health_status";
    assert_eq!(
        endpoints.pointer(health),
        Some(&"HEALTHY".into()),
        "{endpoints}"
    );

    let unknown = mesh.meshctl(&["pc", "routes", "productpag"]);
    let errors = String::from_utf8_lossy(&unknown.stderr);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(errors.contains("productpag: no such proxy"), "{errors}");
    assert!(
        errors.contains("`meshctl proxy-status` lists them"),
        "{errors}"
    );
}

#[test]
fn a_mesh_that_is_as_it_should_be_passes_its_check() {
    let mesh = Setup::bookinfo().up();
    let report = eventually("every check is good", || {
        let output = mesh.meshctl(&["check", "-o", "json"]);
        let report: Value = serde_json::from_str(&text(&output)).unwrap();
        match report["success"] == true {
            true => Ok(report),
            false => Err(text(&output)),
        }
    });
    assert_eq!(report["categories"][0]["categoryName"], "components");
    let version: Value =
        serde_json::from_str(&mesh.meshctl_ok(&["version", "-o", "json"])).unwrap();
    let proxies = version["data_plane"].as_object().unwrap().values();
    assert!(
        proxies.filter_map(Value::as_u64).sum::<u64>() > 5,
        "{version}"
    );

    assert_eq!(mesh.meshctl(&["stop", "pilot"]).status.code(), Some(0));
    let output = mesh.meshctl(&["check"]);
    assert_eq!(output.status.code(), Some(1));
    let report = text(&output);
    assert!(
        report.contains("× pilot is ready\n    it is stopped"),
        "{report}"
    );
}
