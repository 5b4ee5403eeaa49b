//! scratch
#![allow(clippy::all, clippy::print_stdout, clippy::unwrap_used, missing_docs)]
use std::time::Instant;
use qdrant_edge::*;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde_json::json;
fn vector(rng: &mut ChaCha8Rng) -> Vec<f32> { (0..384).map(|_| rng.random_range(-1.0..1.0)).collect() }
fn words(n: usize, rng: &mut ChaCha8Rng) -> SparseVector {
    let mut ix = vec![]; while ix.len() < n { let w = 30000f64.powf(rng.random_range(0.0..1.0)) as u32; if !ix.contains(&w) { ix.push(w); } }
    let v = ix.iter().map(|_| rng.random_range(0.5..3.0)).collect(); SparseVector::new(ix, v).unwrap()
}
fn filter(t: u64) -> Filter { Filter::new_must(Condition::Field(FieldCondition::new_match("tenant".parse().unwrap(), Match::new_value(ValueVariants::String(format!("tenant-{t}")))))) }
fn bench(shard: &EdgeShard, tenants: u64, rng: &mut ChaCha8Rng, when: &str) {
    let mut out = vec![];
    for kind in ["filter-only", "dense", "sparse"].into_iter().filter(|k| std::env::var("K").map_or(true, |w| w == *k)) {
        let mut ts = vec![]; let (mut hit, mut tot) = (0, 0);
        for _ in 0..std::env::var("N").map_or(500, |n| n.parse().unwrap()) {
            let t = rng.random_range(0..tenants);
            let q = match kind { "dense" => Some((VectorInternal::Dense(vector(rng)), "dense")), "sparse" => Some((VectorInternal::Sparse(words(12, rng)), "words")), _ => None };
            let s = Instant::now();
            match q {
                None => { shard.count(CountRequest { filter: Some(filter(t)), exact: true }).unwrap(); }
                Some((q, n)) => { let q2 = q.clone(); let r = shard.search(SearchRequest { query: QueryEnum::Nearest(NamedQuery { query: q, using: Some(n.into()) }), filter: Some(filter(t)), params: std::env::var("Q").ok().map(|o| SearchParams { quantization: Some(QuantizationSearchParams { ignore: false, rescore: Some(true), oversampling: Some(o.parse().unwrap()) }), ..Default::default() }), limit: 50, offset: 0, with_payload: None, with_vector: None, score_threshold: None }).unwrap(); assert!(n == "words" || r.len() == 50); ts.push(s.elapsed()); if n == "dense" && ts.len() % 20 == 0 { let e = shard.search(SearchRequest { query: QueryEnum::Nearest(NamedQuery { query: q2, using: Some(n.into()) }), filter: Some(filter(t)), params: Some(SearchParams { exact: true, quantization: Some(QuantizationSearchParams { ignore: true, rescore: None, oversampling: None }), ..Default::default() }), limit: 50, offset: 0, with_payload: None, with_vector: None, score_threshold: None }).unwrap(); hit += e.iter().filter(|e| r.iter().any(|r| r.id == e.id)).count(); tot += 50; } continue; }
            }
            ts.push(s.elapsed());
        }
        ts.sort();
        out.push(format!("{kind} recall {hit}/{tot} p50 {:.3} p90 {:.3}", ts[ts.len()/2].as_secs_f64()*1e3, ts[ts.len()*9/10].as_secs_f64()*1e3));
    }
    println!("{when}: {} segs {}", out.join(" | "), shard.info().segments_count);
}
fn main() {
    let a: Vec<u64> = std::env::args().skip(1).map(|x| x.parse().unwrap()).collect();
    let (tenants, per, segs, every, max_mb) = (a[0], a[1], a[2], a[3], a[4]);
    let dir = tempfile::tempdir().unwrap();
    let config = EdgeConfig::builder().vector("dense", { let b = EdgeVectorParams::builder(384, Distance::Cosine); if std::env::var("Q").is_ok() { b.quantization_config(serde_json::from_value(json!({"scalar":{"type":"int8","quantile":0.995,"always_ram":true}})).unwrap()).build() } else { b.build() } }).sparse_vector("words", EdgeSparseVectorParams::builder().build())
        .hnsw_config(HnswIndexConfig { m: 0, payload_m: Some(16), ..Default::default() })
        .optimizers(EdgeOptimizersConfig { default_segment_number: Some(segs as usize), max_segment_size: (max_mb>0).then_some(max_mb as usize * 1024), ..Default::default() })
        .wal_options(WalOptions { segment_capacity: 8 << 20, ..Default::default() }).build();
    let shard = EdgeShard::new(dir.path(), config).unwrap();
    shard.update(UpdateOperation::FieldIndexOperation(FieldIndexOperations::CreateIndex(CreateIndex { field_name: "tenant".parse().unwrap(), field_schema: Some(PayloadFieldSchema::FieldParams(PayloadSchemaParams::Keyword(KeywordIndexParams { is_tenant: Some(true), ..Default::default() }))) }))).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let (mut up, mut fl, mut op, mut chk) = (0.0, 0.0, 0.0, 0.0); let mut n = 0;
    let mut ops = vec![];
    for t in 0..tenants { for b in 0..per/500 {
        let ids: Vec<u64> = (0..500).map(|i| t*per + b*500 + i).collect();
        let pts: Vec<_> = ids.iter().map(|id| PointStructPersisted::from(PointStruct::new(PointId::NumId(*id), NamedVectors::default().add_vector("dense", Vector::new_dense(vector(&mut rng))).add_vector("words", Vector(VectorInternal::Sparse(words(std::env::var("W").map_or(25, |w| w.parse().unwrap()), &mut rng)))), json!({"tenant": format!("tenant-{t}")})))).collect();
        let s = Instant::now();
        let f = Filter { must: Some(vec![Condition::HasId(ids.iter().map(|i| PointId::NumId(*i)).collect())]), must_not: filter(t).must, ..Default::default() };
        assert_eq!(shard.count(CountRequest { filter: Some(f), exact: true }).unwrap(), 0);
        chk += s.elapsed().as_secs_f64();
        let s = Instant::now();
        shard.update(UpdateOperation::PointOperation(PointOperations::UpsertPoints(PointInsertOperations::PointsList(pts)))).unwrap();
        up += s.elapsed().as_secs_f64(); n += 500;
        if n % every == 0 {
            let s = Instant::now(); shard.flush(); fl += s.elapsed().as_secs_f64();
            if n / every == 1 || n == tenants*per { bench(&shard, (n/per).max(1), &mut rng, &format!("{n} before optimize")); }
            let s = Instant::now(); shard.optimize().unwrap(); let d = s.elapsed().as_secs_f64(); op += d; ops.push(format!("{d:.1}"));
        }
    } }
    println!("up {up:.2} check {chk:.2} flush {fl:.2} optimize {op:.2} [{}]", ops.join(" "));
    bench(&shard, tenants, &mut rng, "after");
}
