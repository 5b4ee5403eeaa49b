//! How fast the in-process store searches a pooled shard: `cargo run -p tenantry-vectors --example
//! search_speed --release [tenants] [points a tenant]`.
//!
//! The time for writing includes the rewriting of segments that follows a flush now and then, which
//! the next write waits for. Words follow Zipf's law over a vocabulary of 30,000, 25 to a point; a query has 12.

#![allow(clippy::print_stdout, reason = "its output is its purpose")]

use std::error::Error;
use std::time::{Duration, Instant};

use domain::TenantId;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use tenantry_vectors::{Point, Space, SparseVector, VectorStore, VectorsConfig};

const DIMENSIONS: usize = 384;
const VOCABULARY: f64 = 30_000.0;
const SEARCHES: usize = 1_000;
const TOP: usize = 50;

type Outcome<T> = Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let tenants: u64 = arguments.next().map_or(Ok(50), |text| text.parse())?;
    let points: u64 = arguments.next().map_or(Ok(2_000), |text| text.parse())?;
    let folder = tempfile::tempdir()?;
    let config = VectorsConfig {
        path: folder.path().to_owned(),
        ..VectorsConfig::default()
    };
    let space = Space {
        name: "speed".to_owned(),
        dimensions: DIMENSIONS,
    };
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    println!("{tenants} tenants of {points} points, {DIMENSIONS} dimensions, top {TOP}");

    let store = tenantry_vectors::open(&config).await?;
    store.ensure_space(&space).await?;
    fill(store.as_ref(), &space, &mut rng, tenants, points).await?;
    search(
        store.as_ref(),
        &space,
        &mut rng,
        tenants,
        "the last writes not flushed",
    )
    .await?;

    let started = Instant::now();
    store.flush(&space).await?;
    println!(
        "flush                 {:>8.2} s",
        started.elapsed().as_secs_f64()
    );
    search(store.as_ref(), &space, &mut rng, tenants, "flushed").await?;
    let started = Instant::now();
    store.close().await;
    drop(store);
    println!(
        "close                 {:>8.2} s",
        started.elapsed().as_secs_f64()
    );
    let started = Instant::now();
    let store = tenantry_vectors::open(&config).await?;
    store.ensure_space(&space).await?;
    println!(
        "load                  {:>8.2} s",
        started.elapsed().as_secs_f64()
    );
    search(store.as_ref(), &space, &mut rng, tenants, "loaded").await?;

    let started = Instant::now();
    let ids = store.list_ids(&space, &tenant(0)?).await?.len();
    println!(
        "list_ids of {ids}      {:>8.2} ms",
        millis(started.elapsed())
    );
    let started = Instant::now();
    let count = store.count(&space, &tenant(0)?).await?;
    println!(
        "count of {count}         {:>8.2} ms",
        millis(started.elapsed())
    );
    let started = Instant::now();
    let removed = store.delete_tenant(&space, &tenant(0)?).await?;
    store.flush(&space).await?;
    store.flush(&space).await?;
    println!(
        "erasure of {removed}       {:>8.2} s",
        started.elapsed().as_secs_f64()
    );
    store.close().await;
    Ok(())
}

/// Writes the points in batches of 500, tenant by tenant, flushing every 10,000.
async fn fill(
    store: &dyn VectorStore,
    space: &Space,
    rng: &mut ChaCha8Rng,
    tenants: u64,
    points: u64,
) -> Outcome<()> {
    let (mut writing, mut flushing, mut written) = (Duration::ZERO, Duration::ZERO, 0);
    for number in 0..tenants {
        let tenant = tenant(number)?;
        let ids: Vec<u64> = (number * points..(number + 1) * points).collect();
        for batch in ids.chunks(500) {
            let batch = batch.iter().map(|id| point(*id, rng)).collect::<Vec<_>>();
            written += batch.len();
            let started = Instant::now();
            store.upsert(space, &tenant, batch).await?;
            writing += started.elapsed();
            if written % 10_000 == 0 {
                let started = Instant::now();
                store.flush(space).await?;
                flushing += started.elapsed();
            }
        }
    }
    println!("upsert of {written}      {:>8.2} s", writing.as_secs_f64());
    println!("flushes in between    {:>8.2} s", flushing.as_secs_f64());
    Ok(())
}

/// Searches of random tenants, one after the other.
async fn search(
    store: &dyn VectorStore,
    space: &Space,
    rng: &mut ChaCha8Rng,
    tenants: u64,
    when: &str,
) -> Outcome<()> {
    let (mut dense, mut sparse) = (Vec::new(), Vec::new());
    for _ in 0..SEARCHES {
        let tenant = tenant(rng.random_range(0..tenants))?;
        let query = vector(rng);
        let started = Instant::now();
        store.search_dense(space, &tenant, query, TOP).await?;
        dense.push(started.elapsed());
        let query = words(12, rng);
        let started = Instant::now();
        store.search_sparse(space, &tenant, query, TOP).await?;
        sparse.push(started.elapsed());
    }
    println!("searches, {when}:");
    for (kind, mut times) in [("dense", dense), ("sparse", sparse)] {
        times.sort_unstable();
        let at = |share: f64| millis(times[(share * (SEARCHES - 1) as f64) as usize]);
        println!(
            "  {kind:<8} p50 {:>7.3} ms   p99 {:>7.3} ms",
            at(0.50),
            at(0.99)
        );
    }
    Ok(())
}

fn point(id: u64, rng: &mut ChaCha8Rng) -> Point {
    Point {
        id,
        dense: vector(rng),
        sparse: words(25, rng),
    }
}

fn vector(rng: &mut ChaCha8Rng) -> Vec<f32> {
    (0..DIMENSIONS)
        .map(|_| rng.random_range(-1.0..1.0))
        .collect()
}

/// Distinct words, frequent ones more often.
fn words(number: usize, rng: &mut ChaCha8Rng) -> SparseVector {
    let mut indices = Vec::with_capacity(number);
    while indices.len() < number {
        let word = VOCABULARY.powf(rng.random_range(0.0..1.0)) as u32;
        if !indices.contains(&word) {
            indices.push(word);
        }
    }
    let values = indices.iter().map(|_| rng.random_range(0.5..3.0)).collect();
    SparseVector { indices, values }
}

fn tenant(number: u64) -> Outcome<TenantId> {
    Ok(format!("tenant-{number}").parse()?)
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
