//! The TOML file as sections that know their lines. Who reads a section takes its keys one by one; a
//! key that nobody took is unknown, and that is a fault.

use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::server::config::fault::{Faults, Located, Origin};
use crate::server::config::secret::{Notes, Secret};

/// A file as it was read, or what was said in the place of one of its tables.
#[derive(Debug)]
pub struct Document {
    place: Place,
    text: String,
}

#[derive(Debug)]
enum Place {
    File(PathBuf),
    Said(Origin),
}

impl Document {
    /// The text of the file at `path`.
    pub fn new(path: PathBuf, text: String) -> Self {
        Self { place: Place::File(path), text }
    }

    /// A text that stands on the command line or in the environment.
    pub fn said(origin: Origin, text: String) -> Self {
        Self { place: Place::Said(origin), text }
    }

    /// The path it was read from; none of what was said.
    pub fn path(&self) -> Option<&Path> {
        match &self.place {
            Place::File(path) => Some(path),
            Place::Said(_) => None,
        }
    }

    /// Whether it is on the command line, which everybody on the machine can read.
    fn is_public(&self) -> bool {
        matches!(self.place, Place::Said(Origin::Flag(_)))
    }

    /// Its tables; every fault of its grammar is noted.
    pub fn parse(&self, faults: &mut Faults) -> Spanned<DeTable<'_>> {
        let (table, errors) = DeTable::parse_recoverable(&self.text);
        for error in errors {
            let origin = self.origin(error.span().map_or(0, |span| span.start));
            faults.at("the file", &origin, error.message().to_owned());
        }
        table
    }

    fn origin(&self, offset: usize) -> Origin {
        let before = self.text.as_bytes().iter().take(offset);
        match &self.place {
            Place::File(path) => {
                Origin::File(path.clone(), before.filter(|byte| **byte == b'\n').count() + 1)
            }
            Place::Said(origin) => origin.clone(),
        }
    }
}

/// One table of the file.
#[derive(Debug)]
pub struct Section<'a> {
    document: &'a Document,
    /// How its keys are called in faults, such as `users[2].`.
    prefix: String,
    entries: Vec<Entry<'a>>,
    known: Vec<&'static str>,
    origin: Origin,
}

#[derive(Debug)]
struct Entry<'a> {
    name: &'a str,
    offset: usize,
    value: &'a Spanned<DeValue<'a>>,
    taken: bool,
}

/// One value of a section, with the name it has in faults.
#[derive(Debug)]
pub struct Value<'a> {
    /// The key, section included.
    pub key: String,
    /// The line it stands on.
    pub origin: Origin,
    found: &'a DeValue<'a>,
}

impl<'a> Section<'a> {
    /// The table as a section; `prefix` stands before its keys.
    pub fn new(
        document: &'a Document,
        table: &'a DeTable<'a>,
        prefix: impl Into<String>,
        offset: usize,
    ) -> Self {
        let entries = table
            .iter()
            .map(|(name, value)| Entry {
                name: name.get_ref(),
                offset: name.span().start,
                value,
                taken: false,
            })
            .collect();
        let origin = document.origin(offset);
        Self { document, prefix: prefix.into(), entries, known: Vec::new(), origin }
    }

    /// The line that it starts on.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// How `name` is called in faults.
    pub fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// A value, whatever it is.
    pub fn take(&mut self, name: &'static str) -> Option<Value<'a>> {
        self.known.push(name);
        let entry = self.entries.iter_mut().find(|entry| entry.name == name)?;
        entry.taken = true;
        let (offset, found) = (entry.offset, entry.value);
        Some(self.value(self.key(name), offset, found))
    }

    /// A text.
    pub fn text(&mut self, name: &'static str, faults: &mut Faults) -> Option<Located<String>> {
        let value = self.take(name)?;
        let text = value.text(faults)?;
        Some(Located { value: text, origin: value.origin })
    }

    /// A list of texts; an absent one is empty.
    pub fn texts(&mut self, name: &'static str, faults: &mut Faults) -> Vec<String> {
        self.take(name).and_then(|value| value.texts(faults)).unwrap_or_default()
    }

    /// `true` or `false`; an absent one is false.
    pub fn truth(&mut self, name: &'static str, faults: &mut Faults) -> bool {
        self.take(name).and_then(|value| value.truth(faults)).unwrap_or_default()
    }

    /// A secret that stands in the file, or the file that `file_name` names.
    pub fn secret(
        &mut self,
        name: &'static str,
        file_name: &'static str,
        notes: &mut Notes,
    ) -> Option<Located<Secret>> {
        let inline = self.text(name, &mut notes.faults);
        let file = self.text(file_name, &mut notes.faults);
        match (inline, file) {
            (Some(_), Some(file)) => {
                let key = self.key(file_name);
                notes.faults.at(key, &file.origin, format!("{name} is set too: give one of them"));
                None
            }
            (Some(text), None) if self.document.is_public() => {
                let problem =
                    format!("is a secret, and no flag: use {file_name} or the environment");
                notes.faults.at(self.key(name), &text.origin, problem);
                None
            }
            (Some(text), None) => {
                Some(Located { value: Secret::new(text.value), origin: text.origin })
            }
            (None, Some(file)) => {
                notes.secret_file(&self.key(file_name), Path::new(&file.value), file.origin)
            }
            (None, None) => None,
        }
    }

    /// A table inside.
    pub fn section(&mut self, name: &'static str, faults: &mut Faults) -> Option<Self> {
        let value = self.take(name)?;
        let offset = self.offset_of(name);
        let table = value.table(faults)?;
        Some(Self::new(self.document, table, format!("{}.", value.key), offset))
    }

    /// Every table inside, by its name (`[accounts.NAME]`).
    pub fn sections(&mut self, name: &'static str, faults: &mut Faults) -> Vec<(&'a str, Self)> {
        let Some(parent) = self.section(name, faults) else { return Vec::new() };
        let mut sections = Vec::new();
        for entry in &parent.entries {
            let value = self.value(parent.key(entry.name), entry.offset, entry.value);
            if let Some(table) = value.table(faults) {
                let prefix = format!("{}.", value.key);
                let section = Self::new(self.document, table, prefix, entry.offset);
                sections.push((entry.name, section));
            }
        }
        sections
    }

    /// Every table of an array of tables (`[[users]]`).
    pub fn array(&mut self, name: &'static str, faults: &mut Faults) -> Vec<Self> {
        let Some(value) = self.take(name) else { return Vec::new() };
        let array = value.typed(value.found.as_array(), "an array of tables", faults);
        let Some(array) = array else { return Vec::new() };
        let mut sections = Vec::new();
        for (position, element) in array.iter().enumerate() {
            let key = format!("{}[{}]", value.key, position + 1);
            let offset = element.span().start;
            let element = self.value(key, offset, element);
            if let Some(table) = element.table(faults) {
                let prefix = format!("{}.", element.key);
                sections.push(Self::new(self.document, table, prefix, offset));
            }
        }
        sections
    }

    /// Every key that nobody took is a fault.
    pub fn finish(self, faults: &mut Faults) {
        for entry in self.entries.iter().filter(|entry| !entry.taken) {
            let origin = self.document.origin(entry.offset);
            let known = self.known.join(", ");
            faults.at(self.key(entry.name), &origin, format!("unknown key; known here: {known}"));
        }
    }

    fn value(&self, key: String, offset: usize, found: &'a Spanned<DeValue<'a>>) -> Value<'a> {
        Value { key, origin: self.document.origin(offset), found: found.get_ref() }
    }

    fn offset_of(&self, name: &str) -> usize {
        self.entries.iter().find(|entry| entry.name == name).map_or(0, |entry| entry.offset)
    }
}

impl<'a> Value<'a> {
    /// It as a text.
    pub fn text(&self, faults: &mut Faults) -> Option<String> {
        self.typed(self.found.as_str().map(str::to_owned), "a text", faults)
    }

    /// It as `true` or `false`.
    pub fn truth(&self, faults: &mut Faults) -> Option<bool> {
        self.typed(self.found.as_bool(), "true or false", faults)
    }

    /// It as a number, in decimal digits.
    pub fn number(&self, faults: &mut Faults) -> Option<String> {
        let number = self
            .found
            .as_integer()
            .and_then(|number| i64::from_str_radix(number.as_str(), number.radix()).ok());
        self.typed(number.map(|number| number.to_string()), "a whole number", faults)
    }

    /// It as a list of texts.
    pub fn texts(&self, faults: &mut Faults) -> Option<Vec<String>> {
        let texts = self.found.as_array().and_then(|array| {
            array.iter().map(|element| element.get_ref().as_str().map(str::to_owned)).collect()
        });
        self.typed(texts, "a list of texts", faults)
    }

    fn table(&self, faults: &mut Faults) -> Option<&'a DeTable<'a>> {
        self.typed(self.found.as_table(), "a table", faults)
    }

    fn typed<T>(&self, value: Option<T>, wanted: &str, faults: &mut Faults) -> Option<T> {
        if value.is_none() {
            let found = self.found.type_str();
            faults.at(&self.key, &self.origin, format!("must be {wanted}; found: {found}"));
        }
        value
    }
}
