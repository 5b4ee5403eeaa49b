//! The static model made from the transformer that `cargo xtask setup` installs.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests: a step that fails ends the test, and what is skipped is said"
)]

use std::path::PathBuf;

use embedding::{Embedder, EmbeddingConfig, MODELS};
use tenantry_distillation::{Distilled, distill};

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[tokio::test]
async fn a_table_that_is_made_here_embeds_and_is_not_made_again() {
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("static");
    let model = MODELS.iter().find(|model| model.name == "minilm-static");
    let model = model.unwrap();
    let mut config = EmbeddingConfig {
        model_dir: variable("TENANTRY_MODEL_DIR"),
        onnxruntime: variable("ORT_DYLIB_PATH"),
        ..EmbeddingConfig::default()
    };
    if !config
        .folder_of(&MODELS[0])
        .is_some_and(|folder| folder.is_dir())
    {
        eprintln!("SKIPPED: no transformer; run `cargo xtask setup`");
        return;
    }
    let Distilled::Made {
        tokens,
        kept_variance,
    } = distill(model, &own, &config, false).unwrap()
    else {
        panic!("there was nothing");
    };
    assert!(tokens > 30_000, "{tokens}");
    assert!((0.9..1.0).contains(&kept_variance), "{kept_variance}");
    assert_eq!(
        distill(model, &own, &config, false).unwrap(),
        Distilled::There
    );
    // Half an installation is none.
    std::fs::remove_file(own.join(embedding::TOKENIZER_FILE)).unwrap();
    let again = distill(model, &own, &config, false).unwrap();
    assert!(matches!(again, Distilled::Made { .. }), "{again:?}");

    config.model_dirs.insert(model.name.to_owned(), own);
    let embedder = Embedder::open_model(model, &config).unwrap();
    let mut vectors = Vec::new();
    for text in [
        "Is customer data encrypted at rest?",
        "Do you encrypt stored client information?",
        "How many days of parental leave do employees get?",
        "",
        "\u{1F44D}",
    ] {
        vectors.push(embedder.embed_query(text.to_owned()).await.unwrap().vector);
    }
    let (near, far) = (
        cosine(&vectors[0], &vectors[1]),
        cosine(&vectors[0], &vectors[2]),
    );
    assert!((cosine(&vectors[0], &vectors[0]) - 1.0).abs() < 1e-5);
    assert!(near > far + 0.2, "{near} {far}");
    assert!(
        vectors[3]
            .iter()
            .chain(&vectors[4])
            .all(|value| *value == 0.0)
    );
    // Long texts, on another thread, are embedded as short ones are.
    let long = "Backups are kept for ninety days. ".repeat(400);
    assert!(embedder.truncates(&long) && !embedder.truncates("Backups are kept."));
    let tokens = embedder.embed_query(long).await.unwrap().tokens;
    assert_eq!(tokens as usize, model.max_tokens);
}
