//! The table `tier_models`: versions that no single tenant owns.

use domain::{Alias, ModelName, ModelOwner, ModelVersion, TaskId, Verdict};
use sea_orm::{JsonValue, entity::prelude::*};

use crate::Result;
use crate::convert::{count, from_json, named, parsed, time};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "tier_models")]
pub(crate) struct Model {
    /// `global` or `verticals/{vertical}`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub owner: String,
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

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The model version; `champion` is the version that serves.
    pub(crate) fn version(self, champion: Option<i64>) -> Result<ModelVersion> {
        let aliases = match champion == Some(self.version) {
            true => vec![Alias::Champion],
            false => Vec::new(),
        };
        Ok(ModelVersion {
            name: ModelName {
                owner: parsed("tier_models.owner", || ModelOwner::parse(&self.owner))?,
                task: parsed("tier_models.task", || TaskId::parse(self.task))?,
                version: count(self.version),
            },
            artifact_path: self.artifact_path,
            checksum: self.checksum,
            size: count(self.size),
            lineage: from_json("tier_models.lineage", self.lineage)?,
            verdict: named("tier_models.verdict", &self.verdict, Verdict::parse)?,
            report: self.report,
            aliases,
            created_at: time("tier_models.created_at", self.created_at)?,
        })
    }
}
