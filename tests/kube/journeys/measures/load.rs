//! The load of a pod on a Service: the load generator of `make bench`, which never asks twice.

use mesh_test::eventually;
use serde::Deserialize;

use crate::world::{Pod, World, root};

/// The image of `mesh-bench`.
pub(super) const IMAGE: &str = "localhost/mesh-bench:1";
/// What makes it a server whose answers have [`BODY`] bytes, which never ends by itself.
pub(super) const SERVE: [&str; 3] = ["backend", "--listen", "0.0.0.0:8080"];
/// Bytes of its answers.
pub(super) const BODY: usize = 1024;

/// What to ask, and how.
#[derive(Debug, Clone)]
pub(super) struct Load<'a> {
    /// The pod that asks.
    pub(super) client: &'a Pod,
    /// The server's Service: its address and its name.
    pub(super) address: String,
    pub(super) host: &'static str,
    /// Connections that are kept.
    pub(super) connections: usize,
    /// Seconds that count, after one that does not.
    pub(super) seconds: u64,
    /// More of the load generator's words.
    pub(super) more: &'a [&'a str],
}

/// What came of it.
#[derive(Debug, Deserialize)]
pub(super) struct Report {
    /// Answers per second.
    pub(super) rps: f64,
    /// Good answers in all.
    pub(super) answers: u64,
    /// All else.
    pub(super) errors: u64,
    /// The first of them.
    pub(super) complaint: Option<String>,
    pub(super) p50_us: f64,
    pub(super) p99_us: f64,
}

impl Report {
    /// That a request went wrong, in words.
    pub(super) fn fault(&self) -> Option<String> {
        let first = self.complaint.as_deref().unwrap_or_default();
        let of = self.answers + self.errors;
        (self.errors > 0).then(|| format!("{} of {of} requests failed: {first}", self.errors))
    }
}

/// Packs the image.
#[track_caller]
pub(super) fn pack(world: &World) {
    let folder = root("mesh-bench");
    world.cluster.image(IMAGE, folder.path(), &["/mesh-bench"]);
}

impl Load<'_> {
    /// Waits until a short one goes well: a client may be ready before its sidecar knows the server.
    #[track_caller]
    pub(super) fn answered(&self, world: &World) {
        let mut short = self.clone();
        (short.connections, short.seconds) = (1, 1);
        eventually(self.host, || match short.run(world).fault() {
            Some(fault) => Err(fault),
            None => Ok(()),
        });
    }

    /// Runs it to its end.
    #[track_caller]
    pub(super) fn run(&self, world: &World) -> Report {
        let (connections, seconds) = (self.connections.to_string(), self.seconds.to_string());
        let to = format!("{}:80", self.address);
        let exec = ["exec", &self.client.name, "-n", &self.client.namespace];
        let load = ["-c", "app", "--", "/mesh-bench", "load", "--to", &to];
        let how = ["--protocol", "http1", "--connections", &connections];
        let long = ["--seconds", &seconds, "--host", self.host];
        let said = world.kubectl(&[&exec[..], &load, &how, &long, self.more].concat());
        serde_json::from_str(&said).unwrap_or_else(|why| panic!("{why}: {said}"))
    }
}
