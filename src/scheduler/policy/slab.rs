//! Owns the storage of waiting items: nodes in one growing array, linked into lines by their index.
//!
//! Lines of all lanes share the array, a freed node is used again first, and so the array is as long as the queue
//! ever was. It knows neither turns nor bounds; whoever holds a [`Line`] says what the line means.

use super::moment::Moment;

/// Where an item stands: slot and generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::scheduler) struct Place(u64);

impl Place {
    /// The place of what was never queued.
    pub(in crate::scheduler) const NONE: Place = Place(u64::MAX);

    pub(in crate::scheduler) fn to_bits(self) -> u64 {
        self.0
    }

    pub(in crate::scheduler) fn from_bits(bits: u64) -> Self {
        Place(bits)
    }

    fn new(slot: u32, generation: u32) -> Self {
        Place(u64::from(generation) << 32 | u64::from(slot))
    }

    pub(super) fn slot(self) -> u32 {
        self.0 as u32
    }

    pub(super) fn generation(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

/// Items in the order they came.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) head: u32,
    pub(super) tail: u32,
    pub(super) len: usize,
}

impl Default for Line {
    fn default() -> Self {
        Self { head: NIL, tail: NIL, len: 0 }
    }
}

/// What is known of a waiting item.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    pub(super) came: Moment,
    pub(super) deadline: Moment,
    /// When it has waited too long for an overloaded lane.
    pub(super) impatient: Moment,
    pub(super) lane: u32,
    /// Which of its lane's lines it stands in.
    pub(super) line: u16,
}

impl Standing {
    /// Whether it asked to be let in, rather than continues what was let in.
    pub(super) fn is_fresh(&self) -> bool {
        self.line != CONTINUING
    }
}

/// The line of jobs that continue earlier work, in every lane.
pub(super) const CONTINUING: u16 = u16::MAX;

pub(super) struct Slab<I> {
    nodes: Vec<Node<I>>,
    free: u32,
}

struct Node<I> {
    item: Option<I>,
    standing: Standing,
    generation: u32,
    prev: u32,
    next: u32,
}

impl<I> Slab<I> {
    pub(super) fn new() -> Self {
        Self { nodes: Vec::new(), free: NIL }
    }

    /// Adds an item at the end of `line`.
    pub(super) fn append(&mut self, line: &mut Line, standing: Standing, item: I) -> Place {
        let (slot, generation) = match self.nodes.get(self.free as usize) {
            Some(node) => (std::mem::replace(&mut self.free, node.next), node.generation),
            None => (self.nodes.len() as u32, 0),
        };
        let node = Node { item: Some(item), standing, generation, prev: line.tail, next: NIL };
        match self.nodes.get_mut(slot as usize) {
            Some(known) => *known = node,
            None => self.nodes.push(node),
        }
        match self.nodes.get_mut(line.tail as usize) {
            Some(tail) => tail.next = slot,
            None => line.head = slot,
        }
        line.tail = slot;
        line.len += 1;
        Place::new(slot, generation)
    }

    /// Takes an item out of `line`, in which it stands.
    pub(super) fn unlink(&mut self, line: &mut Line, slot: u32) -> I {
        let (prev, next) = (self.nodes[slot as usize].prev, self.nodes[slot as usize].next);
        match self.nodes.get_mut(prev as usize) {
            Some(node) => node.next = next,
            None => line.head = next,
        }
        match self.nodes.get_mut(next as usize) {
            Some(node) => node.prev = prev,
            None => line.tail = prev,
        }
        line.len -= 1;
        let node = &mut self.nodes[slot as usize];
        node.generation = node.generation.wrapping_add(1);
        node.next = std::mem::replace(&mut self.free, slot);
        node.item.take().expect("a linked slot holds an item")
    }

    /// What is known of the item in `slot`, which is linked or [`NIL`].
    pub(super) fn standing(&self, slot: u32) -> Option<&Standing> {
        self.nodes.get(slot as usize).map(|node| &node.standing)
    }

    pub(super) fn next(&self, slot: u32) -> u32 {
        self.nodes[slot as usize].next
    }

    /// Whether the item at `place` still stands there.
    pub(super) fn holds(&self, place: Place) -> bool {
        self.nodes
            .get(place.slot() as usize)
            .is_some_and(|node| node.generation == place.generation() && node.item.is_some())
    }
}

/// The end of a line. No slab grows that long: the bound on the queue is reached far earlier.
pub(super) const NIL: u32 = u32::MAX;
