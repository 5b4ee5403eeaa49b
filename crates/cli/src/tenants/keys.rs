//! `tenantry keys`: who may call, and as what.

use api::v1;
use serde::Serialize;

use crate::Context;
use crate::args::{PageArgs, TenantArg, enum_name, filled};
use crate::error::{CliError, Exit};
use crate::output::{Row, note, short_time, time};

/// Make, list and revoke API keys.
#[derive(Debug, clap::Subcommand)]
pub enum KeysCommand {
    /// Make a key and show its secret, once
    #[command(after_help = "Examples:
  tenantry keys create -t acme --role tenant-admin --name 'Anna, admin'
  tenantry keys create -t acme --role backend -o json | jq -r .secret > acme.key
  tenantry keys create --role operator --name 'night shift'")]
    Create {
        #[command(flatten)]
        tenant: TenantArg,
        /// What the key is for
        #[arg(long)]
        role: Role,
        /// The name for people
        #[arg(long, default_value = "")]
        name: String,
    },
    /// List keys, without their secrets
    #[command(after_help = "Examples:
  tenantry keys list -t acme
  tenantry keys list --operators")]
    List {
        #[command(flatten)]
        tenant: TenantArg,
        /// The operators' keys instead of a tenant's
        #[arg(long)]
        operators: bool,
        #[command(flatten)]
        page: PageArgs,
    },
    /// Make a key stop working
    #[command(after_help = "Examples:
  tenantry keys revoke -t acme k7f3
  tenantry keys revoke tenants/acme/apiKeys/k7f3
  tenantry keys revoke apiKeys/k1a2       # an operator's")]
    Revoke {
        #[command(flatten)]
        tenant: TenantArg,
        /// The key's id, or its whole name
        #[arg(value_name = "KEY")]
        key_id: String,
    },
}

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Role {
    /// A backend service: ingests, asks, sends feedback.
    Backend,
    /// A tenant's administrator: retrains, promotes, makes keys.
    TenantAdmin,
    /// The platform's operations: every tenant.
    Operator,
}

#[derive(Serialize)]
struct KeyView {
    name: String,
    role: &'static str,
    display_name: String,
    create_time: Option<String>,
    revoke_time: Option<String>,
    /// Only when the key was just made.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

impl From<v1::ApiKey> for KeyView {
    fn from(key: v1::ApiKey) -> Self {
        Self {
            role: enum_name(key.role, v1::api_key::Role::short_name),
            create_time: time(key.create_time.as_ref()),
            revoke_time: time(key.revoke_time.as_ref()),
            name: key.name,
            display_name: key.display_name,
            secret: None,
        }
    }
}

impl Row for KeyView {
    const COLUMNS: &'static [&'static str] = &[
        "name",
        "role",
        "display name",
        "created",
        "revoked",
        "secret",
    ];
    fn cells(&self) -> Vec<String> {
        vec![
            self.name.clone(),
            self.role.to_owned(),
            self.display_name.clone(),
            short_time(self.create_time.as_ref()),
            short_time(self.revoke_time.as_ref()),
            self.secret.clone().unwrap_or_default(),
        ]
    }
}

/// A listed key: nobody can see its secret again, so there is no column for it.
#[derive(Serialize)]
#[serde(transparent)]
struct ListedKey(KeyView);

impl Row for ListedKey {
    const COLUMNS: &'static [&'static str] =
        &["name", "role", "display name", "created", "revoked"];
    fn cells(&self) -> Vec<String> {
        let mut cells = self.0.cells();
        cells.pop();
        cells
    }
}

/// Runs a `keys` command.
///
/// # Errors
/// What the person should be told.
pub async fn run(command: KeysCommand, context: &mut Context) -> Result<Exit, CliError> {
    let client = context.client().await?;
    let out = &mut context.out;
    match command {
        KeysCommand::Create { tenant, role, name } => {
            let (parent, role) = match role {
                Role::Operator => (String::new(), v1::api_key::Role::Operator),
                Role::TenantAdmin => (tenant.parent()?, v1::api_key::Role::TenantAdmin),
                Role::Backend => (tenant.parent()?, v1::api_key::Role::Backend),
            };
            let request = v1::CreateApiKeyRequest {
                parent,
                role: role.into(),
                display_name: name,
            };
            let answer = client.tenants().create_api_key(client.timed(request)).await;
            let answer = client.answer(answer)?;
            let mut view = KeyView::from(answer.api_key.unwrap_or_default());
            view.secret = filled(answer.secret);
            out.one(&view)?;
            note("keep the secret now: it is stored hashed and cannot be shown again");
        }
        KeysCommand::List {
            tenant,
            operators,
            page,
        } => {
            let parent = if operators {
                String::new()
            } else {
                tenant.parent()?
            };
            let keys = page
                .collect(async |page_size, page_token| {
                    let parent = parent.clone();
                    let request = v1::ListApiKeysRequest {
                        parent,
                        page_size,
                        page_token,
                    };
                    let answer = client.tenants().list_api_keys(client.timed(request)).await;
                    let answer = client.answer(answer)?;
                    Ok((answer.api_keys, answer.next_page_token))
                })
                .await?;
            let keys: Vec<_> = keys.into_iter().map(|key| ListedKey(key.into())).collect();
            out.list(&keys)?;
        }
        KeysCommand::Revoke { tenant, key_id } => {
            let name = tenant.name_of(&key_id, "apiKeys")?;
            let request = client.timed(v1::RevokeApiKeyRequest { name });
            let answer = client.answer(client.tenants().revoke_api_key(request).await);
            let answer = answer.map_err(|error| {
                error.when_missing("`tenantry keys list` shows the keys there are")
            })?;
            out.one(&ListedKey(answer.api_key.unwrap_or_default().into()))?;
        }
    }
    Ok(Exit::Done)
}
