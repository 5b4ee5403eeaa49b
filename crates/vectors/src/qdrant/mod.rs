//! The store on a Qdrant server or cluster, over gRPC.

mod layout;
mod translate;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use domain::TenantId;
use qdrant_client::Qdrant;
use qdrant_client::qdrant::{
    CountPointsBuilder, CreateCollectionBuilder, CreateFieldIndexCollectionBuilder,
    DeletePointsBuilder, Distance, FieldType, Filter, HnswConfigDiffBuilder,
    KeywordIndexParamsBuilder, QuantizationSearchParamsBuilder, Query, QueryPointsBuilder,
    RetrievedPoint, ScalarQuantizationBuilder, ScrollPointsBuilder, SearchParamsBuilder,
    SparseIndexConfigBuilder, SparseVectorParamsBuilder, SparseVectorsConfigBuilder,
    UpsertPointsBuilder, VectorInput, VectorParamsBuilder, VectorsConfigBuilder, vectors_config,
};

use self::layout::{
    DENSE, OVERSAMPLING, QUANTILE, TENANT, TENANT_LINKS, WORDS, WORDS_EXACT_UP_TO, exact_up_to_kb,
    graph_beam,
};
use self::translate::failed;
use crate::port::{Found, Point, Result, Space, SparseVector, VectorStore};
use crate::{VectorError, checks};

/// Longest time for one request.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Longest time to reach the server.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Points of one write: well below the server's message limit, also with the most dimensions.
const CHUNK: usize = 250;
/// Points of one page when all of a tenant are listed.
const PAGE: u32 = 2_000;

/// The vector store on a Qdrant server.
///
/// Each space is a collection `tenantry-<space>` with the named vectors `dense` and `words`. Writes
/// wait until they are applied, at which point the server has them in its log and replays them after
/// a crash; so a flush has nothing left to do.
pub struct QdrantStore {
    client: Qdrant,
    closed: AtomicBool,
}

impl QdrantStore {
    /// A store on the server at `url`, for example `http://qdrant:6334`. Nothing is sent yet.
    ///
    /// # Errors
    /// [`VectorError::InvalidArgument`] when the address is none.
    pub fn connect(url: &str, api_key: Option<&str>) -> Result<Self> {
        let mut config = Qdrant::from_url(url)
            .timeout(TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            .keep_alive_while_idle()
            // The check prints to standard output; `health` shows whether the server answers.
            .skip_compatibility_check();
        config.api_key = api_key.map(str::to_owned);
        let client = config.build().map_err(|error| {
            VectorError::InvalidArgument(format!("the address of the vector store: {error}"))
        })?;
        Ok(Self {
            client,
            closed: AtomicBool::new(false),
        })
    }

    fn client(&self) -> Result<&Qdrant> {
        if self.closed.load(Ordering::Acquire) {
            return Err(VectorError::Closed);
        }
        Ok(&self.client)
    }

    async fn create(&self, space: &Space) -> Result<()> {
        let mut vectors = VectorsConfigBuilder::default();
        vectors.add_named_vector_params(
            DENSE,
            VectorParamsBuilder::new(space.dimensions as u64, Distance::Cosine),
        );
        let words =
            SparseIndexConfigBuilder::default().full_scan_threshold(WORDS_EXACT_UP_TO as u64);
        let mut sparse = SparseVectorsConfigBuilder::default();
        sparse.add_named_vector_params(WORDS, SparseVectorParamsBuilder::default().index(words));
        let graph = HnswConfigDiffBuilder::default()
            .m(0)
            .payload_m(TENANT_LINKS as u64)
            .full_scan_threshold(exact_up_to_kb(space.dimensions) as u64);
        let int8 = ScalarQuantizationBuilder::default()
            .quantile(QUANTILE)
            .always_ram(true);
        let request = CreateCollectionBuilder::new(collection(space))
            .vectors_config(vectors)
            .sparse_vectors_config(sparse)
            .hnsw_config(graph)
            .quantization_config(int8);
        let client = self.client()?;
        if let Err(error) = client.create_collection(request).await {
            // Another process may have been faster.
            if !self.exists(space).await? {
                return Err(failed("making a collection", &space.name)(error));
            }
        }
        Ok(())
    }

    async fn exists(&self, space: &Space) -> Result<bool> {
        self.client()?
            .collection_exists(collection(space))
            .await
            .map_err(failed("looking for a collection", &space.name))
    }

    /// Dimensions of the collection's dense vectors.
    async fn dimensions(&self, space: &Space) -> Result<usize> {
        let info = self
            .client()?
            .collection_info(collection(space))
            .await
            .map_err(failed("reading a collection's settings", &space.name))?;
        let vectors = info
            .result
            .and_then(|info| info.config?.params?.vectors_config?.config);
        match vectors {
            Some(vectors_config::Config::ParamsMap(params)) if params.map.contains_key(DENSE) => {
                Ok(usize::try_from(params.map[DENSE].size).unwrap_or(usize::MAX))
            }
            _ => Err(VectorError::Corrupt {
                space: space.name.clone(),
                detail: format!("its collection has no {DENSE} vectors"),
            }),
        }
    }

    async fn number_of(&self, space: &Space, filter: Filter) -> Result<u64> {
        let request = CountPointsBuilder::new(collection(space))
            .filter(filter)
            .exact(true);
        let answer = self
            .client()?
            .count(request)
            .await
            .map_err(failed("counting points", &space.name))?;
        Ok(answer.result.map_or(0, |result| result.count))
    }

    async fn remove(&self, space: &Space, filter: Filter) -> Result<()> {
        let request = DeletePointsBuilder::new(collection(space))
            .points(filter)
            .wait(true);
        self.client()?
            .delete_points(request)
            .await
            .map_err(failed("removing points", &space.name))?;
        Ok(())
    }

    async fn nearest(
        &self,
        space: &Space,
        tenant: &TenantId,
        vector: VectorInput,
        using: &str,
        limit: usize,
    ) -> Result<Found> {
        let quantization = QuantizationSearchParamsBuilder::default()
            .rescore(true)
            .oversampling(OVERSAMPLING);
        let params = SearchParamsBuilder::default()
            .hnsw_ef(graph_beam(limit) as u64)
            .quantization(quantization);
        let request = QueryPointsBuilder::new(collection(space))
            .query(Query::new_nearest(vector))
            .using(using)
            .filter(translate::of_tenant(tenant))
            .params(params)
            .limit(limit as u64)
            .with_payload(false);
        let answer = self
            .client()?
            .query(request)
            .await
            .map_err(failed("searching", &space.name))?;
        let mut hits = answer
            .result
            .into_iter()
            .map(translate::hit)
            .collect::<Result<Vec<_>>>()?;
        checks::order(&mut hits);
        Ok(Found {
            hits,
            // No number, or a negative one, is not a time.
            cpu: Duration::try_from_secs_f64(answer.time).unwrap_or_default(),
        })
    }

    /// All points that match, page by page, in order of id.
    async fn scroll(&self, space: &Space, filter: Filter) -> Result<Vec<RetrievedPoint>> {
        let client = self.client()?;
        let mut points = Vec::new();
        let mut offset = None;
        loop {
            let mut request = ScrollPointsBuilder::new(collection(space))
                .filter(filter.clone())
                .limit(PAGE)
                .with_payload(false);
            if let Some(offset) = offset {
                request = request.offset(offset);
            }
            let page = client
                .scroll(request)
                .await
                .map_err(failed("listing points", &space.name))?;
            points.extend(page.result);
            offset = page.next_page_offset;
            if offset.is_none() {
                return Ok(points);
            }
        }
    }
}

#[async_trait]
impl VectorStore for QdrantStore {
    async fn ensure_space(&self, space: &Space) -> Result<()> {
        checks::space(space)?;
        if !self.exists(space).await? {
            self.create(space).await?;
        }
        let stored = self.dimensions(space).await?;
        if stored != space.dimensions {
            let (space, asked) = (space.name.clone(), space.dimensions);
            return Err(VectorError::SpaceMismatch {
                space,
                stored,
                asked,
            });
        }
        let index =
            CreateFieldIndexCollectionBuilder::new(collection(space), TENANT, FieldType::Keyword)
                .field_index_params(KeywordIndexParamsBuilder::default().is_tenant(true))
                .wait(true);
        self.client()?
            .create_field_index(index)
            .await
            .map_err(failed("indexing the tenants", &space.name))?;
        Ok(())
    }

    async fn reset_space(&self, space: &Space) -> Result<()> {
        checks::space(space)?;
        if self.exists(space).await? {
            self.client()?
                .delete_collection(collection(space))
                .await
                .map_err(failed("removing a collection", &space.name))?;
        }
        self.ensure_space(space).await
    }

    async fn upsert(&self, space: &Space, tenant: &TenantId, points: Vec<Point>) -> Result<()> {
        checks::space(space)?;
        let mut points = checks::points(space, points)?;
        if points.is_empty() {
            return Ok(());
        }
        let ids: Vec<u64> = points.iter().map(|point| point.id).collect();
        let foreign = translate::of_others_with_ids(tenant, &ids);
        let count = self.number_of(space, foreign).await?;
        if count > 0 {
            return Err(VectorError::OwnedByAnother { count });
        }
        let client = self.client()?;
        while !points.is_empty() {
            let rest = points.split_off(points.len().min(CHUNK));
            let messages: Vec<_> = points
                .into_iter()
                .map(|point| translate::point(tenant, point))
                .collect();
            // The filter holds for points that exist: should another process have written one of
            // the ids for its tenant since the count, the server leaves it alone.
            let request = UpsertPointsBuilder::new(collection(space), messages)
                .update_filter(translate::of_tenant(tenant))
                .wait(true);
            client
                .upsert_points(request)
                .await
                .map_err(failed("writing points", &space.name))?;
            points = rest;
        }
        Ok(())
    }

    async fn delete(&self, space: &Space, tenant: &TenantId, ids: Vec<u64>) -> Result<()> {
        checks::space(space)?;
        self.remove(space, translate::of_tenant_with_ids(tenant, &ids))
            .await
    }

    async fn delete_tenant(&self, space: &Space, tenant: &TenantId) -> Result<u64> {
        checks::space(space)?;
        let removed = self.number_of(space, translate::of_tenant(tenant)).await?;
        self.remove(space, translate::of_tenant(tenant)).await?;
        Ok(removed)
    }

    async fn flush(&self, space: &Space) -> Result<()> {
        checks::space(space)?;
        if self.exists(space).await? {
            return Ok(());
        }
        Err(VectorError::UnknownSpace {
            space: space.name.clone(),
        })
    }

    async fn search_dense(
        &self,
        space: &Space,
        tenant: &TenantId,
        vector: Vec<f32>,
        limit: usize,
    ) -> Result<Found> {
        checks::space(space)?;
        checks::dense(space, &vector)?;
        checks::limit(limit)?;
        if checks::is_zero(&vector) {
            return Ok(Found::default());
        }
        self.nearest(space, tenant, VectorInput::new_dense(vector), DENSE, limit)
            .await
    }

    async fn search_sparse(
        &self,
        space: &Space,
        tenant: &TenantId,
        query: SparseVector,
        limit: usize,
    ) -> Result<Found> {
        checks::space(space)?;
        let query = checks::sparse(query)?;
        checks::limit(limit)?;
        if query.indices.is_empty() {
            return Ok(Found::default());
        }
        let query = VectorInput::new_sparse(query.indices, query.values);
        self.nearest(space, tenant, query, WORDS, limit).await
    }

    async fn count(&self, space: &Space, tenant: &TenantId) -> Result<u64> {
        checks::space(space)?;
        self.number_of(space, translate::of_tenant(tenant)).await
    }

    async fn list_ids(&self, space: &Space, tenant: &TenantId) -> Result<Vec<u64>> {
        checks::space(space)?;
        let points = self.scroll(space, translate::of_tenant(tenant)).await?;
        points.into_iter().map(translate::id).collect()
    }

    async fn health(&self) -> Result<()> {
        self.client()?
            .health_check()
            .await
            .map_err(failed("checking its health", ""))?;
        Ok(())
    }

    async fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }
}

/// Name of the space's collection on the server.
fn collection(space: &Space) -> String {
    format!("tenantry-{}", space.name)
}
