//! Documents as trees, for assertions.

use quick_xml::Reader;
use quick_xml::events::Event;

/// One element.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Element {
    /// Its name, without a prefix.
    pub(crate) name: String,
    /// Its namespace declaration, if it has one.
    pub(crate) namespace: Option<String>,
    /// The elements in it.
    pub(crate) children: Vec<Element>,
    /// The text in it.
    pub(crate) text: String,
}

impl Element {
    /// Reads a document; panics if it is not well-formed.
    pub(crate) fn parse(document: &[u8]) -> Self {
        let text = std::str::from_utf8(document).expect("a document is UTF-8");
        let mut reader = Reader::from_str(text);
        let mut open = vec![Self::default()];
        loop {
            match reader.read_event().unwrap_or_else(|error| panic!("{error} in {text}")) {
                Event::Start(start) => open.push(Self::opened(&start)),
                Event::Empty(start) => {
                    let element = Self::opened(&start);
                    last(&mut open).children.push(element);
                }
                Event::End(_) => {
                    let done = open.pop().unwrap();
                    last(&mut open).children.push(done);
                }
                Event::Text(part) => last(&mut open).text += &part.xml10_content(),
                Event::CData(part) => last(&mut open).text += &part.xml10_content(),
                Event::GeneralRef(reference) => {
                    last(&mut open).text += &resolve(&reference);
                }
                Event::Eof => break,
                Event::Decl(_) | Event::Comment(_) | Event::PI(_) | Event::DocType(_) => {}
            }
        }
        assert_eq!(open.len(), 1, "elements are left open in {text}");
        let root = open.remove(0);
        assert_eq!(root.children.len(), 1, "one root in {text}");
        root.children.into_iter().next().unwrap()
    }

    fn opened(start: &quick_xml::events::BytesStart<'_>) -> Self {
        let name = start.local_name().as_ref().to_owned();
        let namespace =
            start.try_get_attribute("xmlns").unwrap().map(|attribute| attribute.value.into_owned());
        Self { name, namespace, ..Self::default() }
    }

    /// The elements called `name` right below this one.
    pub(crate) fn all(&self, name: &str) -> Vec<&Self> {
        self.children.iter().filter(|child| child.name == name).collect()
    }

    /// The element at a path such as `Owner/ID`, if it is there.
    pub(crate) fn find(&self, path: &str) -> Option<&Self> {
        path.split('/').try_fold(self, |element, name| element.all(name).first().copied())
    }

    /// The text at a path such as `Owner/ID`, if it is there.
    pub(crate) fn get(&self, path: &str) -> Option<&str> {
        self.find(path).map(|element| element.text.as_str())
    }

    /// The text at a path that has to be there.
    pub(crate) fn at(&self, path: &str) -> &str {
        self.get(path).unwrap_or_else(|| panic!("no {path} in {self:?}"))
    }

    /// The texts of a path's last element in all elements of its first: `Contents/Key`.
    pub(crate) fn texts(&self, path: &str) -> Vec<String> {
        let (first, rest) = path.split_once('/').unwrap_or((path, ""));
        let text = |element: &Self| {
            if rest.is_empty() { element.text.clone() } else { element.at(rest).to_owned() }
        };
        self.all(first).into_iter().map(text).collect()
    }
}

/// `amp`, `#10` and `#xA`; unlike the library also those that XML 1.0 forbids, because S3 writes them.
fn resolve(reference: &str) -> String {
    let number = match (reference.strip_prefix("#x"), reference.strip_prefix('#')) {
        (Some(hex), _) => u32::from_str_radix(hex, 16).unwrap(),
        (None, Some(decimal)) => decimal.parse().unwrap(),
        (None, None) => {
            return quick_xml::escape::resolve_predefined_entity(reference)
                .unwrap_or_else(|| panic!("the entity {reference}"))
                .to_owned();
        }
    };
    char::from_u32(number).expect("a character").to_string()
}

fn last(open: &mut [Element]) -> &mut Element {
    open.last_mut().expect("more ends than starts")
}

/// `text` as it stands between tags.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            character if (character as u32) < 0x20 => {
                out += &format!("&#x{:X};", character as u32);
            }
            character => out.push(character),
        }
    }
    out
}
