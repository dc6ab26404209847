//! How the test's API server answers one request.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::Shared;
use super::store::{Place, Store};

type Answer = Response<BoxBody<Bytes, io::Error>>;

pub(super) async fn answer(
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> Result<Answer, Infallible> {
    let (head, body) = request.into_parts();
    let (method, path) = (head.method, head.uri.path().to_owned());
    let query = query(head.uri.query().unwrap_or_default());
    let body = body.collect().await.map(|body| body.to_bytes());
    let body: Value = serde_json::from_slice(&body.unwrap_or_default()).unwrap_or_default();
    shared
        .store
        .lock()
        .requests
        .push(format!("{method} {}", head.uri));
    shared.changed.send_replace(());
    if query.contains_key("watch") {
        return Ok(watched(&shared, &path, &query));
    }
    let mut changed = shared.changed.subscribe();
    let is_held = || shared.store.lock().held;
    while is_held() {
        changed.changed().await.unwrap();
    }
    let (code, answer) = done(&mut shared.store.lock(), &method, &path, &query, body);
    shared.changed.send_replace(());
    Ok(whole(code, &answer))
}

fn done(
    store: &mut Store,
    method: &Method,
    path: &str,
    query: &BTreeMap<String, String>,
    body: Value,
) -> (u16, Value) {
    if let Some((refused, ending, code)) = &store.refused
        && method.as_str() == refused
        && path.ends_with(ending)
    {
        return status(*code);
    }
    if path == "/apis/authentication.k8s.io/v1/tokenreviews" {
        return (201, reviewed(store, body));
    }
    let Some(mut place) = Place::of_path(path) else {
        return status(404);
    };
    match *method {
        Method::GET if place.name.is_empty() => (200, listed(store, &place, query)),
        Method::GET => match store.object(&place) {
            Some(object) => (200, object.clone()),
            None => status(404),
        },
        Method::POST => {
            body["metadata"]["name"]
                .as_str()
                .unwrap()
                .clone_into(&mut place.name);
            match may_create(store, &place) {
                Ok(()) if store.object(&place).is_some() => status(409),
                Ok(()) => (201, store.apply(place, body)),
                Err(code) => status(code),
            }
        }
        Method::PATCH => match may_create(store, &place) {
            Ok(()) => (200, store.apply(place, body)),
            Err(code) => status(code),
        },
        _ => status(405),
    }
}

/// A namespace that is not there has no objects, and one that ends gets none.
fn may_create(store: &Store, place: &Place) -> Result<(), u16> {
    let namespace = store.object(&Place::namespace(&place.namespace));
    let namespace = namespace.ok_or(404u16)?;
    match namespace["status"]["phase"].as_str() {
        Some("Terminating") if store.object(place).is_none() => Err(403),
        _ => Ok(()),
    }
}

fn reviewed(store: &Store, mut review: Value) -> Value {
    let token = review["spec"]["token"].as_str().unwrap_or_default();
    let unknown = json!({"authenticated": false, "error": "[invalid bearer token]"});
    let status = store.tokens.get(token).cloned().unwrap_or(unknown);
    review["status"] = status;
    review
}

fn listed(store: &Store, place: &Place, query: &BTreeMap<String, String>) -> Value {
    let collection = selected(place, query);
    let items = store.objects.iter();
    let items = items.filter(|(place, _)| place.is_of(&collection));
    let items: Vec<&Value> = items.map(|(_, object)| object).collect();
    let metadata = json!({"resourceVersion": store.version.to_string()});
    json!({"kind": "List", "metadata": metadata, "items": items})
}

/// A collection, or the part of it that a field selector leaves.
fn selected(place: &Place, query: &BTreeMap<String, String>) -> Place {
    let selector = query.get("fieldSelector").map(String::as_str);
    let name = selector.and_then(|selector| selector.strip_prefix("metadata.name="));
    Place {
        name: name.unwrap_or_default().to_owned(),
        ..place.clone()
    }
}

fn watched(shared: &Arc<Shared>, path: &str, query: &BTreeMap<String, String>) -> Answer {
    let Some(place) = Place::of_path(path) else {
        let (code, answer) = status(404);
        return whole(code, &answer);
    };
    let from = query
        .get("resourceVersion")
        .and_then(|text| text.parse().ok());
    let watcher = Watcher {
        changed: shared.changed.subscribe(),
        collection: selected(&place, query),
        from: from.unwrap_or_default(),
        next: 0,
        shared: shared.clone(),
    };
    let frames = stream::unfold(watcher, Watcher::step);
    Response::new(BodyExt::boxed(StreamBody::new(frames)))
}

/// One watch.
struct Watcher {
    shared: Arc<Shared>,
    changed: watch::Receiver<()>,
    collection: Place,
    from: u64,
    /// How far in the log it is.
    next: usize,
}

impl Watcher {
    async fn step(mut self) -> Option<(io::Result<Frame<Bytes>>, Self)> {
        loop {
            let happening = self.shared.store.lock().log.get(self.next).cloned();
            let Some(happening) = happening else {
                self.changed.changed().await.ok()?;
                continue;
            };
            self.next += 1;
            if happening.version > self.from && happening.place.is_of(&self.collection) {
                let line = json!({"type": happening.kind, "object": happening.object});
                return Some((Ok(Frame::data(format!("{line}\n").into())), self));
            }
        }
    }
}

fn query(text: &str) -> BTreeMap<String, String> {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(name, value)| (name.to_owned(), value.replace("%3D", "=")))
        .collect()
}

fn status(code: u16) -> (u16, Value) {
    let message = "of the test";
    let status = json!({"kind": "Status", "status": "Failure", "code": code, "message": message});
    (code, status)
}

fn whole(code: u16, body: &Value) -> Answer {
    let body = Full::new(Bytes::from(body.to_string())).map_err(|never| match never {});
    let mut answer = Response::new(body.boxed());
    *answer.status_mut() = StatusCode::from_u16(code).unwrap();
    answer
}
