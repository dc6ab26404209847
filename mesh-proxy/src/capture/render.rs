//! Plans as text: for iptables-restore, and for nft.
//!
//! One text is one transaction: the kernel takes all of it or nothing, so that there is no moment
//! with half of the rules, nor one without any when they are replaced.

mod iptables;
mod nft;

pub(crate) use iptables::{iptables, iptables_clean_up};
pub(crate) use nft::{TABLE, nft, nft_clean_up};

#[cfg(test)]
mod tests;
