//! Listings that come page by page.

use super::{CloudError, CloudErrorKind};

/// More pages than any listing here has: parameters come by tens, and an account has a hundred thousand at most.
const MOST: usize = 10_000;

/// Counts the pages of a listing. One without an end is a fault of whoever answers, and ends here.
#[derive(Debug, Default)]
pub struct PageLimit(usize);

impl PageLimit {
    /// One more page is to be asked for.
    pub fn next_page(&mut self) -> Result<(), CloudError> {
        self.0 += 1;
        if self.0 <= MOST {
            return Ok(());
        }
        Err(CloudError::new(
            CloudErrorKind::Malformed,
            format!("the service lists without an end: {MOST} pages, and one more"),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_has_an_end() {
        let mut pages = PageLimit::default();
        assert!((0..MOST).all(|_| pages.next_page().is_ok()));
        assert_eq!(pages.next_page().expect_err("too many").kind, CloudErrorKind::Malformed);
    }
}
