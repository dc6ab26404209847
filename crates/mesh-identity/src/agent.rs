//! Obtains a certificate from citadel and renews it for as long as the process lives.
//!
//! Keys are made here and never leave the process. While citadel is away the still-valid
//! certificate is kept; a renewal reaches the next handshake and touches no live connection.

mod obtain;
mod roots;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mesh_model::time::{Backoff, Clock, rfc3339};
use mesh_pki::live::{Identity, LiveIdentity};
use mesh_pki::schedule;
use mesh_pki::svid::{Usage, validate_x509_svid};
use mesh_runtime::Tasks;
use tokio::sync::watch;

pub use crate::agent::obtain::ObtainError;
use crate::agent::roots::RootFile;
use crate::settings::IdentitySettings;

/// Back-off while a certificate is held, first and longest step.
const HELD: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(150));
/// Back-off of a process that cannot serve yet: it asks sooner and never waits long.
const WAITING: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// How often the root file and the clock are looked at. The clock too, because a machine that was
/// suspended wakes up with timers that know nothing of the time that passed.
const LOOK: Duration = Duration::from_secs(1);

/// Why an agent did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The tasks were asked to stop before there was a certificate.
    #[error("stopped before a certificate was obtained; the last attempt: {last}")]
    Stopped {
        /// How the last attempt failed.
        last: String,
    },
}

/// How the identity stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Last second of the certificate's validity.
    pub not_after: SystemTime,
    /// When the next attempt is due.
    pub next_attempt: SystemTime,
    /// Certificates obtained so far.
    pub obtained: u64,
    /// Attempts that failed since the last success.
    pub failures: u32,
    /// Why the last attempt failed, if it did.
    pub last_error: Option<String>,
}

/// Obtains and renews. See [`Agent::start`].
pub struct Agent {
    settings: IdentitySettings,
    clock: Arc<dyn Clock>,
    roots: RootFile,
    backoff: Backoff,
    tasks: Tasks,
}

impl Agent {
    /// Waits for the first certificate, then renews in a task of `tasks`.
    ///
    /// It tries for as long as it takes, because citadel, the root file and the token may all
    /// appear later than this process. Dropping the future gives up and leaves nothing behind.
    ///
    /// # Errors
    /// [`StartError::Stopped`] when `tasks` are asked to stop before.
    pub async fn start(
        settings: IdentitySettings,
        clock: Arc<dyn Clock>,
        tasks: &Tasks,
    ) -> Result<(LiveIdentity, watch::Receiver<Status>), StartError> {
        let mut agent = Self {
            roots: RootFile::new(&settings),
            settings,
            clock,
            backoff: Backoff::new(WAITING.0, WAITING.1),
            tasks: tasks.clone(),
        };
        let identity = agent.first().await?;
        agent.backoff = Backoff::new(HELD.0, HELD.1);
        let held = Held::new(&identity, agent.clock.wall());
        let live = LiveIdentity::new(identity, agent.clock.clone());
        let (report, status) = watch::channel(held.status());
        let keep = Keep {
            agent,
            held,
            live: live.clone(),
            report,
        };
        let stopping = tasks.stopping().clone();
        tasks.spawn("identity", async move {
            stopping.run_until_cancelled(keep.run()).await;
        });
        Ok((live, status))
    }

    async fn first(&mut self) -> Result<Identity, StartError> {
        let mut last = String::from("none was made");
        let stopping = self.tasks.stopping().clone();
        loop {
            match stopping.run_until_cancelled(self.obtain()).await {
                Some(Ok(identity)) => return Ok(identity),
                Some(Err(error)) => last = error.to_string(),
                None => return Err(StartError::Stopped { last }),
            }
            let wait = self.backoff.delay(fastrand::f64());
            tracing::warn!(
                identity = %self.settings.identity(),
                error = last,
                retry_ms = wait.as_millis(),
                "no certificate yet"
            );
            // Cancelled or not, the loop's next step finds out.
            let _waited = stopping.run_until_cancelled(tokio::time::sleep(wait)).await;
        }
    }

    async fn obtain(&mut self) -> Result<Identity, ObtainError> {
        let bundle = self.roots.read()?;
        let identity = obtain::identity(&self.settings, bundle, &self.clock).await?;
        tracing::info!(
            identity = %identity.spiffe_id(),
            serial = identity.leaf().serial_hex(),
            not_after = rfc3339(identity.not_after()),
            "certificate obtained"
        );
        Ok(identity)
    }
}

/// What is known of the certificate in force.
struct Held {
    obtained_at: SystemTime,
    not_after: SystemTime,
    due: SystemTime,
    count: u64,
    failures: u32,
    last_error: Option<String>,
}

impl Held {
    fn new(identity: &Identity, now: SystemTime) -> Self {
        let mut held = Self {
            obtained_at: now,
            not_after: now,
            due: now,
            count: 0,
            failures: 0,
            last_error: None,
        };
        held.renewed(identity, now);
        held
    }

    fn renewed(&mut self, identity: &Identity, now: SystemTime) {
        self.obtained_at = now;
        self.not_after = identity.not_after();
        self.due = schedule::renew_at(now, self.not_after, fastrand::f64());
        self.count += 1;
        self.failures = 0;
        self.last_error = None;
    }

    fn failed(&mut self, error: &ObtainError, step: Duration, now: SystemTime) -> Duration {
        let wait = schedule::retry_after(step, self.obtained_at, self.not_after, now);
        self.due = now.checked_add(wait).unwrap_or(now);
        self.failures = self.failures.saturating_add(1);
        self.last_error = Some(error.to_string());
        wait
    }

    fn status(&self) -> Status {
        Status {
            not_after: self.not_after,
            next_attempt: self.due,
            obtained: self.count,
            failures: self.failures,
            last_error: self.last_error.clone(),
        }
    }
}

/// The task that renews.
struct Keep {
    agent: Agent,
    held: Held,
    live: LiveIdentity,
    report: watch::Sender<Status>,
}

impl Keep {
    async fn run(mut self) {
        loop {
            self.wait_until_due().await;
            self.renew().await;
            self.report.send_replace(self.held.status());
        }
    }

    async fn wait_until_due(&mut self) {
        loop {
            let now = self.agent.clock.wall();
            self.look_at_roots(now);
            let left = self.held.due.duration_since(now).unwrap_or_default();
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(LOOK)).await;
        }
    }

    async fn renew(&mut self) {
        let obtained = self.agent.obtain().await;
        let now = self.agent.clock.wall();
        match obtained {
            Ok(identity) => {
                self.held.renewed(&identity, now);
                self.agent.backoff.reset();
                self.live.replace(identity);
            }
            Err(error) => {
                let step = self.agent.backoff.delay(fastrand::f64());
                let wait = self.held.failed(&error, step, now);
                tracing::warn!(
                    identity = %self.agent.settings.identity(),
                    %error,
                    not_after = rfc3339(self.held.not_after),
                    retry_ms = wait.as_millis(),
                    "certificate not renewed"
                );
            }
        }
    }

    /// Takes up changed roots at once; a certificate that they do not vouch for is renewed now.
    fn look_at_roots(&mut self, now: SystemTime) {
        let bundle = match self.agent.roots.read_if_changed() {
            Ok(Some(bundle)) => bundle,
            Ok(None) => return,
            Err(error) => {
                tracing::warn!(%error, "changed roots refused, the former ones stay in force");
                return;
            }
        };
        let identity = self.live.current();
        if validate_x509_svid(identity.chain(), &bundle, Usage::Server, now).is_err() {
            self.held.due = now;
        }
        tracing::info!(roots = bundle.roots().len(), "roots changed");
        self.live.replace(identity.with_bundle(bundle));
    }
}
