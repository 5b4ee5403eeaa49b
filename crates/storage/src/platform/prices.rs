//! Price books and budgets.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::TenantId;
use domain::cost::PriceBook;
use rust_decimal::Decimal;
use sea_orm::sea_query::OnConflict;
use sea_orm::{EntityTrait, IntoActiveModel, QueryOrder};

use super::Platform;
use crate::convert::{count, from_json, micros, parsed, time, to_json};
use crate::rows::usage_days::tenant_of;
use crate::rows::{budgets, price_books};
use crate::tenant::audit::{Event, record};
use crate::{Result, StorageError};

/// Price books and budgets. Each method is a transaction of its own.
#[derive(Debug, Clone)]
pub struct Prices {
    pub(super) platform: Platform,
}

/// A price book as it was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPriceBook {
    /// Rises by one with each change.
    pub revision: u64,
    /// The book.
    pub book: PriceBook,
    /// Who kept it.
    pub actor: String,
    /// When.
    pub at: DateTime<Utc>,
}

impl Platform {
    /// Price books and budgets.
    #[must_use]
    pub fn prices(&self) -> Prices {
        Prices {
            platform: self.clone(),
        }
    }
}

impl Prices {
    /// The price book in force; none before the first was kept.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "prices.book", skip_all)]
    pub async fn book(&self) -> Result<Option<StoredPriceBook>> {
        let session = self.platform.session();
        let row = price_books::Entity::find()
            .order_by_desc(price_books::Column::Revision)
            .one(session.read().await?)
            .await?;
        row.map(StoredPriceBook::try_from).transpose()
    }

    /// Keeps a price book, which has been checked, and records that, as the one in force, if `after` is the revision
    /// that is in force now (0: none is).
    ///
    /// # Errors
    /// [`StorageError::Conflict`] when it is another; the database fails.
    #[tracing::instrument(level = "debug", name = "prices.keep", skip_all)]
    pub async fn keep(
        &self,
        book: &PriceBook,
        after: u64,
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<StoredPriceBook> {
        let session = self.platform.session();
        let db = session.write().await?;
        let newest = price_books::Entity::find()
            .order_by_desc(price_books::Column::Revision)
            .one(db)
            .await?;
        let newest = newest.map_or(0, |row| row.revision);
        if count(newest) != after {
            return Err(StorageError::conflict(
                "the price book was changed meanwhile; read it again",
            ));
        }
        let row = price_books::Model {
            revision: newest + 1,
            book: to_json("price_books.book", book)?,
            actor: actor.to_owned(),
            at: micros(now),
        };
        price_books::Entity::insert(row.clone().into_active_model())
            .exec_without_returning(db)
            .await?;
        let detail = format!(
            "revision {}, versions: {}",
            row.revision,
            book.versions.len()
        );
        let event = Event {
            tenant: None,
            actor,
            action: "prices.update",
            resource: "priceBook",
            detail: &detail,
        };
        record(db, event, now).await?;
        session.commit().await?;
        row.try_into()
    }

    /// What may be spent in a month, by tenant; none: by all together.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "prices.budgets", skip_all)]
    pub async fn budgets(&self) -> Result<BTreeMap<Option<TenantId>, Decimal>> {
        let session = self.platform.session();
        let rows = budgets::Entity::find().all(session.read().await?).await?;
        rows.into_iter()
            .map(|row| {
                let tenant = tenant_of("budgets.tenant_id", row.tenant_id)?;
                let monthly = parsed("budgets.monthly", || row.monthly.parse())?;
                Ok((tenant, monthly))
            })
            .collect()
    }

    /// Sets what may be spent in a month, or takes the limit away.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "prices.set_budget", skip_all)]
    pub async fn set_budget(
        &self,
        tenant: Option<&TenantId>,
        monthly: Option<Decimal>,
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<()> {
        let session = self.platform.session();
        let db = session.write().await?;
        let detail = monthly.map_or_else(|| "cleared".to_owned(), |monthly| monthly.to_string());
        let event = Event {
            tenant: tenant.map(TenantId::as_str),
            actor,
            action: "budgets.set",
            resource: &format!("tenants/{}", tenant.map_or("-", TenantId::as_str)),
            detail: &detail,
        };
        record(db, event, now).await?;
        let tenant = tenant.map_or("", TenantId::as_str).to_owned();
        match monthly {
            Some(monthly) => {
                let row = budgets::Model {
                    tenant_id: tenant,
                    monthly: monthly.to_string(),
                    updated_at: micros(now),
                };
                let rest = [budgets::Column::Monthly, budgets::Column::UpdatedAt];
                let conflict = OnConflict::column(budgets::Column::TenantId)
                    .update_columns(rest)
                    .to_owned();
                budgets::Entity::insert(row.into_active_model())
                    .on_conflict(conflict)
                    .exec_without_returning(db)
                    .await?;
            }
            None => {
                budgets::Entity::delete_by_id(tenant).exec(db).await?;
            }
        }
        session.commit().await
    }
}

impl TryFrom<price_books::Model> for StoredPriceBook {
    type Error = StorageError;

    fn try_from(row: price_books::Model) -> Result<Self> {
        Ok(Self {
            revision: count(row.revision),
            book: from_json("price_books.book", row.book)?,
            actor: row.actor,
            at: time("price_books.at", row.at)?,
        })
    }
}
