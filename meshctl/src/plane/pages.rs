//! Admin pages of a process, wherever it runs.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use mesh_kube::{Cluster, Forward, RequestError};
use serde_json::Value;

use super::kube::Asked;
use crate::embedded::http::{exchange_over, fetch};
use crate::error::CommandError;

/// How long a page on this machine may take.
const NEAR: Duration = Duration::from_secs(5);
/// How long one may take through an API server and a kubelet.
const FAR: Duration = Duration::from_secs(30);
/// How long the kubelet may take to say why a connection failed.
const REASON: Duration = Duration::from_secs(1);

/// The way to the admin pages of a process.
#[derive(Clone)]
pub(crate) struct Pages {
    whose: String,
    way: Way,
}

#[derive(Clone)]
enum Way {
    Here(SocketAddr),
    InPod {
        cluster: Cluster,
        namespace: String,
        pod: String,
        port: u16,
    },
}

impl std::fmt::Debug for Pages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pages({})", self.whose)
    }
}

impl Pages {
    /// On this machine.
    pub(crate) fn here(whose: impl Into<String>, address: SocketAddr) -> Self {
        Self {
            whose: whose.into(),
            way: Way::Here(address),
        }
    }

    /// On the loopback of a pod.
    pub(crate) fn in_pod(cluster: Cluster, namespace: &str, pod: &str, port: u16) -> Self {
        Self {
            whose: format!("pod {namespace}/{pod}"),
            way: Way::InPod {
                cluster,
                namespace: namespace.to_owned(),
                pod: pod.to_owned(),
                port,
            },
        }
    }

    /// Where they are, if it is on this machine.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        match &self.way {
            Way::Here(address) => Some(*address),
            Way::InPod { .. } => None,
        }
    }

    /// A connection of its own to a pod; nothing for what is on this machine.
    ///
    /// # Errors
    /// When the API server does not grant it.
    pub(crate) async fn connect(&self) -> Result<Option<Forward>, CommandError> {
        let Way::InPod {
            cluster,
            namespace,
            pod,
            port,
        } = &self.way
        else {
            return Ok(None);
        };
        let asked = Asked::new("create", "pods/portforward", namespace, pod);
        let opened = cluster.forward(namespace, pod, *port).await;
        opened.map(Some).map_err(|error| asked.failed(&error))
    }

    /// A page as it is.
    ///
    /// # Errors
    /// When nobody answers, or not with the page.
    pub(crate) async fn text(&self, path: &str) -> Result<Bytes, CommandError> {
        let (status, body) = match &self.way {
            Way::Here(address) => fetch(*address, path, NEAR).await.map_err(|error| {
                CommandError::unreachable(format!("{}: {path}: {error}", self.whose))
            })?,
            Way::InPod {
                cluster,
                namespace,
                pod,
                port,
            } => self.forwarded(cluster, namespace, pod, *port, path).await?,
        };
        if status == 200 {
            return Ok(body);
        }
        let error = format!("{}: {path}: the answer is {status}", self.whose);
        Err(CommandError::problem(error).hint("is it of the same version as this meshctl?"))
    }

    /// A page of JSON.
    ///
    /// # Errors
    /// When nobody answers, or not with the page.
    pub(crate) async fn json(&self, path: &str) -> Result<Value, CommandError> {
        let body = self.text(path).await?;
        serde_json::from_slice(&body).map_err(|error| {
            let error = format!("{}: {path}: no JSON: {error}", self.whose);
            CommandError::problem(error)
        })
    }

    async fn forwarded(
        &self,
        cluster: &Cluster,
        namespace: &str,
        pod: &str,
        port: u16,
        path: &str,
    ) -> Result<(u16, Bytes), CommandError> {
        let asked = Asked::new("create", "pods/portforward", namespace, pod);
        let opened = cluster.forward(namespace, pod, port).await;
        let forward = opened.map_err(|error: RequestError| asked.failed(&error))?;
        let exchange = exchange_over(forward.stream, "localhost", path);
        let error = match tokio::time::timeout(FAR, exchange).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {FAR:?}"),
        };
        let reason = tokio::time::timeout(REASON, forward.refused).await;
        let reason = reason.ok().flatten().unwrap_or(error);
        let error = format!("{}: port {port}: {}", self.whose, reason.trim());
        Err(CommandError::unreachable(error).hint(format!(
            "is it a proxy that listens on {port}? `meshctl proxy-status` lists them"
        )))
    }
}
