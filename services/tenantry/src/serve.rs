//! `tenantry serve`: all services, or some, in one process and on one port.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use domain::Clock;
use encoding::{Encoder, Encoders};
use jobs::{
    CheckChampion, CompareSpaces, EraseTenant, Handlers, IndexItems, Precompute, PruneModels,
    RebuildIndex, ReproduceModel, Retrain, SwitchSpace, TrainTier, Worker, WorkerSettings,
};
use metering::ledger::UsageRetention;
use metering::{Ledger, UsageRecorder};
use server::config::Config;
use server::{
    AuthLayer, Background, BoundAddresses, Gatekeeper, MeterLayer, Server, init_logs, init_metrics,
    shutdown_signal,
};
use serving::experts::{Experts, ExpertsParts};
use serving::tasks::{Tasks, TasksParts};
use storage::Purpose;
use tonic::service::RoutesBuilder;

use crate::parts::Parts;
use crate::serve_args::{ServeArgs, ServiceName};

/// The build: the version, and the commit where it is known. Models' lineage names it.
const BUILD: &str = env!("TENANTRY_BUILD");

/// How often the month's costs are worked out unasked: for verdicts on models, budgets and jumps.
const COSTS_EVERY: Duration = Duration::from_secs(15 * 60);

/// Serves until SIGINT or SIGTERM, then finishes what was begun.
///
/// # Errors
/// A sentence that says what is wrong and what to do.
pub async fn run(args: ServeArgs) -> anyhow::Result<()> {
    let mut config = Config::load(args.config.as_deref(), std::env::vars())?;
    if let Some(listen) = args.listen {
        config.server.listen = listen;
    }
    if let Some(listen) = args.metrics_listen {
        config.server.metrics_listen = listen;
    }
    if let Some(folder) = args.data_dir {
        config.data_dir = folder;
    }
    init_logs(&config.log)?;
    // Both ports first: a taken one should show before anything is made.
    let server = Server::bind(config.server.listen).await?;
    let metrics = init_metrics(config.server.metrics_listen)?;
    let parts = Parts::open(&config).await?;
    let bound = BoundAddresses {
        grpc: server.address(),
        metrics: Some(metrics.address),
    };
    let assembled = assemble(&config, &parts, &args.only).await?;
    // Whoever reads the addresses may stop this process at once.
    let asked_to_stop = shutdown_signal();
    if let Some(file) = &args.address_file {
        write_addresses(file, &bound)?;
    }
    tracing::info!(grpc = %bound.grpc, metrics = %metrics.address, "tenantry serves");
    let drain = Duration::from_secs(config.server.drain_seconds);
    let background = assembled.background.clone();
    let stop = async move {
        asked_to_stop.await;
        tracing::info!("stopping: what is in flight is finished first");
        // Streams and watchers end after the batch they are at; workers give their jobs back.
        background.stop_token().cancel();
    };
    let Assembled {
        routes,
        names,
        auth,
        meter,
        background,
        ledger,
        ..
    } = assembled;
    let served = server
        .serve(routes.routes(), &names, (auth, meter), stop, drain)
        .await;
    if !background.stop(drain).await {
        tracing::warn!("background work did not end in time; it goes on at the next start");
    }
    parts.vectors.close().await;
    // What the last requests consumed.
    ledger.flush().await;
    parts.store.close().await;
    tracing::info!("stopped");
    Ok(served?)
}

struct Assembled {
    routes: RoutesBuilder,
    names: Vec<&'static str>,
    auth: AuthLayer,
    meter: MeterLayer,
    background: Background,
    clock: Clock,
    ledger: Ledger,
    recorder: UsageRecorder,
}

/// Makes the services that were asked for, and starts what works beside them.
async fn assemble(
    config: &Config,
    parts: &Parts,
    only: &[ServiceName],
) -> anyhow::Result<Assembled> {
    let wanted = |name: ServiceName| only.is_empty() || only.contains(&name);
    let clock = server::system_clock();
    let usage = parts.store.maintenance(Purpose::StartUp).usage();
    usage.keep_first_start(clock.now()).await?;
    announce_operator_key(config, parts, &clock).await?;
    let directory = tenants::Directory::new(parts.store.clone());
    let gate = Gatekeeper::new(Arc::new(directory.clone()));
    let auth = AuthLayer::new(Arc::new(directory.clone()));
    let background = Background::new();
    background.spawn(|stop| directory.follow_changes(gate.clone(), stop));
    let default = parts.embedders.default_model().space();
    let default = vectors::Space {
        name: default.name.to_owned(),
        dimensions: default.dimensions,
    };
    parts
        .vectors
        .ensure_space(&default)
        .await
        .or_else(|error| match error {
            // Made anew by the reconciler below.
            vectors::VectorError::Corrupt { .. } => Ok(()),
            other => Err(other),
        })?;
    let ledger = Ledger::new(parts.journal.clone(), parts.store.clone(), clock.clone());
    let recorder = match config.metering.enabled {
        true => ledger.recorder(),
        false => UsageRecorder::disabled(clock.clone()),
    };
    let mut made = Assembled {
        routes: RoutesBuilder::default(),
        names: Vec::new(),
        auth,
        meter: MeterLayer::new(recorder.clone()),
        background,
        clock: clock.clone(),
        ledger,
        recorder,
    };
    made.start_metering(config).await;
    if wanted(ServiceName::Tenants) {
        made.add_tenants(config, parts, &gate, &clock);
    }
    if wanted(ServiceName::Ingest) {
        made.add_ingest(config, parts, &gate, &clock).await?;
    }
    if wanted(ServiceName::Trainer) {
        made.add_trainer(config, parts, &gate, &clock);
    }
    if wanted(ServiceName::Router) {
        made.add_router(config, parts, &gate, &clock);
    }
    if wanted(ServiceName::Costs) {
        made.add_costs(parts, &gate, &clock);
    }
    Ok(made)
}

impl Assembled {
    fn add_tenants(&mut self, config: &Config, parts: &Parts, gate: &Gatekeeper, clock: &Clock) {
        let service = tenants::Tenants::new(tenants::TenantsParts {
            store: parts.store.clone(),
            gate: gate.clone(),
            clock: clock.clone(),
            embedders: parts.embedders.clone(),
            vectors: parts.vectors.clone(),
        });
        self.routes.add_service(service.service());
        self.names.push(tenants::SERVICE_NAME);
        let eraser = tenants::Eraser {
            store: parts.store.clone(),
            vectors: parts.vectors.clone(),
            spaces: all_spaces(),
            artifacts: parts.artifacts.clone(),
            clock: clock.clone(),
        };
        let handlers = Handlers::default().with::<EraseTenant>(&Arc::new(eraser));
        self.start_worker(config, parts, handlers, 1);
    }

    async fn add_ingest(
        &mut self,
        config: &Config,
        parts: &Parts,
        gate: &Gatekeeper,
        clock: &Clock,
    ) -> anyhow::Result<()> {
        ingest::reconcile(&parts.store, parts.vectors.as_ref(), clock)
            .await
            .context("the index cannot be checked")?;
        let service = ingest::Ingest::new(ingest::IngestParts {
            store: parts.store.clone(),
            vectors: parts.vectors.clone(),
            gate: gate.clone(),
            clock: clock.clone(),
            stop: self.background.stop_token(),
        });
        self.routes.add_service(service.service());
        self.names.push(ingest::SERVICE_NAME);
        let indexer = ingest::Indexer {
            store: parts.store.clone(),
            vectors: parts.vectors.clone(),
            embedders: parts.embedders.clone(),
            clock: clock.clone(),
        };
        let indexer = Arc::new(indexer);
        let handlers = Handlers::default()
            .with::<IndexItems>(&indexer)
            .with::<RebuildIndex>(&indexer);
        self.start_worker(config, parts, handlers, config.jobs.index_workers);
        let switcher = ingest::SpaceSwitcher {
            store: parts.store.clone(),
            vectors: parts.vectors.clone(),
            embedders: parts.embedders.clone(),
            grace: Duration::from_secs(config.embedding.grace_seconds),
            clock: clock.clone(),
        };
        // Beside the indexer: a switch of a large tenant must not hold up everybody's new items.
        let handlers = Handlers::default().with::<SwitchSpace>(&Arc::new(switcher));
        self.start_worker(config, parts, handlers, 1);
        Ok(())
    }

    fn add_trainer(&mut self, config: &Config, parts: &Parts, gate: &Gatekeeper, clock: &Clock) {
        let stop = self.background.stop_token();
        let service =
            trainer::Training::new(parts.store.clone(), gate.clone(), clock.clone(), stop);
        self.routes.add_service(service.service());
        self.names.push(trainer::SERVICE_NAME);
        let trainer = trainer::Trainer {
            store: parts.store.clone(),
            artifacts: parts.artifacts.clone(),
            encoder: Encoder::new(parts.store.clone(), parts.embedders.default_model().clone()),
            clock: clock.clone(),
            code_version: BUILD,
        };
        let trainer = trainer::TenantTrainer {
            trainer,
            embedders: parts.embedders.clone(),
        };
        let trainer = Arc::new(trainer);
        let handlers = Handlers::default()
            .with::<Retrain>(&trainer)
            .with::<CheckChampion>(&trainer)
            .with::<CompareSpaces>(&trainer)
            .with::<ReproduceModel>(&trainer);
        self.start_worker(config, parts, handlers, config.jobs.train_workers);
        let tiers = trainer::TierTrainer {
            store: parts.store.clone(),
            artifacts: parts.artifacts.clone(),
            clock: clock.clone(),
            space: parts.embedders.default_model().space().name.to_owned(),
            code_version: BUILD,
        };
        let handlers = Handlers::default().with::<TrainTier>(&Arc::new(tiers));
        self.start_worker(config, parts, handlers, 1);
        self.add_pruner(config, parts, clock);
    }

    fn add_pruner(&self, config: &Config, parts: &Parts, clock: &Clock) {
        let pruner = trainer::Pruner {
            store: parts.store.clone(),
            artifacts: parts.artifacts.clone(),
            clock: clock.clone(),
            retention: config.retention.clone(),
        };
        let handlers = Handlers::default().with::<PruneModels>(&Arc::new(pruner));
        self.start_worker(config, parts, handlers, 1);
        let (store, clock) = (parts.store.clone(), clock.clone());
        let every = Duration::from_secs(u64::from(config.retention.every_hours) * 3_600);
        self.background
            .spawn(|stop| trainer::run_retention(store, clock, every, stop));
    }

    fn add_router(&mut self, config: &Config, parts: &Parts, gate: &Gatekeeper, clock: &Clock) {
        let encoders = Encoders::new(parts.store.clone(), parts.embedders.clone());
        let experts = Experts::new(ExpertsParts {
            store: parts.store.clone(),
            vectors: parts.vectors.clone(),
            artifacts: parts.artifacts.clone(),
            encoders: encoders.clone(),
            recorder: self.recorder.clone(),
            clock: clock.clone(),
            max_bytes: config.router.resident_bytes,
        });
        let every = Duration::from_secs(config.router.refresh_seconds);
        let refreshed = experts.clone();
        self.background
            .spawn(|stop| refreshed.refresh_loop(every, stop));
        let sampled = experts.clone();
        self.background
            .spawn(|stop| sampled.sample_memory_loop(stop));
        let tasks = Tasks::new(TasksParts {
            store: parts.store.clone(),
            vectors: parts.vectors.clone(),
            artifacts: parts.artifacts.clone(),
            encoders,
            recorder: self.recorder.clone(),
            // Beside the tenants, and smaller than they are.
            max_bytes: config.router.resident_bytes / 2,
        });
        let refreshed = tasks.clone();
        self.background
            .spawn(|stop| refreshed.refresh_loop(every, stop));
        let (answers, writer) =
            router::AnswerLog::new(parts.store.clone(), self.background.stop_token());
        self.background.spawn(|_| writer);
        let service = router::Router::new(router::RouterParts {
            store: parts.store.clone(),
            experts: experts.clone(),
            tasks,
            answers,
            gate: gate.clone(),
            clock: clock.clone(),
            stop: self.background.stop_token(),
        });
        // Here and not with the trainer: here is what is resident.
        let precomputer = router::Precomputer::new(
            experts,
            parts.store.clone(),
            clock.clone(),
            router::PrecomputeSettings {
                items: config.router.precompute_items,
                gather: Duration::from_secs(config.router.precompute_seconds),
            },
        );
        let following = precomputer.clone();
        self.background.spawn(|stop| following.follow_changes(stop));
        let handlers = Handlers::default().with::<Precompute>(&Arc::new(precomputer));
        self.start_worker(config, parts, handlers, 1);
        self.routes.add_service(service.service());
        self.names.push(router::SERVICE_NAME);
    }

    /// Takes over what an earlier process left in the journal, and keeps it going.
    async fn start_metering(&self, config: &Config) {
        self.ledger.flush().await;
        let settings = &config.metering;
        if !settings.enabled {
            tracing::info!("metering is off: nobody will know what tenants cost");
            return;
        }
        let every = Duration::from_secs(u64::from(settings.flush_seconds));
        let ledger = self.ledger.clone();
        self.background.spawn(|stop| ledger.flush_loop(every, stop));
        let ledger = self.ledger.clone();
        self.background.spawn(|stop| ledger.overhead_loop(stop));
        let retention = UsageRetention {
            entries_days: settings.entries_days,
            hours_days: settings.hours_days,
            days_days: settings.days_days,
        };
        let (ledger, close_hour) = (self.ledger.clone(), settings.close_hour);
        self.background
            .spawn(move |stop| ledger.run_retention(close_hour, retention, stop));
    }

    fn add_costs(&mut self, parts: &Parts, gate: &Gatekeeper, clock: &Clock) {
        let service = costs::Costs::new(parts.store.clone(), gate.clone(), clock.clone());
        let watched = service.clone();
        self.background
            .spawn(|stop| costs::watch_loop(watched, COSTS_EVERY, stop));
        self.routes.add_service(service.service());
        self.names.push(costs::SERVICE_NAME);
    }

    fn start_worker(&self, config: &Config, parts: &Parts, handlers: Handlers, concurrency: usize) {
        let settings = WorkerSettings {
            concurrency,
            lease: Duration::from_secs(config.jobs.lease_seconds),
            clock: self.clock.clone(),
        };
        let worker = Worker {
            store: parts.store.clone(),
            handlers: Arc::new(handlers),
            recorder: self.recorder.clone(),
            settings,
        };
        self.background.spawn(|stop| worker.run(stop));
    }
}

/// The spaces that may hold a tenant's vectors.
fn all_spaces() -> Vec<vectors::Space> {
    embedding::Embedders::catalogue()
        .map(|(name, dimensions)| vectors::Space {
            name: name.to_owned(),
            dimensions,
        })
        .collect()
}

async fn announce_operator_key(
    config: &Config,
    parts: &Parts,
    clock: &Clock,
) -> anyhow::Result<()> {
    let file = config.data_dir.join("operator.key");
    let made = tenants::ensure_operator_key(&parts.store, &file, clock).await;
    if made.context("no operator's key can be made")? {
        tracing::info!(file = %file.display(), "made an operator's key; keep the file safe");
    }
    Ok(())
}

/// Writes the addresses at once or not at all: whoever waits for the file reads all of it.
fn write_addresses(file: &Path, bound: &BoundAddresses) -> anyhow::Result<()> {
    let url = |address: std::net::SocketAddr| format!("http://{address}");
    let text = serde_json::json!({
        "grpc": url(bound.grpc),
        "metrics": bound.metrics.map(url),
    });
    let partial = file.with_extension("partial");
    std::fs::write(&partial, text.to_string())
        .and_then(|()| std::fs::rename(&partial, file))
        .with_context(|| format!("the address file {} cannot be written", file.display()))
}
