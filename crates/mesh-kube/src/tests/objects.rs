//! Objects that a product keeps an eye on.

use tokio::sync::mpsc;

use super::*;
use crate::{Objects, Sighting};

const NAMESPACES: &str = "/api/v1/namespaces";

/// What is told of the namespaces of a server.
struct Seen {
    api: Api,
    told: mpsc::Receiver<(Objects, Sighting)>,
    tasks: Tasks,
}

impl Seen {
    fn start(api: Api) -> Self {
        let tasks = Tasks::new(&Registry::new());
        let (send, told) = mpsc::channel(4);
        api.cluster().follow(Objects::Namespaces, send, &tasks);
        Self { api, told, tasks }
    }

    /// All that is told up to a line that begins so, that one included.
    async fn until(&mut self, wanted: &str) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let next = tokio::time::timeout(DEADLINE, self.told.recv()).await;
            let Ok(Some((_, sighting))) = next else {
                panic!("no {wanted:?}, but {lines:#?}");
            };
            lines.push(match sighting {
                Sighting::Here { name, object, .. } => format!("+{name} {object}"),
                Sighting::Gone { name, .. } => format!("-{name}"),
                Sighting::Settled => "settled".to_owned(),
                Sighting::Trouble(Some(text)) => format!("trouble {text}"),
                Sighting::Trouble(None) => "well".to_owned(),
            });
            if lines.iter().any(|line| line.starts_with(wanted)) {
                return lines;
            }
        }
    }
}

impl Drop for Seen {
    fn drop(&mut self) {
        self.tasks.stopping().cancel();
    }
}

fn namespace(name: &str) -> Value {
    json!({"metadata": {"name": name, "labels": {"a": "b"}}, "status": {"phase": "Active"}})
}

fn here(name: &str) -> String {
    format!(r#"+{name} {{"metadata":{{"name":"{name}"}},"status":{{"phase":"Active"}}}}"#)
}

#[tokio::test]
async fn what_is_there_is_told_and_then_what_comes_and_goes() {
    let api = Api::start().await;
    for name in ["a", "b"] {
        api.put(NAMESPACES, namespace(name));
    }
    let mut seen = Seen::start(api);
    let told = seen.until("settled").await;
    assert_eq!(told, [here("a"), here("b"), "settled".to_owned()]);
    seen.api.put(NAMESPACES, namespace("c"));
    assert_eq!(seen.until("+c").await, [here("c")]);
    seen.api.delete(NAMESPACES, "a");
    assert_eq!(seen.until("-").await, ["-a"]);
}

#[tokio::test]
async fn what_went_while_nobody_could_see_it_is_told_as_gone() {
    let api = Api::start().await;
    for name in ["a", "b"] {
        api.put(NAMESPACES, namespace(name));
    }
    let mut seen = Seen::start(api);
    seen.until("settled").await;
    seen.api.die().await;
    seen.api.delete(NAMESPACES, "a");
    seen.api.forget(false);
    seen.api.listen().await;
    let told = seen.until("-").await;
    assert_eq!(told.last().map(String::as_str), Some("-a"));
}

#[tokio::test]
async fn who_may_not_look_is_told_so_and_need_not_wait() {
    let api = Api::start().await;
    api.refuse(NAMESPACES, "list", 403, "");
    let mut seen = Seen::start(api);
    let told = seen.until("settled").await;
    let trouble = "trouble namespaces: this account has no permission to list them";
    assert_eq!(told, [trouble, "settled"]);
    seen.api.put(NAMESPACES, namespace("a"));
    seen.api.allow(NAMESPACES, "list");
    seen.until("+a").await;
    assert_eq!(
        seen.until("well").await.last().map(String::as_str),
        Some("well")
    );
}
