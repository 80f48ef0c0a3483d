//! Owns how jobs stand within one lane: fresh ones, in one line or in several by tenant, and those that continue
//! earlier work, in a line of their own.
//!
//! A lane whose callers name tenants has sixteen lines. A tenant is dealt two of them by its hash and joins the
//! shorter; lines take turns. A tenant that floods fills its two and nobody else's whole hand.

use super::moment::Moment;
use super::slab::{CONTINUING, Line, NIL, Place, Slab, Standing};
use crate::scheduler::job::Admission;
use crate::scheduler::tuning::fairness::TENANT_LINES;

/// The waiting jobs of one lane.
#[derive(Debug)]
pub(super) struct Lines {
    fresh: Vec<Line>,
    /// The line whose turn it is.
    turn: usize,
    fresh_len: usize,
    continuing: Line,
}

impl Lines {
    pub(super) fn new() -> Self {
        Self { fresh: vec![Line::default()], turn: 0, fresh_len: 0, continuing: Line::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.fresh_len + self.continuing.len
    }

    pub(super) fn fresh_len(&self) -> usize {
        self.fresh_len
    }

    /// The line that a job joins.
    pub(super) fn line_for(&mut self, admission: Admission, tenant: Option<u64>) -> u16 {
        match (admission, tenant) {
            (Admission::Continuing, _) => CONTINUING,
            (Admission::Fresh, None) => 0,
            (Admission::Fresh, Some(tenant)) => {
                self.fresh.resize_with(TENANT_LINES, Line::default);
                let [one, other] = hand(tenant);
                if self.fresh[other].len < self.fresh[one].len { other as u16 } else { one as u16 }
            }
        }
    }

    pub(super) fn push<I>(&mut self, slab: &mut Slab<I>, standing: Standing, item: I) -> Place {
        let line = match standing.line {
            CONTINUING => &mut self.continuing,
            line => {
                self.fresh_len += 1;
                &mut self.fresh[line as usize]
            }
        };
        slab.append(line, standing, item)
    }

    pub(super) fn take<I>(&mut self, slab: &mut Slab<I>, slot: u32) -> I {
        let standing = slab.standing(slot).expect("a slot that is taken from is linked");
        let line = match standing.line {
            CONTINUING => &mut self.continuing,
            line => {
                self.fresh_len -= 1;
                &mut self.fresh[line as usize]
            }
        };
        slab.unlink(line, slot)
    }

    /// The job to run next, whose line's turn is then over.
    pub(super) fn choose<I>(&mut self, slab: &Slab<I>, newest_first: bool) -> Option<u32> {
        let continuing = self.continuing.head;
        if self.fresh_len == 0 {
            return (continuing != NIL).then_some(continuing);
        }
        // Work that was let in long ago has its promise already; under overload nothing newer goes before it.
        if newest_first && continuing != NIL {
            return Some(continuing);
        }
        let lines = self.fresh.len();
        let turn =
            (self.turn..self.turn + lines).map(|line| line % lines).find(|&line| self.fresh[line].len > 0);
        let turn = turn.expect("some line holds the fresh jobs that were counted");
        let fresh = if newest_first { self.fresh[turn].tail } else { self.fresh[turn].head };
        if came(slab, continuing) <= came(slab, fresh) && continuing != NIL {
            return Some(continuing);
        }
        self.turn = (turn + 1) % lines;
        Some(fresh)
    }

    /// When the oldest of all came.
    pub(super) fn oldest<I>(&self, slab: &Slab<I>) -> Option<Moment> {
        let heads = self.fresh.iter().map(|line| line.head).chain([self.continuing.head]);
        heads.filter(|&head| head != NIL).map(|head| came(slab, head)).min()
    }

    /// The oldest fresh job of the longest line, who is to make room for another.
    pub(super) fn oldest_of_longest(&self) -> Option<u32> {
        let longest = self.fresh.iter().max_by_key(|line| line.len)?;
        (longest.head != NIL).then_some(longest.head)
    }

    /// Every job that came before `limit`, as slots: fresh ones, and continuing ones if `all`.
    pub(super) fn before<I>(&self, slab: &Slab<I>, limit: Moment, all: bool) -> Vec<u32> {
        let continuing = if all { self.continuing.head } else { NIL };
        let mut slots = Vec::new();
        for head in self.fresh.iter().map(|line| line.head).chain([continuing]) {
            let mut slot = head;
            while slot != NIL && came(slab, slot) < limit {
                slots.push(slot);
                slot = slab.next(slot);
            }
        }
        slots
    }
}

fn came<I>(slab: &Slab<I>, slot: u32) -> Moment {
    slab.standing(slot).map_or(Moment::NEVER, |standing| standing.came)
}

/// The two lines of a tenant, which differ.
fn hand(tenant: u64) -> [usize; 2] {
    let mixed = tenant.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let one = (mixed >> 32) as usize % TENANT_LINES;
    let step = 1 + (mixed >> 48) as usize % (TENANT_LINES - 1);
    [one, (one + step) % TENANT_LINES]
}
