//! What a request costs in instructions of the gateway: the same on a busy machine as on a quiet one, so
//! that a change for the worse shows. Counted by valgrind's callgrind, which has to be installed.
//!
//! A gateway answers a few requests of a kind, another one many; what they differ by is what the
//! requests between cost.

use std::io::{self, Write as _};
use std::sync::Arc;

use crate::Outcome;
use crate::load::{self, Until};
use crate::subject::{Start, Subject};
use crate::workload::{Kind, Workload};

/// How many requests the two gateways answer.
const FEW: usize = 64;
const MANY: usize = 192;
/// The same of what is as large as a page of a listing, or larger.
const FEW_LARGE: usize = 4;
const MANY_LARGE: usize = 12;

/// Counts each workload whose name contains `only`, over one connection, and prints a table.
pub(crate) async fn table(only: &str, start: Start<'_>) -> Outcome {
    let mut out = io::stdout();
    writeln!(out, "| a request | thousand instructions |\n|---|--:|")?;
    for workload in crate::workload::ALL {
        let repeats_another = workload.name.contains("connection");
        let counted = !matches!(workload.kind, Kind::Multipart | Kind::Delete);
        if !counted || repeats_another || !workload.name.contains(only) {
            continue;
        }
        let large = workload.is_large() || matches!(workload.kind, Kind::List { .. });
        let (few, many) = if large { (FEW_LARGE, MANY_LARGE) } else { (FEW, MANY) };
        let less = count(&workload, few, start).await?;
        let more = count(&workload, many, start).await?;
        let each = more.saturating_sub(less) / u64::try_from(many - few)?;
        writeln!(out, "| {} | {} |", workload.name, each / 1000)?;
    }
    Ok(())
}

/// The instructions of a gateway from its start to its end, with so many requests in between.
async fn count(workload: &Workload, requests: usize, start: Start<'_>) -> Outcome<u64> {
    let counts = start.folder.join("callgrind.out");
    let mut subject = Subject::counted(start, &counts).await?;
    let prepared = workload.prepare(&subject, start.stub).await?;
    load::run(&subject.at, Arc::new(prepared), 1, Until::Sent(requests)).await?;
    let program = subject.program_mut().ok_or("no program")?;
    program.end()?;
    collected(&std::fs::read_to_string(start.folder.join("bluebucket.log"))?)
}

/// What callgrind says at its end: `==17== Collected : 83219`.
fn collected(log: &str) -> Outcome<u64> {
    let counts = log.lines().filter_map(|line| line.split_once("Collected : "));
    let total = counts.filter_map(|(_, count)| count.trim().parse::<u64>().ok()).sum();
    if total == 0 { Err("valgrind counted nothing: is it installed?".into()) } else { Ok(total) }
}
