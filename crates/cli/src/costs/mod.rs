//! `tenantry costs`: what tenants cost, what they earn, and the prices behind it.

mod export;
mod prices;
mod report;
mod usage;
mod view;

use api::v1;

use crate::Context;
use crate::args::TenantArg;
use crate::error::{CliError, Exit};
use crate::output::note;

/// See what tenants cost and earn; set prices and budgets.
#[derive(Debug, clap::Subcommand)]
pub enum CostsCommand {
    /// The costs of a month, by tenant
    #[command(after_help = "Examples:
  tenantry costs report
  tenantry costs report --tenant acme --month 2026-11 --by meter
  tenantry costs report --month 2026-10 -o csv > october.csv
  tenantry costs report -o html > costs.html")]
    Report(report::ReportArgs),
    /// A tenant's usage, by day or by hour
    #[command(after_help = "Examples:
  tenantry costs usage -t acme
  tenantry costs usage -t acme --from 2026-11-20 --to 2026-11-21 --hourly -o csv")]
    Usage(usage::UsageArgs),
    /// Write a month's priced usage in the FOCUS format
    #[command(after_help = "Examples:
  tenantry costs export --month 2026-10 --out october.csv
  tenantry costs export --format focus-parquet --out november.parquet")]
    Export(export::ExportArgs),
    /// See and set the price book (operator)
    #[command(subcommand)]
    Prices(prices::PricesCommand),
    /// Set or clear what may be spent in a month (operator)
    #[command(subcommand)]
    Budget(BudgetCommand),
}

/// Set or clear what may be spent in a month.
#[derive(Debug, clap::Subcommand)]
pub enum BudgetCommand {
    /// Set the budget of a tenant, or of all together
    #[command(after_help = "Examples:
  tenantry costs budget set -t acme 500
  tenantry costs budget set -t - 12000.50")]
    Set {
        #[command(flatten)]
        tenant: TenantArg,
        /// The amount for a month, in the currency of the price book
        amount: String,
    },
    /// Clear it
    #[command(after_help = "Example:\n  tenantry costs budget clear -t acme")]
    Clear {
        #[command(flatten)]
        tenant: TenantArg,
    },
}

/// Which tenant's costs; all together without one.
#[derive(Debug, Clone, clap::Args)]
pub struct ScopeArgs {
    /// One tenant, or `-` for all (operator) [default: all]
    #[arg(short, long, value_name = "TENANT", env = "TENANTRY_TENANT")]
    tenant: Option<String>,
    /// The month, such as 2026-11 [default: the current one]
    #[arg(long, value_name = "MONTH")]
    month: Option<String>,
}

impl ScopeArgs {
    fn parent(&self) -> String {
        crate::args::tenant_name(self.tenant.as_deref().unwrap_or("-"))
    }

    fn month(&self) -> String {
        self.month.clone().unwrap_or_default()
    }
}

/// Runs a `costs` command.
///
/// # Errors
/// What the person should be told.
pub async fn run(command: CostsCommand, context: &mut Context) -> Result<Exit, CliError> {
    match command {
        CostsCommand::Prices(prices::PricesCommand::Set(args)) => {
            prices::set(args, context).await?;
        }
        CostsCommand::Prices(prices::PricesCommand::Show) => prices::show(false, context).await?,
        CostsCommand::Prices(prices::PricesCommand::Example) => prices::show(true, context).await?,
        CostsCommand::Report(args) => {
            let client = context.client().await?;
            report::run(&client, &args, &mut context.out).await?;
        }
        CostsCommand::Usage(args) => {
            let client = context.client().await?;
            usage::run(&client, &args, &mut context.out).await?;
        }
        CostsCommand::Export(args) => {
            let client = context.client().await?;
            export::run(&client, &args, &mut context.out).await?;
        }
        CostsCommand::Budget(BudgetCommand::Set { tenant, amount }) => {
            if amount.is_empty() {
                return Err(CliError::usage("the amount is empty")
                    .hint("to take the budget away: tenantry costs budget clear"));
            }
            budget(&tenant, amount, context).await?;
        }
        CostsCommand::Budget(BudgetCommand::Clear { tenant }) => {
            budget(&tenant, String::new(), context).await?;
        }
    }
    Ok(Exit::Done)
}

async fn budget(tenant: &TenantArg, monthly: String, context: &Context) -> Result<(), CliError> {
    let parent = tenant.parent()?;
    let client = context.client().await?;
    let request = client.timed(v1::SetBudgetRequest {
        parent: parent.clone(),
        monthly,
    });
    let set = client.answer(client.costs().set_budget(request).await)?;
    let who = match parent.as_str() {
        "tenants/-" => "all tenants together",
        name => crate::args::last(name),
    };
    note(&match set.monthly.as_str() {
        "" => format!("{who}: no budget any more"),
        monthly => format!("{who}: {monthly} {} a month", set.currency),
    });
    Ok(())
}
