//! An API server of the test: lists in pages, watches, bookmarks, versions that expire, permissions,
//! and every way in which a connection may end. Objects are in memory, sockets are real.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kube::Config;
use mesh_runtime::Tasks;
use parking_lot::Mutex;
use prometheus::Registry;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::Cluster;

mod documents;

use documents::Documents;

type Answer = Response<UnsyncBoxBody<Bytes, std::io::Error>>;

/// Where collections are.
pub(super) const SERVICES: &str = "/api/v1/services";
pub(super) const PODS: &str = "/api/v1/pods";
pub(super) const SLICES: &str = "/apis/discovery.k8s.io/v1/endpointslices";
pub(super) const RULES: &str = "/apis/networking.istio.io/v1/virtualservices";

/// Collections that every cluster has.
const BUILT_IN: [&str; 8] = [
    SERVICES,
    PODS,
    SLICES,
    "/api/v1/namespaces",
    "/api/v1/nodes",
    "/api/v1/serviceaccounts",
    "/apis/networking.k8s.io/v1/ingresses",
    "/apis/networking.k8s.io/v1/ingressclasses",
];

/// What is read by name alone.
const SINGLE: [&str; 2] = ["/leases/", "webhookconfigurations/"];

/// A server that listens until it is stopped.
pub(super) struct Api {
    shared: Arc<Shared>,
    address: SocketAddr,
    tasks: Option<Tasks>,
}

struct Shared {
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

#[derive(Default)]
struct State {
    version: u64,
    collections: BTreeMap<String, BTreeMap<String, Value>>,
    log: Vec<(u64, String, Happening)>,
    /// Watches from a version before this one are too old.
    forgotten: u64,
    /// How watches that are too old learn of it: by a status, or by an event.
    by_event: bool,
    tokens_expire: bool,
    refused: BTreeMap<(String, &'static str), (u16, String)>,
    held: BTreeSet<String>,
    requests: Vec<String>,
    documents: Documents,
}

#[derive(Clone)]
enum Happening {
    Event(&'static str, Value),
    Bookmark,
    /// Half an event, and the connection breaks.
    Half,
    /// The watch ends in order.
    End,
}

impl Api {
    /// One that has the kinds of every cluster and no objects.
    pub(super) async fn start() -> Self {
        let collections = BUILT_IN.map(|path| (path.to_owned(), BTreeMap::new()));
        let state = State {
            version: 1,
            collections: collections.into(),
            ..State::default()
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            changed: watch::Sender::new(()),
        });
        let mut api = Self {
            shared,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            tasks: None,
        };
        api.listen().await;
        api
    }

    /// Listens, where it did before if it was stopped.
    pub(super) async fn listen(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.address = listener.local_addr().unwrap();
        let tasks = Tasks::new(&Registry::new());
        let (shared, inner) = (self.shared.clone(), tasks.clone());
        tasks.spawn("api", async move {
            let stopping = inner.stopping().clone();
            while let Some(Ok((socket, _))) = stopping.run_until_cancelled(listener.accept()).await
            {
                let (shared, stopping) = (shared.clone(), stopping.clone());
                inner.spawn("connection", async move {
                    let service = service_fn(move |request| answer(shared.clone(), request));
                    let connection = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(socket), service);
                    if let Some(Err(error)) = stopping.run_until_cancelled(connection).await {
                        tracing::debug!(%error, "connection of the test");
                    }
                });
            }
        });
        self.tasks = Some(tasks);
    }

    /// Dies: nobody listens, and every connection is gone.
    pub(super) async fn die(&mut self) {
        let tasks = self.tasks.take().unwrap();
        assert!(tasks.stop(Duration::from_secs(5)).await);
    }

    /// The way to it.
    pub(super) fn cluster(&self) -> Cluster {
        let url = format!("http://{}", self.address);
        Cluster::with(Config::new(url.parse().unwrap())).unwrap()
    }

    /// Installs a kind.
    pub(super) fn install(&self, path: &str) {
        self.with(|state| {
            state.collections.insert(path.to_owned(), BTreeMap::new());
        });
    }

    /// Removes a kind with all its objects.
    pub(super) fn uninstall(&self, path: &str) {
        self.with(|state| {
            state.collections.remove(path);
            state.log(path, Happening::End);
        });
    }

    /// Creates or replaces an object.
    pub(super) fn put(&self, path: &str, mut object: Value) {
        self.with(|state| {
            state.version += 1;
            object["metadata"]["resourceVersion"] = json!(state.version.to_string());
            object["metadata"]["managedFields"] =
                json!([{"manager": "test", "time": state.version}]);
            let all = state.collections.get_mut(path).unwrap();
            let before = all.insert(name_of(&object), object.clone());
            let kind = if before.is_some() {
                "MODIFIED"
            } else {
                "ADDED"
            };
            state.log(path, Happening::Event(kind, object));
        });
    }

    /// Deletes an object.
    pub(super) fn delete(&self, path: &str, name: &str) {
        self.with(|state| {
            state.version += 1;
            let all = state.collections.get_mut(path).unwrap();
            let mut object = all.remove(name).unwrap();
            object["metadata"]["resourceVersion"] = json!(state.version.to_string());
            state.log(path, Happening::Event("DELETED", object));
        });
    }

    /// Tells the watchers how far they have come.
    pub(super) fn bookmark(&self, path: &str) {
        self.with(|state| {
            state.version += 1;
            state.log(path, Happening::Bookmark);
        });
    }

    /// Breaks the connections of the watchers in the middle of an event.
    pub(super) fn cut(&self, path: &str) {
        self.with(|state| state.log(path, Happening::Half));
    }

    /// Ends the watches in order.
    pub(super) fn end(&self, path: &str) {
        self.with(|state| state.log(path, Happening::End));
    }

    /// Forgets what has happened so far, as etcd does when it compacts.
    pub(super) fn forget(&self, by_event: bool) {
        self.with(|state| {
            state.version += 1;
            (state.forgotten, state.by_event) = (state.version, by_event);
        });
    }

    /// Lets the way to the next page expire, once.
    pub(super) fn expire_tokens(&self) {
        self.with(|state| state.tokens_expire = true);
    }

    /// Answers requests of a verb (`list`, `watch`) with a status.
    pub(super) fn refuse(&self, path: &str, verb: &'static str, status: u16, body: &str) {
        let answer = (status, body.to_owned());
        self.with(|state| {
            state.refused.insert((path.to_owned(), verb), answer);
        });
    }

    /// Answers them properly again.
    pub(super) fn allow(&self, path: &str, verb: &'static str) {
        self.with(|state| {
            state.refused.remove(&(path.to_owned(), verb));
        });
    }

    /// Lets lists wait for an answer until they are released.
    pub(super) fn hold(&self, path: &str) {
        self.with(|state| {
            state.held.insert(path.to_owned());
        });
    }

    pub(super) fn release(&self, path: &str) {
        self.with(|state| {
            state.held.remove(path);
        });
    }

    /// Paths and queries of all requests so far.
    pub(super) fn requests(&self) -> Vec<String> {
        self.shared.state.lock().requests.clone()
    }

    /// Paths with queries, and bodies, of all patches so far.
    pub(super) fn patches(&self) -> Vec<(String, Value)> {
        self.shared.state.lock().documents.patches.clone()
    }

    fn with(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.shared.state.lock());
        self.shared.changed.send_replace(());
    }
}

impl State {
    fn log(&mut self, path: &str, happening: Happening) {
        self.log.push((self.version, path.to_owned(), happening));
    }
}

fn name_of(object: &Value) -> String {
    object["metadata"]["name"].as_str().unwrap().to_owned()
}

async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Answer, Infallible> {
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let path = uri.path().to_owned();
    if method != Method::GET || SINGLE.iter().any(|kind| path.contains(kind)) {
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let mut state = shared.state.lock();
        let (status, text) = state.documents.answer(&method, &uri, &body);
        return Ok(whole(status, text));
    }
    let pairs = uri.query().unwrap_or_default().split('&');
    let query: BTreeMap<String, String> = pairs
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let verb = match query.contains_key("watch") {
        true => "watch",
        false => "list",
    };
    {
        let mut state = shared.state.lock();
        state.requests.push(uri.to_string());
        if let Some((status, body)) = state.refused.get(&(path.clone(), verb)) {
            return Ok(whole(*status, body.clone()));
        }
    }
    Ok(match verb {
        "watch" => watched(shared, path, &query),
        _ => listed(&shared, &path, &query).await,
    })
}

async fn listed(shared: &Shared, path: &str, query: &BTreeMap<String, String>) -> Answer {
    let mut changed = shared.changed.subscribe();
    let is_held = |shared: &Shared| shared.state.lock().held.contains(path);
    while is_held(shared) {
        changed.changed().await.unwrap();
    }
    let mut state = shared.state.lock();
    if query.contains_key("continue") && std::mem::take(&mut state.tokens_expire) {
        return whole(410, status(410));
    }
    let Some(all) = state.collections.get(path) else {
        return whole(404, "404 page not found\n".to_owned());
    };
    let number = |name: &str| query.get(name).and_then(|text| text.parse().ok());
    let (limit, from) = (
        number("limit").unwrap_or(usize::MAX),
        number("continue").unwrap_or(0),
    );
    let items: Vec<&Value> = all.values().skip(from).take(limit).collect();
    let next = from.saturating_add(items.len());
    let next = if next < all.len() {
        next.to_string()
    } else {
        String::new()
    };
    let meta = json!({"resourceVersion": state.version.to_string(), "continue": next});
    whole(
        200,
        json!({"kind": "List", "metadata": meta, "items": items}).to_string(),
    )
}

fn watched(shared: Arc<Shared>, path: String, query: &BTreeMap<String, String>) -> Answer {
    let from: u64 = query["resourceVersion"].parse().unwrap();
    let state = shared.state.lock();
    if !state.collections.contains_key(&path) {
        return whole(404, "404 page not found\n".to_owned());
    }
    let too_old = from < state.forgotten;
    if too_old && !state.by_event {
        return whole(410, status(410));
    }
    let watcher = Watcher {
        changed: shared.changed.subscribe(),
        path,
        from,
        next: 0,
        live: state.log.len(),
        too_old,
        broken: false,
        shared: shared.clone(),
    };
    drop(state);
    let frames = stream::unfold(watcher, Watcher::step);
    Response::new(BodyExt::boxed_unsync(StreamBody::new(frames)))
}

/// One watch.
struct Watcher {
    shared: Arc<Shared>,
    changed: watch::Receiver<()>,
    path: String,
    from: u64,
    /// How far in the log it is.
    next: usize,
    /// Where the log ended when it began: of what was before, only events are told.
    live: usize,
    too_old: bool,
    broken: bool,
}

type Told = Result<Frame<Bytes>, std::io::Error>;

impl Watcher {
    async fn step(mut self) -> Option<(Told, Self)> {
        if self.broken {
            return None;
        }
        if self.too_old {
            let line = format!("{{\"type\":\"ERROR\",\"object\":{}}}\n", status(410));
            self.broken = true;
            return Some((Ok(Frame::data(line.into())), self));
        }
        loop {
            let entry = self.shared.state.lock().log.get(self.next).cloned();
            let Some((version, path, happening)) = entry else {
                self.changed.changed().await.ok()?;
                continue;
            };
            let live = self.next >= self.live;
            self.next += 1;
            if path != self.path {
                continue;
            }
            let line = match happening {
                Happening::Event(kind, object) if version > self.from => {
                    json!({"type": kind, "object": object})
                }
                Happening::Bookmark if live => json!({"type": "BOOKMARK", "object": {
                    "metadata": {"resourceVersion": version.to_string()}}}),
                Happening::Half if live => {
                    self.broken = true;
                    let half = Bytes::from_static(b"{\"type\":\"ADDED\",\"object\":{\"meta");
                    return Some((Ok(Frame::data(half)), self));
                }
                Happening::End if live => return None,
                Happening::Event(..) | Happening::Bookmark | Happening::Half | Happening::End => {
                    continue;
                }
            };
            // Servers do not care where packets end.
            return Some((Ok(Frame::data(format!("{line}\n").into())), self));
        }
    }
}

fn status(code: u16) -> String {
    json!({"kind": "Status", "status": "Failure", "code": code, "message": "of the test"})
        .to_string()
}

fn whole(code: u16, body: String) -> Answer {
    let body = Full::new(Bytes::from(body)).map_err(|never| match never {});
    let mut answer = Response::new(body.boxed_unsync());
    *answer.status_mut() = StatusCode::from_u16(code).unwrap();
    answer
}
