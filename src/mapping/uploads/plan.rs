//! From the list of parts that a Complete names to the object that it makes: checked, and computed.

use data_encoding::HEXLOWER;
use md5::{Digest as _, Md5};

use crate::azure::{self, AzureETag};
use crate::mapping::metadata::{self, ChecksumKind, ObjectChecksum, ObjectFacts, PartTable};
use crate::mapping::uploads::PartsChecksum;
use crate::s3::checksum::{Checksum, Hasher};
use crate::s3::names::PartNumber;
use crate::s3::{Code, Error};

/// The least that a part has which is not the last, in bytes:
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>.
const PART_BYTES_MIN: u64 = 5 * 1024 * 1024;

/// A part as a client names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// Its number.
    pub number: PartNumber,
    /// Its ETag, without quotes.
    pub etag: String,
    /// Its checksum, where the client says it.
    pub checksum: Option<Checksum>,
}

/// A part that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its number.
    pub number: PartNumber,
    /// How many bytes it has.
    pub length: u64,
    /// The state of its blob.
    pub blob: AzureETag,
    /// What its ETag says.
    pub md5: [u8; 16],
    /// That is the MD5 of its bytes.
    pub hashed: bool,
    /// Its checksum.
    pub checksum: Option<Checksum>,
}

impl Part {
    /// The part whose blob Azure describes so; nothing if no gateway wrote it.
    pub fn read(number: PartNumber, properties: &azure::Properties) -> Option<Self> {
        let facts = ObjectFacts::read(properties);
        let etag = metadata::etag_of(&facts, properties);
        let md5 = HEXLOWER.decode(etag.as_bytes()).ok()?.try_into().ok()?;
        Some(Self {
            number,
            length: properties.content_length,
            blob: properties.etag.clone(),
            md5,
            hashed: facts.etag.is_none(),
            checksum: facts.checksum.map(|checksum| checksum.value),
        })
    }

    /// Its ETag, without quotes.
    pub fn etag(&self) -> String {
        HEXLOWER.encode(&self.md5)
    }
}

/// What a Complete says beside its list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// `x-amz-mp-object-size`
    pub length: Option<u64>,
    /// `x-amz-checksum-*` as it was sent: a composite one may have its `-N`.
    pub checksum: Option<(crate::s3::checksum::ChecksumAlgorithm, String)>,
    /// `x-amz-checksum-type`
    pub kind: Option<String>,
}

/// The object that a Complete makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Its parts, in order.
    pub parts: Vec<Part>,
    /// Its length.
    pub length: u64,
    /// Its ETag, without quotes.
    pub etag: String,
    /// Its checksum.
    pub checksum: Option<ObjectChecksum>,
}

impl Plan {
    /// Checks the list against what is there. `found` is in the order of the numbers.
    pub fn new(
        claimed: &[Claimed],
        found: &[Part],
        settings: Option<PartsChecksum>,
        wanted: &Wanted,
    ) -> Result<Self, Error> {
        in_order(claimed)?;
        if let Some(settings) = settings {
            claimed.iter().try_for_each(|part| names_checksum(part, settings))?;
        }
        let parts =
            claimed.iter().map(|claimed| find(claimed, found)).collect::<Result<Vec<_>, _>>()?;
        let before_last = parts.split_last().map(|(_, before)| before).unwrap_or_default();
        if let Some(small) = before_last.iter().find(|part| part.length < PART_BYTES_MIN) {
            return Err(Error::new(Code::EntityTooSmall)
                .detail("ProposedSize", small.length.to_string())
                .detail("MinSizeAllowed", PART_BYTES_MIN.to_string())
                .detail("PartNumber", small.number.get().to_string())
                .detail("ETag", small.etag()));
        }
        let length = parts.iter().map(|part| part.length).sum();
        if wanted.length.is_some_and(|wanted| wanted != length) {
            return Err(Error::new(Code::InvalidRequest).message(format!(
                "The provided 'x-amz-mp-object-size' header value {} does not match what was \
                 computed: {length}",
                wanted.length.unwrap_or_default()
            )));
        }
        let checksum = settings.and_then(|settings| checksum(settings, &parts));
        wanted.check(settings, checksum.as_ref())?;
        let mut md5 = Md5::new();
        for part in &parts {
            md5.update(part.md5);
        }
        let etag = format!("{}-{}", HEXLOWER.encode(&md5.finalize()), parts.len());
        Ok(Self { parts, length, etag, checksum })
    }

    /// The sizes of the parts, as an object remembers them.
    pub fn table(&self) -> PartTable {
        let count = u32::try_from(self.parts.len()).unwrap_or(u32::MAX);
        let mut lengths = self.parts.iter().map(|part| part.length);
        let first = lengths.next().unwrap_or_default();
        let last = self.parts.last().map_or(0, |part| part.length);
        let middle = self.parts.split_last().map(|(_, before)| before).unwrap_or_default();
        let uniform = last <= first && middle.iter().all(|part| part.length == first);
        PartTable { count, size: uniform.then_some(first) }
    }
}

impl Wanted {
    fn check(
        &self,
        settings: Option<PartsChecksum>,
        computed: Option<&ObjectChecksum>,
    ) -> Result<(), Error> {
        if let (Some(kind), Some(settings)) = (&self.kind, settings)
            && kind != settings.kind_name()
        {
            return Err(Error::new(Code::InvalidRequest).message(format!(
                "The upload was created using the {} checksum mode. The complete request must use \
                 the same checksum mode.",
                settings.kind_name()
            )));
        }
        let Some((algorithm, text)) = &self.checksum else { return Ok(()) };
        if settings.is_none_or(|settings| settings.algorithm != *algorithm) {
            let expected = settings.map_or("null", |settings| settings.algorithm.name());
            return Err(Error::new(Code::InvalidRequest).message(format!(
                "Checksum Type mismatch occurred, expected checksum Type: {expected}, actual \
                 checksum Type: {algorithm}"
            )));
        }
        let matches = computed
            .is_some_and(|computed| computed.text() == *text || computed.value.base64() == *text);
        if matches {
            return Ok(());
        }
        Err(Error::new(Code::BadDigest).message(format!(
            "The {algorithm} you specified did not match the calculated checksum."
        )))
    }
}

fn in_order(claimed: &[Claimed]) -> Result<(), Error> {
    let ascending = claimed.windows(2).all(|pair| match pair {
        [one, two] => one.number < two.number,
        _ => true,
    });
    if ascending { Ok(()) } else { Err(Error::new(Code::InvalidPartOrder)) }
}

/// A list names the checksum of a part by the upload's algorithm, or not at all:
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html>.
fn names_checksum(claimed: &Claimed, settings: PartsChecksum) -> Result<(), Error> {
    let number = claimed.number.get();
    match &claimed.checksum {
        Some(said) if said.algorithm() != settings.algorithm => Err(Error::new(Code::BadDigest)
            .message(format!(
                "The {} you specified for part {number} did not match what we received.",
                said.algorithm().name().to_ascii_lowercase()
            ))),
        Some(_) | None => Ok(()),
    }
}

/// The part that is meant: of this number, this ETag, and this checksum.
fn find(claimed: &Claimed, found: &[Part]) -> Result<Part, Error> {
    let at = found.binary_search_by_key(&claimed.number, |part| part.number).ok();
    let part = at.and_then(|at| found.get(at)).filter(|part| {
        part.etag() == claimed.etag.to_ascii_lowercase()
            && claimed.checksum.is_none_or(|said| part.checksum == Some(said))
    });
    part.cloned().ok_or_else(|| {
        Error::new(Code::InvalidPart)
            .detail("PartNumber", claimed.number.get().to_string())
            .detail("ETag", claimed.etag.clone())
    })
}

/// The checksum of an object of these parts; nothing if one of them has none.
fn checksum(settings: PartsChecksum, parts: &[Part]) -> Option<ObjectChecksum> {
    let algorithm = settings.algorithm;
    let of = |part: &Part| part.checksum.filter(|checksum| checksum.algorithm() == algorithm);
    if settings.composite {
        let mut hasher = Hasher::new(algorithm);
        for part in parts {
            hasher.update(of(part)?.value());
        }
        let parts = u32::try_from(parts.len()).ok()?;
        let kind = ChecksumKind::Composite { parts };
        return Some(ObjectChecksum { value: hasher.finish(), kind });
    }
    let mut all: Option<Checksum> = None;
    for part in parts {
        let next = of(part)?;
        all = Some(match all {
            Some(before) => before.followed_by(&next, part.length)?,
            None => next,
        });
    }
    all.map(|value| ObjectChecksum { value, kind: ChecksumKind::FullObject })
}

#[cfg(test)]
mod tests {
    use super::{Claimed, PART_BYTES_MIN, Part, Plan, Wanted};
    use crate::azure::AzureETag;
    use crate::mapping::metadata::PartTable;
    use crate::mapping::uploads::PartsChecksum;
    use crate::s3::Code;
    use crate::s3::checksum::{Checksum, ChecksumAlgorithm, Hasher};
    use crate::s3::names::PartNumber;

    fn part(number: u16, length: u64) -> Part {
        Part {
            number: PartNumber::new(number).unwrap(),
            length,
            blob: AzureETag::new("0x1"),
            md5: [u8::try_from(number % 256).unwrap(); 16],
            hashed: true,
            checksum: None,
        }
    }

    fn claim(part: &Part) -> Claimed {
        Claimed { number: part.number, etag: part.etag(), checksum: part.checksum }
    }

    fn plan(claimed: &[Claimed], found: &[Part]) -> Result<Plan, Code> {
        Plan::new(claimed, found, None, &Wanted::default()).map_err(|error| error.code())
    }

    #[test]
    fn f17_f19_a_list_that_does_not_fit_is_refused() {
        let found = [part(1, PART_BYTES_MIN), part(2, PART_BYTES_MIN - 1), part(3, 1)];
        let claims: Vec<_> = found.iter().map(claim).collect();
        let [one, two, three] = claims.as_slice() else { panic!() };
        let check = |list: &[&Claimed], want: Result<u64, Code>| {
            let list: Vec<_> = list.iter().map(|claim| (*claim).clone()).collect();
            assert_eq!(plan(&list, &found).map(|plan| plan.length), want);
        };
        check(&[one, two], Ok(2 * PART_BYTES_MIN - 1));
        check(&[one, three], Ok(PART_BYTES_MIN + 1));
        check(&[three], Ok(1));
        check(&[one, two, three], Err(Code::EntityTooSmall));
        check(&[two, one], Err(Code::InvalidPartOrder));
        check(&[one, one], Err(Code::InvalidPartOrder));
        let old = Claimed { etag: three.etag.clone(), ..two.clone() };
        check(&[one, &old], Err(Code::InvalidPart));
        let gone = Claimed { number: PartNumber::new(4).unwrap(), ..three.clone() };
        check(&[one, &gone], Err(Code::InvalidPart));
        let upper = Claimed { etag: one.etag.to_ascii_uppercase(), ..one.clone() };
        check(&[&upper], Ok(PART_BYTES_MIN));
    }

    #[test]
    fn the_etag_is_the_md5_of_the_md5s() {
        let found = [part(1, PART_BYTES_MIN), part(2, 1)];
        let made = plan(&found.each_ref().map(claim), &found).unwrap();
        // echo -n 0101..0202.. | xxd -r -p | md5sum
        let mut both = vec![1; 16];
        both.extend([2; 16]);
        let md5 = <md5::Md5 as md5::Digest>::digest(&both);
        assert_eq!(made.etag, format!("{}-2", data_encoding::HEXLOWER.encode(&md5)));
    }

    #[test]
    fn a_table_is_a_few_words_where_the_parts_are_alike() {
        let table = |lengths: &[u64]| {
            let numbered = (1..).zip(lengths);
            let parts: Vec<_> = numbered.map(|(number, length)| part(number, *length)).collect();
            let length = lengths.iter().sum();
            Plan { parts, length, etag: String::new(), checksum: None }.table()
        };
        assert_eq!(table(&[5]), PartTable { count: 1, size: Some(5) });
        assert_eq!(table(&[5, 5, 0]), PartTable { count: 3, size: Some(5) });
        assert_eq!(table(&[5, 5, 6]), PartTable { count: 3, size: None });
        assert_eq!(table(&[5, 6, 5]), PartTable { count: 3, size: None });
        assert_eq!(table(&[0]), PartTable { count: 1, size: Some(0) });
    }

    fn checksum(algorithm: ChecksumAlgorithm, bytes: &[u8]) -> Checksum {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(bytes);
        hasher.finish()
    }

    #[test]
    fn checksums_of_objects_are_made_of_those_of_their_parts() {
        let halves = [vec![1; 5 << 20], vec![2; 77]];
        for algorithm in ChecksumAlgorithm::ALL {
            let mut found = [part(1, 5 << 20), part(2, 77)];
            for (part, bytes) in found.iter_mut().zip(&halves) {
                part.checksum = Some(checksum(algorithm, bytes));
            }
            let claims = found.each_ref().map(claim);
            let settings = |composite| Some(PartsChecksum { algorithm, composite });
            let made = |composite, wanted: &Wanted| {
                Plan::new(&claims, &found, settings(composite), wanted)
                    .map_err(|error| error.code())
            };
            let whole = made(false, &Wanted::default()).unwrap().checksum;
            let expected = algorithm.combines().then(|| checksum(algorithm, &halves.concat()));
            assert_eq!(whole.map(|whole| whole.value), expected);
            let of_parts = made(true, &Wanted::default()).unwrap().checksum.unwrap();
            assert!(of_parts.text().ends_with("-2"));
            let want = |text: String| Wanted {
                checksum: Some((algorithm, text)),
                kind: Some("COMPOSITE".into()),
                length: Some((5 << 20) + 77),
            };
            assert!(made(true, &want(of_parts.text())).is_ok());
            assert!(made(true, &want(of_parts.value.base64())).is_ok());
            assert_eq!(made(true, &want("AAAA-2".into())).unwrap_err(), Code::BadDigest);
            assert_eq!(made(false, &want(of_parts.text())).unwrap_err(), Code::InvalidRequest);
            let long = Wanted { length: Some(1), ..Wanted::default() };
            assert_eq!(made(true, &long).unwrap_err(), Code::InvalidRequest);
        }
    }
}
