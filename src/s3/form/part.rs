//! The parts of a form: where one ends, and what its head says.

/// What was found of a needle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// All of it begins here.
    At(usize),
    /// So many bytes at the end may be its beginning.
    Partial(usize),
}

/// Looks for `needle`, whose first byte is a carriage return.
pub(super) fn find(bytes: &[u8], needle: &[u8]) -> Found {
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| *byte == b'\r') {
        let (_, candidate) = rest.split_at(at);
        if candidate.starts_with(needle) {
            return Found::At(bytes.len() - candidate.len());
        }
        if needle.starts_with(candidate) {
            return Found::Partial(candidate.len());
        }
        rest = candidate.get(1..).unwrap_or_default();
    }
    Found::Partial(0)
}

/// The head of a part: `Content-Disposition: form-data; name="key"; filename="a.txt"`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PartHead {
    /// In lower case: S3 does not tell them apart.
    pub(super) name: String,
    /// Without the folders that some browsers put in front.
    pub(super) filename: Option<String>,
}

impl PartHead {
    /// Reads the lines of a head. None: it names no field.
    pub(super) fn parse(head: &[u8]) -> Option<Self> {
        let head = std::str::from_utf8(head).ok()?;
        let (_, disposition) = head
            .split("\r\n")
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.trim().eq_ignore_ascii_case("content-disposition"))?;
        let (kind, mut rest) = disposition.split_once(';')?;
        if !kind.trim().eq_ignore_ascii_case("form-data") {
            return None;
        }
        let (mut name, mut filename) = (None, None);
        while let Some((parameter, value, after)) = parameter(rest) {
            if parameter.eq_ignore_ascii_case("name") {
                name.get_or_insert(value);
            } else if parameter.eq_ignore_ascii_case("filename") {
                filename.get_or_insert(value);
            }
            rest = after;
        }
        let name = name.filter(|name| !name.is_empty())?.to_lowercase();
        Some(Self { name, filename: filename.map(|path| last_segment(&path).to_owned()) })
    }
}

/// The next parameter of a disposition, its value, and what comes after it.
fn parameter(text: &str) -> Option<(&str, String, &str)> {
    let (name, rest) = text.trim_start_matches([' ', ';', '\t']).split_once('=')?;
    let Some(quoted) = rest.trim_start().strip_prefix('"') else {
        let (value, after) = rest.split_once(';').unwrap_or((rest, ""));
        return Some((name.trim(), value.trim().to_owned(), after));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((name.trim(), value, quoted.get(at + 1..)?)),
            // Browsers do not escape the backslashes of a path, so only a quote is escaped by one.
            '\\' if quoted.get(at + 1..)?.starts_with('"') => {
                characters.next();
                value.push('"');
            }
            other => value.push(other),
        }
    }
    None
}

fn last_segment(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::{Found, PartHead, find};

    #[test]
    fn a_needle_is_found_whole_or_in_part() {
        let check = |bytes: &str, found| assert_eq!(find(bytes.as_bytes(), b"\r\n--b"), found);
        check("abc", Found::Partial(0));
        check("abc\r", Found::Partial(1));
        check("abc\r\n--", Found::Partial(4));
        check("\r\r\n\r\n--bc", Found::At(3));
        check("a\r\n--a\r", Found::Partial(1));
        check("a\r\n--a", Found::Partial(0));
    }

    #[test]
    fn c40_the_head_of_a_part_is_read_as_browsers_write_it() {
        let check = |head: &str, name: &str, filename: Option<&str>| {
            let head = PartHead::parse(head.as_bytes()).unwrap();
            assert_eq!((head.name.as_str(), head.filename.as_deref()), (name, filename));
        };
        check("Content-Disposition: form-data; name=\"Key\"", "key", None);
        check("content-type: a/b\r\ncontent-disposition:form-data;name=key", "key", None);
        let head = |filename: &str| {
            format!("Content-Disposition: form-data; name=\"file\"; filename=\"{filename}\"")
        };
        check(&head("a; b=\\\"c\\\".txt"), "file", Some("a; b=\"c\".txt"));
        check(&head("../x"), "file", Some("x"));
        check(&head("C:\\dir\\é.txt"), "file", Some("é.txt"));
        check(&head(""), "file", Some(""));
        for head in [
            "",
            "Content-Disposition: form-data",
            "Content-Disposition: form-data; name=\"\"",
            "Content-Disposition: form-data; name=\"a",
            "Content-Disposition: attachment; name=\"a\"",
            "Content-Type: form-data; name=\"a\"",
        ] {
            assert_eq!(PartHead::parse(head.as_bytes()), None, "{head}");
        }
        assert_eq!(PartHead::parse(b"Content-Disposition: form-data; name=\"\xFF\""), None);
    }
}
