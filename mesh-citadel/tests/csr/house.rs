//! A citadel on loopback with a folder of its own, and ways to ask it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use mesh_citadel::issue::profile::Lifetimes;
use mesh_citadel::settings::Access;
use mesh_citadel::{Deps, Settings, run};
use mesh_identity::channel::grpc_channel;
use mesh_identity::{Agent, IdentitySettings, Status as AgentStatus};
use mesh_kube::Cluster;
use mesh_model::ident::{ServiceAccount, TrustDomain};
use mesh_pki::bundle::TrustBundle;
use mesh_pki::csr;
use mesh_pki::key::Key;
use mesh_pki::live::LiveIdentity;
use mesh_pki::tls::{Expect, client_config_without_identity};
use mesh_proto::istio_ca::IstioCertificateRequest;
use mesh_proto::istio_ca::istio_certificate_service_client::IstioCertificateServiceClient;
use mesh_runtime::{SystemClock, Tasks};
use mesh_test::api_server::ApiServer;
use mesh_test::eventually;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tonic::Status;

pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// A running citadel; it ends when dropped.
pub(crate) struct House {
    pub(crate) folder: TempDir,
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    lifetimes: Lifetimes,
    /// The kubeconfig's path, if it serves a cluster.
    cluster: Option<PathBuf>,
    /// Whether it believes tokens of files.
    files: bool,
    tasks: Tasks,
}

pub(crate) fn trust_domain() -> TrustDomain {
    TrustDomain::parse("cluster.local").unwrap()
}

impl House {
    pub(crate) async fn open() -> Self {
        Self::with_lifetime(HOUR).await
    }

    pub(crate) async fn with_lifetime(default: Duration) -> Self {
        let mut house = Self::built(default);
        house.start().await;
        house
    }

    /// A house whose CA was put there by `provide` before it started.
    pub(crate) async fn with_ca(provide: impl FnOnce(&Path)) -> Self {
        let mut house = Self::built(HOUR);
        let ca = house.path("ca");
        std::fs::create_dir(&ca).unwrap();
        provide(&ca);
        house.start().await;
        house
    }

    /// A house that serves a cluster, without files of its own.
    pub(crate) async fn in_cluster(server: &ApiServer) -> Self {
        let house = Self::waiting_for(server).await;
        house.ready().await;
        house
    }

    /// The same, started but not waited for.
    pub(crate) async fn waiting_for(server: &ApiServer) -> Self {
        let mut house = Self::built(HOUR);
        house.files = false;
        house.begin_in(server).await;
        house
    }

    /// A house that believes tokens of files and those of a cluster.
    pub(crate) async fn with_both(server: &ApiServer) -> Self {
        let mut house = Self::built(HOUR);
        house.begin_in(server).await;
        house.ready().await;
        house
    }

    async fn begin_in(&mut self, server: &ApiServer) {
        let file = self.path("kubeconfig");
        std::fs::write(&file, server.kubeconfig()).unwrap();
        std::fs::create_dir_all(self.path("tokens/accepted")).unwrap();
        self.cluster = Some(file);
        self.begin().await;
    }

    fn built(default: Duration) -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            address: ([127, 0, 0, 1], 0).into(),
            admin: ([127, 0, 0, 1], 0).into(),
            lifetimes: Lifetimes::new(default, 2 * HOUR).unwrap(),
            cluster: None,
            files: true,
            tasks: Tasks::new(&prometheus::Registry::new()),
        }
    }

    /// Starts the process code on this house's folder and, if it ran before, on its addresses.
    pub(crate) async fn start(&mut self) {
        self.begin().await;
        self.ready().await;
    }

    async fn begin(&mut self) {
        let registry = prometheus::Registry::new();
        self.tasks = Tasks::new(&registry);
        let csr = TcpListener::bind(self.address).await.unwrap();
        let admin = TcpListener::bind(self.admin).await.unwrap();
        self.address = csr.local_addr().unwrap();
        self.admin = admin.local_addr().unwrap();
        let settings = self.process();
        let cluster = match &self.cluster {
            Some(file) => Some(Cluster::from_kubeconfig(file).await.unwrap()),
            None => None,
        };
        let deps = Deps {
            csr,
            admin,
            cluster,
            clock: Arc::new(SystemClock),
            tasks: self.tasks.group(),
            registry,
        };
        self.tasks.spawn("citadel", async move {
            run(settings, deps).await.unwrap();
        });
    }

    fn process(&self) -> Settings {
        Settings {
            address: self.address,
            admin: self.admin,
            ca_dir: self.cluster.is_none().then(|| self.path("ca")),
            namespace: "istio-system".to_owned(),
            accepted_tokens: self.files.then(|| self.path("tokens/accepted")),
            cluster: self
                .cluster
                .clone()
                .map_or(Access::None, Access::Kubeconfig),
            token_audiences: vec!["istio-ca".to_owned()],
            trust_domain: trust_domain(),
            lifetimes: self.lifetimes,
            dns_names: std::collections::BTreeMap::new(),
        }
    }

    pub(crate) async fn ready(&self) {
        let page = format!("http://{}/readyz", self.admin);
        mesh_test::eventually_async("citadel is ready", || async {
            match mesh_test::client::get(&page, &[]).await {
                Ok(page) if page.status() == 200 => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
    }

    pub(crate) async fn stop(&self) {
        assert!(self.tasks.stop(Duration::from_secs(10)).await, "it ends");
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn roots(&self) -> String {
        std::fs::read_to_string(self.path("ca/root-cert.pem")).unwrap()
    }

    /// Makes a token for the account `default/<name>` and returns its text.
    pub(crate) fn admit(&self, name: &str) -> String {
        let token = self.hand_out(name);
        let identity = format!("spiffe://cluster.local/ns/default/sa/{name}");
        let accepted = format!(
            r#"{{"sha256": "{}", "identity": "{identity}"}}"#,
            hash(&token)
        );
        let staged = self.path("tokens/staged");
        std::fs::write(&staged, accepted).unwrap();
        std::fs::rename(staged, self.path(&format!("tokens/accepted/{name}.json"))).unwrap();
        token
    }

    /// Writes the token of `default/<name>` without telling citadel, and returns its text.
    pub(crate) fn hand_out(&self, name: &str) -> String {
        let token = format!("{name:0>64}");
        std::fs::write(self.path(&format!("tokens/{name}.token")), &token).unwrap();
        token
    }

    /// The admin page with the metrics.
    pub(crate) async fn metrics(&self) -> String {
        let page = format!("http://{}/metrics", self.admin);
        let page = mesh_test::client::get(&page, &[]).await.unwrap();
        String::from_utf8_lossy(page.body()).into_owned()
    }

    pub(crate) fn revoke(&self, name: &str) {
        std::fs::remove_file(self.path(&format!("tokens/accepted/{name}.json"))).unwrap();
    }

    pub(crate) fn settings(&self, name: &str) -> IdentitySettings {
        IdentitySettings {
            trust_domain: trust_domain(),
            account: ServiceAccount::new("default", name).unwrap(),
            mesh_namespace: "istio-system".into(),
            ca_address: self.address.to_string(),
            ca_root: self.path("ca/root-cert.pem"),
            token_file: self.path(&format!("tokens/{name}.token")),
        }
    }

    /// Starts an agent for the account `default/<name>`.
    pub(crate) async fn agent(
        &self,
        name: &str,
        tasks: &Tasks,
    ) -> (LiveIdentity, watch::Receiver<AgentStatus>) {
        let start = Agent::start(self.settings(name), Arc::new(SystemClock), tasks);
        start.await.unwrap()
    }

    /// Asks as a client of any make would: a request, a token, and what comes back.
    pub(crate) async fn ask(
        &self,
        authorization: Option<&str>,
        request: IstioCertificateRequest,
    ) -> Result<Vec<String>, Status> {
        let bundle = TrustBundle::from_pem(trust_domain(), &self.roots()).unwrap();
        let citadel = self.settings("x").citadel().unwrap();
        let expect = Expect::AnyOf(vec![citadel]);
        let clock = Arc::new(SystemClock);
        let tls = client_config_without_identity(Arc::new(bundle), expect, clock, &[]).unwrap();
        let channel = grpc_channel(&self.address.to_string(), tls).unwrap();
        let mut request = tonic::Request::new(request);
        if let Some(value) = authorization {
            let value = value.parse().unwrap();
            request.metadata_mut().insert("authorization", value);
        }
        let mut client = IstioCertificateServiceClient::new(channel);
        let answer = client.create_certificate(request).await?;
        Ok(answer.into_inner().cert_chain)
    }
}

/// A plain request for the default lifetime.
pub(crate) fn request() -> IstioCertificateRequest {
    let identity = "spiffe://cluster.local/ns/default/sa/anything";
    let identity = mesh_model::ident::SpiffeId::parse(identity).unwrap();
    IstioCertificateRequest {
        csr: csr::create(&Key::generate().unwrap(), &identity).unwrap(),
        validity_duration: 0,
        metadata: None,
    }
}

fn hash(token: &str) -> String {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, token.as_bytes());
    hash.as_ref().iter().map(|b| format!("{b:02x}")).collect()
}

/// Runs openssl; fails the test when it is missing or refuses.
#[track_caller]
pub(crate) fn openssl(arguments: &[&str]) -> String {
    let output = Command::new("openssl").args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("these tests need openssl: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "openssl {arguments:?}: {text}{errors}"
    );
    text
}

/// Waits until `question` holds.
#[track_caller]
pub(crate) fn until(what: &str, question: impl Fn() -> bool) {
    eventually(what, || if question() { Ok(()) } else { Err("not yet") });
}
