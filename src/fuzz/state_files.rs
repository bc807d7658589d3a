//! The files that remain between runs.

use crate::{
    report::Report,
    run::Launched,
    state::{self, Receipt, SystemReceipt},
};

pub(super) fn state(data: &[u8]) {
    if let Ok(receipt) = serde_json::from_slice::<Receipt>(data) {
        let written = serde_json::to_vec(&receipt).expect("a receipt can be written");
        assert_eq!(serde_json::from_slice::<Receipt>(&written).ok(), Some(receipt), "a written receipt differs");
    }
    drop(serde_json::from_slice::<SystemReceipt>(data));
    drop(serde_json::from_slice::<Launched>(data));
    drop(serde_json::from_slice::<Report>(data));
    state::fuzz::files(data);
}
