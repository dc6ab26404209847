//! Secrets that a product keeps in the cluster: read by name, created if nobody has.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::Method;
use serde::Deserialize;
use serde_json::json;

use crate::access::Cluster;
use crate::fault::Fault;
use crate::request::RequestError;

/// The content of a Secret, of which `Debug` shows the names alone.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SecretData(pub BTreeMap<String, Vec<u8>>);

impl SecretData {
    /// A value as text; empty when there is none, or none that is text.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        let value = self.0.get(name).map(Vec::as_slice).unwrap_or_default();
        str::from_utf8(value).unwrap_or_default()
    }
}

impl fmt::Debug for SecretData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

#[derive(Deserialize)]
struct Stored {
    #[serde(default)]
    data: BTreeMap<String, String>,
}

impl Cluster {
    /// Reads a Secret. Needs the permission to get it.
    ///
    /// # Errors
    /// [`RequestError::Missing`] when there is none.
    pub async fn secret(&self, namespace: &str, name: &str) -> Result<SecretData, RequestError> {
        let path = format!("/api/v1/namespaces/{namespace}/secrets/{name}");
        let answer = self.server.read(&path).await?;
        let stored: Stored =
            serde_json::from_slice(&answer).map_err(|error| Fault::unreadable(&error))?;
        let values = stored.data.into_iter().map(|(name, value)| {
            let value = BASE64_STANDARD.decode(value);
            let value = value.map_err(|_| Fault::refused(format!("no base64 as {name}")))?;
            Ok((name, value))
        });
        let values: Result<_, Fault> = values.collect();
        Ok(SecretData(values?))
    }

    /// Creates a Secret of the given type. Needs the permission to create Secrets there.
    ///
    /// # Errors
    /// [`RequestError::Conflict`] when there is one already, [`RequestError::Missing`] when there is
    /// no such namespace.
    pub async fn create_secret(
        &self,
        namespace: &str,
        name: &str,
        kind: &str,
        data: &SecretData,
    ) -> Result<(), RequestError> {
        let values = data.0.iter();
        let values: BTreeMap<_, _> = values
            .map(|(name, value)| (name, BASE64_STANDARD.encode(value)))
            .collect();
        let secret = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": namespace},
            "type": kind,
            "data": values,
        });
        let path = format!("/api/v1/namespaces/{namespace}/secrets");
        let body = secret.to_string().into_bytes();
        let sent = self
            .server
            .send(Method::POST, &path, "application/json", body);
        let created = sent.await.map(drop);
        created.map_err(|fault| RequestError::from(fault).discreet())
    }
}
