//! What was consumed: each piece of work for a while, sums by hour for longer, sums by day for
//! years; and what it costs: price books and budgets.

use sea_orm_migration::{prelude::*, schema::*};

use crate::ddl::{drop_tables, enable_row_level_security, index, table, wall_platform};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// Names of tables here that hold rows of tenants. An empty `tenant_id` is the platform itself, so
/// there is no reference to the tenants; and the sums by day outlive their tenant.
const OF_TENANTS: [&str; 4] = ["usage_records", "usage_hours", "usage_days", "budgets"];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(table(
                "usage_records",
                &["id"],
                vec![
                    text("id"),
                    text("tenant_id"),
                    big_integer("at"),
                    json_binary("entry"),
                ],
            ))
            .await?;
        for (name, columns) in [
            ("usage_records_by_time", &["at"][..]),
            ("usage_records_by_tenant", &["tenant_id", "at"][..]),
        ] {
            manager
                .create_index(index(name, "usage_records", columns))
                .await?;
        }
        manager
            .create_table(sums("usage_hours", "hour", &[]))
            .await?;
        manager
            .create_table(sums("usage_days", "day", &["for_day"]))
            .await?;
        manager
            .create_table(table(
                "usage_marks",
                &["name"],
                vec![text("name"), big_integer("value")],
            ))
            .await?;
        manager
            .create_table(table(
                "price_books",
                &["revision"],
                vec![
                    big_integer("revision"),
                    json_binary("book"),
                    text("actor"),
                    big_integer("at"),
                ],
            ))
            .await?;
        manager
            .create_table(table(
                "budgets",
                &["tenant_id"],
                vec![
                    text("tenant_id"),
                    text("monthly"),
                    big_integer("updated_at"),
                ],
            ))
            .await?;
        // An erased tenant bore its part of shared costs from the day it came.
        let mut erasures = Table::alter();
        let created_at = big_integer("tenant_created_at").default(0).take();
        erasures.table("erasures").add_column(created_at);
        manager.alter_table(erasures).await?;
        for name in OF_TENANTS {
            enable_row_level_security(manager, name, "tenant_id").await?;
        }
        wall_platform(manager, "usage_marks").await?;
        wall_platform(manager, "price_books").await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut erasures = Table::alter();
        erasures.table("erasures").drop_column("tenant_created_at");
        manager.alter_table(erasures).await?;
        let tables = [
            "budgets",
            "price_books",
            "usage_marks",
            "usage_days",
            "usage_hours",
            "usage_records",
        ];
        drop_tables(manager, &tables).await
    }
}

/// A table of sums over a span of time, with the span's column and others of its key.
fn sums(name: &'static str, span: &'static str, more: &[&'static str]) -> TableCreateStatement {
    let mut key = vec![
        span,
        "tenant_id",
        "service",
        "meter",
        "rpc",
        "tier",
        "model",
    ];
    let mut columns = vec![big_integer(span)];
    columns.extend(key[1..].iter().map(|column| text(*column)));
    for column in more {
        columns.push(big_integer(*column));
        key.push(column);
    }
    columns.push(big_integer("quantity"));
    table(name, &key, columns)
}
