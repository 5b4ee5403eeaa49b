//! The champion's place on a real store.

use super::*;
use crate::test_store::{TestStore, day, found_better};

struct World {
    at: TestStore,
}

impl World {
    /// A tenant with three versions, of which the first serves because it was proven better.
    async fn new() -> Self {
        let at = TestStore::new().await;
        for version in 1..=3 {
            let new = found_better(&TaskId::experts(), version, format!("{version}.json"));
            at.register(new, day(0)).await;
        }
        let world = Self { at };
        world.weighed(1, Verdict::Promote, None).await;
        world
    }

    /// What the job says of a version, and what is champion and challenger after it.
    async fn weighed(
        &self,
        version: u64,
        verdict: Verdict,
        held_by: Option<u64>,
    ) -> (Outcome, [Option<u64>; 2]) {
        let tx = self.at.tx().await;
        let task = TaskId::experts();
        let weighed = Weighed {
            verdict,
            reason: "measured",
            held_by,
        };
        let of = (&task, version, version);
        let said = move_aliases(&self.at.ctx, &tx, of, weighed, day(0)).await;
        let champion = tx.models().alias(&task, Alias::Champion).await.unwrap();
        let challenger = tx.models().alias(&task, Alias::Challenger).await.unwrap();
        tx.commit().await.unwrap();
        (said.unwrap_or_default(), [champion, challenger])
    }
}

fn stays(outcome: &Outcome) -> Option<&str> {
    let found = outcome.iter().find(|(key, _)| key == "champion_stays");
    found.map(|(_, why)| why.as_str())
}

#[tokio::test]
async fn a_champion_that_holds_stays_and_the_new_version_is_tried() {
    let world = World::new().await;
    let (said, standing) = world.weighed(2, Verdict::Keep, Some(1)).await;
    assert_eq!(standing, [Some(1), Some(2)]);
    assert!(stays(&said).unwrap().contains("does better"), "{said:?}");
    // Nothing of that holds for the next one.
    let (said, standing) = world.weighed(3, Verdict::Promote, None).await;
    assert_eq!((standing, stays(&said)), ([Some(3), None], None));
}

#[tokio::test]
async fn one_that_came_while_another_was_weighed_stays_too() {
    let world = World::new().await;
    world.weighed(2, Verdict::Promote, None).await;
    let (said, standing) = world.weighed(3, Verdict::Keep, Some(1)).await;
    assert_eq!(standing, [Some(2), Some(3)]);
    assert!(stays(&said).unwrap().contains("while"), "{said:?}");
}

#[tokio::test]
async fn without_one_that_holds_evidence_against_a_version_speaks_about_the_older_too() {
    let world = World::new().await;
    let (said, standing) = world.weighed(2, Verdict::Keep, None).await;
    assert_eq!((standing, stays(&said)), ([None, Some(2)], None));
    let (_, standing) = world.weighed(3, Verdict::InsufficientData, None).await;
    assert_eq!(standing, [None, Some(2)]);
}
