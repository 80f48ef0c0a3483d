//! Single decisions, each where it can be seen by itself. What they come to together is the simulation's affair.

use super::*;
use crate::scheduler::config::SchedulerConfig;
use crate::scheduler::lane::LaneConfig;

const MS: Duration = Duration::from_millis(1);

/// A policy with one thread, which has come and gone to rest.
struct Desk {
    policy: Policy<u32, ()>,
    now: Moment,
    seat: SeatId,
    holds_one: bool,
}

impl Desk {
    fn new(config: SchedulerConfig) -> Self {
        let mut policy = Policy::new(Limits::from(config), WHOLE);
        assert!(policy.crew.summon(1).is_somebody());
        let seat = policy.sit(());
        policy.arrived();
        let mut desk = Self { policy, now: Moment::START.plus(MS), seat, holds_one: false };
        assert_eq!(desk.next(), None);
        desk
    }

    fn passes(&mut self, time: Duration) {
        self.now = self.now.plus(time);
    }

    fn arrival(&self, lane: u32) -> Arrival {
        Arrival {
            lane,
            admission: Admission::Fresh,
            came: self.now,
            deadline: Moment::NEVER,
            tenant: None,
            criticality: None,
        }
    }

    fn arrives(&mut self, arrival: Arrival, item: u32) -> Place {
        let admitted =
            self.policy.arrive(self.now, &arrival, item).unwrap_or_else(|(_, why)| panic!("{why:?}"));
        assert!(admitted.shed.is_none());
        admitted.place
    }

    fn push(&mut self, lane: u32, item: u32) -> Place {
        self.arrives(self.arrival(lane), item)
    }

    /// The thread has done with what it holds and takes the next.
    fn next(&mut self) -> Option<u32> {
        let done = self.holds_one.then_some(Done { ran: true, wanted: true, usage: None });
        // The desk has one thread, which is summoned whenever it is asked.
        if !self.holds_one && self.policy.crew.idle() > 0 {
            assert!(self.policy.crew.summon(1).is_somebody());
            self.policy.arrived();
        } else if !self.holds_one && self.policy.crew.on_their_way() > 0 {
            self.policy.arrived();
        }
        let next = self.policy.next(self.now, self.seat, done);
        assert!(next.shed.is_empty());
        match next.then {
            Errand::Run { item, .. } => {
                self.holds_one = true;
                Some(item)
            }
            _ => {
                self.holds_one = false;
                None
            }
        }
    }

    fn served(&mut self) -> Vec<u32> {
        std::iter::from_fn(|| self.next()).collect()
    }
}

#[test]
fn one_lane_is_first_in_first_out() {
    let mut desk = Desk::new(SchedulerConfig::default());
    for item in 0..4 {
        desk.push(0, item);
    }
    assert_eq!(desk.served(), [0, 1, 2, 3]);
}

#[test]
fn a_lane_that_has_had_less_goes_first_and_one_that_was_away_has_no_credit() {
    let mut desk = Desk::new(SchedulerConfig::default());
    for item in 0..3 {
        desk.push(0, item);
    }
    for _ in 0..3 {
        desk.next();
        desk.passes(10 * MS);
    }
    assert_eq!(desk.next(), None);
    // Lane 0 has had 30 ms. Lane 1 begins beside it, not 30 ms behind, so they alternate from here on.
    for item in 0..4 {
        desk.push(0, item);
        desk.push(1, 10 + item);
    }
    let mut served = Vec::new();
    while let Some(item) = desk.next() {
        served.push(item);
        desk.passes(10 * MS);
    }
    let of_lane_one_in_the_first_half = served[..4].iter().filter(|&&item| item >= 10).count();
    assert!((2..=3).contains(&of_lane_one_in_the_first_half), "{served:?}");
}

#[test]
fn a_job_taken_from_the_middle_leaves_its_neighbours_in_line() {
    let mut desk = Desk::new(SchedulerConfig::default());
    let places: Vec<_> = (0..5).map(|item| desk.push(0, item)).collect();
    for middle in [2, 0, 4] {
        assert_eq!(desk.policy.withdraw(desk.now, 0, places[middle], Why::Cancelled), Some(middle as u32));
    }
    assert_eq!(desk.served(), [1, 3]);
}

#[test]
fn a_place_left_long_ago_finds_nothing() {
    let mut desk = Desk::new(SchedulerConfig::default());
    let left = desk.push(0, 1);
    assert_eq!(desk.served(), [1]);
    let reused = desk.push(0, 2);
    assert_eq!(left.slot(), reused.slot());
    assert_eq!(desk.policy.withdraw(desk.now, 0, left, Why::Cancelled), None);
    assert_eq!(desk.policy.withdraw(desk.now, 0, Place::NONE, Why::Cancelled), None);
    assert_eq!(desk.policy.withdraw(desk.now, 0, reused, Why::Cancelled), Some(2));
}

#[test]
fn a_lane_at_its_bound_is_passed_over() {
    let mut desk = Desk::new(SchedulerConfig::default());
    desk.policy.configure(desk.now, 0, (&LaneConfig::new("").max_concurrency(1)).into());
    desk.push(0, 1);
    desk.push(0, 2);
    desk.push(1, 10);
    assert_eq!(desk.next(), Some(1));
    // Another thread comes while the first still runs.
    assert!(desk.policy.crew.summon(2).is_somebody());
    let other = desk.policy.sit(());
    desk.policy.arrived();
    let next = desk.policy.next(desk.now, other, None);
    assert!(matches!(next.then, Errand::Run { item: 10, .. }));
    assert!(desk.policy.queue.head(desk.policy.room()).is_none());
    assert_eq!(desk.next(), Some(2));
}

#[test]
fn an_ordered_lane_keeps_its_order_under_overload() {
    let mut desk = Desk::new(SchedulerConfig::default());
    desk.policy.configure(desk.now, 0, (&LaneConfig::new("").ordered()).into());
    for item in 0..40 {
        desk.push(0, item);
    }
    for item in 0..40 {
        assert_eq!(desk.next(), Some(item));
        desk.passes(10 * MS);
    }
    assert!(desk.policy.lanes().next().expect("it has a lane").overloaded);
}

#[test]
fn an_overloaded_lane_takes_its_newest_first_and_refuses_who_has_waited_too_long() {
    let mut desk = Desk::new(SchedulerConfig::default());
    let mut came = 0;
    let mut deadline_of_one_second = |desk: &mut Desk| {
        let arrival = Arrival { deadline: desk.now.plus(1000 * MS), ..desk.arrival(0) };
        desk.arrives(arrival, came);
        came += 1;
    };
    for _ in 0..100 {
        deadline_of_one_second(&mut desk);
    }
    for _ in 0..30 {
        desk.next();
        desk.passes(10 * MS);
    }
    deadline_of_one_second(&mut desk);
    assert_eq!(desk.next(), Some(100));
    let mut shed = Vec::new();
    for _ in 0..25 {
        desk.passes(10 * MS);
        shed.extend(desk.policy.look(desk.now, ()).shed);
    }
    assert!(shed.len() > 60, "{}", shed.len());
    assert!(shed.iter().all(|shed| shed.why == Why::Overloaded && shed.waited >= 500 * MS));
}

#[test]
fn what_cannot_be_done_in_time_is_refused_at_once_and_only_while_that_is_known() {
    let mut desk = Desk::new(SchedulerConfig::default());
    desk.push(0, 1);
    desk.next();
    desk.passes(100 * MS);
    desk.next();
    let hopeless = Arrival { deadline: desk.now.plus(40 * MS), ..desk.arrival(0) };
    let refused = desk.policy.arrive(desk.now, &hopeless, 2);
    assert!(matches!(refused, Err((2, Why::Infeasible))));
    let possible = Arrival { deadline: desk.now.plus(60 * MS), ..desk.arrival(0) };
    desk.arrives(possible, 3);
    desk.next();
    desk.passes(1000 * MS);
    let late = Arrival { deadline: desk.now.plus(40 * MS), ..desk.arrival(0) };
    desk.arrives(late, 4);
}

#[test]
fn continuing_work_is_neither_counted_nor_refused_by_the_bounds() {
    let mut desk = Desk::new(SchedulerConfig { lane_queue_max: 1, ..SchedulerConfig::default() });
    let continuing = Arrival { admission: Admission::Continuing, ..desk.arrival(0) };
    desk.arrives(continuing, 1);
    desk.arrives(continuing, 2);
    desk.push(0, 3);
    let admitted =
        desk.policy.arrive(desk.now, &desk.arrival(0), 4).unwrap_or_else(|_| panic!("it is let in"));
    assert!(matches!(admitted.shed, Some(Shed { item: 3, why: Why::Full, .. })));
    assert_eq!(desk.served(), [1, 2, 4]);
}

#[test]
fn a_tenant_who_floods_does_not_stand_in_front_of_another() {
    let mut desk = Desk::new(SchedulerConfig::default());
    for item in 0..10 {
        desk.arrives(Arrival { tenant: Some(1), ..desk.arrival(0) }, item);
    }
    // Of many others, nearly all are dealt a line that the flood has not been dealt.
    for tenant in 2..22 {
        desk.arrives(Arrival { tenant: Some(tenant), ..desk.arrival(0) }, tenant as u32 + 100);
    }
    let served = desk.served();
    let flooding_first = served.iter().take(20).filter(|&&item| item < 10).count();
    assert!(flooding_first <= 5, "{served:?}");
}

#[test]
fn a_silent_queue_lets_the_watcher_sleep() {
    let mut desk = Desk::new(SchedulerConfig::default());
    desk.push(0, 0);
    assert_eq!(desk.served(), [0]);
    assert!(matches!(desk.policy.look(desk.now, ()).then, Then::Doze(_)));
    desk.passes(1000 * MS);
    assert_eq!(desk.policy.look(desk.now, ()).then, Then::Park);
    let demand = desk.policy.arrive(desk.now, &desk.arrival(0), 1).map(|admitted| admitted.demand);
    assert!(demand.is_ok_and(|demand| demand.summons.is_somebody()));
    desk.push(0, 2);
    assert!(desk.policy.watch_needs_calling(false));
}
