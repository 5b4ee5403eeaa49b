//! Questions that were embedded a moment ago.
//!
//! The same question often comes twice: a page is opened again, two models are compared, feedback is
//! followed by another look. Cached by tenant: a cache over tenants would tell one, by the time an
//! answer takes, what another has asked.

use std::sync::Arc;

use domain::TenantId;
use moka::sync::Cache;

/// Vectors held at most; one of 384 dimensions takes 1.5 kB.
const MAX_VECTORS: u64 = 4_096;

type Key = (TenantId, [u8; 32]);

/// Vectors of questions, by tenant and content. Clones are the same cache.
#[derive(Clone)]
pub(crate) struct QueryCache {
    vectors: Cache<Key, Arc<[f32]>>,
}

impl QueryCache {
    pub(crate) fn new() -> Self {
        Self {
            vectors: Cache::new(MAX_VECTORS),
        }
    }

    pub(crate) fn get(&self, tenant: &TenantId, hash: [u8; 32]) -> Option<Arc<[f32]>> {
        self.vectors.get(&(tenant.clone(), hash))
    }

    pub(crate) fn put(&self, tenant: &TenantId, hash: [u8; 32], vector: Arc<[f32]>) {
        self.vectors.insert((tenant.clone(), hash), vector);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_tenant_does_not_see_that_another_asked() {
        let queries = QueryCache::new();
        let (a, b) = (TenantId::parse("a").unwrap(), TenantId::parse("b").unwrap());
        queries.put(&a, [7; 32], Arc::from([1.0]));
        assert_eq!(queries.get(&a, [7; 32]).as_deref(), Some(&[1.0][..]));
        assert_eq!(queries.get(&b, [7; 32]), None);
    }
}
