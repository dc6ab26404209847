//! Times in buckets of at most 1.6 % width: 64 per power of two, as HdrHistogram has them.

/// Buckets per power of two, and their logarithm.
const FINE: usize = 64;
const FINE_BITS: u32 = 6;

/// How often which time was seen, in nanoseconds.
#[derive(Debug)]
pub(super) struct Histogram {
    counts: Vec<u64>,
    total: u64,
    longest: u64,
}

impl Histogram {
    pub(super) fn new() -> Self {
        Self {
            counts: vec![0; FINE * FINE],
            total: 0,
            longest: 0,
        }
    }

    pub(super) fn add(&mut self, nanoseconds: u64) {
        if let Some(count) = self.counts.get_mut(bucket(nanoseconds)) {
            *count += 1;
        }
        self.total += 1;
        self.longest = self.longest.max(nanoseconds);
    }

    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// The time within which the given share of all lies, in microseconds.
    pub(super) fn quantile(&self, share: f64) -> f64 {
        let wanted = (self.total as f64 * share).ceil().max(1.0) as u64;
        let mut seen = 0;
        let reached = self.counts.iter().position(|count| {
            seen += count;
            seen >= wanted
        });
        reached.map_or(0.0, |bucket| micros(floor(bucket).min(self.longest)))
    }

    /// The longest time, in microseconds.
    pub(super) fn longest(&self) -> f64 {
        micros(self.longest)
    }
}

fn bucket(nanoseconds: u64) -> usize {
    let power = nanoseconds.max(1).ilog2();
    if power < FINE_BITS {
        return nanoseconds as usize;
    }
    let within = (nanoseconds >> (power - FINE_BITS)) as usize % FINE;
    (power - FINE_BITS + 1) as usize * FINE + within
}

/// The shortest time of a bucket.
fn floor(bucket: usize) -> u64 {
    let (power, within) = (bucket / FINE, bucket % FINE);
    match power.checked_sub(1) {
        None => within as u64,
        Some(shift) => ((FINE + within) as u64) << shift,
    }
}

fn micros(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1000.0
}
