//! The engine's settings of a shard: vectors, indexes, when segments are rewritten.

use qdrant_edge::{
    CreateIndex, Distance, EdgeConfig, EdgeOptimizersConfig, EdgeSparseVectorParams,
    EdgeVectorParams, FieldIndexOperations, HnswIndexConfig, KeywordIndexParams,
    PayloadFieldSchema, PayloadSchemaParams, QuantizationConfig, UpdateOperation, WalOptions,
};
use serde_json::json;

use super::translate::tenant_path;
use crate::VectorError;
use crate::layout::{DENSE, QUANTILE, TENANT_LINKS, WORDS, WORDS_EXACT_UP_TO, exact_up_to_kb};
use crate::port::{Result, Space};

/// Bytes of one file of the engine's write-ahead log.
const WAL_SEGMENT_BYTES: usize = 8 << 20;

/// KB of vectors from which a segment is optimized: 2,000 vectors of 384 dimensions.
const OPTIMIZE_FROM_KB: usize = 3_000;

/// Settings of the space's shard.
pub(super) fn shard(space: &Space) -> Result<EdgeConfig> {
    let dense = EdgeVectorParams::builder(space.dimensions, Distance::Cosine)
        .quantization_config(quantization()?)
        .build();
    let words = EdgeSparseVectorParams::builder()
        .full_scan_threshold(WORDS_EXACT_UP_TO)
        .build();
    let graph = HnswIndexConfig {
        m: 0,
        payload_m: Some(TENANT_LINKS),
        full_scan_threshold: exact_up_to_kb(space.dimensions),
        ..HnswIndexConfig::default()
    };
    let wal = WalOptions {
        segment_capacity: WAL_SEGMENT_BYTES,
        ..WalOptions::default()
    };
    Ok(EdgeConfig::builder()
        .vector(DENSE, dense)
        .sparse_vector(WORDS, words)
        .hnsw_config(graph)
        .optimizers(optimizers())
        .wal_options(wal)
        .build())
}

/// When segments are rewritten. Searches go through the segments one after the other, so there are
/// few: large optimized ones, and a small one that takes the writes.
pub(super) fn optimizers() -> EdgeOptimizersConfig {
    EdgeOptimizersConfig {
        default_segment_number: Some(2),
        indexing_threshold: Some(OPTIMIZE_FROM_KB),
        ..EdgeOptimizersConfig::default()
    }
}

/// Rewrites each segment that has any removed point: what was erased is then gone from disk.
pub(super) fn eager_optimizers() -> EdgeOptimizersConfig {
    EdgeOptimizersConfig {
        deleted_threshold: Some(0.0),
        vacuum_min_vector_number: Some(0),
        ..optimizers()
    }
}

/// The index that finds a tenant's points, and keeps them together on disk.
pub(super) fn tenant_index() -> Result<UpdateOperation> {
    let keyword = KeywordIndexParams {
        is_tenant: Some(true),
        ..KeywordIndexParams::default()
    };
    let index = CreateIndex {
        field_name: tenant_path()?,
        field_schema: Some(PayloadFieldSchema::FieldParams(
            PayloadSchemaParams::Keyword(keyword),
        )),
    };
    Ok(UpdateOperation::FieldIndexOperation(
        FieldIndexOperations::CreateIndex(index),
    ))
}

/// One byte a dimension, in memory, for the first look: comparing vectors is bound by how fast they
/// come out of memory. Made from JSON because the engine does not export the type inside.
fn quantization() -> Result<QuantizationConfig> {
    let int8 = json!({ "scalar": { "type": "int8", "quantile": QUANTILE, "always_ram": true } });
    serde_json::from_value(int8).map_err(|error| VectorError::Engine {
        doing: "setting up quantization",
        source: error.into(),
    })
}
