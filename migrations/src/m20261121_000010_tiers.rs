//! Models that no single tenant owns, the aliases that point at them, every move of an alias; and
//! what tenants that agree to it give for training them.

use sea_orm_migration::{prelude::*, schema::*};

use crate::ddl::{
    drop_tables, enable_row_level_security, index, table, tenant_table, wall_platform,
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // `owner` is `global` or `verticals/{vertical}`.
        manager
            .create_table(table(
                "tier_models",
                &["owner", "task", "version"],
                vec![
                    text("owner"),
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
        let mut champions = table(
            "tier_champions",
            &["owner", "task"],
            vec![text("owner"), text("task"), big_integer("version")],
        );
        champions.foreign_key(
            ForeignKey::create()
                .name("tier_champions_version")
                .from("tier_champions", ("owner", "task", "version"))
                .to("tier_models", ("owner", "task", "version")),
        );
        manager.create_table(champions).await?;
        create_events(manager).await?;
        manager
            .create_table(tenant_table(
                "training_signals",
                &["tenant_id", "task"],
                vec![
                    text("tenant_id"),
                    text("task"),
                    text("artifact_path"),
                    text("checksum"),
                    big_integer("size"),
                    big_integer("queries"),
                    big_integer("dataset"),
                    big_integer("made_at"),
                ],
            ))
            .await?;
        for table in ["tier_models", "tier_champions", "tier_events"] {
            wall_platform(manager, table).await?;
        }
        enable_row_level_security(manager, "training_signals", "tenant_id").await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let tables = [
            "training_signals",
            "tier_events",
            "tier_champions",
            "tier_models",
        ];
        drop_tables(manager, &tables).await
    }
}

async fn create_events(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let mut events = Table::create();
    events
        .table("tier_events")
        .col(big_integer("sequence").primary_key().auto_increment())
        .col(text("owner"))
        .col(text("task"))
        .col(big_integer_null("from_version"))
        .col(big_integer_null("to_version"))
        .col(text("reason"))
        .col(text("actor"))
        .col(big_integer("at"));
    manager.create_table(events).await?;
    manager
        .create_index(index(
            "tier_events_by_task",
            "tier_events",
            &["owner", "task", "sequence"],
        ))
        .await
}
