//! Whether a value grows, and how sure that is.

/// A line through points by least squares.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trend {
    /// Its slope, per second.
    pub slope: f64,
    /// The slope's standard error.
    pub error: f64,
}

impl Trend {
    /// The trend of values at moments; none for less than three.
    #[must_use]
    pub fn of(points: &[(f64, f64)]) -> Option<Self> {
        let count = points.len() as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
        let (middle, level) = (mean(|point| point.0), mean(|point| point.1));
        let spread: f64 = points.iter().map(|(x, _)| (x - middle).powi(2)).sum();
        let common: f64 = points.iter().map(|(x, y)| (x - middle) * (y - level)).sum();
        if points.len() < 3 || spread <= 0.0 {
            return None;
        }
        let slope = common / spread;
        let left = points.iter();
        let left: Vec<f64> = left
            .map(|(x, y)| y - level - slope * (x - middle))
            .collect();
        let squares: f64 = left.iter().map(|rest| rest.powi(2)).sum();
        let next = left.iter().skip(1);
        let neighbours: f64 = left.iter().zip(next).map(|(one, next)| one * next).sum();
        // What is above the line at one look is so at the next: there are fewer independent looks
        // than looks, by this factor (first-order autocorrelation).
        let likeness = if squares > 0.0 {
            (neighbours / squares).clamp(0.0, 0.99)
        } else {
            0.0
        };
        let inflation = (1.0 + likeness) / (1.0 - likeness);
        let error = (squares / (count - 2.0) / spread * inflation).sqrt();
        Some(Self { slope, error })
    }

    /// Whether it grows faster than `bound` beyond reasonable doubt: by two standard errors.
    #[must_use]
    pub fn exceeds(self, bound: f64) -> bool {
        self.slope - 2.0 * self.error > bound
    }
}

#[cfg(test)]
mod tests;
