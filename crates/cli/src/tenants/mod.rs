//! `tenantry tenants`: onboard, look at, change, export and erase customers.

pub mod audit;
mod export;
pub mod keys;

use std::path::PathBuf;

use api::v1;
use serde::Serialize;

use crate::args::{PageArgs, enum_name, filled, last, tenant_name};
use crate::client::Client;
use crate::error::{CliError, Exit};
use crate::output::{Output, Row, note, short_time, time};
use crate::{Context, jobs};

/// Onboard, look at, change, export and erase tenants.
#[derive(Debug, clap::Subcommand)]
pub enum TenantsCommand {
    /// Create a tenant (operator)
    #[command(after_help = "Examples:
  tenantry tenants create acme --name 'Acme Ltd' --vertical healthcare
  tenantry tenants create acme --vertical fintech --share-for-training
  tenantry tenants create acme --vertical fintech --embedding-model paraphrase-minilm-l3")]
    Create(CreateArgs),
    /// List tenants (operator)
    #[command(after_help = "Examples:
  tenantry tenants list
  tenantry tenants list --vertical healthcare -o json | jq -r '.[].tenant'")]
    List {
        /// Only tenants of this vertical
        #[arg(long)]
        vertical: Option<String>,
        #[command(flatten)]
        page: PageArgs,
    },
    /// Show one tenant
    #[command(after_help = "Example:\n  tenantry tenants show acme")]
    Show {
        /// The tenant
        #[arg(env = "TENANTRY_TENANT")]
        tenant: String,
    },
    /// Change a tenant's name, settings or state (operator)
    #[command(after_help = "Examples:
  tenantry tenants update acme --name 'Acme SE'
  tenantry tenants update acme --state inactive
  tenantry tenants update acme --share-for-training false
  tenantry tenants update acme --value-per-accepted 1.20
  tenantry tenants update acme --embedding-model paraphrase-minilm-l3   # then: tenants show acme
  tenantry tenants update acme --embedding-model AUTO")]
    Update(UpdateArgs),
    /// Erase a tenant: items, vectors, models, caches and keys (operator)
    #[command(
        after_help = "Nothing of it can be brought back, and the id is never used again.

Example:\n  tenantry tenants delete acme --confirm acme --wait"
    )]
    Delete {
        /// The tenant
        tenant: String,
        /// The tenant's id once more
        #[arg(long, value_name = "TENANT")]
        confirm: String,
        /// Wait until it is erased, and show the certificate of counts
        #[arg(long)]
        wait: bool,
    },
    /// Write everything a tenant has stored, one JSON object a line
    #[command(after_help = "Without --only each line says in `record` what it is.

Examples:
  tenantry tenants export acme --to acme.jsonl
  tenantry tenants export acme --only items > items.jsonl   # can be ingested again
  tenantry tenants export acme --only experts | tenantry experts import -t other -")]
    Export {
        /// The tenant
        #[arg(env = "TENANTRY_TENANT")]
        tenant: String,
        /// Only these records, in the form that import and ingest read
        #[arg(long)]
        only: Option<export::Kind>,
        /// Write to this file instead of standard output
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
    },
}

/// Options of `tenants create`.
#[derive(Debug, clap::Args)]
pub struct CreateArgs {
    /// The id: 1 to 63 lower-case letters, digits and '-'
    tenant: String,
    /// The industry group it belongs to
    #[arg(long)]
    vertical: String,
    /// The name for people [default: the id]
    #[arg(long)]
    name: Option<String>,
    /// Its data may train models that serve other tenants (never its texts)
    #[arg(long)]
    share_for_training: bool,
    /// The base model of its embedding space, or AUTO: the cheapest that is not significantly worse on its
    /// own past [default: the platform's]
    #[arg(long, value_name = "NAME")]
    embedding_model: Option<String>,
    /// Makes a repeat harmless [default: random]
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
}

/// Options of `tenants update`.
#[derive(Debug, clap::Args)]
pub struct UpdateArgs {
    /// The tenant
    tenant: String,
    /// The name for people
    #[arg(long)]
    name: Option<String>,
    /// Whether it is served
    #[arg(long)]
    state: Option<NewState>,
    /// Whether its data may train models that serve other tenants
    #[arg(long, value_name = "BOOL", action = clap::ArgAction::Set)]
    share_for_training: Option<bool>,
    /// The base model of its embedding space, or AUTO; it serves on in the old one until the new one is
    /// ready
    #[arg(long, value_name = "NAME")]
    embedding_model: Option<String>,
    /// What one accepted answer is worth, in the currency of the price book; '' takes it away
    #[arg(long, value_name = "AMOUNT")]
    value_per_accepted: Option<String>,
}

/// A state that can be chosen.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum NewState {
    /// Served.
    Active,
    /// Data kept, requests refused.
    Inactive,
}

/// The setting that leaves the base model to the platform.
const AUTO: &str = "AUTO";

/// A tenant as it is printed.
#[derive(Debug, Serialize)]
pub struct TenantView {
    tenant: String,
    name: String,
    display_name: String,
    vertical: String,
    state: &'static str,
    share_for_training: bool,
    embedding_model: String,
    value_per_accepted: Option<String>,
    /// Only where one tenant is looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    embedding_space: Option<SpaceView>,
    create_time: Option<String>,
    update_time: Option<String>,
}

impl From<v1::Tenant> for TenantView {
    fn from(tenant: v1::Tenant) -> Self {
        let settings = tenant.settings.unwrap_or_default();
        Self {
            tenant: last(&tenant.name).to_owned(),
            state: enum_name(tenant.state, v1::tenant::State::short_name),
            share_for_training: settings.share_for_training,
            embedding_model: settings.embedding_model,
            value_per_accepted: filled(settings.value_per_accepted),
            embedding_space: tenant.embedding_space.map(SpaceView::from),
            create_time: time(tenant.create_time.as_ref()),
            update_time: time(tenant.update_time.as_ref()),
            name: tenant.name,
            display_name: tenant.display_name,
            vertical: tenant.vertical,
        }
    }
}

/// Where a tenant's vectors are, as it is printed.
#[derive(Debug, Serialize)]
pub struct SpaceView {
    active: String,
    preparing: Option<String>,
    progress: f32,
    job: Option<String>,
    error: Option<String>,
    leaving: Vec<String>,
    /// Where the platform has compared spaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    comparison: Option<ComparisonView>,
}

/// Which base model serves the tenant best for what it costs, as it is printed.
#[derive(Debug, Serialize)]
pub struct ComparisonView {
    chosen: String,
    reason: String,
    questions: u64,
    items: u64,
    candidates: Vec<CandidateView>,
    create_time: Option<String>,
}

/// One base model of a comparison, as it is printed.
#[derive(Debug, Serialize)]
pub struct CandidateView {
    model: String,
    mrr: f64,
    difference: f64,
    difference_low: f64,
    difference_high: f64,
}

impl From<v1::SpaceComparison> for ComparisonView {
    fn from(made: v1::SpaceComparison) -> Self {
        let candidates = made.candidates.into_iter().map(|one| CandidateView {
            model: one.model,
            mrr: one.mrr,
            difference: one.difference,
            difference_low: one.difference_low,
            difference_high: one.difference_high,
        });
        Self {
            candidates: candidates.collect(),
            create_time: time(made.create_time.as_ref()),
            chosen: made.chosen,
            reason: made.reason,
            questions: made.questions,
            items: made.items,
        }
    }
}

impl From<v1::EmbeddingSpace> for SpaceView {
    fn from(space: v1::EmbeddingSpace) -> Self {
        let given = |text: String| Some(text).filter(|text| !text.is_empty());
        Self {
            active: space.active,
            preparing: given(space.preparing),
            progress: space.progress,
            job: given(space.job),
            error: given(space.error),
            leaving: space.leaving,
            comparison: space.comparison.map(ComparisonView::from),
        }
    }
}

impl TenantView {
    /// The active space, and what is being done about it.
    fn space(&self) -> String {
        let Some(space) = &self.embedding_space else {
            return self.embedding_model.clone();
        };
        let mut text = space.active.clone();
        if let Some(preparing) = &space.preparing {
            let percent = (space.progress * 100.0).floor();
            text += &format!(" (preparing {preparing}: {percent} %)");
        }
        if let Some(error) = &space.error {
            text += &format!(" (failed: {error})");
        }
        if !space.leaving.is_empty() {
            text += &format!(" (leaving {})", space.leaving.join(", "));
        }
        if let Some(made) = space
            .comparison
            .as_ref()
            .filter(|_| self.embedding_model == AUTO)
        {
            text += &format!(" (chosen: {})", made.reason);
        } else if self.embedding_model == AUTO {
            text += " (AUTO: not compared yet)";
        }
        text
    }
}

impl Row for TenantView {
    const COLUMNS: &'static [&'static str] = &[
        "tenant",
        "display name",
        "vertical",
        "state",
        "share for training",
        "embedding space",
        "value per accepted",
        "created",
    ];
    fn cells(&self) -> Vec<String> {
        vec![
            self.tenant.clone(),
            self.display_name.clone(),
            self.vertical.clone(),
            self.state.to_owned(),
            self.share_for_training.to_string(),
            self.space(),
            self.value_per_accepted.clone().unwrap_or_default(),
            short_time(self.create_time.as_ref()),
        ]
    }
}

/// Runs a `tenants` command.
///
/// # Errors
/// What the person should be told.
pub async fn run(command: TenantsCommand, context: &mut Context) -> Result<Exit, CliError> {
    let client = context.client().await?;
    let out = &mut context.out;
    match command {
        TenantsCommand::Create(args) => create(&client, args, out).await?,
        TenantsCommand::List { vertical, page } => list(&client, vertical, &page, out).await?,
        TenantsCommand::Show { tenant } => {
            let request = client.timed(v1::GetTenantRequest {
                name: tenant_name(&tenant),
            });
            let answer = client.answer(client.tenants().get_tenant(request).await)?;
            out.one(&TenantView::from(answer.tenant.unwrap_or_default()))?;
        }
        TenantsCommand::Update(args) => update(&client, args, out).await?,
        TenantsCommand::Delete {
            tenant,
            confirm,
            wait,
        } => {
            if confirm != tenant {
                return Err(CliError::usage(format!(
                    "--confirm says {confirm:?}, and the tenant is {tenant:?}: nothing was erased"
                )));
            }
            let request = client.timed(v1::DeleteTenantRequest {
                name: tenant_name(&tenant),
            });
            let answer = client.answer(client.tenants().delete_tenant(request).await)?;
            return jobs::started(&client, answer.job, wait, out).await;
        }
        TenantsCommand::Export { tenant, only, to } => {
            export::run(&client, tenant_name(&tenant), only, to, out).await?;
        }
    }
    Ok(Exit::Done)
}

async fn create(client: &Client, args: CreateArgs, out: &mut Output) -> Result<(), CliError> {
    let request = v1::CreateTenantRequest {
        display_name: args.name.unwrap_or_else(|| args.tenant.clone()),
        tenant_id: args.tenant,
        vertical: args.vertical,
        settings: Some(v1::TenantSettings {
            share_for_training: args.share_for_training,
            embedding_model: args.embedding_model.unwrap_or_default(),
            value_per_accepted: String::new(),
        }),
        request_id: args
            .request_id
            .unwrap_or_else(|| uuid::Uuid::new_v4().to_string()),
    };
    let id = request.tenant_id.clone();
    let answer = client.answer(client.tenants().create_tenant(client.timed(request)).await)?;
    out.one(&TenantView::from(answer.tenant.unwrap_or_default()))?;
    note(&format!(
        "next: tenantry keys create -t {id} --role tenant-admin --name 'first admin'"
    ));
    Ok(())
}

async fn list(
    client: &Client,
    vertical: Option<String>,
    page: &PageArgs,
    out: &mut Output,
) -> Result<(), CliError> {
    let vertical = vertical.unwrap_or_default();
    let tenants = page
        .collect(async |page_size, page_token| {
            let vertical = vertical.clone();
            let request = v1::ListTenantsRequest {
                page_size,
                page_token,
                vertical,
            };
            let answer = client.tenants().list_tenants(client.timed(request)).await;
            let answer = client.answer(answer)?;
            Ok((answer.tenants, answer.next_page_token))
        })
        .await?;
    out.list(
        &tenants
            .into_iter()
            .map(TenantView::from)
            .collect::<Vec<_>>(),
    )
}

async fn update(client: &Client, args: UpdateArgs, out: &mut Output) -> Result<(), CliError> {
    let mut tenant = v1::Tenant {
        name: tenant_name(&args.tenant),
        ..v1::Tenant::default()
    };
    let mut paths = Vec::new();
    if let Some(name) = args.name {
        tenant.display_name = name;
        paths.push("display_name".to_owned());
    }
    if let Some(state) = args.state {
        let state = match state {
            NewState::Active => v1::tenant::State::Active,
            NewState::Inactive => v1::tenant::State::Inactive,
        };
        tenant.state = state.into();
        paths.push("state".to_owned());
    }
    if let Some(share_for_training) = args.share_for_training {
        let settings = tenant.settings.get_or_insert_default();
        settings.share_for_training = share_for_training;
        paths.push("settings.share_for_training".to_owned());
    }
    if let Some(embedding_model) = args.embedding_model {
        let settings = tenant.settings.get_or_insert_default();
        settings.embedding_model = embedding_model;
        paths.push("settings.embedding_model".to_owned());
    }
    if let Some(value_per_accepted) = args.value_per_accepted {
        let settings = tenant.settings.get_or_insert_default();
        settings.value_per_accepted = value_per_accepted;
        paths.push("settings.value_per_accepted".to_owned());
    }
    if paths.is_empty() {
        return Err(CliError::usage("nothing to change was given").hint(
            "pass --name, --state, --share-for-training, --embedding-model or --value-per-accepted",
        ));
    }
    let request = v1::UpdateTenantRequest {
        tenant: Some(tenant),
        update_mask: Some(prost_types::FieldMask { paths }),
    };
    let answer = client.answer(client.tenants().update_tenant(client.timed(request)).await)?;
    out.one(&TenantView::from(answer.tenant.unwrap_or_default()))
}
