//! Owns the order of lanes: a binary heap that gives the least attained one, and can also take out or move any
//! other in logarithmic time.
//!
//! It knows numbers only. Ties go to the lane that was made first, so a simulation repeats itself exactly.

/// Lanes by what they have attained, least first.
#[derive(Debug, Default)]
pub(super) struct Order {
    heap: Vec<(u64, u32)>,
    /// Where in the heap each lane is; [`ABSENT`] for those that are not.
    positions: Vec<u32>,
}

const ABSENT: u32 = u32::MAX;

impl Order {
    /// The lane with the least, and how much that is.
    pub(super) fn least(&self) -> Option<(u64, u32)> {
        self.heap.first().copied()
    }

    /// Puts a lane in, or moves it to where it belongs now.
    pub(super) fn put(&mut self, lane: u32, attained: u64) {
        if lane as usize >= self.positions.len() {
            self.positions.resize(lane as usize + 1, ABSENT);
        }
        let at = match self.positions[lane as usize] {
            ABSENT => {
                self.heap.push((attained, lane));
                self.heap.len() - 1
            }
            known => {
                self.heap[known as usize].0 = attained;
                known as usize
            }
        };
        self.settle(at);
    }

    /// Takes a lane out, if it is in.
    pub(super) fn remove(&mut self, lane: u32) {
        let Some(&at) = self.positions.get(lane as usize) else { return };
        if at == ABSENT {
            return;
        }
        self.positions[lane as usize] = ABSENT;
        self.heap.swap_remove(at as usize);
        if (at as usize) < self.heap.len() {
            self.settle(at as usize);
        }
    }

    /// Every lane with what it has attained, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, u32)> {
        self.heap.iter().copied()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    #[cfg(test)]
    pub(super) fn has(&self, lane: u32) -> bool {
        self.positions.get(lane as usize).is_some_and(|&at| at != ABSENT)
    }

    /// Moves the entry at `at` up or down to where it belongs.
    fn settle(&mut self, mut at: usize) {
        while at > 0 && self.heap[at] < self.heap[(at - 1) / 2] {
            self.swap(at, (at - 1) / 2);
            at = (at - 1) / 2;
        }
        loop {
            let (left, right) = (2 * at + 1, 2 * at + 2);
            let mut least = at;
            for child in [left, right] {
                if child < self.heap.len() && self.heap[child] < self.heap[least] {
                    least = child;
                }
            }
            if least == at {
                break;
            }
            self.swap(at, least);
            at = least;
        }
        self.positions[self.heap[at].1 as usize] = at as u32;
    }

    fn swap(&mut self, one: usize, other: usize) {
        self.heap.swap(one, other);
        self.positions[self.heap[one].1 as usize] = one as u32;
        self.positions[self.heap[other].1 as usize] = other as u32;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn agrees_with_a_sorted_map_under_random_moves() {
        let (mut order, mut model) = (Order::default(), BTreeMap::new());
        let mut random = 1_u64;
        for _ in 0..100_000 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (lane, attained) = ((random >> 33) as u32 % 40, random >> 50);
            if random >> 62 == 0 {
                order.remove(lane);
                model.remove(&lane);
            } else {
                order.put(lane, attained);
                model.insert(lane, attained);
            }
            let least = model.iter().map(|(&lane, &attained)| (attained, lane)).min();
            assert_eq!(order.least(), least);
            assert_eq!(order.is_empty(), model.is_empty());
        }
    }
}
