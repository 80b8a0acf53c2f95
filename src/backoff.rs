//! How long to wait after a failure: a pure function of how many there were, and of the dice.

use std::time::Duration;

/// Delays that double from `min` to `max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The longest delay after the first failure.
    pub min: Duration,
    /// The longest delay of all.
    pub max: Duration,
}

impl Backoff {
    /// The delay after `failures` failures in a row (1 is the first): between half and the whole
    /// of `min · 2^(failures − 1)`, at most `max`. `dice` in `0.0..=1.0` chooses within that
    /// range, so that many who failed together do not come back together. It neither sleeps nor
    /// rolls dice.
    pub fn delay(self, failures: u32, dice: f64) -> Duration {
        let doubled = self.min.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1)));
        doubled.min(self.max).mul_f64(0.5 + dice.clamp(0.0, 1.0) / 2.0)
    }
}

/// A number between 0 and 1 from the operating system; the middle if it has none to give, which
/// costs only the spread.
pub fn dice() -> f64 {
    getrandom::u32().map_or(0.5, |random| f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff { min: Duration::from_secs(1), max: Duration::from_secs(60) };

    #[test]
    fn the_delay_doubles_up_to_its_limit_and_the_dice_choose_its_upper_half() {
        let cases = [
            (0, 1.0, 1_000),
            (1, 0.0, 500),
            (1, 1.0, 1_000),
            (2, 0.5, 1_500),
            (6, 1.0, 32_000),
            (7, 1.0, 60_000),
            (u32::MAX, 1.0, 60_000),
            (u32::MAX, 0.0, 30_000),
            (1, -3.0, 500),
            (1, 7.0, 1_000),
        ];
        for (failures, dice, millis) in cases {
            let delay = BACKOFF.delay(failures, dice);
            assert_eq!(delay, Duration::from_millis(millis), "{failures} failures, dice {dice}");
        }
    }

    #[test]
    fn dice_stay_in_range_and_are_not_always_the_same() {
        let rolls: Vec<f64> = std::iter::repeat_with(dice).take(100).collect();
        assert!(rolls.iter().all(|roll| (0.0..=1.0).contains(roll)), "{rolls:?}");
        assert!(rolls.windows(2).any(|pair| pair.first() != pair.last()), "{rolls:?}");
    }
}
