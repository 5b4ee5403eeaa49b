//! The tenant's counters: taking a number locks them until the commit.

use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, ConnectionTrait, QueryFilter, QuerySelect, QueryTrait};

use super::TenantTx;
use crate::convert::int;
use crate::rows::tenant_counters::{Column, Entity};
use crate::{Result, StorageError};

/// Locks the tenant's counters until the end of the transaction, and reads one.
///
/// Who holds the lock is the only writer of what is numbered by the counters: reads after it see
/// everything before, and nothing comes between.
pub(super) async fn lock(tx: &TenantTx, counter: Column) -> Result<i64> {
    let db = tx.session().write_data().await?;
    let last: Option<i64> = tx
        .find::<Entity>()
        .select_only()
        .column(counter)
        .lock_exclusive()
        .into_tuple()
        .one(db)
        .await?;
    last.ok_or_else(|| StorageError::not_found(format!("tenants/{}", tx.tenant())))
}

/// The last number given out, without a lock.
pub(super) async fn last(tx: &TenantTx, counter: Column) -> Result<i64> {
    let db = tx.session().read().await?;
    let last: Option<i64> = tx
        .find::<Entity>()
        .select_only()
        .column(counter)
        .into_tuple()
        .one(db)
        .await?;
    Ok(last.unwrap_or(0))
}

/// Takes `n` numbers and returns the first. Locks the counters.
pub(super) async fn take(tx: &TenantTx, counter: Column, n: usize) -> Result<i64> {
    take_with(tx, counter, n, 0).await
}

/// [`take`] of changes of items, by which there are `more` items (fewer, where it is below zero).
pub(super) async fn take_changes(tx: &TenantTx, n: usize, more: i64) -> Result<i64> {
    take_with(tx, Column::ItemChange, n, more).await
}

async fn take_with(tx: &TenantTx, counter: Column, n: usize, more_items: i64) -> Result<i64> {
    let n = i64::try_from(n).unwrap_or(i64::MAX);
    let db = tx.session().write_data().await?;
    let mut update = tx
        .update::<Entity>()
        .col_expr(counter, Expr::col(counter).add(n))
        .filter(counter.gte(0));
    if more_items != 0 {
        update = update.col_expr(Column::Items, Expr::col(Column::Items).add(more_items));
    }
    let mut update = update.into_query();
    let row = db.query_one(update.returning_col(counter)).await?;
    let row = row.ok_or_else(|| StorageError::not_found(format!("tenants/{}", tx.tenant())))?;
    Ok(row.try_get_by_index::<i64>(0)? - n + 1)
}

/// Says how many items there are.
pub(super) async fn set_items(tx: &TenantTx, items: u64) -> Result<()> {
    let db = tx.session().write_data().await?;
    let update = tx.update::<Entity>();
    let update = update.col_expr(Column::Items, Expr::value(int(items)));
    update.exec(db).await?;
    Ok(())
}
