//! Of a heap with holes.
#![cfg(target_env = "gnu")]

use std::fs;

use super::{trim, unused};

/// Bytes of a block: small enough that it lies in the heap, not on pages of its own.
const BLOCK: usize = 4 << 10;
const BLOCKS: usize = 16 << 10;
/// Most of them: what else this process takes and gives meanwhile is little.
const MOST: usize = BLOCKS / 4 * 3 * BLOCK;

#[test]
fn what_lies_below_a_block_in_use_is_seen_and_given_back() {
    let mut blocks: Vec<Vec<u8>> = (0..BLOCKS).map(|_| vec![1; BLOCK]).collect();
    let newest = blocks.pop();
    drop(blocks);
    assert!(unused() > MOST, "{}", unused());

    let before = resident();
    assert!(trim());
    let given_back = before.saturating_sub(resident());
    assert!(given_back > MOST, "{given_back} of {before}");
    assert!(newest.is_some_and(|block| block.iter().all(|byte| *byte == 1)));
}

fn resident() -> usize {
    let sizes = fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = sizes.split_whitespace().nth(1).unwrap().parse().unwrap();
    pages * 4096
}
