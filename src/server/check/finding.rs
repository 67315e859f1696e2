//! What was found, as a line for people and as one for machines.

use std::fmt;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// As it should be.
    Fine,
    /// Works, but look at it.
    Odd,
    /// Does not work.
    Broken,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How much it matters.
    pub weight: Weight,
    /// What was looked at.
    pub what: String,
    /// What was found.
    pub text: String,
    /// What helps.
    pub remedy: Option<&'static str>,
}

impl Finding {
    /// As it should be.
    pub fn fine(what: impl Into<String>, text: impl Into<String>) -> Self {
        Self { weight: Weight::Fine, what: what.into(), text: text.into(), remedy: None }
    }

    /// Nothing to object to, and what to know about it.
    pub fn noted(what: impl Into<String>, text: impl Into<String>, remedy: &'static str) -> Self {
        Self { remedy: Some(remedy), ..Self::fine(what, text) }
    }

    /// Works, but look at it.
    pub fn odd(what: impl Into<String>, text: impl Into<String>, remedy: &'static str) -> Self {
        let remedy = Some(remedy);
        Self { weight: Weight::Odd, what: what.into(), text: text.into(), remedy }
    }

    /// Does not work.
    pub fn broken(what: impl Into<String>, text: impl Into<String>, remedy: &'static str) -> Self {
        let remedy = Some(remedy);
        Self { weight: Weight::Broken, what: what.into(), text: text.into(), remedy }
    }

    /// The same for a machine: one object of JSON.
    pub fn json(&self) -> String {
        let weight = match self.weight {
            Weight::Fine => "ok",
            Weight::Odd => "odd",
            Weight::Broken => "broken",
        };
        let Self { what, text, remedy, .. } = self;
        serde_json::json!({ "weight": weight, "what": what, "text": text, "remedy": remedy })
            .to_string()
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let weight = match self.weight {
            Weight::Fine => "ok    ",
            Weight::Odd => "odd   ",
            Weight::Broken => "BROKEN",
        };
        write!(f, "{weight} {}: {}", self.what, self.text)?;
        self.remedy.map_or(Ok(()), |remedy| write!(f, ". {remedy}"))
    }
}
