//! Connections to a port of a pod, through the API server and the pod's kubelet.

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, TryFutureExt};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use tokio::io::DuplexStream;

use crate::access::Cluster;
use crate::fault::Fault;
use crate::request::RequestError;
use crate::server::{ANSWER, within};

impl Cluster {
    /// Connects to a port on the loopback of a pod. Needs the permission to create `pods/portforward`.
    /// That nobody listens there is told later, by `refused`.
    ///
    /// # Errors
    /// When the API server does not grant it, [`RequestError::Missing`] when there is no such pod.
    pub async fn forward(
        &self,
        namespace: &str,
        pod: &str,
        port: u16,
    ) -> Result<Forward, RequestError> {
        let pods: Api<Pod> = Api::namespaced(self.server.client(), namespace);
        let ports = [port];
        let opened = pods.portforward(pod, &ports).map_err(|error| fault(&error));
        let mut opened = within(ANSWER, opened).await?;
        let refused = opened.take_error(port);
        match (opened.take_stream(port), refused) {
            (Some(stream), Some(refused)) => Ok(Forward {
                stream,
                refused: refused.boxed(),
            }),
            _ => Err(Fault::refused("no stream for the port".to_owned()).into()),
        }
    }
}

/// A connection to a port of a pod.
pub struct Forward {
    /// Its bytes; dropping it closes the connection.
    pub stream: DuplexStream,
    /// What the kubelet says against it, once it does: `None` when it ends without a word.
    pub refused: BoxFuture<'static, Option<String>>,
}

fn fault(error: &kube::Error) -> Fault {
    match error {
        kube::Error::Api(status) => Fault::answered(status.code, &said(status)),
        other => Fault::unreachable(other),
    }
}

fn said(status: &kube::core::Status) -> Vec<u8> {
    serde_json::to_vec(status).unwrap_or_default()
}
