//! Header compression of HTTP/2 (RFC 7541): one decoder and one encoder per connection.
//!
//! Both work on borrowed bytes and allocate only until their tables are full. The peer's input
//! decides nothing but which bytes are compared: every octet costs constant work and the tables are
//! bounded. What a field means, and how many of them are too many, is the caller's business.

mod decode;
mod encode;
mod hash;
mod huffman;
mod huffman_table;
mod integer;
mod static_table;
mod table;

pub(crate) use decode::{Decoder, Field};
pub(crate) use encode::{Encoder, Indexing};
pub(crate) use table::Note;

use crate::codec::{Fault, FaultKind};

/// What the dynamic table may hold until a setting says otherwise (RFC 9113 6.5.2), and the most
/// that our encoder uses.
const INITIAL_TABLE_SIZE: usize = 4096;

/// Why a header block cannot be decoded. The compression state is lost with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HpackError {
    /// The block ends within a field.
    Truncated,
    /// A string is longer than what is left of the block.
    StringTooLong,
    /// An integer has too many octets or is too large.
    IntegerTooLarge,
    /// An index that neither table has; index 0 among them.
    NoEntry,
    /// A table size update after a field, or a third one.
    MisplacedSizeUpdate,
    /// A table size update beyond what we allow.
    SizeUpdateTooLarge,
    /// A Huffman string has the symbol that ends strings.
    HuffmanEnd,
    /// A Huffman string ends with more than seven bits of padding, or with other bits than ones.
    HuffmanPadding,
}

impl HpackError {
    /// What is wrong, with the section of the RFC.
    fn why(self) -> &'static str {
        match self {
            Self::Truncated => "RFC 7541 6: a header block ends within a field",
            Self::StringTooLong => "RFC 7541 5.2: a string goes beyond its header block",
            Self::IntegerTooLarge => "RFC 7541 5.1: an integer is too large",
            Self::NoEntry => "RFC 7541 2.3.3: an index beyond the tables",
            Self::MisplacedSizeUpdate => {
                "RFC 7541 4.2: a table size update that does not open its header block"
            }
            Self::SizeUpdateTooLarge => "RFC 7541 6.3: a table size beyond the setting",
            Self::HuffmanEnd => "RFC 7541 5.2: the end symbol within a string",
            Self::HuffmanPadding => "RFC 7541 5.2: the padding of a string is too long or not ones",
        }
    }
}

impl From<HpackError> for Fault {
    fn from(error: HpackError) -> Self {
        Self {
            kind: FaultKind::Compression,
            why: error.why(),
        }
    }
}

#[cfg(test)]
mod tests;
