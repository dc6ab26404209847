use mesh_identity::grpc_channel;
use mesh_model::time::Clock;
use mesh_pki::bundle::TrustBundle;
use mesh_pki::key::Key as PrivateKey;
use mesh_pki::live::Identity;
use mesh_pki::tls::{Expect, client_config};
use mesh_proto::telemetry::delta::Value as Amount;
use mesh_proto::telemetry::telemetry_service_client::TelemetryServiceClient;
use mesh_proto::telemetry::{Delta, Label, Series};
use mesh_test::clock::SystemClock;
use mesh_test::pki::Authority;
use mesh_test::tls::careless_client;
use prometheus::Registry;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;
use tonic::transport::Channel;

use super::*;
use crate::store::Limits;

const DOMAIN: &str = "cluster.local";
const MIXER: &str = "spiffe://cluster.local/ns/istio-system/sa/istio-mixer-service-account";
const REVIEWS: &str = "spiffe://cluster.local/ns/default/sa/bookinfo-reviews";

fn mk_live(authority: &Authority, spiffe_id: &str) -> LiveIdentity {
    let domain = TrustDomain::parse(DOMAIN).unwrap();
    let bundle = TrustBundle::from_pem(domain, &authority.pem()).unwrap();
    let certified = authority.leaf(spiffe_id);
    let key = PrivateKey::from_pem(&certified.key_pem).unwrap();
    let now = SystemClock.wall();
    let identity = Identity::new(certified.chain, &key, bundle.into(), now).unwrap();
    LiveIdentity::new(identity, Arc::new(SystemClock))
}

/// A hub on loopback, with the authority that its mesh trusts.
struct Served {
    hub: Hub,
    authority: Authority,
    address: String,
    tasks: Tasks,
}

async fn mk_served() -> Served {
    let authority = Authority::root(DOMAIN, SystemClock.wall());
    let hub = Hub::new(Limits::default(), Arc::new(SystemClock), &Registry::new()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let tasks = Tasks::new(&Registry::new());
    let (serving, identity, group) = (hub.clone(), mk_live(&authority, MIXER), tasks.clone());
    tasks.spawn("server", async move {
        serve(serving, &identity, listener, &group).await.unwrap();
    });
    Served {
        hub,
        authority,
        address,
        tasks,
    }
}

impl Served {
    fn channel(&self, spiffe_id: &str) -> Channel {
        let live = mk_live(&self.authority, spiffe_id);
        let mixer = SpiffeId::parse(MIXER).unwrap();
        let config = client_config(&live, Expect::AnyOf(vec![mixer]), &[ALPN_H2]).unwrap();
        grpc_channel(&self.address, config).unwrap()
    }
}

/// One stream: what is sent, and what comes back.
struct Talk {
    batches: mpsc::Sender<ReportRequest>,
    answers: Streaming<ReportResponse>,
}

async fn talk(channel: Channel) -> Result<Talk, Status> {
    let (batches, outgoing) = mpsc::channel(8);
    let mut client = TelemetryServiceClient::new(channel);
    let answers = client
        .report(ReceiverStream::new(outgoing))
        .await?
        .into_inner();
    Ok(Talk { batches, answers })
}

impl Talk {
    async fn send(&mut self, batch: ReportRequest) -> Result<u64, Status> {
        self.batches.send(batch).await.unwrap();
        let answer = self.answers.message().await?;
        Ok(answer.unwrap().acknowledged)
    }
}

fn mk_batch(instance: &str, sequence: u64, added: u64) -> ReportRequest {
    let label = |(name, value): (&str, &str)| Label {
        name: name.to_owned(),
        value: value.to_owned(),
    };
    let labels = [
        ("destination_principal", REVIEWS),
        ("reporter", "destination"),
    ];
    ReportRequest {
        instance: instance.to_owned(),
        sequence,
        series: vec![Series {
            id: 1,
            metric: "istio_requests_total".to_owned(),
            labels: labels.map(label).into(),
        }],
        deltas: vec![Delta {
            series: 1,
            value: Some(Amount::Counter(added)),
        }],
    }
}

#[tokio::test]
async fn a_proxy_reports_and_is_acknowledged() {
    let served = mk_served().await;
    let mut first = talk(served.channel(REVIEWS)).await.unwrap();
    assert_eq!(first.send(mk_batch("one", 1, 5)).await.unwrap(), 1);
    assert_eq!(first.send(mk_batch("one", 2, 5)).await.unwrap(), 2);
    drop(first);
    // The acknowledgement of batch 2 was lost; it comes again on the next connection.
    let mut second = talk(served.channel(REVIEWS)).await.unwrap();
    assert_eq!(second.send(mk_batch("one", 2, 5)).await.unwrap(), 2);
    assert_eq!(second.send(mk_batch("one", 3, 1)).await.unwrap(), 3);
    let text = served.hub.metrics();
    let expected = format!(
        "istio_requests_total{{destination_principal=\"{REVIEWS}\",reporter=\"destination\"}} 11\n"
    );
    assert!(text.contains(&expected), "{text}");
}

#[tokio::test]
async fn a_stream_for_another_identitys_instance_is_refused() {
    let served = mk_served().await;
    let mut owner = talk(served.channel(REVIEWS)).await.unwrap();
    owner.send(mk_batch("one", 1, 5)).await.unwrap();
    let thief = served.channel("spiffe://cluster.local/ns/default/sa/thief");
    let refused = talk(thief).await.unwrap().send(mk_batch("one", 2, 5)).await;
    assert_eq!(refused.unwrap_err().code(), Code::PermissionDenied);
    assert_eq!(owner.send(mk_batch("one", 2, 1)).await.unwrap(), 2);
}

#[tokio::test]
async fn what_a_proxy_reports_of_another_is_not_counted() {
    let served = mk_served().await;
    let liar = served.channel("spiffe://cluster.local/ns/default/sa/liar");
    let mut stream = talk(liar).await.unwrap();
    assert_eq!(stream.send(mk_batch("one", 1, 5)).await.unwrap(), 1);
    assert_eq!(served.hub.metrics(), "");
}

#[tokio::test]
async fn a_batch_without_a_number_ends_the_stream() {
    let served = mk_served().await;
    let mut stream = talk(served.channel(REVIEWS)).await.unwrap();
    let refused = stream.send(mk_batch("one", 0, 5)).await;
    assert_eq!(refused.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn strangers_do_not_get_in() {
    let served = mk_served().await;
    let other = Authority::root(DOMAIN, SystemClock.wall());
    let foreign = served
        .authority
        .leaf("spiffe://other.example/ns/default/sa/a");
    let stolen = other.leaf(REVIEWS);
    for shown in [None, Some(&foreign), Some(&stolen)] {
        let config = careless_client(shown, &[ALPN_H2]);
        let channel = grpc_channel(&served.address, config).unwrap();
        let refused = async { talk(channel).await?.send(mk_batch("one", 1, 5)).await };
        assert!(refused.await.is_err());
    }
    assert_eq!(served.hub.metrics(), "");
}

#[tokio::test]
async fn an_open_stream_does_not_hold_up_the_end() {
    let served = mk_served().await;
    let mut stream = talk(served.channel(REVIEWS)).await.unwrap();
    stream.send(mk_batch("one", 1, 5)).await.unwrap();
    assert!(served.tasks.stop(Duration::from_secs(20)).await);
    // What was counted before stays counted, and the proxy learns that the stream is over.
    assert!(!matches!(stream.answers.message().await, Ok(Some(_))));
}

#[test]
fn only_workloads_of_the_trust_domain_may_report() {
    let domain = TrustDomain::parse(DOMAIN).unwrap();
    let check = |identity: Option<&str>, expected: Option<Code>| {
        let peer = PeerInfo {
            remote: ([127, 0, 0, 1], 1).into(),
            identity: identity.map(|text| SpiffeId::parse(text).unwrap()),
        };
        let got = authorise(Some(&peer), &domain)
            .err()
            .map(|status| status.code());
        assert_eq!(got, expected, "{identity:?}");
    };
    check(Some(REVIEWS), None);
    check(None, Some(Code::Unauthenticated));
    check(Some("spiffe://cluster.local"), Some(Code::PermissionDenied));
    check(
        Some("spiffe://other/ns/default/sa/a"),
        Some(Code::PermissionDenied),
    );
    assert!(authorise(None, &domain).is_err());
}
