//! Watches the heads of HTTP/1.1 requests as they come in, before hyper reads them, for what hyper
//! accepts and hides. A request with both `Content-Length` and `Transfer-Encoding` comes out of hyper
//! without the former, so nobody behind it could refuse it; one with bare line feeds looks like any
//! other. Both are how requests are smuggled past a proxy that reads them differently (RFC 9112, 6.3
//! and 2.2).
//!
//! It follows the framing of bodies only as far as it must to find the next head. Where a request
//! makes no sense it stops looking: no further head counts as clear, and hyper refuses it anyway.

/// A longer head is hyper's to refuse; it is not looked at.
pub(super) const HEAD_BYTES_MAX: usize = 32 * 1024;

/// What the next byte of a connection belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing of the next request has come yet.
    Idle,
    /// A head has begun.
    Head,
    /// A body.
    Body,
    /// No request may follow.
    Lost,
}

/// Follows the bytes of one connection.
#[derive(Debug)]
pub(super) struct Tracker {
    state: State,
    /// The head as far as it has come.
    head: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Head,
    Length(u64),
    /// The line that says how long a chunk is; the size so far, while digits come.
    ChunkSize {
        size: u64,
        digits: Digits,
    },
    ChunkData(u64),
    /// The line's end after a chunk.
    ChunkEnd,
    /// The lines after the last chunk; whether the current one is empty so far.
    Trailers {
        empty_line: bool,
    },
    Lost,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Digits {
    /// More may come.
    Open,
    /// An extension or the line's end comes.
    Done,
}

impl Tracker {
    pub(super) fn new() -> Self {
        Self { state: State::Head, head: Vec::new() }
    }

    pub(super) fn phase(&self) -> Phase {
        match self.state {
            State::Head if self.head.is_empty() => Phase::Idle,
            State::Head => Phase::Head,
            State::Length(_)
            | State::ChunkSize { .. }
            | State::ChunkData(_)
            | State::ChunkEnd
            | State::Trailers { .. } => Phase::Body,
            State::Lost => Phase::Lost,
        }
    }

    /// Takes what was read; says how many heads ended in it without anything to object to.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) -> u64 {
        let mut clear = 0;
        while !bytes.is_empty() {
            let used = match self.state {
                State::Head => self.feed_head(bytes, &mut clear),
                State::Length(left) => self.skip(left, bytes, State::Length, State::Head),
                State::ChunkData(left) => self.skip(left, bytes, State::ChunkData, State::ChunkEnd),
                State::ChunkSize { .. } | State::ChunkEnd | State::Trailers { .. } => {
                    self.state = framing(self.state, bytes.first().copied().unwrap_or_default());
                    1
                }
                State::Lost => return clear,
            };
            bytes = bytes.get(used..).unwrap_or_default();
        }
        clear
    }

    /// Takes bytes of which `left` belong to what is skipped.
    fn skip(&mut self, left: u64, bytes: &[u8], more: fn(u64) -> State, then: State) -> usize {
        let used = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
        self.state = match left.saturating_sub(u64::try_from(used).unwrap_or(u64::MAX)) {
            0 => then,
            left => more(left),
        };
        used
    }

    /// Takes bytes up to the end of the head; the number of those that belonged to it.
    fn feed_head(&mut self, bytes: &[u8], clear: &mut u64) -> usize {
        let mut used = 0;
        if self.head.is_empty() {
            // Empty lines before a request are allowed, and no part of it.
            used = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        }
        while let Some(rest) = bytes.get(used..).filter(|rest| !rest.is_empty()) {
            let line_end = memchr::memchr(b'\n', rest);
            let room = (HEAD_BYTES_MAX + 1).saturating_sub(self.head.len());
            let line = line_end.map_or(rest.len(), |end| end + 1).min(room);
            self.head.extend_from_slice(rest.get(..line).unwrap_or_default());
            used += line;
            if ends_with_empty_line(&self.head) {
                let framing = read_head(&self.head);
                self.head.clear();
                self.state = framing.unwrap_or(State::Lost);
                *clear += u64::from(framing.is_some());
                return used;
            }
            if self.head.len() > HEAD_BYTES_MAX {
                self.state = State::Lost;
                return used;
            }
        }
        used
    }
}

fn framing(state: State, byte: u8) -> State {
    match state {
        State::ChunkSize { size: 0, digits: _ } if byte == b'\n' => {
            State::Trailers { empty_line: true }
        }
        State::ChunkSize { size, digits: _ } if byte == b'\n' => State::ChunkData(size),
        State::ChunkSize { size, digits: Digits::Open } => match hex(byte) {
            Some(digit) => size
                .checked_mul(16)
                .and_then(|size| size.checked_add(digit))
                .map_or(State::Lost, |size| State::ChunkSize { size, digits: Digits::Open }),
            None => State::ChunkSize { size, digits: Digits::Done },
        },
        State::ChunkEnd if byte == b'\n' => State::ChunkSize { size: 0, digits: Digits::Open },
        State::Trailers { empty_line: true } if byte == b'\n' => State::Head,
        State::Trailers { empty_line } => match byte {
            b'\n' => State::Trailers { empty_line: true },
            b'\r' => State::Trailers { empty_line },
            _ => State::Trailers { empty_line: false },
        },
        State::ChunkSize { .. }
        | State::ChunkEnd
        | State::Head
        | State::Length(_)
        | State::ChunkData(_)
        | State::Lost => state,
    }
}

fn hex(byte: u8) -> Option<u64> {
    char::from(byte).to_digit(16).map(u64::from)
}

/// The empty line as hyper sees it, which takes a bare line feed for a line's end.
fn ends_with_empty_line(head: &[u8]) -> bool {
    head.ends_with(b"\n\r\n") || head.ends_with(b"\n\n")
}

/// How the body of a request is framed; none when its head says so in two ways.
fn read_head(head: &[u8]) -> Option<State> {
    let mut lengths = None;
    let mut encoded = false;
    let mut begin = 0;
    for end in memchr::memchr_iter(b'\n', head) {
        let line = head.get(begin..=end)?.strip_suffix(b"\r\n")?;
        begin = end + 1;
        if !matches!(line.first(), Some(b'T' | b't' | b'C' | b'c')) {
            continue;
        }
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = line.split_at(colon);
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            encoded = true;
        } else if name.eq_ignore_ascii_case(b"content-length") {
            let length = length(value.strip_prefix(b":")?)?;
            if lengths.is_some_and(|other| other != length) {
                return None;
            }
            lengths = Some(length);
        }
    }
    match (encoded, lengths) {
        (true, Some(_)) => None,
        (true, None) => Some(State::ChunkSize { size: 0, digits: Digits::Open }),
        (false, None | Some(0)) => Some(State::Head),
        (false, Some(length)) => Some(State::Length(length)),
    }
}

fn length(value: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(value.trim_ascii()).ok()?;
    if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds it whole and byte by byte: the same heads must come out.
    #[track_caller]
    fn check(bytes: &str, clear: u64, phase: Phase) {
        let mut whole = Tracker::new();
        assert_eq!((whole.feed(bytes.as_bytes()), whole.phase()), (clear, phase), "{bytes:?}");
        let mut single = Tracker::new();
        let heads: u64 = bytes.as_bytes().chunks(1).map(|byte| single.feed(byte)).sum();
        assert_eq!((heads, single.phase()), (clear, phase), "{bytes:?} byte by byte");
    }

    #[test]
    fn heads_are_counted_past_bodies() {
        check("", 0, Phase::Idle);
        check("GET / HTTP/1.1\r\nHost: a\r\n", 0, Phase::Head);
        check("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 1, Phase::Idle);
        check("PUT / HTTP/1.1\r\nContent-Length: 3\r\n\r\nab", 1, Phase::Body);
        check("PUT / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET /", 1, Phase::Head);
        check("\r\n\r\nGET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n", 2, Phase::Idle);
        check(
            "PUT / HTTP/1.1\r\nContent-Length: 2\r\ncontent-length: 2\r\n\r\nabG",
            1,
            Phase::Head,
        );
    }

    #[test]
    fn chunks_are_followed_to_the_next_head() {
        let head = "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        check(&format!("{head}A;x=\"1\"\r\n0123456789\r\n0\r\n"), 1, Phase::Body);
        check(&format!("{head}A;x=1\r\n0123456789\r\n0\r\n\r\n"), 1, Phase::Idle);
        check(
            &format!("{head}1\r\nx\r\n0\r\nTrailer: 1\r\n\r\nGET / HTTP/1.1\r\n\r\n"),
            2,
            Phase::Idle,
        );
        check(&format!("{head}11111111111111111\r\n"), 1, Phase::Lost);
    }

    #[test]
    fn c59_a_length_and_an_encoding_are_never_clear() {
        for (first, second) in [
            ("Content-Length: 4", "Transfer-Encoding: chunked"),
            ("TRANSFER-ENCODING: xchunked", "content-length:4"),
        ] {
            let request = format!("PUT / HTTP/1.1\r\n{first}\r\n{second}\r\n\r\n0\r\n\r\n");
            check(&format!("{request}GET / HTTP/1.1\r\n\r\n"), 0, Phase::Lost);
        }
    }

    #[test]
    fn c59_lengths_that_differ_or_are_none_are_never_clear() {
        check("PUT / HTTP/1.1\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\n", 0, Phase::Lost);
        for wrong in ["+4", "4, 4", "0x4", "99999999999999999999"] {
            check(&format!("PUT / HTTP/1.1\r\nContent-Length: {wrong}\r\n\r\n"), 0, Phase::Lost);
        }
    }

    #[test]
    fn a_bare_line_feed_is_never_clear() {
        check("GET / HTTP/1.1\nHost: a\n\n", 0, Phase::Lost);
        check("GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", 0, Phase::Lost);
    }

    #[test]
    fn c60_a_head_without_end_is_not_collected() {
        let mut tracker = Tracker::new();
        tracker.feed(&vec![b'a'; 40 * 1024]);
        assert_eq!(tracker.phase(), Phase::Lost);
        assert!(tracker.head.len() <= HEAD_BYTES_MAX + 1);
    }
}
