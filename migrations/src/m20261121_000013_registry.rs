//! What a registry needs to be trusted: what trainings read besides their dataset, the trials of
//! searches, what was pruned; and indexes by age for what only grows.

use sea_orm_migration::{prelude::*, schema::*};

use crate::ddl::{drop_tables, enable_row_level_security, index, tenant_table};

/// The tables here.
const TABLES: [&str; 2] = ["trials", "training_inputs"];

/// Index, table and column of what is forgotten by age.
const BY_AGE: [(&str, &str, &str); 3] = [
    ("answers_by_age", "answers", "answered_at"),
    ("classifications_by_age", "classifications", "answered_at"),
    ("jobs_by_end", "jobs", "finished_at"),
];

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let inputs = vec![
            text("tenant_id"),
            text("hash"),
            text("body"),
            big_integer("made_at"),
        ];
        let key = ["tenant_id", "hash"];
        manager
            .create_table(tenant_table("training_inputs", &key, inputs))
            .await?;
        let trials = vec![
            text("tenant_id"),
            text("task"),
            big_integer("version"),
            integer("number"),
            json_binary("parameters"),
            text("seed"),
            json_binary("metrics"),
            double("seconds"),
            boolean("chosen"),
            big_integer("created_at"),
        ];
        let key = ["tenant_id", "task", "version", "number"];
        manager
            .create_table(tenant_table("trials", &key, trials))
            .await?;
        for table in TABLES {
            enable_row_level_security(manager, table, "tenant_id").await?;
        }
        // Moves of the champion were all there was; what is pruned is an event too.
        let alias = Table::alter()
            .table("tier_events")
            .add_column(text("alias").default("champion"))
            .to_owned();
        manager.alter_table(alias).await?;
        for (name, table, column) in BY_AGE {
            manager.create_index(index(name, table, &[column])).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (name, table, _) in BY_AGE {
            let dropped = Index::drop().name(name).table(table).to_owned();
            manager.drop_index(dropped).await?;
        }
        let alias = Table::alter()
            .table("tier_events")
            .drop_column("alias")
            .to_owned();
        manager.alter_table(alias).await?;
        drop_tables(manager, &TABLES).await
    }
}
