//! Whom to ask when the kubelet asks us: `ISTIO_KUBE_APP_PROBERS`, JSON of Istio's form, by path.

use std::collections::BTreeMap;
use std::time::Duration;

use http::header::HOST;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;

/// Kubernetes' default of `timeoutSeconds`, for manifests that no API server has completed.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);
/// A hook takes as long as the pod's grace period allows, which only the kubelet knows.
const HOOK_TIMEOUT: Duration = Duration::from_secs(3600);

const PROBES: [&str; 3] = ["livez", "readyz", "startupz"];
const HOOKS: [&str; 2] = ["poststartz", "prestopz"];

/// Everything that may be asked, by path.
#[derive(Debug, Clone, Default)]
pub(crate) struct Probers(BTreeMap<String, Prober>);

/// One question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Prober {
    pub(crate) action: Action,
    pub(crate) timeout: Duration,
}

/// How a question is put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    Http(HttpGet),
    /// Whether a connection is accepted.
    Tcp {
        port: u16,
    },
    /// By gRPC's health protocol.
    Grpc {
        port: u16,
        service: String,
    },
}

/// A GET that any status from 200 to 399 answers well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HttpGet {
    pub(crate) https: bool,
    pub(crate) port: u16,
    /// With its query, as it was written.
    pub(crate) path: String,
    /// The Host that the user wants; `None` for the one that the kubelet sends.
    pub(crate) host: Option<HeaderValue>,
    pub(crate) headers: HeaderMap,
}

/// Why the description cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadProbers {
    /// It is no JSON of this form.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// One of them makes no sense.
    #[error("{path}: {why}")]
    Prober {
        /// The path at which it would be asked.
        path: String,
        /// What is wrong.
        why: &'static str,
    },
}

impl Probers {
    pub(crate) fn parse(text: &str) -> Result<Self, BadProbers> {
        let raw: BTreeMap<String, RawProber> = serde_json::from_str(text)?;
        let parsed = raw.into_iter().map(|(path, raw)| {
            let prober = prober(&path, raw);
            match prober {
                Ok(prober) => Ok((path, prober)),
                Err(why) => Err(BadProbers::Prober { path, why }),
            }
        });
        parsed.collect::<Result<_, _>>().map(Self)
    }

    pub(crate) fn at(&self, path: &str) -> Option<&Prober> {
        self.0.get(path)
    }

    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The longest that one of them may take.
    pub(crate) fn slowest(&self) -> Duration {
        let timeouts = self.0.values().map(|prober| prober.timeout);
        timeouts.max().unwrap_or_default()
    }
}

/// As Kubernetes' API writes it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawProber {
    http_get: Option<RawHttpGet>,
    tcp_socket: Option<RawTcp>,
    grpc: Option<RawGrpc>,
    timeout_seconds: Option<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawHttpGet {
    path: Option<String>,
    port: RawPort,
    scheme: Option<String>,
    #[serde(default)]
    http_headers: Vec<RawHeader>,
}

#[derive(Deserialize)]
struct RawHeader {
    name: String,
    #[serde(default)]
    value: String,
}

#[derive(Deserialize)]
struct RawTcp {
    port: RawPort,
}

#[derive(Deserialize)]
struct RawGrpc {
    port: RawPort,
    service: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawPort {
    Number(u16),
    Text(String),
}

impl RawPort {
    fn number(&self) -> Result<u16, &'static str> {
        let number = match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.parse().ok(),
        };
        number
            .filter(|port| *port > 0)
            .ok_or("its port is no number from 1 to 65535")
    }
}

fn prober(path: &str, raw: RawProber) -> Result<Prober, &'static str> {
    let is_hook = is_hook(path).ok_or(
        "is no /app-health/CONTAINER/ or /app-lifecycle/CONTAINER/ \
                                       with a probe or hook behind",
    )?;
    let action = match (raw.http_get, raw.tcp_socket, raw.grpc) {
        (Some(get), None, None) => Action::Http(http_get(get)?),
        (None, Some(tcp), None) => Action::Tcp {
            port: tcp.port.number()?,
        },
        (None, None, Some(grpc)) => Action::Grpc {
            port: grpc.port.number()?,
            service: grpc.service.unwrap_or_default(),
        },
        _ => return Err("has not exactly one of httpGet, tcpSocket and grpc"),
    };
    let timeout = match raw.timeout_seconds {
        Some(seconds) if seconds > 0 => Duration::from_secs(seconds.into()),
        _ if is_hook => HOOK_TIMEOUT,
        _ => PROBE_TIMEOUT,
    };
    Ok(Prober { action, timeout })
}

/// Whether a path is that of a hook; nothing when it is not one of Istio's.
fn is_hook(path: &str) -> Option<bool> {
    let mut parts = path.strip_prefix('/')?.split('/');
    let (family, container) = (parts.next()?, parts.next()?);
    let (kind, end) = (parts.next()?, parts.next());
    let known = match family {
        "app-health" | "app-lifecycle" if container.is_empty() || end.is_some() => return None,
        "app-health" => PROBES.contains(&kind),
        "app-lifecycle" => HOOKS.contains(&kind),
        _ => false,
    };
    known.then_some(family == "app-lifecycle")
}

fn http_get(raw: RawHttpGet) -> Result<HttpGet, &'static str> {
    let https = match raw.scheme.as_deref().unwrap_or_default() {
        "" | "HTTP" => false,
        "HTTPS" => true,
        _ => return Err("its scheme is neither HTTP nor HTTPS"),
    };
    let mut headers = HeaderMap::new();
    let mut host = None;
    for RawHeader { name, value } in raw.http_headers {
        let name = HeaderName::try_from(name).map_err(|_| "the name of a header is damaged")?;
        let value = HeaderValue::try_from(value).map_err(|_| "the value of a header is damaged")?;
        if name == HOST {
            host = Some(value);
        } else {
            headers.append(name, value);
        }
    }
    Ok(HttpGet {
        https,
        port: raw.port.number()?,
        path: raw.path.unwrap_or_default(),
        host: host.filter(|host| !host.is_empty()),
        headers,
    })
}

#[cfg(test)]
mod tests;
