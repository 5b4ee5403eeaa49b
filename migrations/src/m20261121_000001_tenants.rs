//! Tenants, their counters, and what is left of those that were erased.

use sea_orm_migration::{prelude::*, schema::*};

use crate::ddl::{drop_tables, table, tenant_table};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(table(
                "tenants",
                &["id"],
                vec![
                    text("id"),
                    text("display_name"),
                    text("vertical"),
                    text("state"),
                    json_binary("settings"),
                    big_integer("created_at"),
                    big_integer("updated_at"),
                ],
            ))
            .await?;
        // Numbers that rise inside a tenant. The row is locked by whoever takes one, until it
        // commits: so one tenant's numbers become visible in their order and without gaps.
        manager
            .create_table(tenant_table(
                "tenant_counters",
                &["tenant_id"],
                vec![
                    text("tenant_id"),
                    big_integer("item_change").default(0).to_owned(),
                    big_integer("dataset").default(0).to_owned(),
                    big_integer("rejection").default(0).to_owned(),
                    big_integer("feedback").default(0).to_owned(),
                    big_integer("model_event").default(0).to_owned(),
                ],
            ))
            .await?;
        // Both the certificate of an erasure and the tombstone that keeps the id from being used
        // again. It names no person and outlives the tenant, so it does not refer to `tenants`.
        manager
            .create_table(table(
                "erasures",
                &["tenant_id"],
                vec![
                    text("tenant_id"),
                    json_binary("counts"),
                    big_integer("started_at"),
                    big_integer_null("finished_at"),
                ],
            ))
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["erasures", "tenant_counters", "tenants"]).await
    }
}
