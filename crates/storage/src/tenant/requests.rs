//! The first answers of mutations, so that asking again does nothing twice.

use chrono::{DateTime, Utc};
use domain::RequestId;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};

use super::TenantTx;
use crate::convert::micros;
use crate::rows::requests::{Column, Entity, Model};
use crate::{Result, StorageError};

/// The tenant's answered mutations.
///
/// Look with [`Requests::find`] before the work, and [`Requests::save`] in the transaction that
/// does it: the work and its answer are committed together, or neither.
#[derive(Debug, Clone, Copy)]
pub struct Requests<'a> {
    pub(super) tx: &'a TenantTx,
}

impl Requests<'_> {
    /// The answer that this request got the first time.
    ///
    /// `fingerprint` stands for the contents of the request, for example a hash of them.
    ///
    /// # Errors
    /// [`StorageError::RequestIdReused`] when the request had other contents then; the database
    /// fails.
    #[tracing::instrument(level = "debug", name = "requests.find", skip_all)]
    pub async fn find(
        &self,
        method: &str,
        request_id: &RequestId,
        fingerprint: &[u8],
    ) -> Result<Option<Vec<u8>>> {
        let db = self.tx.session().read().await?;
        let row = self
            .tx
            .find::<Entity>()
            .filter(Column::Method.eq(method))
            .filter(Column::RequestId.eq(request_id.as_str()))
            .one(db)
            .await?;
        match row {
            Some(row) if row.fingerprint != fingerprint => Err(StorageError::RequestIdReused),
            row => Ok(row.map(|row| row.response)),
        }
    }

    /// Keeps the answer.
    ///
    /// # Errors
    /// [`StorageError::Conflict`] when the same request was answered meanwhile by another call:
    /// drop this transaction, and [`Requests::find`] gives that answer. The tenant does not exist,
    /// or the database fails.
    #[tracing::instrument(level = "debug", name = "requests.save", skip_all)]
    pub async fn save(
        &self,
        method: &str,
        request_id: &RequestId,
        fingerprint: &[u8],
        response: Vec<u8>,
        now: DateTime<Utc>,
    ) -> Result<()> {
        let row = Model {
            tenant_id: self.tx.id().to_owned(),
            method: method.to_owned(),
            request_id: request_id.to_string(),
            fingerprint: fingerprint.to_vec(),
            response,
            saved_at: micros(now),
        };
        let saved = Entity::insert(row.into_active_model())
            .on_conflict(
                OnConflict::columns([Column::TenantId, Column::Method, Column::RequestId])
                    .do_nothing()
                    .to_owned(),
            )
            .exec_without_returning(self.tx.session().write().await?)
            .await?;
        match saved {
            0 => Err(StorageError::conflict(
                "the same request is being answered right now",
            )),
            _ => Ok(()),
        }
    }
}
