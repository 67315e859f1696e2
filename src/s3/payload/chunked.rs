//! `aws-chunked`: sizes, signatures of chunks, trailers. An incremental decoder that gives slices of
//! what came in and holds back nothing but a line.
//!
//! ```text
//! 10000;chunk-signature=…\r\n <65,536 bytes> \r\n 0;chunk-signature=…\r\n
//! x-amz-checksum-crc32c:sOO8/Q==\r\n x-amz-trailer-signature:…\r\n \r\n
//! ```
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html>

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use crate::s3::auth::{Hex, SHA256_OF_NOTHING, SignedChunks, hex, same};
use crate::s3::checksum::ChecksumAlgorithm;
use crate::s3::{Code, Error};

/// The most that a signature may cover at once; unsigned chunks are only bounded by the body.
const SIGNED_CHUNK_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// The least that any chunk but the last has, AWS's rule.
const CHUNK_BYTES_MIN: u64 = 8 * 1024;
/// 16 digits, `;chunk-signature=`, 64 digits and a line's end are 99.
const SIZE_LINE_BYTES_MAX: usize = 128;
/// Two lines, of which the longer has 90 bytes.
const TRAILER_BYTES_MAX: usize = 1024;

/// Takes the framing off a body, and checks it.
#[derive(Debug)]
pub(super) struct Decoder {
    state: State,
    line: Vec<u8>,
    signatures: Option<Signatures>,
    trailer: Trailer,
    chunks: u64,
    chunk_bytes: u64,
    bytes_left: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Size,
    Data { left: u64 },
    DataEnd,
    Trailer,
    End,
}

impl Decoder {
    /// For a body that is to give `length` bytes, with signatures or without, and with a trailer of
    /// this checksum if there is to be one.
    pub(super) fn new(
        length: u64,
        signed: Option<SignedChunks>,
        checksum: Option<ChecksumAlgorithm>,
    ) -> Self {
        let allowed = signed.as_ref().is_none_or(SignedChunks::has_trailer);
        Self {
            state: State::Size,
            line: Vec::with_capacity(SIZE_LINE_BYTES_MAX),
            signatures: signed.map(Signatures::new),
            trailer: Trailer { expected: checksum.filter(|_| allowed), ..Trailer::default() },
            chunks: 0,
            chunk_bytes: 0,
            bytes_left: length,
        }
    }

    /// The next decoded bytes out of `input`. None: `input` is used up.
    pub(super) fn next(&mut self, input: &mut Bytes) -> Result<Option<Bytes>, Error> {
        while !input.is_empty() {
            match self.state {
                State::Data { left } => return self.take_data(input, left).map(Some),
                State::End => return Err(broken("bytes after the last chunk")),
                State::Size | State::DataEnd | State::Trailer => self.take_line(input)?,
            }
        }
        Ok(None)
    }

    /// Whether the framing has come to its end.
    pub(super) fn is_at_end(&self) -> bool {
        self.state == State::End
    }

    /// The value of the checksum's trailer, if one came.
    pub(super) fn trailer(&self) -> Option<&[u8]> {
        self.trailer.value.as_deref()
    }

    fn take_data(&mut self, input: &mut Bytes, left: u64) -> Result<Bytes, Error> {
        let length = usize::try_from(left).map_or(input.len(), |left| left.min(input.len()));
        let data = input.split_to(length);
        let left = left.saturating_sub(length as u64);
        if let Some(signatures) = &mut self.signatures {
            signatures.hash.update(&data);
            if left == 0 {
                signatures.check_chunk()?;
            }
        }
        self.state = if left == 0 { State::DataEnd } else { State::Data { left } };
        Ok(data)
    }

    /// Takes bytes up to a line's end, and acts on the line when it is whole.
    fn take_line(&mut self, input: &mut Bytes) -> Result<(), Error> {
        let line_bytes_max = match self.state {
            State::Size => SIZE_LINE_BYTES_MAX,
            State::Trailer => TRAILER_BYTES_MAX,
            State::DataEnd | State::Data { .. } | State::End => 2,
        };
        let room = line_bytes_max.saturating_sub(self.line.len()).min(input.len());
        let newline = input.iter().take(room).position(|byte| *byte == b'\n');
        self.line.extend_from_slice(&input.split_to(newline.map_or(room, |at| at + 1)));
        if !self.line.ends_with(b"\r\n") {
            return if self.line.len() < line_bytes_max { Ok(()) } else { Err(self.too_long()) };
        }
        self.line.truncate(self.line.len().saturating_sub(2));
        let mut line = std::mem::take(&mut self.line);
        self.act_on(&line)?;
        line.clear();
        self.line = line;
        Ok(())
    }

    fn too_long(&self) -> Error {
        match self.state {
            State::Size => broken("the line of a chunk is too long"),
            State::Trailer => malformed_trailer("it is too long"),
            State::DataEnd | State::Data { .. } | State::End => {
                broken("a chunk is longer than it says")
            }
        }
    }

    fn act_on(&mut self, line: &[u8]) -> Result<(), Error> {
        match self.state {
            State::Size => self.start_chunk(line),
            State::Trailer => self.take_trailer(line),
            State::DataEnd if line.is_empty() => {
                self.state = State::Size;
                Ok(())
            }
            State::DataEnd | State::Data { .. } | State::End => {
                Err(broken("a chunk is longer than it says"))
            }
        }
    }

    fn start_chunk(&mut self, line: &[u8]) -> Result<(), Error> {
        let size = self.size_and_signature(line)?;
        let signed = self.signatures.is_some();
        if signed && size > 0 && self.chunks > 0 && self.chunk_bytes < CHUNK_BYTES_MIN {
            return Err(Error::new(Code::InvalidChunkSizeError)
                .detail("Chunk", self.chunks.to_string())
                .detail("BadChunkSize", self.chunk_bytes.to_string()));
        }
        let Some(bytes_left) = self.bytes_left.checked_sub(size) else {
            return Err(broken("more bytes than x-amz-decoded-content-length says"));
        };
        (self.chunks, self.chunk_bytes) = (self.chunks.saturating_add(1), size);
        self.bytes_left = bytes_left;
        if size > 0 {
            self.state = State::Data { left: size };
            return Ok(());
        }
        if bytes_left > 0 {
            return Err(broken("fewer bytes than x-amz-decoded-content-length says"));
        }
        if let Some(signatures) = &mut self.signatures {
            signatures.check_chunk()?;
        }
        self.state = State::Trailer;
        Ok(())
    }

    fn size_and_signature(&mut self, line: &[u8]) -> Result<u64, Error> {
        let unreadable = || broken("the line of a chunk is unreadable");
        let Some(signatures) = &mut self.signatures else {
            return parse_size(line).ok_or_else(unreadable);
        };
        let at = line.iter().position(|byte| *byte == b';').ok_or_else(unreadable)?;
        let (size, extension) = line.split_at_checked(at).ok_or_else(unreadable)?;
        let size = parse_size(size).ok_or_else(unreadable)?;
        let given = extension.strip_prefix(b";chunk-signature=").ok_or_else(unreadable)?;
        signatures.given = Hex::try_from(given)
            .map_err(|error| Error::new(Code::SignatureDoesNotMatch).caused_by(error))?;
        if size > SIGNED_CHUNK_BYTES_MAX {
            return Err(Error::new(Code::InvalidRequest).message(format!(
                "A signed chunk may have at most {SIGNED_CHUNK_BYTES_MAX} bytes."
            )));
        }
        Ok(size)
    }

    fn take_trailer(&mut self, line: &[u8]) -> Result<(), Error> {
        if !line.is_empty() {
            return self.trailer.take(line);
        }
        self.trailer.check_complete()?;
        if let Some(signatures) = &mut self.signatures {
            signatures.check_trailer(&self.trailer)?;
        }
        self.state = State::End;
        Ok(())
    }
}

/// One to sixteen digits and nothing else.
fn parse_size(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 16 {
        return None;
    }
    digits
        .iter()
        .try_fold(0, |size, digit| Some(size << 4 | u64::from(char::from(*digit).to_digit(16)?)))
}

/// The chain of signatures: each one covers the one before it.
#[derive(Debug)]
struct Signatures {
    signed: SignedChunks,
    previous: Hex,
    given: Hex,
    hash: Sha256,
}

impl Signatures {
    fn new(signed: SignedChunks) -> Self {
        Self { previous: signed.seed, signed, given: [0; 64], hash: Sha256::new() }
    }

    /// Holds the signature of a chunk against the bytes that came.
    fn check_chunk(&mut self) -> Result<(), Error> {
        let digest = hex(&self.hash.finalize_reset().into());
        let calculated = self.signed.key.sign([
            b"AWS4-HMAC-SHA256-PAYLOAD\n",
            self.signed.context.as_bytes(),
            &self.previous,
            b"\n",
            SHA256_OF_NOTHING.as_bytes(),
            b"\n",
            &digest,
        ]);
        self.advance(calculated)
    }

    fn check_trailer(&mut self, trailer: &Trailer) -> Result<(), Error> {
        let Some(given) = trailer.signature else {
            return match trailer.value {
                Some(_) => Err(malformed_trailer("its signature is missing")),
                None => Ok(()),
            };
        };
        let mut hash = Sha256::new();
        if let Some((name, value)) = trailer.signed_line() {
            hash.update(name);
            hash.update(b":");
            hash.update(value);
            hash.update(b"\n");
        }
        let calculated = self.signed.key.sign([
            b"AWS4-HMAC-SHA256-TRAILER\n",
            self.signed.context.as_bytes(),
            &self.previous,
            b"\n",
            &hex(&hash.finalize().into()),
        ]);
        self.given = given;
        self.advance(calculated)
    }

    fn advance(&mut self, calculated: Hex) -> Result<(), Error> {
        if !same(&calculated, &self.given) {
            return Err(Error::new(Code::SignatureDoesNotMatch));
        }
        self.previous = calculated;
        Ok(())
    }
}

/// What comes after the last chunk: one checksum, and a signature over it.
#[derive(Debug, Default)]
struct Trailer {
    expected: Option<ChecksumAlgorithm>,
    value: Option<Vec<u8>>,
    signature: Option<Hex>,
    bytes: usize,
}

impl Trailer {
    fn take(&mut self, line: &[u8]) -> Result<(), Error> {
        self.bytes = self.bytes.saturating_add(line.len());
        // AWS's own example ends the line of a trailer with `\n\r\n`, and some clients follow it.
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let unreadable = || malformed_trailer("it is unreadable");
        let at = line.iter().position(|byte| *byte == b':').ok_or_else(unreadable)?;
        let (name, value) = line.split_at_checked(at).ok_or_else(unreadable)?;
        let value = value.strip_prefix(b":").ok_or_else(unreadable)?.trim_ascii();
        let name = name.trim_ascii();
        if self.signature.is_some() || self.bytes > TRAILER_BYTES_MAX || value.contains(&b'\n') {
            return Err(unreadable());
        }
        if name.eq_ignore_ascii_case(b"x-amz-trailer-signature") {
            let signature = Hex::try_from(value).map_err(|error| unreadable().caused_by(error))?;
            self.signature = Some(signature);
            return Ok(());
        }
        let is_expected = self
            .expected
            .is_some_and(|algorithm| name.eq_ignore_ascii_case(algorithm.header().as_bytes()));
        if !is_expected || self.value.is_some() {
            return Err(malformed_trailer("it is not what x-amz-trailer says"));
        }
        self.value = Some(value.to_vec());
        Ok(())
    }

    fn check_complete(&self) -> Result<(), Error> {
        if self.expected.is_some() && self.value.is_none() {
            return Err(malformed_trailer("it is missing"));
        }
        Ok(())
    }

    fn signed_line(&self) -> Option<(&'static str, &[u8])> {
        Some((self.expected?.header(), self.value.as_deref()?))
    }
}

/// Framing that cannot be followed. What it was goes to the log only, as with AWS.
fn broken(what: &'static str) -> Error {
    Error::new(Code::IncompleteBody).caused_by(what)
}

fn malformed_trailer(what: &'static str) -> Error {
    Error::new(Code::MalformedTrailerError).caused_by(what)
}
