//! HTTP as the specifications write it, read by the letter: no code is shared with the product, so
//! that a mistake of the one is not a mistake of the other.

pub(crate) mod h1;
pub(crate) mod h2;
pub(crate) mod hpack;
