//! The workloads: what is asked for, and over how many connections.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use strict_azure::StrictAzure;
use tokio::task::JoinSet;

use crate::Outcome;
use crate::load::{self, Taken, Until, once};
use crate::request::{Payload, Request};
use crate::subject::Subject;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
/// How many keys the small workloads go round.
const KEYS: usize = 256;
/// How many keys a page of a listing has.
const PAGE: usize = 1000;
/// How many keys a large bucket has.
const MILLION: usize = 1_000_000;
/// Parts of the multipart workload, and their size.
const PARTS: usize = 16;
const PART_BYTES: usize = 8 * MIB;

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Workload {
    /// How the table calls it.
    pub(crate) name: &'static str,
    /// What is done.
    pub(crate) kind: Kind,
    /// Over how many connections.
    pub(crate) connections: usize,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Put { bytes: usize, payload: Payload },
    Get { bytes: usize },
    Head,
    Delete,
    List { delimiter: bool, million: bool },
    Multipart,
}

/// All of them.
pub(crate) const ALL: [Workload; 21] = {
    use Payload::{Signed, Trailer, Unsigned};
    const fn row(name: &'static str, kind: Kind, connections: usize) -> Workload {
        Workload { name, kind, connections }
    }
    [
        row("PUT 1 KiB", Kind::Put { bytes: KIB, payload: Signed }, 16),
        row("GET 1 KiB", Kind::Get { bytes: KIB }, 16),
        row("HEAD", Kind::Head, 16),
        row("DELETE", Kind::Delete, 16),
        row("list 1,000", Kind::List { delimiter: false, million: false }, 4),
        row("list 1,000, delimiter", Kind::List { delimiter: true, million: false }, 4),
        row("PUT 1 KiB, 1 connection", Kind::Put { bytes: KIB, payload: Signed }, 1),
        row("GET 1 KiB, 1 connection", Kind::Get { bytes: KIB }, 1),
        row("PUT 1 KiB, 256 connections", Kind::Put { bytes: KIB, payload: Signed }, 256),
        row("GET 1 KiB, 256 connections", Kind::Get { bytes: KIB }, 256),
        row("PUT 64 MiB, signed", Kind::Put { bytes: 64 * MIB, payload: Signed }, 1),
        row("PUT 64 MiB, unsigned", Kind::Put { bytes: 64 * MIB, payload: Unsigned }, 1),
        row("PUT 64 MiB, 8 connections", Kind::Put { bytes: 64 * MIB, payload: Unsigned }, 8),
        row("PUT 64 MiB, trailer", Kind::Put { bytes: 64 * MIB, payload: Trailer }, 1),
        row("PUT 1 GiB, unsigned", Kind::Put { bytes: 1024 * MIB, payload: Unsigned }, 1),
        row("GET 64 MiB", Kind::Get { bytes: 64 * MIB }, 1),
        row("GET 64 MiB, 8 connections", Kind::Get { bytes: 64 * MIB }, 8),
        row("GET 1 GiB", Kind::Get { bytes: 1024 * MIB }, 1),
        row("multipart 16 × 8 MiB", Kind::Multipart, 4),
        // At the end: a rival may go on with a million keys when nobody waits for them any more.
        row("list 1,000 of a million", Kind::List { delimiter: false, million: true }, 4),
        row("list 1,000 of a million, delimiter", Kind::List { delimiter: true, million: true }, 4),
    ]
};

/// What one workload cost one subject.
#[derive(Clone, Debug)]
pub(crate) struct Cost {
    /// What it took on the client's side.
    pub(crate) taken: Taken,
    /// CPU time of the subject.
    pub(crate) cpu: Duration,
    /// Requests that reached the stub.
    pub(crate) azure: u64,
}

impl Workload {
    /// Whether its cost is told by the byte.
    pub(crate) fn is_large(&self) -> bool {
        match self.kind {
            Kind::Put { bytes, .. } | Kind::Get { bytes } => bytes > MIB,
            Kind::Multipart => true,
            Kind::Head | Kind::Delete | Kind::List { .. } => false,
        }
    }

    /// Runs it for about `time` and says what it cost.
    pub(crate) async fn run(
        &self,
        subject: &Subject,
        stub: &StrictAzure,
        time: Duration,
    ) -> Outcome<Cost> {
        let requests = Arc::new(self.prepare(subject, stub).await?);
        let (cpu, azure) = (subject.cpu()?, stub.requests());
        let taken = match self.kind {
            Kind::Multipart => multipart(subject, time, self.connections).await?,
            Kind::Delete => {
                load::run(&subject.at, requests, self.connections, Until::AllSent).await?
            }
            Kind::Put { .. } | Kind::Get { .. } | Kind::Head | Kind::List { .. } => {
                let until = Until::Elapsed(time);
                load::run(&subject.at, requests, self.connections, until).await?
            }
        };
        Ok(Cost { taken, cpu: subject.cpu()?.saturating_sub(cpu), azure: stub.requests() - azure })
    }

    /// The requests that it goes round; what they need is there then.
    pub(crate) async fn prepare(
        &self,
        subject: &Subject,
        stub: &StrictAzure,
    ) -> Outcome<Vec<Request>> {
        match self.kind {
            Kind::Put { bytes, payload } => {
                let body = noise(bytes);
                let keys = if bytes > MIB { 1 } else { KEYS };
                each(keys, |n| subject.object("PUT", &key(bytes, n), body.clone(), payload))
            }
            Kind::Get { bytes } => {
                // One object is enough for large ones, and what is read is not kept by anybody.
                let keys = if bytes > MIB { 1 } else { KEYS };
                let puts = each(keys, |n| {
                    let body = noise(bytes.min(64 * MIB));
                    subject.object("PUT", &key(bytes, n), body, Payload::Unsigned)
                })?;
                if bytes > 64 * MIB {
                    let length = u64::try_from(bytes)?;
                    let seed = strict_azure::Seed::length(length);
                    stub.seed(&subject.bucket, [(key(bytes, 0).as_str(), seed)])?;
                } else {
                    load::run(&subject.at, Arc::new(puts), 8, Until::AllSent).await?;
                }
                each(keys, |n| subject.object("GET", &key(bytes, n), Bytes::new(), Payload::Signed))
            }
            Kind::Head => {
                put_small(subject).await?;
                each(KEYS, |n| subject.object("HEAD", &key(KIB, n), Bytes::new(), Payload::Signed))
            }
            Kind::Delete => {
                let name = |n: usize| format!("gone/{n:05}");
                let puts = each(4 * PAGE, |n| {
                    subject.object("PUT", &name(n), noise(KIB), Payload::Unsigned)
                })?;
                load::run(&subject.at, Arc::new(puts), 16, Until::AllSent).await?;
                each(4 * PAGE, |n| {
                    subject.object("DELETE", &name(n), Bytes::new(), Payload::Signed)
                })
            }
            Kind::List { delimiter, million: true } => million(subject, stub, delimiter),
            Kind::List { delimiter, million: false } => listing(subject, delimiter).await,
            Kind::Multipart => Ok(Vec::new()),
        }
    }
}

async fn put_small(subject: &Subject) -> Outcome {
    let puts = each(KEYS, |n| subject.object("PUT", &key(KIB, n), noise(KIB), Payload::Unsigned))?;
    load::run(&subject.at, Arc::new(puts), 16, Until::AllSent).await?;
    Ok(())
}

/// A page of 1,000 keys, or of 500 keys and 500 prefixes.
async fn listing(subject: &Subject, delimiter: bool) -> Outcome<Vec<Request>> {
    let (folder, name): (_, fn(usize) -> String) = if delimiter {
        ("rolled", |n| format!("rolled/{n:05}{}", if n % 2 == 0 { "/x" } else { "" }))
    } else {
        ("listed", |n| format!("listed/{n:05}"))
    };
    let puts = each(PAGE + 10, |n| {
        subject.object("PUT", &name(n), Bytes::from_static(b"x"), Payload::Unsigned)
    })?;
    load::run(&subject.at, Arc::new(puts), 16, Until::AllSent).await?;
    Ok(vec![page_of(subject, folder, delimiter)?])
}

/// A page of 1,000 keys, or of 1,000 prefixes, in a bucket of a million keys.
fn million(subject: &Subject, stub: &StrictAzure, delimiter: bool) -> Outcome<Vec<Request>> {
    if stub.names(&subject.bucket).len() < MILLION {
        let names: Vec<_> =
            (0..MILLION).map(|n| format!("million/{:03}/{:03}", n / PAGE, n % PAGE)).collect();
        let blobs = names.iter().map(|name| (name.as_str(), strict_azure::Seed::length(1)));
        stub.seed(&subject.bucket, blobs)?;
    }
    Ok(vec![page_of(subject, "million", delimiter)?])
}

/// The first page of what is in a folder.
fn page_of(subject: &Subject, folder: &str, delimiter: bool) -> Outcome<Request> {
    let target = match (subject.is_azure(), delimiter) {
        (true, false) => format!("?comp=list&maxresults=1000&prefix={folder}%2F&restype=container"),
        (true, true) => {
            format!("?comp=list&delimiter=%2F&maxresults=1000&prefix={folder}%2F&restype=container")
        }
        (false, false) => format!("?list-type=2&prefix={folder}%2F"),
        (false, true) => format!("?delimiter=%2F&list-type=2&prefix={folder}%2F"),
    };
    subject.request("GET", &target, Bytes::new(), Payload::Signed)
}

/// One upload after the other, its parts over several connections.
async fn multipart(subject: &Subject, time: Duration, connections: usize) -> Outcome<Taken> {
    let body = noise(PART_BYTES);
    let begun = Instant::now();
    let mut all = Taken::default();
    while all.latencies.is_empty() || begun.elapsed() < time {
        let sent = Instant::now();
        if subject.is_azure() {
            blocks(subject, &body, connections).await?;
        } else {
            upload(subject, &body, connections).await?;
        }
        all.latencies.push(sent.elapsed());
        all.bytes += u64::try_from(PARTS * PART_BYTES)?;
    }
    all.elapsed = begun.elapsed();
    all.latencies.sort_unstable();
    Ok(all)
}

async fn upload(subject: &Subject, body: &Bytes, connections: usize) -> Outcome {
    let create = subject.request("POST", "/large?uploads=", Bytes::new(), Payload::Signed)?;
    let answer = once(&subject.at, &create).await?;
    let text = String::from_utf8_lossy(&answer.start).into_owned();
    let id = between(&text, "<UploadId>", "</UploadId>").ok_or("no UploadId")?;
    let parts = each(PARTS, |n| {
        let target = format!("/large?partNumber={}&uploadId={id}", n + 1);
        subject.request("PUT", &target, body.clone(), Payload::Unsigned)
    })?;
    let etags = send_parts(subject, parts, connections).await?;
    let mut list = String::from("<CompleteMultipartUpload>");
    for (number, etag) in etags {
        write!(list, "<Part><PartNumber>{}</PartNumber><ETag>{etag}</ETag></Part>", number + 1)?;
    }
    list += "</CompleteMultipartUpload>";
    let target = format!("/large?uploadId={id}");
    let complete = subject.request("POST", &target, list.into(), Payload::Signed)?;
    let answer = once(&subject.at, &complete).await?;
    let text = String::from_utf8_lossy(&answer.start);
    if text.contains("<Error>") { Err(text.into_owned().into()) } else { Ok(()) }
}

/// Sends each and gives their ETags in order.
async fn send_parts(
    subject: &Subject,
    parts: Vec<Request>,
    connections: usize,
) -> Outcome<Vec<(usize, String)>> {
    let mut etags = Vec::new();
    let mut open = JoinSet::new();
    for (number, part) in parts.into_iter().enumerate() {
        if open.len() == connections
            && let Some(done) = open.join_next().await
        {
            etags.push(done??);
        }
        let at = subject.at.clone();
        open.spawn(async move {
            let answer = once(&at, &part).await?;
            Outcome::Ok((number, answer.etag.unwrap_or_default()))
        });
    }
    while let Some(done) = open.join_next().await {
        etags.push(done??);
    }
    etags.sort_unstable();
    Ok(etags)
}

/// What a multipart upload is to the stub: blocks and their list.
async fn blocks(subject: &Subject, body: &Bytes, connections: usize) -> Outcome {
    let id = |n: usize| data_encoding::BASE64.encode(format!("{n:04}").as_bytes());
    let parts = each(PARTS, |n| {
        let id = id(n).replace('=', "%3D");
        subject.request(
            "PUT",
            &format!("/large?blockid={id}&comp=block"),
            body.clone(),
            Payload::Signed,
        )
    })?;
    send_parts(subject, parts, connections).await?;
    let mut list = String::from("<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>");
    for n in 0..PARTS {
        write!(list, "<Latest>{}</Latest>", id(n))?;
    }
    list += "</BlockList>";
    let commit = subject.request("PUT", "/large?comp=blocklist", list.into(), Payload::Signed)?;
    once(&subject.at, &commit).await?;
    Ok(())
}

fn each(count: usize, make: impl FnMut(usize) -> Outcome<Request>) -> Outcome<Vec<Request>> {
    (0..count).map(make).collect()
}

fn key(bytes: usize, number: usize) -> String {
    format!("object-{bytes}-{number:05}")
}

/// Bytes that do not compress; the same each time.
pub(crate) fn noise(length: usize) -> Bytes {
    let mut bytes = vec![0; length];
    fastrand::Rng::with_seed(7).fill(&mut bytes);
    bytes.into()
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    Some(text.split_once(start)?.1.split_once(end)?.0)
}
