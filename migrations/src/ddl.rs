//! The few shapes that all tables here share.

use sea_orm_migration::prelude::*;

/// A table with this primary key.
pub(crate) fn table(
    name: &'static str,
    key: &[&'static str],
    columns: Vec<ColumnDef>,
) -> TableCreateStatement {
    let mut table = Table::create();
    table.table(name);
    for column in columns {
        table.col(column);
    }
    let mut primary = Index::create();
    for column in key {
        primary.col(*column);
    }
    table.primary_key(&mut primary);
    table
}

/// A table of tenants' data: its rows exist only while their tenant does.
pub(crate) fn tenant_table(
    name: &'static str,
    key: &[&'static str],
    columns: Vec<ColumnDef>,
) -> TableCreateStatement {
    let mut table = table(name, key, columns);
    table.foreign_key(&mut to_tenant(name));
    table
}

/// The reference from `name.tenant_id` to the tenant.
pub(crate) fn to_tenant(name: &'static str) -> ForeignKeyCreateStatement {
    ForeignKey::create()
        .name(format!("{name}_tenant"))
        .from(name, "tenant_id")
        .to("tenants", "id")
        .to_owned()
}

/// An index over `columns`.
pub(crate) fn index(
    name: &'static str,
    table: &'static str,
    columns: &[&'static str],
) -> IndexCreateStatement {
    let mut index = Index::create();
    index.name(name).table(table);
    for column in columns {
        index.col(*column);
    }
    index
}

/// Drops tables, the dependent ones first.
pub(crate) async fn drop_tables(
    manager: &SchemaManager<'_>,
    names: &[&'static str],
) -> Result<(), DbErr> {
    for name in names {
        manager
            .drop_table(Table::drop().table(*name).to_owned())
            .await?;
    }
    Ok(())
}

const PLATFORM: &str = "current_setting('tenantry.platform', true) = 'on'";

/// On PostgreSQL, lets the transaction of a migration see and change rows behind the walls below.
pub(crate) async fn as_platform(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    if manager.get_database_backend() == sea_orm::DbBackend::Postgres {
        let sql = "SELECT set_config('tenantry.platform', 'on', true)";
        manager.get_connection().execute_unprepared(sql).await?;
    }
    Ok(())
}

/// On PostgreSQL, lets a transaction see only the rows of the tenant that it works for; the
/// platform's own transactions see all.
pub(crate) async fn enable_row_level_security(
    manager: &SchemaManager<'_>,
    table: &str,
    column: &str,
) -> Result<(), DbErr> {
    let own = format!("{column} = current_setting('tenantry.tenant', true)");
    wall(manager, table, &format!("{own} OR {PLATFORM}")).await
}

/// On PostgreSQL, hides a table from all but the platform's own transactions.
pub(crate) async fn wall_platform(manager: &SchemaManager<'_>, table: &str) -> Result<(), DbErr> {
    wall(manager, table, PLATFORM).await
}

async fn wall(manager: &SchemaManager<'_>, table: &str, rule: &str) -> Result<(), DbErr> {
    if manager.get_database_backend() != sea_orm::DbBackend::Postgres {
        return Ok(());
    }
    let sql = format!(
        "ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
         CREATE POLICY tenant_wall ON {table} USING ({rule}) WITH CHECK ({rule})"
    );
    manager.get_connection().execute_unprepared(&sql).await?;
    Ok(())
}
