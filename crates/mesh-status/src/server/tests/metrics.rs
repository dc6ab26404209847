//! Metrics, ours and the application's.

use bytes::Bytes;
use http::{Request, Response};
use mesh_test::origin::Origin;

use super::{OWN, Sidecar, ask, mk_sidecar, mk_sidecar_of};
use crate::settings::Environment;

const MERGED: &str = "/stats/prometheus";

fn scraping(port: u16) -> Environment {
    let annotations = format!(r#"{{"scrape": "true", "port": "{port}", "path": "/own"}}"#);
    Environment {
        probers: None,
        annotations: Some(annotations),
    }
}

async fn mk_app(
    answer: impl Fn(Request<Bytes>) -> Response<Bytes> + Send + Sync + 'static,
) -> (Origin, Sidecar) {
    let app = Origin::start(answer).await;
    let sidecar = mk_sidecar(scraping(app.address().port())).await;
    (app, sidecar)
}

async fn page(sidecar: &Sidecar, headers: &[(&str, &str)]) -> (String, String) {
    let answer = ask(sidecar.status, MERGED, headers).await;
    assert_eq!(answer.status(), 200);
    let form = answer.headers().get("content-type").unwrap();
    let form = form.to_str().unwrap().to_owned();
    (form, String::from_utf8(answer.body().to_vec()).unwrap())
}

fn failures(sidecar: &Sidecar) -> u64 {
    let families = sidecar.registry.gather();
    let named = |name: &str| {
        let family = families.iter().find(|family| family.name() == name);
        let family = family.unwrap_or_else(|| panic!("{name} is not counted"));
        family.get_metric()[0].get_counter().get_value() as u64
    };
    assert!(named("istio_agent_scrapes_total") > 0);
    named("istio_agent_scrape_failures_total")
}

#[tokio::test]
async fn the_proxys_metrics_have_a_port_of_their_own() {
    let sidecar = mk_sidecar(Environment::default()).await;
    let answer = ask(sidecar.metrics, MERGED, &[]).await;
    assert_eq!(answer.body(), OWN);
    assert_eq!(
        answer.headers().get("content-type").unwrap(),
        mesh_runtime::metrics::CONTENT_TYPE
    );
    let (_, merged) = page(&sidecar, &[]).await;
    assert_eq!(merged, OWN, "without an application there are no others");
    assert_eq!(failures(&sidecar), 0);
}

#[tokio::test]
async fn the_applications_metrics_come_after_ours() {
    let (app, sidecar) = mk_app(|request| {
        assert_eq!(request.uri().path(), "/own");
        let told = format!("app{{accept=\"{}\"}} 1", text(&request, "accept"));
        Response::new(told.into())
    })
    .await;
    let accept = "application/vnd.google.protobuf;q=0.6, text/plain;version=0.0.4;q=0.3";
    let (form, merged) = page(&sidecar, &[("accept", accept)]).await;
    assert_eq!(form, mesh_runtime::metrics::CONTENT_TYPE);
    let own = "app{accept=\"text/plain;version=0.0.4;q=0.3\"} 1\n";
    assert_eq!(merged, format!("{OWN}{own}"));
    let lines = merged.lines().map(|line| Ok(line.to_owned()));
    let samples = prometheus_parse::Scrape::parse(lines).unwrap().samples;
    assert_eq!(samples.len(), 2, "{merged}");
    assert_eq!((app.requests(), failures(&sidecar)), (1, 0));
}

fn text(request: &Request<Bytes>, name: &str) -> String {
    let value = request.headers().get(name);
    value.map_or(String::new(), |value| value.to_str().unwrap().to_owned())
}

#[tokio::test]
async fn open_metrics_stay_valid() {
    let (_app, sidecar) = mk_app(|_| {
        let form = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        let response = Response::builder().header("content-type", form);
        let body = "# TYPE app counter\napp_total 1\n# EOF\n";
        response.body(body.into()).unwrap()
    })
    .await;
    let (form, merged) = page(&sidecar, &[]).await;
    assert!(form.starts_with("application/openmetrics-text; version=1.0.0"));
    let wanted = "# TYPE own counter\nown_total 1\n# TYPE app counter\napp_total 1\n# EOF\n";
    assert_eq!(merged, wanted);
}

#[tokio::test]
async fn an_application_that_does_not_answer_costs_only_a_counter() {
    let gone = Origin::fixed("").await;
    let sidecar = mk_sidecar(scraping(gone.address().port())).await;
    gone.stop().await;
    for times in 1..=2 {
        let (form, merged) = page(&sidecar, &[]).await;
        assert_eq!(
            (form.as_str(), merged.as_str()),
            (mesh_runtime::metrics::CONTENT_TYPE, OWN)
        );
        assert_eq!(failures(&sidecar), times);
    }
}

#[tokio::test]
async fn an_application_that_is_late_costs_ours_not() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let sidecar = mk_sidecar(scraping(port)).await;
    let timeout = [("x-prometheus-scrape-timeout-seconds", "0.5")];
    let (_, merged) = page(&sidecar, &timeout).await;
    assert_eq!((merged.as_str(), failures(&sidecar)), (OWN, 1));
}

#[tokio::test]
async fn what_cannot_be_merged_is_left_out() {
    let check = async |answer: fn() -> Response<Bytes>| {
        let (_app, sidecar) = mk_app(move |_| answer()).await;
        let (_, merged) = page(&sidecar, &[]).await;
        assert_eq!((merged.as_str(), failures(&sidecar)), (OWN, 1));
    };
    check(|| {
        Response::builder()
            .status(500)
            .body("app 1".into())
            .unwrap()
    })
    .await;
    check(|| {
        let form = "application/vnd.google.protobuf";
        let response = Response::builder().header("content-type", form);
        response.body("app 1".into()).unwrap()
    })
    .await;
    check(|| {
        let response = Response::builder().header("content-encoding", "gzip");
        response.body("app 1".into()).unwrap()
    })
    .await;
    check(|| Response::new(vec![b'#'; 16 * 1024 * 1024 + 1].into())).await;
}

#[tokio::test]
async fn an_application_that_listens_at_the_pods_address_alone_is_found() {
    let app = Origin::start_at("127.0.0.77:0".parse().unwrap(), |_| {
        Response::new("app 1\n".into())
    })
    .await;
    let sidecar = mk_sidecar_of("127.0.0.77", scraping(app.address().port())).await;
    let (_, merged) = page(&sidecar, &[]).await;
    assert_eq!(merged, format!("{OWN}app 1\n"));
}
