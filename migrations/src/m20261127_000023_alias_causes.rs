//! Why an alias was moved, as a code: until now it was read out of the text for people.

use sea_orm_migration::{prelude::*, schema::*};

use crate::ddl::as_platform;

/// The tables of events. Rows of pruned versions move no alias and have no cause.
const TABLES: [&str; 2] = ["model_events", "tier_events"];

/// The cause of older rows: administrators and the monitoring began their texts with these words; all
/// other moves are of a training's gate. The gate gives the champion's place to what it lets pass, and
/// makes a challenger of what it rejects.
const OF_TEXT: &str = "CASE
    WHEN reason LIKE 'promoted%' THEN 'PROMOTED_BY_ADMIN'
    WHEN reason LIKE 'rolled back%' THEN 'ROLLED_BACK_BY_ADMIN'
    WHEN reason LIKE 'stepped back%' THEN 'STEPPED_BACK'
    WHEN reason = 'the task was deleted' THEN 'TASK_DELETED'
    WHEN (alias = 'champion') = (to_version IS NOT NULL) THEN 'GATE_PASSED'
    ELSE 'GATE_REJECTED' END";

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        as_platform(manager).await?;
        for table in TABLES {
            let cause = Table::alter()
                .table(table)
                .add_column(text_null("cause"))
                .to_owned();
            manager.alter_table(cause).await?;
            let fill = format!("UPDATE {table} SET cause = {OF_TEXT} WHERE alias <> 'pruned'");
            manager.get_connection().execute_unprepared(&fill).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in TABLES {
            let cause = Table::alter().table(table).drop_column("cause").to_owned();
            manager.alter_table(cause).await?;
        }
        Ok(())
    }
}
