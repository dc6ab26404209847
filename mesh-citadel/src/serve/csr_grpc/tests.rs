use std::fs;
use std::sync::Arc;
use std::time::Duration;

use mesh_model::ident::{SpiffeId, TrustDomain};
use mesh_model::time::TestClock;
use mesh_pki::chain;
use mesh_pki::csr;
use mesh_pki::key::Key;
use mesh_test::clock;
use prometheus::Registry;
use tempfile::TempDir;
use tonic::Code;

use super::*;
use crate::authenticate::file_token::FileTokens;
use crate::signer::file::open_or_create;

const OWN: &str = "spiffe://cluster.local/ns/default/sa/reviews";
const HOUR: Duration = Duration::from_secs(3600);
const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// The service with a clock that is moved by hand, and no socket.
struct Case {
    service: CsrService,
    clock: TestClock,
    _folder: TempDir,
}

impl Case {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = clock::fixed();
        let domain = TrustDomain::parse("cluster.local").unwrap();
        let ca = folder.path().join("ca");
        let signer = open_or_create(&ca, &domain, mesh_model::time::Clock::wall(&clock)).unwrap();
        let accepted = folder.path().join("accepted");
        fs::create_dir(&accepted).unwrap();
        // SHA-256 of "good".
        let hash = "770e607624d689265ca6c44884d0807d9b054d23c473c106c72be9de08b7376c";
        let text = format!(r#"{{"sha256": "{hash}", "identity": "{OWN}"}}"#);
        fs::write(accepted.join("reviews.json"), text).unwrap();
        let service = CsrService::new(
            Authority::new(signer, Arc::new(clock.clone())),
            Tokens::none().with_files(FileTokens::read(accepted, domain)),
            Lifetimes::new(HOUR, YEAR).unwrap(),
            Metrics::new(&Registry::new()).unwrap(),
        );
        Self {
            service,
            clock,
            _folder: folder,
        }
    }

    async fn call(&self, request: Request<IstioCertificateRequest>) -> Result<Vec<String>, Status> {
        let answer = self.service.create_certificate(request).await?;
        Ok(answer.into_inner().cert_chain)
    }

    async fn check_refused(&self, request: Request<IstioCertificateRequest>, want: Code) {
        let status = self.call(request).await.unwrap_err();
        assert_eq!(status.code(), want, "{status}");
    }
}

fn good() -> Request<IstioCertificateRequest> {
    let key = Key::generate().unwrap();
    let mut request = Request::new(IstioCertificateRequest {
        csr: csr::create(&key, &SpiffeId::parse(OWN).unwrap()).unwrap(),
        validity_duration: 0,
        metadata: None,
    });
    let token = "Bearer good".parse().unwrap();
    request.metadata_mut().insert("authorization", token);
    request
}

#[tokio::test]
async fn an_answer_is_the_leaf_and_the_roots() {
    let case = Case::new();
    let answer = case.call(good()).await.unwrap();
    let [leaf, roots] = answer.as_slice() else {
        panic!("{answer:?}");
    };
    let leaf = chain::facts(&chain::from_pem(leaf).unwrap()[0]).unwrap();
    assert_eq!(leaf.uris, [OWN]);
    let now = mesh_model::time::Clock::wall(&case.clock);
    assert_eq!(leaf.not_after, now + HOUR);
    assert_eq!(*roots, case.service.authority.signer().bundle().to_pem());
    assert_eq!(case.service.metrics.issued.get(), 1);
}

#[tokio::test]
async fn who_is_not_known_learns_nothing_of_the_request() {
    let case = Case::new();
    let mut request = good();
    request.get_mut().csr = "damaged".into();
    request.metadata_mut().remove("authorization");
    case.check_refused(request, Code::Unauthenticated).await;
    assert_eq!(case.service.metrics.unauthenticated.get(), 1);
    assert_eq!(case.service.metrics.bad_requests.get(), 0);
}

#[tokio::test]
async fn each_fault_has_its_code_and_its_counter() {
    let case = Case::new();
    let metrics = &case.service.metrics;
    let mut damaged = good();
    damaged.get_mut().csr = "damaged".into();
    case.check_refused(damaged, Code::InvalidArgument).await;
    assert_eq!(metrics.bad_requests.get(), 1);
    let mut too_long = good();
    too_long.get_mut().validity_duration = i64::MAX;
    case.check_refused(too_long, Code::InvalidArgument).await;
    assert_eq!(metrics.bad_requests.get(), 2);
    assert_eq!(metrics.requests.get(), 2);
    assert_eq!(metrics.issued.get(), 0);
}

#[tokio::test]
async fn an_expired_signer_is_the_houses_fault_and_signs_nothing() {
    let case = Case::new();
    case.clock.advance(11 * YEAR);
    let status = case.call(good()).await.unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    assert_eq!(status.message(), "the certificate could not be issued");
    let errors = &case.service.metrics.sign_errors;
    assert_eq!(errors.with_label_values(&["template"]).get(), 1);
}

#[tokio::test]
async fn requests_beyond_the_bound_are_refused_at_once() {
    let case = Case::new();
    let all = u32::try_from(REQUESTS).unwrap();
    let held = case.service.room.acquire_many(all).await.unwrap();
    case.check_refused(good(), Code::ResourceExhausted).await;
    drop(held);
    case.call(good()).await.unwrap();
}
