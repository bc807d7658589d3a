//! All values of the process, and the search for them. The search is built when a text first needs it, and anew when
//! there are more values.

use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretSlice};

use super::{encodings::HEAD, search::Index};

/// The values, and what was last built from them.
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

#[cfg(not(test))]
mod storage {
    use std::sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    };

    use super::Registry;

    static KNOWN: Mutex<Registry> = Mutex::new(Registry::NOTHING);
    /// How many values are known, readable without the lock.
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

/// In unit tests each test knows its own values: those of others are ordinary words in its texts.
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

/// Makes a value known.
pub(super) fn add(value: &Arc<SecretSlice<u8>>) {
    if value.expose_secret().len() >= HEAD {
        storage::with(|known| known.add(value));
    }
}

/// How many values are known.
pub(super) fn count() -> usize {
    storage::count()
}

/// The search for all values known now.
pub(super) fn index() -> Arc<Index> {
    let built = storage::with(|known| known.index.clone().ok_or_else(|| known.values.clone()));
    // Not under the lock: others want to know, too, and the words of a panic here must not wait for it.
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

/// Forgets all values and wipes them, but for those that somebody still holds. For the very end of the process.
pub fn forget() {
    storage::with(|known| *known = Registry::NOTHING);
}
