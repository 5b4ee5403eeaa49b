//! How a space is laid out on a server: the names in a point, and the numbers behind the indexes.

/// Name of the dense vector of a point.
pub(super) const DENSE: &str = "dense";

/// Name of the sparse vector of a point.
pub(super) const WORDS: &str = "words";

/// The one key of a point's payload: whose it is.
pub(super) const TENANT: &str = "tenant";

/// Links of a point in the graph within its tenant. There is no graph over all tenants, which nobody
/// searches.
pub(super) const TENANT_LINKS: usize = 16;

/// Vectors of a tenant up to which each of them is compared, and no graph is made. Comparing 25,000
/// takes 2 ms; the graphs of 100,000 vectors take a minute and a half to make, with writers waiting,
/// and find the nearest only mostly.
const EXACT_UP_TO: usize = 30_000;

/// Points of a tenant up to which words are looked up point by point. Beyond, the words' own lists
/// are read, which are longer the more tenants share the space.
pub(super) const WORDS_EXACT_UP_TO: usize = 15_000;

/// Share of the values that the bytes of a quantized vector span; the rest is clipped.
pub(super) const QUANTILE: f32 = 0.995;

/// Candidates that quantized vectors propose for each hit asked for. They are compared again in full,
/// so scores are exact.
pub(super) const OVERSAMPLING: f64 = 2.0;

/// Candidates a search in a graph keeps at least.
const GRAPH_BEAM: usize = 256;

/// [`EXACT_UP_TO`] as the engine wants it: KB of vectors.
pub(super) fn exact_up_to_kb(dimensions: usize) -> usize {
    (EXACT_UP_TO * dimensions * size_of::<f32>() / 1_024).max(1)
}

/// Candidates a search for so many hits keeps in a graph.
pub(super) fn graph_beam(limit: usize) -> usize {
    GRAPH_BEAM.max(limit)
}
