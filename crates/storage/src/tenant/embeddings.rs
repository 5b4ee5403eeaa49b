//! Vectors by the hash of their text, so that nothing is embedded twice.

use std::collections::HashMap;

use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QuerySelect, QueryTrait};

use super::{TenantTx, VALUES_PER_IN};
use crate::insert::ROWS_PER_INSERT;
use crate::rows::embeddings::{ActiveModel, Column, Entity, Model};
use crate::{Result, StorageError};

/// The tenant's cache of embeddings.
#[derive(Debug, Clone, Copy)]
pub struct Embeddings<'a> {
    pub(super) tx: &'a TenantTx,
}

impl Embeddings<'_> {
    /// The vectors of those `hashes` that are known in `space`.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "embeddings.get", skip_all)]
    pub async fn get(
        &self,
        space: &str,
        hashes: &[[u8; 32]],
    ) -> Result<HashMap<[u8; 32], Vec<f32>>> {
        let db = self.tx.session().read().await?;
        let mut vectors = HashMap::with_capacity(hashes.len());
        for hashes in hashes.chunks(VALUES_PER_IN) {
            let rows: Vec<(Vec<u8>, Vec<u8>)> = self
                .tx
                .find::<Entity>()
                .select_only()
                .columns([Column::Hash, Column::Vector])
                .filter(Column::Space.eq(space))
                .filter(Column::Hash.is_in(hashes.iter().map(|hash| hash.to_vec())))
                .into_tuple()
                .all(db)
                .await?;
            for (hash, vector) in rows {
                vectors.insert(hash_of(&hash)?, floats(&vector)?);
            }
        }
        Ok(vectors)
    }

    /// Keeps vectors; those known already stay as they are.
    ///
    /// # Errors
    /// The tenant does not exist or is being erased, or the database fails.
    #[tracing::instrument(level = "debug", name = "embeddings.put", skip_all)]
    pub async fn put(&self, space: &str, mut vectors: Vec<([u8; 32], Vec<f32>)>) -> Result<()> {
        // In one order for all writers, so that none waits for another in a circle.
        vectors.sort_unstable_by_key(|(hash, _)| *hash);
        let db = self.tx.session().write_data().await?;
        for vectors in vectors.chunks(ROWS_PER_INSERT) {
            let rows = vectors
                .iter()
                .map(|(hash, vector)| self.row(space, hash, vector));
            Entity::insert_many(rows)
                .on_conflict(
                    OnConflict::columns([Column::TenantId, Column::Space, Column::Hash])
                        .do_nothing()
                        .to_owned(),
                )
                .exec_without_returning(db)
                .await?;
        }
        Ok(())
    }

    /// Forgets at most `limit` of the vectors of `space`; returns how many.
    ///
    /// # Errors
    /// The tenant does not exist or is being erased, or the database fails.
    #[tracing::instrument(level = "debug", name = "embeddings.forget", skip_all)]
    pub async fn forget(&self, space: &str, limit: u64) -> Result<u64> {
        let db = self.tx.session().write_data().await?;
        let some = self
            .tx
            .find::<Entity>()
            .select_only()
            .column(Column::Hash)
            .filter(Column::Space.eq(space))
            .limit(limit)
            .into_query();
        let gone = Entity::delete_many()
            .filter(Column::TenantId.eq(self.tx.id()))
            .filter(Column::Space.eq(space))
            .filter(Column::Hash.in_subquery(some))
            .exec(db)
            .await?;
        Ok(gone.rows_affected)
    }

    fn row(&self, space: &str, hash: &[u8; 32], vector: &[f32]) -> ActiveModel {
        Model {
            tenant_id: self.tx.id().to_owned(),
            space: space.to_owned(),
            hash: hash.to_vec(),
            vector: vector.iter().flat_map(|x| x.to_le_bytes()).collect(),
        }
        .into_active_model()
    }
}

fn hash_of(bytes: &[u8]) -> Result<[u8; 32]> {
    bytes
        .try_into()
        .map_err(|_| StorageError::corrupt("embeddings.hash", "is not 32 bytes long"))
}

fn floats(bytes: &[u8]) -> Result<Vec<f32>> {
    let (chunks, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(StorageError::corrupt("embeddings.vector", "is cut off"));
    }
    Ok(chunks
        .iter()
        .map(|chunk| f32::from_le_bytes(*chunk))
        .collect())
}
