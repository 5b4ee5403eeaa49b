//! A history that grows item by item is the one that is read at once.

use std::fs::File;
use std::io::BufWriter;

use artifacts::{ArtifactStore, ArtifactsConfig};
use chrono::TimeDelta;
use domain::{Expert, ItemContent};
use learning::layout::SnapshotFile as _;
use learning::{FeatureInputs, FeatureMatrix, Features, Hits, style, tokens};
use ndarray::Array2;
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

use super::super::snapshots::InStore;
use super::*;
use crate::test_world::{day, expert, item};

const WORDS: [&str; 12] = [
    "glass",
    "furnace",
    "freight",
    "rates",
    "oven",
    "annealing",
    "Datenschutz",
    "keys",
    "net/mlx5:",
    "Which",
    "price",
    "lists",
];
const EXPERTS: [&str; 9] = [
    "ada", "bob", "cleo", "dan", "eve", "fay", "gil", "hal", "ida",
];

/// What happened: the words of a text, who answered (nobody at times), and the area.
#[derive(Debug, Clone)]
struct Event {
    words: Vec<usize>,
    experts: Vec<usize>,
    area: Option<u8>,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = (
        prop::collection::vec(0..WORDS.len(), 1..6),
        prop::collection::btree_set(0..EXPERTS.len(), 0..3),
        prop::option::of(0..3_u8),
    );
    let event = event.prop_map(|(words, experts, area)| Event {
        words,
        experts: experts.into_iter().collect(),
        area,
    });
    prop::collection::vec(event, 1..160)
}

fn items(events: &[Event]) -> Vec<Item> {
    let content = |(at, event): (usize, &Event)| {
        let text: Vec<&str> = event.words.iter().map(|&word| WORDS[word]).collect();
        let experts: Vec<&str> = event.experts.iter().map(|&one| EXPERTS[one]).collect();
        ItemContent {
            area: event.area.map(|area| format!("area {area}")),
            ..item(&format!("q-{at:03}"), &text.join(" "), &experts, at as i64)
        }
    };
    let contents = events.iter().enumerate().map(content);
    let numbered = (1..).zip(contents);
    numbered
        .map(|(change, content)| Item {
            content,
            revision: 1,
            change,
            point: change,
            ingested_at: day(0),
        })
        .collect()
}

fn listed() -> Vec<Expert> {
    let one = |id: &str, available: bool| Expert {
        id: expert(id),
        display_name: id.to_uppercase(),
        profile: format!("{id} knows glass"),
        active: true,
        available,
        updated_at: day(0),
    };
    vec![one("ada", true), one("zoe", true), one("bob", false)]
}

/// An embedding for each answered item, made of its words.
fn vectors(items: &[Item]) -> Array2<f32> {
    let answered: Vec<&Item> = items
        .iter()
        .filter(|item| !item.content.experts.is_empty())
        .collect();
    Array2::from_shape_fn((answered.len(), 5), |(row, column)| {
        let text = &answered[row].content.text;
        let hash = tokens::count(text)
            .iter()
            .map(|(word, _)| *word % 97)
            .sum::<u32>();
        ((hash + column as u32 * 31) % 13) as f32 / 13.0
    })
}

fn built(items: &[Item]) -> ExpertCorpus {
    let covered = items.last().map_or(0, |item| item.change);
    ExpertCorpus::build((items, covered), &listed(), &vectors(items)).unwrap()
}

fn learn_embeddings(known: &mut ExpertCorpus, items: &[Item]) {
    let answered = items.iter().filter(|item| !item.content.experts.is_empty());
    let rows = vectors(items);
    let by_point: HashMap<u64, Vec<f32>> = answered
        .zip(rows.outer_iter())
        .map(|(item, row)| (item.point, row.to_vec()))
        .collect();
    let wanted = known.embeddings_wanted();
    let wanted = by_point
        .into_iter()
        .filter(|(point, _)| wanted.contains(point));
    let had_none = known.embeddings_wanted().is_empty();
    assert_eq!(known.learn_embeddings(&wanted.collect()), !had_none);
}

/// All that answers to a question are made of.
fn asked(known: &ExpertCorpus, text: &str) -> (FeatureMatrix, Vec<f32>, Vec<Vec<f32>>) {
    let (counts, style) = (tokens::count(text), style::read(text));
    let ridge = known.predict_by_embedding(&[0.3, 0.1, 0.9, 0.2, 0.5]);
    let online = known.online.predict(&counts, &style);
    let n = known.corpus.len() as u32;
    let hits = Hits {
        dense: (0..n.min(30))
            .map(|at| (at, 1.0 - at as f32 / 40.0))
            .collect(),
        lexical: (n / 2..n).map(|at| (at, 3.0 / (1.0 + at as f32))).collect(),
    };
    let inputs = FeatureInputs {
        words: &counts,
        style: &style,
        hits: &hits,
        ridge: &ridge,
        online: &online,
        area: known.corpus.area("area 1"),
    };
    let features = Features::new(&known.corpus, &known.statistics).compute(inputs);
    (features, online, ridge)
}

fn assert_same(grown: &ExpertCorpus, at_once: &ExpertCorpus) {
    assert_eq!(grown.corpus.len(), at_once.corpus.len());
    for at in 0..grown.corpus.len() {
        assert_eq!(grown.corpus.item(at), at_once.corpus.item(at));
        let point = at_once.corpus.item(at).point;
        assert_eq!(grown.corpus.position(point), Some(at));
    }
    assert_eq!(grown.ids, at_once.ids);
    assert_eq!(grown.corpus.experts(), at_once.corpus.experts());
    assert_eq!(grown.candidates, at_once.candidates);
    assert_eq!(grown.covered(), at_once.covered());
    let names = |known: &ExpertCorpus| -> Vec<String> {
        known
            .experts
            .iter()
            .map(|one| one.display_name.clone())
            .collect()
    };
    assert_eq!(names(grown), names(at_once));
    for text in [
        "Which glass furnace?",
        "net/mlx5: keys",
        "Datenschutz price lists",
        "unheard",
    ] {
        assert_eq!(asked(grown, text), asked(at_once, text), "{text}");
        let query =
            |known: &ExpertCorpus| known.search.query(&known.corpus, &known.statistics, text);
        assert_eq!(query(grown), query(at_once), "{text}");
    }
}

/// Snapshots in a folder.
struct Folder {
    _folder: tempfile::TempDir,
    artifacts: ArtifactStore,
}

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_owned();
        let artifacts = ArtifactStore::open(&ArtifactsConfig { path }).unwrap();
        Self {
            _folder: folder,
            artifacts,
        }
    }

    fn save(&self, known: &ExpertCorpus) {
        let write = |out: &mut BufWriter<&File>| known.save(b"header", out);
        self.artifacts.replace("one", write).unwrap();
    }

    fn file(&self) -> InStore {
        InStore(self.artifacts.open_file("one").unwrap().unwrap())
    }

    fn open(&self) -> Result<Snapshot, LayoutError> {
        Snapshot::open(&self.file(), HISTORY_FORM)
    }

    /// Saved and read again.
    fn settled(&self, known: &ExpertCorpus) -> ExpertCorpus {
        self.save(known);
        let snapshot = self.open().unwrap();
        assert_eq!(ExpertCorpus::header(&snapshot).unwrap(), b"header");
        let settled = ExpertCorpus::load(snapshot).unwrap();
        assert_eq!(settled.unsaved(), Some(0));
        settled
    }

    /// Changes one byte, so far from the beginning.
    fn damage(&self, at: usize) {
        let file = self.file();
        let mut bytes = file.read(0..file.size().unwrap()).unwrap();
        bytes[at] ^= 1;
        self.artifacts
            .replace("one", |out| out.write_all(&bytes))
            .unwrap();
    }
}

#[test]
fn taking_items_as_they_come_makes_what_reading_them_at_once_makes() {
    let config = ProptestConfig {
        cases: 60,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let taken = std::cell::Cell::new(0);
    let strategy = (events(), 0.0..1.0_f64, 1..4_usize);
    let result = runner.run(&strategy, |(events, share, at_a_time)| {
        let folder = Folder::new();
        let items = items(&events);
        let begun = (share * items.len() as f64) as usize;
        let mut grown = built(&items[..begun]);
        for end in (begun..=items.len()).step_by(at_a_time).skip(1) {
            let new = &items[end - at_a_time..end];
            if grown.can_take(new) {
                grown.take(new).unwrap();
                grown.cover(end as u64);
                if end % 7 < at_a_time {
                    grown = folder.settled(&grown);
                }
                // Embeddings come later, some after the next items.
                if end % 3 > 0 {
                    learn_embeddings(&mut grown, &items[..end]);
                }
                taken.set(taken.get() + 1);
            } else {
                grown = built(&items[..end]);
            }
            if end % 3 > 0 {
                let at_once = built(&items[..end]);
                assert_same(&grown, &at_once);
                assert_same(&folder.settled(&at_once), &at_once);
            }
        }
        Ok(())
    });
    result.unwrap();
    assert!(taken.get() > 100, "hardly anything was added");
}

fn sixteen_items() -> Vec<Item> {
    let event = Event {
        words: vec![0, 1],
        experts: vec![0],
        area: None,
    };
    items(&vec![event; 16])
}

#[test]
fn what_changes_the_past_is_not_added() {
    let items = sixteen_items();
    let known = built(&items[..12]);
    let next = &items[12..13];
    assert!(known.can_take(next));
    let changed = |change: fn(&mut Item)| {
        let mut item = items[12].clone();
        change(&mut item);
        [item]
    };
    assert!(!known.can_take(&changed(|item| item.revision = 2)));
    let late = changed(|item| item.content.occurred_at -= TimeDelta::days(30));
    assert!(!known.can_take(&late));
    let late_but_open = changed(|item| {
        item.content.occurred_at -= TimeDelta::days(30);
        item.content.experts.clear();
    });
    assert!(
        known.can_take(&late_but_open),
        "nobody learns from its time"
    );
}

#[test]
fn a_damaged_snapshot_is_seen_before_it_is_used() {
    let items = sixteen_items();
    let known = built(&items[..12]);
    let folder = Folder::new();
    folder.save(&known);
    let size = folder.file().size().unwrap() as usize;
    let answers = folder.open().unwrap().bytes(Part::Answers);

    // What questions look at.
    folder.damage(answers / 2);
    let damaged = ExpertCorpus::header(&folder.open().unwrap());
    assert_eq!(damaged.unwrap_err(), LayoutError::Damaged);

    // What only learning looks at: questions are answered, nobody learns from it or saves it.
    folder.save(&known);
    folder.damage(answers.next_multiple_of(4_096) + 70);
    let half = ExpertCorpus::load(folder.open().unwrap()).unwrap();
    assert_eq!(asked(&half, "glass oven"), asked(&known, "glass oven"));
    assert!(!half.can_take(&items[12..13]) && !half.make_keyword_rules());
    assert!(half.save(b"", &mut Vec::new()).is_err());

    // Its end, or none; and another form.
    folder.save(&known);
    folder.damage(size - 60);
    assert_eq!(folder.open().unwrap_err(), LayoutError::Damaged);
    folder
        .artifacts
        .replace("one", |out| out.write_all(b"?"))
        .unwrap();
    assert_eq!(folder.open().unwrap_err(), LayoutError::Damaged);
    folder.save(&known);
    let other = Snapshot::open(&folder.file(), HISTORY_FORM + 1);
    assert_eq!(other.unwrap_err(), LayoutError::OtherForm);
}

#[test]
fn a_history_that_has_outgrown_its_bound_takes_no_more() {
    let event = |at: usize| Event {
        words: vec![at % WORDS.len()],
        experts: vec![at % EXPERTS.len()],
        area: None,
    };
    let items = items(&(0..=MOST_ITEMS).map(event).collect::<Vec<_>>());
    let (held, coming) = items.split_at(MOST_ITEMS - 1);
    let vectors = Array2::zeros((held.len(), 1));
    let history = ExpertCorpus::build((held, held.len() as u64), &[], &vectors).unwrap();
    assert!(history.can_take(&coming[..1]));
    assert!(
        !history.can_take(coming),
        "one more than a fifth over what is built"
    );
}
