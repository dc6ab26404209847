//! Istio's security: `security.istio.io`.

pub mod peer_authentication;
