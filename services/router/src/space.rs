//! The embedding space that a view belongs to: what makes its vectors, and where they are searched.
//!
//! A view has exactly one, chosen when it is read. Whoever answers with a view embeds, searches and
//! predicts in its space alone, so that vectors of different spaces never meet, whatever the tenant
//! switches to meanwhile.

use std::time::{Duration, Instant};

use domain::cost::Meter;
use domain::{ErrorKind, TaskId, TenantContext};
use embedding::{Embedder, Embedders};
use metering::usage;
use server::ServiceError;
use storage::TenantTx;
use vectors::{Hit, Space};

use crate::Router;
use crate::recommend::PATIENCE;
use crate::wire::Times;

/// Items that a task asks of the vector store: not all of them have what it wants.
const DEPTH: usize = 100;

/// One space, ready to be asked.
#[derive(Clone)]
pub(crate) struct AskedSpace {
    pub space: Space,
    pub embedder: Embedder,
}

impl AskedSpace {
    /// The tenant's active space. Its model is loaded where it was not yet.
    ///
    /// # Errors
    /// The model cannot be used on this server, with the remedy; the database fails.
    pub(crate) async fn active(tx: &TenantTx, embedders: &Embedders) -> Result<Self, ServiceError> {
        let embedder = embedders.get(&tx.spaces().active().await?).await?;
        let info = embedder.space();
        let space = Space {
            name: info.name.to_owned(),
            dimensions: info.dimensions,
        };
        Ok(Self { space, embedder })
    }

    /// The name that models say in their lineage.
    pub(crate) fn name(&self) -> &str {
        &self.space.name
    }
}

impl Router {
    /// A text's vector, and the items nearest to it in the same space. None when the vector does not come
    /// in the time that remains for the caller.
    pub(crate) async fn nearest(
        &self,
        ctx: &TenantContext,
        asked: &AskedSpace,
        text: &str,
        remaining: Option<Duration>,
        times: &mut Times,
    ) -> Result<Option<(Vec<f32>, Vec<Hit>)>, ServiceError> {
        let embedding = asked.embedder.embed_query(text.to_owned());
        let embedded = match remaining {
            Some(left) => match tokio::time::timeout(left.mul_f64(PATIENCE), embedding).await {
                Ok(embedded) => embedded?,
                Err(_) => return Ok(None),
            },
            None => embedding.await?,
        };
        usage::embedded(embedded.tokens, embedded.cpu);
        (times.embedding_queued, times.embedding) = (embedded.queued, embedded.computed);
        let searching = Instant::now();
        let vector = embedded.vector;
        let vectors = &self.parts.vectors;
        let found = vectors
            .search_dense(&asked.space, ctx.tenant(), vector.clone(), DEPTH)
            .await?;
        times.search = searching.elapsed();
        usage::add(Meter::SearchCpu, usage::micros(found.cpu));
        Ok(Some((vector, found.hits)))
    }
}

/// The refusal of a head that was trained in a space that the tenant has left.
pub(crate) fn left_behind(task: &TaskId, space: &str) -> ServiceError {
    let message = format!(
        "the model was trained in the embedding space {space}, which the tenant has left; retrain \
         {task}"
    );
    ServiceError::new(ErrorKind::FailedPrecondition, "SPACE_CHANGED", message)
}
