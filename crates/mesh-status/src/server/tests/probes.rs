//! The application's probes.

use std::net::SocketAddr;

use bytes::Bytes;
use http::Response;
use mesh_test::origin::Origin;
use tokio::net::TcpListener;

use super::{Sidecar, apps, ask, mk_sidecar, status};
use crate::settings::Environment;

const LIVE: &str = "/app-health/web/livez";

/// A sidecar that asks `prober` when it is asked for [`LIVE`].
async fn mk_probing(prober: &str) -> Sidecar {
    let probers = Some(format!("{{\"{LIVE}\": {prober}}}"));
    mk_sidecar(Environment {
        probers,
        annotations: None,
    })
    .await
}

async fn mk_getting(port: u16, more: &str) -> Sidecar {
    mk_probing(&format!(r#"{{"httpGet": {{"port": {port}{more}}}}}"#)).await
}

/// Answers with what it was asked.
async fn mk_echo() -> Origin {
    Origin::start(|request| {
        let mut told = format!("{} {}\n", request.method(), request.uri());
        for (name, value) in request.headers() {
            told.push_str(&format!("{name}: {}\n", value.to_str().unwrap()));
        }
        Response::builder().status(203).body(told.into()).unwrap()
    })
    .await
}

#[tokio::test]
async fn the_application_is_asked_as_the_kubelet_would() {
    let app = mk_echo().await;
    let more = r#", "path": "live?a=b", "httpHeaders": [{"name": "X-A", "value": "1"},
        {"name": "X-A", "value": "2"}, {"name": "Accept", "value": "text/plain"}]"#;
    let sidecar = mk_getting(app.address().port(), more).await;
    let host = format!("10.0.0.1:{}", sidecar.status.port());
    let headers = [
        ("host", host.as_str()),
        ("user-agent", "kube-probe/1.36"),
        ("accept", "*/*"),
        ("connection", "close"),
    ];
    let answer = ask(sidecar.status, LIVE, &headers).await;
    assert_eq!(answer.status(), 203);
    let told = String::from_utf8(answer.body().to_vec()).unwrap();
    let mut lines: Vec<_> = told.lines().collect();
    lines.sort_unstable();
    let host = format!("host: 10.0.0.1:{}", app.address().port());
    let wanted = [
        "GET /live?a=b",
        "accept: text/plain",
        "connection: close",
        host.as_str(),
        "user-agent: kube-probe/1.36",
        "x-a: 1",
        "x-a: 2",
    ];
    assert_eq!(lines, wanted);
}

#[tokio::test]
async fn the_manifests_host_counts_before_the_kubelets() {
    let app = mk_echo().await;
    let more = r#", "httpHeaders": [{"name": "Host", "value": "shop.example"}]"#;
    let sidecar = mk_getting(app.address().port(), more).await;
    let told = ask(sidecar.status, LIVE, &[]).await;
    let told = String::from_utf8(told.body().to_vec()).unwrap();
    assert!(told.contains("host: shop.example\n"), "{told}");
    assert!(!told.contains("127.0.0.1"), "{told}");
}

#[tokio::test]
async fn the_applications_status_is_passed_on_and_its_body_is_bounded() {
    let app = Origin::start(|_| {
        let body = Bytes::from(vec![b'x'; 1_000_000]);
        Response::builder().status(418).body(body).unwrap()
    })
    .await;
    let sidecar = mk_getting(app.address().port(), "").await;
    let answer = ask(sidecar.status, LIVE, &[]).await;
    assert_eq!(
        (answer.status().as_u16(), answer.body().len()),
        (418, 10_240)
    );
}

/// An application that sends its probes on, by path.
async fn mk_redirecting() -> Origin {
    Origin::start(|request| {
        let to = |location: &str| {
            let response = Response::builder().status(302).header("location", location);
            response.body(Bytes::new()).unwrap()
        };
        let with = |status: u16| {
            Response::builder()
                .status(status)
                .body(Bytes::new())
                .unwrap()
        };
        match request.uri().path() {
            "/here" => to("there?x"),
            "/there" => with(if request.uri().query() == Some("x") {
                204
            } else {
                500
            }),
            "/out" => to("http://example.com/"),
            "/loop" => to("/loop"),
            "/ill" => to("/dead"),
            "/nowhere" => with(304),
            _ => with(500),
        }
    })
    .await
}

#[tokio::test]
async fn redirects_are_treated_as_by_the_kubelet() {
    let app = mk_redirecting().await;
    let check = async |path: &str, wanted: u16| {
        let more = format!(r#", "path": "{path}""#);
        let sidecar = mk_getting(app.address().port(), &more).await;
        assert_eq!(status(sidecar.status, LIVE).await, wanted, "{path}");
    };
    check("/here", 204).await;
    check("/out", 200).await;
    check("/loop", 500).await;
    check("/ill", 500).await;
    check("/nowhere", 200).await;
}

#[tokio::test]
async fn https_is_asked_in_both_versions_without_judging_the_certificate() {
    let check = async |alpn: &[&[u8]], version: &str| {
        let app = apps::https(alpn).await;
        let port = app.address.port();
        let sidecar = mk_getting(port, r#", "scheme": "HTTPS""#).await;
        let answer = ask(sidecar.status, LIVE, &[]).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(*answer.body(), format!("{version} 127.0.0.1:{port}"));
    };
    check(&[], "HTTP/1.1").await;
    check(&[b"http/1.1"], "HTTP/1.1").await;
    check(&[b"h2", b"http/1.1"], "HTTP/2.0").await;
}

#[tokio::test]
async fn a_tcp_probe_connects_from_the_address_that_is_never_captured() {
    let app = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = app.local_addr().unwrap().port();
    let sidecar = mk_probing(&format!(r#"{{"tcpSocket": {{"port": {port}}}}}"#)).await;
    assert_eq!(status(sidecar.status, LIVE).await, 200);
    let (_, peer) = app.accept().await.unwrap();
    assert_eq!(peer.ip().to_string(), "127.0.0.6");
    drop(app);
    let answer = ask(sidecar.status, LIVE, &[]).await;
    assert_eq!(answer.status(), 500);
    let said = String::from_utf8(answer.body().to_vec()).unwrap();
    assert!(
        said.starts_with("the application cannot be reached: "),
        "{said}"
    );
}

#[tokio::test]
async fn the_health_service_of_grpc_is_asked() {
    let app = apps::health().await;
    let check = async |at: SocketAddr, service: &str, wanted: u16, says: &str| {
        let port = at.port();
        let prober = format!(r#"{{"grpc": {{"port": {port}, "service": "{service}"}}}}"#);
        let sidecar = mk_probing(&prober).await;
        let headers = [("user-agent", "kube-probe/1.36")];
        let answer = ask(sidecar.status, LIVE, &headers).await;
        let said = String::from_utf8(answer.body().to_vec()).unwrap();
        assert_eq!(answer.status().as_u16(), wanted, "{service}: {said}");
        assert_eq!(said.trim(), says, "{service}");
    };
    check(app.address, "", 200, "").await;
    check(app.address, "agent", 200, "").await;
    check(app.address, "ill", 500, "service \"ill\" does not serve").await;
    let unknown = "the server does not know the service \"x\"";
    check(app.address, "x", 500, unknown).await;
    let other =
        Origin::start(|_| Response::builder().status(404).body(Bytes::new()).unwrap()).await;
    let none = "the server has no grpc.health.v1.Health";
    check(other.address(), "", 500, none).await;
}

#[tokio::test]
async fn an_application_that_does_not_answer_is_given_up_in_its_time() {
    let app = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = app.local_addr().unwrap().port();
    for prober in ["httpGet", "grpc"] {
        let prober = format!(r#"{{"{prober}": {{"port": {port}}}, "timeoutSeconds": 1}}"#);
        let sidecar = mk_probing(&prober).await;
        let answer = ask(sidecar.status, LIVE, &[]).await;
        assert_eq!(answer.status(), 500);
        assert_eq!(
            answer.body(),
            "the application does not answer within 1 s\n"
        );
    }
}

#[tokio::test]
async fn an_unknown_probe_reaches_nobody() {
    let sidecar = mk_getting(1, "").await;
    for path in ["/app-health/web/readyz", "/app-lifecycle/web/prestopz"] {
        assert_eq!(status(sidecar.status, path).await, 400, "{path}");
    }
    assert_eq!(status(sidecar.health, LIVE).await, 404);
    assert_eq!(status(sidecar.metrics, LIVE).await, 404);
}

#[tokio::test]
async fn an_application_that_speaks_no_http_fails_its_probe() {
    let app = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = app.local_addr().unwrap().port();
    let sidecar = mk_getting(port, r#", "scheme": "HTTPS""#).await;
    let asking = ask(sidecar.status, LIVE, &[]);
    let closing = async {
        let (stream, _) = app.accept().await.unwrap();
        drop(stream);
    };
    let (answer, ()) = tokio::join!(asking, closing);
    assert_eq!(answer.status(), 500);
}
