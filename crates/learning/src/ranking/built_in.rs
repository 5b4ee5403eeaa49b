//! The built-in global ranker: what serves a tenant from its first item on.
//!
//! Its few weights ship with the code. `cargo run --release -p tenantry-trainer --example
//! global_ranker -- DATA crates/learning/src/ranking/global_ranker.json` makes the file again;
//! `docs/adr/0003-ranker.md` says on what.

use std::sync::LazyLock;

use super::conditional_logit::Ranker;

/// The built-in ranker's file, as it is: what is trained towards it keeps a copy.
pub const GLOBAL_RANKER: &str = include_str!("global_ranker.json");

static GLOBAL: LazyLock<Ranker> = LazyLock::new(|| {
    #[allow(
        clippy::expect_used,
        reason = "the file is part of the build, and a test reads it"
    )]
    serde_json::from_str(GLOBAL_RANKER).expect("the built-in ranker is JSON")
});

/// The ranker that ships with the code.
#[must_use]
pub fn global_ranker() -> &'static Ranker {
    &GLOBAL
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_built_in_ranker_fits_the_features() {
        assert!(super::global_ranker().is_sound());
    }

    #[test]
    fn a_ranker_of_other_features_is_not_sound() {
        let sound = serde_json::to_value(super::global_ranker()).unwrap();
        let changed = |field: &str, value: serde_json::Value| {
            let mut other = sound.clone();
            other[field] = value;
            serde_json::from_value::<super::Ranker>(other)
                .unwrap()
                .is_sound()
        };
        assert!(
            !changed("features", 3.into()),
            "others, or in another order"
        );
        let mut weights = sound["weights"].as_array().unwrap().clone();
        weights.pop();
        assert!(!changed("weights", weights.into()), "one too few");
    }
}
