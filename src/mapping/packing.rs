//! Keys that no escape makes a name (control characters, U+FFFE and U+FFFF, too many segments, too
//! long when escaped): their bytes, packed into characters that Azure keeps, behind a lead-in that
//! no other key's name begins with. The order is that of the keys' bytes.
//!
//! Three bytes are two characters of 12 bits. Each byte is kept plus one, so that 0 is free to fill
//! the last group up and a key sorts before all that begin with it.

/// What the names of packed keys begin with. The escape never writes it: U+FFFC is a stem, and a
/// stem with the mark goes on with its number.
pub(super) const LEAD: &str = "\u{FFFC}\u{FFFD}~";
/// Behind all names of packed keys, and before all others that sort behind them.
pub(super) const LEAD_END: &str = "\u{FFFC}\u{FFFD}\u{82}";

/// The characters are 4,096 CJK ideographs from here on: no case, no compositions, no directions.
const FIRST: u32 = 0x4E00;
const GROUP_BYTES: usize = 3;
/// Behind every byte: UTF-8 has none above 0xF4.
const BEHIND: u8 = 0xFF;

/// The name of the packed `key`.
pub(super) fn name(key: &str) -> String {
    packed(key.as_bytes().iter().map(|byte| byte.saturating_add(1)), 0)
}

/// What the names of all packed keys begin with that begin with `prefix`, as far as that can be
/// said: the names of some others begin so, too.
pub(super) fn stem(prefix: &str) -> String {
    let whole = prefix.len() - prefix.len() % GROUP_BYTES;
    packed(prefix.bytes().take(whole).map(|byte| byte.saturating_add(1)), 0)
}

/// Behind the names of all packed keys that begin with `prefix`, and before all others there.
pub(super) fn end(prefix: &str) -> String {
    let bytes = prefix.bytes().map(|byte| byte.saturating_add(1));
    packed(bytes.chain(std::iter::once(BEHIND)), BEHIND)
}

/// The key that was packed into `name`, if one was.
pub(super) fn key_of(packed_name: &str) -> Option<String> {
    let mut units = packed_name
        .strip_prefix(LEAD)?
        .chars()
        .map(|character| u32::from(character).checked_sub(FIRST).filter(|unit| *unit < 1 << 12));
    let mut bytes = Vec::new();
    while let Some(high) = units.next() {
        let group = (high? << 12) | units.next()??;
        let [_, group @ ..] = group.to_be_bytes();
        bytes.extend(group.iter().filter_map(|byte| byte.checked_sub(1)));
    }
    let key = String::from_utf8(bytes).ok()?;
    // Zeros where none belong make another name of the same key.
    (name(&key) == packed_name).then_some(key)
}

fn packed(bytes: impl Iterator<Item = u8>, filler: u8) -> String {
    let bytes: Vec<u8> = bytes.collect();
    let groups = bytes.chunks(GROUP_BYTES).flat_map(|chunk| {
        let at = |place: usize| u32::from(chunk.get(place).copied().unwrap_or(filler));
        let group = (at(0) << 16) | (at(1) << 8) | at(2);
        [group >> 12, group & 0xFFF]
    });
    let characters = groups.filter_map(|unit| char::from_u32(FIRST + unit));
    LEAD.chars().chain(characters).collect()
}
