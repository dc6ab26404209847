//! Logs: one line per event on standard error, as text or JSON.

use std::sync::OnceLock;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::reload::Handle;

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For machines.
    Json,
}

/// The flags of every process that logs.
#[derive(Debug, Clone, clap::Args)]
pub struct LogFlags {
    /// What is logged: error, warn, info, debug, trace, or a list of target=level
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub log_level: String,
    /// How log lines look
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    pub log_format: Format,
}

impl LogFlags {
    /// Starts logging as the flags say.
    pub fn start(&self) {
        start(&self.log_level, self.log_format);
    }
}

/// Starts logging at `level` (`error`, `warn`, `info`, `debug`, `trace`, or a list of
/// `target=level`). A second call changes nothing.
pub fn start(level: &str, format: Format) {
    let filter = EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_target(true);
    // Fails only when a subscriber is in place already, as in tests that run several processes' code.
    let _already = match format {
        Format::Text => {
            let lines = lines.with_filter_reloading();
            let handle = lines.reload_handle();
            lines.try_init().map(|()| follow(handle))
        }
        Format::Json => {
            let lines = lines.json().with_filter_reloading();
            let handle = lines.reload_handle();
            lines.try_init().map(|()| follow(handle))
        }
    };
}

/// The filter of the process's log, which there is but one of.
static FILTER: OnceLock<Box<dyn Filter>> = OnceLock::new();

/// A filter that can be changed while it is in use.
trait Filter: Send + Sync {
    fn set(&self, filter: EnvFilter) -> Result<(), String>;
    fn text(&self) -> Option<String>;
}

impl<S: 'static> Filter for Handle<EnvFilter, S> {
    fn set(&self, filter: EnvFilter) -> Result<(), String> {
        self.reload(filter).map_err(|error| error.to_string())
    }

    fn text(&self) -> Option<String> {
        self.with_current(ToString::to_string).ok()
    }
}

fn follow<S: 'static>(handle: Handle<EnvFilter, S>) {
    // Logging is started once.
    let _first = FILTER.set(Box::new(handle));
}

/// Changes what is logged: a level, or a list of `target=level`.
///
/// # Errors
/// What is wrong with it; nothing has changed then.
pub fn set(level: &str) -> Result<(), String> {
    let filter = EnvFilter::try_new(level).map_err(|error| error.to_string())?;
    let log = FILTER.get().ok_or("the log was not started")?;
    log.set(filter)
}

/// What is logged now.
#[must_use]
pub fn level() -> Option<String> {
    FILTER.get().and_then(|filter| filter.text())
}
