//! Text into HTML: what strangers or configurations wrote ends no element and no attribute.

/// `text` as a text of HTML or the value of an attribute.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Such a character may turn the direction of what follows, or is none of HTML's.
            c if c.is_control() && c != '\n' => out.push('\u{fffd}'),
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn nothing_ends_an_element() {
        let text = escaped("<b a=\"'\">&amp;\u{7}\u{202e}x\n");
        assert_eq!(text, "&lt;b a=&quot;&#39;&quot;&gt;&amp;amp;\u{fffd}\u{fffd}x\n");
    }
}
