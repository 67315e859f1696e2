//! What the bench does: a storm, a row of deaths, races, and flipped bytes. Each phase counts what it
//! did and what must not be.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http::Method;

use super::values::Value;
use super::weather;
use super::worker::{Persistence, Worker};
use super::world::{Lines, Outcome, Tally, World};
use crate::harness::{Action, Gate, Payload, Rule, path, spawn};

/// How many clients ask at once.
const CLIENTS: u16 = 16;
/// How many steps a client makes before it looks whether it is enough.
const STEPS: u32 = 10;
/// How long a gateway that is to die at a certain point is waited for to come there.
const POINT_PATIENCE: Duration = Duration::from_millis(1500);

/// What a phase came to.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// What the clients saw.
    pub(super) tally: Tally,
    /// Figures of its own, by their names.
    pub(super) figures: Vec<(String, u64)>,
}

/// Lets clients work until it is enough; then all is calm, and everything is read.
async fn work(
    world: &Arc<World>,
    seed: u64,
    persistence: Persistence,
    enough: impl AsyncFn(u64) -> bool,
) -> Tally {
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::new(AtomicU64::new(0));
    let clients = (1..=CLIENTS).map(|number| {
        // Who asks again may wait for minutes: the others go on.
        let persistence = if number == 1 { persistence } else { Persistence::GiveUp };
        let mut worker = Worker::new(world, number, seed, persistence);
        let (stop, asked) = (Arc::clone(&stop), Arc::clone(&asked));
        spawn(async move {
            while !stop.load(Ordering::SeqCst) {
                let before = worker.tally.operations();
                for _ in 0..STEPS {
                    worker.step().await;
                }
                asked.fetch_add(worker.tally.operations() - before, Ordering::SeqCst);
            }
            worker
        })
    });
    let clients: Vec<_> = clients.collect();
    while !enough(asked.load(Ordering::SeqCst)).await {
        tokio::time::sleep(Duration::from_millis(20)).await;
        if let Some(died) = clients.iter().position(|client| client.is_finished()) {
            panic!("client {died} gave up");
        }
    }
    stop.store(true, Ordering::SeqCst);
    let mut workers = Vec::new();
    for client in clients {
        workers.push(client.await.unwrap());
    }
    world.calm().await;
    let mut tally = Tally::default();
    for mut worker in workers {
        worker.read_all().await;
        for _ in 0..world.shared.len() {
            worker.read_shared().await;
        }
        tally.add(worker.tally);
    }
    for (key, history) in &world.shared {
        for fault in history.lock().await.faults() {
            tally.fault(format!("{key}: {fault}"));
        }
    }
    tally
}

/// The first write of the keys that all write, while all is well.
pub(super) async fn prepare(world: &Arc<World>, seed: u64) {
    Worker::new(world, 0, seed, Persistence::GiveUp).write_all_shared().await;
}

/// How many of the gateways' requests have met a fault, and what faults there were.
async fn suffered(world: &World, figures: &mut Vec<(String, u64)>) -> u64 {
    let mut requests = 0;
    let mut actions = std::collections::BTreeMap::<_, u64>::new();
    for slot in &world.slots {
        let suffered = slot.proxy.suffered().await;
        requests += suffered.requests.len() as u64;
        for (action, count) in suffered.actions {
            *actions.entry(action).or_default() += count;
        }
    }
    figures.extend(actions.into_iter().map(|(name, count)| (format!("fault: {name}"), count)));
    requests
}

/// All kinds of requests while every third question to Azure goes wrong, until so many requests have
/// met a fault, or until it has lasted for so long.
pub(super) async fn storm(
    world: &Arc<World>,
    seed: u64,
    (faulted, most): (u64, Duration),
    persistence: Persistence,
) -> Report {
    prepare(world, seed).await;
    for (number, slot) in (0..).zip(&world.slots) {
        slot.proxy.weather(seed + number, weather::storm).await;
    }
    let begun = Instant::now();
    let enough = async |_| {
        let mut sum = 0;
        for slot in &world.slots {
            sum += slot.proxy.faulted().await;
        }
        sum >= faulted || begun.elapsed() >= most
    };
    let tally = work(world, seed, persistence, enough).await;
    let mut figures = Vec::new();
    let faulted = suffered(world, &mut figures).await;
    figures.insert(0, ("operations".to_owned(), tally.operations()));
    figures.insert(1, ("operations that met a fault".to_owned(), faulted));
    Report { tally, figures }
}

/// What a point of its work is called before and after it, and which requests it is made of.
type Point = (&'static str, &'static str, Box<dyn Fn(Action) -> Rule>);

/// Where a gateway dies: before Azure has seen a request, or before the gateway has seen the answer.
fn points() -> Vec<(&'static str, Rule, Gate)> {
    let put = |comp: &'static str| move |action| Rule::new(action).method(Method::PUT).comp(comp);
    let named = |part: &'static str, comp| move |action| put(comp)(action).path(part);
    let kinds: [Point; 8] = [
        ("before a Put Blob", "after a Put Blob", Box::new(put(""))),
        ("before a Put Block", "after a Put Block", Box::new(put("block"))),
        ("before a Put Block List", "after a Put Block List", Box::new(put("blocklist"))),
        ("before a record is written", "after a record is written", Box::new(named("%2Fu%2F", ""))),
        ("before a part is written", "after a part is written", Box::new(named("%2Fp%2F", ""))),
        ("before an outcome is made", "after an outcome is made", Box::new(named("%2Fo%2F", ""))),
        (
            "before a deletion",
            "after a deletion",
            Box::new(|action| Rule::new(action).method(Method::DELETE)),
        ),
        (
            "before a batch",
            "after a batch",
            Box::new(|action| Rule::new(action).method(Method::POST).comp("batch")),
        ),
    ];
    let mut points = Vec::new();
    for (before, after, rule) in kinds {
        let gate = Gate::new();
        points.push((before, rule(Action::Hold(gate.clone())).times(1), gate));
        let gate = Gate::new();
        points.push((after, rule(Action::HoldAnswer(gate.clone())).times(1), gate));
    }
    points
}

/// One gateway after the other is killed, at random or at a certain point of its work, while clients go
/// on asking.
pub(super) async fn kills(world: &Arc<World>, seed: u64, kills: u64) -> Report {
    prepare(world, seed).await;
    let dice = tokio::sync::Mutex::new(fastrand::Rng::with_seed(seed));
    let died = AtomicU64::new(0);
    let at_points = tokio::sync::Mutex::new(std::collections::BTreeMap::<&str, u64>::new());
    let enough = async |_| {
        let mut dice = dice.lock().await;
        let slot = &world.slots[dice.usize(..world.slots.len())];
        let mut points = points();
        // Each point once, then as the dice fall.
        let nth = usize::try_from(died.load(Ordering::SeqCst)).unwrap();
        let at = if nth < points.len() { nth } else { dice.usize(..points.len() * 2) };
        let mut point = "at random";
        if at < points.len() {
            let (name, rule, gate) = points.swap_remove(at);
            slot.proxy.rule(rule).await;
            if gate.arrived_within(POINT_PATIENCE).await {
                point = name;
            }
            slot.kill().await;
            gate.open_for_all();
        } else {
            tokio::time::sleep(Duration::from_millis(dice.u64(..200))).await;
            slot.kill().await;
        }
        slot.proxy.clear().await;
        *at_points.lock().await.entry(point).or_default() += 1;
        slot.restart().await;
        died.fetch_add(1, Ordering::SeqCst) + 1 >= kills
    };
    let tally = work(world, seed, Persistence::GiveUp, enough).await;
    let mut figures = vec![
        ("operations".to_owned(), tally.operations()),
        ("SIGKILLs".to_owned(), died.into_inner()),
    ];
    let points = at_points.into_inner().into_iter();
    figures.extend(points.map(|(point, count)| (format!("killed {point}"), count)));
    Report { tally, figures }
}

/// Rounds of conditional writers of one key at all gateways at once: first of nothing, then of what is
/// there. In every second round answers of commits are lost.
pub(super) async fn races(world: &Arc<World>, seed: u64, rounds: u64, racers: u16) -> Report {
    let mut report = Report::default();
    let (mut winners, mut lost) = (0, 0);
    let mut lines: Vec<Lines> = (0..racers).map(|_| Lines::default()).collect();
    let mut etag = None;
    for round in 0..rounds {
        let faulty = round % 4 >= 2;
        for (number, slot) in (0..).zip(&world.slots).filter(|_| faulty) {
            slot.proxy.weather(seed ^ (round << 8) ^ number, weather::lost_answers).await;
        }
        let key = format!("race/{}", round / 2);
        let condition = match etag.take() {
            None => ("if-none-match", "*".to_owned()),
            Some(etag) => ("if-match", etag),
        };
        let won = race(world, (&key, &condition), round, &mut lines).await;
        world.calm().await;
        lost += u64::from(faulty);
        for outcome in &won {
            report.tally.count("conditional PutObject", &outcome.1);
        }
        winners += judge(world, &key, won, &mut report.tally, &mut etag).await;
        if condition.0 == "if-match" {
            etag = None;
        }
    }
    report.figures.push(("rounds".to_owned(), rounds));
    report.figures.push(("racers each".to_owned(), u64::from(racers)));
    report.figures.push(("rounds with lost answers".to_owned(), lost));
    report.figures.push(("winners".to_owned(), winners));
    suffered(world, &mut report.figures).await;
    report
}

type Raced = Vec<(Value, Outcome)>;

async fn race(
    world: &Arc<World>,
    (key, condition): (&str, &(&'static str, String)),
    round: u64,
    lines: &mut Vec<Lines>,
) -> Raced {
    let mut racers = Vec::new();
    for (number, mut line) in (0..).zip(std::mem::take(lines)) {
        let client = world.slots[usize::from(number) % world.slots.len()].client().await;
        let value = Value { client: number, number: round as u32, length: 100 };
        let put = client.put(&path(&world.bucket, key)).header(condition.0, &condition.1);
        let put = put.header("x-amz-meta-write", value.label()).body(value.bytes());
        // Every fifth goes in blocks.
        let put = if number % 5 == 0 { put.payload(Payload::Unsigned).chunked() } else { put };
        let prepared = put.prepare();
        racers.push(spawn(async move {
            let outcome = line.send(prepared.address(), &prepared).await;
            (line, value, outcome)
        }));
    }
    let mut raced = Vec::new();
    for racer in racers {
        let (line, value, outcome) = racer.await.unwrap();
        lines.push(line);
        raced.push((value, outcome));
    }
    raced
}

/// Has one of them won, and only one, and is it there?
async fn judge(
    world: &World,
    key: &str,
    raced: Raced,
    tally: &mut Tally,
    etag: &mut Option<String>,
) -> u64 {
    let mut winners = Vec::new();
    for (value, outcome) in raced {
        match outcome {
            Outcome::Done(_) => winners.push(value),
            Outcome::Refused(409 | 412, _) | Outcome::Unknown(_) => {}
            Outcome::Refused(status, code) => {
                tally.fault(format!("FALSE REFUSAL: {key}: {status} {code}"));
            }
        }
    }
    if winners.len() != 1 {
        tally.fault(format!("{} WINNERS: {key}: {winners:?}", winners.len()));
    }
    let there = world.slots[0].client().await.get(&path(&world.bucket, key)).ok().await;
    match Value::of_whole(&there.body) {
        Ok(value) if winners.contains(&value) => {}
        other => tally.fault(format!("LOST: {key}: {winners:?} won, and there is {other:?}")),
    }
    *etag = Some(there.at("etag").to_owned());
    winners.len() as u64
}

/// Puts of all forms while every body that goes to Azure has a flipped byte; none may be committed.
pub(super) async fn flips(world: &Arc<World>, seed: u64, flips: u64) -> Report {
    let mut report = Report::default();
    let done = Arc::new(AtomicU64::new(0));
    let mut clients = Vec::new();
    for number in 1..=CLIENTS {
        let client = world.slots[usize::from(number) % world.slots.len()].client().await;
        let at = path(&world.bucket, format!("flip/{number}"));
        let old = Value { client: number, number: 0, length: 1000 };
        client.put(&at).body(old.bytes()).ok().await;
        clients.push((client, at, old));
    }
    for (number, slot) in (0..).zip(&world.slots) {
        slot.proxy.weather(seed + number, weather::flips).await;
    }
    let mut tasks = Vec::new();
    for (client, at, old) in clients {
        let (done, mut tally) = (Arc::clone(&done), Tally::default());
        let mut dice = fastrand::Rng::with_seed(seed ^ u64::from(old.client));
        tasks.push(spawn(async move {
            let mut line = Lines::default();
            while done.fetch_add(1, Ordering::SeqCst) < flips {
                let value = Value { number: dice.u32(1..), length: dice.u32(64..20_000), ..old };
                let put = client.put(&at).body(value.bytes());
                let put = if dice.bool() { put.payload(Payload::Unsigned).chunked() } else { put };
                let outcome = line.send(client.address, &put.prepare()).await;
                tally.count("PutObject, a byte flipped", &outcome);
                if !matches!(outcome, Outcome::Unknown(_)) {
                    tally.fault(format!("FALSE SUCCESS: {outcome:?}"));
                }
                match line.send(client.address, &client.get(&at).prepare()).await {
                    Outcome::Done(answer) if Value::of_whole(&answer.body) == Ok(old) => {}
                    other => tally.fault(format!("COMMITTED: {other:?}")),
                }
            }
            tally
        }));
    }
    for task in tasks {
        report.tally.add(task.await.unwrap());
    }
    world.calm().await;
    suffered(world, &mut report.figures).await;
    report
}
