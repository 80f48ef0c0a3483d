//! Telling somebody value by value what was counted in buckets: a histogram of OpenTelemetry can be told nothing else.
//!
//! It comes to the same counts in the same buckets and to the same sum, as the values within each bucket are chosen for
//! that. A call is then counted once, by a few additions, and what OpenTelemetry does about a value is done by the thread
//! that exports it. Only the smallest and the largest value are not known: each is somewhere in its bucket.

use super::Distribution;

/// The smallest part of a bucket's width that a value lies above its lower bound, which itself is the next lower bucket's.
const SHARE_MIN: f64 = 1e-9;

/// What has been told so far.
#[derive(Debug, Default)]
pub(super) struct Told {
    counts: Vec<u64>,
    sum: f64,
}

impl Told {
    /// Tells by `tell` what `now` has beyond what was told before.
    pub(super) fn catch_up(&mut self, now: &Distribution, mut tell: impl FnMut(f64)) {
        let counts: Vec<_> = now.buckets().map(|(_, count)| count).collect();
        let is_more =
            self.counts.len() == counts.len() && self.counts.iter().zip(&counts).all(|(a, b)| a <= b);
        if !is_more {
            // The first time, or of a server that began anew.
            *self = Self { counts: vec![0; counts.len()], sum: 0.0 };
        }
        let new: Vec<_> = counts.iter().zip(&self.counts).map(|(now, told)| now - told).collect();
        let buckets = Buckets(now.bounds());
        let place = buckets.place(&new, now.sum() - self.sum);
        for (bucket, times) in new.iter().enumerate() {
            let value = buckets.value(bucket, &place);
            (0..*times).for_each(|_| tell(value));
            self.sum += value * *times as f64;
        }
        self.counts = counts;
    }
}

/// Buckets by their upper bounds; one more has none.
struct Buckets<'a>(&'a [f64]);

/// Where in its bucket each value lies.
struct Place {
    /// How far up, as a part of the bucket's width.
    share: f64,
    /// How far above the last bound, in the bucket that has none.
    beyond: f64,
}

impl Buckets<'_> {
    fn low(&self, bucket: usize) -> f64 {
        bucket.checked_sub(1).map_or(0.0, |before| self.0[before])
    }

    fn width(&self, bucket: usize) -> f64 {
        self.0.get(bucket).map_or(0.0, |high| high - self.low(bucket))
    }

    /// The place where so many in each bucket come to that sum.
    fn place(&self, counts: &[u64], sum: f64) -> Place {
        let total = |of: &dyn Fn(usize) -> f64| -> f64 {
            counts.iter().enumerate().map(|(bucket, count)| *count as f64 * of(bucket)).sum()
        };
        let (floor, room) = (total(&|bucket| self.low(bucket)), total(&|bucket| self.width(bucket)));
        let above = sum - floor;
        let last = counts.last().copied().unwrap_or_default() as f64;
        // What has no bound takes what is left, so the others leave something to it.
        let most = if last > 0.0 { 0.5 } else { 1.0 };
        let share = if room > 0.0 { (above / room).clamp(SHARE_MIN, most) } else { SHARE_MIN };
        let beyond = if last > 0.0 { (above - share * room) / last } else { 0.0 };
        Place { share, beyond: beyond.max(self.low(self.0.len()) * SHARE_MIN) }
    }

    fn value(&self, bucket: usize, place: &Place) -> f64 {
        match self.0.get(bucket) {
            Some(high) => (self.low(bucket) + place.share * self.width(bucket)).min(*high),
            None => self.low(bucket) + place.beyond,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: [f64; 4] = [0.1, 0.25, 5.0, 60.0];

    fn counted(values: &[f64]) -> Distribution {
        let mut counts = vec![0; BOUNDS.len() + 1];
        values.iter().for_each(|value| counts[BOUNDS.partition_point(|bound| bound < value)] += 1);
        Distribution::new(BOUNDS.to_vec(), counts, values.iter().sum())
    }

    /// What is told of `now` after `told`, which has to be what `now` has, counted anew.
    fn told(told: &mut Told, now: &Distribution) -> Vec<f64> {
        let mut values = Vec::new();
        told.catch_up(now, |value| values.push(value));
        values
    }

    #[test]
    fn what_is_told_comes_to_the_same_counts_and_the_same_sum() {
        let mut seed = 7_u64;
        let mut random = move || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) as f64 / (1_u64 << 31) as f64
        };
        for round in 0..200 {
            // From all in the first bucket to all beyond the last, and bounds themselves.
            let scale = 10_f64.powi(round % 6 - 3);
            let (mut all, mut repeated, mut so_far) = (Vec::new(), Vec::new(), Told::default());
            for _ in 0..3 {
                all.extend((0..5).map(|_| random() * scale));
                all.extend([0.1, 60.0].iter().take(round as usize % 3));
                let now = counted(&all);
                repeated.extend(told(&mut so_far, &now));
                let again = counted(&repeated);
                assert_eq!(again.buckets().collect::<Vec<_>>(), now.buckets().collect::<Vec<_>>(), "{all:?}");
                assert!((again.sum() - now.sum()).abs() < 1e-6 * (1.0 + now.sum()), "{all:?}: {repeated:?}");
            }
        }
    }

    #[test]
    fn nothing_new_is_nothing_to_tell() {
        let mut so_far = Told::default();
        let now = counted(&[0.2, 100.0]);
        assert_eq!(told(&mut so_far, &now).len(), 2);
        assert!(told(&mut so_far, &now).is_empty());
    }

    #[test]
    fn a_server_that_began_anew_is_told_from_its_beginning() {
        let mut so_far = Told::default();
        told(&mut so_far, &counted(&[0.2, 0.2]));
        assert_eq!(told(&mut so_far, &counted(&[0.2])).len(), 1);
    }

    #[test]
    fn a_sum_that_lags_behind_its_counts_is_made_up_for() {
        let mut so_far = Told::default();
        let early = Distribution::new(BOUNDS.to_vec(), vec![0, 0, 2, 0, 0], 3.0);
        let mut values = told(&mut so_far, &Distribution::new(BOUNDS.to_vec(), vec![0, 0, 2, 0, 0], 0.4));
        assert!(values.iter().all(|value| *value > 0.25), "in its bucket all the same: {values:?}");
        let more = Distribution::new(BOUNDS.to_vec(), vec![0, 0, 4, 0, 0], early.sum() * 2.0);
        values.extend(told(&mut so_far, &more));
        assert!((values.iter().sum::<f64>() - 6.0).abs() < 1e-6, "{values:?}");
    }
}
