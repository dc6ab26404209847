use hyper::client::conn::http1::{SendRequest, handshake};
use mesh_model::ident::{SpiffeId, TrustDomain};
use mesh_pki::tls::{Expect, client_config};
use mesh_runtime::SystemClock;
use mesh_source::Snapshot;
use mesh_test::pki::Authority;
use prometheus::Registry;
use rustls::pki_types::ServerName;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsConnector;

use super::*;
use crate::webhook::{InjectorFiles, LiveInjector, Metrics};

const PILOT: &str = "spiffe://cluster.local/ns/istio-system/sa/istio-pilot-service-account";

struct Asked {
    client: SendRequest<Full<Bytes>>,
    registry: Registry,
    tasks: Tasks,
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.tasks.stopping().cancel();
    }
}

impl Asked {
    async fn start() -> Self {
        let registry = Registry::new();
        let tasks = Tasks::new(&registry);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let now = mesh_model::time::Clock::wall(&SystemClock);
        let authority = Authority::root("cluster.local", now);
        let live = |id: &str| authority.live(id, Arc::new(SystemClock));
        let policy = TrustPolicy {
            trust_domain: TrustDomain::parse("cluster.local").unwrap(),
        };
        let files = InjectorFiles {
            root_namespace: "istio-system".into(),
            ..InjectorFiles::default()
        };
        let judge = Webhooks {
            injector: LiveInjector::open(files).unwrap(),
            source: watch::channel(Arc::new(Snapshot::default())).1,
            domain: "cluster.local".into(),
            metrics: Metrics::new(&registry).unwrap(),
        };
        let server = Server {
            listener,
            judge: Arc::new(judge),
            registered: None,
        };
        server.start(&live(PILOT), policy, &tasks).unwrap();
        let pilot = Expect::AnyOf(vec![SpiffeId::parse(PILOT).unwrap()]);
        let someone = live("spiffe://cluster.local/ns/default/sa/someone");
        let config = client_config(&someone, pilot, &[ALPN_HTTP11]).unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        let name = ServerName::from(address.ip());
        let connector = TlsConnector::from(Arc::new(config));
        let stream = connector.connect(name, stream).await.unwrap();
        let (client, connection) = handshake(TokioIo::new(stream)).await.unwrap();
        tasks.spawn("client", async move { drop(connection.await) });
        Self {
            client,
            registry,
            tasks,
        }
    }

    async fn post(&mut self, path: &str, content_type: &str, body: Vec<u8>) -> (u16, Value) {
        let request = Request::post(path)
            .header("host", "istio-pilot")
            .header(CONTENT_TYPE, content_type)
            .body(Full::new(Bytes::from(body)));
        let answer = self.client.send_request(request.unwrap()).await.unwrap();
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let text = || Value::from(String::from_utf8_lossy(&body).into_owned());
        (
            status,
            serde_json::from_slice(&body).unwrap_or_else(|_| text()),
        )
    }

    fn counts(&self) -> String {
        mesh_runtime::metrics::text(&self.registry)
    }
}

fn review(kind: &str, object: &Value) -> Vec<u8> {
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "1", "operation": "CREATE", "namespace": "default",
            "kind": {"group": "", "version": "v1", "kind": kind},
            "object": object,
        },
    })
    .to_string()
    .into_bytes()
}

#[tokio::test]
async fn reviews_are_answered_over_tls_and_counted() {
    let mut server = Asked::start().await;
    let json = "application/json; charset=utf-8";
    let pod = json!({
        "metadata": {"name": "web"},
        "spec": {"containers": [{"name": "web", "image": "web"}]},
    });
    let (status, answer) = server
        .post("/inject/cluster/one", json, review("Pod", &pod))
        .await;
    assert_eq!(status, 200);
    assert_eq!(answer["response"]["allowed"], true);
    assert_eq!(answer["response"]["patchType"], "JSONPatch");
    let rule = json!({
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": {"name": "a"},
        "spec": {},
    });
    let (status, answer) = server
        .post("/validate", json, review("DestinationRule", &rule))
        .await;
    assert_eq!(status, 200);
    assert_eq!(answer["response"]["allowed"], false);
    let counts = server.counts();
    for line in [
        "sidecar_injection_requests_total 1",
        "sidecar_injection_success_total 1",
        "galley_validation_failed{group=\"\",reason=\"invalid_resource\",resource=\"DestinationRule\",version=\"v1\"} 1",
    ] {
        assert!(counts.contains(line), "{line}:\n{counts}");
    }
}

#[tokio::test]
async fn what_is_no_review_gets_the_status_that_says_so() {
    let mut server = Asked::start().await;
    let json = "application/json";
    let post = async |server: &mut Asked, path: &str, kind: &str, body: Vec<u8>| {
        server.post(path, kind, body).await.0
    };
    assert_eq!(post(&mut server, "/other", json, Vec::new()).await, 404);
    assert_eq!(post(&mut server, "/inject", json, Vec::new()).await, 400);
    assert_eq!(
        post(&mut server, "/inject", "text/plain", Vec::new()).await,
        415
    );
    let large = vec![b' '; REVIEW_BYTES + 1];
    assert_eq!(post(&mut server, "/validate", json, large).await, 413);
}
