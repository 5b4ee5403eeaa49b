//! Model versions, the aliases that point at them, and every move of an alias.

use sea_orm_migration::{prelude::*, schema::*};

use crate::ddl::{drop_tables, index, tenant_table};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(tenant_table(
                "models",
                &["tenant_id", "task", "version"],
                vec![
                    text("tenant_id"),
                    text("task"),
                    big_integer("version"),
                    text("artifact_path"),
                    text("checksum"),
                    big_integer("size"),
                    json_binary("lineage"),
                    text("verdict"),
                    text("report"),
                    big_integer("created_at"),
                ],
            ))
            .await?;
        let mut aliases = tenant_table(
            "model_aliases",
            &["tenant_id", "task", "alias"],
            vec![
                text("tenant_id"),
                text("task"),
                text("alias"),
                big_integer("version"),
            ],
        );
        aliases.foreign_key(
            ForeignKey::create()
                .name("model_aliases_version")
                .from("model_aliases", ("tenant_id", "task", "version"))
                .to("models", ("tenant_id", "task", "version")),
        );
        manager.create_table(aliases).await?;
        manager
            .create_table(tenant_table(
                "model_events",
                &["tenant_id", "sequence"],
                vec![
                    text("tenant_id"),
                    big_integer("sequence"),
                    text("task"),
                    text("alias"),
                    big_integer_null("from_version"),
                    big_integer_null("to_version"),
                    text("reason"),
                    text("actor"),
                    big_integer("at"),
                ],
            ))
            .await?;
        manager
            .create_index(index(
                "model_events_by_task",
                "model_events",
                &["tenant_id", "task", "sequence"],
            ))
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["model_events", "model_aliases", "models"]).await
    }
}
