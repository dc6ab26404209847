use mesh_runtime::SystemClock;
use mesh_test::api_server::{ApiServer, Place};
use mesh_test::pki::Authority;
use serde_json::json;

use super::*;

const NAMESPACE: &str = "istio-system";

fn place() -> Place {
    Place::new("secrets", NAMESPACE, NAME)
}

async fn keeper(server: &ApiServer) -> Keeper {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kubeconfig");
    std::fs::write(&file, server.kubeconfig()).unwrap();
    Keeper {
        cluster: Cluster::from_kubeconfig(&file).await.unwrap(),
        namespace: NAMESPACE.to_owned(),
        trust_domain: TrustDomain::parse("cluster.local").unwrap(),
        clock: Arc::new(SystemClock),
    }
}

async fn open(server: &ApiServer) -> Result<Signer, SecretError> {
    let health = Health::new();
    keeper(server).await.open_or_create(&health).await
}

async fn cluster() -> ApiServer {
    let server = ApiServer::start().await;
    server.namespace(NAMESPACE);
    server
}

#[tokio::test]
async fn a_root_is_made_once_and_kept_as_istio_keeps_it() {
    let server = cluster().await;
    let first = open(&server).await.unwrap();
    let kept = server.object(&place()).unwrap();
    assert_eq!(kept["type"], "istio.io/ca-root");
    let names: Vec<_> = kept["data"].as_object().unwrap().keys().collect();
    assert_eq!(
        names,
        [
            "ca-cert.pem",
            "ca-key.pem",
            "cert-chain.pem",
            "key.pem",
            "root-cert.pem"
        ]
    );
    let second = open(&server).await.unwrap();
    assert_eq!(second.certificate(), first.certificate());
    assert_eq!(server.object(&place()).unwrap(), kept);
    assert_eq!(server.count("POST "), 1);
}

#[tokio::test]
async fn replicas_that_start_at_once_end_with_one_root() {
    let server = cluster().await;
    let keepers = [
        keeper(&server).await,
        keeper(&server).await,
        keeper(&server).await,
    ];
    server.hold();
    let [one, two, three] = keepers.each_ref();
    let health = Health::new();
    let all = async {
        tokio::join!(
            one.open_or_create(&health),
            two.open_or_create(&health),
            three.open_or_create(&health),
        )
    };
    let go = async {
        let asked = |server: &ApiServer| (server.count("GET ") == 3).then_some(());
        server.until("all have asked", asked).await;
        server.release();
    };
    let ((one, two, three), ()) = tokio::join!(all, go);
    let one = one.unwrap();
    assert_eq!(two.unwrap().certificate(), one.certificate());
    assert_eq!(three.unwrap().certificate(), one.certificate());
}

#[tokio::test]
async fn an_api_server_that_is_away_is_waited_for_and_it_says_so() {
    let mut server = cluster().await;
    let keeper = keeper(&server).await;
    server.die().await;
    let health = Health::new();
    let open = keeper.open_or_create(&health);
    let revive = async {
        mesh_test::eventually_async("it says what it waits for", || async {
            let text = format!("{health:?}");
            let waits = text.contains("waiting for secret istio-system/istio-ca-secret: ");
            if waits { Ok(()) } else { Err(text) }
        })
        .await;
        server.revive().await;
    };
    let (signer, ()) = tokio::join!(open, revive);
    signer.unwrap();
    assert!(server.object(&place()).is_some());
}

#[tokio::test]
async fn a_missing_permission_is_waited_for_and_the_way_out_named() {
    let server = cluster().await;
    server.refuse("GET", "/istio-ca-secret", 403);
    let keeper = keeper(&server).await;
    let health = Health::new();
    let allow = async {
        mesh_test::eventually_async("it says what it needs", || async {
            let text = format!("{health:?}");
            let hint = text.contains("bind a Role");
            if hint { Ok(()) } else { Err(text) }
        })
        .await;
        server.refuse_nothing();
    };
    let (signer, ()) = tokio::join!(keeper.open_or_create(&health), allow);
    signer.unwrap();
}

#[tokio::test]
async fn a_secret_of_istios_own_make_is_taken() {
    let server = cluster().await;
    let root = Authority::root("cluster.local", mesh_test::clock::now());
    let encoded = |text: &str| {
        use base64::Engine as _;
        base64::prelude::BASE64_STANDARD.encode(text)
    };
    let data = json!({
        "ca-cert.pem": encoded(&root.pem()),
        "ca-key.pem": encoded(root.key_pem()),
        "cert-chain.pem": "",
        "key.pem": "",
        "root-cert.pem": "",
    });
    server.put(place(), json!({"type": KIND, "data": data}));
    let signer = open(&server).await.unwrap();
    assert_eq!(signer.certificate().der, *root.der());
    assert_eq!(signer.bundle().roots().len(), 1);
}

#[tokio::test]
async fn what_is_no_ca_is_refused_by_name_and_never_replaced() {
    let server = cluster().await;
    let broken = json!({"type": KIND, "data": {"ca-key.pem": "bm9uZQ=="}});
    server.put(place(), broken);
    let before = server.object(&place());
    let error = open(&server).await.unwrap_err().to_string();
    let want = "secret istio-system/istio-ca-secret: ca-key.pem: no private key";
    assert!(error.starts_with(want), "{error}");
    assert_eq!(server.object(&place()), before);
}
