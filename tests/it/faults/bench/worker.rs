//! One client of the bench: it asks for one thing after the other, at any gateway, and knows after each
//! answer what may be there.

use std::sync::Arc;

use super::history::End;
use super::own::{Object, Own, Seen};
use super::values::{CELL, Value};
use super::world::{Lines, Outcome, Tally, World};
use crate::harness::{Answer, Client, Payload, Request, path};
use crate::multipart::{MIN, Upload, composite};

/// How many keys each client has for itself.
const OWN_KEYS: usize = 6;
/// How often a request of an upload is sent until it is answered.
const TRIES_MAX: usize = 4;
/// Of a thousand steps, how many move megabytes.
const LARGE_PER_MILLE: u32 = 4;

/// One client.
pub(super) struct Worker {
    world: Arc<World>,
    number: u16,
    written: u32,
    dice: fastrand::Rng,
    lines: Lines,
    own: Vec<Own>,
    persistence: Persistence,
    /// What it has seen.
    pub(super) tally: Tally,
}

/// What a client does when a Complete was not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Persistence {
    /// It asks again. Where a gateway died over the first, that takes until its claim is stale.
    AskAgain,
    /// It leaves it at that.
    GiveUp,
}

/// How a body is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// With its length: held whole by the gateway.
    Held,
    /// Without: in blocks.
    Blocks,
}

impl Worker {
    /// The client of that number.
    pub(super) fn new(
        world: &Arc<World>,
        number: u16,
        seed: u64,
        persistence: Persistence,
    ) -> Self {
        let own = (0..OWN_KEYS).map(|key| Own::new(format!("own/{number}/{key}"))).collect();
        Self {
            world: Arc::clone(world),
            number,
            written: 0,
            dice: fastrand::Rng::with_seed(seed ^ (u64::from(number) << 32)),
            lines: Lines::default(),
            own,
            persistence,
            tally: Tally::default(),
        }
    }

    /// Asks for one thing.
    pub(super) async fn step(&mut self) {
        let at = self.dice.usize(..self.own.len());
        match self.dice.u32(..1000) {
            0..200 => self.put(at, Form::Held).await,
            200..280 => self.put(at, Form::Blocks).await,
            280..400 => self.put_if(at).await,
            400..520 => self.get(at).await,
            520..590 => self.get_range(at).await,
            590..620 => self.head(at).await,
            620..680 => self.delete(at).await,
            680..740 => self.copy(at).await,
            740..780 => self.multipart(at).await,
            780..820 => self.list().await,
            820..910 => self.write_shared().await,
            _ => self.read_shared().await,
        }
    }

    /// Reads all its keys: what was acknowledged is there.
    pub(super) async fn read_all(&mut self) {
        for at in 0..self.own.len() {
            self.get(at).await;
        }
        self.list().await;
    }

    fn fault(&mut self, what: &str, at: usize, detail: &dyn std::fmt::Debug) {
        let Own { key, .. } = &self.own[at];
        let may_be: Vec<_> = self.own[at].may_be().collect();
        let diary: Vec<_> = self.own[at].diary().collect();
        let told = format!("{what}: {key}: {detail:?}; it may be {may_be:?}; {diary:?}");
        self.tally.fault(told);
    }

    /// A new value of some hundred bytes, or some megabytes.
    fn value(&mut self, most: u32) -> Value {
        self.written += 1;
        let length = match self.dice.u32(..1000) {
            0..LARGE_PER_MILLE => self.dice.u32(3 << 20..9 << 20),
            _ => self.dice.u32(2 * CELL as u32..most),
        };
        Value { client: self.number, number: self.written, length }
    }

    async fn client(&mut self) -> Client {
        let slot = self.dice.usize(..self.world.slots.len());
        self.world.slots[slot].client().await
    }

    fn at(&self, key: &str) -> String {
        path(&self.world.bucket, key)
    }

    async fn send(&mut self, what: &'static str, request: Request) -> Outcome {
        let prepared = request.prepare();
        let outcome = self.lines.send(prepared.address(), &prepared).await;
        self.tally.count(what, &outcome);
        self.tally.slowest = self.lines.slowest;
        outcome
    }

    async fn put_request(&mut self, key: &str, value: Value, form: Form) -> Request {
        let client = self.client().await;
        let request = client.put(&self.at(key)).header("x-amz-meta-write", value.label());
        let request = request.body(value.bytes());
        match form {
            Form::Held if value.length < 100_000 => request,
            Form::Held => request.payload(Payload::Unsigned),
            Form::Blocks => request.payload(Payload::Unsigned).chunked(),
        }
    }

    /// A write of `object` came to this; a refusal must not be.
    fn wrote(&mut self, what: &str, at: usize, object: Option<Object>, outcome: Outcome) {
        match outcome {
            Outcome::Done(answer) => {
                let etag = object.as_ref().map(|object| object.etag.as_str());
                if answer.header("etag").is_some_and(|said| Some(said) != etag) {
                    self.fault("FALSE ETAG", at, &(what, &answer));
                }
                self.own[at].acknowledged(object);
            }
            Outcome::Refused(status, code) => {
                self.fault("FALSE REFUSAL", at, &(what, status, code));
            }
            Outcome::Unknown(_) => self.own[at].unknown(object),
        }
    }

    async fn put(&mut self, at: usize, form: Form) {
        let value = self.value(4000);
        let key = self.own[at].key.clone();
        let request = self.put_request(&key, value, form).await;
        let outcome = self.send("PutObject", request).await;
        self.wrote("put", at, Some(Object { etag: value.etag(), value }), outcome);
    }

    /// A write that rests on there being nothing, or on an ETag, which may be an old one.
    async fn put_if(&mut self, at: usize) {
        let key = self.own[at].key.clone();
        let objects: Vec<_> = self.own[at].may_be().flatten().cloned().collect();
        let known = self.dice.choice(objects).map(|object| object.etag);
        let etag = if self.dice.u8(..4) == 0 { Some("\"0123\"".to_owned()) } else { known };
        let etag = etag.filter(|_| self.dice.bool());
        let form = if self.dice.bool() { Form::Held } else { Form::Blocks };
        let value = self.value(2000);
        let request = self.put_request(&key, value, form).await;
        let request = match &etag {
            Some(etag) => request.header("if-match", etag),
            None => request.header("if-none-match", "*"),
        };
        let outcome = self.send("PutObject, conditional", request).await;
        let fits = |object: Option<&Object>| match &etag {
            Some(etag) => object.is_some_and(|object| object.etag == *etag),
            None => object.is_none(),
        };
        let object = Object { etag: value.etag(), value };
        let own = &mut self.own[at];
        own.note(&format!("if {etag:?}: {}", outcome.word()), Some(&object));
        let seen = match &outcome {
            Outcome::Done(_) => own.narrow(fits),
            Outcome::Refused(412, _) => own.narrow(|object| !fits(object)),
            Outcome::Refused(404, code) if code == "NoSuchKey" && etag.is_some() => {
                own.narrow(|object| object.is_none())
            }
            // It may be done: the client is asked to try again.
            Outcome::Refused(409, code) if code == "ConditionalRequestConflict" => {
                own.unknown(Some(object.clone()));
                Seen::Expected
            }
            _ => Seen::Expected,
        };
        if seen == Seen::Late {
            self.tally.late += 1;
        }
        if seen == Seen::Impossible {
            let what =
                if matches!(outcome, Outcome::Done(_)) { "FALSE SUCCESS" } else { "FALSE 412" };
            self.fault(what, at, &(&etag, &outcome));
        }
        if !matches!(outcome, Outcome::Refused(404 | 409 | 412, _)) {
            self.wrote("conditional put", at, Some(object), outcome);
        }
    }

    /// An answer that shows the object of a key, or that there is none.
    fn saw(&mut self, what: &'static str, at: usize, object: Option<Object>) {
        match self.own[at].saw(object.as_ref()) {
            Seen::Expected => {}
            Seen::Late => self.tally.late += 1,
            Seen::Impossible => self.fault("LOST", at, &(what, object)),
        }
    }

    async fn get(&mut self, at: usize) {
        let client = self.client().await;
        let request = client.get(&self.at(&self.own[at].key));
        match self.send("GetObject", request).await {
            Outcome::Done(answer) => match read(&answer) {
                Ok(object) => self.saw("get", at, Some(object)),
                Err(wrong) => self.fault(&wrong, at, &answer.headers),
            },
            Outcome::Refused(404, _) => self.saw("get", at, None),
            Outcome::Refused(status, code) => self.fault("FALSE REFUSAL", at, &(status, code)),
            // What came before the end is of what may be there.
            Outcome::Unknown(Some(answer)) if answer.body.len() >= CELL => {
                if let Err(wrong) = Value::of_piece(&answer.body, 0, answer.body.len()) {
                    self.fault(&wrong.to_string(), at, &"before the connection ended");
                }
            }
            Outcome::Unknown(_) => {}
        }
    }

    async fn get_range(&mut self, at: usize) {
        let Some(object) = self.own[at].certain().cloned() else { return self.get(at).await };
        let cells = object.value.length as usize / CELL;
        let first = self.dice.usize(..cells.max(2) - 1) * CELL;
        let length = self.dice.usize(CELL..=object.value.length as usize - first);
        let client = self.client().await;
        let request = client.get(&self.at(&self.own[at].key));
        let range = format!("bytes={first}-{}", first + length - 1);
        match self.send("GetObject, range", request.header("range", range)).await {
            Outcome::Done(answer) => match Value::of_piece(&answer.body, first, length) {
                Ok(value) => {
                    let etag = answer.at("etag").to_owned();
                    self.saw("range", at, Some(Object { value, etag }));
                }
                Err(wrong) => self.fault(&wrong.to_string(), at, &answer.headers),
            },
            Outcome::Refused(404, _) => self.saw("range", at, None),
            // What came late may be shorter.
            Outcome::Refused(416, _) => self.get(at).await,
            Outcome::Refused(status, code) => self.fault("FALSE REFUSAL", at, &(status, code)),
            Outcome::Unknown(_) => {}
        }
    }

    async fn head(&mut self, at: usize) {
        let client = self.client().await;
        match self.send("HeadObject", client.head(&self.at(&self.own[at].key))).await {
            Outcome::Done(answer) => {
                let label = answer.at("x-amz-meta-write").to_owned();
                let seen = self.own[at].narrow(|object| {
                    object.is_some_and(|object| {
                        object.value.label() == label
                            && object.etag == answer.at("etag")
                            && object.value.length.to_string() == answer.at("content-length")
                    })
                });
                if seen == Seen::Impossible {
                    // It may have come late, or be lost: the bytes tell.
                    self.get(at).await;
                }
            }
            Outcome::Refused(404, _) => self.saw("head", at, None),
            Outcome::Refused(status, code) => self.fault("FALSE REFUSAL", at, &(status, code)),
            Outcome::Unknown(_) => {}
        }
    }

    async fn delete(&mut self, at: usize) {
        let client = self.client().await;
        let request = client.delete(&self.at(&self.own[at].key));
        let outcome = self.send("DeleteObject", request).await;
        self.wrote("delete", at, None, outcome);
    }

    /// A copy of a key that is known onto another one, or onto itself.
    async fn copy(&mut self, to: usize) {
        let from = self.dice.usize(..self.own.len());
        let Some(object) = self.own[from].certain().cloned() else { return self.get(from).await };
        let client = self.client().await;
        let source = self.at(&self.own[from].key);
        let request = client.put(&self.at(&self.own[to].key)).header("x-amz-copy-source", source);
        let request = match from == to {
            true => request
                .header("x-amz-metadata-directive", "REPLACE")
                .header("x-amz-meta-write", object.value.label()),
            false => request,
        };
        let outcome = self.send("CopyObject", request).await;
        // Azurite takes a list of blocks of which a byte has changed, and misses a block.
        if !matches!(&outcome, Outcome::Refused(409, code) if code == "OperationAborted") {
            self.wrote("copy", to, Some(object), outcome);
            // What comes late to the source may have been copied.
            let late = self.own[from].late();
            self.own[to].may_come(late);
        }
    }

    /// Sends what may be sent again until it is answered.
    async fn insist(
        &mut self,
        what: &'static str,
        make: impl Fn(&Client) -> Request,
    ) -> Option<Answer> {
        for _ in 0..TRIES_MAX {
            let client = self.client().await;
            match self.send(what, make(&client)).await {
                Outcome::Done(answer) => return Some(answer),
                Outcome::Refused(status, code) => {
                    self.tally.fault(format!("FALSE REFUSAL: {what}: {status} {code}"));
                    return None;
                }
                Outcome::Unknown(_) => {}
            }
        }
        None
    }

    /// An upload of `value` to a key, all its parts there: it, its parts, and its ETag.
    async fn upload(
        &mut self,
        key: &str,
        value: Value,
    ) -> Option<(Upload, Vec<(u32, String)>, String)> {
        let at = self.at(key);
        let create = |client: &Client| {
            client.post(&at).query("uploads", "").header("x-amz-meta-write", value.label())
        };
        let created = self.insist("CreateMultipartUpload", create).await?;
        let upload = Upload { id: created.xml().at("UploadId").to_owned(), at: at.clone() };
        let bytes = value.bytes();
        let pieces: Vec<_> = bytes.chunks(MIN).collect();
        let mut parts = Vec::new();
        for (number, piece) in (1..).zip(&pieces) {
            let put = |client: &Client| {
                upload.part(client, number).payload(Payload::Unsigned).body(piece)
            };
            let answer = self.insist("UploadPart", put).await?;
            parts.push((number, answer.at("etag").to_owned()));
        }
        Some((upload, parts, composite(&pieces)))
    }

    async fn multipart(&mut self, at: usize) {
        let value = self.value(3000);
        let key = self.own[at].key.clone();
        let Some((upload, parts, etag)) = self.upload(&key, value).await else { return };
        if self.dice.u8(..8) == 0 {
            return self.abort(&upload, &parts).await;
        }
        let object = Object { value, etag };
        for _ in 0..TRIES_MAX {
            let client = self.client().await;
            let complete = upload.complete(&client, &parts);
            match self.send("CompleteMultipartUpload", complete).await {
                Outcome::Done(answer) => {
                    if answer.xml().at("ETag") != object.etag {
                        self.fault("FALSE ETAG", at, &answer);
                    }
                    return self.own[at].acknowledged(Some(object));
                }
                // Another try is still at work on it.
                Outcome::Refused(_, code) if code == "OperationAborted" => {
                    self.own[at].unknown(Some(object.clone()));
                }
                Outcome::Refused(status, code) => {
                    return self.fault("FALSE REFUSAL", at, &("complete", status, code));
                }
                Outcome::Unknown(_) => self.own[at].unknown(Some(object.clone())),
            }
            if self.persistence == Persistence::GiveUp {
                return;
            }
        }
    }

    async fn abort(&mut self, upload: &Upload, parts: &[(u32, String)]) {
        let client = self.client().await;
        let Outcome::Done(_) = self.send("AbortMultipartUpload", upload.abort(&client)).await
        else {
            return;
        };
        let client = self.client().await;
        let complete = upload.complete(&client, parts);
        match self.send("CompleteMultipartUpload, aborted", complete).await {
            Outcome::Done(_) => self.tally.fault(format!("FALSE SUCCESS: {} aborted", upload.at)),
            Outcome::Refused(404, _) | Outcome::Unknown(_) => {}
            Outcome::Refused(status, code) => {
                self.tally.fault(format!("{} aborted: {status} {code}", upload.at));
            }
        }
    }

    /// Its own keys as a listing shows them.
    async fn list(&mut self) {
        let client = self.client().await;
        let request = client.get(&format!("/{}", self.world.bucket)).query("list-type", 2);
        let request = request.query("prefix", format!("own/{}/", self.number));
        let answer = match self.send("ListObjectsV2", request).await {
            Outcome::Done(answer) => answer.xml(),
            Outcome::Refused(status, code) => {
                return self.tally.fault(format!("FALSE REFUSAL: list: {status} {code}"));
            }
            Outcome::Unknown(_) => return,
        };
        let keys = answer.texts("Contents/Key");
        if keys.windows(2).any(|pair| pair[0] >= pair[1]) {
            self.tally.fault(format!("LISTED: out of order or twice: {keys:?}"));
        }
        let etags = answer.texts("Contents/ETag");
        for at in 0..self.own.len() {
            let listed = keys.iter().position(|key| *key == self.own[at].key);
            let etag = listed.map(|place| etags[place].clone());
            let holds =
                |object: Option<&Object>| object.map(|object| &object.etag) == etag.as_ref();
            if self.own[at].narrow(holds) != Seen::Expected {
                // It may have come late, or be lost: the bytes tell.
                self.get(at).await;
            }
        }
    }

    /// A write of a key that all write.
    async fn write_shared(&mut self) {
        let world = Arc::clone(&self.world);
        let (key, history) = &world.shared[self.dice.usize(..world.shared.len())];
        self.written += 1;
        let length = self.dice.u32(2 * CELL as u32..3000);
        let value = Value { client: self.number, number: self.written, length };
        let (request, begun) = match self.dice.u8(..8) {
            0 => {
                let Some((upload, parts, _)) = self.upload(key, value).await else { return };
                let client = self.client().await;
                (upload.complete(&client, &parts), world.tick())
            }
            1 | 2 => (self.put_request(key, value, Form::Blocks).await, world.tick()),
            _ => (self.put_request(key, value, Form::Held).await, world.tick()),
        };
        let outcome = self.send("a write of a shared key", request).await;
        let end = match outcome {
            Outcome::Done(_) => End::Acknowledged,
            Outcome::Refused(409, _) | Outcome::Unknown(_) => End::Unknown,
            Outcome::Refused(status, code) => {
                self.tally.fault(format!("FALSE REFUSAL: {key}: {status} {code}"));
                End::Unknown
            }
        };
        history.lock().await.wrote(value, (begun, world.tick()), end);
    }

    /// A read of a key that all write.
    pub(super) async fn read_shared(&mut self) {
        let world = Arc::clone(&self.world);
        let (key, history) = &world.shared[self.dice.usize(..world.shared.len())];
        let client = self.client().await;
        let begun = world.tick();
        match self.send("a read of a shared key", client.get(&self.at(key))).await {
            Outcome::Done(answer) => match read(&answer) {
                Ok(object) => history.lock().await.read(object.value, (begun, world.tick())),
                Err(wrong) => self.tally.fault(format!("{wrong}: {key}: {:?}", answer.headers)),
            },
            Outcome::Refused(status, code) => {
                self.tally.fault(format!("LOST: {key}: {status} {code}"));
            }
            Outcome::Unknown(_) => {}
        }
    }

    /// The first write of every shared key.
    pub(super) async fn write_all_shared(&mut self) {
        let world = Arc::clone(&self.world);
        for (key, history) in &world.shared {
            self.written += 1;
            let value = Value { client: self.number, number: self.written, length: 100 };
            let request = self.put_request(key, value, Form::Held).await;
            let begun = world.tick();
            request.ok().await;
            history.lock().await.wrote(value, (begun, world.tick()), End::Acknowledged);
        }
    }
}

/// The object in an answer: bytes, ETag and metadata are of one write.
fn read(answer: &Answer) -> Result<Object, String> {
    let value = Value::of_whole(&answer.body).map_err(|wrong| wrong.to_string())?;
    if answer.header("x-amz-meta-write") != Some(&value.label()) {
        return Err(format!("MIXED: metadata of another write than {value:?}"));
    }
    Ok(Object { value, etag: answer.at("etag").to_owned() })
}
