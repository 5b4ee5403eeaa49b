//! The options of `tenantry serve`.

use std::net::SocketAddr;
use std::path::PathBuf;

/// A service that `tenantry serve` can run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum ServiceName {
    /// Tenants, keys, audit.
    Tenants,
    /// Experts, items, datasets, index.
    Ingest,
    /// Jobs and models.
    Trainer,
    /// Answers.
    Router,
    /// Cost reports and prices.
    Costs,
}

/// The options of `tenantry serve`.
///
/// Nothing has a default here: what is not given comes from the variables, then from the file, then
/// from the server's own defaults, which the help names.
#[derive(Debug, Clone, clap::Args)]
pub struct ServeArgs {
    /// The configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where gRPC is served; port 0 takes a free one [default: 127.0.0.1:50051]
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// Where Prometheus metrics are served; port 0 takes a free one [default: 127.0.0.1:9464]
    #[arg(long, value_name = "ADDR")]
    pub metrics_listen: Option<SocketAddr>,
    /// The folder for the database, the index, the models and the operator's key [default:
    /// tenantry-data]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Serve these only: tenants, ingest, trainer, router, costs
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub only: Vec<ServiceName>,
    /// Writes the bound addresses as JSON to this file when ready
    #[arg(long, value_name = "FILE")]
    pub address_file: Option<PathBuf>,
}
