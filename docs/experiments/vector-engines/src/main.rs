//! Searches the points of one tenant among many with several engines, in one run:
//! `cargo run --release --manifest-path docs/experiments/vector-engines/Cargo.toml [tenants] [points]`.
//!
//! Vectors are random directions of 384 numbers around 40 centres, as texts of one customer cluster;
//! words follow Zipf's law over 30,000, 25 a point and 12 a query. Each engine holds all tenants and
//! answers the same 500 queries for the 50 nearest of one tenant.

use std::collections::HashSet;
use std::error::Error;
use std::time::{Duration, Instant};

use rand::{Rng, RngExt};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use tenantry_vectors::{Point, Space, SparseVector, VectorsConfig};

const DIMENSIONS: usize = 384;
const QUERIES: usize = 500;
const TOP: usize = 50;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// One tenant's points and the queries about it.
struct Data {
    tenants: Vec<Vec<Point>>,
    queries: Vec<(Vec<f32>, SparseVector)>,
}

/// What an engine took.
struct Row {
    engine: &'static str,
    write: Duration,
    open: Duration,
    dense: Vec<Duration>,
    sparse: Vec<Duration>,
    recall: f64,
    bytes: u64,
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let tenants: usize = arguments.next().map_or(Ok(10), |text| text.parse())?;
    let points: usize = arguments.next().map_or(Ok(4_000), |text| text.parse())?;
    let data = data(tenants, points);
    println!("{tenants} tenants of {points} points, {DIMENSIONS} dimensions, top {TOP}\n");
    println!("| engine | write all | first search after opening | dense p50 | dense p99 | words p50 | recall | bytes a point on disk |");
    println!("|---|---:|---:|---:|---:|---:|---:|---:|");
    let exact = exact(&data);
    for row in [ours(&data, &exact).await?, sqlite_vec(&data, &exact)?, usearch(&data, &exact)?] {
        let all = (tenants * points) as u64;
        let words = match row.sparse.is_empty() {
            true => "–".to_owned(),
            false => format!("{:.3} ms", percentile(&row.sparse, 0.5)),
        };
        println!(
            "| {} | {:.1} s | {:.1} ms | {:.3} ms | {:.3} ms | {words} | {:.3} | {} |",
            row.engine,
            row.write.as_secs_f64(),
            row.open.as_secs_f64() * 1e3,
            percentile(&row.dense, 0.5),
            percentile(&row.dense, 0.99),
            row.recall,
            row.bytes / all,
        );
    }
    Ok(())
}

/// The store of this project.
async fn ours(data: &Data, exact: &[HashSet<u64>]) -> Outcome<Row> {
    let folder = tempfile::tempdir()?;
    let config = VectorsConfig { path: folder.path().to_owned(), ..VectorsConfig::default() };
    let space = Space { name: "speed".to_owned(), dimensions: DIMENSIONS };
    let store = tenantry_vectors::open(&config).await?;
    store.ensure_space(&space).await?;
    let started = Instant::now();
    for (number, points) in data.tenants.iter().enumerate() {
        let tenant = format!("tenant-{number}").parse()?;
        for batch in points.chunks(500) {
            store.upsert(&space, &tenant, batch.to_vec()).await?;
        }
        store.flush(&space).await?;
    }
    let write = started.elapsed();
    store.close().await;
    drop(store);
    let store = tenantry_vectors::open(&config).await?;
    let tenant: domain::TenantId = "tenant-0".parse()?;
    let started = Instant::now();
    store.search_dense(&space, &tenant, data.queries[0].0.clone(), TOP).await?;
    let open = started.elapsed();
    let (mut dense, mut sparse, mut found) = (Vec::new(), Vec::new(), Vec::new());
    for (vector, words) in &data.queries {
        let started = Instant::now();
        let hits = store.search_dense(&space, &tenant, vector.clone(), TOP).await?;
        dense.push(started.elapsed());
        found.push(hits.iter().map(|hit| hit.id).collect());
        let started = Instant::now();
        store.search_sparse(&space, &tenant, words.clone(), TOP).await?;
        sparse.push(started.elapsed());
    }
    store.close().await;
    let (recall, bytes) = (recall(&found, exact), size(folder.path())?);
    Ok(Row { engine: "this store", write, open, dense, sparse, recall, bytes })
}

/// SQLite's vector table, partitioned by tenant. It has no search over weights of words.
#[allow(unsafe_code, reason = "an extension of SQLite is registered by its address")]
fn sqlite_vec(data: &Data, exact: &[HashSet<u64>]) -> Outcome<Row> {
    // SAFETY: this is how the crate says that its entry point is registered.
    unsafe {
        type Entry = unsafe extern "C" fn(
            *mut rusqlite::ffi::sqlite3,
            *mut *mut std::ffi::c_char,
            *const rusqlite::ffi::sqlite3_api_routines,
        ) -> std::ffi::c_int;
        let entry = std::mem::transmute::<*const (), Entry>(sqlite_vec::sqlite3_vec_init as *const ());
        rusqlite::ffi::sqlite3_auto_extension(Some(entry));
    }
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("vec.sqlite");
    let mut db = rusqlite::Connection::open(&path)?;
    db.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;")?;
    db.execute_batch(&format!(
        "CREATE VIRTUAL TABLE points USING vec0(
            tenant TEXT PARTITION KEY, id INTEGER PRIMARY KEY,
            dense FLOAT[{DIMENSIONS}] DISTANCE_METRIC=cosine)"
    ))?;
    let bytes = |vector: &[f32]| vector.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
    let started = Instant::now();
    for (number, points) in data.tenants.iter().enumerate() {
        for batch in points.chunks(500) {
            let tx = db.transaction()?;
            for point in batch {
                tx.prepare_cached("INSERT INTO points (tenant, id, dense) VALUES (?1, ?2, ?3)")?
                    .execute((format!("tenant-{number}"), point.id.cast_signed(), bytes(&point.dense)))?;
            }
            tx.commit()?;
        }
    }
    let write = started.elapsed();
    drop(db);
    let db = rusqlite::Connection::open(&path)?;
    let (mut dense, mut found) = (Vec::new(), Vec::new());
    for (vector, _) in &data.queries {
        let started = Instant::now();
        let mut select = db.prepare_cached(
            "SELECT id FROM points WHERE tenant = 'tenant-0' AND dense MATCH ?1 AND k = ?2",
        )?;
        let hits = select.query_map((bytes(vector), TOP as i64), |row| row.get::<_, i64>(0))?;
        let hits: HashSet<u64> = hits.map(|id| id.map(i64::cast_unsigned)).collect::<Result<_, _>>()?;
        dense.push(started.elapsed());
        found.push(hits);
    }
    let (open, recall) = (dense[0], recall(&found, exact));
    let bytes = size(folder.path())?;
    Ok(Row { engine: "sqlite-vec", write, open, dense, sparse: Vec::new(), recall, bytes })
}

/// A graph for each tenant, in half precision. It has no search over weights of words.
fn usearch(data: &Data, exact: &[HashSet<u64>]) -> Outcome<Row> {
    let folder = tempfile::tempdir()?;
    let options = usearch::IndexOptions {
        dimensions: DIMENSIONS,
        metric: usearch::MetricKind::Cos,
        quantization: usearch::ScalarKind::F16,
        ..usearch::IndexOptions::default()
    };
    let path = |number: usize| folder.path().join(format!("tenant-{number}")).display().to_string();
    let started = Instant::now();
    for (number, points) in data.tenants.iter().enumerate() {
        let index = usearch::new_index(&options)?;
        index.reserve(points.len())?;
        for point in points {
            index.add(point.id, &point.dense)?;
        }
        index.save(&path(number))?;
    }
    let write = started.elapsed();
    let started = Instant::now();
    let index = usearch::new_index(&options)?;
    index.load(&path(0))?;
    index.search(&data.queries[0].0, TOP)?;
    let open = started.elapsed();
    let (mut dense, mut found) = (Vec::new(), Vec::new());
    for (vector, _) in &data.queries {
        let started = Instant::now();
        let hits = index.search(vector, TOP)?;
        dense.push(started.elapsed());
        found.push(hits.keys.into_iter().collect());
    }
    let (recall, bytes) = (recall(&found, exact), size(folder.path())?);
    Ok(Row { engine: "usearch", write, open, dense, sparse: Vec::new(), recall, bytes })
}

fn data(tenants: usize, points: usize) -> Data {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let centres: Vec<Vec<f32>> = (0..40).map(|_| random(&mut rng)).collect();
    let dense = |rng: &mut ChaCha8Rng| {
        let centre = &centres[rng.random_range(0..centres.len())];
        let noise = random(rng);
        centre.iter().zip(noise).map(|(c, n)| c + n).collect::<Vec<f32>>()
    };
    let all = (0..tenants).map(|tenant| {
        let ids = tenant * points..(tenant + 1) * points;
        let point = |id: usize| Point { id: id as u64, dense: dense(&mut rng), sparse: words(&mut rng, 25) };
        ids.map(point).collect::<Vec<_>>()
    });
    let all: Vec<_> = all.collect();
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let queries = (0..QUERIES).map(|_| (dense(&mut rng), words(&mut rng, 12))).collect();
    Data { tenants: all, queries }
}

fn random(rng: &mut impl Rng) -> Vec<f32> {
    (0..DIMENSIONS).map(|_| rng.random_range(-1.0..1.0)).collect()
}

fn words(rng: &mut impl Rng, count: usize) -> SparseVector {
    let mut drawn: HashSet<u32> = HashSet::new();
    while drawn.len() < count {
        drawn.insert(30_000.0_f64.powf(rng.random_range(0.0..1.0)) as u32);
    }
    let values = drawn.iter().map(|_| rng.random_range(0.5..2.0)).collect();
    SparseVector { indices: drawn.into_iter().collect(), values }
}

/// The true nearest of each query, compared one by one in full precision.
fn exact(data: &Data) -> Vec<HashSet<u64>> {
    let length = |a: &[f32]| a.iter().map(|x| x * x).sum::<f32>().sqrt();
    let nearest = |(query, _): &(Vec<f32>, SparseVector)| {
        let score = |point: &Point| {
            let dot: f32 = query.iter().zip(&point.dense).map(|(x, y)| x * y).sum();
            (dot / length(&point.dense), point.id)
        };
        let mut scored: Vec<(f32, u64)> = data.tenants[0].iter().map(score).collect();
        scored.sort_by(|a, b| b.0.total_cmp(&a.0));
        scored.into_iter().take(TOP).map(|(_, id)| id).collect()
    };
    data.queries.iter().map(nearest).collect()
}

fn recall(found: &[HashSet<u64>], exact: &[HashSet<u64>]) -> f64 {
    let shared = found.iter().zip(exact).map(|(found, exact)| found.intersection(exact).count());
    shared.sum::<usize>() as f64 / (exact.len() * TOP) as f64
}

fn percentile(times: &[Duration], share: f64) -> f64 {
    let mut times = times.to_vec();
    times.sort();
    times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3
}

fn size(folder: &std::path::Path) -> Outcome<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        bytes += entry?.metadata()?.len();
    }
    Ok(bytes)
}
