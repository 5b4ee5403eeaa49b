//! The real model and the real library: what `cargo xtask setup` installed, or what
//! `TENANTRY_MODEL_DIR` and `ORT_DYLIB_PATH` name. Without them these tests fail, and say so.

// Helpers of tests may unwrap as tests do.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use domain::ErrorKind;
use tenantry_embedding::{Embedded, Embedder, EmbeddingConfig, EmbeddingError};

static SHARED: LazyLock<Embedder> = LazyLock::new(|| open(&config()));

fn config() -> EmbeddingConfig {
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    EmbeddingConfig {
        model_dir: variable("TENANTRY_MODEL_DIR"),
        onnxruntime: variable("ORT_DYLIB_PATH"),
        threads: 2,
        ..EmbeddingConfig::default()
    }
}

fn open(config: &EmbeddingConfig) -> Embedder {
    Embedder::open(config).unwrap_or_else(|error| panic!("{error}"))
}

async fn query(text: &str) -> Embedded {
    SHARED.embed_query(text.to_owned()).await.unwrap()
}

async fn passages(embedder: &Embedder, texts: &[&str]) -> Vec<Embedded> {
    let texts = texts.iter().map(ToString::to_string).collect();
    embedder.embed_passages(texts).await.unwrap()
}

fn cosine(a: &Embedded, b: &Embedded) -> f32 {
    a.vector.iter().zip(&b.vector).map(|(a, b)| a * b).sum()
}

fn max_difference(a: &Embedded, b: &Embedded) -> f32 {
    let differences = a.vector.iter().zip(&b.vector).map(|(a, b)| (a - b).abs());
    differences.fold(0.0, f32::max)
}

/// Texts of very different lengths, so that a batch of them is mostly padding.
fn mixed() -> Vec<String> {
    let long = "All customer data is encrypted at rest with keys held in a hardware module. ";
    vec![
        "Is data encrypted at rest?".to_owned(),
        String::new(),
        "x".to_owned(),
        "Wie lange werden Sicherungen aufbewahrt? 保存期間は？ 🙂".to_owned(),
        long.repeat(3),
        long.repeat(9),
        long.repeat(60),
        "Describe your process for penetration tests and how findings are tracked.".to_owned(),
    ]
}

#[tokio::test]
async fn a_paraphrase_is_closer_than_another_subject() {
    let asked = query("Is customer data encrypted at rest?").await;
    let paraphrase = query("Do you encrypt stored client information?").await;
    let other = query("How many days of parental leave do employees get?").await;
    assert!(
        cosine(&asked, &paraphrase) > 0.5,
        "{}",
        cosine(&asked, &paraphrase)
    );
    assert!(cosine(&asked, &other) < 0.3, "{}", cosine(&asked, &other));
}

#[tokio::test]
async fn vectors_have_norm_one_and_times_are_told() {
    for text in mixed() {
        let embedded = query(&text).await;
        assert_eq!(embedded.vector.len(), SHARED.space().dimensions);
        assert!((cosine(&embedded, &embedded) - 1.0).abs() < 1e-5);
        assert!(embedded.computed.as_nanos() > 0);
    }
    assert_eq!(query("security").await.tokens, 3);
    assert_eq!(query("").await.tokens, 2);
}

/// The promise that lets a vector be cached by its text: batch mates, padding and the number of
/// threads change nothing. The difference is exactly 0 on x86-64 with AVX2; the tolerance leaves room
/// for processors whose kernels round by the shape of a batch.
#[tokio::test]
async fn a_text_has_one_vector_whatever_is_computed_beside_it() {
    let one_thread = open(&EmbeddingConfig {
        threads: 1,
        ..config()
    });
    let wide = open(&EmbeddingConfig {
        max_batch_tokens: 100_000,
        ..config()
    });
    assert_eq!(one_thread.space(), wide.space());
    let texts = mixed();
    let refs: Vec<&str> = texts.iter().map(String::as_str).collect();
    let together = passages(&wide, &refs).await;
    let together_on_one = passages(&one_thread, &refs).await;
    let mut worst = 0.0_f32;
    for (index, text) in refs.iter().enumerate() {
        let alone = query(text).await;
        for other in [
            &together[index],
            &together_on_one[index],
            &query(text).await,
        ] {
            worst = worst.max(max_difference(&alone, other));
            assert_eq!(alone.tokens, other.tokens);
        }
    }
    assert!(worst <= 1e-6, "largest difference of one number: {worst}");
}

#[tokio::test]
async fn a_long_text_is_cut_to_the_token_limit() {
    let sentence = "Backups are kept for ninety days. ";
    let (long, longer) = (
        query(&sentence.repeat(60)).await,
        query(&sentence.repeat(2000)).await,
    );
    assert_eq!((long.tokens, longer.tokens), (256, 256));
    assert_eq!(long.vector, longer.vector);
}

#[tokio::test]
async fn odd_texts_get_vectors() {
    let odd = [
        "",
        " \t\n ",
        "\0",
        "\u{200d}\u{fe0f}",
        "🙂👩‍👩‍👧‍👦",
        "e\u{301}\u{301}\u{301}",
        "السؤال عن التشفير",
        "\u{202e}txet desrever",
        "[CLS] [SEP] [MASK] [PAD]",
        "\u{fffd}\u{ffff}\u{10ffff}",
    ];
    let unbroken = "a".repeat(100_000) + &"é".repeat(50_000);
    for text in odd.into_iter().chain([unbroken.as_str()]) {
        let embedded = query(text).await;
        assert!(embedded.vector.iter().all(|value| value.is_finite()));
        assert!(embedded.tokens >= 2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_callers_each_get_their_own_answer() {
    let texts: Vec<String> = (0..24)
        .map(|number| format!("Question {number} about topic {}", number * 7))
        .collect();
    let mut alone = Vec::new();
    for text in &texts {
        alone.push(query(text).await);
    }
    let texts_in_bulk = [mixed(), mixed(), mixed()].concat();
    let bulk = tokio::spawn(async { SHARED.embed_passages(texts_in_bulk).await });
    let calls: Vec<_> = (0..8)
        .flat_map(|_| texts.clone())
        .map(|text| tokio::spawn(async move { SHARED.embed_query(text).await }))
        .collect();
    for (index, call) in calls.into_iter().enumerate() {
        let answer = call.await.unwrap().unwrap();
        assert_eq!(answer.vector, alone[index % texts.len()].vector);
    }
    assert_eq!(bulk.await.unwrap().unwrap().len(), 24);
}

#[tokio::test]
async fn a_caller_may_leave() {
    let call = SHARED.embed_passages(vec!["A text that nobody waits for.".to_owned(); 200]);
    let outcome = tokio::time::timeout(std::time::Duration::from_millis(5), call).await;
    assert!(outcome.is_err());
    query("The next one is served.").await;
}

#[test]
fn a_missing_library_is_one_clear_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let library = folder.path().join("libonnxruntime.so");
    let error = refused(&EmbeddingConfig {
        onnxruntime: Some(library.clone()),
        ..config()
    });
    assert!(matches!(error, EmbeddingError::RuntimeMissing { .. }));
    assert_eq!(
        error.to_string(),
        format!(
            "the ONNX Runtime library is missing (looked for {}): run `cargo xtask setup`, or set \
             ORT_DYLIB_PATH to the library",
            library.display()
        )
    );
}

#[test]
fn a_missing_model_is_one_clear_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let error = refused(&EmbeddingConfig {
        model_dir: Some(folder.path().to_owned()),
        ..config()
    });
    assert!(matches!(error, EmbeddingError::ModelMissing { .. }));
    assert_eq!(
        error.to_string(),
        format!(
            "the embedding model is missing (looked for {}): run `cargo xtask setup`, or set \
             TENANTRY_MODEL_DIR to a folder that holds it",
            folder.path().join("model.onnx").display()
        )
    );
}

#[test]
fn a_corrupt_file_is_one_clear_sentence() {
    let model = config()
        .model_dir
        .or_else(tenantry_embedding::default_model_dir)
        .unwrap();
    for file in [
        "model.onnx",
        "tokenizer.json",
        "tokenizer_config.json",
        "config.json",
    ] {
        for damage in [truncate, scramble, empty] {
            let folder = tempfile::tempdir().unwrap();
            copy_folder(&model, folder.path());
            damage(&folder.path().join(file));
            let config = EmbeddingConfig {
                model_dir: Some(folder.path().to_owned()),
                ..config()
            };
            let error = refused(&config);
            assert!(
                matches!(error, EmbeddingError::ModelBroken { .. }),
                "{file}: {error}"
            );
            let message = error.to_string();
            assert!(
                message.contains("cargo xtask setup --force"),
                "{file}: {message}"
            );
            assert!(
                !message.contains('\n') && message.len() < 600,
                "{file}: {message}"
            );
        }
    }
}

fn refused(config: &EmbeddingConfig) -> EmbeddingError {
    let error = Embedder::open(config).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::FailedPrecondition);
    error
}

fn copy_folder(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

fn truncate(file: &Path) {
    let bytes = fs::read(file).unwrap();
    fs::write(file, &bytes[..bytes.len() / 2]).unwrap();
}

fn scramble(file: &Path) {
    let bytes: Vec<u8> = fs::read(file)
        .unwrap()
        .iter()
        .map(|byte| byte ^ 0x5a)
        .collect();
    fs::write(file, bytes).unwrap();
}

fn empty(file: &Path) {
    fs::write(file, "").unwrap();
}

#[tokio::test]
async fn a_text_longer_than_the_window_is_known_to_be_cut() {
    let sentence = "Keys are rotated once a year by two people. ";
    assert!(!SHARED.truncates(""));
    assert!(!SHARED.truncates(&sentence.repeat(20)));
    assert!(SHARED.truncates(&sentence.repeat(30)));
    assert!(SHARED.truncates(&"x ".repeat(20_000)));
    // Words of many bytes: long, and yet not cut.
    assert!(!SHARED.truncates(&"internationalization ".repeat(40)));
    // The vector of a cut text is that of its beginning; of one that just fits it is not.
    let (cut, more) = (
        sentence.repeat(40),
        sentence.repeat(40) + "The kitchen is closed.",
    );
    assert!(max_difference(&query(&cut).await, &query(&more).await) < 1e-6);
    let (fits, more) = (
        sentence.repeat(10),
        sentence.repeat(10) + "The kitchen is closed.",
    );
    assert!(max_difference(&query(&fits).await, &query(&more).await) > 1e-3);
}
