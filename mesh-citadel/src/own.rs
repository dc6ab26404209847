//! Citadel's own identity: issued by itself, renewed before it expires.

use std::time::Duration;

use mesh_identity::settings::citadel;
use mesh_pki::key::Key;
use mesh_pki::live::{Identity, LiveIdentity};
use mesh_pki::schedule;
use mesh_runtime::Tasks;

use crate::authority::Authority;

/// How often the clock is looked at; see the agent of mesh-identity.
const LOOK: Duration = Duration::from_secs(1);

/// Why citadel has no certificate for itself.
#[derive(Debug, thiserror::Error)]
#[error("citadel's own certificate: {0}")]
pub struct OwnError(String);

/// Makes the first identity and renews it in a task of `tasks`.
pub(crate) fn start(
    authority: &Authority,
    lifetime: Duration,
    tasks: &Tasks,
) -> Result<LiveIdentity, OwnError> {
    let first = make(authority, lifetime)?;
    let live = LiveIdentity::new(first, authority.clock().clone());
    let keep = keep(authority.clone(), lifetime, live.clone());
    let stopping = tasks.stopping().clone();
    tasks.spawn("own identity", async move {
        let _never: Option<()> = stopping.run_until_cancelled(keep).await;
    });
    Ok(live)
}

async fn keep(authority: Authority, lifetime: Duration, live: LiveIdentity) {
    let clock = authority.clock().clone();
    let mut due = schedule::renew_at(clock.wall(), live.current().not_after(), fastrand::f64());
    loop {
        let left = due.duration_since(clock.wall()).unwrap_or_default();
        if !left.is_zero() {
            tokio::time::sleep(left.min(LOOK)).await;
            continue;
        }
        match make(&authority, lifetime) {
            Ok(identity) => {
                let now = clock.wall();
                due = schedule::renew_at(now, identity.not_after(), fastrand::f64());
                live.replace(identity);
            }
            Err(error) => {
                tracing::error!(%error, "own certificate not renewed");
                tokio::time::sleep(LOOK).await;
            }
        }
    }
}

fn make(authority: &Authority, lifetime: Duration) -> Result<Identity, OwnError> {
    let bundle = authority.signer().bundle().clone();
    let identity = citadel(bundle.trust_domain(), authority.namespace())
        .map_err(|error| OwnError(error.to_string()))?;
    let key = Key::generate().map_err(|error| OwnError(error.to_string()))?;
    let issued = authority
        .issue(identity, key.public(), lifetime)
        .map_err(|error| OwnError(error.to_string()))?;
    let chain = authority.signer().chain_of(issued.der());
    Identity::new(chain, &key, bundle, authority.clock().wall())
        .map_err(|error| OwnError(error.to_string()))
}
