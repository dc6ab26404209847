//! This proxy's identity, and channels to the mesh's own components that prove it.

use std::sync::Arc;

use mesh_identity::{Agent, IdentitySettings, StartError, Status, grpc_channel};
use mesh_model::ident::{IdentError, ServiceAccount, SpiffeId};
use mesh_model::time::Clock;
use mesh_pki::live::LiveIdentity;
use mesh_pki::tls::{ALPN_H2, Expect, client_config};
use mesh_runtime::Tasks;
use mesh_xds::client::{ChannelMaker, ConnectError};
use tokio::sync::watch;
use tonic::transport::Channel;

/// Service account of pilot.
pub const PILOT_ACCOUNT: &str = "istio-pilot-service-account";
/// Service account of mixer.
pub const MIXER_ACCOUNT: &str = "istio-mixer-service-account";

/// The identity of this process, which renews itself.
#[derive(Clone)]
pub struct Identity {
    /// Certificate, key and roots, as they are now.
    pub live: LiveIdentity,
    /// How renewal stands.
    pub status: watch::Receiver<Status>,
    /// Namespace of the mesh's own components.
    mesh_namespace: String,
}

impl Identity {
    /// Waits for the first certificate, and keeps it renewed in a task.
    ///
    /// # Errors
    /// [`StartError`] when the tasks are asked to stop before there was one.
    pub async fn start(
        settings: IdentitySettings,
        clock: Arc<dyn Clock>,
        tasks: &Tasks,
    ) -> Result<Self, StartError> {
        let mesh_namespace = settings.mesh_namespace.clone();
        let (live, status) = Agent::start(settings, clock, tasks).await?;
        Ok(Self {
            live,
            status,
            mesh_namespace,
        })
    }

    /// Makes channels to a component at `address` (`HOST:PORT`) that must run as `account` of the
    /// mesh's own namespace.
    ///
    /// # Errors
    /// [`IdentError`] when the account is no Kubernetes name.
    pub fn channel_to(&self, address: &str, account: &str) -> Result<ChannelMaker, IdentError> {
        let trust_domain = self.live.current().spiffe_id().trust_domain().clone();
        let account = ServiceAccount::new(&self.mesh_namespace, account)?;
        let server = SpiffeId::of_workload(&trust_domain, &account);
        let (live, address) = (self.live.clone(), address.to_owned());
        Ok(Arc::new(move || {
            let channel = open(&live, &address, &server);
            Box::pin(std::future::ready(channel))
        }))
    }
}

fn open(live: &LiveIdentity, address: &str, server: &SpiffeId) -> Result<Channel, ConnectError> {
    let expect = Expect::AnyOf(vec![server.clone()]);
    let config = client_config(live, expect, &[ALPN_H2])?;
    Ok(grpc_channel(address, config)?)
}
