//! Owns the order of waiting jobs: a line a lane, the lanes taking turns.
//!
//! A pure data structure: it knows no threads, clocks or jobs, only items with the time they came. Each lane has
//! two lines, *fresh* jobs and *continuing* ones (the next turn of a stream that was admitted long ago); bounds
//! count and refuse only fresh ones. Within a lane the older of the two heads goes first.
//!
//! Lines are doubly linked through one slab, so a job that is cancelled in the middle is unlinked at once, in
//! constant time, and leaves nothing behind. A [`Place`] carries its slot's generation: taking an item out by a
//! place it has left long ago finds nothing, whoever lives there now.
//!
//! Invariant: a lane is in `turns` exactly once if `in_turn`, and not at all otherwise. A lane that has become
//! empty or full meanwhile is dropped from `turns` when its turn comes; a lane that can be served and is not in
//! `turns` cannot exist after `push` or `finished`.

use std::collections::VecDeque;
use std::time::Instant;

use super::job::Admission;
use super::slab::{Line, NIL, Place, Slab};

/// Waiting items, by lane.
pub(super) struct Queue<I> {
    slab: Slab<I>,
    lanes: Vec<LaneLines>,
    turns: VecDeque<usize>,
    fresh: usize,
    continuing: usize,
}

impl<I> Queue<I> {
    pub(super) fn new() -> Self {
        Self { slab: Slab::new(), lanes: Vec::new(), turns: VecDeque::new(), fresh: 0, continuing: 0 }
    }

    /// Items waiting, of every kind.
    pub(super) fn len(&self) -> usize {
        self.fresh + self.continuing
    }

    /// Fresh items waiting, overall: what the bound on the whole queue counts.
    pub(super) fn fresh(&self) -> usize {
        self.fresh
    }

    /// Fresh items waiting in `lane`.
    pub(super) fn fresh_in(&self, lane: usize) -> usize {
        self.lanes.get(lane).map_or(0, |lines| lines.fresh.len)
    }

    /// Items of `lane` that wait, and that run.
    pub(super) fn load(&self, lane: usize) -> (usize, usize) {
        self.lanes.get(lane).map_or((0, 0), |lines| (lines.waiting(), lines.running))
    }

    /// Sets how many items of `lane` may run at once.
    pub(super) fn bound(&mut self, lane: usize, max_concurrency: Option<usize>) {
        self.lane(lane).max_concurrency = max_concurrency.unwrap_or(usize::MAX);
        self.give_turn(lane);
    }

    /// Adds an item at the end of its line.
    pub(super) fn push(&mut self, lane: usize, admission: Admission, came: Instant, item: I) -> Place {
        self.lane(lane);
        let place = self.slab.insert(item, lane, admission, came);
        let line = self.lanes[lane].line(admission);
        self.slab.append(line, place.slot());
        *self.count(admission) += 1;
        self.give_turn(lane);
        place
    }

    /// Takes the next item to run, and counts it as running in its lane until [`finished`](Self::finished).
    pub(super) fn pop(&mut self) -> Option<I> {
        let lane = self.next_lane()?;
        let admission = self.lanes[lane].older_head(&self.slab).expect("the next lane has items waiting");
        let slot = self.lanes[lane].line(admission).head;
        let item = self.unlink(slot);
        let lines = &mut self.lanes[lane];
        lines.running += 1;
        self.turns.pop_front();
        lines.in_turn = false;
        self.give_turn(lane);
        Some(item)
    }

    /// When the item that `pop` would give came, or `None` if nothing can run now.
    pub(super) fn next_came(&mut self) -> Option<Instant> {
        let lane = self.next_lane()?;
        let admission = self.lanes[lane].older_head(&self.slab).expect("the next lane has items waiting");
        let slot = self.lanes[lane].line(admission).head;
        Some(self.slab.nodes[slot as usize].came)
    }

    /// An item taken by `pop` no longer runs.
    pub(super) fn finished(&mut self, lane: usize) {
        self.lanes[lane].running -= 1;
        self.give_turn(lane);
    }

    /// Takes out the item at `place`, if it still stands there.
    pub(super) fn remove(&mut self, place: Place) -> Option<I> {
        let node = self.slab.nodes.get(place.slot() as usize)?;
        if node.generation != place.generation() || node.item.is_none() {
            return None;
        }
        Some(self.unlink(place.slot()))
    }

    /// Takes out the oldest fresh item of `lane`.
    pub(super) fn oldest_fresh(&mut self, lane: usize) -> Option<I> {
        let head = self.lanes.get(lane)?.fresh.head;
        (head != NIL).then(|| self.unlink(head))
    }

    /// The lane with the most fresh items.
    pub(super) fn longest_fresh(&self) -> Option<usize> {
        (0..self.lanes.len()).max_by_key(|&lane| self.lanes[lane].fresh.len)
    }

    /// Takes out every item that came before `limit`, fresh ones only or all, for which `take` says so.
    pub(super) fn older_than(
        &mut self,
        limit: Instant,
        continuing_too: bool,
        take: impl Fn(&I) -> bool,
    ) -> Vec<I> {
        let mut taken = Vec::new();
        for lane in 0..self.lanes.len() {
            let lines = &self.lanes[lane];
            let heads = [lines.fresh.head, if continuing_too { lines.continuing.head } else { NIL }];
            for head in heads {
                let mut slot = head;
                while slot != NIL && self.slab.nodes[slot as usize].came < limit {
                    let next = self.slab.nodes[slot as usize].next;
                    if self.slab.nodes[slot as usize].item.as_ref().is_some_and(&take) {
                        taken.push(self.unlink(slot));
                    }
                    slot = next;
                }
            }
        }
        taken
    }

    /// Takes out everything.
    pub(super) fn drain(&mut self) -> Vec<I> {
        let mut taken = Vec::with_capacity(self.len());
        for lane in 0..self.lanes.len() {
            for admission in [Admission::Fresh, Admission::Continuing] {
                while self.lanes[lane].line(admission).head != NIL {
                    let head = self.lanes[lane].line(admission).head;
                    taken.push(self.unlink(head));
                }
            }
        }
        taken
    }

    fn unlink(&mut self, slot: u32) -> I {
        let node = &self.slab.nodes[slot as usize];
        let (lane, admission) = (node.lane, node.admission);
        *self.count(admission) -= 1;
        self.slab.unlink(self.lanes[lane].line(admission), slot);
        self.slab.free(slot)
    }

    /// The lane whose turn it is; lanes that cannot be served lose their place on the way.
    fn next_lane(&mut self) -> Option<usize> {
        while let Some(&lane) = self.turns.front() {
            if self.lanes[lane].can_serve() {
                return Some(lane);
            }
            self.turns.pop_front();
            self.lanes[lane].in_turn = false;
        }
        None
    }

    fn give_turn(&mut self, lane: usize) {
        let lines = &mut self.lanes[lane];
        if !lines.in_turn && lines.can_serve() {
            lines.in_turn = true;
            self.turns.push_back(lane);
        }
    }

    fn lane(&mut self, lane: usize) -> &mut LaneLines {
        if lane >= self.lanes.len() {
            self.lanes.resize_with(lane + 1, LaneLines::default);
        }
        &mut self.lanes[lane]
    }

    fn count(&mut self, admission: Admission) -> &mut usize {
        match admission {
            Admission::Fresh => &mut self.fresh,
            Admission::Continuing => &mut self.continuing,
        }
    }
}

struct LaneLines {
    fresh: Line,
    continuing: Line,
    running: usize,
    max_concurrency: usize,
    in_turn: bool,
}

impl Default for LaneLines {
    fn default() -> Self {
        let (fresh, continuing) = (Line::default(), Line::default());
        Self { fresh, continuing, running: 0, max_concurrency: usize::MAX, in_turn: false }
    }
}

impl LaneLines {
    fn waiting(&self) -> usize {
        self.fresh.len + self.continuing.len
    }

    fn can_serve(&self) -> bool {
        self.waiting() > 0 && self.running < self.max_concurrency
    }

    fn line(&mut self, admission: Admission) -> &mut Line {
        match admission {
            Admission::Fresh => &mut self.fresh,
            Admission::Continuing => &mut self.continuing,
        }
    }

    fn older_head<I>(&self, slab: &Slab<I>) -> Option<Admission> {
        let came = |line: &Line| slab.nodes.get(line.head as usize).map(|node| node.came);
        match (came(&self.fresh), came(&self.continuing)) {
            (None, None) => None,
            (Some(_), None) => Some(Admission::Fresh),
            (None, Some(_)) => Some(Admission::Continuing),
            (Some(fresh), Some(continuing)) if fresh < continuing => Some(Admission::Fresh),
            (Some(_), Some(_)) => Some(Admission::Continuing),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn push_all(
        queue: &mut Queue<u32>,
        items: impl Iterator<Item = u32>,
        stands: impl Fn(u32) -> (usize, Admission, Instant),
    ) {
        for item in items {
            let (lane, admission, came) = stands(item);
            queue.push(lane, admission, came, item);
        }
    }

    fn drain_in_order(queue: &mut Queue<u32>) -> Vec<u32> {
        std::iter::from_fn(|| queue.pop()).collect()
    }

    #[test]
    fn one_lane_is_first_in_first_out() {
        let mut queue = Queue::new();
        let now = Instant::now();
        push_all(&mut queue, 0..4, |_| (0, Admission::Fresh, now));
        assert_eq!(drain_in_order(&mut queue), [0, 1, 2, 3]);
    }

    #[test]
    fn lanes_take_turns_whatever_their_length() {
        let mut queue = Queue::new();
        let now = Instant::now();
        push_all(&mut queue, 0..4, |_| (0, Admission::Fresh, now));
        queue.push(1, Admission::Fresh, now, 10);
        queue.push(2, Admission::Fresh, now, 20);
        assert_eq!(drain_in_order(&mut queue), [0, 10, 20, 1, 2, 3]);
    }

    #[test]
    fn an_item_taken_from_the_middle_leaves_its_neighbours_linked() {
        let mut queue = Queue::new();
        let now = Instant::now();
        let places: Vec<_> = (0..5).map(|n| queue.push(0, Admission::Fresh, now, n)).collect();
        for middle in [2, 0, 4] {
            assert_eq!(queue.remove(places[middle]), Some(middle as u32));
        }
        assert_eq!(queue.len(), 2);
        assert_eq!(drain_in_order(&mut queue), [1, 3]);
    }

    #[test]
    fn a_place_left_long_ago_finds_nothing() {
        let mut queue = Queue::new();
        let now = Instant::now();
        let left = queue.push(0, Admission::Fresh, now, 1);
        queue.pop();
        let reused = queue.push(0, Admission::Fresh, now, 2);
        assert_eq!(left.slot(), reused.slot());
        assert_eq!(queue.remove(left), None);
        assert_eq!(queue.remove(Place::NONE), None);
        assert_eq!(queue.remove(reused), Some(2));
    }

    #[test]
    fn a_full_lane_waits_until_one_of_its_own_has_finished() {
        let mut queue = Queue::new();
        let now = Instant::now();
        queue.bound(0, Some(1));
        queue.push(0, Admission::Fresh, now, 1);
        queue.push(0, Admission::Fresh, now, 2);
        queue.push(1, Admission::Fresh, now, 10);
        assert_eq!(drain_in_order(&mut queue), [1, 10]);
        assert_eq!(queue.next_came(), None);
        queue.finished(0);
        assert_eq!(queue.pop(), Some(2));
    }

    #[test]
    fn raising_a_bound_frees_who_waited_for_it() {
        let mut queue = Queue::new();
        let now = Instant::now();
        queue.bound(0, Some(1));
        push_all(&mut queue, 1..=2, |_| (0, Admission::Fresh, now));
        assert_eq!(drain_in_order(&mut queue), [1]);
        queue.bound(0, None);
        assert_eq!(queue.pop(), Some(2));
    }

    #[test]
    fn only_fresh_items_are_counted_and_taken_by_the_bounds() {
        let mut queue = Queue::new();
        let now = Instant::now();
        queue.push(0, Admission::Continuing, now, 1);
        queue.push(0, Admission::Fresh, now, 2);
        assert_eq!((queue.fresh_in(0), queue.len()), (1, 2));
        assert_eq!(queue.oldest_fresh(0), Some(2));
        assert_eq!(queue.oldest_fresh(0), None);
    }

    #[test]
    fn the_overdue_are_found_behind_those_who_may_stay() {
        let mut queue = Queue::new();
        let start = Instant::now();
        let at = |ms: u32| start + Duration::from_millis(ms.into());
        push_all(&mut queue, 0..4, |n| (0, Admission::Fresh, at(n)));
        queue.push(0, Admission::Continuing, at(0), 100);
        assert_eq!(queue.older_than(at(3), false, |&n| n != 0), [1, 2]);
        assert_eq!(queue.older_than(at(3), true, |_| true), [0, 100]);
        assert_eq!(queue.drain(), [3]);
    }

    #[test]
    fn the_slab_grows_no_longer_than_the_queue_was() {
        let mut queue = Queue::new();
        let now = Instant::now();
        let stays = queue.push(0, Admission::Fresh, now, 0);
        for n in 0..1000 {
            let place = queue.push(0, Admission::Fresh, now, n);
            queue.remove(place);
        }
        assert_eq!(queue.slab.nodes.len(), 2);
        assert_eq!(queue.remove(stays), Some(0));
    }
}
