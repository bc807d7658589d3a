//! Listings that come page by page.

use super::{CloudError, Kind};

/// More pages than any listing here has: parameters come by tens, and an account has a hundred thousand at most.
const MOST: usize = 10_000;

/// Counts the pages of a listing. One without an end is a fault of whoever answers, and ends here.
#[derive(Debug, Default)]
pub struct Pages(usize);

impl Pages {
    /// One more page is to be asked for.
    pub fn turn(&mut self) -> Result<(), CloudError> {
        self.0 += 1;
        if self.0 <= MOST {
            return Ok(());
        }
        Err(CloudError::new(Kind::Malformed, format!("the service lists without an end: {MOST} pages, and one more")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_has_an_end() {
        let mut pages = Pages::default();
        assert!((0..MOST).all(|_| pages.turn().is_ok()));
        assert_eq!(pages.turn().expect_err("too many").kind, Kind::Malformed);
    }
}
