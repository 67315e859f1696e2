//! The tables, in Markdown: medians, and ratios to the best rival.

use std::fmt::Write as _;

use crate::Outcome;
use crate::memory::Held;
use crate::subject::Subject;
use crate::workload::{Cost, Workload};

/// What stands in a cell, as a median of several runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    /// CPU: microseconds a request, or milliseconds a megabyte.
    cpu: f64,
    /// Requests, or megabytes, a second.
    rate: f64,
    /// Milliseconds.
    p50: f64,
    p99: f64,
    /// Azure requests for each S3 request.
    azure: f64,
}

impl Figures {
    /// The medians of several runs of `workload`.
    pub(crate) fn median(workload: &Workload, costs: &[Cost]) -> Option<Self> {
        let of = |value: fn(&Cost, bool) -> f64| {
            let mut values: Vec<f64> =
                costs.iter().map(|cost| value(cost, workload.is_large())).collect();
            values.sort_unstable_by(f64::total_cmp);
            values.get(values.len() / 2).copied()
        };
        Some(Self {
            cpu: of(|cost, is_large| {
                let seconds = cost.cpu.as_secs_f64();
                if is_large {
                    seconds * 1e3 / megabytes(cost)
                } else {
                    seconds * 1e6 / requests(cost)
                }
            })?,
            rate: of(|cost, is_large| {
                let done = if is_large { megabytes(cost) } else { requests(cost) };
                done / cost.taken.elapsed.as_secs_f64()
            })?,
            p50: of(|cost, _| cost.taken.percentile(0.5).as_secs_f64() * 1e3)?,
            p99: of(|cost, _| cost.taken.percentile(0.99).as_secs_f64() * 1e3)?,
            azure: of(|cost, _| float(cost.azure) / requests(cost))?,
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of a benchmark")]
const fn float(count: u64) -> f64 {
    count as f64
}

fn megabytes(cost: &Cost) -> f64 {
    float(cost.taken.bytes) / 1e6
}

fn requests(cost: &Cost) -> f64 {
    float(u64::try_from(cost.taken.latencies.len()).unwrap_or(u64::MAX))
}

/// The head of the table of costs. The first subject is ours.
pub(crate) fn head_of_costs(subjects: &[Subject]) -> Outcome<String> {
    let mut out = String::new();
    write!(out, "| CPU (rate; p50, p99 ms; Azure requests) |")?;
    for subject in subjects {
        write!(out, " {} |", subject.name)?;
    }
    writeln!(out, " best rival ÷ ours |")?;
    writeln!(out, "|---{}|---|", "|---".repeat(subjects.len()))?;
    Ok(out)
}

/// One row: a workload and what each subject, in their order, made of it; none where it failed.
pub(crate) fn row_of_costs(
    workload: &Workload,
    subjects: &[Subject],
    figures: &[Option<Figures>],
) -> Outcome<String> {
    let mut out = String::new();
    let (unit, rate) = if workload.is_large() { ("ms/MB", "MB/s") } else { ("µs", "/s") };
    write!(out, "| {} |", workload.name)?;
    for figures in figures {
        match figures {
            None => write!(out, " fails |")?,
            Some(f) => write!(
                out,
                " {:.2} {unit} ({:.0} {rate}; {:.2}, {:.2}; {:.1}) |",
                f.cpu, f.rate, f.p50, f.p99, f.azure
            )?,
        }
    }
    let ours = figures.first().copied().flatten();
    let rivals = subjects.iter().zip(figures).filter(|(subject, _)| subject.is_rival());
    let rivals = rivals.filter_map(|(_, figures)| Some(figures.as_ref()?.cpu));
    match (ours, rivals.min_by(f64::total_cmp)) {
        (Some(ours), Some(best)) => writeln!(out, " {:.2} |", best / ours.cpu)?,
        _ => writeln!(out, " – |")?,
    }
    Ok(out)
}

/// The table of memory.
pub(crate) fn memory(held: &[(&Subject, Held)]) -> Outcome<String> {
    let mut out = String::new();
    writeln!(
        out,
        "| | idle MiB | first answer ms | 8 × 64 MiB parts, peak MiB | 64 slow readers, MiB before → \
         peak | idle connection KiB |\n|---|---|---|---|---|---|"
    )?;
    let mib = |kib: u64| float(kib) / 1024.0;
    for (subject, held) in held {
        writeln!(
            out,
            "| {} | {:.1} | {} | {:.0} | {:.0} → {:.0} | {} |",
            subject.name,
            mib(held.idle),
            subject.started_in.as_millis(),
            mib(held.parts_peak),
            mib(held.readers.0),
            mib(held.readers.1),
            held.idle_connection
        )?;
    }
    Ok(out)
}
