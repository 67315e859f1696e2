//! Lists of elements that are like the list before: of a blob's properties and of its metadata, which most
//! blobs of a page have alike. To look whether the next element is the one that stood there is half the work
//! of looking what it is.

use super::super::xml::{Leaf, Walk};

/// How many elements of a list are kept in mind; Azure has thirty properties.
const ELEMENTS_MAX: usize = 64;

/// The list before, and what its elements mean.
#[derive(Debug)]
pub(in crate::azure) struct Before<'p, T>(Vec<(Leaf<'p>, T)>);

impl<T> Default for Before<'_, T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'p, T: Copy> Before<'p, T> {
    /// The element that comes next, the `at`th of its list, and what it means; none if it is to be read in
    /// another way.
    pub(super) fn next(
        &mut self,
        walk: &mut Walk<'p>,
        at: usize,
        meaning: impl FnOnce(&str) -> T,
    ) -> Option<(Leaf<'p>, T)> {
        if let Some((before, means)) = self.0.get(at)
            && let Some(leaf) = walk.leaf_like(*before)
        {
            return Some((leaf, *means));
        }
        let leaf = walk.plain_leaf()?;
        let means = meaning(leaf.name());
        if let Some(other) = self.0.get_mut(at) {
            *other = (leaf, means);
        } else if self.0.len() < ELEMENTS_MAX {
            self.0.push((leaf, means));
        }
        Some((leaf, means))
    }
}
