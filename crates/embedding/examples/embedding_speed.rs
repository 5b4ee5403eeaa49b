//! How fast the embedder is on this machine:
//! `cargo run -p tenantry-embedding --example embedding_speed`.

// A benchmark prints.
#![allow(clippy::print_stdout)]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use tenantry_embedding::{Embedder, EmbeddingConfig, EmbeddingError};

const QUESTION: &str = "Does your platform support single sign-on with SAML 2.0?";
const QUERIES: usize = 300;
const PASSAGES: usize = 256;

#[tokio::main]
async fn main() -> Result<(), EmbeddingError> {
    for threads in [1, 2] {
        let embedder = open(threads, 512)?;
        println!("threads {threads}");
        queries(&embedder, "idle").await?;
        let bulk = tokio::spawn(forever(embedder.clone()));
        queries(&embedder, "beside passages").await?;
        bulk.abort();
        many_queries(&embedder).await?;
    }
    for threads in [1, 2] {
        for budget in [1, 128, 256, 512, 1024, 4096] {
            passages(threads, budget).await?;
        }
    }
    Ok(())
}

fn open(threads: usize, max_batch_tokens: usize) -> Result<Embedder, EmbeddingError> {
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    Embedder::open(&EmbeddingConfig {
        model_dir: variable("TENANTRY_MODEL_DIR"),
        onnxruntime: variable("ORT_DYLIB_PATH"),
        threads,
        max_batch_tokens,
        ..EmbeddingConfig::default()
    })
}

async fn queries(embedder: &Embedder, when: &str) -> Result<(), EmbeddingError> {
    let mut times = Vec::with_capacity(QUERIES);
    let mut tokens = 0;
    for _ in 0..QUERIES {
        let started = Instant::now();
        tokens = embedder.embed_query(QUESTION.to_owned()).await?.tokens;
        times.push(started.elapsed());
    }
    times.sort_unstable();
    let (half, most) = (times[QUERIES / 2], times[QUERIES * 95 / 100]);
    println!("  one query of {tokens} tokens, {when}: p50 {half:.2?}, p95 {most:.2?}");
    Ok(())
}

async fn many_queries(embedder: &Embedder) -> Result<(), EmbeddingError> {
    let started = Instant::now();
    let callers = (0..16).map(|_| {
        let embedder = embedder.clone();
        tokio::spawn(async move {
            for _ in 0..QUERIES / 16 {
                embedder.embed_query(QUESTION.to_owned()).await?;
            }
            Ok::<_, EmbeddingError>(())
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap_or(Err(EmbeddingError::Stopped))?;
    }
    println!(
        "  16 callers at once: {:.0} queries/s",
        rate(QUERIES / 16 * 16, started.elapsed())
    );
    Ok(())
}

async fn forever(embedder: Embedder) {
    while embedder.embed_passages(medium_texts()).await.is_ok() {}
}

async fn passages(threads: usize, budget: usize) -> Result<(), EmbeddingError> {
    let embedder = open(threads, budget)?;
    let texts = medium_texts();
    let characters = texts.iter().map(String::len).sum::<usize>() / texts.len();
    let started = Instant::now();
    let done = embedder.embed_passages(texts).await?;
    let rate = rate(done.len(), started.elapsed());
    let tokens = done.iter().map(|one| one.tokens as usize).sum::<usize>() / done.len();
    println!(
        "threads {threads}, batches of {budget} tokens: {rate:.0} passages/s \
         (mean {characters} characters, {tokens} tokens)"
    );
    Ok(())
}

fn rate(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}

/// Sentences of 200 to 400 characters, always the same.
fn medium_texts() -> Vec<String> {
    const WORDS: &str = "the vendor shall describe its encryption of customer data at rest and in \
        transit including key management rotation audit logging access control incident response \
        backup retention regional hosting penetration testing reports and support hours";
    let words: Vec<&str> = WORDS.split_whitespace().collect();
    let mut state = 1_u64;
    let mut random = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) as usize % below
    };
    let mut text = |number: usize| {
        let (length, mut text) = (200 + random(200), format!("{number}."));
        while text.len() < length {
            text.push(' ');
            text.push_str(words[random(words.len())]);
        }
        text
    };
    (0..PASSAGES).map(&mut text).collect()
}
