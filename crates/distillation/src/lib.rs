//! A static model from a transformer: every token of the vocabulary goes through the transformer once,
//! alone, and what comes out is its vector for good.
//!
//! The recipe is Model2Vec's (Tulkens and van Dongen, 2024, <https://github.com/MinishLab/model2vec>): token
//! vectors, principal components, and a sum over the tokens of a text. Its weighting of tokens by how rare
//! they are is left out, because rankers see rare words beside the vectors; `docs/quality.md` has what each
//! step gives. A text then costs microseconds instead of milliseconds, and its vector knows which words there
//! are and not how they stand together.
//!
//! The same files on the same kind of processor give the same bytes. Another kind may round otherwise, and
//! principal components that are nearly alike then turn: so a table is made once and copied to each machine
//! that serves the same database, and a server refuses to mix two (its fingerprint is over the bytes).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use embedding::{BaseModel, EmbeddingConfig, EmbeddingError, ModelKind, TokenTable, TokenVectors};
use linfa_linalg::eigh::{EigSort as _, Eigh as _};
use ndarray::{Array2, Axis, s};

/// A table that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum DistillationError {
    /// The transformer cannot be used.
    #[error(transparent)]
    Embedding(#[from] EmbeddingError),
    /// The model is not one that is distilled.
    #[error("{0} is not distilled from another model")]
    NotStatic(&'static str),
    /// The principal components cannot be found.
    #[error("the principal components of the token vectors cannot be found: {0}")]
    Components(String),
    /// The folder holds something else, which would go.
    #[error(
        "{} holds {name}, which is no part of a static model: name a folder of its own in \
         embedding.model_dirs",
        folder.display()
    )]
    Foreign {
        /// Where they were to lie.
        folder: PathBuf,
        /// What lies there.
        name: String,
    },
    /// The files cannot be written.
    #[error("cannot write the token vectors to {}", folder.display())]
    Write {
        /// Where they were to lie.
        folder: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// What there is now.
#[derive(Debug, Clone, PartialEq)]
pub enum Distilled {
    /// It was there, distilled from the same files.
    There,
    /// It was made.
    Made {
        /// Tokens that have a vector.
        tokens: usize,
        /// The share of the variance of the transformer's token vectors that is kept, from 0 to 1.
        kept_variance: f64,
    },
}

/// Makes the files of a static `model` in `folder`, unless they are there and were distilled from the same
/// transformer; with `again`, also then. The folder appears whole or not at all. Takes some ten seconds of all
/// cores, and blocks meanwhile.
///
/// # Errors
/// One sentence that says what is in the way.
pub fn distill(
    model: &'static BaseModel,
    folder: &Path,
    config: &EmbeddingConfig,
    again: bool,
) -> Result<Distilled, DistillationError> {
    let ModelKind::Static { distilled_from } = model.kind else {
        return Err(DistillationError::NotStatic(model.name));
    };
    let source = embedding::MODELS
        .iter()
        .find(|source| source.name == distilled_from)
        .ok_or(DistillationError::NotStatic(model.name))?;
    let has_tokenizer = folder.join(embedding::TOKENIZER_FILE).is_file();
    let there = fs::read(folder.join(embedding::TABLE_FILE)).ok();
    let there = there.filter(|_| has_tokenizer);
    let there = there.and_then(|bytes| TokenTable::from_bytes(&bytes).ok());
    if let Some(table) = there.filter(|_| !again)
        && table.source() == embedding::model_fingerprint(source, config)?
    {
        return Ok(Distilled::There);
    }
    if let Some(name) = foreign_file(model, folder) {
        let folder = folder.to_owned();
        return Err(DistillationError::Foreign { folder, name });
    }
    let vectors = embedding::token_vectors(source, config)?;
    let (table, kept_variance) = reduce(&vectors, model.dimensions)?;
    let failed = |source| DistillationError::Write {
        folder: folder.to_owned(),
        source,
    };
    write(folder, &table, &vectors.tokenizer).map_err(failed)?;
    Ok(Distilled::Made {
        tokens: table.tokens(),
        kept_variance,
    })
}

/// The first principal components of the token vectors, and the share of their variance that is kept. A
/// token without a vector (zeros) has none afterwards.
fn reduce(
    vectors: &TokenVectors,
    dimensions: usize,
) -> Result<(TokenTable, f64), DistillationError> {
    let broken = |problem: String| DistillationError::Components(problem);
    let rows = vectors.rows.chunks_exact(vectors.dimensions);
    let known: Vec<&[f32]> = rows.clone().filter(|row| is_known(row)).collect();
    let wide: Vec<f64> = known
        .iter()
        .flat_map(|row| row.iter().copied().map(f64::from))
        .collect();
    let wide = Array2::from_shape_vec((known.len(), vectors.dimensions), wide)
        .map_err(|error| broken(error.to_string()))?;
    let centre = wide.mean_axis(Axis(0)).unwrap_or_default();
    let wide = wide - &centre;
    // Not `linfa_reduction::Pca`: its iterative solver is for a few components of many, and gives the random
    // directions that it begins with when asked for most of them (66 % of the variance in place of 96 %).
    let (variances, components) = wide
        .t()
        .dot(&wide)
        .eigh()
        .map_err(|error| broken(error.to_string()))?
        .sort_eig_desc();
    let kept = variances.slice(s![..dimensions]).sum() / variances.sum();
    let narrow = wide.dot(&components.slice(s![.., ..dimensions]));
    let mut table = Vec::with_capacity(rows.len() * dimensions);
    let mut narrow = narrow.rows().into_iter();
    for row in rows {
        let known = is_known(row).then(|| narrow.next()).flatten();
        match known {
            Some(row) => table.extend(row.iter().map(|value| *value as f32)),
            None => table.resize(table.len() + dimensions, 0.0),
        }
    }
    let table = TokenTable::new(&table, dimensions, vectors.fingerprint);
    Ok((table, kept))
}

fn is_known(row: &[f32]) -> bool {
    row.iter().any(|value| *value != 0.0)
}

/// Fills a folder beside `folder`, which then takes its place.
fn write(folder: &Path, table: &TokenTable, tokenizer: &[u8]) -> io::Result<()> {
    let parent = folder.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(parent)?;
    let work = tempfile::Builder::new()
        .prefix(".distill-")
        .tempdir_in(parent)?;
    let fresh = work.path().join("fresh");
    fs::create_dir(&fresh)?;
    fs::write(fresh.join(embedding::TABLE_FILE), table.to_bytes())?;
    fs::write(fresh.join(embedding::TOKENIZER_FILE), tokenizer)?;
    let old = work.path().join("old");
    let had = folder.exists();
    if had {
        fs::rename(folder, &old)?;
    }
    fs::rename(&fresh, folder).inspect_err(|_| {
        // What was there before comes back; the error that is told is the first one.
        let _ = if had {
            fs::rename(&old, folder)
        } else {
            Ok(())
        };
    })
}

/// The name of a file in the folder that is not the model's.
fn foreign_file(model: &BaseModel, folder: &Path) -> Option<String> {
    let names = fs::read_dir(folder).ok()?.flatten();
    let mut names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.find(|name| !model.files().contains(&name.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Six tokens in three dimensions that lie in a plane, and one that is a mark.
    fn vectors() -> TokenVectors {
        let plane = [
            [1.0, 0.0],
            [0.0, 1.0],
            [-1.0, 0.5],
            [0.5, -1.0],
            [2.0, 1.0],
            [-2.5, -1.5],
        ];
        let mut rows: Vec<f32> = plane.iter().flat_map(|[x, y]| [*x, *y, x + y]).collect();
        rows.extend([0.0; 3]);
        TokenVectors {
            rows,
            dimensions: 3,
            tokenizer: Vec::new(),
            fingerprint: [1; 32],
        }
    }

    #[test]
    fn what_lies_in_a_plane_is_kept_whole_in_two_dimensions() {
        let vectors = vectors();
        let (table, kept) = reduce(&vectors, 2).unwrap();
        assert!((kept - 1.0).abs() < 1e-9, "{kept}");
        assert_eq!((table.tokens(), table.dimensions()), (7, 2));
        assert_eq!(table.embed(&[6]), [0.0; 2], "a mark says nothing");
        // Sums of centred rows keep their angles.
        let centred = |token: usize| -> Vec<f32> {
            let mean = |at: usize| vectors.rows[..18].iter().skip(at).step_by(3).sum::<f32>() / 6.0;
            (0..3)
                .map(|at| vectors.rows[token * 3 + at] - mean(at))
                .collect()
        };
        let cosine = |a: &[f32], b: &[f32]| {
            let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
            dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
        };
        for (a, b) in [(0, 1), (2, 4), (3, 5)] {
            let expected = cosine(&centred(a as usize), &centred(b as usize));
            let found = cosine(&table.embed(&[a]), &table.embed(&[b]));
            assert!(
                (found - expected).abs() < 0.02,
                "{a} {b}: {found} {expected}"
            );
        }
    }

    #[test]
    fn a_folder_with_other_files_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("model.onnx"), "precious").unwrap();
        let config = EmbeddingConfig::default();
        let model = embedding::MODELS
            .iter()
            .find(|model| model.name == "minilm-static");
        let refused = distill(model.unwrap(), folder.path(), &config, true).unwrap_err();
        assert!(refused.to_string().contains("model.onnx"), "{refused}");
        assert!(folder.path().join("model.onnx").is_file());
    }

    #[test]
    fn only_a_static_model_is_distilled() {
        let folder = tempfile::tempdir().unwrap();
        let config = EmbeddingConfig::default();
        let refused = distill(&embedding::MODELS[0], folder.path(), &config, false);
        assert!(matches!(refused, Err(DistillationError::NotStatic(_))));
    }
}
