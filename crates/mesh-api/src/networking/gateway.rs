//! Gateway: the ports that proxies at the edge of the mesh open, and for which hosts.

use mesh_model::labels::Labels;
use mesh_model::net::Protocol;
use serde::{Deserialize, Deserializer};

use crate::schema::{Message, Shape};
use crate::wire;

/// Ports that the selected gateway proxies open.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Gateway {
    /// Labels of the proxies' pods, in whichever namespace; none means every gateway proxy.
    #[serde(deserialize_with = "wire::labels")]
    pub selector: Labels,
    /// The ports.
    pub servers: Vec<Server>,
}

/// One port for some hosts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Server {
    /// The port.
    pub port: ServerPort,
    /// Address to listen on; empty means all.
    pub bind: String,
    /// `[namespace/]name`: hosts, and the namespaces whose VirtualServices may serve them.
    pub hosts: Vec<String>,
    /// Name for logs; empty when not given.
    pub name: String,
    /// TLS towards clients.
    pub tls: Option<ServerTls>,
}

/// A server's port.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ServerPort {
    /// Number of the service's port; 0 when missing, which validation refuses.
    pub number: u16,
    /// Name; unique within the gateway.
    pub name: String,
    /// What clients speak; absent when missing, which validation refuses.
    #[serde(deserialize_with = "protocol")]
    pub protocol: Option<Protocol>,
}

impl Server {
    /// Whether its clients speak TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        matches!(self.port.protocol, Some(Protocol::Https | Protocol::Tls))
    }
}

/// TLS of a server.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ServerTls {
    /// Whether plain requests are sent to HTTPS.
    pub https_redirect: bool,
    /// Who ends TLS, and what clients must show.
    pub mode: ServerTlsMode,
    /// Secret of the gateway's namespace with certificate and key; the roots of MUTUAL are in it or
    /// in another one whose name ends in `-cacert`.
    pub credential_name: String,
    /// The same for certificates of several kinds of keys.
    pub credential_names: Vec<String>,
    /// Secret with the roots of MUTUAL, instead.
    pub ca_cert_credential_name: String,
    /// PEM file with the certificate, in the proxy.
    pub server_certificate: String,
    /// PEM file with its key.
    pub private_key: String,
    /// PEM file with the roots of MUTUAL.
    pub ca_certificates: String,
    /// Least version.
    pub min_protocol_version: TlsVersion,
    /// Greatest version.
    pub max_protocol_version: TlsVersion,
}

impl ServerTls {
    /// The Secrets that have certificates, in order of preference.
    pub fn credentials(&self) -> impl Iterator<Item = &str> {
        let one = Some(self.credential_name.as_str()).filter(|name| !name.is_empty());
        one.into_iter()
            .chain(self.credential_names.iter().map(String::as_str))
    }
}

/// Who ends TLS, and what clients must show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ServerTlsMode {
    /// The service behind it; the server name chooses which.
    #[default]
    Passthrough,
    /// The gateway; clients show nothing.
    Simple,
    /// The gateway; clients must show a certificate.
    Mutual,
    /// The gateway; clients may show a certificate, which must be good.
    OptionalMutual,
    /// The gateway with its own identity; clients are workloads of the mesh.
    IstioMutual,
}

impl ServerTlsMode {
    /// As it is written.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Passthrough => "PASSTHROUGH",
            Self::Simple => "SIMPLE",
            Self::Mutual => "MUTUAL",
            Self::OptionalMutual => "OPTIONAL_MUTUAL",
            Self::IstioMutual => "ISTIO_MUTUAL",
        }
    }

    /// Whether a certificate of the user's own is needed.
    #[must_use]
    pub fn needs_certificate(self) -> bool {
        matches!(self, Self::Simple | Self::Mutual | Self::OptionalMutual)
    }

    /// Whether roots of the user's own are needed.
    #[must_use]
    pub fn needs_roots(self) -> bool {
        matches!(self, Self::Mutual | Self::OptionalMutual)
    }
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Deserialize)]
pub enum TlsVersion {
    /// Not said: what is good today.
    #[default]
    #[serde(rename = "TLS_AUTO")]
    Auto,
    /// 1.2.
    #[serde(rename = "TLSV1_2")]
    V12,
    /// 1.3.
    #[serde(rename = "TLSV1_3")]
    V13,
}

fn protocol<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Protocol>, D::Error> {
    Ok(Protocol::parse(&String::deserialize(from)?))
}

pub(crate) static GATEWAY: Message = Message {
    fields: &[
        ("selector", Shape::Map(&Shape::Text)),
        ("servers", Shape::List(&Shape::Message(&SERVER))),
    ],
    ..Message::ISTIO
};

static SERVER: Message = Message {
    fields: &[
        ("port", Shape::Message(&SERVER_PORT)),
        ("bind", Shape::Text),
        ("hosts", Shape::List(&Shape::Text)),
        ("name", Shape::Text),
        ("tls", Shape::Message(&SERVER_TLS)),
    ],
    later: &["defaultEndpoint"],
    required: &["port", "hosts"],
    ..Message::ISTIO
};

static SERVER_PORT: Message = Message {
    fields: &[
        ("number", Shape::Port),
        ("name", Shape::Text),
        (
            "protocol",
            Shape::AnyCaseChoice {
                now: &["HTTP", "HTTP2", "GRPC", "HTTPS", "TLS"],
                later: &["GRPC-WEB", "TCP", "MONGO", "REDIS", "MYSQL"],
            },
        ),
        // Deprecated, and Istio does not read it either.
        ("targetPort", Shape::Ignored),
    ],
    required: &["number", "protocol", "name"],
    ..Message::ISTIO
};

static SERVER_TLS: Message = Message {
    fields: &[
        ("httpsRedirect", Shape::Bool),
        (
            "mode",
            Shape::Choice {
                now: &[
                    "PASSTHROUGH",
                    "SIMPLE",
                    "MUTUAL",
                    "OPTIONAL_MUTUAL",
                    "ISTIO_MUTUAL",
                ],
                later: &["AUTO_PASSTHROUGH"],
            },
        ),
        ("credentialName", Shape::Text),
        ("credentialNames", Shape::List(&Shape::Text)),
        ("caCertCredentialName", Shape::Text),
        ("serverCertificate", Shape::Text),
        ("privateKey", Shape::Text),
        ("caCertificates", Shape::Text),
        ("minProtocolVersion", Shape::Same(&TLS_VERSION)),
        ("maxProtocolVersion", Shape::Same(&TLS_VERSION)),
    ],
    later: &[
        "caCrl",
        "cipherSuites",
        "ecdhCurves",
        "insecureSkipVerify",
        "subjectAltNames",
        "tlsCertificates",
        "verifyCertificateHash",
        "verifyCertificateSpki",
    ],
    exclusive: &[&["credentialName", "credentialNames"]],
    ..Message::ISTIO
};

static TLS_VERSION: Shape = Shape::Choice {
    now: &["TLS_AUTO", "TLSV1_2", "TLSV1_3"],
    later: &["TLSV1_0", "TLSV1_1"],
};
