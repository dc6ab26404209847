//! The hands of a test in a pod of mesh-pod (tests/pod), and plain requests from the machine.

use std::net::SocketAddr;

use bytes::Bytes;
use hyper::Response;
use mesh_test::client::{Client, Failure, Http};
use mesh_test::eventually;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

use crate::world::Pod;

/// A pod that does what a test asks for, on a port that its sidecar leaves alone.
#[derive(Debug, Clone)]
pub(crate) struct Remote {
    pub(crate) address: SocketAddr,
}

/// What a pod was answered.
#[derive(Debug, Deserialize)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Answered {
    /// What mesh-pod says of the request that it saw.
    #[track_caller]
    pub(crate) fn seen(&self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        serde_json::from_str(&self.body).expect("mesh-pod answers JSON")
    }

    /// Who called, as the sidecar of mesh-pod knows it; nobody when it came in plain text.
    pub(crate) fn caller(&self) -> Result<String, String> {
        if self.status != 200 {
            return Err(format!("{self:?}"));
        }
        let seen = self.seen();
        let certificate = seen["headers"]["x-forwarded-client-cert"].as_str();
        Ok(certificate.unwrap_or_default().to_owned())
    }
}

/// What became of a load.
#[derive(Debug, Deserialize)]
pub(crate) struct Tally {
    pub(crate) sent: u64,
    pub(crate) good: u64,
    pub(crate) failed: u64,
    pub(crate) failures: Vec<String>,
}

impl Tally {
    /// Fails unless each of at least so many requests went well.
    #[track_caller]
    pub(crate) fn assert_unharmed(&self, what: &str, at_least: u64) {
        let Self {
            sent,
            failed,
            failures,
            ..
        } = self;
        assert_eq!(*failed, 0, "{what}: of {sent} requests: {failures:#?}");
        assert!(
            self.good >= at_least,
            "{what}: {} of {}",
            self.good,
            self.sent
        );
    }
}

impl Remote {
    /// Of a pod that serves.
    #[track_caller]
    pub(crate) fn of(pod: &Pod) -> Self {
        Self {
            address: format!("{}:9999", pod.address).parse().unwrap(),
        }
    }

    /// Has it send GET.
    #[track_caller]
    pub(crate) fn get(&self, url: &str) -> Result<Answered, String> {
        self.ask("/get", &json!({"url": url}))
    }

    /// Has it connect, say something, and listen for a first word.
    #[track_caller]
    pub(crate) fn open(&self, address: &str, say: &str) -> Result<String, String> {
        self.ask("/open", &json!({"address": address, "say": say}))
    }

    /// Has it send so many requests each second from the first on that goes well; each answer must have
    /// the text.
    #[track_caller]
    pub(crate) fn load(&self, url: &str, rate: u32, expect: &str) {
        eventually(url, || match self.get(url) {
            Ok(answered) if answered.status == 200 && answered.body.contains(expect) => Ok(()),
            other => Err(other),
        });
        let () = self.ask(
            "/load",
            &json!({"url": url, "rate": rate, "expect": expect}),
        );
    }

    /// What became of the load so far.
    #[track_caller]
    pub(crate) fn tally(&self) -> Tally {
        self.ask("/tally", &Value::Null)
    }

    /// Waits until so many requests of the load went well, or one did not.
    #[track_caller]
    pub(crate) fn goes_on(&self, at_least: u64) {
        eventually("the load goes on", || {
            let Tally { good, failed, .. } = self.tally();
            (good >= at_least || failed > 0).then_some(()).ok_or(good)
        });
    }

    /// Ends the load.
    #[track_caller]
    pub(crate) fn end(&self) -> Tally {
        self.ask("/end", &Value::Null)
    }

    #[track_caller]
    fn ask<T: for<'a> Deserialize<'a>>(&self, path: &str, body: &Value) -> T {
        let url = format!("http://{}{path}", self.address);
        let answered = block_on(async {
            let mut client = Client::plain(self.address, Http::One).await?;
            client.post(&url, &[], body.to_string()).await
        });
        let answered = answered.unwrap_or_else(|why| panic!("{url}: {why}"));
        serde_json::from_slice(answered.body())
            .unwrap_or_else(|why| panic!("{url}: {why}: {answered:?}"))
    }
}

/// Sends GET from the machine, on a connection of its own: status and body.
pub(crate) fn fetch(url: &str, headers: &[(&str, &str)]) -> Result<(u16, String), String> {
    let answered = block_on(mesh_test::client::get(url, headers));
    let answered = answered.map_err(|why| format!("{url}: {why}"))?;
    let body = String::from_utf8_lossy(answered.body()).into_owned();
    Ok((answered.status().as_u16(), body))
}

/// Sends a form from the machine.
pub(crate) fn post(address: &str, path: &str, form: &str) -> Result<Response<Bytes>, Failure> {
    block_on(async {
        let mut client = Client::plain(address.parse()?, Http::One).await?;
        let kind = [("content-type", "application/x-www-form-urlencoded")];
        let url = format!("http://{address}{path}");
        client.post(&url, &kind, form.to_owned()).await
    })
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    runtime().block_on(future)
}

/// What drives connections that are kept, while it is used.
pub(crate) fn runtime() -> Runtime {
    let mut runtime = Builder::new_current_thread();
    runtime.enable_all().build().unwrap()
}
