//! A limit for listings with several pages.

use super::{CloudError, CloudErrorKind};

/// No listing has more pages: an account has at most 100,000 parameters, ten on a page.
const MAX_PAGES: usize = 10_000;

/// Counts the pages of a listing, so that a server cannot keep nodeagent in an endless listing.
#[derive(Debug, Default)]
pub struct PageLimit(usize);

impl PageLimit {
    /// Counts a page.
    ///
    /// # Errors
    /// If the listing has too many pages.
    pub fn next_page(&mut self) -> Result<(), CloudError> {
        self.0 += 1;
        if self.0 <= MAX_PAGES {
            return Ok(());
        }
        Err(CloudError::new(
            CloudErrorKind::Malformed,
            format!("the listing of the service has more than {MAX_PAGES} pages"),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_has_a_maximum_of_pages() {
        let mut pages = PageLimit::default();
        assert!((0..MAX_PAGES).all(|_| pages.next_page().is_ok()));
        assert_eq!(pages.next_page().expect_err("too many").kind, CloudErrorKind::Malformed);
    }
}
