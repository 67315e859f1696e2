//! What a gateway holds at its peak when very many come at once: the figures of `docs/limits.md`. Each
//! crowd meets a gateway that has just been started.

use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::task::JoinSet;

use crate::Outcome;
use crate::load::once;
use crate::process::Program;
use crate::request::{Payload, Request};
use crate::subject::Subject;
use crate::wire::Wire;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;
/// What a client writes at once.
const PIECE_BYTES: u64 = 256 * KIB;

/// One crowd.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crowd {
    /// What it does.
    pub(crate) name: &'static str,
    /// The most that the gateway may hold, in MiB.
    pub(crate) limit_mib: u64,
    /// How long the stub waits with each answer.
    pub(crate) delay: Duration,
    what: What,
}

#[derive(Clone, Copy, Debug)]
enum What {
    /// So many PUTs of 5 GiB, of which so many bytes each are sent.
    LargePuts(usize, u64),
    /// So many PUTs of so many bytes, a piece of each in turn.
    SlowPuts(usize, u64),
    /// So many GETs of an object of so many bytes, read to the end.
    Gets(usize, u64),
    /// So many GETs of an object of so many bytes, of which each takes 100 KB a second, so long.
    SlowGets(usize, u64, u64),
    /// So many connections that have asked once.
    Idle(usize),
}

/// All of them; `gib` is what the large PUTs send in all.
pub(crate) fn all(gib: u64) -> Vec<Crowd> {
    let crowd = |name, limit_mib, what| Crowd { name, limit_mib, delay: Duration::ZERO, what };
    let slow = Duration::from_millis(50);
    let large = crowd("64 PUTs of 5 GiB", 384, What::LargePuts(64, gib * GIB / 64));
    vec![
        Crowd { delay: slow, ..large },
        crowd("256 slow writers", 384, What::SlowPuts(256, 8 * MIB)),
        crowd("1,000 GETs", 384, What::Gets(1000, 24 * MIB)),
        crowd("256 slow readers", 128, What::SlowGets(256, GIB, 20)),
        crowd("10,000 idle connections", 300, What::Idle(10_000)),
    ]
}

/// What was seen of a crowd.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    /// Resident memory at its peak, in MiB.
    pub(crate) peak_mib: u64,
    /// How many bytes went through, in MiB.
    pub(crate) moved_mib: u64,
    /// How long it took.
    pub(crate) took: Duration,
}

impl Crowd {
    /// Lets the crowd in.
    pub(crate) async fn run(&self, subject: &Subject) -> Outcome<Seen> {
        let program = subject.program().ok_or("no program")?;
        let begun = Instant::now();
        let moved = match self.what {
            What::LargePuts(count, bytes) => large_puts(subject, count, bytes).await?,
            What::SlowPuts(count, bytes) => slow_puts(subject, count, bytes).await?,
            What::Gets(count, bytes) => gets(subject, program, count, bytes).await?,
            What::SlowGets(count, bytes, seconds) => {
                slow_gets(subject, program, (count, bytes), seconds).await?
            }
            What::Idle(count) => idle(subject, count).await?,
        };
        let peak_mib = program.memory()?.1 / KIB;
        Ok(Seen { peak_mib, moved_mib: moved / MIB, took: begun.elapsed() })
    }
}

/// Bodies that are longer than what is sent of them.
async fn large_puts(subject: &Subject, count: usize, bytes: u64) -> Outcome<u64> {
    let piece = Bytes::from(vec![b'x'; usize::try_from(PIECE_BYTES)?]);
    let mut open = JoinSet::new();
    for number in 0..count {
        let put = announced(subject, &format!("large-{number}"), 5 * GIB)?;
        let (at, piece) = (subject.at.clone(), piece.clone());
        open.spawn(async move {
            let mut wire = Wire::connect(&at).await?;
            wire.send(&put).await?;
            for _ in 0..bytes / PIECE_BYTES {
                wire.write(&piece).await?;
            }
            Outcome::Ok(bytes)
        });
    }
    let mut moved = 0;
    while let Some(sent) = open.join_next().await {
        moved += sent??;
    }
    Ok(moved)
}

async fn slow_puts(subject: &Subject, count: usize, bytes: u64) -> Outcome<u64> {
    let piece = vec![b'x'; usize::try_from(64 * KIB)?];
    let mut wires = Vec::new();
    for number in 0..count {
        let mut wire = Wire::connect(&subject.at).await?;
        wire.send(&announced(subject, &format!("slow-{number}"), bytes)?).await?;
        wires.push(wire);
    }
    for _ in 0..bytes / (64 * KIB) {
        for wire in &mut wires {
            wire.write(&piece).await?;
        }
    }
    for wire in &mut wires {
        let answer = wire.read().await?;
        if answer.status != 200 {
            return Err(format!("a slow writer was answered {}", answer.status).into());
        }
    }
    Ok(u64::try_from(count)? * bytes)
}

async fn gets(subject: &Subject, program: &Program, count: usize, bytes: u64) -> Outcome<u64> {
    put(subject, "object", bytes).await?;
    program.reset_peak()?;
    let get = subject.object("GET", "object", Bytes::new(), Payload::Signed)?;
    let mut open = JoinSet::new();
    for _ in 0..count {
        let (at, get) = (subject.at.clone(), get.clone());
        open.spawn(async move { once(&at, &get).await });
    }
    let mut moved = 0;
    while let Some(answer) = open.join_next().await {
        let answer = answer??;
        if answer.status != 200 || answer.length != bytes {
            return Err(format!("{} with {} bytes", answer.status, answer.length).into());
        }
        moved += answer.length;
    }
    Ok(moved)
}

async fn slow_gets(
    subject: &Subject,
    program: &Program,
    (count, bytes): (usize, u64),
    seconds: u64,
) -> Outcome<u64> {
    put(subject, "object", bytes).await?;
    program.reset_peak()?;
    let get = subject.object("GET", "object", Bytes::new(), Payload::Signed)?;
    let mut wires = Vec::new();
    for _ in 0..count {
        let mut wire = Wire::connect(&subject.at).await?;
        wire.send(&get).await?;
        wires.push(wire);
    }
    let mut moved = 0;
    let begun = Instant::now();
    for tenth in 1..=seconds * 10 {
        for wire in &mut wires {
            moved += u64::try_from(wire.sip(10_000).await?)?;
        }
        let next = begun + Duration::from_millis(100 * tenth);
        tokio::time::sleep_until(next.into()).await;
    }
    Ok(moved)
}

async fn idle(subject: &Subject, count: usize) -> Outcome<u64> {
    let head = subject.request("HEAD", "", Bytes::new(), Payload::Signed)?;
    let mut wires = Vec::new();
    for _ in 0..count {
        let mut wire = Wire::connect(&subject.at).await?;
        wire.exchange(&head).await?;
        wires.push(wire);
    }
    Ok(0)
}

async fn put(subject: &Subject, key: &str, bytes: u64) -> Outcome {
    let piece = vec![b'x'; usize::try_from(PIECE_BYTES)?];
    let mut wire = Wire::connect(&subject.at).await?;
    wire.send(&announced(subject, key, bytes)?).await?;
    for _ in 0..bytes / PIECE_BYTES {
        wire.write(&piece).await?;
    }
    let answer = wire.read().await?;
    if answer.status == 200 { Ok(()) } else { Err(format!("PUT: {}", answer.status).into()) }
}

/// The head of a PUT whose body of so many bytes follows.
fn announced(subject: &Subject, key: &str, bytes: u64) -> Outcome<Request> {
    let put = subject.object("PUT", key, Bytes::new(), Payload::Unsigned)?;
    let head = String::from_utf8(put.head.to_vec())?;
    let head = head.replace("content-length: 0\r\n", &format!("content-length: {bytes}\r\n"));
    Ok(Request { head: head.into(), ..put })
}
