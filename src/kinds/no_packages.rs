//! The parts of the contract that only package tools have. A kind without packages says so with one line in each role.

/// The grammar of a kind that names no package index and no login.
macro_rules! names_no_packages {
    () => {
        fn indexes(&self) -> Vec<(&url::Url, &$crate::diagnostic::Origin)> {
            Vec::new()
        }

        fn fetched_by_name(&self) -> Vec<$crate::profile::FetchedByName<'_>> {
            Vec::new()
        }

        fn unencrypted_sources(&self) -> Vec<$crate::profile::UnencryptedSource<'_>> {
            Vec::new()
        }

        fn logins(&self) -> &[$crate::profile::Entry<$crate::profile::Login>] {
            &[]
        }
    };
}
pub(super) use names_no_packages;

/// The plan of a kind that installs no packages: a lock and a layer have nothing of it.
macro_rules! plans_no_packages {
    () => {
        fn as_shipped(_: &mut Self::Look, _: &$crate::state::Receipt) {}

        fn runtime(_: &Self::Look, _: &mut $crate::lock::Runtime) {}

        fn lacks(&self, _: &Self::Look, _: &$crate::inventory::Inventory) -> Option<String> {
            None
        }

        fn asks(&self, _: &$crate::inventory::Inventory, _: &mut $crate::kinds::contract::Asks) {}

        fn layer(&self, _: &Self::Look, _: &$crate::plan::Common<'_>) -> Option<Result<$crate::plan::Layer, String>> {
            None
        }
    };
}
pub(super) use plans_no_packages;

/// The acting of a kind that installs no packages.
macro_rules! locks_no_packages {
    () => {
        fn fills_layers(_: &Self::Action) -> bool {
            false
        }

        async fn lock(
            &self,
            _: &$crate::kinds::lock::LockWork<'_>,
            _: Vec<$crate::kinds::lock::LockGroup<'_, Self::Action>>,
            _: &mut $crate::lock::Section,
        ) -> Result<(), $crate::problem::Problem> {
            Ok(())
        }
    };
}
pub(super) use locks_no_packages;
