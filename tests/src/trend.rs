//! Whether a value grows, and how sure that is.

/// A line through points by least squares.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trend {
    /// Its slope, per second.
    pub slope: f64,
    /// The slope's standard error.
    pub error: f64,
}

/// Parts that points are taken together in: what comes and goes within one is no news in the next, so that the
/// scatter of their means tells how sure a slope is (the method of batch means).
const BATCHES: usize = 12;
/// How many standard errors are beyond reasonable doubt: 97.5 % of Student's t with two parameters fewer than batches.
const DOUBT: f64 = 2.23;

impl Trend {
    /// The trend of values at moments; none for less than three.
    #[must_use]
    pub fn of(points: &[(f64, f64)]) -> Option<Self> {
        let each = points.len().div_ceil(BATCHES).max(1);
        let batches: Vec<_> = points.chunks(each).map(mean).collect();
        let Line { slope, .. } = Line::through(points)?;
        let error = Line::through(&batches)?.error(&batches);
        Some(Self { slope, error })
    }

    /// Whether it grows faster than `bound` beyond reasonable doubt.
    #[must_use]
    pub fn exceeds(self, bound: f64) -> bool {
        self.slope - DOUBT * self.error > bound
    }
}

fn mean(points: &[(f64, f64)]) -> (f64, f64) {
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    (mean(|point| point.0), mean(|point| point.1))
}

/// A line by least squares.
struct Line {
    middle: f64,
    level: f64,
    slope: f64,
    /// Squares of the distances of moments from the middle.
    spread: f64,
}

impl Line {
    fn through(points: &[(f64, f64)]) -> Option<Self> {
        let (middle, level) = mean(points);
        let spread: f64 = points.iter().map(|(x, _)| (x - middle).powi(2)).sum();
        let common: f64 = points.iter().map(|(x, y)| (x - middle) * (y - level)).sum();
        (points.len() >= 3 && spread > 0.0).then(|| Self {
            middle,
            level,
            slope: common / spread,
            spread,
        })
    }

    /// The slope's standard error.
    fn error(&self, points: &[(f64, f64)]) -> f64 {
        let left = points.iter();
        let left: Vec<f64> = left
            .map(|(x, y)| y - self.level - self.slope * (x - self.middle))
            .collect();
        let squares: f64 = left.iter().map(|rest| rest.powi(2)).sum();
        let next = left.iter().skip(1);
        let neighbours: f64 = left.iter().zip(next).map(|(one, next)| one * next).sum();
        // What is above the line in one batch is so in the next: there are fewer independent ones
        // than batches, by this factor (first-order autocorrelation).
        let likeness = if squares > 0.0 {
            (neighbours / squares).clamp(0.0, 0.99)
        } else {
            0.0
        };
        let inflation = (1.0 + likeness) / (1.0 - likeness);
        let free = points.len() as f64 - 2.0;
        (squares / free / self.spread * inflation).sqrt()
    }
}

#[cfg(test)]
mod tests;
