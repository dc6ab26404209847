//! What is expected in a block: blocks of one connection are alike, so that most fields are found by
//! one comparison with the field that followed the same one before.

/// Which field followed which in the blocks before.
#[derive(Debug, Default)]
pub(super) struct Trail {
    /// By the place of a field, the place of the one after it; empty until there is one.
    next: Vec<Place>,
    /// The last indexed field of the present block.
    last: Place,
}

const TRAIL: usize = 128;

impl Trail {
    /// The place of the field that is expected now.
    #[inline]
    pub(super) fn next(&self) -> Option<Place> {
        let next = *self.next.get(self.last.0 as usize % TRAIL)?;
        (next != Place::NONE).then_some(next)
    }

    /// A block begins.
    pub(super) fn restart(&mut self) {
        self.last = Place::NONE;
    }

    /// A block of trailers begins.
    pub(super) fn restart_at_trailers(&mut self) {
        self.last = Place::TRAILERS;
    }

    /// The expected field came.
    #[inline]
    pub(super) fn go_on(&mut self, place: Place) {
        self.last = place;
    }

    /// Notes the place of the present field, which was not expected.
    pub(super) fn add(&mut self, place: Place) {
        if self.next.is_empty() {
            self.next.resize(TRAIL, Place::NONE);
        }
        if let Some(next) = self.next.get_mut(self.last.0 as usize % TRAIL) {
            *next = place;
        }
        self.last = place;
    }
}

/// Where a field is: its index in the static table, or the number of its entry in the dynamic one
/// behind these.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Place(u32);

impl Place {
    const NONE: Self = Self(0);
    /// Before the first field of trailers; no index of the static table.
    const TRAILERS: Self = Self(62);
    const FIRST_NUMBER: u32 = 64;

    pub(super) fn of_index(index: usize) -> Self {
        Self(index as u32)
    }

    pub(super) fn of_number(number: u16) -> Self {
        Self(Self::FIRST_NUMBER + u32::from(number))
    }

    /// The index in the static table.
    #[inline]
    pub(super) fn index(self) -> Option<usize> {
        (self.0 < Self::FIRST_NUMBER).then_some(self.0 as usize)
    }

    /// The number in the dynamic table.
    #[inline]
    pub(super) fn number(self) -> u16 {
        (self.0.wrapping_sub(Self::FIRST_NUMBER)) as u16
    }
}
