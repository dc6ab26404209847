//! The Huffman code (RFC 7541 appendix B) and what is computed from it before the program runs.
//!
//! The code is canonical: the lengths alone determine it. Codes of one length are consecutive, in the
//! order of their symbols, and a longer code is greater than any shorter one.

#![expect(
    clippy::indexing_slicing,
    reason = "evaluated by the compiler: an index out of range would not compile"
)]

/// Bits of the longest code.
pub(super) const LONGEST: u32 = 30;

/// Bits that the first step of decoding looks at.
pub(super) const STEP_BITS: u32 = 12;

/// The symbol that no string may have.
const END: u16 = 256;

const SYMBOLS: usize = 257;

/// Bits of each symbol's code; the last is the end of a string.
#[rustfmt::skip]
const LENGTHS: [u8; SYMBOLS] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
    6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    30,
];

/// The code of one symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Code {
    /// The code in the lowest bits.
    pub(super) code: u32,
    /// How many bits it has.
    pub(super) bits: u8,
}

/// What the next [`STEP_BITS`] bits say. `symbols` is 0 if the code is longer than that.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Step {
    /// Up to two symbols.
    pub(super) text: [u8; 2],
    /// How many symbols, and the bits of the first one.
    symbols_and_first: u8,
    /// The bits of all of them.
    pub(super) bits: u8,
}

impl Step {
    const fn of(text: [u8; 2], symbols: u8, first_bits: u8, bits: u8) -> Self {
        Self {
            text,
            symbols_and_first: symbols << 4 | first_bits,
            bits,
        }
    }

    /// A symbol whose code has more than [`STEP_BITS`].
    pub(super) const fn long(symbol: u8, bits: u8) -> Self {
        Self::of([symbol, 0], 1, 0, bits)
    }

    /// How many symbols there are.
    #[inline]
    pub(super) const fn symbols(self) -> u8 {
        self.symbols_and_first >> 4
    }

    /// The first symbol alone.
    pub(super) const fn first(self) -> Self {
        let bits = self.symbols_and_first & 0xf;
        Self::of(self.text, 1, bits, bits)
    }
}

/// All codes of one length that is beyond [`STEP_BITS`].
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LongCodes {
    /// The first of them, in the highest bits.
    pub(super) first: u32,
    /// Their length.
    pub(super) bits: u8,
    /// Where the symbol of the first stands in [`LONG_SYMBOLS`].
    pub(super) symbols_at: u16,
}

const LONG_LENGTHS: usize = 14;
const LONG_CODES: usize = 173;

/// The code of each symbol.
pub(super) static CODES: [Code; SYMBOLS] = codes();

/// By the next [`STEP_BITS`] bits.
pub(super) static STEPS: [Step; 1 << STEP_BITS] = steps();

/// By length, and so by code.
pub(super) static LONG: [LongCodes; LONG_LENGTHS] = long();

/// The symbols of all long codes, by code.
pub(super) static LONG_SYMBOLS: [u16; LONG_CODES] = long_symbols();

const fn codes() -> [Code; SYMBOLS] {
    let mut codes = [Code { code: 0, bits: 0 }; SYMBOLS];
    let mut next = 0;
    let mut bits = 1;
    while bits as u32 <= LONGEST {
        let mut symbol = 0;
        while symbol < SYMBOLS {
            if LENGTHS[symbol] == bits {
                codes[symbol] = Code { code: next, bits };
                next += 1;
            }
            symbol += 1;
        }
        next <<= 1;
        bits += 1;
    }
    codes
}

const fn steps() -> [Step; 1 << STEP_BITS] {
    let single = single_steps();
    let mut steps = single;
    let mut at = 0;
    while at < single.len() {
        let first = single[at];
        // The bits after the first symbol, with zeros behind them: what they say counts only if it
        // needs no more bits than there are.
        let second = single[(at << first.bits) & (single.len() - 1)];
        let bits = first.bits + second.bits;
        if first.bits > 0 && second.bits > 0 && bits as u32 <= STEP_BITS {
            steps[at] = Step::of([first.text[0], second.text[0]], 2, first.bits, bits);
        }
        at += 1;
    }
    steps
}

const fn single_steps() -> [Step; 1 << STEP_BITS] {
    let codes = codes();
    let mut steps = [Step::of([0, 0], 0, 0, 0); 1 << STEP_BITS];
    let mut symbol = 0;
    while symbol < END as usize {
        let Code { code, bits } = codes[symbol];
        if bits as u32 <= STEP_BITS {
            let unused = STEP_BITS - bits as u32;
            let mut at = (code as usize) << unused;
            let end = (code as usize + 1) << unused;
            while at < end {
                steps[at] = Step::of([symbol as u8, 0], 1, bits, bits);
                at += 1;
            }
        }
        symbol += 1;
    }
    steps
}

const fn long() -> [LongCodes; LONG_LENGTHS] {
    let codes = codes();
    let symbols = long_symbols();
    let mut long = [LongCodes {
        first: 0,
        bits: 0,
        symbols_at: 0,
    }; LONG_LENGTHS];
    let mut row = 0;
    let mut at = 0;
    while at < LONG_CODES {
        let Code { code, bits } = codes[symbols[at] as usize];
        if row == 0 || long[row - 1].bits != bits {
            long[row] = LongCodes {
                first: code << (32 - bits as u32),
                bits,
                symbols_at: at as u16,
            };
            row += 1;
        }
        at += 1;
    }
    assert!(row == LONG_LENGTHS, "every row is filled");
    long
}

const fn long_symbols() -> [u16; LONG_CODES] {
    let mut symbols = [0; LONG_CODES];
    let mut found = 0;
    let mut bits = STEP_BITS + 1;
    while bits <= LONGEST {
        let mut symbol = 0;
        while symbol < SYMBOLS {
            if LENGTHS[symbol] as u32 == bits {
                symbols[found] = symbol as u16;
                found += 1;
            }
            symbol += 1;
        }
        bits += 1;
    }
    assert!(found == LONG_CODES, "every symbol has its place");
    symbols
}
