//! What a transformer makes of each token of its vocabulary, alone.

use ort::environment::Environment;
use ort::session::Session;
use ort::value::Tensor;
use tokenizers::Tokenizer;

use crate::config::EmbeddingConfig;
use crate::error::EmbeddingError;
use crate::files::{ModelFiles, find_onnxruntime};
use crate::model::environment;
use model_files::{BaseModel, ModelKind};

/// Tokens of one run of the model.
const BATCH: usize = 512;
/// A token between the two marks that begin and end each text.
const LENGTH: usize = 3;

/// Token vectors, and what they are of.
pub struct TokenVectors {
    /// One row a token of the vocabulary, in its order; zeros for marks, which are no text.
    pub rows: Vec<f32>,
    /// Numbers in a row.
    pub dimensions: usize,
    /// The model's tokenizer, as its file is.
    pub tokenizer: Vec<u8>,
    /// Identifies the model.
    pub fingerprint: [u8; 32],
}

/// The mean of what `model` makes of each token and of the marks around it. Takes some ten seconds of all
/// cores, and blocks meanwhile.
///
/// # Errors
/// The model's files or the runtime are missing or broken, or `model` is no transformer.
pub fn token_vectors(
    model: &'static BaseModel,
    config: &EmbeddingConfig,
) -> Result<TokenVectors, EmbeddingError> {
    let ModelKind::Transformer { token_output } = model.kind else {
        return Err(EmbeddingError::Config(format!(
            "{} is no transformer: nothing can be distilled from it",
            model.name
        )));
    };
    let library = find_onnxruntime(config.onnxruntime.as_deref())?;
    let environment = environment(&library)?;
    let files = ModelFiles::read(model, config)?;
    let broken = |problem: String| EmbeddingError::ModelBroken {
        folder: files.folder.clone(),
        problem,
    };
    let tokenizer = Tokenizer::from_bytes(&files.tokenizer.tokenizer_file)
        .map_err(|error| broken(error.to_string()))?;
    let mark = |name: &str| {
        let id = tokenizer.token_to_id(name).map(i64::from);
        id.ok_or_else(|| broken(format!("its tokenizer has no {name}")))
    };
    let (first, last) = (mark("[CLS]")?, mark("[SEP]")?);
    let mut session =
        session(&environment, &files.onnx, config).map_err(|error| broken(error.to_string()))?;
    let tokens = tokenizer.get_vocab_size(true);
    let mut rows = Vec::with_capacity(tokens * model.dimensions);
    for start in (0..tokens).step_by(BATCH) {
        let batch: Vec<i64> = (start..tokens.min(start + BATCH))
            .flat_map(|token| [first, token as i64, last])
            .collect();
        let made =
            run(&mut session, batch, token_output).map_err(|error| broken(error.to_string()))?;
        rows.extend(means(&made, model.dimensions));
    }
    for token in 0..tokens {
        if is_mark(&tokenizer, token as u32) {
            rows[token * model.dimensions..][..model.dimensions].fill(0.0);
        }
    }
    Ok(TokenVectors {
        rows,
        dimensions: model.dimensions,
        tokenizer: files.tokenizer.tokenizer_file,
        fingerprint: *files.fingerprint.as_bytes(),
    })
}

fn session(
    environment: &Environment,
    onnx: &[u8],
    config: &EmbeddingConfig,
) -> ort::Result<Session> {
    let builder = Session::builder(environment)?;
    let mut builder = builder.with_intra_threads(config.cores())?;
    builder.commit_from_memory(onnx)
}

/// One vector for each of three tokens a text.
fn run(session: &mut Session, ids: Vec<i64>, output: &str) -> ort::Result<Vec<f32>> {
    let shape = [ids.len() / LENGTH, LENGTH];
    let (ones, zeros) = (vec![1_i64; ids.len()], vec![0_i64; ids.len()]);
    let mut inputs = ort::inputs![
        "input_ids" => Tensor::from_array((shape, ids))?,
        "attention_mask" => Tensor::from_array((shape, ones))?,
    ];
    let types = session
        .inputs()
        .iter()
        .any(|input| input.name() == "token_type_ids");
    if types {
        let types = Tensor::from_array((shape, zeros))?;
        inputs.push(("token_type_ids".into(), types.into()));
    }
    let outputs = session.run(inputs)?;
    let (_, values) = outputs[output].try_extract_tensor::<f32>()?;
    Ok(values.to_vec())
}

/// The mean of each three vectors.
fn means(values: &[f32], dimensions: usize) -> Vec<f32> {
    let texts = values.chunks_exact(LENGTH * dimensions);
    texts
        .flat_map(|text| {
            (0..dimensions).map(|at| {
                let column = text.iter().skip(at).step_by(dimensions);
                column.sum::<f32>() / LENGTH as f32
            })
        })
        .collect()
}

/// Marks stand in brackets: `[CLS]`, `[unused7]`. A bracket that is a text of its own is alone.
fn is_mark(tokenizer: &Tokenizer, token: u32) -> bool {
    let text = tokenizer.id_to_token(token).unwrap_or_default();
    text.len() > 2 && text.starts_with('[') && text.ends_with(']')
}
