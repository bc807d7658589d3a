//! The records of `[system]` in the receipt.

use super::{Receipt, SystemReceipt};

impl Receipt {
    /// The changes of `[system]` for a profile.
    pub fn system(&self, profile: &str) -> Option<&SystemReceipt> {
        self.system.get(profile)
    }

    /// Changes the record of `[system]` for a profile. An empty record is removed.
    pub fn change_system(&mut self, profile: &str, change: impl FnOnce(&mut SystemReceipt)) {
        let mut record = self.system.remove(profile).unwrap_or_default();
        change(&mut record);
        if record != SystemReceipt::default() {
            self.system.insert(profile.to_owned(), record);
        }
    }

    /// Whether another profile has a record.
    pub fn has_system_elsewhere(&self, profile: &str, has: impl Fn(&SystemReceipt) -> bool) -> bool {
        self.system.iter().any(|(other, record)| other != profile && has(record))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_record_is_removed() {
        let mut receipt = Receipt::default();
        receipt.change_system("x", |record| record.ldconfig = Some("/opt/lib\n".into()));
        assert!(receipt.has_system_elsewhere("y", |record| record.ldconfig.is_some()));
        assert!(!receipt.has_system_elsewhere("x", |record| record.ldconfig.is_some()));
        receipt.change_system("x", |record| record.ldconfig = None);
        assert_eq!(receipt, Receipt::default());
    }
}
