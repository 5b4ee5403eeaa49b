//! The same dataset, settings and seed give the same bytes; a search is honest and can be repeated.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::time::Instant;

use domain::{Expert, ExpertId, Trial};
use learning::{
    Corpus, Document, RankerRecipe, Search, TenantModel, TrainError, TrainSettings, global_ranker,
    train_tenant,
};
use ndarray::Array2;
use tenantry_learning as learning;

const EXPERTS: [&str; 4] = ["ada", "bob", "cleo", "dan"];
const DIMENSIONS: usize = 16;

/// What a made-up tenant has answered: whose turn it is depends on the subject, and drifts.
struct World {
    texts: Vec<String>,
    experts: Vec<Vec<ExpertId>>,
    listed: Vec<Expert>,
    vectors: Array2<f32>,
}

impl World {
    fn new(n: usize) -> Self {
        let who = |at: usize| (at * 7 / 3 + at / 40) % EXPERTS.len();
        let id = |at: usize| ExpertId::parse(EXPERTS[who(at)]).unwrap();
        let subjects = ["keys", "invoices", "training", "contracts"];
        let text = |at: usize| {
            let subject = subjects[(who(at) + usize::from(at.is_multiple_of(5))) % 4];
            format!(
                "Question {at}: how do you handle {subject} in case {}",
                at % 11
            )
        };
        let mut vectors = Array2::from_shape_fn((n, DIMENSIONS), |(row, column)| {
            let noise = ((row * 31 + column * 17) % 13) as f32 / 13.0 - 0.5;
            f32::from(u8::from(column == who(row))) + noise
        });
        for mut row in vectors.outer_iter_mut() {
            let length = row.dot(&row).sqrt();
            row /= length;
        }
        let listed = EXPERTS.map(|id| Expert {
            id: ExpertId::parse(id).unwrap(),
            display_name: String::new(),
            profile: format!("{id} knows subjects"),
            active: true,
            available: true,
            updated_at: chrono::DateTime::UNIX_EPOCH,
        });
        Self {
            texts: (0..n).map(text).collect(),
            experts: (0..n).map(|at| vec![id(at)]).collect(),
            listed: listed.into(),
            vectors,
        }
    }

    fn train(
        &self,
        recipe: RankerRecipe,
        search: Option<Search>,
    ) -> Result<TenantModel, TrainError> {
        self.train_while(recipe, search, &|_, _| true)
    }

    fn train_while(
        &self,
        recipe: RankerRecipe,
        search: Option<Search>,
        go_on: &learning::Progress<'_>,
    ) -> Result<TenantModel, TrainError> {
        let documents = self.texts.iter().zip(&self.experts).enumerate();
        let documents = documents.map(|(at, (text, experts))| Document {
            point: at as u64,
            text,
            area: (at % 3 == 0).then_some("security"),
            experts,
            occurred_at: chrono::DateTime::from_timestamp(at as i64, 0).unwrap(),
        });
        let corpus = Corpus::new(documents, &self.listed).unwrap();
        let settings = TrainSettings {
            seed: 17,
            incumbent: global_ranker(),
            rules: None,
            recipe,
            search,
            champion: None,
        };
        train_tenant(&corpus, self.vectors.view(), settings, go_on)
    }
}

fn search(trials: u32) -> Option<Search> {
    let now = Instant::now;
    Some(Search { trials, now })
}

/// Number, settings, metrics, and whether it was chosen.
type Told = (u32, Vec<(String, String)>, Vec<(String, f64)>, bool);

/// A trial without the time it took.
fn told(trial: &Trial) -> Told {
    let Trial {
        number,
        parameters,
        metrics,
        chosen,
        ..
    } = trial.clone();
    (number, parameters, metrics, chosen)
}

#[test]
fn a_ranker_trained_twice_has_the_same_bytes() {
    let world = World::new(300);
    let first = world.train(RankerRecipe::default(), None).unwrap();
    for _ in 0..3 {
        let again = world.train(RankerRecipe::default(), None).unwrap();
        assert_eq!(first.to_bytes(), again.to_bytes());
        assert_eq!(first.report, again.report);
        assert_eq!(
            first.shared_sample.to_bytes(),
            again.shared_sample.to_bytes()
        );
    }
    let other = RankerRecipe {
        prior_strength: 4.0,
        ..RankerRecipe::default()
    };
    assert_ne!(
        first.to_bytes(),
        world.train(other, None).unwrap().to_bytes()
    );
    let artifact: BTreeMap<String, serde_json::Value> =
        serde_json::from_slice(&first.to_bytes()).unwrap();
    assert_eq!(artifact["recipe"]["shrinkage"], 25.0);
    let read: learning::Ranker = serde_json::from_slice(&first.to_bytes()).unwrap();
    assert!(read.is_sound(), "serving reads the ranker in it");
}

#[test]
fn a_search_can_be_repeated_and_its_choice_reproduced() {
    let world = World::new(300);
    let found = world.train(RankerRecipe::default(), search(6)).unwrap();
    assert_eq!(found.trials.len(), 6);
    let again = world.train(RankerRecipe::default(), search(6)).unwrap();
    let (one, two): (Vec<_>, Vec<_>) = (
        found.trials.iter().map(told).collect(),
        again.trials.iter().map(told).collect(),
    );
    assert_eq!(one, two, "the same trials from the same seed");
    assert_eq!(found.to_bytes(), again.to_bytes());

    let chosen: Vec<&Trial> = found.trials.iter().filter(|trial| trial.chosen).collect();
    assert_eq!(chosen.len(), 1);
    let recipe = RankerRecipe::from_parameters(&chosen[0].parameters).unwrap();
    assert_eq!(recipe, found.recipe);
    let usual = RankerRecipe::from_parameters(&found.trials[0].parameters);
    assert_eq!(usual, Some(RankerRecipe::default()));
    let mrr = |trial: &Trial| trial.metrics[0].1;
    assert!(mrr(chosen[0]) >= mrr(&found.trials[0]));
    let by_hand = world.train(recipe, None).unwrap();
    assert_eq!(by_hand.to_bytes(), found.to_bytes());
    assert_eq!(by_hand.report, found.report);
}

#[test]
fn a_search_does_not_look_at_what_the_gate_judges_on() {
    // Whatever happened in the newest twelve windows (3 % each), the trials say the same.
    let world = World::new(300);
    let mut changed = World::new(300);
    for at in 300 - 12 * 9..300 {
        changed.experts[at].clone_from(&world.experts[(at + 1) % 300]);
    }
    let metrics = |world: &World| {
        let found = world.train(RankerRecipe::default(), search(4)).unwrap();
        let metrics: Vec<_> = found.trials.into_iter().map(|t| t.metrics).collect();
        (metrics, found.report)
    };
    let (one, two) = (metrics(&world), metrics(&changed));
    assert_eq!(one.0, two.0);
    assert_ne!(one.1, two.1, "the gate saw the change");
}

#[test]
fn a_short_history_is_not_searched_and_a_search_stops_when_told() {
    let short = World::new(60).train(RankerRecipe::default(), search(8));
    let short = short.unwrap();
    assert!(short.trials.is_empty());
    assert_eq!(short.recipe, RankerRecipe::default());

    let go_on = |_: f32, step: &str| step != "trying settings 3 of 8";
    let stopped = World::new(300).train_while(RankerRecipe::default(), search(8), &go_on);
    assert_eq!(stopped, Err(TrainError::Stopped));
}
