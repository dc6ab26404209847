//! An API server of Kubernetes for tests: namespaces, core objects, token reviews.
//!
//! It reads, lists, watches, creates, and applies as the real one does as far as tests of ours ask
//! it to; objects are in memory, sockets are real. It can die and come back, hold its answers, and
//! refuse. What it does not know it answers with 404.

mod request;
mod store;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use mesh_runtime::Tasks;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

pub use store::Place;
use store::Store;

/// A server that listens until it dies or is dropped.
pub struct ApiServer {
    shared: Arc<Shared>,
    address: SocketAddr,
    tasks: Tasks,
}

pub(crate) struct Shared {
    pub(crate) store: Mutex<Store>,
    pub(crate) changed: watch::Sender<()>,
}

impl ApiServer {
    /// One that has no objects yet.
    pub async fn start() -> Self {
        let shared = Arc::new(Shared {
            store: Mutex::default(),
            changed: watch::Sender::new(()),
        });
        let mut server = Self {
            shared,
            address: ([127, 0, 0, 1], 0).into(),
            tasks: Tasks::new(&prometheus::Registry::new()),
        };
        server.revive().await;
        server
    }

    /// Dies: nobody listens, every connection is gone, the objects stay.
    pub async fn die(&self) {
        assert!(self.tasks.stop(Duration::from_secs(5)).await, "it ends");
    }

    /// Listens, where it did before if it had died.
    pub async fn revive(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.address = listener.local_addr().unwrap();
        self.tasks = Tasks::new(&prometheus::Registry::new());
        let (shared, tasks) = (self.shared.clone(), self.tasks.clone());
        self.tasks.spawn("api server", async move {
            let stopping = tasks.stopping().clone();
            let accept = accept(listener, shared, tasks);
            stopping.run_until_cancelled(accept).await;
        });
    }

    /// A kubeconfig file's text that leads to it.
    #[must_use]
    pub fn kubeconfig(&self) -> String {
        let server = format!("http://{}", self.address);
        json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": {"server": server}}],
            "users": [{"name": "test", "user": {}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "current-context": "test",
        })
        .to_string()
    }

    /// Makes a namespace.
    pub fn namespace(&self, name: &str) {
        let place = Place::namespace(name);
        self.with(|store| store.put(place, json!({"status": {"phase": "Active"}})));
    }

    /// Creates or replaces an object.
    pub fn put(&self, place: Place, object: Value) {
        self.with(|store| store.put(place, object));
    }

    /// Deletes an object; a namespace with everything in it.
    pub fn delete(&self, place: &Place) {
        self.with(|store| store.delete(place));
    }

    /// An object as it is now.
    #[must_use]
    pub fn object(&self, place: &Place) -> Option<Value> {
        self.shared.store.lock().object(place).cloned()
    }

    /// Waits until what is there answers a question.
    ///
    /// # Panics
    /// After [`crate::eventually::DEADLINE`].
    pub async fn until<T>(&self, what: &str, question: impl Fn(&Self) -> Option<T>) -> T {
        let mut changed = self.shared.changed.subscribe();
        let asked = async {
            loop {
                if let Some(answer) = question(self) {
                    return answer;
                }
                changed.changed().await.unwrap();
            }
        };
        let answer = tokio::time::timeout(crate::eventually::DEADLINE, asked).await;
        answer.unwrap_or_else(|_| panic!("{what}: never, but {:#?}", self.requests()))
    }

    /// Answers a review of `token` with this status.
    pub fn know_token(&self, token: &str, status: Value) {
        self.with(|store| {
            store.tokens.insert(token.to_owned(), status);
        });
    }

    /// Answers requests of a method, whose path ends so, with a status.
    pub fn refuse(&self, method: &str, ending: &str, code: u16) {
        let (method, ending) = (method.to_owned(), ending.to_owned());
        self.with(|store| store.refused = Some((method, ending, code)));
    }

    /// Answers them properly again.
    pub fn refuse_nothing(&self) {
        self.with(|store| store.refused = None);
    }

    /// Lets requests wait for their answers, watches apart.
    pub fn hold(&self) {
        self.with(|store| store.held = true);
    }

    /// Answers them.
    pub fn release(&self) {
        self.with(|store| store.held = false);
    }

    /// Methods and paths of all requests so far, watches and lists with their queries.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        self.shared.store.lock().requests.clone()
    }

    /// How many requests begin so.
    #[must_use]
    pub fn count(&self, beginning: &str) -> usize {
        let requests = self.requests();
        let matching = requests.iter().filter(|line| line.starts_with(beginning));
        matching.count()
    }

    fn with(&self, change: impl FnOnce(&mut Store)) {
        change(&mut self.shared.store.lock());
        self.shared.changed.send_replace(());
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        self.tasks.stopping().cancel();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, tasks: Tasks) {
    while let Ok((stream, _)) = listener.accept().await {
        let shared = shared.clone();
        let stopping = tasks.stopping().clone();
        tasks.spawn("api connection", async move {
            let service = service_fn(move |asked| request::answer(shared.clone(), asked));
            let serve = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service);
            // How a connection ends is the business of its client.
            let _ended = stopping.run_until_cancelled(serve).await;
        });
    }
}
