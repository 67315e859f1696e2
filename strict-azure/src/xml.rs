//! XML, as little as the service's documents need: texts escaped on the way out, flat lists read.

/// What documents begin with.
pub(crate) const HEAD: &str = "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?>";

/// Adds text with what has a meaning in XML escaped.
pub(crate) fn escape(into: &mut String, text: &str) {
    if !text.bytes().any(|byte| matches!(byte, b'<' | b'>' | b'&' | b'"')) {
        into.push_str(text);
        return;
    }
    for character in text.chars() {
        match character {
            '<' => into.push_str("&lt;"),
            '>' => into.push_str("&gt;"),
            '&' => into.push_str("&amp;"),
            '"' => into.push_str("&quot;"),
            other => into.push(other),
        }
    }
}

/// Whether XML 1.0 has no way to write it. <https://www.w3.org/TR/xml/#charsets>
pub(crate) fn is_unwritable(text: &str) -> bool {
    text.chars().any(|character| {
        matches!(character, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}')
            || matches!(character, '\u{fffe}' | '\u{ffff}')
    })
}

/// A piece of a flat list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    Open(&'a str),
    /// An element with nothing but text in it.
    Element(&'a str, &'a str),
    Close(&'a str),
}

/// The pieces of a document without attributes and entities; none for what is not one.
pub(crate) fn tokens(text: &str) -> impl Iterator<Item = Option<Token<'_>>> {
    let mut rest = text.trim_start_matches('\u{feff}').trim_start();
    if rest.starts_with("<?xml") {
        rest = rest.split_once("?>").map_or("", |(_, rest)| rest);
    }
    std::iter::from_fn(move || {
        rest = rest.trim_start();
        if rest.is_empty() {
            return None;
        }
        let token = next(&mut rest);
        if token.is_none() {
            rest = "";
        }
        Some(token)
    })
}

fn next<'a>(rest: &mut &'a str) -> Option<Token<'a>> {
    let (tag, behind) = rest.strip_prefix('<')?.split_once('>')?;
    let tag = tag.trim_end();
    if let Some(tag) = tag.strip_prefix('/') {
        *rest = behind;
        return Some(Token::Close(tag));
    }
    if let Some(tag) = tag.strip_suffix('/') {
        // `<BlockList />` is opened and closed at once; for others it is an element without text.
        *rest = behind;
        return Some(Token::Element(tag.trim_end(), ""));
    }
    let (inside, close) = behind.split_once('<')?;
    let ends = close.strip_prefix('/').and_then(|close| close.strip_prefix(tag));
    match ends.and_then(|close| close.trim_start().strip_prefix('>')) {
        Some(close) if tag != "BlockList" => {
            *rest = close;
            Some(Token::Element(tag, inside))
        }
        Some(_) | None => {
            *rest = behind;
            inside.trim().is_empty().then_some(Token::Open(tag))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_whatever_stands_between() {
        let text = "\u{feff}<?xml version=\"1.0\"?>\n<BlockList>\n <Latest>YQ==</Latest>\
                    <Committed >Yg==</Committed> </BlockList>";
        let read: Option<Vec<_>> = tokens(text).collect();
        let want = [
            Token::Open("BlockList"),
            Token::Element("Latest", "YQ=="),
            Token::Element("Committed", "Yg=="),
            Token::Close("BlockList"),
        ];
        assert_eq!(read, Some(want.to_vec()));
        let empty: Option<Vec<_>> = tokens("<BlockList></BlockList>").collect();
        assert_eq!(empty, Some(vec![Token::Open("BlockList"), Token::Close("BlockList")]));
        assert_eq!(tokens("<BlockList>x").last(), Some(None));
        assert_eq!(tokens("no xml").last(), Some(None));
    }
}
