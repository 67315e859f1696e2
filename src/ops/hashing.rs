//! The MD5 of large bodies, computed on threads of their own: those that read and send go on meanwhile, and
//! bodies that come at the same time are digested side by side, which costs a fraction of one after the other.
//!
//! There is one such place in the process: the more bodies it sees, the fuller are its lanes. What waits
//! in it is within the memory budget, as all bytes of bodies are: memory is given back after
//! [`Hasher::digested`] says so.

use std::collections::{BTreeMap, VecDeque};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use md5_lanes::{Hashed, Lanes, State, Stream};
use tokio::sync::oneshot;

/// How much of a body is told to its thread at once, in bytes. A body that is not longer is digested
/// where it is: another thread would take longer to wake.
const PIECE_BYTES: usize = 512 * 1024;
/// How many pieces of a body may wait to be digested before its reader waits, too.
const PIECES_MAX: usize = 4;
/// How much of each stream is digested before it is looked whether there are more, in bytes.
const TURN_BYTES: usize = 256 * 1024;
/// How many cores have a thread for digests: it fills its lanes with what they read.
const CORES_PER_THREAD: usize = 4;
/// How long a thread that has work of fewer bodies than it knows waits for the others. Reading goes on
/// meanwhile, so that only the answer to a body waits, once.
const PATIENCE: Duration = Duration::from_millis(5);

static LANES: LazyLock<Lanes> = LazyLock::new(Lanes::new);
/// The threads, started with the first body that is long enough.
static THREADS: LazyLock<Vec<Sender<Message>>> = LazyLock::new(start);

/// The MD5 of one body in the making.
#[derive(Debug)]
pub(in crate::ops) struct Hasher {
    pending: Vec<Bytes>,
    pending_bytes: usize,
    /// Ends of pieces that a thread has.
    ahead: VecDeque<oneshot::Receiver<()>>,
    place: Place,
}

#[derive(Debug)]
enum Place {
    /// No thread has heard of the body.
    Here(State),
    /// This one has it, under this number.
    Thread(Sender<Message>, usize),
}

/// What threads are told of bodies.
#[derive(Debug)]
enum Message {
    /// More of it.
    More(usize, Vec<Bytes>),
    /// Say so when all that came before has been digested.
    Mark(usize, oneshot::Sender<()>),
    /// That was all.
    Finish(usize, oneshot::Sender<Hashed>),
    /// It was given up.
    Forget(usize),
}

impl Hasher {
    /// Of nothing yet.
    pub(in crate::ops) fn new() -> Self {
        let place = Place::Here(State::default());
        Self { pending: Vec::new(), pending_bytes: 0, ahead: VecDeque::new(), place }
    }

    /// Takes the next bytes, once not too many wait.
    pub(in crate::ops) async fn push(&mut self, bytes: Bytes) {
        self.pending_bytes += bytes.len();
        self.pending.push(bytes);
        if self.pending_bytes > PIECE_BYTES {
            self.hand_over();
            let mark = self.mark();
            self.ahead.push_back(mark);
        }
        while self.ahead.len() > PIECES_MAX
            && let Some(first) = self.ahead.front_mut()
        {
            // A thread that is no more keeps nobody waiting.
            first.await.ok();
            self.ahead.pop_front();
        }
    }

    /// Ends when all bytes so far have been digested.
    pub(in crate::ops) fn digested(&mut self) -> impl Future<Output = ()> + use<> {
        self.hand_over();
        let mark = self.mark();
        // Where no thread has it, it has been digested.
        async move { drop(mark.await) }
    }

    fn mark(&self) -> oneshot::Receiver<()> {
        let (done, digested) = oneshot::channel();
        self.tell(|number| Message::Mark(number, done));
        digested
    }

    /// The digest of all bytes; none if the thread that had it is no more.
    pub(in crate::ops) async fn finish(&mut self) -> Option<Hashed> {
        if let Place::Here(state) = &mut self.place {
            let pending = std::mem::take(&mut self.pending);
            return Some(digest_here(std::mem::take(state), pending).finish());
        }
        self.hand_over();
        let (done, digested) = oneshot::channel();
        self.tell(|number| Message::Finish(number, done));
        digested.await.ok()
    }

    fn hand_over(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        self.pending_bytes = 0;
        if let Place::Here(state) = &mut self.place {
            let Some((thread, number)) = a_thread() else {
                *state = digest_here(std::mem::take(state), pending);
                return;
            };
            self.place = Place::Thread(thread, number);
        }
        self.tell(|number| Message::More(number, pending));
    }

    fn tell(&self, message: impl FnOnce(usize) -> Message) {
        if let Place::Thread(thread, number) = &self.place {
            // A thread that is no more answers nothing, and so the body gets no digest.
            drop(thread.send(message(*number)));
        }
    }
}

impl Drop for Hasher {
    fn drop(&mut self) {
        self.tell(Message::Forget);
    }
}

fn digest_here(state: State, bytes: Vec<Bytes>) -> State {
    let mut alone = [Stream::new(state, bytes)];
    LANES.digest(&mut alone, usize::MAX);
    let [stream] = alone;
    stream.into_state()
}

/// One of the threads, and a number that no other body has.
fn a_thread() -> Option<(Sender<Message>, usize)> {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let thread = THREADS.get(number.checked_rem(THREADS.len())?)?;
    Some((thread.clone(), number))
}

fn start() -> Vec<Sender<Message>> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let mut threads = Vec::new();
    for _ in 0..cores.div_ceil(CORES_PER_THREAD) {
        let (tell, told) = mpsc::channel();
        let started = thread::Builder::new().name("md5".to_owned()).spawn(move || run(&told));
        match started {
            Ok(_) => threads.push(tell),
            Err(error) => tracing::warn!(%error, "one thread less for digests"),
        }
    }
    threads
}

/// Digests what it is told of, as much of it side by side as there is.
fn run(told: &Receiver<Message>) {
    let mut bodies = Bodies::new();
    loop {
        for message in told.try_iter() {
            bodies.take(message);
        }
        let message = match bodies.next() {
            Next::Digest(bytes) => {
                bodies.digest(bytes);
                continue;
            }
            Next::Wait(patience) => told.recv_timeout(patience).ok(),
            Next::Rest => match told.recv() {
                Ok(message) => Some(message),
                Err(_nobody_is_left) => return,
            },
        };
        if let Some(message) = message {
            bodies.take(message);
        }
    }
}

/// What a thread does next.
enum Next {
    /// Digest about so many bytes of each body.
    Digest(usize),
    /// Wait so long for more bodies.
    Wait(Duration),
    /// There is nothing to do.
    Rest,
}

/// The bodies of a thread, by their numbers.
struct Bodies {
    all: BTreeMap<usize, Body>,
    /// When some were last digested.
    since: Instant,
}

#[derive(Default)]
struct Body {
    stream: Stream,
    /// How many bytes have come.
    came: u64,
    /// Who is to be told, and after how many bytes: the first is the next.
    marks: VecDeque<(u64, oneshot::Sender<()>)>,
    end: Option<oneshot::Sender<Hashed>>,
}

impl Bodies {
    fn new() -> Self {
        Self { all: BTreeMap::new(), since: Instant::now() }
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::More(number, bytes) => {
                let body = self.all.entry(number).or_default();
                for bytes in bytes {
                    body.came += bytes.len() as u64;
                    body.stream.push(bytes);
                }
            }
            Message::Mark(number, done) => {
                let body = self.all.entry(number).or_default();
                body.marks.push_back((body.came, done));
            }
            Message::Finish(number, done) => {
                self.all.entry(number).or_default().end = Some(done);
            }
            Message::Forget(number) => drop(self.all.remove(&number)),
        }
    }

    /// A short turn where the lanes are full, and all there is where it was waited for.
    fn next(&self) -> Next {
        let ready = self.all.values().filter(|body| body.has_work()).count();
        let left = PATIENCE.saturating_sub(self.since.elapsed());
        match ready {
            0 => Next::Rest,
            _ if ready >= self.all.len().min(LANES.count()) => Next::Digest(TURN_BYTES),
            _ if left.is_zero() => Next::Digest(usize::MAX),
            _ => Next::Wait(left),
        }
    }

    /// One turn.
    fn digest(&mut self, bytes: usize) {
        LANES.digest(self.all.values_mut().map(|body| &mut body.stream), bytes);
        self.all.retain(|_, body| !body.has_ended());
        self.since = Instant::now();
    }
}

impl Body {
    fn has_work(&self) -> bool {
        !self.stream.is_done() || !self.marks.is_empty() || self.end.is_some()
    }

    /// Tells those who wait for what has been digested; true: that was all.
    fn has_ended(&mut self) -> bool {
        let digested = self.stream.digested();
        while let Some((_, done)) = self.marks.pop_front_if(|(after, _)| *after <= digested) {
            // Who has given the body up is told nothing.
            done.send(()).ok();
        }
        if !self.stream.is_done() {
            return false;
        }
        let Some(end) = self.end.take() else { return false };
        end.send(std::mem::take(&mut self.stream).into_state().finish()).ok();
        true
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use md5::{Digest as _, Md5};
    use tokio::task::JoinSet;

    use super::{Hasher, PIECE_BYTES};

    fn md5_of(bytes: &[u8]) -> [u8; 16] {
        Md5::digest(bytes).into()
    }

    /// A body of `frames` frames, waited for in between.
    async fn check(body: u8, frames: usize) {
        let mut hasher = Hasher::new();
        let mut all = Vec::new();
        for frame in 0..frames {
            let bytes = Bytes::from(vec![body ^ 0x5a; 100_000 + 77 * frame]);
            all.extend_from_slice(&bytes);
            hasher.push(bytes).await;
            if frame % 5 == usize::from(body % 5) {
                hasher.digested().await;
            }
        }
        let found = hasher.finish().await.unwrap();
        assert_eq!((found.md5(), found.length()), (md5_of(&all), all.len() as u64));
    }

    #[tokio::test]
    async fn every_body_has_its_own_md5() {
        let mut bodies = JoinSet::new();
        for body in 0..30 {
            bodies.spawn(check(body, usize::from(body / 2)));
        }
        while let Some(done) = bodies.join_next().await {
            done.unwrap();
        }
    }

    #[tokio::test]
    async fn a_body_that_stands_still_does_not_stop_the_others() {
        let mut still = Hasher::new();
        still.push(Bytes::from(vec![1; 2 * PIECE_BYTES])).await;
        still.digested().await;
        check(7, 15).await;
        // Nor does one that is given up.
        drop(still);
        check(8, 15).await;
    }
}
