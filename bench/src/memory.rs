//! What a gateway holds: idle, under large uploads, for slow readers, for idle connections.

use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinSet;

use crate::Outcome;
use crate::load::once;
use crate::process::Program;
use crate::request::Payload;
use crate::subject::Subject;
use crate::wire::Wire;
use crate::workload::noise;

const MIB: usize = 1024 * 1024;
/// Parts that are sent at once.
const PARTS: usize = 8;
/// Readers that take so much in each step.
const READERS: usize = 64;
const SIP_BYTES: usize = 10 * 1024;
const SIP_STEP: Duration = Duration::from_millis(100);
const SIPS: u32 = 50;
/// Connections that do nothing.
const IDLE: usize = 2000;
/// They come so many at a time, and then rest.
const COME: usize = 250;
/// How long a gateway may take to give memory back before it is looked at.
const SETTLE: Duration = Duration::from_millis(1500);

/// All in KiB.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Held {
    /// Before the first object.
    pub(crate) idle: u64,
    /// At the peak, with eight parts of 64 MiB at once.
    pub(crate) parts_peak: u64,
    /// Before slow readers come, and at their peak.
    pub(crate) readers: (u64, u64),
    /// For each idle connection.
    pub(crate) idle_connection: u64,
}

/// Measures a gateway that has just been started.
pub(crate) async fn measure(subject: &Subject) -> Outcome<Option<Held>> {
    let Some(program) = subject.program().filter(|_| !subject.is_azure()) else { return Ok(None) };
    let mut held = Held { idle: program.memory()?.0, ..Held::default() };
    held.idle_connection = idle_connections(subject, program).await?;
    held.readers = slow_readers(subject, program).await?;
    held.parts_peak = parts(subject, program).await?;
    Ok(Some(held))
}

async fn parts(subject: &Subject, program: &Program) -> Outcome<u64> {
    let create = subject.request("POST", "/held?uploads=", Bytes::new(), Payload::Signed)?;
    let answer = once(&subject.at, &create).await?;
    let text = String::from_utf8_lossy(&answer.start).into_owned();
    let id = text.split("UploadId>").nth(1).and_then(|rest| rest.split('<').next());
    let id = id.ok_or("no UploadId")?;
    let body = noise(64 * MIB);
    program.reset_peak()?;
    let mut open = JoinSet::new();
    for number in 1..=PARTS {
        let target = format!("/held?partNumber={number}&uploadId={id}");
        let part = subject.request("PUT", &target, body.clone(), Payload::Unsigned)?;
        let at = subject.at.clone();
        open.spawn(async move { once(&at, &part).await });
    }
    while let Some(done) = open.join_next().await {
        done??;
    }
    Ok(program.memory()?.1)
}

async fn slow_readers(subject: &Subject, program: &Program) -> Outcome<(u64, u64)> {
    let put = subject.object("PUT", "slow", noise(64 * MIB), Payload::Unsigned)?;
    once(&subject.at, &put).await?;
    tokio::time::sleep(SETTLE).await;
    let before = program.memory()?.0;
    program.reset_peak()?;
    let get = subject.object("GET", "slow", Bytes::new(), Payload::Signed)?;
    let mut wires = Vec::new();
    for _ in 0..READERS {
        let mut wire = Wire::connect(&subject.at).await?;
        wire.send(&get).await?;
        wires.push(wire);
    }
    for _ in 0..SIPS {
        for wire in &mut wires {
            wire.sip(SIP_BYTES).await?;
        }
        tokio::time::sleep(SIP_STEP).await;
    }
    Ok((before, program.memory()?.1))
}

async fn idle_connections(subject: &Subject, program: &Program) -> Outcome<u64> {
    let head = subject.request("HEAD", "", Bytes::new(), Payload::Signed)?;
    once(&subject.at, &head).await?;
    let before = program.memory()?.0;
    let mut wires = Vec::new();
    for _ in 0..IDLE {
        let mut wire = Wire::connect(&subject.at).await?;
        wire.exchange(&head).await?;
        wires.push(wire);
        if wires.len() % COME == 0 {
            tokio::time::sleep(SETTLE).await;
        }
    }
    let after = program.memory()?.0;
    Ok(after.saturating_sub(before) / u64::try_from(IDLE)?)
}
