//! The fault bench: many clients, several gateways as processes of their own, a proxy of bad days before
//! each, and an oracle that knows after every answer what may be there. `cargo test` runs it short; the
//! long run is a command of its own (CONTRIBUTING.md).
//!
//! What must not be, by the first word of a fault: LOST (an acknowledged write is not there, or an older
//! one is back), PARTIAL, MIXED, CHANGED (bytes that nobody wrote), FALSE SUCCESS, FALSE 412, FALSE
//! REFUSAL (refused and yet done, or refused without reason), FALSE ETAG, MADE UP.

mod history;
mod own;
mod phases;
mod values;
mod weather;
mod worker;
pub(super) mod world;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use phases::Report;
use worker::Persistence;
use world::World;

use crate::harness::{azurite_address, backend_address, environment, strict};

/// Gateways of one run.
const GATEWAYS: usize = 3;
/// Keys that all clients write.
const SHARED: usize = 4;
/// The seed of a run that names none.
const SEED: u64 = 5;

/// How much is done.
#[derive(Clone, Copy, Debug)]
struct Size {
    faulted: u64,
    kills: u64,
    rounds: u64,
    racers: u16,
    flips: u64,
}

impl Report {
    /// Says what it came to, and fails if something was that must not be.
    #[expect(clippy::print_stdout, reason = "a long run is for its figures")]
    fn close(self, name: &str, begun: Instant) {
        let Self { tally, figures } = self;
        println!("-- {name}: {:.1} s", begun.elapsed().as_secs_f64());
        for (figure, number) in figures {
            println!("   {number:>9}  {figure}");
        }
        println!("                 done   refused   unknown");
        for (what, [done, refused, unknown]) in &tally.asked {
            println!("   {done:>18} {refused:>9} {unknown:>9}  {what}");
        }
        println!("   {:>9}  writes without an answer that came late", tally.late);
        println!("   {:>9.1}  seconds for the slowest answer", tally.slowest.as_secs_f64());
        println!("   {:>9}  faults", tally.faulty);
        assert!(tally.faulty == 0, "{name}:\n{}", tally.faults.join("\n"));
    }
}

async fn world(backend: SocketAddr) -> std::sync::Arc<World> {
    World::start(backend, GATEWAYS, SHARED).await
}

async fn storm(backend: SocketAddr, size: Size, persistence: Persistence) {
    let begun = Instant::now();
    let most = Duration::from_secs(number("FAULTS_SECONDS", 24 * 60 * 60));
    let world = world(backend).await;
    let report = phases::storm(&world, seed(), (size.faulted, most), persistence).await;
    assert_eq!(report.tally.late, 0, "no gateway died, so none may work on after its answer");
    assert!(
        report.tally.done() > report.tally.operations() / 2,
        "it is about what is acknowledged"
    );
    report.close("storm", begun);
}

async fn kills(backend: SocketAddr, size: Size) {
    let begun = Instant::now();
    phases::kills(&world(backend).await, seed(), size.kills).await.close("SIGKILLs", begun);
}

async fn races(backend: SocketAddr, size: Size) {
    let begun = Instant::now();
    let world = world(backend).await;
    phases::races(&world, seed(), size.rounds, size.racers).await.close("races", begun);
}

async fn flips(backend: SocketAddr, size: Size) {
    let begun = Instant::now();
    phases::flips(&world(backend).await, seed(), size.flips).await.close("flipped bytes", begun);
}

/// The seed of this run.
fn seed() -> u64 {
    number("FAULTS_SEED", SEED)
}

fn number<T: std::str::FromStr>(name: &str, or: T) -> T {
    environment(name).map_or(or, |text| text.parse().ok().expect("a number"))
}

/// As much as fits into a few seconds.
const SHORT: Size = Size { faulted: 1500, kills: 20, rounds: 20, racers: 50, flips: 200 };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_in_a_storm() {
    storm(strict().address(), SHORT, Persistence::GiveUp).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_in_a_storm_over_azurite() {
    storm(azurite_address(), Size { faulted: 300, ..SHORT }, Persistence::GiveUp).await;
}

/// F02
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f02_nothing_is_lost_when_gateways_die() {
    kills(backend_address(), SHORT).await;
}

/// F22, F23, F24
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f22_f23_f24_of_fifty_racers_one_wins_whatever_answers_are_lost() {
    races(backend_address(), SHORT).await;
}

/// F08
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f08_no_flipped_byte_is_committed() {
    flips(backend_address(), SHORT).await;
}

/// The long run: what issue it answers, and how long it takes, is in CONTRIBUTING.md.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes an hour; the short form always runs, docs/faults.md says how to run this one"]
async fn long_run() {
    let size = Size {
        faulted: number("FAULTS_FAULTED", 100_000),
        kills: number("FAULTS_KILLS", 500),
        rounds: number("FAULTS_ROUNDS", 1000),
        racers: number("FAULTS_RACERS", 50),
        flips: number("FAULTS_FLIPS", 10_000),
    };
    let begun = Instant::now();
    let backend = backend_address();
    let name = environment("BACKEND").unwrap_or_else(|| "azurite".to_owned());
    println!("== backend {name}, seed {}, {size:?}", seed());
    if size.rounds > 0 {
        races(backend, size).await;
    }
    if size.flips > 0 {
        flips(backend, size).await;
    }
    if size.kills > 0 {
        kills(backend, size).await;
    }
    if size.faulted > 0 {
        storm(backend, size, Persistence::AskAgain).await;
    }
    println!("== {:.0} s, and nothing that must not be", begun.elapsed().as_secs_f64());
}
