//! The background work that may look across tenants without an operator's proof.

/// Why code that no operator called reaches across tenants. Handlers show a
/// [`domain::OperatorContext`] instead; `cargo xtask check-imports` refuses a purpose in their files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// The auth layer finds the key that a caller shows, and the state of its tenant.
    Authentication,
    /// The process starts: the first operator's key, the embedding models, indexes that lag behind.
    StartUp,
    /// The worker takes jobs of any tenant.
    Jobs,
    /// An embedding model is claimed before a tenant switches to it.
    Indexing,
    /// Training reads the tiers above a tenant, and trains tiers from the samples that tenants share.
    Training,
    /// Old versions, answers, jobs and requests are deleted.
    Retention,
    /// Precomputed answers are renewed after a change that concerns many tenants.
    Precompute,
    /// Usage is stored, sampled, closed by the day and deleted.
    Metering,
    /// Costs of a month are computed: shared costs are divided between all tenants, whoever asks.
    Costs,
    /// A tenant is erased.
    Erasure,
}
