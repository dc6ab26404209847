//! Secrets, of which the mesh reads what a gateway's credential may have: nothing else is kept.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mesh_pki::credential::{ClientRoots, Credential, CredentialError};
use serde::{Deserialize, Deserializer};

/// The names under which a chain and its key stand, those of `kubernetes.io/tls` first.
const PAIRS: [(&str, &str); 2] = [("tls.crt", "tls.key"), ("cert", "key")];
/// The names under which roots stand.
const ROOTS: [&str; 2] = ["ca.crt", "cacert"];
/// The type of Secrets that are a certificate.
pub const TLS: &str = "kubernetes.io/tls";
/// What the name of a Secret ends in that has the roots of another.
pub const ROOTS_SUFFIX: &str = "-cacert";

/// A Secret, read as the credential of a gateway.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Secret {
    /// Its type, for example `kubernetes.io/tls`.
    pub secret_type: String,
    /// Its certificate with the key.
    pub certificate: Part<Credential>,
    /// Its roots.
    pub roots: Part<ClientRoots>,
}

/// A part of a Secret.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Part<T> {
    /// It is not there.
    #[default]
    Missing,
    /// It cannot be used, for this reason.
    Bad(String),
    /// It can be used.
    Good(T),
}

impl<T> Part<T> {
    /// The part, if it can be used.
    #[must_use]
    pub fn good(&self) -> Option<&T> {
        match self {
            Self::Good(part) => Some(part),
            Self::Missing | Self::Bad(_) => None,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Written {
    #[serde(rename = "type")]
    secret_type: String,
    data: BTreeMap<String, String>,
    string_data: BTreeMap<String, String>,
}

impl Written {
    /// A member's content; `Err` when it is not what it should be.
    fn member(&self, name: &str) -> Option<Result<Vec<u8>, String>> {
        // Kubernetes: what is written as text counts before what is written as base64.
        if let Some(text) = self.string_data.get(name) {
            return Some(Ok(text.clone().into_bytes()));
        }
        let decoded = STANDARD.decode(self.data.get(name)?);
        Some(decoded.map_err(|_| format!("{name} is no base64")))
    }

    fn certificate(&self) -> Part<Credential> {
        let pairs = PAIRS.into_iter();
        let found = pairs.filter_map(|(chain, key)| {
            let (one, other) = (self.member(chain), self.member(key));
            (one.is_some() || other.is_some()).then_some(((chain, one), (key, other)))
        });
        let mut found: Vec<_> = found.collect();
        let whole = |pair: &((&str, Option<_>), (&str, Option<_>))| {
            pair.0.1.is_some() && pair.1.1.is_some()
        };
        let at = found.iter().position(whole).unwrap_or_default();
        if found.is_empty() {
            return Part::Missing;
        }
        match found.swap_remove(at) {
            ((_, Some(chain)), (_, Some(key))) => {
                let made = chain.and_then(|chain| Ok((chain, key?)));
                made.and_then(|(chain, key)| said(Credential::from_pem(&chain, &key)))
                    .map_or_else(Part::Bad, Part::Good)
            }
            ((chain, Some(_)), (key, None)) => Part::Bad(format!("it has {chain} and no {key}")),
            ((chain, None), (key, _)) => Part::Bad(format!("it has {key} and no {chain}")),
        }
    }

    fn roots(&self) -> Part<ClientRoots> {
        let found = ROOTS.into_iter().find_map(|name| self.member(name));
        match found {
            None => Part::Missing,
            Some(pem) => pem
                .and_then(|pem| said(ClientRoots::from_pem(&pem)))
                .map_or_else(Part::Bad, Part::Good),
        }
    }
}

fn said<T>(made: Result<T, CredentialError>) -> Result<T, String> {
    made.map_err(|error| error.to_string())
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let written = Written::deserialize(from)?;
        Ok(Self {
            certificate: written.certificate(),
            roots: written.roots(),
            secret_type: written.secret_type,
        })
    }
}

#[cfg(test)]
mod tests;
