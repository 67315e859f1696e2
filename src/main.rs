//! The executable: reads command line and environment, runs the command, gives its exit code.

use std::process::ExitCode;

use bluebucket::server::commands;
use bluebucket::server::config::Environment;
use bluebucket::server::config::arguments::Arguments;
use bluebucket::server::output::complain;
use clap::Parser;

/// Requests are many small allocations on every thread. With jemalloc they cost a seventh less than with glibc's
/// allocator; musl's takes one lock for each, and a small GET costs 2.5 times as much. `bench/README.md` has those
/// that were tried. How long it keeps what is free is said in `.cargo/config.toml`.
#[cfg(any(feature = "jemalloc", target_env = "musl"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Of the memory that glibc's heaps do not use, each keeps twice as much, in bytes.
#[cfg(all(target_env = "gnu", not(feature = "jemalloc")))]
const LARGE_BYTES: usize = 8 * 1024 * 1024;

/// glibc gives memory back once more of it is free than twice the largest block that it has ever mapped alone. A
/// part of an upload is larger than that, and would have its pages made anew each time, a fifth of what it costs. So
/// it is shown a large block. <https://man7.org/linux/man-pages/man3/mallopt.3.html>, `M_MMAP_THRESHOLD`
#[cfg(all(target_env = "gnu", not(feature = "jemalloc")))]
fn keep_memory() {
    drop(std::hint::black_box(Vec::<u8>::with_capacity(LARGE_BYTES)));
}

fn main() -> ExitCode {
    #[cfg(all(target_env = "gnu", not(feature = "jemalloc")))]
    keep_memory();
    let arguments = Arguments::parse();
    // A variable that is no Unicode is none of ours.
    let environment =
        Environment::new(std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        }));
    // What serves on other threads has runtimes of its own: `server/threads.rs`.
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(commands::run(arguments, environment)),
        Err(error) => {
            complain(format!("bluebucket: no runtime: {error}"));
            ExitCode::FAILURE
        }
    }
}
