//! Where log lines go: to standard error, as text on a terminal and else as JSON, one object a line.

use std::io::{self, IsTerminal};

use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::server::config::{LogConfig, LogFormat};

/// Takes the log over for the rest of the process.
pub fn start(log: &LogConfig) -> Result<(), String> {
    let filter: EnvFilter =
        log.filter.parse().map_err(|error| format!("log filter {:?}: {error}", log.filter))?;
    let on_terminal = io::stderr().is_terminal();
    let by_default = if on_terminal { LogFormat::Text } else { LogFormat::Json };
    let lines = fmt::layer().with_writer(io::stderr);
    let registry = tracing_subscriber::registry().with(filter);
    let started = match log.format.unwrap_or(by_default) {
        LogFormat::Text => registry.with(lines.with_ansi(on_terminal)).try_init(),
        LogFormat::Json => {
            registry.with(lines.json().flatten_event(true).with_current_span(true)).try_init()
        }
    };
    started.map_err(|error| error.to_string())
}
