//! Many objects at once: requests of the administrator to the API server, without kubectl's limits.

use std::fs;
use std::net::SocketAddr;

use bytes::Bytes;
use hyper::{Method, Request};
use mesh_test::client::{Client, Failure, Http};
use mesh_test::pki::Certified;
use mesh_test::tls::careless_client;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::Value;

use crate::remote::block_on;
use crate::world::World;

/// Requests under way at once.
const AT_ONCE: usize = 8;

/// A request.
#[derive(Debug)]
pub(super) struct Ask {
    method: Method,
    path: String,
    kind: &'static str,
    body: Value,
}

impl Ask {
    /// Makes an object in a list.
    pub(super) fn create(list: &str, object: Value) -> Self {
        Self {
            method: Method::POST,
            path: list.to_owned(),
            kind: "application/json",
            body: object,
        }
    }

    /// Says what the kubelet of an object's node would say.
    pub(super) fn status(object: &str, status: &Value) -> Self {
        Self {
            method: Method::PATCH,
            path: format!("{object}/status"),
            kind: "application/merge-patch+json",
            body: serde_json::json!({"status": status}),
        }
    }
}

/// The API server of a cluster.
pub(super) struct Api {
    address: SocketAddr,
    admin: Certified,
}

impl Api {
    pub(super) fn of(world: &World) -> Self {
        let keys = world.cluster.folder().join("pki");
        let read = |name: &str| fs::read_to_string(keys.join(name)).unwrap();
        let leaf = CertificateDer::from_pem_slice(read("admin.crt").as_bytes());
        let address = format!("10.200.{}.2:6443", world.cluster.id());
        Self {
            address: address.parse().unwrap(),
            admin: Certified {
                chain: vec![leaf.unwrap()],
                key_pem: read("admin.key"),
            },
        }
    }

    /// Sends all of them, in no order; each must go well.
    #[track_caller]
    pub(super) fn all(&self, asks: &[Ask]) {
        let length = asks.len().div_ceil(AT_ONCE).max(1);
        std::thread::scope(|scope| {
            for part in asks.chunks(length) {
                scope.spawn(move || block_on(self.in_turn(part)).unwrap());
            }
        });
    }

    async fn in_turn(&self, asks: &[Ask]) -> Result<(), Failure> {
        let config = careless_client(Some(&self.admin), &[b"http/1.1"]);
        let name = ServerName::try_from("kubernetes")?;
        let mut client = Box::pin(Client::tls(self.address, name, config, Http::One)).await?;
        for ask in asks {
            let request = Request::builder()
                .method(ask.method.clone())
                .uri(&ask.path)
                .header("host", "kubernetes")
                .header("content-type", ask.kind)
                .body(Bytes::from(ask.body.to_string()))?;
            let answer = client.send(request).await?;
            let text = String::from_utf8_lossy(answer.body());
            assert!(answer.status().is_success(), "{}: {text}", ask.path);
        }
        Ok(())
    }
}
