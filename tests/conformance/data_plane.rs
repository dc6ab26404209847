//! Data planes that are not ours, which pilot programs as it does ours: Envoy as a sidecar of reviews and a gateway of
//! Bookinfo, and gRPC's library without any proxy.

mod agent;
mod certificates;
mod envoy;
mod guest;
mod library;

use std::net::SocketAddr;

use bytes::Bytes;
use hyper::Request;
use mesh_test::client::{Client, Http};
use mesh_test::eventually_async;
use mesh_tests::mesh::samples;
use mesh_tests::{Caller, Mesh, Metrics, Setup, Stars, fetch, stars};

use self::envoy::{Envoy, Variant};
use self::guest::Guest;

/// Requests in each direction.
const REQUESTS: u64 = 40;

/// All of reviews is the pod whose sidecar is Envoy.
const ALL_TO_ENVOY: &str = "
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec:
  host: reviews
  subsets:
  - {name: envoy, labels: {version: envoy}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews]
  http:
  - route:
    - destination: {host: reviews, subset: envoy}
";

const STRICT: &str = "
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: istio-system}
spec:
  mtls: {mode: STRICT}
";

/// A mesh with two Envoys in it.
struct World {
    mesh: Mesh,
    sidecar: Envoy,
    gateway: Envoy,
    /// Who the Envoy beside reviews is.
    reviews: String,
}

impl World {
    async fn up() -> Self {
        let mesh = Setup::bookinfo().up();
        let reviews = Guest::reviews(&mesh);
        let ingress = Guest::gateway(&mesh);
        reviews.enter(&mesh);
        ingress.enter(&mesh);
        let sidecar = Envoy::start(&mesh, &reviews, Variant::Delta).await;
        let gateway = Envoy::start(&mesh, &ingress, Variant::StateOfTheWorld).await;
        sidecar.wait().await;
        gateway.wait().await;
        reviews.serve(&mesh);
        let world = Self {
            mesh,
            sidecar,
            gateway,
            reviews: reviews.identity(),
        };
        world.all_is_taken("the start").await;
        world
    }

    /// Both have all that pilot has for them, and have refused nothing.
    async fn all_is_taken(&self, after: &str) {
        for envoy in [&self.sidecar, &self.gateway] {
            let pod = envoy.pod();
            eventually_async("Envoy has what pilot has", || async {
                let table = self.mesh.meshctl_ok(&["proxy-status", "-o", "json"]);
                let proxies: Vec<serde_json::Value> = serde_json::from_str(&table).unwrap();
                let own = proxies.into_iter().find(|one| one["proxy"] == pod);
                let own = own.ok_or_else(|| format!("{pod} is not connected: {table}"))?;
                let states = ["cds", "lds", "eds", "rds"].map(|kind| own[kind].clone());
                let good = |state: &serde_json::Value| state == "SYNCED" || state == "NOT SENT";
                match states.iter().all(good) && own["error"].is_null() {
                    true => Ok(()),
                    false => Err(format!("after {after}: {own}")),
                }
            })
            .await;
            let refused = envoy.sum("update_rejected$").await;
            assert_eq!(refused, 0, "{pod} after {after}: {}", envoy.log());
        }
    }

    /// A sidecar of ours, as an application uses it.
    async fn through(&self, workload: &str) -> Caller {
        let status = self.mesh.status();
        let outbound = status.workload(workload).outbound.clone();
        Caller::through(&outbound.unwrap()).await
    }

    /// What a sidecar of ours has been asked by the Envoy beside reviews, by mutual TLS.
    async fn asked_by_envoy(&self, workload: &str) -> u64 {
        let admin = self.mesh.status().workload(workload).admin.clone();
        let metrics = Metrics::scrape(&format!("{admin}/stats/prometheus")).await;
        metrics.sum(
            "istio_requests_total",
            &[
                ("reporter", "destination"),
                ("connection_security_policy", "mutual_tls"),
                ("source_principal", &self.reviews),
                ("response_code", "200"),
            ],
        )
    }

    async fn into_envoy(&self) {
        let before = self
            .sidecar
            .sum(r"^http\.inbound.*downstream_rq_2xx$")
            .await;
        let mut caller = self.through("productpage").await;
        for _ in 0..REQUESTS {
            let url = "http://reviews:9080/reviews/0";
            let (status, body) = caller.answer(url, &[]).await;
            assert_eq!((status, stars(&body)), (200, Stars::Black), "{body}");
        }
        let after = self
            .sidecar
            .sum(r"^http\.inbound.*downstream_rq_2xx$")
            .await;
        assert_eq!(after - before, REQUESTS, "{}", self.sidecar.log());
    }

    async fn out_of_envoy(&self) {
        let before = self.asked_by_envoy("ratings").await;
        let at = self
            .sidecar
            .outbound("ratings.default.svc.cluster.local:9080");
        for _ in 0..REQUESTS {
            let (status, body) = fetch(&format!("http://{at}/ratings/0"), &[]).await;
            assert_eq!(status, 200, "{body}");
        }
        assert_eq!(self.asked_by_envoy("ratings").await - before, REQUESTS);

        let before = self.asked_by_envoy("details").await;
        let mut caller = Caller::through(&format!("http://{}", self.sidecar.http_proxy())).await;
        for _ in 0..REQUESTS {
            let (status, body) = caller.answer("http://details:9080/details/0", &[]).await;
            assert_eq!(status, 200, "{body}");
        }
        assert_eq!(self.asked_by_envoy("details").await - before, REQUESTS);
    }

    async fn by_the_gateway(&self) {
        let page = format!("http://{}/productpage", self.gateway.gateway());
        for _ in 0..REQUESTS {
            let (status, body) = fetch(&page, &[]).await;
            assert_eq!(status, 200, "{body}");
            assert!(
                body.contains("<title>Simple Bookstore App</title>"),
                "{body}"
            );
        }
        let (status, _) = fetch(&page.replace("productpage", "nowhere"), &[]).await;
        assert_eq!(status, 404);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn envoy_is_a_sidecar_and_a_gateway_of_bookinfo() {
    let world = World::up().await;

    let folder = samples().join("bookinfo/networking");
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    for name in &names {
        world.mesh.apply_sample(name);
        world.all_is_taken(name).await;
    }

    world.mesh.apply(ALL_TO_ENVOY);
    world.all_is_taken("a subset of its own").await;
    world.into_envoy().await;
    world.out_of_envoy().await;
    world.by_the_gateway().await;

    world.mesh.apply(STRICT);
    world.all_is_taken("STRICT").await;
    world.into_envoy().await;
    world.out_of_envoy().await;
    world.by_the_gateway().await;
    let inbound: SocketAddr = world.sidecar.inbound();
    assert!(!takes_plain_text(inbound).await, "STRICT takes plain text");
    let secured = world
        .sidecar
        .sum(r"^listener\..*_9080\.ssl\.handshake$")
        .await;
    assert!(secured > 0, "nobody came by mutual TLS");
}

async fn takes_plain_text(address: SocketAddr) -> bool {
    let mut client = Client::plain(address, Http::One).await.unwrap();
    let request = Request::get("/reviews/0").header("host", "reviews:9080");
    client
        .send(request.body(Bytes::new()).unwrap())
        .await
        .is_ok()
}
