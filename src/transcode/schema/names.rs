//! Names of a schema to numbers, for many look-ups of which most succeed.

/// What stands in a slot that is free.
const FREE: u32 = u32::MAX;

/// A hash table of names that are known beforehand. The hash is cheap and without a seed: who can choose
/// the names is who gave the schema, and a name that is looked up meets only those of its slot.
#[derive(Debug, Default)]
pub(crate) struct Names {
    entries: Vec<(String, usize)>,
    /// Places in `entries`; twice as many as these, and a power of two.
    slots: Vec<u32>,
}

impl Names {
    /// Of several entries with one name the first holds.
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

    /// The slot of a name, or the free one where it would be. There is one, as half of them are free.
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

/// Eight bytes at a time; the high bits of a product depend on all of a factor's, so they come down.
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
        let names = Names::new(all().chain([("a.package.Name7".to_owned(), 0)]));
        for (name, index) in all() {
            assert_eq!(names.find(&name), Some(index));
            assert_eq!(names.find(&name[1..]), None);
        }
        assert_eq!(Names::new([]).find(""), None);
        assert_eq!(Names::new([(String::new(), 5)]).find(""), Some(5));
    }
}
