//! The same verdict may come again after another one: a person may change their mind back.

use sea_orm_migration::prelude::*;

use crate::ddl::index;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let once = Index::drop()
            .name("feedback_once")
            .table(Alias::new("feedback"))
            .to_owned();
        manager.drop_index(once).await?;
        let of_request = ["tenant_id", "request_id"];
        manager
            .create_index(index("feedback_of_request", "feedback", &of_request))
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let of_request = Index::drop()
            .name("feedback_of_request")
            .table(Alias::new("feedback"))
            .to_owned();
        manager.drop_index(of_request).await?;
        // Among what was said again the first one stays.
        manager
            .get_connection()
            .execute_unprepared(
                "DELETE FROM feedback WHERE EXISTS (SELECT 1 FROM feedback AS first \
                 WHERE first.tenant_id = feedback.tenant_id \
                 AND first.request_id = feedback.request_id \
                 AND first.verdict = feedback.verdict AND first.expert = feedback.expert \
                 AND first.sequence < feedback.sequence)",
            )
            .await?;
        let once = ["tenant_id", "request_id", "verdict", "expert"];
        manager
            .create_index(index("feedback_once", "feedback", &once).unique().take())
            .await
    }
}
