//! How long a process that was asked to stop stays. Pure.

use std::time::Duration;

use clap::{ArgAction, Args};
use mesh_runtime::settings::parse_duration;

/// How it ends, as set on the command line.
#[derive(Debug, Clone, Args)]
pub struct DrainFlags {
    /// How long connections may finish after SIGTERM, or after their listener has gone.
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = parse_duration)]
    pub drain_time: Duration,
    /// How long the proxy serves after SIGTERM though no connection is open.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = parse_duration)]
    pub minimum_drain_duration: Duration,
    /// Whether the proxy waits after SIGTERM for the last connection, however long that takes.
    #[arg(long, value_name = "BOOL", default_value_t = false, action = ArgAction::Set)]
    pub exit_on_zero_active_connections: bool,
}

/// How it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DrainSettings {
    /// How long connections may finish until idle ones are closed.
    pub time: Duration,
    /// How long the process stays though none is open.
    pub minimum: Duration,
    /// How long it stays after that while some are.
    pub then: Duration,
}

impl From<DrainFlags> for DrainSettings {
    fn from(flags: DrainFlags) -> Self {
        let (time, minimum) = (flags.drain_time, flags.minimum_drain_duration);
        Self {
            time,
            minimum,
            then: match flags.exit_on_zero_active_connections {
                // istio: whoever stopped us says by SIGKILL that it was long enough.
                true => Duration::MAX,
                false => time.saturating_sub(minimum),
            },
        }
    }
}
