//! `cargo xtask quality --letor DIR`: each question's candidates with their features and the truth, in
//! the form of LETOR (SVMlight with query ids), so that anybody can fit another ranker on the same.
//!
//! The features are those of training, computed by the same code from the history before the question;
//! no server is asked. `features.txt` names the columns.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use domain::{Expert, ExpertId, clean_text};
use embedding::{Embedder, EmbeddingConfig};
use learning::{BacktestWindow, Corpus, Document, FEATURES, Retriever, Window};
use ndarray::Array2;
use testkit::content::{Row, Split, Tenant};

use crate::terminal::Screen;

/// A part is asked in so many steps; what was asked in one is history in the next, as with `--live`.
const STEPS: usize = 5;

/// Writes a file for each tenant and part.
///
/// # Errors
/// An embedding model that cannot be read; ids that the server would refuse; a file that cannot be
/// written.
pub async fn write(folder: &Path, tenants: &[Tenant]) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let names = FEATURES.iter().enumerate();
    let names: String = names
        .map(|(at, name)| format!("{} {name}\n", at + 1))
        .collect();
    fs::write(folder.join("features.txt"), names)?;
    let variable = |name| std::env::var_os(name).map(Into::into);
    let embedder = Embedder::open(&EmbeddingConfig {
        model_dir: variable("TENANTRY_MODEL_DIR"),
        onnxruntime: variable("ORT_DYLIB_PATH"),
        ..EmbeddingConfig::default()
    })?;
    let screen = Screen::new();
    for tenant in tenants {
        let mut line = screen.live();
        line.update(&format!("  {:<18} candidates and features", tenant.id));
        let rows: Vec<&Row> = tenant.items.iter().chain(&tenant.questions).collect();
        let texts = rows.iter().map(|row| clean_text(&row.text)).collect();
        let vectors = vectors(&embedder, texts).await?;
        let files = files(&rows, &experts(tenant)?, &vectors)
            .with_context(|| format!("tenant {}", tenant.id))?;
        for (split, text) in files {
            fs::write(
                folder.join(format!("{}.{}.txt", tenant.id, split.name())),
                text,
            )?;
        }
        line.finish(&format!(
            "  {:<18} {} questions written",
            tenant.id,
            rows.len()
        ));
    }
    Ok(())
}

async fn vectors(embedder: &Embedder, texts: Vec<String>) -> Result<Array2<f32>> {
    let rows = texts.len();
    let embedded = embedder.embed_passages(texts).await?;
    let numbers: Vec<f32> = embedded.into_iter().flat_map(|one| one.vector).collect();
    Ok(Array2::from_shape_vec(
        (rows, embedder.space().dimensions),
        numbers,
    )?)
}

fn experts(tenant: &Tenant) -> Result<Vec<Expert>> {
    let expert = |person: &testkit::content::Person| {
        anyhow::Ok(Expert {
            id: ExpertId::parse(person.id.as_str())?,
            display_name: person.display_name.clone(),
            profile: person.profile.clone(),
            active: person.active,
            available: person.available,
            updated_at: chrono::DateTime::UNIX_EPOCH,
        })
    };
    tenant.people.iter().map(expert).collect()
}

/// The text of each part's file; `rows` are in order of time and have one vector each.
fn files(rows: &[&Row], experts: &[Expert], vectors: &Array2<f32>) -> Result<Vec<(Split, String)>> {
    ensure!(
        rows.is_sorted_by_key(|row| row.at),
        "the rows are not in order of time"
    );
    let parse = |row: &&Row| {
        row.right()
            .map(ExpertId::parse)
            .collect::<Result<Vec<_>, _>>()
    };
    let named: Vec<Vec<ExpertId>> = rows.iter().map(parse).collect::<Result<_, _>>()?;
    let documents = rows.iter().zip(&named).zip(0..);
    let corpus = Corpus::new(
        documents.map(|((row, experts), point)| Document {
            point,
            text: &row.text,
            area: Some(row.area.as_str()).filter(|area| !area.is_empty()),
            experts,
            occurred_at: row.at,
        }),
        experts,
    )?;
    let retriever = Retriever::new(&corpus, vectors.view());
    let mut files = Vec::new();
    for split in Split::ALL {
        let from = rows.iter().position(|row| row.split == Some(split));
        let Some(from) = from else { continue };
        let to = from + rows.iter().filter(|row| row.split == Some(split)).count();
        let mut text = String::new();
        for window in steps(from, to) {
            let asked =
                BacktestWindow::new(&retriever, window).context("a backtest was stopped")?;
            for (query, number) in asked.queries.iter().zip(window.from + 1..) {
                lines(&mut text, query, number, corpus.experts());
            }
        }
        files.push((split, text));
    }
    Ok(files)
}

/// The steps of a part; the first of all has no history to be answered from.
fn steps(from: usize, to: usize) -> impl Iterator<Item = Window> {
    let at = move |step: usize| from + (to - from) * step / STEPS;
    let windows = (0..STEPS).map(move |step| Window {
        from: at(step),
        to: at(step + 1),
    });
    windows.filter(|window| window.from > 0 && window.from < window.to)
}

/// One line a candidate: 1 for a right one, else 0; the question; the features; the expert.
fn lines(text: &mut String, query: &learning::Query, number: usize, experts: &[ExpertId]) {
    for &candidate in &query.candidates {
        let right = u8::from(query.right.contains(&candidate));
        // Writing to a text cannot fail.
        let _ = write!(text, "{right} qid:{number}");
        let features = query.features.row(usize::from(candidate)).iter();
        for (value, feature) in features.zip(1..) {
            let _ = write!(text, " {feature}:{value}");
        }
        let _ = writeln!(text, " # {}", experts[usize::from(candidate)].as_str());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{DateTime, TimeDelta};

    fn row(number: i64, expert: &str, split: Split) -> Row {
        Row {
            id: format!("q-{number}"),
            text: format!("question {number} about what {expert} knows"),
            answer: String::new(),
            area: String::new(),
            expert: expert.to_owned(),
            also: Vec::new(),
            at: DateTime::UNIX_EPOCH + TimeDelta::hours(number),
            split: Some(split),
        }
    }

    #[test]
    fn each_question_has_its_candidates_with_all_features_and_the_truth() {
        let split = |number| {
            if number < 40 {
                Split::Train
            } else {
                Split::Test
            }
        };
        let expert = |number| if number % 2 == 0 { "ann" } else { "bob" };
        let rows: Vec<Row> = (0..50)
            .map(|number| row(number, expert(number), split(number)))
            .collect();
        let rows: Vec<&Row> = rows.iter().collect();
        // Two directions, one an expert.
        let vectors = Array2::from_shape_fn((50, 2), |(at, axis)| f32::from(at % 2 == axis));
        let files = files(&rows, &[], &vectors).unwrap();
        let [(Split::Train, train), (Split::Test, test)] = &files[..] else {
            panic!("{files:?}");
        };
        // The first step of the history has nothing before it.
        assert_eq!((train.lines().count(), test.lines().count()), (64, 20));
        let right: Vec<&str> = test.lines().filter(|line| line.starts_with('1')).collect();
        assert_eq!(right.len(), 10);
        assert!(right[0].starts_with("1 qid:41 1:") && right[0].ends_with(" # ann"));
        assert!(right.iter().all(|line| {
            let pairs = line.split(' ').filter(|word| word.contains(':')).count();
            pairs == 1 + FEATURES.len()
        }));
    }

    #[test]
    fn steps_cover_a_part_without_gaps() {
        let steps: Vec<_> = steps(7, 18)
            .map(|window| (window.from, window.to))
            .collect();
        assert_eq!(steps.first().map(|step| step.0), Some(7));
        assert_eq!(steps.last().map(|step| step.1), Some(18));
        assert!(steps.windows(2).all(|two| two[0].1 == two[1].0));
    }
}
