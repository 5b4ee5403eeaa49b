//! The tables as SeaORM sees them, and how a row becomes a value of `domain`.
//!
//! Private to the store: nothing outside this crate names a row.

use sea_orm::EntityTrait;

pub(crate) mod answers;
pub(crate) mod api_keys;
pub(crate) mod audit_events;
pub(crate) mod budgets;
pub(crate) mod classifications;
pub(crate) mod corrections;
pub(crate) mod datasets;
pub(crate) mod embeddings;
pub(crate) mod erasures;
pub(crate) mod expert_merges;
pub(crate) mod experts;
pub(crate) mod feedback;
pub(crate) mod index_state;
pub(crate) mod item_revisions;
pub(crate) mod jobs;
pub(crate) mod merge_traces;
pub(crate) mod model_aliases;
pub(crate) mod model_events;
pub(crate) mod model_scores;
pub(crate) mod models;
pub(crate) mod precomputed_answers;
pub(crate) mod price_books;
pub(crate) mod rejections;
pub(crate) mod requests;
pub(crate) mod routing_policies;
pub(crate) mod space_comparisons;
pub(crate) mod space_makers;
pub(crate) mod tasks;
pub(crate) mod tenant_counters;
pub(crate) mod tenant_spaces;
pub(crate) mod tenant_values;
pub(crate) mod tenants;
pub(crate) mod tier_champions;
pub(crate) mod tier_events;
pub(crate) mod tier_models;
pub(crate) mod training_inputs;
pub(crate) mod training_signals;
pub(crate) mod trials;
pub(crate) mod usage_days;
pub(crate) mod usage_hours;
pub(crate) mod usage_marks;
pub(crate) mod usage_records;

/// A table whose rows belong to tenants: [`crate::TenantTx`] adds the filter to each query.
pub(crate) trait TenantRows: EntityTrait {
    /// The column that names the tenant.
    const TENANT: Self::Column;
}

/// What every entity of a tenant's table needs and none has anything to say about.
macro_rules! tenant_rows {
    () => {
        #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
        pub(crate) enum Relation {}

        impl ActiveModelBehavior for ActiveModel {}

        impl crate::rows::TenantRows for Entity {
            const TENANT: Column = Column::TenantId;
        }
    };
}
pub(crate) use tenant_rows;
