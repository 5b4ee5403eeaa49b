//! Which older items are learned again with a new one: late ones more often than early ones.

/// How many items older than the newest of `known + 1` the next one to learn again is, the `again`-th of
/// `replays`. Ages are exponential with `half_life`, a share of the history, by a hash of where it is, so
/// that the same history always gives the same scorer.
pub(super) fn replayed_age(known: u64, replays: u64, again: u64, half_life: f64) -> u64 {
    let seed = known * replays + again;
    let half_life = half_life * (known + 1) as f64;
    let age = -(1.0 - uniform(seed)).log2() * half_life;
    match age as u64 {
        age if age <= known => age,
        // Older than the history is long: any.
        _ => ((uniform(!seed) * (known + 1) as f64) as u64).min(known),
    }
}

/// A number from 0 to 1, without 1 (SplitMix64: Steele, Lea and Flood, 2014).
fn uniform(seed: u64) -> f64 {
    let mut mixed = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    (mixed >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_items_are_learned_again_more_often() {
        let ages: Vec<u64> = (0..1_000)
            .map(|again| replayed_age(999, 1_000, again, 0.04))
            .collect();
        let young = ages.iter().filter(|age| **age < 40).count();
        assert!((450..550).contains(&young), "{young}");
        assert!(ages.iter().all(|age| *age <= 999));
        assert_eq!(replayed_age(0, 2, 0, 0.04), 0);
    }
}
