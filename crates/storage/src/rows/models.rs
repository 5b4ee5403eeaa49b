//! The table `models`.

use domain::{Alias, ModelName, ModelOwner, ModelVersion, TaskId, TenantId, Verdict};
use sea_orm::{JsonValue, entity::prelude::*};

use crate::Result;
use crate::convert::{count, from_json, named, parsed, time};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "models")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub task: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub version: i64,
    pub artifact_path: String,
    pub checksum: String,
    pub size: i64,
    #[sea_orm(column_type = "JsonBinary")]
    pub lineage: JsonValue,
    pub verdict: String,
    pub report: String,
    pub created_at: i64,
}

super::tenant_rows!();

impl Model {
    /// The model version, with the aliases that point at it.
    pub(crate) fn with_aliases(self, aliases: Vec<Alias>) -> Result<ModelVersion> {
        Ok(ModelVersion {
            name: ModelName {
                owner: ModelOwner::Tenant(parsed("models.tenant_id", || {
                    TenantId::parse(self.tenant_id)
                })?),
                task: parsed("models.task", || TaskId::parse(self.task))?,
                version: count(self.version),
            },
            artifact_path: self.artifact_path,
            checksum: self.checksum,
            size: count(self.size),
            lineage: from_json("models.lineage", self.lineage)?,
            verdict: named("models.verdict", &self.verdict, Verdict::parse)?,
            report: self.report,
            aliases,
            created_at: time("models.created_at", self.created_at)?,
        })
    }
}
