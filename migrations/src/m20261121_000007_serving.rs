//! What serving leaves behind: cached embeddings, the index's watermark, answers, feedback, and
//! the first answers of mutations.

use sea_orm_migration::{prelude::*, schema::*};

use crate::ddl::{drop_tables, index, tenant_table};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(tenant_table(
                "embeddings",
                &["tenant_id", "space", "hash"],
                // Cached a tenant: a cache over tenants would tell one what another has asked.
                vec![
                    text("tenant_id"),
                    text("space"),
                    var_binary("hash", 32),
                    blob("vector"),
                ],
            ))
            .await?;
        manager
            .create_table(tenant_table(
                "index_state",
                &["tenant_id", "space"],
                vec![text("tenant_id"), text("space"), big_integer("watermark")],
            ))
            .await?;
        manager
            .create_table(tenant_table(
                "answers",
                &["tenant_id", "request_id"],
                vec![
                    text("tenant_id"),
                    text("request_id"),
                    text("text"),
                    text("model"),
                    text("tier"),
                    text("reason"),
                    json_binary("experts"),
                    big_integer("answered_at"),
                ],
            ))
            .await?;
        create_feedback(manager).await?;
        manager
            .create_table(tenant_table(
                "requests",
                &["tenant_id", "method", "request_id"],
                vec![
                    text("tenant_id"),
                    text("method"),
                    text("request_id"),
                    blob("fingerprint"),
                    blob("response"),
                    big_integer("saved_at"),
                ],
            ))
            .await?;
        manager
            .create_index(index("requests_by_age", "requests", &["saved_at"]))
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let tables = [
            "requests",
            "feedback",
            "answers",
            "index_state",
            "embeddings",
        ];
        drop_tables(manager, &tables).await
    }
}

async fn create_feedback(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(tenant_table(
            "feedback",
            &["tenant_id", "sequence"],
            vec![
                text("tenant_id"),
                big_integer("sequence"),
                text("request_id"),
                text("verdict"),
                // Empty where no expert is named: NULLs would not count as the same in the index.
                text("expert"),
                text_null("reassigned_to"),
                big_integer("given_at"),
            ],
        ))
        .await?;
    let once = ["tenant_id", "request_id", "verdict", "expert"];
    manager
        .create_index(index("feedback_once", "feedback", &once).unique().take())
        .await
}
