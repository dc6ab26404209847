//! What a person sees on the product page.

/// The stars under the reviews.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stars {
    /// Reviews v1 has none.
    None,
    /// Reviews v2.
    Black,
    /// Reviews v3.
    Red,
}

/// Which stars a page, or the JSON of the reviews service, shows.
#[must_use]
pub fn stars(body: &str) -> Stars {
    let coloured = |color: &str| {
        body.contains(&format!("color=\"{color}\""))
            || body.contains(&format!("\"color\":\"{color}\""))
    };
    if coloured("black") {
        Stars::Black
    } else if coloured("red") {
        Stars::Red
    } else {
        Stars::None
    }
}
