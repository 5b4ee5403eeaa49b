//! The embedding space that a view belongs to: what makes its vectors, and where they are searched.
//!
//! A view has exactly one, chosen when it is read. Whoever answers with a view embeds, searches and
//! predicts in its space alone, so that vectors of different spaces never meet, whatever the tenant
//! switches to meanwhile.

use embedding::{Embedder, Embedders};
use server::ServiceError;
use storage::TenantTx;
use vectors::Space;

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
