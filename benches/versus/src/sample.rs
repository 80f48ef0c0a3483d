//! Figures of single runs, and what many of them say together.

/// What one run of one contestant measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// CPU time of the server, kernel included.
    pub(crate) cpu_us_per_request: f64,
    pub(crate) requests_per_second: f64,
}

/// The middle of several figures, and how far they lie apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Sample {
    /// This one divided by another of the same round.
    pub(crate) fn ratio(&self, to: &Self) -> Self {
        Self {
            cpu_us_per_request: self.cpu_us_per_request / to.cpu_us_per_request,
            requests_per_second: self.requests_per_second / to.requests_per_second,
        }
    }
}

impl Spread {
    /// # Panics
    ///
    /// Without a figure.
    pub(crate) fn of(figures: impl Iterator<Item = f64>) -> Self {
        let mut sorted: Vec<_> = figures.collect();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (sorted[0], sorted[sorted.len() - 1]);
        let middle = sorted.len() / 2;
        let median =
            if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 };
        Self { median, min, max }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_or_between_the_two_in_the_middle() {
        assert_eq!(Spread::of([3.0, 1.0, 2.0].into_iter()), Spread { median: 2.0, min: 1.0, max: 3.0 });
        assert_eq!(Spread::of([4.0, 1.0, 2.0, 3.0].into_iter()).median, 2.5);
    }
}
