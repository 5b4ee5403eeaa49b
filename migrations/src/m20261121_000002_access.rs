//! Keys and the audit trail.

use sea_orm_migration::{prelude::*, schema::*};

use crate::ddl::{drop_tables, index, tenant_table};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // Found by id before the tenant is known; an operator's key has no tenant.
        manager
            .create_table(tenant_table(
                "api_keys",
                &["id"],
                vec![
                    text("id"),
                    text_null("tenant_id"),
                    text("role"),
                    text("display_name"),
                    var_binary("secret_hash", 32),
                    big_integer("created_at"),
                    big_integer_null("revoked_at"),
                ],
            ))
            .await?;
        manager
            .create_index(index(
                "api_keys_by_tenant",
                "api_keys",
                &["tenant_id", "id"],
            ))
            .await?;
        // Acts on the platform itself have no tenant.
        let mut audit = Table::create();
        audit
            .table("audit_events")
            .col(big_integer("sequence").primary_key().auto_increment())
            .col(text_null("tenant_id"))
            .col(big_integer("at"))
            .col(text("actor"))
            .col(text("action"))
            .col(text("resource"))
            .col(text("detail"));
        manager.create_table(audit).await?;
        manager
            .create_index(index(
                "audit_events_by_tenant",
                "audit_events",
                &["tenant_id", "sequence"],
            ))
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["audit_events", "api_keys"]).await
    }
}
