//! How long a megabyte of several streams takes, in the lanes of this machine. Lesser vectors than it has are tried
//! with `RUSTFLAGS='--cfg disable_dispatch_avx512'`, and so on (the crate `fearless_simd`).

use std::io::{self, Write as _};
use std::time::Instant;

use bytes::Bytes;
use md5_lanes::{Lanes, State, Stream};

const STREAM_BYTES: usize = 4 * 1024 * 1024;
const RUNS: usize = 15;

#[expect(clippy::cast_precision_loss, reason = "some megabytes")]
fn main() -> io::Result<()> {
    let lanes = Lanes::new();
    writeln!(io::stdout(), "{} lanes\n\n| streams | ms/MB |\n|---|--:|", lanes.count())?;
    for count in [1, 2, 4, 8, 16] {
        let bodies = vec![Bytes::from(vec![0x5a; STREAM_BYTES]); count];
        let mut taken = Vec::new();
        for _ in 0..RUNS {
            let of = |body: &Bytes| Stream::new(State::default(), [body.clone()]);
            let mut streams: Vec<_> = bodies.iter().map(of).collect();
            let begun = Instant::now();
            lanes.digest(&mut streams, usize::MAX);
            taken.push(begun.elapsed());
        }
        taken.sort_unstable();
        let median = taken.get(RUNS / 2).map_or(0.0, std::time::Duration::as_secs_f64);
        let megabytes = (count * STREAM_BYTES) as f64 / 1e6;
        writeln!(io::stdout(), "| {count} | {:.2} |", median * 1e3 / megabytes)?;
    }
    Ok(())
}
