//! Jobs, and whose turn it is.

use sea_orm_migration::{prelude::*, schema::*};

use crate::ddl::{drop_tables, index, table};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // Does not refer to `tenants`: the job that erases a tenant outlives it, to be asked how
        // it went.
        manager
            .create_table(table(
                "jobs",
                &["id"],
                vec![
                    text("id"),
                    text("tenant_id"),
                    text("kind"),
                    text("state"),
                    json_binary("payload"),
                    text_null("dedup_key"),
                    integer("attempts"),
                    integer("max_attempts"),
                    float("progress_fraction"),
                    text("progress_step"),
                    json_binary("outcome"),
                    text_null("error"),
                    boolean("cancel_requested"),
                    text_null("lease_token"),
                    big_integer_null("lease_until"),
                    big_integer("due_at"),
                    big_integer("created_at"),
                    big_integer_null("started_at"),
                    big_integer_null("finished_at"),
                ],
            ))
            .await?;
        let in_state =
            |state: &'static str| Expr::col("state").eq(Expr::cust(format!("'{state}'")));
        manager
            .create_index(index("jobs_by_tenant", "jobs", &["tenant_id", "id"]))
            .await?;
        manager
            .create_index(
                index("jobs_queued", "jobs", &["due_at", "kind", "tenant_id"])
                    .and_where(in_state("QUEUED"))
                    .take(),
            )
            .await?;
        // At most one queued job a key, and at most one running job of a kind a tenant.
        manager
            .create_index(
                index("jobs_queued_once", "jobs", &["tenant_id", "dedup_key"])
                    .unique()
                    .and_where(in_state("QUEUED"))
                    .take(),
            )
            .await?;
        manager
            .create_index(
                index("jobs_running_once", "jobs", &["tenant_id", "kind"])
                    .unique()
                    .and_where(in_state("RUNNING"))
                    .take(),
            )
            .await?;
        manager
            .create_table(table(
                "job_turns",
                &["tenant_id"],
                vec![text("tenant_id"), big_integer("served_at")],
            ))
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["job_turns", "jobs"]).await
    }
}
