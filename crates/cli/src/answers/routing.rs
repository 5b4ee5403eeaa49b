//! `tenantry routing`: the policy that says which model answers.

use api::v1;
use api::v1::routing_policy::Mode;
use serde::Serialize;

use crate::Context;
use crate::args::{TenantArg, filled};
use crate::error::{CliError, Exit};
use crate::models::view::tier_name;
use crate::output::{Row, time};

/// See and set how a tenant's requests are routed.
#[derive(Debug, clap::Subcommand)]
pub enum RoutingCommand {
    /// Show the policy
    #[command(after_help = "Example:\n  tenantry routing show -t acme")]
    Show {
        #[command(flatten)]
        routed: RoutedArgs,
    },
    /// The best proven tier answers
    #[command(after_help = "Example:\n  tenantry routing auto -t acme")]
    Auto(SetArgs),
    /// One tier or one version answers, proven or not
    #[command(after_help = "Examples:
  tenantry routing pin -t acme --tier global
  tenantry routing pin -t acme --model tenants/acme/models/experts/versions/3
  tenantry routing pin -t acme --task intent --model 2")]
    Pin {
        #[command(flatten)]
        set: SetArgs,
        /// The tier
        #[arg(
            long,
            value_enum,
            conflicts_with = "model",
            required_unless_present = "model"
        )]
        tier: Option<TierArg>,
        /// The version's number, or its whole name
        #[arg(long)]
        model: Option<String>,
    },
    /// The challenger answers a share of the routing keys
    #[command(after_help = "Example:\n  tenantry routing canary -t acme --percent 10")]
    Canary {
        #[command(flatten)]
        set: SetArgs,
        /// From 1 to 99
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=99))]
        percent: u32,
    },
    /// The best proven tier answers; the challenger's answer is kept beside it (experts only)
    #[command(after_help = "Example:\n  tenantry routing shadow -t acme")]
    Shadow(SetArgs),
    /// Let the own model answer only while it earns what it costs, or end that (experts only)
    #[command(
        after_help = "Says nothing about pins, nor about the challenger's share of a canary.

Examples:
  tenantry routing worth -t acme
  tenantry routing worth -t acme --off"
    )]
    Worth {
        #[command(flatten)]
        routed: RoutedArgs,
        /// End it: what it costs does not matter
        #[arg(long)]
        off: bool,
    },
    /// Send everything to what ships with the code, or end that: the global model, for other tasks than
    /// experts the methods without training
    #[command(after_help = "Examples:
  tenantry routing kill -t acme
  tenantry routing kill -t acme --off")]
    Kill {
        #[command(flatten)]
        routed: RoutedArgs,
        /// End it: the mode holds again
        #[arg(long)]
        off: bool,
    },
}

/// Whose requests, and of which task.
#[derive(Debug, clap::Args)]
pub struct RoutedArgs {
    #[command(flatten)]
    tenant: TenantArg,
    /// The task whose requests are routed
    #[arg(long, default_value = "experts")]
    task: String,
}

/// What all modes share.
#[derive(Debug, clap::Args)]
pub struct SetArgs {
    #[command(flatten)]
    routed: RoutedArgs,
    /// The tenant's own model answers only while it earns what it costs (experts only)
    #[arg(long)]
    require_cost_effective: bool,
}

/// A tier by its name.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum TierArg {
    /// The global model
    Global,
    /// The model of the tenant's vertical (experts only)
    Vertical,
    /// The tenant's own newest version
    Tenant,
}

/// A policy as it is printed.
#[derive(Debug, Serialize)]
struct PolicyView {
    task: String,
    mode: &'static str,
    pinned_tier: Option<String>,
    pinned_model: Option<String>,
    canary_percent: Option<u32>,
    kill_switch: bool,
    require_cost_effective: bool,
    updated_at: Option<String>,
    updated_by: Option<String>,
}

impl From<v1::RoutingPolicy> for PolicyView {
    fn from(policy: v1::RoutingPolicy) -> Self {
        let tier = Some(policy.pinned_tier).filter(|tier| *tier != 0);
        Self {
            mode: policy.mode().short_name(),
            task: policy.task,
            pinned_tier: tier.map(tier_name),
            pinned_model: filled(policy.pinned_model),
            canary_percent: Some(policy.canary_percent).filter(|percent| *percent != 0),
            kill_switch: policy.kill_switch,
            require_cost_effective: policy.require_cost_effective,
            updated_at: time(policy.update_time.as_ref()),
            updated_by: filled(policy.updated_by),
        }
    }
}

impl Row for PolicyView {
    const COLUMNS: &'static [&'static str] = &[
        "task",
        "mode",
        "tier",
        "model",
        "percent",
        "kill switch",
        "only if worth it",
        "changed",
        "by",
    ];
    fn cells(&self) -> Vec<String> {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        vec![
            self.task.clone(),
            self.mode.to_owned(),
            text(&self.pinned_tier),
            text(&self.pinned_model),
            self.canary_percent
                .map_or_else(String::new, |p| p.to_string()),
            if self.kill_switch { "on" } else { "off" }.to_owned(),
            if self.require_cost_effective {
                "on"
            } else {
                "off"
            }
            .to_owned(),
            text(&self.updated_at),
            text(&self.updated_by),
        ]
    }
}

/// Runs a `routing` command.
///
/// # Errors
/// What the person should be told.
pub async fn run(command: RoutingCommand, context: &mut Context) -> Result<Exit, CliError> {
    let mut policy = v1::RoutingPolicy::default();
    let routed = match command {
        RoutingCommand::Show { routed } => {
            let shown = current(&routed, context).await?;
            context.out.one(&PolicyView::from(shown))?;
            return Ok(Exit::Done);
        }
        RoutingCommand::Kill { routed, off } => {
            policy = current(&routed, context).await?;
            policy.kill_switch = !off;
            routed
        }
        RoutingCommand::Worth { routed, off } => {
            policy = current(&routed, context).await?;
            policy.require_cost_effective = !off;
            routed
        }
        RoutingCommand::Auto(set) => {
            policy.set_mode(Mode::Auto);
            policy.require_cost_effective = set.require_cost_effective;
            set.routed
        }
        RoutingCommand::Shadow(set) => {
            policy.set_mode(Mode::Shadow);
            policy.require_cost_effective = set.require_cost_effective;
            set.routed
        }
        RoutingCommand::Canary { set, percent } => {
            policy.set_mode(Mode::Canary);
            policy.require_cost_effective = set.require_cost_effective;
            policy.canary_percent = percent;
            set.routed
        }
        RoutingCommand::Pin { set, tier, model } => {
            policy.set_mode(Mode::Pinned);
            policy.require_cost_effective = set.require_cost_effective;
            if let Some(tier) = tier {
                policy.set_pinned_tier(tier.into());
            }
            if let Some(model) = model {
                let versions = format!("models/{}/versions", set.routed.task);
                policy.pinned_model = set.routed.tenant.name_of(&model, &versions)?;
            }
            set.routed
        }
    };
    let parent = routed.tenant.parent()?;
    policy.task = routed.task;
    let client = context.client().await?;
    let request = client.timed(v1::UpdateRoutingPolicyRequest {
        parent,
        policy: Some(policy),
    });
    let answer = client.answer(client.router().update_routing_policy(request).await)?;
    let view = PolicyView::from(answer.policy.unwrap_or_default());
    context.out.one(&view)?;
    Ok(Exit::Done)
}

async fn current(routed: &RoutedArgs, context: &Context) -> Result<v1::RoutingPolicy, CliError> {
    let parent = routed.tenant.parent()?;
    let client = context.client().await?;
    let request = client.timed(v1::GetRoutingPolicyRequest {
        parent,
        task: routed.task.clone(),
    });
    let answer = client.answer(client.router().get_routing_policy(request).await)?;
    Ok(answer.policy.unwrap_or_default())
}

impl From<TierArg> for v1::Tier {
    fn from(tier: TierArg) -> Self {
        match tier {
            TierArg::Global => Self::Global,
            TierArg::Vertical => Self::Vertical,
            TierArg::Tenant => Self::Tenant,
        }
    }
}
