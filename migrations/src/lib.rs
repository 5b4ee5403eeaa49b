//! The database schema, one file a change, up and down.
//!
//! The same files make the schema on SQLite and on PostgreSQL. Conventions:
//!
//! - Every table of tenants' data begins its primary key with `tenant_id` and refers to `tenants`,
//!   so that nothing can be written for a tenant that does not exist (any more).
//! - Times are microseconds since 1970 (UTC) as `bigint`: the same order and precision on both.
//! - Enumerations are text with the stable names of `domain`.
//! - `jsonb` columns are lists and maps that no query sorts by.
//!
//! A migration that has been released is never edited; a change is a new file at the end of
//! [`Migrator::migrations`].

use sea_orm_migration::prelude::*;

mod ddl;
mod m20261121_000001_tenants;
mod m20261121_000002_access;
mod m20261121_000003_experts;
mod m20261121_000004_items;
mod m20261121_000005_jobs;
mod m20261121_000006_models;
mod m20261121_000007_serving;
mod m20261121_000008_row_level_security;
mod m20261121_000009_routing;
mod m20261121_000010_tiers;
mod m20261121_000011_tasks;
mod m20261121_000012_scores;
mod m20261121_000013_registry;
mod m20261121_000014_spaces;
mod m20261121_000015_precomputed;
mod m20261121_000016_costs;
mod m20261121_000017_tenant_values;
mod m20261121_000018_feedback_again;
mod m20261121_000019_space_makers;
mod m20261127_000020_first_start;
mod m20261127_000021_people;
mod m20261127_000022_precomputed_form;
mod m20261127_000023_alias_causes;
mod m20261128_000024_space_comparisons;
mod m20261128_000025_item_count;

/// Runs the migrations in order.
#[derive(Debug)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261121_000001_tenants::Migration),
            Box::new(m20261121_000002_access::Migration),
            Box::new(m20261121_000003_experts::Migration),
            Box::new(m20261121_000004_items::Migration),
            Box::new(m20261121_000005_jobs::Migration),
            Box::new(m20261121_000006_models::Migration),
            Box::new(m20261121_000007_serving::Migration),
            Box::new(m20261121_000008_row_level_security::Migration),
            Box::new(m20261121_000009_routing::Migration),
            Box::new(m20261121_000010_tiers::Migration),
            Box::new(m20261121_000011_tasks::Migration),
            Box::new(m20261121_000012_scores::Migration),
            Box::new(m20261121_000013_registry::Migration),
            Box::new(m20261121_000014_spaces::Migration),
            Box::new(m20261121_000015_precomputed::Migration),
            Box::new(m20261121_000016_costs::Migration),
            Box::new(m20261121_000017_tenant_values::Migration),
            Box::new(m20261121_000018_feedback_again::Migration),
            Box::new(m20261121_000019_space_makers::Migration),
            Box::new(m20261127_000020_first_start::Migration),
            Box::new(m20261127_000021_people::Migration),
            Box::new(m20261127_000022_precomputed_form::Migration),
            Box::new(m20261127_000023_alias_causes::Migration),
            Box::new(m20261128_000024_space_comparisons::Migration),
            Box::new(m20261128_000025_item_count::Migration),
        ]
    }
}
