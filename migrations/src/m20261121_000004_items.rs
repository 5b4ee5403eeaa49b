//! Items as append-only revisions, rows in quarantine, datasets.

use sea_orm_migration::{prelude::*, schema::*};

use crate::ddl::{drop_tables, index, table, tenant_table};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create_revisions(manager).await?;
        create_points(manager).await?;
        manager
            .create_table(tenant_table(
                "rejections",
                &["tenant_id", "sequence"],
                vec![
                    text("tenant_id"),
                    big_integer("sequence"),
                    text("batch"),
                    big_integer("line"),
                    text("item_id"),
                    text("reason"),
                    text("field"),
                    text("message"),
                    text("excerpt"),
                    big_integer("rejected_at"),
                ],
            ))
            .await?;
        manager
            .create_index(index(
                "rejections_by_batch",
                "rejections",
                &["tenant_id", "batch", "sequence"],
            ))
            .await?;
        manager
            .create_table(tenant_table(
                "datasets",
                &["tenant_id", "number"],
                vec![
                    text("tenant_id"),
                    big_integer("number"),
                    big_integer("watermark"),
                    text("content_hash"),
                    big_integer("items"),
                    big_integer("experts"),
                    big_integer_null("first_at"),
                    big_integer_null("last_at"),
                    json_binary("report"),
                    big_integer("created_at"),
                ],
            ))
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["datasets", "rejections"]).await?;
        match manager.get_database_backend() {
            sea_orm::DbBackend::Postgres => {
                manager
                    .get_connection()
                    .execute_unprepared("DROP SEQUENCE item_points")
                    .await?;
            }
            _ => drop_tables(manager, &["item_points"]).await?,
        }
        drop_tables(manager, &["item_revisions"]).await
    }
}

/// One row a revision; the head of an item is its row without `superseded_by`.
async fn create_revisions(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(tenant_table(
            "item_revisions",
            &["tenant_id", "change"],
            vec![
                text("tenant_id"),
                big_integer("change"),
                text("item_id"),
                big_integer("point"),
                integer("revision"),
                big_integer_null("superseded_by"),
                boolean("deleted"),
                text("text"),
                text_null("answer"),
                text_null("area"),
                json_binary("labels"),
                json_binary("attributes"),
                json_binary("experts"),
                big_integer("occurred_at"),
                big_integer("ingested_at"),
            ],
        ))
        .await?;
    let head = || Expr::col("superseded_by").is_null();
    manager
        .create_index(
            index(
                "item_revisions_head",
                "item_revisions",
                &["tenant_id", "item_id"],
            )
            .unique()
            .and_where(head())
            .take(),
        )
        .await?;
    manager
        .create_index(
            index(
                "item_revisions_head_point",
                "item_revisions",
                &["tenant_id", "point"],
            )
            .unique()
            .and_where(head())
            .take(),
        )
        .await?;
    manager
        .create_index(
            index(
                "item_revisions_head_change",
                "item_revisions",
                &["tenant_id", "change"],
            )
            .and_where(head())
            .take(),
        )
        .await
}

/// Where points come from: numbers that are never given out twice, over all tenants.
///
/// A row that is counted up would make all tenants' writers wait for each other, so PostgreSQL has
/// a sequence; SQLite has one writer anyway.
async fn create_points(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    if manager.get_database_backend() == sea_orm::DbBackend::Postgres {
        manager
            .get_connection()
            .execute_unprepared("CREATE SEQUENCE item_points")
            .await?;
        return Ok(());
    }
    manager
        .create_table(table(
            "item_points",
            &["id"],
            vec![integer("id"), big_integer("last")],
        ))
        .await?;
    let first = Query::insert()
        .into_table("item_points")
        .columns(["id", "last"])
        .values_panic([1.into(), 0.into()])
        .to_owned();
    manager.execute(first).await
}
