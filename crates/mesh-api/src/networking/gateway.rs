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
    /// Accepted as long as it asks for nothing.
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

/// TLS of a server, of which only the absence is supported yet.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ServerTls {
    /// Whether plain requests are sent to HTTPS; always false so far.
    pub https_redirect: bool,
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
                now: &["HTTP", "HTTP2", "GRPC"],
                later: &["HTTPS", "GRPC-WEB", "TLS", "TCP", "MONGO", "REDIS", "MYSQL"],
            },
        ),
        // Deprecated, and Istio does not read it either.
        ("targetPort", Shape::Ignored),
    ],
    required: &["number", "protocol", "name"],
    ..Message::ISTIO
};

static SERVER_TLS: Message = Message {
    fields: &[("httpsRedirect", Shape::OnlyFalse)],
    later: &[
        "caCertCredentialName",
        "caCertificates",
        "caCrl",
        "cipherSuites",
        "credentialName",
        "credentialNames",
        "ecdhCurves",
        "insecureSkipVerify",
        "maxProtocolVersion",
        "minProtocolVersion",
        "mode",
        "privateKey",
        "serverCertificate",
        "subjectAltNames",
        "tlsCertificates",
        "verifyCertificateHash",
        "verifyCertificateSpki",
    ],
    ..Message::ISTIO
};
