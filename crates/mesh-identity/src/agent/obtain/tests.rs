use std::fs;

use mesh_model::ident::{ServiceAccount, TrustDomain};
use mesh_pki::csr::public_key_of;
use mesh_pki::template::{Profile, Serial};
use mesh_pki::tls::{ClientAuth, TrustPolicy, server_config};
use mesh_pki::{ca::Ca, template};
use mesh_proto::istio_ca::istio_certificate_service_server::{
    IstioCertificateService, IstioCertificateServiceServer,
};
use mesh_runtime::{SystemClock, Tasks};
use mesh_test::clock;
use mesh_test::pki::Authority;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

use super::*;
use crate::incoming::tls_incoming;

const CITADEL: &str = "spiffe://cluster.local/ns/istio-system/sa/istio-citadel-service-account";
const OWN: &str = "spiffe://cluster.local/ns/default/sa/reviews";
const OTHER: &str = "spiffe://cluster.local/ns/default/sa/ratings";

/// How the fake answers: the identity that it certifies, over the request's key or another.
#[derive(Clone, Copy)]
enum Answer {
    For(&'static str),
    OverAnotherKey,
    Nothing,
    Garbage,
}

/// A citadel that answers as it is told, whoever asks with the right token.
struct Fake {
    ca: Ca,
    answer: Answer,
}

impl Fake {
    fn certify(&self, identity: &str, csr: &str) -> Vec<String> {
        let key = match self.answer {
            Answer::OverAnotherKey => Key::generate().unwrap().public(),
            _ => public_key_of(csr).unwrap(),
        };
        let profile = Profile {
            identity: SpiffeId::parse(identity).unwrap(),
            dns_names: Vec::new(),
            key,
            lifetime: Duration::from_secs(60),
            serial: Serial::random().unwrap(),
        };
        let leaf = template::leaf(&profile, self.ca.facts(), clock::now()).unwrap();
        let signed = self.ca.sign(&leaf).unwrap();
        vec![chain::to_pem(&signed), chain::to_pem(&self.ca.facts().der)]
    }
}

#[tonic::async_trait]
impl IstioCertificateService for Fake {
    async fn create_certificate(
        &self,
        request: Request<IstioCertificateRequest>,
    ) -> Result<Response<IstioCertificateResponse>, Status> {
        if request.metadata().get("authorization").unwrap() != "Bearer secret-token" {
            return Err(Status::unauthenticated("the token is not accepted"));
        }
        let csr = &request.get_ref().csr;
        let cert_chain = match self.answer {
            Answer::For(identity) => self.certify(identity, csr),
            Answer::OverAnotherKey => self.certify(OWN, csr),
            Answer::Nothing => Vec::new(),
            Answer::Garbage => vec!["no".into(), "certificate".into()],
        };
        Ok(Response::new(IstioCertificateResponse { cert_chain }))
    }
}

/// A fake citadel that runs, and what an agent needs to ask it.
struct Case {
    settings: IdentitySettings,
    root: Authority,
    folder: TempDir,
    _tasks: Tasks,
}

impl Case {
    async fn new(answer: Answer) -> Self {
        Self::shown_as(CITADEL, answer).await
    }

    /// The fake shows the identity `shown`.
    async fn shown_as(shown: &str, answer: Answer) -> Self {
        let root = Authority::root("cluster.local", clock::now());
        let tasks = Tasks::new(&prometheus::Registry::new());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let trust_domain = TrustDomain::parse("cluster.local").unwrap();
        let policy = TrustPolicy {
            trust_domain: trust_domain.clone(),
        };
        let live = root.live(shown, Arc::new(SystemClock));
        let tls = server_config(&live, policy, ClientAuth::Optional, &[ALPN_H2]).unwrap();
        let incoming = tls_incoming(listener, Arc::new(tls), &tasks);
        let key = Key::from_pem(root.key_pem()).unwrap();
        let ca = Ca::new(root.der().clone(), key).unwrap();
        let service = IstioCertificateServiceServer::new(Fake { ca, answer });
        tasks.spawn("fake citadel", async move {
            let server = Server::builder().serve_with_incoming(service, incoming);
            server.await.unwrap();
        });
        let folder = tempfile::tempdir().unwrap();
        let settings = IdentitySettings {
            trust_domain,
            account: ServiceAccount::new("default", "reviews").unwrap(),
            mesh_namespace: "istio-system".into(),
            ca_address: address.to_string(),
            ca_root: folder.path().join("root-cert.pem"),
            token_file: folder.path().join("reviews.token"),
        };
        fs::write(&settings.token_file, "secret-token\n").unwrap();
        Self {
            settings,
            root,
            folder,
            _tasks: tasks,
        }
    }

    async fn obtain(&self) -> Result<Identity, ObtainError> {
        self.obtain_trusting(&self.root).await
    }

    async fn obtain_trusting(&self, root: &Authority) -> Result<Identity, ObtainError> {
        let domain = self.settings.trust_domain.clone();
        let bundle = TrustBundle::new(domain, vec![root.der().clone()]).unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        identity(&self.settings, Arc::new(bundle), &clock).await
    }

    async fn check_refused(&self, want: &str) {
        let error = self.obtain().await.unwrap_err().to_string();
        assert!(error.contains(want), "{want}: {error}");
        assert!(
            !error.contains("secret-token"),
            "the error shows the token: {error}"
        );
    }
}

#[tokio::test]
async fn the_identity_asked_for_is_taken() {
    let case = Case::new(Answer::For(OWN)).await;
    let identity = case.obtain().await.unwrap();
    assert_eq!(identity.spiffe_id().to_string(), OWN);
    assert_eq!(
        identity.chain().len(),
        1,
        "the root is not part of the chain"
    );
}

#[tokio::test]
async fn an_answer_that_is_not_what_was_asked_for_is_refused() {
    let refused = async |answer, want| Case::new(answer).await.check_refused(want).await;
    refused(
        Answer::For(OTHER),
        "the identity spiffe://cluster.local/ns/default/sa/ratings",
    )
    .await;
    refused(Answer::OverAnotherKey, "the private key does not belong").await;
    refused(Answer::Nothing, "no certificate").await;
    refused(Answer::Garbage, "no certificate").await;
}

#[tokio::test]
async fn a_citadel_of_another_root_or_name_is_not_asked() {
    let case = Case::new(Answer::For(OWN)).await;
    let other = Authority::root("cluster.local", clock::now());
    let error = case.obtain_trusting(&other).await.unwrap_err().to_string();
    assert!(error.contains("UnknownIssuer"), "{error}");
    let case = Case::shown_as(OTHER, Answer::For(OWN)).await;
    case.check_refused("the server is spiffe://cluster.local/ns/default/sa/ratings")
        .await;
}

#[tokio::test]
async fn the_token_is_read_for_each_request() {
    let case = Case::new(Answer::For(OWN)).await;
    fs::write(&case.settings.token_file, "wrong").unwrap();
    case.check_refused("the token is not accepted").await;
    fs::write(&case.settings.token_file, "secret-token").unwrap();
    case.obtain().await.unwrap();
    for (content, want) in [
        ("", "reviews.token\": it is empty"),
        ("two\nlines", "characters that no token has"),
        (&"x".repeat(70_000), "too long"),
    ] {
        fs::write(&case.settings.token_file, content).unwrap();
        case.check_refused(want).await;
    }
    fs::remove_file(&case.settings.token_file).unwrap();
    case.check_refused("cannot be read").await;
}

#[tokio::test]
async fn an_address_where_nobody_listens_is_named() {
    let mut case = Case::new(Answer::For(OWN)).await;
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    case.settings.ca_address.clone_from(&address);
    case.check_refused(&address).await;
    case.settings.ca_address = "citadel".into();
    case.check_refused("\"citadel\" is no HOST:PORT").await;
    drop(case.folder);
}
