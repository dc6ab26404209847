use mesh_runtime::SystemClock;
use mesh_test::api_server::{ApiServer, Place};
use prometheus::Registry;
use serde_json::json;

use super::*;
use crate::metrics::Metrics;

const ROOTS: &str = "-----BEGIN CERTIFICATE-----\nours\n-----END CERTIFICATE-----\n";

/// Publishes to a server of the test until it is dropped.
struct Case {
    server: ApiServer,
    tasks: Tasks,
}

impl Case {
    async fn start(server: ApiServer) -> Self {
        let tasks = Tasks::new(&Registry::new());
        start_on(&server, &tasks).await;
        Self { server, tasks }
    }

    /// Waits until a namespace has the roots.
    async fn published(&self, namespace: &str) {
        let what = format!("the roots are in {namespace}");
        let place = place(namespace);
        let question = |server: &ApiServer| {
            let object = server.object(&place)?;
            is_right(&object, &wanted(ROOTS.to_owned())).then_some(())
        };
        self.server.until(&what, question).await;
    }

    fn writes(&self) -> usize {
        self.server.count("PATCH ")
    }
}

async fn start_on(server: &ApiServer, tasks: &Tasks) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kubeconfig");
    std::fs::write(&file, server.kubeconfig()).unwrap();
    let cluster = Cluster::from_kubeconfig(&file).await.unwrap();
    let metrics = Metrics::new(&Registry::new()).unwrap().publish;
    let clock = Arc::new(SystemClock);
    start(&cluster, ROOTS.to_owned(), clock, metrics, tasks);
}

impl Drop for Case {
    fn drop(&mut self) {
        self.tasks.stopping().cancel();
    }
}

fn place(namespace: &str) -> Place {
    Place::new("configmaps", namespace, NAME)
}

#[tokio::test]
async fn every_namespace_gets_the_roots_also_one_that_comes_later() {
    let server = ApiServer::start().await;
    for name in ["default", "kube-system", "kube-public", "kube-node-lease"] {
        server.namespace(name);
    }
    let case = Case::start(server).await;
    case.published("default").await;
    case.published("kube-system").await;
    case.server.namespace("new");
    case.published("new").await;
    let object = case.server.object(&place("new")).unwrap();
    assert_eq!(
        object["metadata"]["labels"],
        json!({"istio.io/config": "true"})
    );
    assert_eq!(object["data"], json!({"root-cert.pem": ROOTS}));
    for name in ["kube-public", "kube-node-lease"] {
        assert_eq!(case.server.object(&place(name)), None, "{name}");
    }
    assert_eq!(case.writes(), 3);
}

#[tokio::test]
async fn what_is_edited_or_deleted_is_put_back_and_others_entries_stay() {
    let server = ApiServer::start().await;
    server.namespace("a");
    let case = Case::start(server).await;
    case.published("a").await;
    let mut edited = case.server.object(&place("a")).unwrap();
    edited["data"] = json!({"root-cert.pem": "theirs", "more": "theirs"});
    case.server.put(place("a"), edited);
    case.published("a").await;
    let object = case.server.object(&place("a")).unwrap();
    assert_eq!(object["data"]["more"], "theirs");
    let mut unlabelled = object;
    unlabelled["metadata"]["labels"] = json!({});
    case.server.put(place("a"), unlabelled);
    case.published("a").await;
    case.server.delete(&place("a"));
    case.published("a").await;
}

#[tokio::test]
async fn a_namespace_that_ends_is_left_alone() {
    let server = ApiServer::start().await;
    server.namespace("a");
    let case = Case::start(server).await;
    case.published("a").await;
    let ends = json!({"status": {"phase": "Terminating"}});
    case.server.put(Place::namespace("a"), ends);
    case.server.delete(&place("a"));
    case.server.delete(&Place::namespace("a"));
    // What comes after it shows that it was looked at.
    case.server.namespace("b");
    case.published("b").await;
    assert_eq!(case.server.object(&place("a")), None);
    assert_eq!(case.writes(), 2);
}

#[tokio::test]
async fn a_second_replica_finds_nothing_to_do() {
    let server = ApiServer::start().await;
    for number in 0..20 {
        server.namespace(&format!("n{number}"));
    }
    let case = Case::start(server).await;
    for number in 0..20 {
        case.published(&format!("n{number}")).await;
    }
    assert_eq!(case.writes(), 20);
    let second = Tasks::new(&Registry::new());
    start_on(&case.server, &second).await;
    let watches = |server: &ApiServer| {
        let requests = server.requests();
        let watches = requests.iter().filter(|line| line.contains("watch=true"));
        (watches.count() >= 4).then_some(())
    };
    case.server.until("the second watches", watches).await;
    case.server.namespace("last");
    case.published("last").await;
    second.stopping().cancel();
    let versions: Vec<_> = case.server.requests();
    let rewritten = versions.iter().filter(|line| line.starts_with("PATCH "));
    let rewritten = rewritten.filter(|line| !line.contains("/last/"));
    assert_eq!(rewritten.count(), 20);
}

#[tokio::test]
async fn an_api_server_that_was_away_is_caught_up_with() {
    let server = ApiServer::start().await;
    server.namespace("a");
    let mut case = Case::start(server).await;
    case.published("a").await;
    case.server.die().await;
    case.server.namespace("b");
    case.server.delete(&place("a"));
    case.server.revive().await;
    case.published("a").await;
    case.published("b").await;
}

#[tokio::test]
async fn without_the_permission_to_list_it_writes_all_the_same() {
    let server = ApiServer::start().await;
    server.namespace("a");
    server.refuse("GET", "/configmaps", 403);
    let case = Case::start(server).await;
    case.published("a").await;
}
