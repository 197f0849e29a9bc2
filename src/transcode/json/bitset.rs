//! A set of small numbers, such as the indices of the fields that have been read.

/// Number of bits that are stored inline, without an allocation.
const FEW: usize = 256;

/// A set of numbers below a limit.
pub(crate) struct BitSet {
    few: [u64; FEW / 64],
    more: Vec<u64>,
}

impl BitSet {
    /// Creates a set for numbers below this limit.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            few: [0; FEW / 64],
            more: vec![0; most.saturating_sub(FEW).div_ceil(64)],
        }
    }

    /// Adds a number. Returns whether it was new.
    #[inline]
    pub(crate) fn first(&mut self, place: usize) -> bool {
        let Some(bits) = self.bits(place) else {
            return true;
        };
        let bit = 1 << (place % 64);
        let first = *bits & bit == 0;
        *bits |= bit;
        first
    }

    /// Returns whether a number is in the set.
    pub(crate) fn has(&mut self, place: usize) -> bool {
        self.bits(place)
            .is_some_and(|bits| *bits & 1 << (place % 64) != 0)
    }

    fn bits(&mut self, place: usize) -> Option<&mut u64> {
        let word = place / 64;
        match word.checked_sub(FEW / 64) {
            None => self.few.get_mut(word),
            Some(word) => self.more.get_mut(word),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_is_new_once() {
        let mut seen = BitSet::new(1_000);
        for place in [0, 62, 64, 255, 257, 998] {
            assert!(seen.first(place), "{place}");
            assert!(!seen.first(place) && seen.has(place), "{place}");
            assert!(!seen.has(place + 1), "{place}");
        }
    }
}
