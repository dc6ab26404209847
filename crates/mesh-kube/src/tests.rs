//! The source against an API server of the test.

mod api;
mod follows;
mod forwards;
mod objects;
mod outages;
mod permissions;
mod persons;
mod writes;

use std::time::Duration;

use mesh_runtime::Tasks;
use mesh_source::{Event, Source};
use prometheus::Registry;
use serde_json::{Value, json};

use crate::{KubeSource, Scope};
use api::Api;

/// How long anything may take that is waited for.
const DEADLINE: Duration = Duration::from_secs(30);

/// A source that follows a server.
struct Following {
    api: Api,
    source: KubeSource,
    tasks: Tasks,
}

impl Following {
    /// Follows a server from the start.
    fn start(api: Api, scope: &Scope) -> Self {
        let tasks = Tasks::new(&Registry::new());
        let source = KubeSource::start(&api.cluster(), scope, &tasks);
        Self { api, source, tasks }
    }

    /// Follows a server, and has heard everything that it had at the start.
    async fn synced(api: Api) -> Self {
        let mut following = Self::start(api, &Scope::default());
        following.until("synced").await;
        following
    }

    /// All that is told up to a line that begins so, that one included.
    #[track_caller]
    fn until(&mut self, wanted: &str) -> impl Future<Output = Vec<String>> {
        let place = std::panic::Location::caller();
        async move {
            let mut told = Vec::new();
            loop {
                let next = tokio::time::timeout(DEADLINE, self.source.next()).await;
                let Ok(Some(events)) = next else {
                    panic!("{place}: no {wanted:?}, but {told:#?}");
                };
                told.extend(events.iter().map(line));
                if told.iter().any(|line| line.starts_with(wanted)) {
                    return told;
                }
            }
        }
    }
}

/// An event in a line.
fn line(event: &Event) -> String {
    match event {
        Event::Upsert(object) => {
            let spec = object.value.get("spec").map(Value::to_string);
            format!("+{} {}", object.key, spec.unwrap_or_default())
        }
        Event::Delete(key) => format!("-{key}"),
        Event::Broken {
            diagnostics, held, ..
        } => {
            let held: Vec<String> = held.iter().map(ToString::to_string).collect();
            format!("broken {} holds {held:?}", diagnostics[0])
        }
        Event::Mended { origin } => format!("mended {origin}"),
        Event::Synced => "synced".to_owned(),
    }
}

fn service(name: &str, port: u16) -> Value {
    let spec = json!({"ports": [{"port": port}]});
    json!({"metadata": {"name": name, "namespace": "n"}, "spec": spec})
}

fn rule(name: &str, host: &str) -> Value {
    json!({"metadata": {"name": name, "namespace": "n"}, "spec": {"hosts": [host]}})
}

/// How [`line`] shows them.
fn shown(name: &str, port: u16) -> String {
    format!(r#"+service n/{name} {{"ports":[{{"port":{port}}}]}}"#)
}
