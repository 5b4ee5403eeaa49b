//! A second model of the catalogue beside the default one: what `cargo xtask setup --model` installs.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests: a step that fails ends the test, and what is skipped is said"
)]

use std::path::PathBuf;

use domain::ErrorKind;
use tenantry_embedding::{Embedder, Embedders, EmbeddingConfig, EmbeddingError, MODELS};

fn config() -> EmbeddingConfig {
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    EmbeddingConfig {
        model_dir: variable("TENANTRY_MODEL_DIR"),
        onnxruntime: variable("ORT_DYLIB_PATH"),
        threads: 2,
        ..EmbeddingConfig::default()
    }
}

async fn vector(embedder: &Embedder, text: &str) -> Vec<f32> {
    embedder.embed_query(text.to_owned()).await.unwrap().vector
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[tokio::test]
async fn each_model_has_a_space_of_its_own() {
    let embedders = Embedders::open(&config()).unwrap();
    let second = MODELS[1].name;
    if !embedders.installed().await.contains(&second) {
        eprintln!("SKIPPED: no second model; run `cargo xtask setup --model {second}`");
        return;
    }
    // Who asks at the same time gets the same one.
    let (a, b) = tokio::join!(embedders.get(second), embedders.get(second));
    let (a, b) = (a.unwrap(), b.unwrap());
    let default = embedders.get(MODELS[0].name).await.unwrap();
    assert_eq!(a.space(), b.space());
    assert_eq!(default.space(), embedders.default_model().space());
    assert_eq!((a.space().name, a.space().dimensions), (second, 384));
    assert_ne!(a.space().fingerprint, default.space().fingerprint);
    let text = "Is customer data encrypted at rest?";
    assert_ne!(a.content_hash(text), default.content_hash(text));

    let long = "Backups are kept for ninety days. ".repeat(200);
    let tokens = a.embed_query(long).await.unwrap().tokens;
    assert_eq!(tokens as usize, MODELS[1].max_tokens);

    let asked = vector(&a, text).await;
    let paraphrase = vector(&a, "Do you encrypt stored client information?").await;
    let other = vector(&a, "How many days of parental leave do employees get?").await;
    assert!((cosine(&asked, &asked) - 1.0).abs() < 1e-5);
    let (near, far) = (cosine(&asked, &paraphrase), cosine(&asked, &other));
    assert!(near > 0.5 && far < 0.3, "{near} {far}");
    // The same words in the other space point somewhere else: such vectors must never meet.
    let across = cosine(&asked, &vector(&default, text).await);
    assert!(across.abs() < 0.3, "{across}");
}

#[tokio::test]
async fn what_is_not_there_is_said_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config();
    let (first, second) = (MODELS[0].name, MODELS[1].name);
    config
        .model_dirs
        .insert(second.to_owned(), folder.path().to_owned());
    let embedders = Embedders::open(&config).unwrap();
    let installed = embedders.installed().await;
    assert!(installed.contains(&first) && !installed.contains(&second));
    let missing = embedders.get(second).await.unwrap_err();
    assert!(matches!(missing, EmbeddingError::NotInstalled { model } if model == second));
    assert_eq!(missing.kind(), ErrorKind::FailedPrecondition);
    let message = missing.to_string();
    assert!(message.contains(&format!("cargo xtask setup --model {second}")));
    let path = folder.path().to_str().unwrap();
    assert!(!message.contains(path), "no path of the server: {message}");
    let unknown = embedders.get("word2vec").await.unwrap_err().to_string();
    assert!(
        unknown.contains("word2vec") && unknown.contains(first),
        "{unknown}"
    );
    // The others go on.
    assert_eq!(vector(embedders.default_model(), "text").await.len(), 384);
}
