use std::net::SocketAddr;
use std::time::UNIX_EPOCH;

use mesh_http::Version;
use mesh_model::ident::SpiffeId;
use mesh_traffic::cluster::ServiceNames;
use mesh_traffic::listener::Listener;

use super::*;
use crate::http::connection::Peer;
use crate::testing::{Mk, mk_cluster, table};

/// What a record of the tests is made of.
pub(crate) struct Fixture {
    pub(crate) connection: Connection,
    pub(crate) request: RequestHead,
    pub(crate) cluster: Option<Arc<Cluster>>,
    pub(crate) identity: Option<Str>,
    pub(crate) workload: Option<Str>,
    pub(crate) metadata: Vec<u8>,
    pub(crate) response: Response,
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn listener(inbound: bool) -> Arc<Listener> {
    let mk = Mk {
        inbound,
        routes: Some(table("t", Vec::new())),
        ..Mk::default()
    };
    Arc::new(mk.listener(address("127.7.3.1:9080")))
}

/// productpage calls reviews; the record of either end.
impl Fixture {
    fn new(inbound: bool) -> Self {
        let mut request = RequestHead {
            version: Version::Http11,
            method: "GET".into(),
            authority: "reviews:9080".into(),
            path: "/reviews/0".into(),
            ..RequestHead::default()
        };
        request.fields.append("user-agent", "curl/8").unwrap();
        request.fields.append("x-request-id", "id-1").unwrap();
        let mut cluster = mk_cluster("outbound|9080|v1|reviews.default.svc.cluster.local", &[]);
        cluster.service = Some(ServiceNames {
            host: "reviews.default.svc.cluster.local".into(),
            name: "reviews".into(),
            namespace: "default".into(),
        });
        Self {
            connection: Connection {
                listener: listener(inbound),
                chain: 0,
                client: address("127.7.1.1:40000"),
                local: address("127.7.3.1:9080"),
                tls: inbound,
                agreed: None,
                sni: None,
                peer: None,
                own_identity: Some("spiffe://cluster.local/ns/default/sa/own".into()),
                limits: Default::default(),
                element: Default::default(),
                certificate: None,
            },
            request,
            cluster: Some(Arc::new(cluster)),
            identity: None,
            workload: None,
            metadata: Vec::new(),
            response: Response {
                status: 200,
                details: "via_upstream",
                ..Response::default()
            },
        }
    }

    pub(crate) fn client() -> Self {
        let mut fixture = Self::new(false);
        fixture.identity = Some("spiffe://cluster.local/ns/default/sa/bookinfo-reviews".into());
        fixture.workload = Some("reviews-v1;default;reviews;v1;Kubernetes".into());
        fixture
    }

    pub(crate) fn server() -> Self {
        let mut fixture = Self::new(true);
        let text = "spiffe://cluster.local/ns/default/sa/bookinfo-productpage";
        fixture.connection.peer = Some(Peer {
            identity: SpiffeId::parse(text).unwrap(),
            text: text.into(),
            certificate_hash: Str::default(),
        });
        fixture
    }

    pub(crate) fn record(&self) -> Record<'_> {
        let upstream = self.cluster.as_ref().map(|_| Upstream {
            address: address("127.7.3.1:9080"),
            name: None,
            version: Some(Version::Http11),
            local: Some(address("127.7.1.1:51000")),
            mutual_tls: self.identity.is_some(),
            identity: self.identity.as_ref(),
            workload: self.workload.as_ref(),
            service_time: Some(Duration::from_millis(11)),
        });
        Record {
            connection: &self.connection,
            start_time: UNIX_EPOCH + Duration::from_millis(1_767_323_045_678),
            duration: Duration::from_millis(12),
            request: &self.request,
            route: "default",
            cluster: self.cluster.as_ref(),
            upstream,
            peer_metadata: &self.metadata,
            response: self.response.clone(),
            bytes: Bytes {
                request_head: 100,
                request_body: 0,
                response_head: 50,
                response_body: 295,
            },
            points: Points::default(),
            attempts: 1,
            answer: None,
            trailers: None,
        }
    }
}

#[test]
fn an_answer_that_broke_off_keeps_its_status() {
    let mut response = Response {
        status: 200,
        ..Response::default()
    };
    response.broken_off(FailureKind::UpstreamReset);
    assert_eq!(
        (response.status, response.flags),
        (200, Flags::UPSTREAM_RESET)
    );
    assert_eq!(response.details, "upstream_reset_after_response_started");

    let mut gone = Response::default();
    gone.broken_off(FailureKind::DownstreamGone);
    assert_eq!(
        (gone.status, gone.details),
        (0, "downstream_remote_disconnect")
    );
}
