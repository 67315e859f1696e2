//! The JSON of a policy. What is there twice, or is no element of a policy, is refused: one of two
//! readers would take the one and the other the other.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, IntoDeserializer as _, MapAccess, SeqAccess, Visitor};

use super::Fault;
use super::statement::{Statement, Written};

const VERSIONS: [&str; 2] = ["2012-10-17", "2008-10-17"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Document {
    version: Option<String>,
    #[serde(rename = "Id")]
    _id: Option<String>,
    statement: OneOrMany<Element>,
}

/// A statement as it was written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Element {
    #[serde(rename = "Sid")]
    _sid: Option<String>,
    effect: String,
    principal: Option<Principals>,
    not_principal: Option<Principals>,
    action: Option<OneOrMany<String>>,
    not_action: Option<OneOrMany<String>>,
    resource: Option<OneOrMany<String>>,
    not_resource: Option<OneOrMany<String>>,
    condition: Option<Unique<Unique<OneOrMany<Scalar>>>>,
}

/// One thing, or a list of them.
struct OneOrMany<T>(Vec<T>);

/// Who is named: by kind, or everybody.
struct Principals(Vec<(String, String)>);

/// The value of a condition: numbers and truths may be written without quotes.
struct Scalar(String);

/// An object of JSON that has each name once.
struct Unique<V>(BTreeMap<String, V>);

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Unique<V> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(Names(PhantomData))
    }
}

struct Names<V>(PhantomData<V>);

impl<'de, V: Deserialize<'de>> Visitor<'de> for Names<V> {
    type Value = Unique<V>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut from: M) -> Result<Unique<V>, M::Error> {
        let mut all = BTreeMap::new();
        while let Some((name, value)) = from.next_entry::<String, V>()? {
            if all.insert(name, value).is_some() {
                return Err(M::Error::custom("a name is there twice"));
            }
        }
        Ok(Unique(all))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Either(PhantomData))
    }
}

struct Either<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Either<T> {
    type Value = OneOrMany<T>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("one or a list")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut from: S) -> Result<OneOrMany<T>, S::Error> {
        let mut all = Vec::new();
        while let Some(one) = from.next_element()? {
            all.push(one);
        }
        Ok(OneOrMany(all))
    }

    fn visit_map<M: MapAccess<'de>>(self, from: M) -> Result<OneOrMany<T>, M::Error> {
        one(MapAccessDeserializer::new(from))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<OneOrMany<T>, E> {
        one(text.into_deserializer())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<OneOrMany<T>, E> {
        one(value.into_deserializer())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<OneOrMany<T>, E> {
        one(number.into_deserializer())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<OneOrMany<T>, E> {
        one(number.into_deserializer())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<OneOrMany<T>, E> {
        one(number.into_deserializer())
    }
}

fn one<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<OneOrMany<T>, D::Error> {
    T::deserialize(from).map(|one| OneOrMany(vec![one]))
}

impl<'de> Deserialize<'de> for Principals {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Kinds)
    }
}

struct Kinds;

impl<'de> Visitor<'de> for Kinds {
    type Value = Principals;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("\"*\" or an object")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Principals, E> {
        Ok(Principals(vec![("AWS".to_owned(), text.to_owned())]))
    }

    fn visit_map<M: MapAccess<'de>>(self, from: M) -> Result<Principals, M::Error> {
        let kinds = Unique::<OneOrMany<String>>::deserialize(MapAccessDeserializer::new(from))?;
        let named = kinds
            .0
            .into_iter()
            .flat_map(|(kind, names)| names.0.into_iter().map(move |name| (kind.clone(), name)));
        Ok(Principals(named.collect()))
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(AsText)
    }
}

struct AsText;

impl Visitor<'_> for AsText {
    type Value = Scalar;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a text, a number, true or false")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Scalar, E> {
        Ok(Scalar(text.to_owned()))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Scalar, E> {
        Ok(Scalar(value.to_string()))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Scalar, E> {
        Ok(Scalar(number.to_string()))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Scalar, E> {
        Ok(Scalar(number.to_string()))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Scalar, E> {
        Ok(Scalar(number.to_string()))
    }
}

/// The statements of a policy.
pub(super) fn read(text: &str) -> Result<Vec<Statement>, Fault> {
    if !text.trim_start().starts_with('{') {
        return Err(Fault::new("Policies must be valid JSON and the first byte must be '{'"));
    }
    let document: Document = serde_json::from_str(text)
        .map_err(|fault| Fault::new(format!("This policy contains invalid Json: {fault}")))?;
    if document.version.is_some_and(|version| !VERSIONS.contains(&version.as_str())) {
        return Err(Fault::new("The policy must contain a valid version string"));
    }
    let statements = document.statement.0;
    if statements.is_empty() {
        return Err(Fault::new("Could not parse the policy: Statement is empty!"));
    }
    statements.into_iter().map(|element| Statement::read(element.written())).collect()
}

impl Element {
    fn written(self) -> Written {
        let texts = |texts: Option<OneOrMany<String>>| texts.map(|texts| texts.0);
        let principals = |principals: Option<Principals>| principals.map(|principals| principals.0);
        let conditions = self.condition.map(|operators| operators.0).unwrap_or_default();
        let conditions = conditions.into_iter().flat_map(|(operator, keys)| {
            keys.0.into_iter().map(move |(key, values)| {
                let values = values.0.into_iter().map(|value| value.0).collect();
                (operator.clone(), key, values)
            })
        });
        Written {
            effect: self.effect,
            principals: (principals(self.principal), principals(self.not_principal)),
            actions: (texts(self.action), texts(self.not_action)),
            resources: (texts(self.resource), texts(self.not_resource)),
            conditions: conditions.collect(),
        }
    }
}
