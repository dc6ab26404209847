//! Citadel, pilot, mixer and the ingress gateway.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use mesh_model::ident::{ServiceAccount, SpiffeId, TrustDomain};
use mesh_model::labels::Labels;

use super::sets::Flags;
use super::{
    Component, DOMAIN, INGRESS, Layout, Process, Program, ROOT_NAMESPACE, Ready, Room, Settings,
    TRUST_DOMAIN, Token, ingress,
};
use crate::embedded::addresses::{COMPONENT_ADMIN, NODE, PROXY_ADMIN};
use crate::embedded::cache;
use crate::error::CommandError;

/// Citadel's port for certificates.
const CITADEL_PORT: u16 = 8060;
/// Pilot's port for xDS.
const XDS_PORT: u16 = 15012;
/// Mixer's port for telemetry.
const TELEMETRY_PORT: u16 = 9091;
/// Mixer's port for the metrics and the graph of the whole mesh.
pub(crate) const MIXER_HTTP_PORT: u16 = 42422;

/// The components in the order of their start.
pub(super) fn plan(settings: &Settings) -> Result<Vec<Component>, CommandError> {
    Ok(vec![
        citadel(settings),
        pilot(settings)?,
        mixer(settings)?,
        ingress_gateway(settings)?,
    ])
}

impl Settings {
    /// Where a component serves proxies: at its own address, or where all pods reach the node.
    fn served(&self, own: Ipv4Addr, port: u16) -> SocketAddr {
        match self.layout {
            Layout::Loopback => (own, port).into(),
            Layout::Namespaces => (NODE, port).into(),
        }
    }
}

fn citadel(settings: &Settings) -> Component {
    let ip = settings.network.citadel();
    let flags = Flags::default()
        .with("address", settings.served(ip, CITADEL_PORT))
        .with("ca-dir", settings.state.join("ca").display())
        .with(
            "accepted-tokens",
            settings.state.join("tokens/accepted").display(),
        )
        .with("trust-domain", TRUST_DOMAIN);
    component("citadel", "mesh-citadel", ip.into(), None, flags, settings)
}

fn pilot(settings: &Settings) -> Result<Component, CommandError> {
    let ip = settings.network.pilot();
    let token = token("istio-pilot", ROOT_NAMESPACE, "istio-pilot-service-account")?;
    let flags = Flags::default()
        .with("address", settings.served(ip, XDS_PORT))
        .with("config-dir", settings.state.join("config").display())
        .with("cluster-dir", settings.state.join("cluster").display())
        .with("domain", DOMAIN)
        .with("root-namespace", ROOT_NAMESPACE);
    let flags = identity(
        flags,
        settings,
        &token,
        ROOT_NAMESPACE,
        "istio-pilot-service-account",
    );
    Ok(component(
        "pilot",
        "mesh-pilot",
        ip.into(),
        Some(token),
        flags,
        settings,
    ))
}

fn mixer(settings: &Settings) -> Result<Component, CommandError> {
    let ip = settings.network.mixer();
    let token = token("istio-mixer", ROOT_NAMESPACE, "istio-mixer-service-account")?;
    let flags = Flags::default()
        .with("address", settings.served(ip, TELEMETRY_PORT))
        .with("http", SocketAddr::from((ip, MIXER_HTTP_PORT)));
    let flags = identity(
        flags,
        settings,
        &token,
        ROOT_NAMESPACE,
        "istio-mixer-service-account",
    );
    Ok(component(
        "mixer",
        "mesh-mixer",
        ip.into(),
        Some(token),
        flags,
        settings,
    ))
}

fn component(
    name: &'static str,
    binary: &'static str,
    ip: IpAddr,
    token: Option<Token>,
    flags: Flags,
    settings: &Settings,
) -> Component {
    let admin = SocketAddr::new(ip, COMPONENT_ADMIN);
    let flags = common(flags, admin).with_sets(&settings.sets, name);
    let process = Process {
        program: Program::Sibling(binary),
        args: flags.into_args(),
        env: BTreeMap::new(),
        log: format!("{name}.log"),
        ready: Ready::Page(admin, "/readyz"),
        room: settings.room(Room::Node),
    };
    Component {
        name,
        admin,
        process,
        token,
    }
}

fn ingress_gateway(settings: &Settings) -> Result<Component, CommandError> {
    let ip = settings.network.ingress();
    let pod = ingress::pod();
    let token = token(&pod, ROOT_NAMESPACE, ingress::ACCOUNT)?;
    let labels = ingress::labels();
    let proxy = Proxy {
        role: "router",
        pod: &pod,
        namespace: ROOT_NAMESPACE,
        account: ingress::ACCOUNT,
        workload: INGRESS,
        labels: &labels,
        ip: ip.into(),
        admin: (ip, PROXY_ADMIN).into(),
        room: settings.room(Room::Node),
        token: &token,
    };
    let process = Process {
        log: format!("{INGRESS}.log"),
        ..proxy.process(settings)
    };
    let admin = proxy.admin;
    Ok(Component {
        name: INGRESS,
        admin,
        process,
        token: Some(token),
    })
}

/// What distinguishes one proxy from another.
pub(super) struct Proxy<'a> {
    pub(super) role: &'static str,
    pub(super) pod: &'a str,
    pub(super) namespace: &'a str,
    pub(super) account: &'a str,
    pub(super) workload: &'a str,
    pub(super) labels: &'a Labels,
    pub(super) ip: IpAddr,
    /// Where its admin pages are, as it sees it.
    pub(super) admin: SocketAddr,
    pub(super) room: Option<Room>,
    pub(super) token: &'a Token,
}

impl Proxy<'_> {
    /// The proxy's process.
    pub(super) fn process(&self, settings: &Settings) -> Process {
        let network = settings.network;
        let mut flags = Flags::default()
            .with("role", self.role)
            .with("name", self.pod)
            .with("address", self.ip)
            .with("workload", self.workload)
            .with("xds-address", settings.served(network.pilot(), XDS_PORT))
            .with(
                "telemetry-address",
                settings.served(network.mixer(), TELEMETRY_PORT),
            )
            .with(
                "config-cache",
                cache::folder(&settings.state, &self.token.name).display(),
            )
            .with("access-log", "-")
            // Callers are on this machine and end with the mesh: nobody gains by a longer wait.
            .with("drain-time", "1s");
        for (key, value) in &self.labels.0 {
            flags = flags.with("label", format!("{key}={value}"));
        }
        if let Some(Room::Sidecar(_)) = self.room {
            flags = flags.with("interception-mode", "REDIRECT");
        }
        let flags = identity(flags, settings, self.token, self.namespace, self.account);
        Process {
            program: Program::Sibling("mesh-proxy"),
            args: common(flags, self.admin)
                .with_sets(&settings.sets, "proxy")
                .into_args(),
            env: BTreeMap::new(),
            log: format!("{}.log", self.token.name),
            ready: Ready::Page(self.admin, "/ready"),
            room: self.room,
        }
    }
}

fn identity(
    flags: Flags,
    settings: &Settings,
    token: &Token,
    namespace: &str,
    account: &str,
) -> Flags {
    let file = settings
        .state
        .join("tokens")
        .join(format!("{}.token", token.name));
    flags
        .with("trust-domain", TRUST_DOMAIN)
        .with("namespace", namespace)
        .with("service-account", account)
        .with(
            "ca-address",
            settings.served(settings.network.citadel(), CITADEL_PORT),
        )
        .with("ca-root", settings.ca_root.display())
        .with("token-file", file.display())
}

fn common(flags: Flags, admin: SocketAddr) -> Flags {
    flags.with("admin", admin).with("log-level", "info")
}

/// The proof that stands for an account.
pub(super) fn token(name: &str, namespace: &str, account: &str) -> Result<Token, CommandError> {
    let problem = |error| CommandError::problem(format!("{namespace}/{name}: {error}"));
    let account = ServiceAccount::new(namespace, account).map_err(problem)?;
    let trust_domain = TrustDomain::parse(TRUST_DOMAIN).map_err(problem)?;
    let identity = SpiffeId::of_workload(&trust_domain, &account);
    Ok(Token {
        name: name.to_owned(),
        identity,
    })
}
