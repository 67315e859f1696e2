//! Buckets and containers, keys and blobs: what the one is called on the other side.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use data_encoding::BASE32_NOPAD;
use sha2::{Digest as _, Sha256};

use crate::azure::{self, BlobName, ContainerName};
use crate::mapping::bucket_facts;
use crate::mapping::{escape, packing};
use crate::s3::names::{BucketName, ObjectKey};

/// The longest name of a blob. Azure says characters and does not say which; UTF-16 units are the
/// most that they can be. <https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata>
pub(super) const NAME_UNITS_MAX: usize = 1024;
/// The most segments, between slashes, that the name of a blob has.
const NAME_SEGMENTS_MAX: usize = 254;
/// The longest prefix of a route: with it, every packed key still is a name.
const ROUTE_UNITS_MAX: usize = 256;
/// The most segments of a route's prefix: half of what a name has.
const ROUTE_SEGMENTS_MAX: usize = 127;

/// What the container of a bucket is called that cannot be called as the bucket is.
const MAPPED: &str = "s3-";

/// The container of `bucket`: of the same name where Azure allows that, else named by a hash. Then
/// its metadata has the bucket's name, see [`bucket_of`].
#[expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "`s3-` and 52 letters of base32 are a container's name"
)]
pub fn container_of(bucket: &BucketName) -> ContainerName {
    // A bucket that is called like such a container is mapped as well, so that no two share one.
    let same = ContainerName::parse(bucket.as_str()).filter(|_| !is_mapped(bucket.as_str()));
    same.unwrap_or_else(|| {
        let hash = BASE32_NOPAD.encode(&Sha256::digest(bucket.as_str().as_bytes()));
        let name = format!("{MAPPED}{}", hash.to_ascii_lowercase());
        ContainerName::parse(&name).expect("a mapped name is a container's name")
    })
}

/// The bucket that `container` is, by its name and its metadata; nothing if it is no bucket's: one
/// of Azure's own (`$web`), one whose name S3 does not allow, or one whose metadata contradicts it.
pub fn bucket_of(container: &ContainerName, metadata: &azure::Metadata) -> Option<BucketName> {
    let name = if is_mapped(container.as_str()) {
        metadata.get(bucket_facts::NAME)?
    } else {
        container.as_str()
    };
    BucketName::parse(name).ok().filter(|bucket| container_of(bucket) == *container)
}

fn is_mapped(name: &str) -> bool {
    name.strip_prefix(MAPPED).is_some_and(|hash| {
        hash.len() == 52 && hash.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7'))
    })
}

/// Which of a container's two ranges of names a key lives in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Range {
    /// The name is the key, or reads like it.
    Plain,
    /// Azure cannot keep the key as a name: it is packed. A listing looks there only if the
    /// container's metadata says so, and it says so before the first such key is written.
    Reserved,
}

/// The keys of a bucket within its container: all names, or those under a route's prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct KeySpace {
    prefix: Arc<str>,
}

/// Why a text cannot be the prefix of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadRoutePrefix {
    /// It does not end with `/`.
    NoSlash,
    /// Azure would not keep it as it is.
    Unstorable,
    /// With it, long keys would have no room.
    TooLong,
}

impl fmt::Display for BadRoutePrefix {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::NoSlash => "must end with a slash",
            Self::Unstorable => "has characters or segments that Azure does not keep in names",
            Self::TooLong => "must have at most 256 characters and 127 segments",
        })
    }
}

impl std::error::Error for BadRoutePrefix {}

impl KeySpace {
    /// All names of the container.
    pub fn whole() -> Self {
        Self::default()
    }

    /// The names under `prefix`, which is empty or ends with `/`.
    pub fn under(prefix: &str) -> Result<Self, BadRoutePrefix> {
        if !prefix.is_empty() && !prefix.ends_with('/') {
            return Err(BadRoutePrefix::NoSlash);
        }
        if escape::open(prefix).as_deref() != Ok(prefix) {
            return Err(BadRoutePrefix::Unstorable);
        }
        if units(prefix) > ROUTE_UNITS_MAX || segments(prefix) > ROUTE_SEGMENTS_MAX {
            return Err(BadRoutePrefix::TooLong);
        }
        Ok(Self { prefix: prefix.into() })
    }

    /// What all names begin with.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The blob of `key`.
    pub fn blob_name(&self, key: &ObjectKey) -> BlobName {
        let name = self.plain(key.as_str());
        BlobName::new(name.unwrap_or_else(|| self.packed(key.as_str())))
    }

    /// Where the blob of `key` lives.
    pub fn range_of(&self, key: &ObjectKey) -> Range {
        self.plain(key.as_str()).map_or(Range::Reserved, |_| Range::Plain)
    }

    /// The key of a blob; nothing if no key has that name. That is so for names under another
    /// prefix, and for those with U+FFFD right behind one of `- . [ ~` or U+0080, U+D7FF, U+FFFC that
    /// are no escapes: an Azure tool made them, and they cannot be shown without hiding others.
    pub fn key_of(&self, name: &str) -> Option<String> {
        self.plain_key(name).map(Cow::into_owned).or_else(|| self.packed_key(name))
    }

    /// The key of a blob in the plain range.
    pub(super) fn plain_key<'a>(&self, name: &'a str) -> Option<Cow<'a, str>> {
        let key = escape::key_of(name.strip_prefix(&*self.prefix)?)?;
        (fits(name) && !key.is_empty()).then_some(key)
    }

    /// The key of a blob in the reserved range.
    pub(super) fn packed_key(&self, name: &str) -> Option<String> {
        let key = packing::key_of(name.strip_prefix(&*self.prefix)?)?;
        self.plain(&key).is_none().then_some(key)
    }

    fn plain(&self, key: &str) -> Option<String> {
        let name = [&*self.prefix, &*escape::close(key).ok()?].concat();
        fits(&name).then_some(name)
    }

    fn packed(&self, key: &str) -> String {
        format!("{}{}", self.prefix, packing::name(key))
    }
}

fn fits(name: &str) -> bool {
    // No character has more units than bytes.
    let short = name.len() <= NAME_UNITS_MAX || units(name) <= NAME_UNITS_MAX;
    short && segments(name) <= NAME_SEGMENTS_MAX
}

/// How long `name` is to Azure.
pub(super) fn units(name: &str) -> usize {
    name.encode_utf16().count()
}

fn segments(name: &str) -> usize {
    memchr::memchr_iter(b'/', name.as_bytes()).count() + 1
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
    use proptest::sample::select;

    use super::{BadRoutePrefix, KeySpace, Range, bucket_of, container_of};
    use crate::azure::{ContainerName, Metadata};
    use crate::mapping::bucket_facts::NAME;
    use crate::s3::names::{BucketName, KEY_BYTES_MAX, ObjectKey};

    fn name(key: &str) -> String {
        KeySpace::whole().blob_name(&ObjectKey::parse(key).unwrap()).as_str().to_owned()
    }

    fn range(key: &str) -> Range {
        KeySpace::whole().range_of(&ObjectKey::parse(key).unwrap())
    }

    #[test]
    fn what_azure_keeps_is_its_own_name() {
        for key in [
            "a",
            "a/b.txt",
            "a//b",
            "/a",
            "a/",
            "//",
            "a b",
            " a",
            "a ",
            "a%2Fb",
            "%",
            "a+b",
            "A",
            "?",
            "#",
            "é",
            "e\u{301}",
            "😀",
            "\u{202E}x",
            "\u{10FFFF}",
            "a.b",
            ".a",
            "..a",
            "a./b",
            "x-",
            "[",
            "~",
            "\u{80}",
            "\u{D7FF}",
            "\u{FFFC}",
            "\u{FFFD}",
            "a\u{FFFD}\u{FFFD}",
            "CON",
            "a:b",
            "a*b",
            "\"",
            "<>",
            "\u{FEFF}a",
        ] {
            assert_eq!(name(key), key);
            assert_eq!(KeySpace::whole().key_of(key).as_deref(), Some(key));
        }
    }

    #[test]
    fn what_azure_would_change_is_escaped() {
        for (key, expected) in [
            ("a\\b", "a[\u{FFFD}5Cb"),
            ("a.", "a-\u{FFFD}2E"),
            (".", "-\u{FFFD}2E"),
            ("..", ".-\u{FFFD}2E"),
            ("...", "..-\u{FFFD}2E"),
            ("a/.", "a/-\u{FFFD}2E"),
            ("./x", "..\u{FFFD}2Fx"),
            ("../victim/x", "...\u{FFFD}2Fvictim/x"),
            ("a/../../b", "a/...\u{FFFD}2F...\u{FFFD}2Fb"),
            ("a/./b", "a/..\u{FFFD}2Fb"),
            ("\u{7F}", "~\u{FFFD}7F"),
            ("\u{81}", "\u{80}\u{FFFD}81"),
            ("\u{E000}", "\u{D7FF}\u{FFFD}E000"),
            ("[\u{FFFD}5C", "[\u{FFFC}\u{FFFD}FFFD5C"),
        ] {
            assert_eq!(name(key), expected, "{key:?}");
            assert_eq!(KeySpace::whole().key_of(expected).as_deref(), Some(key));
        }
    }

    #[test]
    fn what_has_no_escape_is_packed() {
        let dots = "\\".repeat(1024);
        let segments = "a/".repeat(300);
        for key in ["a\tb", "a\nb", "\0", "\u{FFFE}", "\u{FFFF}", &dots, &segments] {
            assert_eq!(range(key), Range::Reserved, "{key:?}");
            let name = name(key);
            assert!(name.starts_with("\u{FFFC}\u{FFFD}~"), "{name:?}");
            assert_eq!(KeySpace::whole().key_of(&name).as_deref(), Some(key));
        }
        for key in ["/".repeat(253), "a".repeat(1024), "😀".repeat(256)] {
            assert_eq!(range(&key), Range::Plain);
        }
        assert_eq!(range(&"/".repeat(254)), Range::Reserved);
    }

    /// The pairs of C50 and of the contract: each is two objects.
    #[test]
    fn nasty_pairs_do_not_alias() {
        let pairs = [
            ("a//b", "a/b"),
            ("/a", "a"),
            ("a", "a/"),
            ("a.", "a"),
            ("a\\b", "a/b"),
            ("a\\b", "a[\u{FFFD}5Cb"),
            ("a\tb", "ab"),
            ("a\nb", "ab"),
            ("a%2Fb", "a/b"),
            (".", ".."),
            (".", "-\u{FFFD}2E"),
            ("a/./b", "a/b"),
            ("a/./b", "a/..\u{FFFD}2Fb"),
            ("a/../b", "b"),
            ("A", "a"),
            ("\u{E9}", "e\u{301}"),
            ("\u{FFFD}", "\u{FFFE}"),
            ("\u{FFFC}\u{FFFD}", "\u{FFFC}\u{FFFD}FFFD"),
            ("a ", "a"),
        ];
        for (one, other) in pairs {
            assert_ne!(name(one), name(other), "{one:?} {other:?}");
        }
    }

    #[test]
    fn a_name_that_only_looks_like_an_escape_is_no_key() {
        // Dots and slashes that nothing asked to escape, numbers in lower case or of others,
        // packings of keys that are plain, of no UTF-8, with zeros too many.
        for name in [
            "a-\u{FFFD}2Eb",
            "a.\u{FFFD}2Fb",
            "[\u{FFFD}5c",
            "[\u{FFFD}2E",
            "[\u{FFFD}",
            "a-\u{FFFD}b",
            "a.",
            "a/../b",
            "\u{FFFC}\u{FFFD}~",
            "\u{FFFC}\u{FFFD}~a",
            "\u{FFFC}\u{FFFD}~\u{5420}\u{4E00}",
            "\u{FFFC}\u{FFFD}~\u{4EA0}\u{4E00}\u{4E00}\u{4E00}",
            "",
        ] {
            assert_eq!(KeySpace::whole().key_of(name), None, "{name:?}");
        }
        assert_eq!(
            KeySpace::whole().key_of("\u{FFFC}\u{FFFD}~\u{4EA0}\u{4E00}").as_deref(),
            Some("\t")
        );
    }

    #[test]
    fn a_route_has_its_own_names() {
        let space = KeySpace::under("2026/").unwrap();
        for key in ["a", "./a", "\t", "\u{FFFD}"] {
            let name = space.blob_name(&ObjectKey::parse(key).unwrap());
            assert!(name.as_str().starts_with("2026/"));
            assert_eq!(space.key_of(name.as_str()).as_deref(), Some(key));
        }
        for other in ["2026", "2026/", "2025/a", "a"] {
            assert_eq!(space.key_of(other), None);
        }
        // A key that just fits does not with a prefix.
        let long = ObjectKey::parse(&"a".repeat(1020)).unwrap();
        assert_eq!(KeySpace::whole().range_of(&long), Range::Plain);
        assert_eq!(space.range_of(&long), Range::Reserved);
        assert_eq!(KeySpace::under(""), Ok(KeySpace::whole()));
        assert_eq!(KeySpace::under("a"), Err(BadRoutePrefix::NoSlash));
        for bad in ["../", "a/./", "a\\/", "\t/", "[\u{FFFD}/"] {
            assert_eq!(KeySpace::under(bad), Err(BadRoutePrefix::Unstorable), "{bad:?}");
        }
        for bad in [format!("{}/", "a".repeat(256)), "a/".repeat(128)] {
            assert_eq!(KeySpace::under(&bad), Err(BadRoutePrefix::TooLong));
        }
    }

    #[test]
    fn buckets_that_azure_cannot_call_so_are_mapped() {
        let bucket = |name: &str| BucketName::parse(name).unwrap();
        for same in ["photos", "a-b", "s3-logs", "123", &"a".repeat(63)] {
            assert_eq!(container_of(&bucket(same)).as_str(), same);
            let container = ContainerName::parse(same).unwrap();
            assert_eq!(bucket_of(&container, &Metadata::new()), Some(bucket(same)));
        }
        let mapped = container_of(&bucket("a.b"));
        assert_eq!(mapped.as_str().len(), 55);
        let says = |name: &str| Metadata::from([(NAME.to_owned(), name.to_owned())]);
        assert_eq!(bucket_of(&mapped, &says("a.b")), Some(bucket("a.b")));
        // Without its name, or with another, it is nobody's.
        assert_eq!(bucket_of(&mapped, &Metadata::new()), None);
        assert_eq!(bucket_of(&mapped, &says("a.c")), None);
        // A bucket that is called like a mapped one is mapped itself.
        let double = bucket(mapped.as_str());
        assert_ne!(container_of(&double), mapped);
        assert_ne!(container_of(&bucket("a--b")), container_of(&bucket("a.b")));
        let web = ContainerName::parse("$web").unwrap();
        assert_eq!(bucket_of(&web, &Metadata::new()), None);
    }

    fn nasty(longest: usize) -> impl Strategy<Value = String> {
        let part = select(vec![
            "a", "b", "/", "/", ".", ".", "\\", "[", "]", "~", "-", "2E", "2F", "5C", "FFFD", "\t",
            "\u{7F}", "\u{80}", "\u{81}", "\u{D7FF}", "\u{E000}", "\u{E001}", "\u{FFFC}",
            "\u{FFFD}", "\u{FFFE}", "😀", "\u{4E00}",
        ]);
        prop_oneof![vec(part, 1..=longest).prop_map(|parts| parts.concat()), any::<String>(),]
            .prop_filter_map("a key", |key| (1..=KEY_BYTES_MAX).contains(&key.len()).then_some(key))
    }

    /// The order that Azure's has to be: of keys, but for characters of two units before U+E001.
    fn collated(key: &str) -> Vec<u32> {
        let place = |character: char| match u32::from(character) {
            low @ 0..=0xE000 => low,
            high @ 0xE001..=0xFFFF => high + 0x20_0000,
            pair => pair,
        };
        key.chars().map(place).collect()
    }

    proptest! {
        #[test]
        fn names_are_what_azure_keeps_and_go_back(key in nasty(12), routed in any::<bool>()) {
            let space = if routed { KeySpace::under("r/").unwrap() } else { KeySpace::whole() };
            let parsed = ObjectKey::parse(&key).unwrap();
            let name = space.blob_name(&parsed);
            let name = name.as_str();
            prop_assert!(name.encode_utf16().count() <= 1024 && name.split('/').count() <= 254);
            let refused = |c: char| matches!(
                c, '\0'..='\u{1F}' | '\\' | '\u{7F}' | '\u{81}' | '\u{E000}' | '\u{FFFE}' | '\u{FFFF}'
            );
            prop_assert!(!name.contains(refused) && !name.ends_with('.'), "{name:?}");
            prop_assert!(!name.split('/').any(|segment| segment == "." || segment == ".."), "{name:?}");
            prop_assert_eq!(space.key_of(name), Some(key));
        }

        #[test]
        fn a_long_key_has_a_name_as_well(part in nasty(3), routed in any::<bool>()) {
            let mut key = part.repeat(KEY_BYTES_MAX / part.len());
            key.extend(std::iter::repeat_n('a', KEY_BYTES_MAX - key.len()));
            let prefix = if routed { format!("{}/", "r".repeat(255)) } else { String::new() };
            let space = KeySpace::under(&prefix).unwrap();
            let name = space.blob_name(&ObjectKey::parse(&key).unwrap());
            prop_assert!(name.as_str().encode_utf16().count() <= 1024);
            prop_assert!(name.as_str().split('/').count() <= 254);
            prop_assert_eq!(space.key_of(name.as_str()), Some(key));
        }

        #[test]
        fn names_sort_like_keys(one in nasty(6), other in nasty(6), shared in nasty(3)) {
            let (one, other) = (format!("{shared}{one}"), format!("{shared}{other}"));
            let names = (name(&one), name(&other));
            let names = names.0.encode_utf16().cmp(names.1.encode_utf16());
            match (range(&one), range(&other)) {
                (Range::Plain, Range::Plain) => {
                    prop_assert_eq!(names, collated(&one).cmp(&collated(&other)));
                }
                (Range::Reserved, Range::Reserved) => prop_assert_eq!(names, one.cmp(&other)),
                (Range::Plain, Range::Reserved) | (Range::Reserved, Range::Plain) => {
                    prop_assert!(names.is_ne());
                }
            }
        }

        #[test]
        fn a_name_has_one_key_and_a_key_one_name(name in nasty(8)) {
            let key = KeySpace::whole().key_of(&name);
            if let Some(Ok(key)) = key.map(|key| ObjectKey::parse(&key)) {
                let again = KeySpace::whole().blob_name(&key);
                prop_assert_eq!(again.as_str(), name);
            }
        }
    }
}
