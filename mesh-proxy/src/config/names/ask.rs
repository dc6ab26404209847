//! One question to DNS.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ProtocolConfig, ResolverConfig,
    ResolverOpts, ServerOrderingStrategy,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::Name;
use hickory_resolver::system_conf;
use mesh_traffic::dns::{Family, Servers};

/// The addresses of a name, in the order of the answer, and how long they are good; none if there is
/// no such name.
///
/// Servers, search domains and the hosts of this machine are those of the moment: the files may have
/// changed since the last question.
///
/// # Errors
/// When nobody answers, or not with an answer.
pub(super) async fn addresses(
    name: &str,
    family: Family,
    servers: &Servers,
) -> Result<(Vec<IpAddr>, Duration), NetError> {
    let (config, options) = configured(family, servers)?;
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    *builder.options_mut() = options;
    let resolver = builder.build()?;
    match resolver.lookup_ip(name).await {
        Ok(found) => {
            let answers = found.as_lookup().answers().iter();
            let ttl = answers.map(|record| record.ttl).min().unwrap_or_default();
            let ttl = Duration::from_secs(ttl.into());
            Ok((found.iter().collect(), ttl))
        }
        Err(NetError::Dns(DnsError::NoRecordsFound(none))) if is_none(none.response_code) => {
            Ok((Vec::new(), Duration::ZERO))
        }
        Err(error) => Err(error),
    }
}

/// Whether that is an answer: there is no such name, or it has no address.
fn is_none(code: ResponseCode) -> bool {
    matches!(code, ResponseCode::NXDomain | ResponseCode::NoError)
}

fn configured(
    family: Family,
    servers: &Servers,
) -> Result<(ResolverConfig, ResolverOpts), NetError> {
    let system = system_conf::read_system_conf();
    let has_system = system
        .as_ref()
        .is_ok_and(|(config, _)| !config.name_servers().is_empty());
    let given = !(servers.addresses.is_empty() || servers.as_fallback && has_system);
    let (system, mut options) = match (system, given) {
        (Ok(system), _) => system,
        // Search domains alone are missing.
        (Err(_), true) => (ResolverConfig::default(), ResolverOpts::default()),
        (Err(error), false) => return Err(error),
    };
    let (domain, search, known) = system.into_parts();
    let (domain, search) = match servers.search {
        true => (domain, search),
        false => (None::<Name>, Vec::new()),
    };
    let mut asked = match given {
        true => servers.addresses.iter().copied().map(server).collect(),
        false => known,
    };
    if servers.tcp {
        for server in &mut asked {
            let is_tcp = |one: &ConnectionConfig| matches!(one.protocol, ProtocolConfig::Tcp);
            server.connections.retain(is_tcp);
        }
    }
    options.ip_strategy = match family {
        Family::Ipv4 => LookupIpStrategy::Ipv4Only,
        Family::Ipv6 => LookupIpStrategy::Ipv6Only,
        Family::Ipv4ThenIpv6 => LookupIpStrategy::Ipv4thenIpv6,
        Family::Ipv6ThenIpv4 => LookupIpStrategy::Ipv6thenIpv4,
        Family::Both => LookupIpStrategy::Ipv6AndIpv4,
    };
    options.timeout = servers.timeout;
    options.attempts = servers.tries;
    options.cache_size = 0;
    options.server_ordering_strategy = ServerOrderingStrategy::UserProvidedOrder;
    Ok((ResolverConfig::from_parts(domain, search, asked), options))
}

/// A server that is asked by UDP, and by TCP where an answer is too long for it.
fn server(at: SocketAddr) -> NameServerConfig {
    let mut server = NameServerConfig::udp_and_tcp(at.ip());
    for connection in &mut server.connections {
        connection.port = at.port();
    }
    server
}
