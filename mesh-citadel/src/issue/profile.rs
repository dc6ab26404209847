//! How long certificates live.

use std::time::Duration;

/// Lifetimes that make no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadLifetimes {
    /// The default is shorter than what certificates can say.
    #[error("a lifetime must be at least one second")]
    TooShort,
    /// The default is longer than what may be asked for.
    #[error("the default lifetime {default:?} is longer than the longest allowed {longest:?}")]
    DefaultTooLong {
        /// The default.
        default: Duration,
        /// The longest allowed.
        longest: Duration,
    },
}

/// A request for a lifetime that is not given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a lifetime of {asked:?} was asked for, the longest is {longest:?}")]
pub struct TooLong {
    asked: Duration,
    longest: Duration,
}

/// Default and longest lifetime of leaves; the default is not above the longest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetimes {
    default: Duration,
    longest: Duration,
}

impl Lifetimes {
    /// Joins the two.
    ///
    /// # Errors
    /// [`BadLifetimes`].
    pub fn new(default: Duration, longest: Duration) -> Result<Self, BadLifetimes> {
        if default < Duration::from_secs(1) {
            return Err(BadLifetimes::TooShort);
        }
        if default > longest {
            return Err(BadLifetimes::DefaultTooLong { default, longest });
        }
        Ok(Self { default, longest })
    }

    /// The lifetime of who asks for none.
    #[must_use]
    pub fn default(&self) -> Duration {
        self.default
    }

    /// The lifetime when `asked` was asked for, or nothing was.
    ///
    /// # Errors
    /// [`TooLong`]: a longer one is refused, not cut.
    // istio: CA server, a TTL above the maximum is an error.
    pub fn of(&self, asked: Option<Duration>) -> Result<Duration, TooLong> {
        match asked {
            None => Ok(self.default),
            Some(asked) if asked <= self.longest => Ok(asked),
            Some(asked) => Err(TooLong {
                asked,
                longest: self.longest,
            }),
        }
    }
}

#[cfg(test)]
mod tests;
