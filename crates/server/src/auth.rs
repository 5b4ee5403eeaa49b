//! Authentication: a key in, a caller out, nothing otherwise.
//!
//! A key reads `tnt_{id}_{secret}`: the id finds the record, the secret's SHA-256 is compared in
//! constant time. The secret has 256 random bits, so a plain hash suffices (there is nothing to
//! guess that a slow hash would protect).

use std::sync::Arc;
use std::task::{Context, Poll};

use async_trait::async_trait;
use domain::{ApiKey, ErrorKind, KeyId, OperatorContext, Permission};
use futures::future::BoxFuture;
use http::{Request, Response};
use sha2::{Digest as _, Sha256};
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

use crate::ServiceError;

const KEY_PREFIX: &str = "tnt";
/// Open to everybody: they tell nothing about any tenant.
const OPEN_PATHS: [&str; 2] = ["/grpc.health.v1.Health/", "/grpc.reflection."];

/// What the platform keeps of a key.
#[derive(Debug, Clone)]
pub struct KeyRecord {
    /// The key without its secret.
    pub key: ApiKey,
    /// SHA-256 of the secret.
    pub secret_hash: [u8; 32],
}

/// Where keys are looked up.
#[async_trait]
pub trait KeyDirectory: Send + Sync + 'static {
    /// The record of a key, revoked or not.
    async fn find(&self, id: &KeyId) -> Result<Option<KeyRecord>, ServiceError>;
}

/// A key's secret half together with its id, as it is handed out once.
pub struct KeySecret {
    id: KeyId,
    secret: String,
}

impl KeySecret {
    /// A key of `id` with a secret of 32 random bytes.
    #[must_use]
    pub fn new(id: KeyId, random: [u8; 32]) -> Self {
        let secret = random.iter().map(|byte| format!("{byte:02x}")).collect();
        Self { id, secret }
    }

    /// Reads what a caller sent after `Bearer `.
    #[must_use]
    pub fn parse(token: &str) -> Option<Self> {
        let mut parts = token.splitn(3, '_');
        let (prefix, id, secret) = (parts.next()?, parts.next()?, parts.next()?);
        let well_formed = prefix == KEY_PREFIX && secret.len() == 64;
        let id = KeyId::parse(id).ok()?;
        well_formed.then(|| Self {
            id,
            secret: secret.to_owned(),
        })
    }

    /// The key's public half.
    #[must_use]
    pub fn id(&self) -> &KeyId {
        &self.id
    }

    /// What the platform keeps of the secret.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.secret.as_bytes()).into()
    }

    /// What the caller sends after `Bearer `.
    #[must_use]
    pub fn reveal(&self) -> String {
        format!("{KEY_PREFIX}_{}_{}", self.id, self.secret)
    }
}

/// Who calls: put into the request's extensions by [`AuthLayer`], which has checked that the role of
/// the key holds the permission of the RPC.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The key that was shown.
    pub key: ApiKey,
    /// What the RPC demands, as the contract declares it.
    pub permission: Permission,
}

impl Caller {
    /// The caller of a request.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` when no layer put one there: absent means refused.
    pub fn of(extensions: &http::Extensions) -> Result<&Self, ServiceError> {
        extensions.get::<Self>().ok_or_else(unauthenticated)
    }
}

/// The proof that the caller is an operator of the platform.
///
/// # Errors
/// `UNAUTHENTICATED` or `PERMISSION_DENIED`.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that makes the proof"
)]
pub fn operator(extensions: &http::Extensions) -> Result<OperatorContext, ServiceError> {
    OperatorContext::enter(&Caller::of(extensions)?.key).ok_or_else(denied)
}

pub(crate) fn denied() -> ServiceError {
    let message =
        "this key may not do that; use a key with the role that the method's description names";
    ServiceError::new(ErrorKind::PermissionDenied, "PERMISSION_DENIED", message)
}

fn unauthenticated() -> ServiceError {
    let message = "send a valid key as the metadata entry `authorization: Bearer tnt_…`";
    ServiceError::new(ErrorKind::Unauthenticated, "UNAUTHENTICATED", message)
}

/// Lets only callers through whose key is valid, and whose role holds what the RPC declares.
#[derive(Clone)]
pub struct AuthLayer {
    directory: Arc<dyn KeyDirectory>,
}

impl AuthLayer {
    /// A layer that looks keys up in `directory`.
    #[must_use]
    pub fn new(directory: Arc<dyn KeyDirectory>) -> Self {
        Self { directory }
    }
}

impl<S> Layer<S> for AuthLayer {
    type Service = Auth<S>;
    fn layer(&self, inner: S) -> Auth<S> {
        Auth {
            inner,
            directory: self.directory.clone(),
        }
    }
}

/// The service that [`AuthLayer`] makes.
#[derive(Clone)]
pub struct Auth<S> {
    inner: S,
    directory: Arc<dyn KeyDirectory>,
}

impl<S> Service<Request<Body>> for Auth<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        // The clone takes the place of the one that was polled ready.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let directory = self.directory.clone();
        Box::pin(async move {
            // A caller can come from nowhere but this check.
            request.extensions_mut().remove::<Caller>();
            if OPEN_PATHS
                .iter()
                .any(|path| request.uri().path().starts_with(path))
            {
                return inner.call(request).await;
            }
            let key = match authenticate(directory.as_ref(), request.headers()).await {
                Ok(key) => key,
                Err(error) => return Ok(Status::from(error).into_http()),
            };
            // A path that is not in the contract has no handler either: it is UNIMPLEMENTED.
            if let Some(method) = api::method(request.uri().path()) {
                match authorize(key, method) {
                    Ok(caller) => request.extensions_mut().insert(caller),
                    Err(error) => return Ok(Status::from(error).into_http()),
                };
            }
            inner.call(request).await
        })
    }
}

/// The caller of an RPC; an RPC that declares no permission is refused.
fn authorize(key: ApiKey, method: &api::Method) -> Result<Caller, ServiceError> {
    let demanded = method.permission;
    let permission = demanded.filter(|permission| key.role.holds(*permission));
    let permission = permission.ok_or_else(denied)?;
    Ok(Caller { key, permission })
}

async fn authenticate(
    directory: &dyn KeyDirectory,
    headers: &http::HeaderMap,
) -> Result<ApiKey, ServiceError> {
    let shown = headers
        .get(http::header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| {
            value
                .strip_prefix("Bearer ")
                .or_else(|| value.strip_prefix("bearer "))
        })
        .and_then(|token| KeySecret::parse(token.trim()))
        .ok_or_else(unauthenticated)?;
    let record = directory
        .find(shown.id())
        .await?
        .ok_or_else(unauthenticated)?;
    // Ending at the first difference would tell how much of a hash was right; compare all of it.
    let differing = record
        .secret_hash
        .iter()
        .zip(shown.hash())
        .fold(0u8, |differing, (kept, sent)| differing | (kept ^ sent));
    if differing != 0 || record.key.revoked_at.is_some() {
        return Err(unauthenticated());
    }
    Ok(record.key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use domain::Role;

    struct OneKey(KeyRecord);
    #[async_trait]
    impl KeyDirectory for OneKey {
        async fn find(&self, id: &KeyId) -> Result<Option<KeyRecord>, ServiceError> {
            Ok((*id == self.0.key.id).then(|| self.0.clone()))
        }
    }

    fn directory(secret: &KeySecret, revoked: bool) -> OneKey {
        OneKey(KeyRecord {
            key: ApiKey {
                id: secret.id().clone(),
                tenant: None,
                role: Role::Operator,
                display_name: String::new(),
                created_at: DateTime::UNIX_EPOCH,
                revoked_at: revoked.then_some(DateTime::UNIX_EPOCH),
            },
            secret_hash: secret.hash(),
        })
    }

    async fn try_key(directory: &OneKey, header: &str) -> bool {
        let mut headers = http::HeaderMap::new();
        headers.insert(http::header::AUTHORIZATION, header.parse().unwrap());
        authenticate(directory, &headers).await.is_ok()
    }

    #[tokio::test]
    async fn only_the_right_secret_opens() {
        let secret = KeySecret::new(KeyId::parse("k1").unwrap(), [7; 32]);
        let directory = directory(&secret, false);
        assert!(try_key(&directory, &format!("Bearer {}", secret.reveal())).await);
        let wrong = KeySecret::new(KeyId::parse("k1").unwrap(), [8; 32]);
        assert!(!try_key(&directory, &format!("Bearer {}", wrong.reveal())).await);
        let unknown = KeySecret::new(KeyId::parse("k2").unwrap(), [7; 32]);
        for header in [
            format!("Bearer {}", unknown.reveal()),
            secret.reveal(),
            "Bearer ".into(),
            "Bearer tnt_k1_".into(),
        ] {
            assert!(!try_key(&directory, &header).await, "{header}");
        }
        assert!(
            authenticate(&directory, &http::HeaderMap::new())
                .await
                .is_err()
        );
    }

    #[test]
    fn the_role_must_hold_what_the_rpc_declares_and_one_that_declares_nothing_is_refused() {
        let key = |role| ApiKey {
            id: KeyId::parse("k1").unwrap(),
            tenant: None,
            role,
            display_name: String::new(),
            created_at: DateTime::UNIX_EPOCH,
            revoked_at: None,
        };
        let method = |permission| api::Method {
            path: String::new(),
            permission,
        };
        for (role, permission, allowed) in [
            (Role::Backend, Some(Permission::Serve), true),
            (Role::Backend, Some(Permission::Administer), false),
            (Role::TenantAdmin, Some(Permission::Administer), true),
            (Role::TenantAdmin, Some(Permission::Operate), false),
            (Role::Operator, Some(Permission::Operate), true),
            (Role::Operator, None, false),
        ] {
            let caller = authorize(key(role), &method(permission));
            assert_eq!(caller.is_ok(), allowed, "{role:?} {permission:?}");
        }
    }

    #[tokio::test]
    async fn a_revoked_key_is_like_none() {
        let secret = KeySecret::new(KeyId::parse("k1").unwrap(), [7; 32]);
        assert!(
            !try_key(
                &directory(&secret, true),
                &format!("Bearer {}", secret.reveal())
            )
            .await
        );
    }
}
