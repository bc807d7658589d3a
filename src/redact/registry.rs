//! The registry of all secret values of the process, and the search index for them. The index is rebuilt when it is
//! needed after new values were added.

use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretSlice};

use super::{needle::HEAD, search::Index};

/// The values and their index.
struct Registry {
    values: Vec<Arc<SecretSlice<u8>>>,
    index: Option<Arc<Index>>,
}

impl Registry {
    const NOTHING: Self = Self { values: Vec::new(), index: None };

    fn add(&mut self, value: &Arc<SecretSlice<u8>>) {
        if !self.values.iter().any(|known| known.expose_secret() == value.expose_secret()) {
            self.values.push(Arc::clone(value));
            self.index = None;
        }
    }
}

/// Registers a value.
pub(super) fn add(value: &Arc<SecretSlice<u8>>) {
    if value.expose_secret().len() >= HEAD {
        storage::with(|known| known.add(value));
    }
}

/// The number of registered values.
pub(super) fn count() -> usize {
    storage::count()
}

/// The search index for all registered values.
pub(super) fn index() -> Arc<Index> {
    let built = storage::with(|known| known.index.clone().ok_or_else(|| known.values.clone()));
    // Built outside the lock: other threads need the lock too, and a panic here would be redacted under it.
    built.unwrap_or_else(|values| {
        let index = Arc::new(Index::of_values(values.iter().map(|value| value.expose_secret())));
        storage::with(|known| {
            if known.values.len() == values.len() {
                known.index = Some(Arc::clone(&index));
            }
        });
        index
    })
}

/// Forgets all values and wipes those that no other reference holds. Call it at the end of the process.
pub fn forget() {
    storage::with(|known| *known = Registry::NOTHING);
}

#[cfg(not(test))]
mod storage {
    use std::sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    };

    use super::Registry;

    static KNOWN: Mutex<Registry> = Mutex::new(Registry::NOTHING);
    /// The number of values, readable without the lock.
    static COUNT: AtomicUsize = AtomicUsize::new(0);

    pub(super) fn with<T>(work: impl FnOnce(&mut Registry) -> T) -> T {
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        let done = work(&mut known);
        COUNT.store(known.values.len(), Ordering::Release);
        done
    }

    pub(super) fn count() -> usize {
        COUNT.load(Ordering::Acquire)
    }
}

/// In unit tests each thread has its own registry, because the values of one test are ordinary words in another.
#[cfg(test)]
mod storage {
    use std::cell::RefCell;

    use super::Registry;

    thread_local!(static KNOWN: RefCell<Registry> = const { RefCell::new(Registry::NOTHING) });

    pub(super) fn with<T>(work: impl FnOnce(&mut Registry) -> T) -> T {
        KNOWN.with_borrow_mut(work)
    }

    pub(super) fn count() -> usize {
        with(|known| known.values.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::Secret;

    #[test]
    fn the_index_is_built_once_for_the_same_values() {
        drop(Secret::from("hunter22".to_owned()));
        let built = index();
        assert!(Arc::ptr_eq(&built, &index()));
        drop(Secret::from("hunter33".to_owned()));
        assert!(!Arc::ptr_eq(&built, &index()) && index().is_in(b"hunter33"));
    }
}
