//! Keys as names of blobs that Azure keeps as they are: the escape.
//!
//! Almost every key is its own name. What Azure refuses or rewrites is written as *the character
//! before it* (its stem), U+FFFD, and its number in hex: `\` as `[`, U+FFFD, `5C`. Because U+FFFD is
//! the largest UTF-16 unit that a name holds, that sorts behind all that begins with `[` and before
//! `]`, just where `\` stands. So names have the order of keys and a prefix of keys is a prefix of
//! names. For that to hold,
//!
//! - each stem has one escape, and a key's own U+FFFD is escaped right behind a stem, raw elsewhere;
//! - what is escaped depends on the characters *before* it only, so that the name of a prefix begins
//!   the names of all keys that begin with it. The one exception is the final dot of a key.
//! - of a segment `.` or `..` the slash behind it is escaped, not the dot: the dot's stem would put
//!   `./x` before `.!`.

use std::borrow::Cow;

/// What follows the stem in an escape.
pub(super) const MARK: char = '\u{FFFD}';

/// Stem, number in hex, and the character that both stand for.
const ESCAPES: [(char, &str, char); 7] = [
    ('-', "2E", '.'),
    ('.', "2F", '/'),
    ('[', "5C", '\\'),
    ('~', "7F", '\u{7F}'),
    ('\u{80}', "81", '\u{81}'),
    ('\u{D7FF}', "E000", '\u{E000}'),
    ('\u{FFFC}', "FFFD", MARK),
];

/// A key that no escape makes a name: with a control character, which has no predecessor that Azure
/// keeps, or with U+FFFE or U+FFFF, which would sort behind the mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unstorable {
    /// Where in the key the first such character is.
    pub(super) at: usize,
}

/// What the names of all keys begin with that begin with `prefix` and are longer.
pub(super) fn open(prefix: &str) -> Result<String, Unstorable> {
    let mut name = String::with_capacity(prefix.len());
    let mut before = None;
    let mut segment = 0;
    for (at, character) in prefix.char_indices() {
        if !is_storable(character) {
            return Err(Unstorable { at });
        }
        let dots = matches!(prefix.get(segment..at), Some("." | ".."));
        if needs_escape(character, before, dots) {
            push_escaped(&mut name, character);
        } else {
            name.push(character);
        }
        if character == '/' {
            segment = at + 1;
        }
        before = Some(character);
    }
    Ok(name)
}

/// The name of the blob of `key`.
pub(super) fn close(key: &str) -> Result<String, Unstorable> {
    if is_plain(key) {
        return Ok(key.to_owned());
    }
    let mut name = open(key)?;
    if name.ends_with('.') {
        name.pop();
        push_escaped(&mut name, '.');
    }
    Ok(name)
}

/// Whether `text` is key and name at once, as most are; no says nothing.
fn is_plain(text: &str) -> bool {
    let plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'\\';
    // Without an early end, so that many bytes are looked at in one step.
    text.bytes().fold(true, |all, byte| all & plain(byte))
        && !text.ends_with('.')
        && !memchr::memchr_iter(b'.', text.as_bytes())
            .any(|dot| text.as_bytes().get(dot + 1) == Some(&b'/'))
}

/// The key whose name is `name`; nothing if no key has it.
pub(super) fn key_of(name: &str) -> Option<Cow<'_, str>> {
    if is_plain(name) {
        return Some(Cow::Borrowed(name));
    }
    let key = unescape(name)?;
    // A name that an Azure tool made up may look like an escape and be none: two names must not
    // become one key.
    (close(&key).as_deref() == Ok(name)).then_some(Cow::Owned(key))
}

/// The beginning of keys whose names begin with `start`; nothing if there is none.
pub(super) fn prefix_of(start: &str) -> Option<Cow<'_, str>> {
    if is_plain(start) {
        return Some(Cow::Borrowed(start));
    }
    let prefix = unescape(start)?;
    (open(&prefix).as_deref() == Ok(start)).then_some(Cow::Owned(prefix))
}

/// May `character` stand in a name, escaped or raw?
pub(super) fn is_storable(character: char) -> bool {
    !matches!(character, '\0'..='\u{1F}' | '\u{FFFE}' | '\u{FFFF}')
}

/// Does an escape begin with `character`?
pub(super) fn is_stem(character: char) -> bool {
    ESCAPES.iter().any(|row| row.0 == character)
}

fn needs_escape(character: char, before: Option<char>, behind_dots: bool) -> bool {
    match character {
        '\\' | '\u{7F}' | '\u{81}' | '\u{E000}' => true,
        '/' => behind_dots,
        MARK => before.is_some_and(is_stem),
        _ => false,
    }
}

fn push_escaped(name: &mut String, character: char) {
    for (stem, hex, _) in ESCAPES.iter().filter(|row| row.2 == character) {
        name.push(*stem);
        name.push(MARK);
        name.push_str(hex);
    }
}

fn unescape(name: &str) -> Option<String> {
    let mut key = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(first) = rest.chars().next() {
        let (character, behind) = first_of(rest, first)?;
        key.push(character);
        rest = behind;
    }
    Some(key)
}

/// The first character that `rest` stands for, and what is behind it.
fn first_of(rest: &str, first: char) -> Option<(char, &str)> {
    let behind = rest.get(first.len_utf8()..)?;
    let Some(escape) = behind.strip_prefix(MARK) else { return Some((first, behind)) };
    match ESCAPES.iter().find(|row| row.0 == first) {
        Some((_, hex, character)) => Some((*character, escape.strip_prefix(hex)?)),
        None => Some((first, behind)),
    }
}
