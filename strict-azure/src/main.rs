//! The server as a program: `strict-azure --port N [--lengths-only] [--no-auth] [--fixed-md5]
//! [--threads n] [--delay-ms n] [--container-delete-seconds n]`.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use strict_azure::{Auth, Digests, Options, StrictAzure};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to be told if this fails.
            writeln!(io::stderr(), "strict-azure: {error}").unwrap_or_default();
            ExitCode::FAILURE
        }
    }
}

fn run() -> io::Result<()> {
    let server = StrictAzure::start(options(std::env::args().skip(1))?)?;
    writeln!(io::stdout(), "listening on {}", server.endpoint())?;
    writeln!(io::stdout(), "{}", server.connection_string())?;
    io::stdout().flush()?;
    loop {
        std::thread::park();
    }
}

fn options(mut arguments: impl Iterator<Item = String>) -> io::Result<Options> {
    // For a benchmark a container that is gone is gone.
    let mut options = Options { port: 10_000, ..Options::default() };
    options.behaviour.container_delete_time = Duration::ZERO;
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--port" => options.port = number(&argument, arguments.next())?,
            "--threads" => options.threads = number(&argument, arguments.next())?,
            "--lengths-only" => options = options.lengths_only(),
            "--no-auth" => options.auth = Auth::Off,
            "--fixed-md5" => options.digests = Digests::FixedMd5,
            "--delay-ms" => {
                let milliseconds = number(&argument, arguments.next())?;
                options.behaviour.delay = Duration::from_millis(milliseconds);
            }
            "--container-delete-seconds" => {
                let seconds = number(&argument, arguments.next())?;
                options.behaviour.container_delete_time = Duration::from_secs(seconds);
            }
            other => return Err(io::Error::other(format!("unknown argument {other}"))),
        }
    }
    Ok(options)
}

fn number<T: std::str::FromStr>(name: &str, value: Option<String>) -> io::Result<T> {
    let parsed = value.and_then(|value| value.parse().ok());
    parsed.ok_or_else(|| io::Error::other(format!("{name} wants a number")))
}
