use super::*;

#[tokio::test]
async fn a_panic_is_counted_and_the_others_go_on() {
    let registry = Registry::new();
    let tasks = Tasks::new(&registry);
    let (done, heard) = tokio::sync::oneshot::channel();
    tasks.spawn("bad", async { panic!("on purpose") });
    tasks.spawn("good", async move { done.send(()).unwrap() });
    heard.await.unwrap();
    assert!(tasks.stop(Duration::from_secs(5)).await);
    let text = crate::metrics::text(&registry);
    assert!(
        text.contains("mesh_task_panics_total{task=\"bad\"} 1"),
        "{text}"
    );
    assert!(
        text.contains("mesh_task_panics_total{task=\"good\"} 0"),
        "{text}"
    );
}

#[tokio::test]
async fn stopping_a_group_leaves_its_parent_running() {
    let tasks = Tasks::new(&Registry::new());
    let group = tasks.group();
    let stopping = group.stopping().clone();
    group.spawn("waits", async move { stopping.cancelled().await });
    assert!(group.stop(Duration::from_secs(5)).await);
    assert!(!tasks.stopping().is_cancelled());
}
