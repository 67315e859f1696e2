//! One command that says how bluebucket stands beside its rivals and beside the backend alone: every
//! gateway over the same stub, gateways on one core, load and stub on another, medians of several runs
//! that take turns.

mod crowd;
mod instructions;
mod load;
mod memory;
mod process;
mod relay;
mod request;
mod siege;
mod subject;
mod table;
mod wire;
mod workload;

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use strict_azure::{Auth, Digests, Options, StrictAzure};

use crate::process::Program;
use crate::relay::What;
use crate::subject::{Programs, Start, Subject};
use crate::table::Figures;
use crate::workload::{Cost, Workload};

/// What everything here ends with.
pub(crate) type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// What a machine that compiles as it goes is given before it is measured, at each workload.
const WARM_UP: Duration = Duration::from_secs(8);
/// And before the first of them: by far the most of it is what all workloads have in common.
const FIRST_WARM_UP: Duration = Duration::from_mins(1);

/// Measures bluebucket, the stub alone, and the rivals that are at hand.
#[derive(Debug, Parser)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
struct Arguments {
    /// Only the workloads whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// How long each run lasts, in seconds.
    #[arg(long, default_value_t = 2)]
    seconds: u64,
    /// How often each workload is run; the median counts.
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// What every answer of the stub waits, in milliseconds.
    #[arg(long, default_value_t = 0)]
    delay_ms: u64,
    /// The cores of the gateways, as taskset takes them.
    #[arg(long, default_value = "0")]
    gateway_cores: String,
    /// The cores of load and stub.
    #[arg(long, default_value = "1")]
    load_cores: String,
    /// Measures memory and start-up instead.
    #[arg(long)]
    memory: bool,
    /// Measures the memory of crowds instead; the large uploads move so many GiB in all.
    #[arg(long, value_name = "GIB")]
    crowds: Option<u64>,
    /// Measures what a caller notices of a crowd instead.
    #[arg(long)]
    siege: bool,
    /// Counts instructions instead, with valgrind.
    #[arg(long)]
    instructions: bool,
    /// Measures the gateway with TLS, too.
    #[arg(long)]
    tls: bool,
    /// Measures the gateway with one and with two worker threads, too.
    #[arg(long)]
    threads: bool,
    /// Measures what only passes on, too, bytes or HTTP: no gateway can cost less.
    #[arg(long)]
    relay: bool,
    /// Is that program, which passes this on.
    #[arg(long, hide = true, requires_all = ["here", "there"])]
    pass_on: Option<What>,
    /// Where it listens.
    #[arg(long, hide = true)]
    here: Option<SocketAddr>,
    /// Where it passes things on to.
    #[arg(long, hide = true)]
    there: Option<SocketAddr>,
    /// Another build of the gateway.
    #[arg(long)]
    bluebucket: Option<PathBuf>,
    /// versitygw's program.
    #[arg(long)]
    versitygw: Option<PathBuf>,
    /// The jar of `S3Proxy`.
    #[arg(long)]
    s3proxy: Option<PathBuf>,
    /// rclone's program.
    #[arg(long)]
    rclone: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            drop(writeln!(io::stderr(), "bench: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if let Arguments { pass_on: Some(what), here: Some(here), there: Some(there), .. } = *arguments
    {
        return runtime.block_on(relay::run(what, here, there));
    }
    process::pin_self(&arguments.load_cores)?;
    if let Some(control) = process::unusual_congestion_control() {
        let what = "every byte may cost twice what it costs with cubic, Linux's own";
        writeln!(io::stderr(), "net.ipv4.tcp_congestion_control is {control}: {what}")?;
    }
    runtime.block_on(measure(arguments))
}

async fn measure(arguments: &Arguments) -> Outcome {
    let mut options = Options { auth: Auth::Off, digests: Digests::FixedMd5, ..Options::default() }
        .lengths_only();
    options.behaviour.container_delete_time = Duration::ZERO;
    let stub = StrictAzure::start(options)?;
    let folder = std::env::temp_dir().join(format!("bluebucket-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let here = std::env::current_exe()?.with_file_name("bluebucket");
    let programs = Programs {
        bluebucket: arguments.bluebucket.clone().unwrap_or(here),
        versitygw: arguments.versitygw.clone(),
        s3proxy: arguments.s3proxy.clone(),
        rclone: arguments.rclone.clone(),
    };
    let cores = &arguments.gateway_cores;
    let start = Start { programs: &programs, stub: &stub, cores, folder: &folder };
    if let Some(gib) = arguments.crowds {
        crowds(arguments, gib, start).await?;
        return Ok(std::fs::remove_dir_all(&folder)?);
    }
    if arguments.instructions {
        instructions::table(&arguments.only, start).await?;
        return Ok(std::fs::remove_dir_all(&folder)?);
    }
    if arguments.siege {
        let text = siege::table(start, Duration::from_secs(arguments.seconds)).await?;
        write!(io::stdout(), "{text}")?;
        return Ok(std::fs::remove_dir_all(&folder)?);
    }
    let mut subjects = subjects(arguments, start).await?;
    if arguments.memory {
        write!(io::stdout(), "{}", memory_of(&subjects).await?)?;
    } else {
        stub.behave(|behaviour| behaviour.delay = Duration::from_millis(arguments.delay_ms));
        costs_of(arguments, &subjects, &stub).await?;
    }
    // Asked to, not killed: a build that counts what it runs writes its counts when it ends.
    for subject in &mut subjects {
        subject.program_mut().map_or(Ok(()), Program::end)?;
    }
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

/// All that are measured beside each other.
async fn subjects(arguments: &Arguments, start: Start<'_>) -> Outcome<Vec<Subject>> {
    let mut subjects = vec![Subject::gateway("bluebucket", start).await?];
    subjects.push(Subject::stub(start.stub).await?);
    if arguments.relay {
        subjects.push(Subject::relay(What::Bytes, start).await?);
        subjects.push(Subject::relay(What::Http, start).await?);
    }
    if arguments.tls {
        subjects.push(Subject::with_tls(start).await?);
    }
    if arguments.threads {
        subjects.push(Subject::with_threads("bluebucket-1-thread", 1, start).await?);
        subjects.push(Subject::with_threads("bluebucket-2-threads", 2, start).await?);
    }
    for (name, at) in [
        ("versitygw", &start.programs.versitygw),
        ("s3proxy", &start.programs.s3proxy),
        ("rclone", &start.programs.rclone),
    ] {
        if at.is_some() {
            subjects.push(Subject::gateway(name, start).await?);
        }
    }
    Ok(subjects)
}

/// Each crowd meets a gateway of its own.
async fn crowds(arguments: &Arguments, gib: u64, start: Start<'_>) -> Outcome {
    let mut out = io::stdout();
    writeln!(out, "| crowd | peak MiB | at most | moved MiB | seconds |\n|---|--:|--:|--:|--:|")?;
    let mut over = 0;
    for crowd in crowd::all(gib) {
        if !crowd.name.contains(&arguments.only) {
            continue;
        }
        // A crowd is one user here, who may have all the room that there is.
        let room = [("BLUEBUCKET_LIMITS_MAX_IN_FLIGHT_PER_USER", 1024)];
        let subject = Subject::besieged(start, &room).await?;
        start.stub.behave(|behaviour| behaviour.delay = crowd.delay);
        let seen = crowd.run(&subject).await;
        start.stub.behave(|behaviour| behaviour.delay = Duration::ZERO);
        let seen = seen.map_err(|error| format!("{}: {error}", crowd.name))?;
        let (peak, most, moved) = (seen.peak_mib, crowd.limit_mib, seen.moved_mib);
        let seconds = seen.took.as_secs_f64();
        writeln!(out, "| {} | {peak} | {most} | {moved} | {seconds:.1} |", crowd.name)?;
        over += usize::from(peak > most);
    }
    if over == 0 { Ok(()) } else { Err(format!("{over} above what is allowed").into()) }
}

async fn memory_of(subjects: &[Subject]) -> Outcome<String> {
    let mut held = Vec::new();
    for subject in subjects {
        if let Some(measured) = memory::measure(subject).await? {
            held.push((subject, measured));
        }
    }
    table::memory(&held)
}

async fn costs_of(arguments: &Arguments, subjects: &[Subject], stub: &StrictAzure) -> Outcome {
    let time = Duration::from_secs(arguments.seconds);
    write!(io::stdout(), "{}", table::head_of_costs(subjects)?)?;
    for program in subjects.iter().filter_map(Subject::program) {
        program.pause()?;
    }
    let mut warm_up = FIRST_WARM_UP;
    for workload in workload::ALL {
        if !workload.name.contains(&arguments.only) {
            continue;
        }
        for subject in subjects.iter().filter(|subject| subject.warms_up()) {
            cost_of(workload, subject, stub, warm_up).await?;
        }
        warm_up = WARM_UP;
        let mut costs: Vec<Vec<Cost>> = subjects.iter().map(|_| Vec::new()).collect();
        for run in 0..arguments.runs {
            // What a subject could not do once is not tried again: it may have taken minutes.
            let able = subjects.iter().zip(&mut costs).filter(|(_, costs)| costs.len() == run);
            for (subject, costs) in able {
                costs.extend(cost_of(workload, subject, stub, time).await?);
            }
        }
        let figures: Vec<_> = costs.iter().map(|costs| Figures::median(&workload, costs)).collect();
        // A row at a time: a run of an hour that is ended has said what it saw.
        write!(io::stdout(), "{}", table::row_of_costs(&workload, subjects, &figures)?)?;
    }
    Ok(())
}

/// One run, while the others are paused: they share its core, and collect garbage, compile or go on with what
/// nobody waits for any more. A subject that cannot do a thing does not end the others' runs.
async fn cost_of(
    workload: Workload,
    subject: &Subject,
    stub: &StrictAzure,
    time: Duration,
) -> Outcome<Option<Cost>> {
    subject.program().map_or(Ok(()), Program::go_on)?;
    let ran = workload.run(subject, stub, time).await;
    subject.program().map_or(Ok(()), Program::pause)?;
    match ran {
        Ok(cost) => Ok(Some(cost)),
        Err(error) => {
            writeln!(io::stderr(), "{}: {}: {error}", subject.name, workload.name)?;
            Ok(None)
        }
    }
}
