//! A hash table from the names of a schema to numbers, for many look-ups of which most succeed.

/// The content of a free slot.
const FREE: u32 = u32::MAX;

/// A hash table whose names are known when it is built. The hash is cheap and has no seed: only the author of the
/// schema can choose names that collide, and a look-up compares only the names of one slot and its successors.
#[derive(Debug, Default)]
pub(crate) struct NameTable {
    entries: Vec<(String, usize)>,
    /// Indices into `entries`. The number of slots is a power of two, and at least twice the number of entries.
    slots: Vec<u32>,
}

impl NameTable {
    /// Builds the table. If several entries have one name, the first is kept.
    pub(crate) fn new(all: impl IntoIterator<Item = (String, usize)>) -> Self {
        let all: Vec<_> = all.into_iter().collect();
        let mut names = Self {
            entries: Vec::with_capacity(all.len()),
            slots: vec![FREE; (2 * all.len()).next_power_of_two()],
        };
        for (name, value) in all {
            let slot = names.slot(&name);
            if names.slots[slot] == FREE {
                names.slots[slot] = u32::try_from(names.entries.len()).unwrap_or(FREE);
                names.entries.push((name, value));
            }
        }
        names
    }

    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        let place = *self.slots.get(self.slot(name))?;
        let (_, value) = self.entries.get(place as usize)?;
        Some(*value)
    }

    /// Returns the slot of a name, or the free slot where it would be. The search ends, since at least half of the
    /// slots are free.
    fn slot(&self, name: &str) -> usize {
        let mask = self.slots.len().wrapping_sub(1);
        let mut slot = hash(name.as_bytes()) & mask;
        loop {
            match self.slots.get(slot) {
                Some(&place) if place != FREE && self.entries[place as usize].0 != name => {
                    slot = (slot + 1) & mask;
                }
                _ => return slot,
            }
        }
    }
}

/// Hashes eight bytes at a time. Returns the high bits of the last product, since they depend on all bits of the
/// factors.
fn hash(name: &[u8]) -> usize {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |sum: u64, word: u64| (sum.rotate_left(5) ^ word).wrapping_mul(FACTOR);
    let (words, rest) = name.as_chunks::<8>();
    let sum = words.iter().fold(name.len() as u64, |sum, word| {
        mix(sum, u64::from_le_bytes(*word))
    });
    let rest = rest
        .iter()
        .fold(0, |word, byte| word << 8 | u64::from(*byte));
    usize::try_from(mix(sum, rest) >> 32).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_and_no_other() {
        let all = || (0..3_000).map(|index| (format!("a.package.Name{index}"), index));
        let names = NameTable::new(all().chain([("a.package.Name7".to_owned(), 0)]));
        for (name, index) in all() {
            assert_eq!(names.find(&name), Some(index));
            assert_eq!(names.find(&name[1..]), None);
        }
        assert_eq!(NameTable::new([]).find(""), None);
        assert_eq!(NameTable::new([(String::new(), 5)]).find(""), Some(5));
    }
}
