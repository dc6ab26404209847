//! A CA that a cluster keeps: the Secret `istio-ca-secret` of citadel's namespace.
//!
//! Whoever finds none makes one; of several replicas that do so at once the API server takes the
//! first, and the others load what it has. The Secret is never replaced: a new root would cut off
//! every workload that trusts the old one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mesh_kube::{Cluster, RequestError, SecretData};
use mesh_model::ident::TrustDomain;
use mesh_model::time::{Backoff, Clock, rfc3339};
use mesh_pki::ca::{Ca, CaError};
use mesh_pki::chain;
use mesh_pki::key::{Key, KeyError};
use mesh_pki::template::{Serial, TemplateError};

use crate::health::Health;
use crate::signer::Signer;
use crate::signer::parts::{Layout, Part, Parts};

/// Its name.
// istio: CASecret
const NAME: &str = "istio-ca-secret";
/// Its type.
// istio: istioCASecretType
const KIND: &str = "istio.io/ca-root";
/// Entries that Istio's own has too, and which are empty there.
const EMPTY: [&str; 2] = ["cert-chain.pem", "key.pem"];
/// Pauses while the API server is away, or refuses.
const WAITING: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(3));

/// Why there is no CA.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// What the Secret holds is no CA.
    #[error("secret {namespace}/{NAME}: {entry}: {why}")]
    Refused {
        /// Where it is.
        namespace: String,
        /// The entry at fault.
        entry: &'static str,
        /// What is wrong.
        why: String,
    },
    /// A new CA could not be made.
    #[error("no CA could be made: {0}")]
    Make(String),
}

impl From<KeyError> for SecretError {
    fn from(error: KeyError) -> Self {
        Self::Make(error.to_string())
    }
}

impl From<CaError> for SecretError {
    fn from(error: CaError) -> Self {
        Self::Make(error.to_string())
    }
}

impl From<TemplateError> for SecretError {
    fn from(error: TemplateError) -> Self {
        Self::Make(error.to_string())
    }
}

/// Where the CA is kept.
pub struct Keeper {
    /// The cluster.
    pub cluster: Cluster,
    /// Citadel's namespace.
    pub namespace: String,
    /// The trust domain of a CA that is made.
    pub trust_domain: TrustDomain,
    /// When it is made, and judged.
    pub clock: Arc<dyn Clock>,
}

/// What came of one attempt.
enum Attempt {
    Signer(Box<Signer>),
    /// Somebody else was faster, or the API server does not do it now.
    Again(RequestError),
}

impl Keeper {
    /// Loads the CA, or makes it; waits for an API server that is away, for its permission and for
    /// the namespace, and tells `health` what for.
    ///
    /// # Errors
    /// [`SecretError`], when waiting would not help.
    pub(crate) async fn open_or_create(&self, health: &Health) -> Result<Signer, SecretError> {
        let mut backoff = Backoff::new(WAITING.0, WAITING.1);
        loop {
            match self.attempt().await? {
                Attempt::Signer(signer) => return Ok(*signer),
                Attempt::Again(error) => {
                    let wait = backoff.delay(fastrand::f64());
                    self.tell(&error, wait, health);
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    async fn attempt(&self) -> Result<Attempt, SecretError> {
        // What a client holds of a request is large.
        let found = Box::pin(self.cluster.secret(&self.namespace, NAME)).await;
        match found {
            Ok(data) => {
                let signer = self.load(&data)?;
                Ok(Attempt::Signer(Box::new(signer)))
            }
            Err(RequestError::Missing) => self.create().await,
            Err(error) => Ok(Attempt::Again(error)),
        }
    }

    async fn create(&self) -> Result<Attempt, SecretError> {
        let now = self.clock.wall();
        let data = made(&self.trust_domain, now)?;
        let signer = self.load(&data)?;
        let create = self
            .cluster
            .create_secret(&self.namespace, NAME, KIND, &data);
        Ok(match Box::pin(create).await {
            Ok(()) => {
                tracing::info!(
                    secret = %format!("{}/{NAME}", self.namespace),
                    trust_domain = %self.trust_domain,
                    not_after = rfc3339(signer.certificate().not_after),
                    "new root made"
                );
                Attempt::Signer(Box::new(signer))
            }
            Err(error) => Attempt::Again(error),
        })
    }

    fn load(&self, data: &SecretData) -> Result<Signer, SecretError> {
        let layout = Layout::Istio;
        let text = |part| data.text(layout.name(part)).to_owned();
        let certificate = text(Part::Certificate);
        // istio: a CA that it made has no roots of their own.
        let roots = match text(Part::Roots) {
            roots if roots.trim().is_empty() => certificate.clone(),
            roots => roots,
        };
        let parts = Parts {
            layout,
            key: text(Part::Key),
            certificate,
            issuers: text(Part::Issuers),
            roots,
        };
        let signer = parts.signer(&self.trust_domain, self.clock.wall());
        signer.map_err(|refused| SecretError::Refused {
            namespace: self.namespace.clone(),
            entry: layout.name(refused.part),
            why: refused.why,
        })
    }

    fn tell(&self, error: &RequestError, wait: Duration, health: &Health) {
        if *error == RequestError::Conflict {
            return tracing::info!("another replica has made the root");
        }
        let secret = format!("{}/{NAME}", self.namespace);
        let hint = match error {
            RequestError::Forbidden => {
                "; bind a Role with the rules to get this secret and to create secrets"
            }
            RequestError::Missing => "; there is no such namespace",
            RequestError::Unreachable(_)
            | RequestError::Conflict
            | RequestError::Refused { .. } => "",
        };
        health.starting(format!("waiting for secret {secret}: {error}{hint}"));
        tracing::warn!(%secret, error = %format!("{error}{hint}"), retry_ms = wait.as_millis(), "no CA yet");
    }
}

/// The content of a new CA's Secret.
fn made(trust_domain: &TrustDomain, now: SystemTime) -> Result<SecretData, SecretError> {
    let key = Key::generate()?;
    let key_pem = key.to_pem();
    let ca = Ca::create_root(trust_domain, key, Serial::random()?, now)?;
    let certificate = chain::to_pem(&ca.facts().der);
    let name = |part| Layout::Istio.name(part).to_owned();
    let mut data = BTreeMap::from([
        (name(Part::Key), key_pem.into_bytes()),
        (name(Part::Certificate), certificate.clone().into_bytes()),
        (name(Part::Roots), certificate.into_bytes()),
    ]);
    data.extend(EMPTY.map(|name| (name.to_owned(), Vec::new())));
    Ok(SecretData(data))
}

#[cfg(test)]
mod tests;
