//! Inserts of many rows, so many in a statement as the databases take.

use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveModelTrait, DatabaseTransaction, EntityTrait, IntoActiveModel};

use crate::Result;

/// Rows in a statement. The widest table has 19 columns, and SQLite binds at most 32,766 values.
pub(crate) const ROWS_PER_INSERT: usize = 1_000;

/// Inserts rows, `at_a_time` in a statement; `conflict` says what becomes of those that are there.
pub(crate) async fn insert_all<A, M>(
    db: &DatabaseTransaction,
    rows: Vec<M>,
    at_a_time: usize,
    conflict: Option<&OnConflict>,
) -> Result<()>
where
    A: ActiveModelTrait + Send,
    M: IntoActiveModel<A>,
{
    let mut rows = rows
        .into_iter()
        .map(IntoActiveModel::into_active_model)
        .peekable();
    while rows.peek().is_some() {
        let some: Vec<A> = rows.by_ref().take(at_a_time).collect();
        let mut insert = A::Entity::insert_many(some);
        if let Some(conflict) = conflict {
            insert = insert.on_conflict(conflict.clone());
        }
        insert.exec_without_returning(db).await?;
    }
    Ok(())
}
