//! Bad input gets an error that names the object, the field and the way out, and nothing is lost.

use std::net::TcpListener;
use std::process::{Command, Output, Stdio};

use mesh_test::eventually_async;
use mesh_tests::mesh::{binary, samples};
use mesh_tests::{Caller, Mesh, Setup, Stars, stars};
use tempfile::TempDir;

fn virtual_service(name: &str, http: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: {name}}}\n\
         spec:\n  hosts: [{name}]\n  http:\n{http}"
    )
}

fn to(host: &str, subset: &str) -> String {
    format!("  - route:\n    - destination: {{host: {host}, subset: {subset}}}\n")
}

#[track_caller]
fn refused(mesh: &Mesh, yaml: &str, says: &[&str]) {
    check(&mesh.try_apply(yaml, &[]), 1, says);
}

#[track_caller]
fn check(output: &Output, code: i32, says: &[&str]) {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{text}");
    for word in says {
        assert!(text.contains(word), "{word:?} is not in: {text}");
    }
}

async fn reviews_show(mesh: &Mesh, expect: Stars) {
    let mut caller = Caller::through(
        mesh.status()
            .workload("productpage")
            .outbound
            .as_deref()
            .unwrap(),
    )
    .await;
    for _ in 0..10 {
        let (status, body) = caller.answer("http://reviews:9080/reviews/0", &[]).await;
        assert_eq!((status, stars(&body)), (200, expect), "{body}");
    }
}

#[tokio::test]
async fn apply_refuses_what_cannot_work_and_what_was_in_force_stays() {
    let mesh = Setup::bookinfo().up();
    mesh.apply(&virtual_service("reviews", &to("reviews", "v2")));
    let bad = |http: &str| virtual_service("reviews", http);
    refused(&mesh, "a: [b\nc: d", &["document 1", "line"]);
    refused(
        &mesh,
        &bad(&to("reviews", "v9")),
        &[
            "virtualservice default/reviews",
            "spec.http[0].route[0].destination",
            "v9",
            "v1, v2, v3",
        ],
    );
    refused(
        &mesh,
        &bad(&to("nowhere", "v1")),
        &["virtualservice default/reviews", "nowhere"],
    );
    let typo = bad("  - rout:\n    - destination: {host: reviews}\n");
    refused(&mesh, &typo, &["spec.http[0].rout", "route"]);
    let later =
        bad("  - delegate: {name: ratings}\n    route:\n    - destination: {host: reviews}\n");
    refused(&mesh, &later, &["spec.http[0].delegate", "not supported"]);
    let kind = "apiVersion: networking.istio.io/v1\nkind: VirtualServices\nmetadata: {name: x}\nspec: {}\n";
    refused(&mesh, kind, &["VirtualServices", "VirtualService"]);
    // One bad object refuses the whole file: the good one before it is not half applied.
    let both = format!(
        "{}---\n{}",
        bad(&to("reviews", "v1")),
        virtual_service("ratings", &to("ratings", "v9"))
    );
    refused(&mesh, &both, &["virtualservice default/ratings"]);
    check(
        &mesh.meshctl(&["apply", "-f", "no-such-file.yaml"]),
        1,
        &["no-such-file.yaml"],
    );
    check(&mesh.meshctl(&["apply"]), 2, &["-f"]);
    reviews_show(&mesh, Stars::Black).await;
}

#[tokio::test]
async fn a_forced_route_to_nowhere_answers_503_with_the_flag_nc() {
    let mesh = Setup::bookinfo().up();
    let forced = mesh.try_apply(
        &virtual_service("ratings", &to("ratings", "v9")),
        &["--force"],
    );
    assert!(forced.status.success(), "{forced:?}");
    let productpage = mesh.status().workload("productpage").clone();
    let mut caller = Caller::through(productpage.outbound.as_deref().unwrap()).await;
    let (status, _) = caller.answer("http://ratings:9080/ratings/0", &[]).await;
    assert_eq!(status, 503);
    let page = format!("{}/stats/prometheus", productpage.admin);
    eventually_async("the flag is counted", || async {
        let metrics = mesh_tests::Metrics::scrape(&page).await;
        let flagged = metrics.sum("istio_requests_total", &[("response_flags", "NC")]);
        if flagged == 1 { Ok(()) } else { Err(flagged) }
    })
    .await;
}

#[tokio::test]
async fn an_object_put_in_by_hand_is_set_aside_while_its_neighbours_work() {
    let mesh = Setup::bookinfo().up();
    mesh.apply(&virtual_service("reviews", &to("reviews", "v2")));
    let config = mesh.state().join("config");
    let bad = virtual_service(
        "ratings",
        "  - timeout: soon\n    route:\n    - destination: {host: ratings}\n",
    );
    std::fs::write(config.join("by-hand.yaml"), bad).unwrap();
    std::fs::write(config.join("broken.yaml"), "a: [b\n").unwrap();
    eventually_async("get says why", || async {
        let table = mesh.meshctl_ok(&["get", "virtualservice"]);
        let row = table
            .lines()
            .find(|line| line.contains("ratings"))
            .unwrap_or_default()
            .to_owned();
        if row.contains("SetAside") && row.contains("spec.http[0].timeout") {
            Ok(())
        } else {
            Err(table)
        }
    })
    .await;
    let status = mesh.meshctl_ok(&["status"]);
    for word in [
        "virtualservice default/ratings",
        "spec.http[0].timeout",
        "broken.yaml",
    ] {
        assert!(status.contains(word), "{word:?} is not in: {status}");
    }
    let log = mesh.meshctl_ok(&["logs", "pilot"]);
    assert!(
        log.contains("spec.http[0].timeout") && log.contains("broken.yaml"),
        "{log}"
    );
    reviews_show(&mesh, Stars::Black).await;

    // A good object that is spoilt by hand keeps its last good version.
    let good = std::fs::read_dir(&config)
        .unwrap()
        .flatten()
        .map(|entry| entry.path());
    let good = good
        .into_iter()
        .find(|path| {
            path.to_string_lossy()
                .contains("virtualservice.default.reviews")
        })
        .unwrap();
    let text = std::fs::read_to_string(&good).unwrap();
    let spoilt = config.join(".spoilt");
    std::fs::write(&spoilt, text.replace("http:", "htp:")).unwrap();
    std::fs::rename(&spoilt, &good).unwrap();
    eventually_async("the last good version holds", || async {
        let table = mesh.meshctl_ok(&["get", "virtualservice"]);
        let row = table
            .lines()
            .find(|line| line.contains("reviews"))
            .unwrap_or_default()
            .to_owned();
        if row.contains("LastGood") && row.contains("htp") {
            Ok(())
        } else {
            Err(table)
        }
    })
    .await;
    reviews_show(&mesh, Stars::Black).await;
    // And a change of a neighbour goes through as ever.
    std::fs::remove_file(&good).unwrap();
    mesh.apply(&virtual_service("reviews", &to("reviews", "v3")));
    reviews_show(&mesh, Stars::Red).await;
}

/// Runs `meshctl up` that is expected to fail.
fn up(args: &[&str]) -> Output {
    let mut command = Command::new(binary("meshctl"));
    command.arg("up").args(args).stdin(Stdio::null());
    command.output().unwrap()
}

#[test]
fn up_says_what_is_wrong_with_its_input() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let bookinfo = samples().join("bookinfo").to_string_lossy().into_owned();
    let state = path("state");

    check(
        &up(&["--state", &state, "-f", &path("missing.yaml")]),
        1,
        &["missing.yaml"],
    );

    std::fs::write(
        path("bad.yaml"),
        "apiVersion: v1\nkind: Service\nmetadata: {name: a}\n---\nx: [1\n",
    )
    .unwrap();
    check(
        &up(&["--state", &state, "-f", &path("bad.yaml")]),
        1,
        &["bad.yaml", "document 2"],
    );

    let typo = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec:\n  selector: {matchLabels: {app: a}}\n  template:\n    metadata: {labels: {app: a}}\n    spec: {containers: [{name: a, image: a, ports: [{containrPort: 80}]}]}\n";
    std::fs::write(path("typo.yaml"), typo).unwrap();
    check(
        &up(&["--state", &state, "-f", &path("typo.yaml")]),
        1,
        &[
            "typo.yaml",
            "deployment default/a",
            "containerPort",
            "is missing",
        ],
    );

    let manifest = samples()
        .join("bookinfo/platform/kube/bookinfo.yaml")
        .to_string_lossy()
        .into_owned();
    check(
        &up(&["--state", &state, "-f", &manifest]),
        1,
        &["examples-bookinfo", "images"],
    );

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    check(
        &up(&["--state", &state, "-f", &bookinfo, "--ingress-port", &port]),
        1,
        &[&port],
    );

    std::fs::create_dir(path("foreign")).unwrap();
    std::fs::write(path("foreign/thesis.txt"), "do not touch").unwrap();
    check(
        &up(&["--state", &path("foreign"), "-f", &bookinfo]),
        1,
        &["foreign"],
    );
    assert!(folder.path().join("foreign/thesis.txt").exists());

    std::fs::create_dir(path("newer")).unwrap();
    std::fs::write(path("newer/mesh.json"), "{\"version\": 999}").unwrap();
    check(
        &up(&["--state", &path("newer"), "-f", &bookinfo]),
        1,
        &["999"],
    );

    check(
        &up(&["--state", &state, "-f", &bookinfo, "--set", "nobody.flag=1"]),
        2,
        &["nobody"],
    );
    let set = |flag: &str| up(&["--state", &state, "-f", &bookinfo, "--set", flag]);
    check(
        &set("proxy.concurency=1"),
        2,
        &["mesh-proxy has no flag --concurency", "\"concurrency\""],
    );
    check(
        &set("citadel.workload-cert-ttl=soon"),
        2,
        &[
            "--set citadel.workload-cert-ttl=soon: mesh-citadel: ",
            "soon",
        ],
    );
}
