//! How much the store holds for each tenant.

use std::collections::BTreeMap;

use domain::TenantId;
use sea_orm::{ConnectionTrait, FromQueryResult, Statement};

use super::Usage;
use crate::Result;
use crate::convert::{count, parsed};

/// What is held for one tenant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stored {
    /// Items that can be found: each has a vector.
    pub vectors: u64,
    /// Bytes of items' texts in all their revisions, of cached embeddings and of model files, about.
    pub bytes: u64,
}

/// Each gives a tenant, a number of vectors and a number of bytes.
const QUERIES: [&str; 3] = [
    "SELECT tenant_id, CAST(SUM(CASE WHEN superseded_by IS NULL AND deleted = FALSE THEN 1 ELSE 0 END) AS BIGINT) AS vectors, \
     CAST(SUM(OCTET_LENGTH(text)) AS BIGINT) AS bytes FROM item_revisions GROUP BY tenant_id",
    "SELECT tenant_id, CAST(0 AS BIGINT) AS vectors, CAST(SUM(OCTET_LENGTH(vector)) AS BIGINT) AS bytes \
     FROM embeddings GROUP BY tenant_id",
    "SELECT tenant_id, CAST(0 AS BIGINT) AS vectors, CAST(SUM(size) AS BIGINT) AS bytes FROM models GROUP BY tenant_id",
];

#[derive(FromQueryResult)]
struct Row {
    tenant_id: String,
    vectors: i64,
    bytes: i64,
}

impl Usage {
    /// What is held for each tenant now. Reads all of it: for once an hour.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "usage.stored", skip_all)]
    pub async fn stored(&self) -> Result<BTreeMap<TenantId, Stored>> {
        let session = self.platform.session();
        let db = session.read().await?;
        let mut all = BTreeMap::<TenantId, Stored>::new();
        for query in QUERIES {
            let statement = Statement::from_string(db.get_database_backend(), query);
            for row in Row::find_by_statement(statement).all(db).await? {
                let tenant = parsed("tenant_id", || TenantId::parse(row.tenant_id))?;
                let stored = all.entry(tenant).or_default();
                stored.vectors += count(row.vectors);
                stored.bytes += count(row.bytes);
            }
        }
        Ok(all)
    }
}
