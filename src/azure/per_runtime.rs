//! What each runtime has for itself: a gateway has one for each of its threads, and what two of them share
//! one wakes the other for.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::runtime::{Handle, Id};

type Made<T> = Vec<(Id, Arc<T>)>;

/// A value for each runtime that asks for it, kept for as long as this is.
pub(crate) struct PerRuntime<T> {
    make: Box<dyn Fn() -> T + Send + Sync>,
    made: ArcSwap<Made<T>>,
}

impl<T> PerRuntime<T> {
    /// Nothing is made yet.
    pub(crate) fn new(make: impl Fn() -> T + Send + Sync + 'static) -> Self {
        Self { make: Box::new(make), made: ArcSwap::default() }
    }

    /// The value of the runtime that this is called on.
    ///
    /// # Panics
    ///
    /// Where there is none.
    pub(crate) fn here(&self) -> Arc<T> {
        let here = Handle::current().id();
        let known = |made: &Made<T>| {
            made.iter().find(|(of, _)| *of == here).map(|(_, value)| Arc::clone(value))
        };
        if let Some(value) = known(&self.made.load()) {
            return value;
        }
        let new = Arc::new((self.make)());
        let with = |made: &Arc<Made<T>>| {
            let mut all = Made::clone(made);
            if known(made).is_none() {
                all.push((here, Arc::clone(&new)));
            }
            all
        };
        self.made.rcu(with);
        // A runtime of several threads may ask twice at once: the first one's stays.
        known(&self.made.load()).unwrap_or(new)
    }
}

impl<T> fmt::Debug for PerRuntime<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PerRuntime({} made)", self.made.load().len())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::runtime::{Builder, Runtime};

    use super::PerRuntime;

    fn runtime() -> Runtime {
        Builder::new_current_thread().build().unwrap()
    }

    #[test]
    fn each_runtime_has_one_and_keeps_it() {
        let values = PerRuntime::new(|| ());
        let (one, other) = (runtime(), runtime());
        let [first, second, again] =
            [&one, &other, &one].map(|on| on.block_on(async { values.here() }));
        assert!(Arc::ptr_eq(&first, &again));
        assert!(!Arc::ptr_eq(&first, &second));
        assert_eq!(format!("{values:?}"), "PerRuntime(2 made)");
    }
}
