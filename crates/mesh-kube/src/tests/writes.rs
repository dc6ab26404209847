//! Who writes, and what is written.

use std::sync::Arc;

use mesh_api::decode;
use mesh_runtime::SystemClock;
use mesh_source::Snapshot;
use mesh_source::store::Store;
use mesh_test::eventually_async;
use tokio::sync::watch;

use super::api::RULES;
use super::*;
use crate::{Leadership, LeaseName, Registration, registration, status};

fn candidate(api: &Api, holder: &str, tasks: &Tasks) -> Leadership {
    let name = LeaseName {
        namespace: "system".to_owned(),
        name: "writer".to_owned(),
        holder: holder.to_owned(),
    };
    Leadership::start(&api.cluster(), name, Arc::new(SystemClock), tasks)
}

async fn leads(leadership: &Leadership) {
    eventually_async("the lease", || {
        let is_ours = leadership.is_ours();
        async move { is_ours.then_some(()).ok_or("not ours") }
    })
    .await;
}

/// What is configured when these manifests are.
fn snapshot(store: &mut Store, manifests: &str) -> Arc<Snapshot> {
    let (objects, found) = decode::objects("test", manifests);
    assert_eq!(found, []);
    store.apply(
        0,
        objects
            .into_iter()
            .map(|object| Event::Upsert(Arc::new(object))),
    );
    Arc::new(store.snapshot())
}

fn manifest(generation: u64, hosts: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\n\
         metadata: {{name: r, namespace: \"n\", generation: {generation}}}\n\
         spec: {{hosts: [{hosts}], http: [{{route: [{{destination: {{host: a.b}}}}]}}]}}\n"
    )
}

#[tokio::test]
async fn one_leads_and_another_follows_when_it_goes() {
    let api = Api::start().await;
    let first = Tasks::new(&Registry::new());
    let leader = candidate(&api, "first", &first);
    leads(&leader).await;
    let second = Tasks::new(&Registry::new());
    let other = candidate(&api, "second", &second);
    assert!(!other.is_ours());
    assert!(first.stop(Duration::from_secs(5)).await);
    assert!(!leader.is_ours(), "it was given back");
    leads(&other).await;
}

#[tokio::test]
async fn statuses_are_written_once_for_each_change() {
    let api = Api::start().await;
    api.install(RULES);
    let tasks = Tasks::new(&Registry::new());
    let mut store = Store::default();
    let (send, snapshots) = watch::channel(snapshot(&mut store, &manifest(1, "a.b")));
    let leadership = candidate(&api, "me", &tasks);
    let clock = Arc::new(SystemClock);
    status::start(&api.cluster(), leadership, snapshots, clock, &tasks);
    let written = async |count: usize| {
        eventually_async("statuses", || {
            let patches = api.patches();
            async move {
                if patches.len() >= count {
                    Ok(patches)
                } else {
                    Err(patches)
                }
            }
        })
        .await
    };
    let patches = written(1).await;
    let path = "/apis/networking.istio.io/v1/namespaces/n/virtualservices/r/status\
                ?fieldManager=mesh-pilot&force=true";
    assert_eq!(patches[0].0, path);
    let status = &patches[0].1["status"];
    assert_eq!(
        (
            &status["observedGeneration"],
            &status["conditions"][0]["status"]
        ),
        (&json!(1), &json!("True"))
    );
    // The same again, and then something else: the next patch is about that.
    send.send_replace(snapshot(&mut store, &manifest(1, "a.b")));
    send.send_replace(snapshot(&mut store, &manifest(2, "")));
    let patches = written(2).await;
    let status = &patches[1].1["status"];
    assert_eq!(
        (
            &status["observedGeneration"],
            &status["conditions"][0]["status"]
        ),
        (&json!(2), &json!("False"))
    );
    assert_eq!(status["conditions"][0]["reason"], "LastGoodVersionInForce");
    assert_eq!(patches.len(), 2);
}

#[tokio::test]
async fn webhooks_learn_the_roots_under_pilots_own_name() {
    let api = Api::start().await;
    let all = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";
    let webhook = json!({"name": "a.istio.io", "clientConfig": {}});
    let config = json!({"metadata": {"name": "injector"}, "webhooks": [webhook]});
    api.cluster().create(all, &config).await.unwrap();
    let ours = Registration {
        mutating: vec!["injector".to_owned()],
        ..Registration::default()
    };
    let tasks = Tasks::new(&Registry::new());
    let keeping = registration::keep(api.cluster(), ours, || "roots".to_owned());
    let stopping = tasks.stopping().clone();
    tasks.spawn("keep", async move {
        stopping.run_until_cancelled(keeping).await;
    });
    let (path, steps) = eventually_async("a patch", || {
        let patch = api.patches().into_iter().next();
        async move { patch.ok_or("none") }
    })
    .await;
    assert_eq!(path, format!("{all}/injector?fieldManager=mesh-pilot"));
    assert_eq!(steps[1]["value"], "cm9vdHM=");
}
