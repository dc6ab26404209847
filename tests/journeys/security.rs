//! Who may talk to whom, proved with certificates of every kind.

use std::net::SocketAddr;

use mesh_model::time::Clock;
use mesh_runtime::SystemClock;
use mesh_test::client::{Client, Failure, Http};
use mesh_test::pki::{Authority, Certified, Defect};
use mesh_test::tls::careless_client;
use mesh_tests::status::address;
use mesh_tests::{Caller, Mesh, Setup, TlsOrigin};
use rustls::pki_types::ServerName;

const STRICT: &str = "\
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: istio-system}
spec:
  mtls: {mode: STRICT}
";

const FRIEND: &str = "spiffe://cluster.local/ns/default/sa/friend";

/// What a client of the sidecars of a mesh offers as application protocols.
const ALPN: &[&[u8]] = &[b"istio", b"http/1.1"];

async fn call_with(to: SocketAddr, certified: Option<&Certified>) -> Result<u16, Failure> {
    let name = ServerName::try_from("reviews.default.svc.cluster.local").unwrap();
    let mut client = Client::tls(to, name, careless_client(certified, ALPN), Http::One).await?;
    let response = client.get("http://reviews:9080/reviews/0", &[]).await?;
    Ok(response.status().as_u16())
}

async fn call_plainly(to: SocketAddr) -> Result<u16, Failure> {
    let mut client = Client::plain(to, Http::One).await?;
    let response = client.get("http://reviews:9080/reviews/0", &[]).await?;
    Ok(response.status().as_u16())
}

#[tokio::test]
async fn strict_refuses_plaintext_and_permissive_takes_both() {
    let mesh = Setup::bookinfo().up();
    let reviews = address(
        mesh.status()
            .workload("reviews-v1")
            .inbound
            .as_deref()
            .unwrap(),
    );
    let friend = mesh.authority().leaf(FRIEND);
    assert_eq!(
        call_plainly(reviews).await.unwrap(),
        200,
        "permissive is the default"
    );
    assert_eq!(call_with(reviews, Some(&friend)).await.unwrap(), 200);

    mesh.apply(STRICT);
    assert!(
        call_plainly(reviews).await.is_err(),
        "plaintext under STRICT"
    );
    assert_eq!(call_with(reviews, Some(&friend)).await.unwrap(), 200);
    let mut inside = Caller::through(
        mesh.status()
            .workload("productpage")
            .outbound
            .as_deref()
            .unwrap(),
    )
    .await;
    assert_eq!(
        inside.answer("http://reviews:9080/reviews/0", &[]).await.0,
        200,
        "sidecars speak mutual TLS"
    );

    mesh.meshctl_ok(&[
        "delete",
        "peerauthentication",
        "default",
        "-n",
        "istio-system",
    ]);
    assert_eq!(
        call_plainly(reviews).await.unwrap(),
        200,
        "permissive again"
    );
}

#[tokio::test]
async fn a_sidecar_refuses_every_client_certificate_that_is_not_right() {
    let mesh = Setup::bookinfo().up();
    mesh.apply(STRICT);
    let reviews = address(
        mesh.status()
            .workload("reviews-v1")
            .inbound
            .as_deref()
            .unwrap(),
    );
    let ours = mesh.authority();
    let stranger = Authority::root("cluster.local", SystemClock.wall());
    let cases = [
        ("no certificate", None),
        (
            "another trust domain",
            Some(ours.leaf("spiffe://elsewhere.example/ns/default/sa/friend")),
        ),
        ("another root", Some(stranger.leaf(FRIEND))),
        (
            "two URI names",
            Some(ours.defective(FRIEND, Defect::TwoNames)),
        ),
        ("expired", Some(ours.defective(FRIEND, Defect::Expired))),
        (
            "no name at all",
            Some(ours.defective(FRIEND, Defect::NoName)),
        ),
        ("an authority", Some(ours.defective(FRIEND, Defect::Ca))),
        (
            "may sign certificates",
            Some(ours.defective(FRIEND, Defect::KeyCertSign)),
        ),
    ];
    for (what, certified) in &cases {
        let answer = call_with(reviews, certified.as_ref()).await;
        assert!(answer.is_err(), "a client with {what} got {answer:?}");
    }
    assert_eq!(
        call_with(reviews, Some(&ours.leaf(FRIEND))).await.unwrap(),
        200,
        "the control"
    );
}

/// Tells pilot of a service with one endpoint that runs as `default/honest`.
fn register(mesh: &Mesh, name: &str, endpoint: SocketAddr) {
    let objects = format!(
        r#"apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: default}}
spec:
  clusterIP: 127.255.0.1
  selector: {{app: {name}}}
  ports: [{{name: http, port: 9080, targetPort: {port}}}]
---
apiVersion: v1
kind: Pod
metadata:
  name: {name}-0
  namespace: default
  labels: {{app: {name}, security.istio.io/tlsMode: istio}}
spec:
  serviceAccountName: honest
  containers: [{{name: app, image: none, ports: [{{containerPort: {port}}}]}}]
status:
  podIP: {ip}
  phase: Running
  conditions: [{{type: Ready, status: "True"}}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: {name}
  namespace: default
  labels: {{kubernetes.io/service-name: {name}}}
addressType: IPv4
ports: [{{name: http, port: {port}, protocol: TCP}}]
endpoints:
- addresses: ["{ip}"]
  conditions: {{ready: true, serving: true, terminating: false}}
  targetRef: {{kind: Pod, name: {name}-0, namespace: default}}
"#,
        port = endpoint.port(),
        ip = endpoint.ip(),
    );
    let cluster = mesh.state().join("cluster");
    let draft = cluster.join(format!(".{name}"));
    std::fs::write(&draft, objects).unwrap();
    std::fs::rename(&draft, cluster.join(format!("{name}.yaml"))).unwrap();
}

/// Calls a service until its configuration has arrived (502: the sidecar knows no such host yet).
async fn call_service(mesh: &Mesh, url: &str) -> (u16, String) {
    let outbound = mesh
        .status()
        .workload("productpage")
        .outbound
        .clone()
        .unwrap();
    mesh_test::eventually_async("the sidecar knows the service", || async {
        let answer = Caller::through(&outbound).await.answer(url, &[]).await;
        if answer.0 == 502 {
            Err(answer)
        } else {
            Ok(answer)
        }
    })
    .await
}

#[tokio::test]
async fn a_client_refuses_a_server_whose_identity_is_not_the_endpoints() {
    let mesh = Setup::bookinfo().up();
    let ours = mesh.authority();
    let honest = TlsOrigin::start(&ours.leaf("spiffe://cluster.local/ns/default/sa/honest")).await;
    let impostor =
        TlsOrigin::start(&ours.leaf("spiffe://cluster.local/ns/default/sa/impostor")).await;
    let stranger = Authority::root("cluster.local", SystemClock.wall());
    let stranger =
        TlsOrigin::start(&stranger.leaf("spiffe://cluster.local/ns/default/sa/honest")).await;
    let twofold = ours.defective(
        "spiffe://cluster.local/ns/default/sa/honest",
        Defect::TwoNames,
    );
    let twofold = TlsOrigin::start(&twofold).await;
    let expired = ours.defective(
        "spiffe://cluster.local/ns/default/sa/honest",
        Defect::Expired,
    );
    let expired = TlsOrigin::start(&expired).await;

    register(&mesh, "honest", honest.address);
    assert_eq!(
        call_service(&mesh, "http://honest:9080/").await,
        (200, "served".to_owned()),
        "the control"
    );
    let liars = [
        ("impostor", &impostor),
        ("stranger", &stranger),
        ("twofold", &twofold),
        ("expired", &expired),
    ];
    for (name, server) in liars {
        register(&mesh, name, server.address);
        let (status, body) = call_service(&mesh, &format!("http://{name}:9080/")).await;
        assert_eq!(status, 503, "{name}: {body}");
        assert_eq!(server.requests(), 0, "{name} was shown a request");
    }
}

#[tokio::test]
async fn a_wrong_token_gets_no_certificate() {
    let mesh = Setup::bookinfo().up();
    let token = mesh.state().join("tokens").join("ratings-v1-0.token");
    let kept = std::fs::read_to_string(&token).unwrap();
    std::fs::write(&token, "0".repeat(kept.trim().len())).unwrap();
    let sidecar = mesh.status().workload("ratings").sidecar_pid.unwrap();
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(sidecar).unwrap(),
        rustix::process::Signal::KILL,
    )
    .unwrap();
    mesh_test::eventually("the log says why", || {
        let log = mesh.meshctl_ok(&["logs", "ratings-v1-0", "--proxy", "--tail", "50"]);
        if log.contains("token") {
            Ok(())
        } else {
            Err(log)
        }
    });
    assert!(!mesh.status().workload("ratings").ready);
    std::fs::write(&token, &kept).unwrap();
    mesh.wait_until_ready();
    let logs = mesh.meshctl_ok(&["logs", "ratings-v1-0", "--proxy", "--tail", "500"]);
    assert!(!logs.contains(kept.trim()), "a token is a secret");
}
