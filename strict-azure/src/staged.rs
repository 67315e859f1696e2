//! Blocks that wait to be committed: they belong to a name, all their ids have one length, and they
//! are gone a week after the last of them came.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/put-block>

use std::collections::HashMap;
use std::time::Duration;

use data_encoding::BASE64;

use crate::clock::Time;
use crate::content::Content;
use crate::refusal::{self, Row};

pub(crate) const BLOCKS_MAX: usize = 100_000;
const LIFETIME: Duration = Duration::from_hours(7 * 24);
const ID_BYTES_MAX: usize = 64;

#[derive(Debug)]
pub(crate) struct Staged {
    blocks: HashMap<Box<[u8]>, Content>,
    /// Ids in the order in which they came first.
    order: Vec<Box<[u8]>>,
    id_length: usize,
    last: Time,
}

impl Staged {
    pub(crate) fn new(now: Time) -> Self {
        Self { blocks: HashMap::new(), order: Vec::new(), id_length: 0, last: now }
    }

    pub(crate) fn is_gone(&self, now: Time) -> bool {
        now.since(self.last) >= LIFETIME
    }

    pub(crate) fn add(
        &mut self,
        id: Box<[u8]>,
        content: Content,
        now: Time,
    ) -> Result<(), &'static Row> {
        if !self.order.is_empty() && id.len() != self.id_length {
            return Err(refusal::INVALID_BLOB_OR_BLOCK);
        }
        let known = self.blocks.contains_key(&id);
        if !known && self.order.len() >= BLOCKS_MAX {
            return Err(refusal::BLOCK_COUNT_EXCEEDS_LIMIT);
        }
        if !known {
            self.order.push(id.clone());
        }
        self.id_length = id.len();
        self.blocks.insert(id, content);
        self.last = now;
        Ok(())
    }

    pub(crate) fn get(&self, id: &[u8]) -> Option<&Content> {
        self.blocks.get(id)
    }

    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    pub(crate) fn in_order(&self) -> impl Iterator<Item = (&[u8], &Content)> {
        self.order.iter().filter_map(|id| Some((&**id, self.blocks.get(id)?)))
    }
}

/// The id that `text` is.
pub(crate) fn block_id(text: &str) -> Result<Box<[u8]>, &'static Row> {
    let id = BASE64.decode(text.as_bytes()).map_err(|_| refusal::INVALID_QUERY_PARAMETER_VALUE)?;
    if (1..=ID_BYTES_MAX).contains(&id.len()) {
        Ok(id.into())
    } else {
        Err(refusal::OUT_OF_RANGE_QUERY_PARAMETER_VALUE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_one_length_and_a_block_replaces_its_namesake() {
        let mut staged = Staged::new(Time(0));
        let add = |staged: &mut Staged, id: &[u8]| staged.add(id.into(), Content::empty(), Time(0));
        add(&mut staged, b"ab").unwrap();
        add(&mut staged, b"cd").unwrap();
        add(&mut staged, b"ab").unwrap();
        assert_eq!(staged.len(), 2);
        assert_eq!(add(&mut staged, b"abc"), Err(refusal::INVALID_BLOB_OR_BLOCK));
        assert!(!staged.is_gone(Time(0).after(Duration::from_hours(167))));
        assert!(staged.is_gone(Time(0).after(Duration::from_hours(168))));
    }

    #[test]
    fn an_id_is_64_bytes_at_most() {
        assert!(block_id(&BASE64.encode(&[1; 64])).is_ok());
        assert!(block_id(&BASE64.encode(&[1; 65])).is_err());
        assert!(block_id("").is_err() && block_id("???").is_err());
    }
}
