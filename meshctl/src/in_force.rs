//! Waiting until a change is in force in every proxy.

use std::net::SocketAddr;
use std::time::Duration;

use mesh_api::Object;
use mesh_model::name::ResourceKey;
use mesh_model::time::Clock;
use mesh_runtime::SystemClock;

use crate::error::CommandError;
use crate::target::ConfigStatus;
use crate::ui::Ui;

/// Between two questions to pilot.
const PAUSE: Duration = Duration::from_millis(4);

/// A change that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    /// Which object.
    key: ResourceKey,
    /// The digest of what it shall be; nothing when it shall be gone.
    content: Option<String>,
}

impl Change {
    /// The object shall be as it is here.
    pub(crate) fn put(object: &Object) -> Self {
        Self {
            key: object.key.clone(),
            content: Some(object.content_hash()),
        }
    }

    /// The object shall be gone.
    pub(crate) fn gone(key: ResourceKey) -> Self {
        Self { key, content: None }
    }
}

/// What pilot's page says of changes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    /// Every proxy has them.
    InForce,
    /// Pilot does not use what was written, for this reason.
    SetAside(String),
    /// Not yet, because of this.
    Waiting(String),
}

/// Waits until every proxy has the changes; without pilot that is later than now.
///
/// # Errors
/// When pilot sets one of them aside, or the time is over.
pub(crate) async fn wait(
    pilot: Option<SocketAddr>,
    changes: &[Change],
    patience: Duration,
    ui: &Ui,
) -> Result<(), CommandError> {
    let began = SystemClock.now();
    loop {
        let answer = match pilot {
            Some(pilot) => ConfigStatus::ask(pilot).await,
            None => None,
        };
        let Some(status) = answer else {
            ui.warning("saved; pilot is not running, it will take effect when it is back");
            return Ok(());
        };
        let waiting = match judge(&status, changes) {
            Verdict::InForce => return Ok(()),
            Verdict::SetAside(why) => return Err(CommandError::problem(why)),
            Verdict::Waiting(on) => on,
        };
        if SystemClock.now().duration_since(began) >= patience {
            let seconds = patience.as_secs_f64();
            let error = format!("saved, but not in force everywhere after {seconds} s: {waiting}");
            let hint = "`meshctl status` and `meshctl logs pilot` may say why";
            return Err(CommandError::problem(error).hint(hint));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn judge(status: &ConfigStatus, changes: &[Change]) -> Verdict {
    let mut aside = Vec::new();
    for Change { key, content } in changes {
        let found = status.object(key);
        if found.map(|object| &object.content) != content.as_ref() {
            return Verdict::Waiting(format!("pilot has not read {key}"));
        }
        if let Some(object) = found.filter(|object| !object.is_in_force()) {
            aside.push(format!("{key}: {}: {}", object.state, object.why(key)));
        }
    }
    if !aside.is_empty() {
        return Verdict::SetAside(aside.join("\n"));
    }
    let late = status.proxies.iter().filter(|proxy| !proxy.synced);
    let late: Vec<String> = late
        .map(|proxy| match &proxy.error {
            Some(error) => format!("{} refused it: {error}", proxy.proxy),
            None => format!("{} has not got it", proxy.proxy),
        })
        .collect();
    if late.is_empty() {
        Verdict::InForce
    } else {
        Verdict::Waiting(late.join(", "))
    }
}

#[cfg(test)]
mod tests;
