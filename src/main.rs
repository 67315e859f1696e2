//! The executable: reads command line and environment, runs the command, gives its exit code.

use std::process::ExitCode;

use bluebucket::server::commands;
use bluebucket::server::config::Environment;
use bluebucket::server::config::arguments::Arguments;
use bluebucket::server::output::complain;
use clap::Parser;

/// Requests are many small allocations on every thread. musl, which the image is built on, takes one lock for
/// each: a small GET costs 2.5 times as much with it. glibc's allocator is left in its place: `bench/README.md`
/// has both beside each other, and why.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // A variable that is no Unicode is none of ours.
    let environment =
        Environment::new(std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        }));
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(commands::run(arguments, environment)),
        Err(error) => {
            complain(format!("bluebucket: no runtime: {error}"));
            ExitCode::FAILURE
        }
    }
}
