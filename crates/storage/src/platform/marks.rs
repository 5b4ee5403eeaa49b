//! What is known of all usage: up to which day it is closed, and since when there is any.

use chrono::{DateTime, NaiveDate, Utc};
use sea_orm::sea_query::OnConflict;
use sea_orm::{DatabaseTransaction, EntityTrait, IntoActiveModel, QuerySelect};

use super::usage::Usage;
use crate::Result;
use crate::convert::{micros, time};
use crate::rows::usage_days::{self, number_of};
use crate::rows::usage_marks;

/// Days before this one are closed: see [`Usage::close_before`].
const CLOSED: &str = "closed_before";
/// When the platform was started for the first time, in microseconds since 1970.
const FIRST_START: &str = "first_start";

impl Usage {
    /// Closes all days before `day`: what becomes known of them later is an adjustment, so that
    /// reports over them stay as they are. Never opens a day again.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "usage.close_before", skip_all)]
    pub async fn close_before(&self, day: NaiveDate) -> Result<()> {
        let session = self.platform.session();
        let db = session.write().await?;
        if closed_before(db, true).await? < number_of(day) {
            let row = usage_marks::Model {
                name: CLOSED.to_owned(),
                value: number_of(day),
            };
            let conflict = OnConflict::column(usage_marks::Column::Name)
                .update_column(usage_marks::Column::Value)
                .to_owned();
            usage_marks::Entity::insert(row.into_active_model())
                .on_conflict(conflict)
                .exec_without_returning(db)
                .await?;
            session.commit().await?;
        }
        Ok(())
    }

    /// Days before this one are closed; none when no day is.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "usage.closed_before", skip_all)]
    pub async fn closed_before(&self) -> Result<Option<NaiveDate>> {
        let session = self.platform.session();
        let closed = closed_before(session.read().await?, false).await?;
        (closed > i64::MIN)
            .then(|| usage_days::day_of("usage_marks.value", closed))
            .transpose()
    }

    /// Keeps `now` as the time of the platform's first start, unless one is kept: it never changes.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "usage.keep_first_start", skip_all)]
    pub async fn keep_first_start(&self, now: DateTime<Utc>) -> Result<()> {
        let session = self.platform.session();
        let row = usage_marks::Model {
            name: FIRST_START.to_owned(),
            value: micros(now),
        };
        let kept = OnConflict::column(usage_marks::Column::Name)
            .do_nothing()
            .to_owned();
        usage_marks::Entity::insert(row.into_active_model())
            .on_conflict(kept)
            .exec_without_returning(session.write().await?)
            .await?;
        session.commit().await
    }

    /// When the platform was started for the first time; none before that.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "usage.first_start", skip_all)]
    pub async fn first_start(&self) -> Result<Option<DateTime<Utc>>> {
        let session = self.platform.session();
        let found = usage_marks::Entity::find_by_id(FIRST_START.to_owned())
            .one(session.read().await?)
            .await?;
        found
            .map(|row| time("usage_marks.value", row.value))
            .transpose()
    }
}

/// The first day that is open, by its number; the lowest number when no day is closed.
pub(super) async fn closed_before(db: &DatabaseTransaction, lock: bool) -> Result<i64> {
    let mut query = usage_marks::Entity::find_by_id(CLOSED.to_owned());
    if lock {
        query = query.lock_exclusive();
    }
    Ok(query.one(db).await?.map_or(i64::MIN, |row| row.value))
}
