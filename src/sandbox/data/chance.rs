//! Reproducible random numbers: each is a function of the seed and of the thing that it is drawn for.

/// The letters of a token, in ASCII order.
const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Mixes 64 bits so that no two inputs share an output.
pub fn mix(bits: u64) -> u64 {
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// A pseudo-random value for `number` under `seed`; no two numbers with the same seed get the same value.
pub fn hash(seed: u64, number: i64) -> u64 {
    mix(mix(seed).wrapping_add(number.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15)))
}

/// A separate seed for one kind of draws, so that no two kinds draw the same values.
pub fn branch(seed: u64, kind: i64) -> u64 {
    hash(seed, kind)
}

/// Thirteen letters for `number` under `seed`; no two numbers with the same seed get the same letters.
pub fn token(seed: u64, number: i64) -> [u8; 13] {
    let mut bits = hash(seed, number);
    let mut extra = mix(bits);
    let mut token = [b'0'; 13];
    let (unique, spare) = token.split_at_mut(11);
    for letter in unique {
        *letter = take_letter(&mut bits);
    }
    for letter in spare {
        *letter = take_letter(&mut extra);
    }
    token
}

/// The next letter of a token.
#[allow(clippy::cast_possible_truncation, reason = "a remainder below 62 fits")]
fn take_letter(bits: &mut u64) -> u8 {
    let letter = LETTERS[(*bits % 62) as usize];
    *bits /= 62;
    letter
}

/// A sequence of random numbers that is the same for the same seed and number.
pub struct Dice(u64);

impl Dice {
    /// The sequence for `number` under `seed`.
    pub fn new(seed: u64, number: i64) -> Self {
        Self(hash(seed, number))
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number from 0 to `bound` - 1; 0 where `bound` is less than 2.
    pub fn below(&mut self, bound: i64) -> i64 {
        self.scaled(bound.max(1).cast_unsigned()).cast_signed()
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        low + self.below(high - low + 1)
    }

    /// True with a probability of `percent` in a hundred.
    pub fn percent(&mut self, percent: i64) -> bool {
        self.below(100) < percent
    }

    /// One of `choices`, which must not be empty.
    pub fn pick<'a, T: ?Sized>(&mut self, choices: &'a [&'a T]) -> &'a T {
        choices[self.pick_index(choices.len())]
    }

    /// An index into something of `length`; 0 where it is empty.
    #[allow(clippy::cast_possible_truncation, reason = "what is below a length fits")]
    pub fn pick_index(&mut self, length: usize) -> usize {
        self.scaled(length as u64) as usize
    }

    /// The next random number below `bound`. It uses a multiplication, since a remainder would need a slow division.
    #[allow(clippy::cast_possible_truncation, reason = "the upper half of a product of 64 bits each fits")]
    fn scaled(&mut self, bound: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(bound)) >> 64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_of_one_seed_differ_and_repeat() {
        let tokens: std::collections::HashSet<_> = (0..20_000).map(|number| token(7, number)).collect();
        assert_eq!(tokens.len(), 20_000);
        assert_eq!(token(7, 3), token(7, 3));
        assert_ne!(token(7, 3), token(8, 3));
    }

    #[test]
    fn throws_stay_in_their_bounds() {
        let mut dice = Dice::new(1, 1);
        for _ in 0..1_000 {
            assert!((3..=5).contains(&dice.between(3, 5)));
            assert_eq!(dice.below(0), 0);
            assert!(dice.pick_index(4) < 4);
        }
    }
}
