//! Logs: one line per event on standard error, as text or JSON.

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

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
        Format::Text => lines.try_init(),
        Format::Json => lines.json().try_init(),
    };
}
