//! Keys: making, listing, revoking.

use api::v1;
use domain::{AccessScope, KeyId, ResourceName, Role};
use rand::RngExt as _;
use server::{KeySecret, ServiceError, page, parse_page_token};
use storage::NewKey;

use crate::Tenants;

const DISPLAY_NAME_MAX_CHARS: usize = 200;

/// A new key: its public half and its secret.
#[expect(
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "hexadecimal digits are an id; and a secret must not be reproducible"
)]
pub(crate) fn new_secret() -> KeySecret {
    let random: [u8; 8] = rand::rng().random();
    let id: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    let id = KeyId::parse(id).expect("hexadecimal digits are a key id");
    KeySecret::new(id, rand::rng().random())
}

impl Tenants {
    pub(crate) async fn make_key(
        &self,
        extensions: &http::Extensions,
        request: v1::CreateApiKeyRequest,
    ) -> Result<v1::CreateApiKeyResponse, ServiceError> {
        let scope = self.scope(extensions, "parent", &request.parent)?;
        let role = request.role().role().ok_or_else(|| {
            ServiceError::invalid("role", "say BACKEND, TENANT_ADMIN or OPERATOR")
        })?;
        if (role == Role::Operator) != scope.tenant().is_none() {
            let message = "OPERATOR keys have an empty parent, the other roles a tenant";
            return Err(ServiceError::invalid("role", message));
        }
        if request.display_name.chars().count() > DISPLAY_NAME_MAX_CHARS {
            let message = format!("at most {DISPLAY_NAME_MAX_CHARS} characters");
            return Err(ServiceError::invalid("display_name", message));
        }
        let secret = new_secret();
        let key = NewKey {
            id: secret.id().clone(),
            role,
            display_name: domain::clean_text(&request.display_name),
            secret_hash: secret.hash(),
        };
        let key = self
            .store
            .keys(&scope)
            .create(key, self.clock.now())
            .await?;
        Ok(v1::CreateApiKeyResponse {
            api_key: Some(key.into()),
            secret: secret.reveal(),
        })
    }

    pub(crate) async fn keys(
        &self,
        extensions: &http::Extensions,
        request: v1::ListApiKeysRequest,
    ) -> Result<v1::ListApiKeysResponse, ServiceError> {
        let scope = self.scope(extensions, "parent", &request.parent)?;
        let limit = page_limit(request.page_size)?;
        let after = parse_page_token::<KeyId>(&request.page_token)?;
        let keys = self.store.keys(&scope).list(after, limit).await?;
        let page = page(keys, limit, |key| (key.id.to_string(), key.into()));
        Ok(v1::ListApiKeysResponse {
            api_keys: page.entries,
            next_page_token: page.next_page_token,
        })
    }

    pub(crate) async fn revoke(
        &self,
        extensions: &http::Extensions,
        request: v1::RevokeApiKeyRequest,
    ) -> Result<v1::RevokeApiKeyResponse, ServiceError> {
        let (tenant, id) = ResourceName::api_key(&request.name)
            .map_err(|error| ServiceError::name("name", &error))?;
        let parent = tenant.map(|tenant| ResourceName::Tenant(tenant).to_string());
        let scope = self.scope(extensions, "name", &parent.unwrap_or_default())?;
        let revoked = self
            .store
            .keys(&scope)
            .revoke(&id, self.clock.now())
            .await?;
        let key = revoked.ok_or_else(|| ServiceError::not_found(&request.name))?;
        Ok(v1::RevokeApiKeyResponse {
            api_key: Some(key.into()),
        })
    }

    /// The tenant that `parent` names; without one the platform.
    pub(crate) fn scope(
        &self,
        extensions: &http::Extensions,
        field: &str,
        parent: &str,
    ) -> Result<AccessScope, ServiceError> {
        self.gate.scope(extensions, (field, parent), "")
    }
}

/// Pages of this service: 100 entries unless asked otherwise, 1,000 at the most.
pub(crate) fn page_limit(page_size: i32) -> Result<u32, ServiceError> {
    api::page_limit(page_size, 100, 1_000).map_err(|error| ServiceError::violations(vec![error]))
}
