//! Owns the storage of waiting items: nodes in one growing array, linked into lines by their index.
//!
//! Lines of all lanes share the array, a freed node is used again first, and so the array is as long as the queue
//! ever was. It knows neither turns nor bounds; whoever holds a [`Line`] says what the line means.

use std::time::Instant;

use super::job::Admission;

/// Where an item stands: slot and generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(u64);

impl Place {
    /// The place of what was never queued.
    pub(super) const NONE: Place = Place(u64::MAX);

    pub(super) fn to_bits(self) -> u64 {
        self.0
    }

    pub(super) fn from_bits(bits: u64) -> Self {
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

pub(super) struct Line {
    pub(super) head: u32,
    tail: u32,
    pub(super) len: usize,
}

impl Default for Line {
    fn default() -> Self {
        Self { head: NIL, tail: NIL, len: 0 }
    }
}

pub(super) struct Slab<I> {
    pub(super) nodes: Vec<Node<I>>,
    free: u32,
}

pub(super) struct Node<I> {
    pub(super) item: Option<I>,
    pub(super) came: Instant,
    pub(super) lane: usize,
    pub(super) admission: Admission,
    pub(super) generation: u32,
    prev: u32,
    pub(super) next: u32,
}

impl<I> Slab<I> {
    pub(super) fn new() -> Self {
        Self { nodes: Vec::new(), free: NIL }
    }

    pub(super) fn insert(&mut self, item: I, lane: usize, admission: Admission, came: Instant) -> Place {
        let (slot, generation) = match self.nodes.get(self.free as usize) {
            Some(node) => (std::mem::replace(&mut self.free, node.next), node.generation),
            None => (self.nodes.len() as u32, 0),
        };
        let node = Node { item: Some(item), came, lane, admission, generation, prev: NIL, next: NIL };
        match self.nodes.get_mut(slot as usize) {
            Some(known) => *known = node,
            None => self.nodes.push(node),
        }
        Place::new(slot, generation)
    }

    pub(super) fn append(&mut self, line: &mut Line, slot: u32) {
        self.nodes[slot as usize].prev = line.tail;
        match self.nodes.get_mut(line.tail as usize) {
            Some(tail) => tail.next = slot,
            None => line.head = slot,
        }
        line.tail = slot;
        line.len += 1;
    }

    pub(super) fn unlink(&mut self, line: &mut Line, slot: u32) {
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
    }

    pub(super) fn free(&mut self, slot: u32) -> I {
        let node = &mut self.nodes[slot as usize];
        node.generation = node.generation.wrapping_add(1);
        node.next = std::mem::replace(&mut self.free, slot);
        node.item.take().expect("a linked slot holds an item")
    }
}

/// The end of a line. No slab grows that long: the bound on the queue is reached far earlier.
pub(super) const NIL: u32 = u32::MAX;
