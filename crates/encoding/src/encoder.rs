//! The encoder of one embedding space, and where encoders come from.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::{DEFAULT_EMBEDDING_MODEL, TenantContext, TenantId};
use embedding::{Embedded, Embedder, Embedders, EmbeddingError};
use metering::usage;
use ndarray::{Array2, ArrayView1};
use storage::{Purpose, Store, TenantTx};
use vectors::Space;

use crate::query_cache::QueryCache;
use crate::{EncodingError, Result};

/// So many missing texts go ahead of everybody's stored texts in [`Lane::QueryIfFew`]: names of labels
/// are that few.
const FEW: usize = 256;
/// Texts of one step of [`Encoder::matrix`].
const CHUNK: usize = 256;

/// What a text is known by in a cache.
pub type Hash = [u8; 32];

/// Where texts wait for the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Somebody waits: ahead of all passages.
    Query,
    /// In bulk, whenever no query waits.
    Passage,
    /// Somebody waits, but may have to embed thousands of texts: [`Lane::Query`] for a few of them,
    /// [`Lane::Passage`] for more.
    QueryIfFew,
}

/// Makes an [`Encoder`] for each embedding space. Clones share the models and the cached questions.
#[derive(Clone)]
pub struct Encoders {
    store: Store,
    embedders: Embedders,
    queries: QueryCache,
    /// Spaces whose vectors were made by the files that are here.
    claimed: Arc<Mutex<HashSet<&'static str>>>,
}

impl Encoders {
    /// With the models of `embedders` and the caches of `store`.
    #[must_use]
    pub fn new(store: Store, embedders: Embedders) -> Self {
        Self {
            store,
            embedders,
            queries: QueryCache::new(),
            claimed: Arc::default(),
        }
    }

    /// The encoder of the tenant's active space. Its model is loaded where it was not yet.
    ///
    /// # Errors
    /// The model cannot be used on this server, with the remedy; the database fails.
    pub async fn active(&self, tx: &TenantTx) -> Result<Encoder> {
        self.of(&tx.spaces().active().await?).await
    }

    /// The encoder of a space.
    ///
    /// # Errors
    /// The model cannot be used on this server, with the remedy.
    pub async fn of(&self, space: &str) -> Result<Encoder> {
        let embedder = self.embedders.get(space).await?;
        self.claim(&embedder).await?;
        Ok(Encoder::with_queries(
            self.store.clone(),
            embedder,
            self.queries.clone(),
        ))
    }
}

impl Encoders {
    /// Makes sure, once for each space, that the files here are those that its vectors were made with. The
    /// start of the server has seen to those of spaces that were in use then.
    async fn claim(&self, embedder: &Embedder) -> Result<()> {
        let space = embedder.space();
        let claimed = || self.claimed.lock().unwrap_or_else(PoisonError::into_inner);
        if space.name == DEFAULT_EMBEDDING_MODEL || claimed().contains(space.name) {
            return Ok(());
        }
        let platform = self.store.maintenance(Purpose::Indexing);
        let theirs = platform.claim_space(space.name, &space.fingerprint).await?;
        if theirs.is_some() {
            return Err(EmbeddingError::OtherFiles { model: space.name }.into());
        }
        claimed().insert(space.name);
        Ok(())
    }
}

/// Turns texts into vectors of one space.
#[derive(Clone)]
pub struct Encoder {
    store: Store,
    embedder: Embedder,
    space: Space,
    queries: QueryCache,
}

/// The vector of a question, and where its time went.
#[derive(Debug, Clone, PartialEq)]
pub struct EncodedQuery {
    /// The vector.
    pub vector: Vec<f32>,
    /// How long it waited for the model.
    pub queued: Duration,
    /// How long the model computed.
    pub computed: Duration,
}

impl EncodedQuery {
    /// A vector that was there already.
    #[must_use]
    pub fn cached(vector: Vec<f32>) -> Self {
        Self {
            vector,
            queued: Duration::ZERO,
            computed: Duration::ZERO,
        }
    }
}

/// What a tenant's cache has of texts.
#[derive(Debug, Default)]
pub struct LookedUp {
    hashes: Vec<Hash>,
    known: HashMap<Hash, Vec<f32>>,
}

/// Texts as vectors.
#[derive(Debug)]
pub struct Encoded {
    /// The vectors, in the order of the texts.
    pub vectors: Vec<Vec<f32>>,
    /// Those that the cache did not have, for [`Encoder::keep`].
    pub computed: Vec<(Hash, Vec<f32>)>,
}

impl From<Embedded> for EncodedQuery {
    fn from(embedded: Embedded) -> Self {
        Self {
            vector: embedded.vector,
            queued: embedded.queued,
            computed: embedded.computed,
        }
    }
}

impl Encoder {
    /// The encoder of the space that `embedder` makes vectors of.
    #[must_use]
    pub fn new(store: Store, embedder: Embedder) -> Self {
        Self::with_queries(store, embedder, QueryCache::new())
    }

    fn with_queries(store: Store, embedder: Embedder, queries: QueryCache) -> Self {
        let info = embedder.space();
        Self {
            space: Space {
                name: info.name.to_owned(),
                dimensions: info.dimensions,
            },
            store,
            embedder,
            queries,
        }
    }

    /// Where its vectors are stored and searched.
    #[must_use]
    pub fn space(&self) -> &Space {
        &self.space
    }

    /// The name of the space, as models have it in their lineage.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.space.name
    }

    /// Whether the model reads only the beginning of a text. Takes up to a millisecond of this thread
    /// for texts of several thousand characters.
    #[must_use]
    pub fn truncates(&self, text: &str) -> bool {
        self.embedder.truncates(text)
    }

    /// The vectors of texts that the tenant has stored, in their order: from the tenant's cache, or
    /// computed and put there; computed each time where that takes less than looking. No transaction is
    /// open while the model computes.
    ///
    /// # Errors
    /// The model or the database fails.
    pub async fn encode(
        &self,
        ctx: &TenantContext,
        texts: &[&str],
        lane: Lane,
    ) -> Result<Vec<Vec<f32>>> {
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        let tx = self.store.begin(ctx).await?;
        let looked = self.look(&tx, texts).await?;
        drop(tx);
        let encoded = self.encode_looked(texts, looked, lane).await?;
        if !encoded.computed.is_empty() {
            let tx = self.store.begin(ctx).await?;
            self.keep(&tx, encoded.computed).await?;
            tx.commit().await?;
        }
        Ok(encoded.vectors)
    }

    /// What the tenant's cache has of texts, for [`Encoder::encode_looked`]: [`Encoder::encode`] in steps, for
    /// who has transactions of its own before and after.
    ///
    /// # Errors
    /// The database fails.
    pub async fn look(&self, tx: &TenantTx, texts: &[&str]) -> Result<LookedUp> {
        if self.embedder.is_instant() {
            return Ok(LookedUp::default());
        }
        let hashes = self.hashes(texts);
        let known = tx.embeddings().get(self.name(), &hashes).await?;
        Ok(LookedUp { hashes, known })
    }

    /// The vectors of texts that were looked up, in their order: what the cache did not have is computed. No
    /// transaction should be open meanwhile.
    ///
    /// # Errors
    /// The model fails.
    pub async fn encode_looked(
        &self,
        texts: &[&str],
        looked: LookedUp,
        lane: Lane,
    ) -> Result<Encoded> {
        if self.embedder.is_instant() {
            return Ok(Encoded {
                vectors: self.compute_each(texts).await?,
                computed: Vec::new(),
            });
        }
        let LookedUp { hashes, mut known } = looked;
        let computed = self.compute(missing(texts, &hashes, &known), lane).await?;
        known.extend(computed.iter().cloned());
        Ok(Encoded {
            vectors: in_order(&hashes, &known)?,
            computed,
        })
    }

    /// Puts what was computed into the tenant's cache.
    ///
    /// # Errors
    /// The tenant does not exist or is being erased, or the database fails.
    pub async fn keep(&self, tx: &TenantTx, computed: Vec<(Hash, Vec<f32>)>) -> Result<()> {
        if computed.is_empty() {
            return Ok(());
        }
        Ok(tx.embeddings().put(self.name(), computed).await?)
    }

    /// [`Encoder::encode`] for any number of texts, in steps, as one row each. `proceed` is asked before
    /// each step, with the share that is done; when it declines, the answer is none.
    ///
    /// # Errors
    /// As there.
    pub async fn matrix(
        &self,
        ctx: &TenantContext,
        texts: &[&str],
        lane: Lane,
        mut proceed: impl FnMut(f32) -> bool + Send,
    ) -> Result<Option<Array2<f32>>> {
        let dimensions = self.space.dimensions;
        let mut rows = Vec::with_capacity(texts.len() * dimensions);
        for (done, chunk) in texts.chunks(CHUNK).enumerate() {
            if !proceed((done * CHUNK) as f32 / texts.len() as f32) {
                return Ok(None);
            }
            rows.extend(self.encode(ctx, chunk, lane).await?.into_iter().flatten());
        }
        let rows = Array2::from_shape_vec((texts.len(), dimensions), rows);
        rows.map(Some).map_err(|_| EncodingError::Missing)
    }

    /// What the tenant's cache has of texts, as one row each; NaN for those that the index has not come to
    /// yet.
    ///
    /// # Errors
    /// The database fails.
    pub async fn cached(&self, tx: &TenantTx, texts: &[&str]) -> Result<Array2<f32>> {
        let dimensions = self.space.dimensions;
        if self.embedder.is_instant() {
            let rows = self.compute_each(texts).await?.into_iter().flatten();
            let rows = Array2::from_shape_vec((texts.len(), dimensions), rows.collect());
            return rows.map_err(|_| EncodingError::Missing);
        }
        let hashes = self.hashes(texts);
        let known = tx.embeddings().get(self.name(), &hashes).await?;
        let mut rows = Array2::from_elem((hashes.len(), dimensions), f32::NAN);
        for (mut row, hash) in rows.outer_iter_mut().zip(&hashes) {
            if let Some(vector) = known.get(hash).filter(|one| one.len() == dimensions) {
                row.assign(&ArrayView1::from(vector));
            }
        }
        Ok(rows)
    }

    /// The vector of a question that somebody waits for: from memory, where the tenant asked it a
    /// moment ago.
    ///
    /// # Errors
    /// The model is overloaded or fails.
    pub async fn query(&self, tenant: &TenantId, text: &str) -> Result<EncodedQuery> {
        if self.embedder.is_instant() {
            let embedded = self.embedder.embed_query(text.to_owned()).await?;
            return Ok(metered(embedded));
        }
        let hash = self.embedder.content_hash(text);
        if let Some(vector) = self.queries.get(tenant, hash) {
            return Ok(EncodedQuery::cached(vector.to_vec()));
        }
        let embedded = self.embedder.embed_query(text.to_owned()).await?;
        Ok(self.remember(tenant, hash, embedded))
    }

    /// [`Encoder::query`] for many questions, in few runs of the model. Each has an outcome of its own.
    pub async fn queries(&self, tenant: &TenantId, texts: &[&str]) -> Vec<Result<EncodedQuery>> {
        if self.embedder.is_instant() {
            let all = texts.iter().map(|text| (*text).to_owned()).collect();
            let embedded = self.embedder.embed_queries(all).await.into_iter();
            return embedded
                .map(|one| one.map(metered).map_err(Into::into))
                .collect();
        }
        let cached: Vec<(Hash, Option<Arc<[f32]>>)> = texts
            .iter()
            .map(|text| {
                let hash = self.embedder.content_hash(text);
                (hash, self.queries.get(tenant, hash))
            })
            .collect();
        let unknown = texts.iter().zip(&cached);
        let unknown = unknown.filter(|(_, (_, vector))| vector.is_none());
        let unknown = unknown.map(|(text, _)| (*text).to_owned()).collect();
        let mut computed = self.embedder.embed_queries(unknown).await.into_iter();
        let encoded = cached.into_iter().map(|(hash, cached)| match cached {
            Some(vector) => Ok(EncodedQuery::cached(vector.to_vec())),
            None => {
                let embedded = computed.next().ok_or(EncodingError::Missing)??;
                Ok(self.remember(tenant, hash, embedded))
            }
        });
        encoded.collect()
    }

    fn remember(&self, tenant: &TenantId, hash: Hash, embedded: Embedded) -> EncodedQuery {
        usage::embedded(embedded.tokens, embedded.cpu);
        self.queries
            .put(tenant, hash, embedded.vector.as_slice().into());
        embedded.into()
    }

    fn hashes(&self, texts: &[&str]) -> Vec<Hash> {
        let hash = |text: &&str| self.embedder.content_hash(text);
        texts.iter().map(hash).collect()
    }

    /// The vectors of texts whose cache nobody needs.
    async fn compute_each(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>> {
        let mut vectors = Vec::with_capacity(texts.len());
        for chunk in texts.chunks(CHUNK) {
            let chunk = chunk.iter().map(|text| (*text).to_owned()).collect();
            let embedded = self.embedder.embed_passages(chunk).await?.into_iter();
            vectors.extend(embedded.map(|one| metered(one).vector));
        }
        Ok(vectors)
    }

    async fn compute(&self, missing: Missing, lane: Lane) -> Result<Vec<(Hash, Vec<f32>)>> {
        if missing.is_empty() {
            return Ok(Vec::new());
        }
        let (hashes, texts): (Vec<Hash>, Vec<String>) = missing.into_iter().unzip();
        let is_query = match lane {
            Lane::Query => true,
            Lane::Passage => false,
            Lane::QueryIfFew => texts.len() <= FEW,
        };
        let embedded: Vec<Embedded> = if is_query {
            let embedded = self.embedder.embed_queries(texts).await;
            embedded
                .into_iter()
                .collect::<std::result::Result<_, _>>()?
        } else {
            self.embedder.embed_passages(texts).await?
        };
        for one in &embedded {
            usage::embedded(one.tokens, one.cpu);
        }
        let vectors = embedded.into_iter().map(|one| one.vector);
        Ok(hashes.into_iter().zip(vectors).collect())
    }
}

/// What was embedded in an instant, with its processor time counted. Its tokens are not: they are priced as what
/// a transformer reads, and the same text may be embedded many times.
fn metered(embedded: Embedded) -> EncodedQuery {
    usage::embedded(0, embedded.cpu);
    embedded.into()
}

/// Texts without a vector, each once.
type Missing = Vec<(Hash, String)>;

fn missing(texts: &[&str], hashes: &[Hash], known: &HashMap<Hash, Vec<f32>>) -> Missing {
    let mut seen = HashSet::new();
    hashes
        .iter()
        .zip(texts)
        .filter(|(hash, _)| !known.contains_key(*hash) && seen.insert(**hash))
        .map(|(hash, text)| (*hash, (*text).to_owned()))
        .collect()
}

fn in_order(hashes: &[Hash], known: &HashMap<Hash, Vec<f32>>) -> Result<Vec<Vec<f32>>> {
    let found = hashes.iter().map(|hash| known.get(hash).cloned());
    let found: Option<_> = found.collect();
    found.ok_or(EncodingError::Missing)
}

#[cfg(test)]
#[path = "encoder_tests.rs"]
mod tests;
