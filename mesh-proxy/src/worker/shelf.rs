//! Things that are used again.

/// Things that nobody needs at the moment. What is put there last is taken first, so that those
/// below are the ones that nobody has needed for a while.
pub(crate) struct Shelf<T> {
    things: Vec<T>,
    /// How many were left untouched since the last sweep.
    untouched: usize,
}

impl<T> Shelf<T> {
    /// Takes one out.
    pub(crate) fn take(&mut self) -> Option<T> {
        let thing = self.things.pop();
        self.untouched = self.untouched.min(self.things.len());
        thing
    }

    /// Keeps one for somebody else.
    pub(crate) fn put(&mut self, thing: T) {
        self.things.push(thing);
    }

    /// How many are there.
    pub(crate) fn len(&self) -> usize {
        self.things.len()
    }

    /// Takes out those that nobody has needed since this was asked last. What is in use all the time
    /// stays: it would only be allocated anew at once, elsewhere.
    pub(crate) fn sweep(&mut self) -> Vec<T> {
        let untouched = self.untouched.min(self.things.len());
        let swept = self.things.drain(..untouched).collect();
        self.things.shrink_to(2 * self.things.len());
        self.untouched = self.things.len();
        swept
    }

    /// Lets go of all but some.
    pub(crate) fn truncate(&mut self, left: usize) {
        self.things.truncate(left);
        self.things.shrink_to_fit();
        self.untouched = self.untouched.min(left);
    }
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self {
            things: Vec::new(),
            untouched: 0,
        }
    }
}

#[cfg(test)]
mod tests;
